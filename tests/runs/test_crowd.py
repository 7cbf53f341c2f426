# -*- test-case-name: tests.runs.test_crowd -*-
"""Room to wait in, shared."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.runs.crowd import Crowd


class CrowdTests(SynchronousTestCase):
    """L{Crowd}."""

    def setUp(self) -> None:
        """Nobody waits."""
        self.crowd = Crowd()

    def come(self, who: str, count: int, room: int = 10) -> int:
        """So many want to wait.

        @return: how many may.
        """
        admitted = 0
        for _ in range(count):
            if self.crowd.admits(who, room):
                self.crowd.join(who)
                admitted += 1
        return admitted

    def test_alone(self) -> None:
        """One may have all the room, and no more."""
        self.assertEqual(self.come("a", 20), 10)

    def test_shares(self) -> None:
        """Who comes later still gets a share, who has more than his gets no more."""
        self.come("a", 20)
        self.assertEqual(self.come("b", 20), 5)
        self.assertEqual(self.come("c", 20), 3)
        self.assertEqual((self.come("a", 1), self.come("b", 1)), (0, 0))

    def test_the_whole_is_bounded(self) -> None:
        """However many come."""
        for number in range(100):
            self.come(str(number), 100)
        self.assertEqual(len(self.crowd), 20)

    def test_leaving(self) -> None:
        """Makes room, first for those with less."""
        self.come("a", 10)
        self.come("b", 5)
        self.crowd.leave("a")
        self.assertEqual((self.come("a", 1), self.come("b", 1)), (0, 0))
        self.crowd.leave("b")
        self.assertEqual((self.come("a", 1), self.come("b", 2)), (0, 1))
        for _ in range(9):
            self.crowd.leave("a")
        self.assertEqual(self.come("b", 10), 5)

    @given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=200), st.integers(1, 12))
    def test_any_mix(self, steps: list[tuple[str, bool]], room: int) -> None:
        """Never more than twice the room; nobody is refused who has nothing waiting, unless the whole is full."""
        crowd, waiting = Crowd(), Counter[str]()
        for who, comes in steps:
            if comes and crowd.admits(who, room):
                crowd.join(who)
                waiting[who] += 1
            elif comes:
                self.assertTrue(waiting[who] or len(crowd) >= 2 * room)
            elif waiting[who]:
                crowd.leave(who)
                waiting[who] -= 1
            self.assertEqual(len(crowd), waiting.total())
            self.assertLessEqual(len(crowd), 2 * room)
