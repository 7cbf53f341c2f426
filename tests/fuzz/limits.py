"""How much is tried, and how long one piece of it may take."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

TIMES = max(1, int(os.environ.get("OPENCLAW_FUZZ") or 1))
"""How many times more examples than in C{make test}."""
SECONDS = 0.5
"""Of the processor, for one small input. Measured ones take less than a hundredth of it."""


def examples(count: int, steps: int = 30) -> settings:
    """Settings of a property.

    @param count: examples under C{make test}.
    @param steps: of one example, for machines.
    """
    return settings(max_examples=count * TIMES, stateful_step_count=steps)


def run(machine: type[RuleBasedStateMachine], count: int, steps: int = 30) -> None:
    """Push a machine around in so many ways; see L{examples}."""
    run_state_machine_as_test(machine, settings=examples(count, steps))


@contextmanager
def bounded(seconds: float = SECONDS) -> Iterator[None]:
    """What is done within takes no longer than that of the processor. It is this thread's own time, so that a busy
    machine changes nothing.

    @raise AssertionError: it did.
    """
    begun = time.thread_time()
    yield
    took = time.thread_time() - begun
    assert took < seconds, f"took {took:.3f} s of the processor"


__all__ = ["SECONDS", "TIMES", "bounded", "examples", "run"]
