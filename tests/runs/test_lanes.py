# -*- test-case-name: tests.runs.test_lanes -*-
"""Lanes: under a cap, in order, and fair between those who wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.runs.lanes import Lanes


class LanesTests(SynchronousTestCase):
    """One lane."""

    @given(st.integers(1, 3), st.lists(st.sampled_from(["enter", "leave", "cancel"]), max_size=60))
    def test_model(self, cap: int, steps: list[str]) -> None:
        """Never more at work than the cap, of one in order of arrival, and an empty lane leaves nothing behind."""
        lanes = Lanes(lambda _: cap)
        working: list[int] = []
        waiting: list[tuple[int, Deferred[None]]] = []
        for number, step in enumerate(steps):
            if step == "enter":
                turn = lanes.enter("x")
                if turn is None:
                    working.append(number)
                else:
                    waiting.append((number, turn))
                    turn.addCallbacks(lambda _, n=number: working.append(n), lambda f: f.trap(CancelledError))
            elif step == "leave" and working:
                working.pop(0)
                lanes.leave("x")
            elif step == "cancel" and waiting:
                waiting.pop()[1].cancel()
            waiting = [(n, turn) for n, turn in waiting if not turn.called]
            self.assertEqual((lanes.active("x"), lanes.waiting("x")), (len(working), len(waiting)))
            self.assertLessEqual(len(working), cap)
            self.assertTrue(len(working) == cap or not waiting)
            self.assertEqual(working, sorted(working))
        while working:
            working.pop()
            lanes.leave("x")
        self.assertEqual(lanes._lanes, {})

    @given(
        st.integers(1, 3),
        st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["enter", "leave", "cancel"])), max_size=80),
    )
    def test_fair(self, cap: int, steps: list[tuple[str, str]]) -> None:
        """Nobody is passed over twice by the same other one, and what one waits for comes in order."""
        lanes = Lanes(lambda _: cap)
        working: list[tuple[str, int]] = []
        waiting: list[tuple[str, int, Deferred[None]]] = []
        passed: dict[tuple[str, int], list[str]] = {}

        def admitted(who: str, number: int) -> None:
            working.append((who, number))
            passed.pop((who, number), None)
            first: dict[str, int] = {}
            for other, other_number, turn in waiting:
                if not turn.called:
                    first.setdefault(other, other_number)
            self.assertLess(number, first.get(who, number + 1))
            for other, other_number in first.items():
                if other != who:
                    others = passed.setdefault((other, other_number), [])
                    others.append(who)
                    self.assertEqual(len(others), len(set(others)))

        for number, (who, step) in enumerate(steps):
            if step == "enter":
                turn = lanes.enter("x", who)
                if turn is None:
                    working.append((who, number))
                else:
                    waiting.append((who, number, turn))
                    turn.addCallbacks(lambda _, w=who, n=number: admitted(w, n), lambda f: f.trap(CancelledError))
            elif step == "leave" and working:
                working.pop(0)
                lanes.leave("x")
            elif step == "cancel" and waiting:
                waiting[-1][2].cancel()
            waiting = [each for each in waiting if not each[2].called]
            self.assertEqual((lanes.active("x"), lanes.waiting("x")), (len(working), len(waiting)))
        for _ in range(len(working) + len(waiting)):
            lanes.leave("x")
        self.assertEqual(lanes._lanes, {})

    def test_many_that_leave_at_once(self) -> None:
        """However many are let in and leave again at once, each gets its turn, in order."""
        lanes = Lanes(lambda _: 1)
        order: list[int] = []

        async def pass_through(number: int) -> None:
            turn = lanes.enter("x")
            if turn is not None:
                await turn
            order.append(number)
            lanes.leave("x")

        lanes.enter("x")
        for number in range(2000):
            Deferred.fromCoroutine(pass_through(number))
        lanes.leave("x")
        self.assertEqual(order, list(range(2000)))
        self.assertEqual(lanes._lanes, {})

    def test_the_busy_one_waits(self) -> None:
        """Ten places asked for by one do not keep out another who asks for one."""
        lanes = Lanes(lambda _: 1)
        order: list[str] = []
        for who in ["busy"] * 10 + ["rare"]:
            turn = lanes.enter("main", who)
            if turn is None:
                order.append(who)
            else:
                turn.addCallback(lambda _, w=who: order.append(w))
        for _ in range(11):
            lanes.leave("main")
        self.assertEqual(order[:3], ["busy", "busy", "rare"])
        self.assertEqual(len(order), 11)
