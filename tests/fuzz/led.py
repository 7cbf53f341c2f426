"""The readers' properties, led by atheris: it notes which lines an input reached, and goes on from those that reached
new ones. C{python -m tests.fuzz.led SECONDS}; C{make fuzz} does that where atheris is installed.

Each reader gets a process of its own, since atheris ends the one that it is in.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from hypothesis import HealthCheck, given, settings

TARGETS = [
    "test_requests.BodyTests.test_nearly_right",
    "test_requests.FrameTests.test_nearly_right",
    "test_requests.FrameTests.test_connect",
    "test_replies.ReaderTests.test_any_stream",
    "test_replies.ReaderTests.test_any_whole",
    "test_replies.FramingTests.test_cuts",
    "test_kept.FileTests.test_transcript",
    "test_kept.SchemaTests.test_checked",
    "test_config.ReadTests.test_file",
    "test_config.ReadTests.test_load",
    "test_config.EditTests.test_rewrite",
]


def lead(target: str, seconds: int) -> None:
    """Try one of them for so long. Does not return.

    @raise ImportError: atheris is not there.
    """
    import atheris

    with atheris.instrument_imports(include=["openclaw_tx.wire", "openclaw_tx.config"]):
        import importlib

        module, case, method = target.split(".")
        found: Any = getattr(importlib.import_module(f"tests.fuzz.{module}"), case)(method)
    handle = getattr(found, method).hypothesis

    @settings(suppress_health_check=list(HealthCheck))
    @given(**handle._given_kwargs)
    def bound(**arguments: Any) -> None:
        handle.inner_test(found, **arguments)

    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-verbosity=0"], bound.hypothesis.fuzz_one_input)
    atheris.Fuzz()


def main(seconds: int) -> int:
    """Try all of them, for so long together.

    @return: how many failed.
    """
    failed = 0
    for target in TARGETS:
        print(f"{target}:", flush=True)
        ended = subprocess.run([sys.executable, "-m", "tests.fuzz.led", target, str(max(1, seconds // len(TARGETS)))])
        failed += ended.returncode != 0
    return failed


if __name__ == "__main__":
    if len(sys.argv) == 3:
        lead(sys.argv[1], int(sys.argv[2]))
    sys.exit(main(int(sys.argv[1])))
