# -*- test-case-name: tests.runs.test_repeats -*-
"""A model that calls tools in vain is noticed; one that gets on is not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema_tools import LoopDetection
from openclaw_tx.runs.repeats import Repeats

LIMITS = LoopDetection(history_size=30, warning_threshold=3, critical_threshold=5, global_circuit_breaker_threshold=7)


class RepeatsTests(SynchronousTestCase):
    """Thresholds 3, 5 and 7."""

    def setUp(self) -> None:
        self.repeats = Repeats(LIMITS)

    def call(self, tool: str = "read", result: str = "same", **arguments: object) -> str:
        """One call as a run makes it.

        @return: go, warn, refuse or stop.
        """
        verdict = self.repeats.before(tool, arguments)
        if verdict == "stop":
            return verdict
        if verdict == "refuse":
            self.assertIn(tool, self.repeats.refused(tool, arguments))
            return verdict
        return "warn" if self.repeats.after(tool, arguments, result) else "go"

    def test_repeated(self) -> None:
        """The same call with the same result: told at the third, refused at the fifth, ended at the seventh."""
        self.assertEqual(
            [self.call(path="a") for _ in range(7)], ["go", "go", "warn", "warn", "refuse", "refuse", "stop"]
        )

    def test_order_of_arguments(self) -> None:
        """The order of the arguments does not tell calls apart."""
        self.call(a=1, b=2)
        self.call(b=2, a=1)
        self.assertEqual(self.call(a=1, b=2), "warn")

    def test_another_result(self) -> None:
        """A call that brings something new begins anew."""
        self.assertEqual([self.call(result=str(number)) for number in range(10)], ["go"] * 10)
        self.call(result="a")
        self.call(result="a")
        self.assertEqual(self.call(result="b"), "go")

    def test_in_between(self) -> None:
        """What is called in between does not hide a repetition."""
        told = []
        for number in range(4):
            self.call("write", result=str(number), path=str(number))
            told.append(self.call(path="a"))
        self.assertEqual(told, ["go", "go", "warn", "warn"])

    def test_in_turns(self) -> None:
        """Two calls in turns count together."""
        told = [self.call(path="ab"[number % 2]) for number in range(7)]
        self.assertEqual(told, ["go", "go", "go", "warn", "refuse", "refuse", "stop"])

    def test_polling(self) -> None:
        """How long a model waits for a process, or how much of it it wants to see, is not another question."""
        told = [self.call("process", "running", action="poll", sessionId="s", timeout=number) for number in range(5)]
        self.assertEqual(told, ["go", "go", "warn", "warn", "refuse"])
        self.assertEqual(self.call("process", "running", action="poll", sessionId="other"), "go")

    def test_actions_of_other_tools(self) -> None:
        """An C{action} may be anything: other tools have one, too, and theirs are objects and lists."""
        told = [self.call("robot", action={"kind": "move", "by": [1, 2]}) for _ in range(3)]
        self.assertEqual(told, ["go", "go", "warn"])
        self.assertEqual(self.call("process", action=["poll"]), "go")

    def test_broken_arguments(self) -> None:
        """Arguments that could not be read count by their text."""
        for _ in range(2):
            self.repeats.before("read", "{oops")
            self.assertEqual(self.repeats.after("read", "{oops", "Invalid arguments"), "")
        self.assertNotEqual(self.repeats.after("read", "{oops", "Invalid arguments"), "")

    def test_off(self) -> None:
        """Switched off, nothing is said and nothing refused."""
        self.repeats = Repeats(LoopDetection(enabled=False))
        self.assertEqual({self.call() for _ in range(50)}, {"go"})

    def test_history(self) -> None:
        """Only so many calls are looked back on."""
        self.repeats = Repeats(
            LoopDetection(history_size=4, warning_threshold=3, critical_threshold=5, global_circuit_breaker_threshold=7)
        )
        told = []
        for number in range(8):
            told.append(self.call(path="a"))
            self.call("write", result=str(number), path=str(number))
        self.assertEqual(set(told), {"go"})

    @given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy")), max_size=60))
    def test_never_without_a_repetition(self, steps: list[tuple[str, str]]) -> None:
        """No call is refused unless one like it was made before, with the result that its last one had."""
        repeats = Repeats(LIMITS)
        seen: list[str] = []
        for path, result in steps:
            if repeats.before("read", {"path": path}) != "go":
                self.assertGreaterEqual(seen.count(path), 2)
                return
            repeats.after("read", {"path": path}, result)
            seen.append(path)
