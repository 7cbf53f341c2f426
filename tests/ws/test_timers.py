# -*- test-case-name: tests.ws.test_timers -*-
"""Many alarms on one delayed call."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.ws.timers import RING_SECONDS, Alarm, Timers
from tests.ws.fakes import Turns


class TimersTests(SynchronousTestCase):
    """L{Timers}."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.timers = Timers(self.clock)
        self.rung: list[str] = []

    def after(self, seconds: float, name: str) -> Alarm:
        return self.timers.after(seconds, lambda: self.rung.append(name))

    def test_order(self) -> None:
        """Alarms ring when due, in order of time, then of setting."""
        self.after(2, "b")
        self.after(1, "a")
        self.after(2, "c")
        self.clock.advance(1)
        self.assertEqual(self.rung, ["a"])
        self.clock.advance(1)
        self.assertEqual(self.rung, ["a", "b", "c"])

    def test_one_delayed_call(self) -> None:
        """However many alarms there are, the clock has one call; none when all are cancelled or rung."""
        alarms = [self.after(seconds, str(seconds)) for seconds in range(50, 0, -1)]
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.assertEqual(len(self.timers), 50)
        for alarm in alarms:
            alarm.cancel()
            alarm.cancel()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.after(1, "last")
        self.clock.advance(1)
        self.assertEqual((self.rung, self.clock.getDelayedCalls(), len(self.timers)), (["last"], [], 0))

    def test_set_from_within(self) -> None:
        """An action may set alarms, due at once or later, and cancel others that are due now."""
        other = self.timers.after(1.5, lambda: self.rung.append("cancelled"))

        def first() -> None:
            other.cancel()
            self.after(0, "now")
            self.after(5, "later")

        self.timers.after(1, first)
        self.clock.advance(2)
        self.assertEqual(self.rung, ["now"])
        self.clock.advance(5)
        self.assertEqual(self.rung, ["now", "later"])

    def test_failure_is_logged(self) -> None:
        """An action that raises does not keep the next one from ringing."""
        self.timers.after(1, lambda: 1 / 0)  # type: ignore[arg-type, return-value]
        self.after(1, "next")
        self.clock.advance(1)
        self.assertEqual(self.rung, ["next"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_grain(self) -> None:
        """Alarms that need not be exact ring together, never too early."""
        for seconds in (0.5, 4.0, 5.0, 5.5):
            self.timers.after(seconds, lambda seconds=seconds: self.rung.append(str(seconds)), 5.0)  # type: ignore[misc]
        self.clock.advance(4.9)
        self.assertEqual(self.rung, [])
        self.clock.advance(0.1)
        self.assertEqual(self.rung, ["0.5", "4.0", "5.0"])
        self.clock.advance(5)
        self.assertEqual(self.rung[3:], ["5.5"])

    def test_many_at_once(self) -> None:
        """Alarms that are due together and take their time share it out among turns."""
        clock = Turns()
        timers = Timers(clock)

        def ring(number: int) -> None:
            clock.rightNow += RING_SECONDS / 3.5
            self.rung.append(str(number))

        for number in range(6):
            timers.after(1, lambda number=number: ring(number))  # type: ignore[misc]
        clock.rightNow += 1
        clock.turn()
        self.assertEqual(self.rung, ["0", "1", "2", "3"])
        clock.turn()
        self.assertEqual(self.rung[4:], ["4", "5"])
        self.assertEqual(clock.getDelayedCalls(), [])

    def set_back(self, seconds: float) -> None:
        """Set the clock; its delayed calls keep the time that is left to them."""
        self.clock.rightNow -= seconds
        for call in self.clock.getDelayedCalls():
            call.delay(-seconds)

    def test_clock_set_back(self) -> None:
        """Alarms ring when they would have."""
        self.after(30, "a")
        self.after(40, "b")
        self.clock.advance(10)
        self.set_back(3600)
        self.clock.advance(20)
        self.assertEqual(self.rung, ["a"])
        self.clock.advance(10)
        self.assertEqual(self.rung, ["a", "b"])

    def test_clock_set_back_and_used(self) -> None:
        """A new alarm makes the old ones no later than by the time that nobody had looked at the clock."""
        self.after(30, "a")
        self.clock.advance(10)
        self.set_back(3600)
        self.after(1, "new")
        self.clock.advance(1)
        self.assertEqual(self.rung, ["new"])
        self.clock.advance(30)
        self.assertEqual(self.rung, ["new", "a"])

    def test_many_cancelled(self) -> None:
        """However many alarms were cancelled that would have rung before it, an alarm keeps its time."""
        for count in range(60, 75):
            clock = Clock()
            timers = Timers(clock)
            rung: list[str] = []
            timers.after(45, lambda rung=rung: rung.append("late"))  # type: ignore[misc]
            for alarm in [timers.after(15, rung.clear) for _ in range(count)]:
                alarm.cancel()
            clock.pump([15, 29])
            self.assertEqual(rung, [], count)
            clock.advance(1)
            self.assertEqual(rung, ["late"], count)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=200))
    def test_any_mix(self, steps: list[tuple[int, bool]]) -> None:
        """Whatever is set and cancelled, exactly the alarms that live ring, in order, and cancelled ones are not kept
        in large numbers."""
        clock = Clock()
        timers = Timers(clock)
        rung: list[tuple[int, int]] = []
        kept = []
        for number, (seconds, keep) in enumerate(steps):
            alarm = timers.after(seconds, lambda due=seconds, number=number: rung.append((due, number)))  # type: ignore[misc]
            if keep:
                kept.append((seconds, number))
            else:
                alarm.cancel()
            self.assertLessEqual(len(timers._heap), 3 * len(timers) + 65)
        clock.advance(21)
        self.assertEqual(rung, sorted(kept))
        self.assertEqual(clock.getDelayedCalls(), [])
