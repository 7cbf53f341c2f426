# -*- test-case-name: tests.models.test_http -*-
"""A timer for silence."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

SET_SECONDS = 60.0
"""No reactor is so late; the clock was set, or the machine slept."""


class IdleTimer:
    """One timer for a whole exchange: pieces that come only note the time.

    @ivar seconds: the longest silence.
    """

    __slots__ = ("_call", "_clock", "_expired", "_last", "_looked", "_running", "seconds")

    def __init__(self, clock: IReactorTime, seconds: float) -> None:
        self.seconds = seconds
        self._clock = clock
        self._running = seconds
        self._last = self._looked = clock.seconds()
        self._call: IDelayedCall | None = None
        self._expired: Callable[[], None] = _nothing

    def start(self, expired: Callable[[], None], seconds: float | None = None) -> None:
        """Call C{expired} after C{seconds} (default: the idle timeout) without a L{touch}."""
        longer = self._running
        self._running = self.seconds if seconds is None else seconds
        self._last = self._clock.seconds()
        if self._call is not None and self._running < longer:
            self.stop()
        self._expired = expired
        if self._call is None:
            self._looked = self._last
            self._call = self._clock.callLater(self._running, self._check)
        else:
            self._looked = -1.0  # the call that is there was made for another time; it will look again when it is due

    def touch(self) -> float:
        """A piece came, now.

        @return: now.
        """
        self._last = self._clock.seconds()
        return self._last

    def stop(self) -> None:
        """Never expire; whoever was to be told is let go."""
        self._expired = _nothing
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _check(self) -> None:
        self._call = None
        now = self._clock.seconds()
        left = self._last + self._running - now
        touched = self._last != self._looked
        if left > self._running or (touched and left < -SET_SECONDS):
            # Times before and after can not be compared; the delayed call alone has kept its time.
            self._last, left = now, self._running if touched else 0.0
        if left > 0:
            self._looked = self._last
            self._call = self._clock.callLater(left, self._check)
        else:
            self._expired()


def _nothing() -> None:
    """Nobody waits."""


__all__ = ["IdleTimer"]
