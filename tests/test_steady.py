# -*- test-case-name: tests.test_steady -*-
"""Delayed calls of a real reactor whose time of day is set."""

from __future__ import annotations

from twisted.internet.base import ReactorBase
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.steady import LOOK_SECONDS, SteadyClock


class Reactor(ReactorBase):
    """Twisted's own timers without any I/O."""

    def installWaker(self) -> None:
        """Nobody waits for anything here."""

    def wakeUp(self) -> None:
        """Nobody sleeps."""


class SteadyTests(SynchronousTestCase):
    """L{SteadyClock}."""

    def setUp(self) -> None:
        """Both clocks are the test's."""
        self.wall, self.monotonic = 1_000_000.0, 500.0
        self.reactor = Reactor()
        clock = SteadyClock(self.reactor, lambda: self.wall, lambda: self.monotonic)
        self.reactor.seconds = clock.seconds  # type: ignore[method-assign]
        self.rung: list[str] = []

    def after(self, seconds: float, name: str) -> None:
        """A delayed call."""
        self.reactor.callLater(seconds, self.rung.append, name)

    def turn(self, seconds: float = LOOK_SECONDS) -> None:
        """Let time pass, enough to look at the clock again; then the reactor turns, and once more if it was woken."""
        self.wall += seconds
        self.monotonic += seconds
        self.reactor.runUntilCurrent()
        self.reactor.runUntilCurrent()

    def test_set_back(self) -> None:
        """By an hour: calls ring when they would have, in order, new ones among them."""
        for seconds in (3, 1, 2):
            self.after(seconds, str(seconds))
        self.turn(0.5)
        self.wall -= 3600
        self.turn()
        self.after(1, "1.5")
        self.turn(0.4 - LOOK_SECONDS)
        self.assertEqual(self.rung, [])
        for _ in range(3):
            self.turn(0.7)
        self.assertEqual(self.rung, ["1", "1.5", "2"])
        self.turn(0.6)
        self.assertEqual(self.rung, ["1", "1.5", "2", "3"])
        self.assertEqual(self.reactor.seconds(), self.wall)

    def test_set_forward(self) -> None:
        """By a day: nothing rings before its time."""
        self.after(10, "late")
        self.turn(1)
        self.wall += 86_400
        self.turn()
        self.turn(8.5)
        self.assertEqual(self.rung, [])
        self.turn(0.6)
        self.assertEqual(self.rung, ["late"])

    def test_set_while_calls_ring(self) -> None:
        """A clock that is set in the middle of the reactor's turn makes nothing ring early."""

        def back() -> None:
            self.wall -= 3600
            self.reactor.seconds()

        self.reactor.callLater(1, back)
        self.after(2, "after")
        self.turn(1)
        self.assertEqual(self.rung, [])
        self.turn(1)
        self.assertEqual(self.rung, ["after"])

    def test_slow_drift_is_followed(self) -> None:
        """What NTP does all the time: the time is the wall's, and calls ring by it."""
        self.after(100, "drift")
        for _ in range(99):
            self.turn(1)
            self.wall += 0.01
        self.monotonic += LOOK_SECONDS
        self.assertEqual((self.reactor.seconds(), self.rung), (self.wall, []))
        self.turn(0.02)
        self.assertEqual(self.rung, ["drift"])
