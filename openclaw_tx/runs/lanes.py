# -*- test-case-name: tests.runs.test_lanes -*-
"""Queues with a cap on how many are at work, fair between those who wait (spec 3.8)."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from twisted.internet.defer import Deferred


class _Lane:
    __slots__ = ("active", "admitting", "queues", "waiting")

    def __init__(self) -> None:
        self.active = 0
        self.admitting = False
        """Somebody is being let in."""
        self.waiting = 0
        self.queues: OrderedDict[str, deque[Deferred[None]]] = OrderedDict()
        """By who waits; the first one is next."""


class Lanes:
    """Named lanes. A lane exists only while somebody is in it, so any number of names costs nothing.

    Of one and the same, who came first is let in first; between different ones the places go round, so that nobody who
    asks for much keeps out those who ask for little. Bounds on how many may wait are the caller's: L{waiting} tells.
    """

    def __init__(self, cap: Callable[[str], int]) -> None:
        """
        @param cap: how many may be at work in the lane of that name; asked each time, so it may change.
        """
        self._cap = cap
        self._lanes: dict[str, _Lane] = {}

    def waiting(self, name: str) -> int:
        """How many wait in the lane."""
        lane = self._lanes.get(name)
        return lane.waiting if lane is not None else 0

    def active(self, name: str) -> int:
        """How many are at work in the lane."""
        lane = self._lanes.get(name)
        return lane.active if lane is not None else 0

    def enter(self, name: str, who: str = "") -> Deferred[None] | None:
        """Take a place.

        @param who: for whom it is, by any name.
        @return: None when there was one free; otherwise fires when it is one's turn. Cancelling it gives up the wait.
        """
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = _Lane()
        if not lane.waiting and lane.active < self._cap(name):
            lane.active += 1
            return None
        turn: Deferred[None] = Deferred(lambda waiter: self._give_up(name, who, waiter))
        lane.queues.setdefault(who, deque()).append(turn)
        lane.waiting += 1
        return turn

    def leave(self, name: str) -> None:
        """Give a place back; whoever is next gets it before this returns. Who is let in and leaves at once, from within
        that, leaves it to whoever let him in: or so many would do so one inside the other that the stack has an end."""
        lane = self._lanes[name]
        lane.active -= 1
        self._admit(name, lane)

    def refresh(self) -> None:
        """Caps may have grown: let in whoever has room now."""
        for name, lane in list(self._lanes.items()):
            self._admit(name, lane)

    def _admit(self, name: str, lane: _Lane) -> None:
        if lane.admitting:
            return
        lane.admitting = True
        try:
            while lane.waiting and lane.active < self._cap(name):
                who, queue = lane.queues.popitem(last=False)
                turn = queue.popleft()
                if queue:
                    lane.queues[who] = queue
                lane.active += 1
                lane.waiting -= 1
                turn.callback(None)
        finally:
            lane.admitting = False
        self._forget_if_empty(name, lane)

    def _give_up(self, name: str, who: str, waiter: Deferred[None]) -> None:
        lane = self._lanes[name]
        queue = lane.queues[who]
        queue.remove(waiter)
        lane.waiting -= 1
        if not queue:
            del lane.queues[who]
        self._forget_if_empty(name, lane)

    def _forget_if_empty(self, name: str, lane: _Lane) -> None:
        if not lane.active and not lane.waiting and not lane.admitting and self._lanes.get(name) is lane:
            del self._lanes[name]
