# -*- test-case-name: tests.ws.test_slices -*-
"""Work for very many connections, a bounded piece of it in each turn of the reactor."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

SLICE_SECONDS = 0.01
"""How long a turn of the reactor may be kept at it, all jobs together."""
SLICE_STEPS = 2000
"""Steps in a turn at most, should the clock stand still."""


class Slices:
    """Does jobs step by step. Jobs that are there at the same time take turns. With none there is no delayed call."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._log = Logger()
        self._jobs: deque[Iterator[None]] = deque()
        self._call: IDelayedCall | None = None

    def __len__(self) -> int:
        """Jobs that are not done."""
        return len(self._jobs)

    def add(self, job: Iterator[None]) -> None:
        """Begin with a job in the next turn.

        @param job: does a step each time it is asked for the next value. What it raises is logged and ends it.
        """
        self._jobs.append(job)
        self._arm()

    def drop(self, job: Iterator[None]) -> None:
        """Give a job no further step. One that drops itself must end by itself."""
        if job in self._jobs:
            self._jobs.remove(job)
        if not self._jobs:
            self.stop()

    def stop(self) -> None:
        """Drop all jobs."""
        self._jobs.clear()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _arm(self) -> None:
        if self._call is None and self._jobs:
            self._call = self._clock.callLater(0, self._slice)

    def _slice(self) -> None:
        self._call = None
        seconds = self._clock.seconds
        until, steps = seconds() + SLICE_SECONDS, SLICE_STEPS
        while self._jobs and steps > 0:
            job = self._jobs.popleft()
            try:
                for _ in job:
                    steps -= 1
                    if steps <= 0 or seconds() >= until:
                        steps = 0
                        self._jobs.append(job)
                        break
            except Exception:
                self._log.failure("work for many connections failed")
        self._arm()


__all__ = ["SLICE_SECONDS", "SLICE_STEPS", "Slices"]
