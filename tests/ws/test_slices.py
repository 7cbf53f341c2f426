# -*- test-case-name: tests.ws.test_slices -*-
"""A bounded time of each turn."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.ws.slices import SLICE_SECONDS, SLICE_STEPS, Slices
from tests.ws.fakes import Turns


class SlicesTests(SynchronousTestCase):
    """L{Slices} on a clock that goes on with each step."""

    def setUp(self) -> None:
        self.clock = Turns()
        self.slices = Slices(self.clock)
        self.done: list[str] = []

    def job(self, name: str, steps: int, takes: float = SLICE_SECONDS / 3.5) -> Iterator[None]:
        """Steps that take their time."""
        for number in range(steps):
            self.clock.rightNow += takes
            self.done.append(f"{name}{number}")
            yield

    def turn(self) -> list[str]:
        """What is done in the next turn."""
        self.done.clear()
        self.clock.turn()
        return list(self.done)

    def test_bounded(self) -> None:
        """A turn has as many steps as fit in its time; with the last one done there is no delayed call."""
        self.slices.add(self.job("a", 6))
        self.assertEqual(self.done, [], "not in the turn in which it was asked for")
        self.assertEqual(self.turn(), ["a0", "a1", "a2", "a3"])
        self.assertEqual(len(self.slices), 1)
        self.assertEqual(self.turn(), ["a4", "a5"])
        self.assertEqual((len(self.slices), self.clock.getDelayedCalls()), (0, []))

    def test_turns(self) -> None:
        """A long job does not keep others waiting for its end."""
        self.slices.add(self.job("a", 9))
        self.slices.add(self.job("b", 5))
        turns = [self.turn() for _ in range(4)]
        self.assertEqual([names[0][0] for names in turns], ["a", "b", "a", "b"])

    def test_short_jobs_share(self) -> None:
        """Many short jobs share a turn, and its time."""
        for name in "abcdef":
            self.slices.add(self.job(name, 1))
        self.assertEqual(self.turn(), ["a0", "b0", "c0", "d0"])
        self.assertEqual(self.turn(), ["e0", "f0"])

    def test_clock_that_stands(self) -> None:
        """With a clock that does not move there is a bound all the same."""
        self.slices.add(self.job("a", SLICE_STEPS + 1, takes=0))
        self.assertEqual(len(self.turn()), SLICE_STEPS)
        self.assertEqual(len(self.turn()), 1)

    def test_failure(self) -> None:
        """What a job raises is logged, ends it, and concerns no other."""

        def broken() -> Iterator[None]:
            yield
            raise ZeroDivisionError

        self.slices.add(broken())
        self.slices.add(self.job("b", 2))
        self.assertEqual(self.turn(), ["b0", "b1"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_drop(self) -> None:
        """A job that was dropped gets no further step; the last one takes the delayed call with it."""
        dropped, kept = self.job("a", 9), self.job("b", 1)
        self.slices.add(dropped)
        self.slices.add(kept)
        self.turn()
        self.slices.drop(dropped)
        self.assertEqual(self.turn(), ["b0"])
        again = self.job("c", 1)
        self.slices.add(again)
        self.slices.drop(again)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop(self) -> None:
        """So do all."""
        self.slices.add(self.job("a", 9))
        self.slices.stop()
        self.assertEqual((self.turn(), self.clock.getDelayedCalls()), ([], []))
