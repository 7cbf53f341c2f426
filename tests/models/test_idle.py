# -*- test-case-name: tests.models.test_idle -*-
"""Silence is measured, whatever becomes of the time of day."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.models.idle import IdleTimer


class IdleTests(SynchronousTestCase):
    """L{IdleTimer}, over a clock whose delayed calls keep their time when it is set (L{openclaw_tx.steady})."""

    def setUp(self) -> None:
        """Ten seconds of silence are too many."""
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.timer = IdleTimer(self.clock, 10)
        self.expired: list[float] = []
        self.timer.start(lambda: self.expired.append(self.clock.seconds()))

    def set_clock(self, seconds: float) -> None:
        """Set the clock."""
        self.clock.rightNow += seconds
        for call in self.clock.getDelayedCalls():
            call.delay(seconds)

    def after(self, seconds: int) -> int:
        """How often it has expired after so many seconds."""
        for _ in range(seconds):
            self.clock.advance(1)
        return len(self.expired)

    def test_silence(self) -> None:
        """It expires that long after the last piece, once."""
        self.assertEqual(self.after(8), 0)
        self.timer.touch()
        self.assertEqual(self.after(9), 0)
        self.assertEqual(self.after(1), 1)
        self.assertEqual(self.after(100), 1)

    def test_set_back(self) -> None:
        """Silence is still noticed."""
        self.after(3)
        self.set_clock(-3600)
        self.assertEqual(self.after(6), 0)
        self.assertEqual(self.after(1), 1)

    def test_set_back_after_a_piece(self) -> None:
        """It may take the whole time once more, not an hour."""
        self.after(3)
        self.timer.touch()
        self.set_clock(-3600)
        self.assertEqual(self.after(16), 0)
        self.assertEqual(self.after(1), 1)

    def test_set_forward(self) -> None:
        """A stream that speaks does not expire."""
        self.after(3)
        self.timer.touch()
        self.set_clock(86_400)
        self.assertEqual(self.after(7), 0)
        for _ in range(5):
            self.timer.touch()
            self.assertEqual(self.after(5), 0)
        self.assertEqual(self.after(5), 1)
