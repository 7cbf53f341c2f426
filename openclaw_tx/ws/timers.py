# -*- test-case-name: tests.ws.test_timers -*-
"""All timers of all WebSocket connections on one delayed call of the clock."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import ceil

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

RING_SECONDS = 0.01
"""How long a turn of the reactor may be kept at it; alarms that are due as well ring in the next."""
SET_SECONDS = 1.0
"""The time is never so much earlier than it was, unless the clock was set back."""


class Alarm:
    """Something that is due at a time. Cancelling it twice, or after it rang, does nothing."""

    __slots__ = ("_timers", "action", "due", "number")

    def __init__(self, timers: Timers, due: float, number: int, action: Callable[[], None]) -> None:
        self._timers = timers
        self.due = due
        self.number = number
        self.action: Callable[[], None] | None = action

    def __lt__(self, other: Alarm) -> bool:
        return (self.due, self.number) < (other.due, other.number)

    @property
    def active(self) -> bool:
        """False once it rang or was cancelled."""
        return self.action is not None

    def cancel(self) -> None:
        """Never ring."""
        if self.action is not None:
            self.action = None
            self._timers.cancelled()


class Timers:
    """A heap of alarms behind one delayed call. With no alarm set there is no delayed call either."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._log = Logger()
        self._heap: list[Alarm] = []
        self._live = 0
        self._count = 0
        self._call: IDelayedCall | None = None
        self._ringing = False
        self._latest = 0.0

    def __len__(self) -> int:
        """Alarms that are set."""
        return self._live

    def seconds(self) -> float:
        """The time of the clock."""
        return self._clock.seconds()

    def after(self, seconds: float, action: Callable[[], None], grain: float = 0.0) -> Alarm:
        """Set an alarm.

        @param action: called once; what it raises is logged and harms no other alarm.
        @param grain: it may ring so many seconds later, with others: to wake for each of a thousand costs more than
            what they do.
        """
        self._count += 1
        now = self._clock.seconds()
        self._set_back(self._latest - now)
        self._latest = now
        due = now + seconds
        if grain:
            due = ceil(due / grain) * grain
        alarm = Alarm(self, due, self._count, action)
        heappush(self._heap, alarm)
        self._live += 1
        if self._heap[0] is alarm:
            self._arm()
        return alarm

    def cancelled(self) -> None:
        """Called by an alarm that was cancelled. Dead ones leave when they reach the top, or outnumber the living."""
        self._live -= 1
        if len(self._heap) > 2 * self._live + 64:
            self._heap = [alarm for alarm in self._heap if alarm.active]
            heapify(self._heap)
            self._arm()  # a call ahead of the first alarm would look as if the clock had been set back
        if self._live == 0:
            self._heap.clear()
            self._arm()

    def _set_back(self, seconds: float) -> None:
        """When the clock is set back the delayed call keeps its time (L{openclaw_tx.steady}); so do the alarms."""
        if seconds > SET_SECONDS:
            for alarm in self._heap:
                alarm.due -= seconds

    def _arm(self) -> None:
        """Have the one delayed call at the time of the first alarm."""
        if self._ringing:
            return
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        if self._heap:
            self._call = self._clock.callLater(max(0.0, self._heap[0].due - self._clock.seconds()), self._ring)

    def _ring(self) -> None:
        self._ringing = True
        now = self._clock.seconds()
        if self._heap:
            self._set_back(self._heap[0].due - now)
        self._latest = now
        until = now + RING_SECONDS
        try:
            while self._heap and self._heap[0].due <= now and self._clock.seconds() < until:
                alarm = heappop(self._heap)
                action, alarm.action = alarm.action, None
                if action is None:
                    continue
                self._live -= 1
                try:
                    action()
                except Exception:
                    self._log.failure("a timer of the WebSocket surface failed")
        finally:
            self._ringing = False
            self._arm()
