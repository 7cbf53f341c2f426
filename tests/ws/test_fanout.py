# -*- test-case-name: tests.ws.test_fanout -*-
"""Rounds: who hears what, in which order, and how much of it happens in one turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.values import Principal
from openclaw_tx.wire.events import Batch, Event
from openclaw_tx.ws.fanout import MAX_LOG, TOOL_EVENTS, Audience, Fanout
from openclaw_tx.ws.slices import SLICE_SECONDS, Slices
from tests.ws.fakes import Turns

EACH = SLICE_SECONDS / 3.5
"""What it takes to tell a connection something: four of them fill a turn."""


class Ear:
    """A connection that notes what it is told.

    @ivar writes: the events of each write.
    @ivar then: called with each write.
    """

    def __init__(self, clock: Turns, number: int, who: str = "p", caps: tuple[str, ...] = ()) -> None:
        self._clock = clock
        self.number = number
        self.caps = frozenset(caps)
        self.principal = Principal(id=who, method="token", scopes=frozenset(), ip=f"192.0.2.{number % 250}")
        self.writes: list[list[str]] = []
        self.then: Callable[[], None] | None = None

    @property
    def heard(self) -> list[str]:
        """All events, in order."""
        return [name for write in self.writes for name in write]

    def tell(self, batch: Batch) -> None:
        """See L{openclaw_tx.ws.connection.Connection.tell}."""
        self._clock.rightNow += EACH
        self.writes.append([event.body.decode() for event in batch.events])
        if self.then is not None:
            self.then()


class FanoutTests(SynchronousTestCase):
    """L{Fanout}."""

    def setUp(self) -> None:
        self.clock = Turns()
        self.slices = Slices(self.clock)
        self.held: list[str] = []
        self.fanout = Fanout(self.slices, self.collect)
        self.ears: list[Ear] = []

    def collect(self) -> None:
        held, self.held = self.held, []
        for name in held:
            self.post(name)

    def join(self, count: int = 1, **more: Any) -> Any:
        """So many connections; the last of them."""
        for _ in range(count):
            self.ears.append(Ear(self.clock, len(self.ears), **more))
            ear: Any = self.ears[-1]
            self.fanout.join(ear)
        return self.ears[-1]

    def post(self, name: str, **more: Any) -> None:
        self.fanout.post(Event(name.encode()), **more)

    def turns(self) -> int:
        """Go on until nothing is to be done; how many turns that took."""
        count = 0
        while self.clock.getDelayedCalls():
            self.clock.turn()
            count += 1
            self.assertLess(count, 1000)
        return count

    def test_next_turn(self) -> None:
        """What is told in one turn goes out in the next, in one write for each connection."""
        self.join(3)
        self.post("a")
        self.post("b")
        self.assertEqual([ear.writes for ear in self.ears], [[]] * 3)
        self.clock.turn()
        self.assertEqual([ear.writes for ear in self.ears], [[["a", "b"]]] * 3)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_slices(self) -> None:
        """A turn serves as many as it has time for; everybody has their turn before anybody has a second one."""
        self.join(10)
        self.post("a")
        served = []
        for _ in range(3):
            before = self.clock.seconds()
            self.clock.turn()
            self.assertLess(self.clock.seconds() - before, SLICE_SECONDS + EACH)
            served.append(sum(len(ear.writes) for ear in self.ears))
        self.assertEqual(served, [4, 8, 10])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_in_the_middle(self) -> None:
        """What is told while a round is under way goes with it to those it has not reached, and to the others in the
        next round: each hears all, in order."""
        self.join(6)
        self.post("a")
        self.clock.turn()
        self.post("b")
        self.turns()
        self.assertEqual([ear.writes for ear in self.ears], [[["a"], ["b"]]] * 4 + [[["a", "b"]]] * 2)

    def test_collected(self) -> None:
        """What the owner holds back is asked for at the beginning of a round."""
        self.join(6)
        self.held = ["a"]
        self.fanout.wake()
        self.clock.turn()
        self.held = ["b"]
        self.clock.turn()
        self.assertEqual([ear.heard for ear in self.ears], [["a", "b"]] * 2 + [["a"]] * 4, "b begins the next round")
        self.turns()
        self.assertEqual([ear.heard for ear in self.ears], [["a", "b"]] * 6)

    def test_out_of_turn(self) -> None:
        """A connection that must be up to date is told everything at once, and nothing twice."""
        self.join(6)
        self.post("a")
        self.held = ["b"]
        last: Any = self.ears[-1]
        self.fanout.catch_up(last)
        self.assertEqual((last.heard, self.ears[0].heard), (["a", "b"], []))
        self.fanout.catch_up(last)
        self.turns()
        self.assertEqual([ear.heard for ear in self.ears], [["a", "b"]] * 6)
        self.assertEqual(last.writes, [["a", "b"]])

    def test_join_in_the_middle(self) -> None:
        """Who comes hears what is told from then on."""
        self.join(6)
        self.post("a")
        self.clock.turn()
        late = self.join()
        self.post("b")
        self.turns()
        self.assertEqual(late.heard, ["b"])

    def test_leave_in_the_middle(self) -> None:
        """Who leaves, be it while another is told something, is not missed."""
        self.join(6)
        gone: list[Any] = [self.ears[0], self.ears[2], self.ears[5]]
        self.ears[1].then = lambda: [self.fanout.leave(ear) for ear in gone] and None
        self.post("a")
        self.clock.turn()
        self.post("b")
        self.turns()
        for ear in (self.ears[1], self.ears[3], self.ears[4]):
            self.assertEqual(ear.heard, ["a", "b"])
        self.assertEqual(len(self.fanout), 3)

    def test_everybody_leaves_in_the_middle(self) -> None:
        """With the last one gone nothing is held and nothing is to be done."""
        self.join(6)

        def leave() -> None:
            for ear in self.ears:
                gone: Any = ear
                self.fanout.leave(gone)
            self.fanout.clear()

        self.ears[1].then = leave
        self.post("a")
        self.clock.turn()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        late = self.join()
        self.post("b")
        self.turns()
        self.assertEqual(late.heard, ["b"])

    def test_cleared_before_the_turn(self) -> None:
        """Neither is anything left when they go before they are told."""
        ear = self.join()
        self.post("a")
        self.assertIsNotNone(self.fanout.leave(ear))
        self.fanout.clear()
        self.assertEqual((len(self.slices), self.clock.getDelayedCalls()), (0, []))

    def test_audiences(self) -> None:
        """Whether an event may be heard is asked once for all who may hear the same, wherever they are."""
        self.join(4, who="a")
        self.join(2, who="b")
        self.join(2, who="a", caps=(TOOL_EVENTS,))
        asked: list[tuple[str, bool, str]] = []

        def hears(audience: Audience) -> bool:
            asked.append((audience.principal.id, audience.tools, audience.principal.ip))
            return audience.principal.id == "a" and audience.tools

        self.post("x", hears=hears)
        self.post("y")
        self.turns()
        self.assertEqual(sorted(asked), [("a", False, ""), ("a", True, ""), ("b", False, "")])
        self.assertEqual([ear.heard for ear in self.ears], [["y"]] * 6 + [["x", "y"]] * 2)
        self.assertEqual(len(self.fanout.audiences()), 3)

    def test_audience_gone(self) -> None:
        """An audience is gone with the last of it."""
        first, second = self.join(), self.join()
        self.assertIsNone(self.fanout.leave(first))
        self.assertIsNone(self.fanout.leave(first), "who is not there does not leave")
        audience = self.fanout.leave(second)
        assert audience is not None
        self.assertEqual((audience.count, self.fanout.audiences()), (0, {}))

    def test_wants(self) -> None:
        """What depends on the connection is asked for each."""
        self.join(4)
        self.post("x", wants=lambda one: one.number % 2 == 0)
        self.post("y")
        self.turns()
        self.assertEqual([ear.heard for ear in self.ears], [["x", "y"], ["y"], ["x", "y"], ["y"]])

    def test_stale(self) -> None:
        """Of events that tell the state of something, who has heard none hears the last, in its place."""
        self.join(6)
        self.post("a1", topic="a", replaces=("a",))
        self.post("x")
        self.clock.turn()
        self.post("a2", topic="a", replaces=("a",))
        self.post("b1", topic="b", replaces=("b",))
        self.post("a3", topic="a", replaces=("a", "b"))
        self.turns()
        self.assertEqual([ear.heard for ear in self.ears], [["a1", "x", "a3"]] * 4 + [["x", "a3"]] * 2)
        self.post("a4", topic="a", replaces=("a",))
        self.turns()
        self.assertEqual({ear.heard[-1] for ear in self.ears}, {"a4"})
        self.assertEqual((self.fanout._bytes, self.fanout._last), (0, {}))

    def test_full(self) -> None:
        """A log that has become too large goes to everybody at once."""
        self.join(6)
        self.fanout.post(Event(b"a"))
        self.clock.turn()
        self.fanout.post(Event(b"b" * MAX_LOG))
        self.assertEqual([[name[:1] for name in ear.heard] for ear in self.ears], [["a", "b"]] * 6)
        self.post("c")
        self.turns()
        self.assertEqual([[name[:1] for name in ear.heard] for ear in self.ears], [["a", "b", "c"]] * 6)

    def test_full_again(self) -> None:
        """What is told because others are told is lost to nobody, even if that is too much as well."""
        self.join(3)
        self.ears[1].then = lambda: self.fanout.post(Event(b"b" * MAX_LOG)) if len(self.ears[1].writes) < 3 else None
        self.fanout.post(Event(b"a" * MAX_LOG))
        self.turns()
        self.assertEqual([[name[:1] for name in ear.heard] for ear in self.ears], [["a", "b", "b"]] * 3)

    def test_failure(self) -> None:
        """A programming error in telling one costs nobody else an event."""

        def fail() -> None:
            raise ZeroDivisionError

        self.join(6)
        self.ears[1].then = fail
        self.post("a")
        self.turns()
        self.assertEqual([ear.heard for ear in self.ears], [["a"]] * 6)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_nobody(self) -> None:
        """With nobody there nothing is kept."""
        self.post("a")
        self.fanout.wake()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        ear = self.join()
        self.post("b")
        self.turns()
        self.assertEqual(ear.heard, ["b"])

    @settings(max_examples=60)
    @given(st.lists(st.sampled_from(["post", "hold", "turn", "join", "leave", "catch up", "all"]), max_size=60))
    def test_all_in_order(self, steps: list[str]) -> None:
        """Whatever happens in between: each hears everything that was told since it came, in order and once."""
        self.setUp()
        told: list[str] = []
        expected: dict[int, int] = {}
        for number, step in enumerate(steps):
            ears: list[Any] = [ear for ear in self.ears if ear.number in expected]
            if step == "join":
                self.fanout.tell_all()
                expected[self.join().number] = len(told)
            elif step in ("post", "hold") and ears:
                told.append(str(number))
                if step == "post":
                    self.collect()
                    self.post(told[-1])
                else:
                    self.held.append(told[-1])
                    self.fanout.wake()
            elif step == "turn":
                self.clock.turn()
            elif step == "leave" and len(ears) > 1:
                self.fanout.leave(ears[number % len(ears)])
                del expected[ears[number % len(ears)].number]
            elif step == "catch up" and ears:
                self.fanout.catch_up(ears[number % len(ears)])
            elif step == "all":
                self.fanout.tell_all()
        self.turns()
        for ear in self.ears:
            if ear.number in expected:
                told_since = told[expected[ear.number] :]
                self.assertEqual(ear.heard[-len(told_since) :] if told_since else [], told_since)
                self.assertEqual(len(set(ear.heard)), len(ear.heard))
