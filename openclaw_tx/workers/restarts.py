# -*- test-case-name: tests.workers.test_restarts -*-
"""When a worker that has died is started again. Pure."""

from __future__ import annotations

FIRST_SECONDS = 0.25
LONGEST_SECONDS = 30.0
"""Pause before a start: twice as long after each quick death, up to the longest."""

STEADY_SECONDS = 60.0
"""A worker that has lived so long is as good as one that never died."""


class Restarts:
    """The rules for one worker."""

    def __init__(self) -> None:
        self._quick = 0
        self._started = 0.0
        self.served = False
        """It has once been able to serve: it is no fault of the configuration, then."""

    def started(self, now: float) -> None:
        """A process was started."""
        self._started = now

    def is_ready(self) -> None:
        """It serves."""
        self.served = True

    def died(self, now: float) -> float | None:
        """The process has ended.

        @return: seconds until the next one is to be started; None = there is no use in it, for none has ever served.
        """
        if not self.served:
            return None
        self._quick = 0 if now - self._started >= STEADY_SECONDS else self._quick + 1
        if not self._quick:
            return FIRST_SECONDS
        return min(LONGEST_SECONDS, float(FIRST_SECONDS * 2 ** min(self._quick - 1, 20)))


__all__ = ["FIRST_SECONDS", "LONGEST_SECONDS", "STEADY_SECONDS", "Restarts"]
