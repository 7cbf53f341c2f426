"""The tests of openclaw_tx.

Properties are looked for in made-up examples. Those are the same in every run, and no example is held to a time by the
wall clock: a test that fails fails again, on a busy machine as on an idle one. C{make fuzz} sets C{OPENCLAW_FUZZ} to a
number: then they are others in every run, and the tests that take their count from L{tests.fuzz.limits} make so many
times more of them.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "test",
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("fuzz", settings.get_profile("test"), derandomize=False, print_blob=True)
settings.load_profile("fuzz" if os.environ.get("OPENCLAW_FUZZ") else "test")
