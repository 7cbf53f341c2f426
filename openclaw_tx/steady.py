# -*- test-case-name: tests.test_steady -*-
"""Timers that go on when the time of day is set.

Twisted's reactor measures its delayed calls by the time of day. When that is set back by an hour, no timer rings for
an hour: no keep-alive, no timeout, no event that waits to be written. When it is set forward, every timer rings
at once: runs time out that have just begun.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

JUMP_SECONDS = 1.0
"""From here on a difference is a clock that was set, or a machine that slept; less is followed as it comes."""

LOOK_SECONDS = 0.01
"""How long the time of day is taken for what it was and the time since: a request asks some forty times."""


class SteadyClock:
    """Has the time of day for a reactor; when it is set, delayed calls keep the time that was left to them.

    What has kept a time of day as a number has to bear with it.
    """

    def __init__(
        self,
        reactor: Any,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        @param reactor: provides IReactorTime and IReactorFromThreads.
        @param wall: the time of day, in seconds since 1970.
        @param monotonic: a clock that is never set, in seconds.
        """
        self._reactor = reactor
        self._wall = wall
        self._monotonic = monotonic
        self._apart = wall() - monotonic()
        self._look_at = 0.0
        self._adjusting = False

    def seconds(self) -> float:
        """Seconds since 1970, for C{reactor.seconds}; in any thread."""
        monotonic = self._monotonic()
        if monotonic < self._look_at:
            return monotonic + self._apart
        self._look_at = monotonic + LOOK_SECONDS
        wall = self._wall()
        if abs(wall - monotonic - self._apart) <= JUMP_SECONDS:
            self._apart = wall - monotonic
            return wall
        if not self._adjusting:
            # The reactor may be looking through its calls right now; it does what comes from threads before.
            self._adjusting = True
            self._reactor.callFromThread(self._adjust)
        return monotonic + self._apart

    def _adjust(self) -> None:
        """Take the new time, and take all delayed calls along."""
        apart = self._wall() - self._monotonic()
        moved, self._apart, self._adjusting = apart - self._apart, apart, False
        for call in self._reactor.getDelayedCalls():
            call.delay(moved)


def keep_steady(reactor: Any) -> None:
    """Have a process's own reactor go by L{SteadyClock}."""
    reactor.seconds = SteadyClock(reactor).seconds


__all__ = ["JUMP_SECONDS", "LOOK_SECONDS", "SteadyClock", "keep_steady"]
