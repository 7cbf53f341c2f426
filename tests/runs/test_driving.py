# -*- test-case-name: tests.runs.test_driving -*-
"""Aborts that come from within the run: from somebody who hears what it tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from openclaw_tx.config.schema_agents import AgentDefaults
from openclaw_tx.runs.local import outcome
from openclaw_tx.values import Entry, MessageEnded, RunStarted, ToolEnded, ToolStarted
from tests.runs.rooms import Adder, Bench, Lookup, RunCase


class AbortFromWithinTests(RunCase):
    """A watcher aborts the run while the run itself is telling."""

    def setUp(self) -> None:
        """One run at a time; tools that add, and that look."""
        self.adder, self.lookup = Adder(), Lookup()
        self.bench = Bench(self.adder, self.lookup, defaults=AgentDefaults(max_concurrent=1))

    def aborting(self, run: Any, kind: type) -> None:
        """Have the run aborted as soon as it tells an event of a kind."""

        def push(batch: Sequence[Entry]) -> None:
            if any(type(entry.event) is kind for entry in batch):
                run.abort("rpc")

        run.watch(push)

    def aborted(self, run: Any) -> None:
        """The run ends so in the next turn of the reactor."""
        self.bench.clock.advance(0)
        result = self.ended(run)
        self.assertEqual((result.status, result.abort_reason), ("aborted", "rpc"))

    def test_when_it_starts(self) -> None:
        """One that has waited for its place."""
        first, run = self.bench.start(), self.bench.start()
        self.aborting(run, RunStarted)
        first.abort("rpc")
        self.aborted(run)
        self.assertTrue(self.bench.model.calls[-1].cancelled)

    def test_before_a_tool(self) -> None:
        """What a tool would do is not done."""
        run = self.bench.start()
        self.aborting(run, ToolStarted)
        self.bench.model.calls[0].call_tool("add", {"a": 1, "b": 2})
        self.bench.model.calls[0].finish()
        self.aborted(run)
        self.assertEqual(self.adder.calls, [])
        self.assertEqual([type(event) for event in self.bench.events("run-1")].count(ToolEnded), 1)

    def test_between_tools_that_go_together(self) -> None:
        """Nor what those do that come after the one whose end was told."""
        run = self.bench.start()
        self.aborting(run, ToolEnded)
        for number in range(12):
            self.bench.model.calls[0].call_tool("look", {"what": str(number)})
        self.bench.model.calls[0].finish()
        self.assertEqual(len(self.lookup.gates), 8)
        self.lookup.gates["0"].callback("seen")
        self.aborted(run)
        self.assertEqual(self.lookup.cancelled, [str(number) for number in range(1, 8)])
        self.assertEqual(len(self.lookup.gates), 8)

    def test_before_tools_that_go_together(self) -> None:
        """None of them does anything, and the model is not asked what to make of that."""
        run = self.bench.start()
        self.aborting(run, ToolStarted)
        for number in range(12):
            self.bench.model.calls[0].call_tool("look", {"what": str(number)})
        self.bench.model.calls[0].finish()
        self.aborted(run)
        self.assertEqual((len(self.lookup.gates), len(self.bench.model.calls)), (0, 1))

    def test_after_a_tool(self) -> None:
        """Nor when the last of them has ended."""
        run = self.bench.start()
        self.aborting(run, ToolEnded)
        self.bench.model.calls[0].call_tool("add", {"a": 1, "b": 2})
        self.bench.model.calls[0].finish()
        self.aborted(run)
        self.assertEqual(len(self.bench.model.calls), 1)

    def test_with_the_last_message(self) -> None:
        """It does not end well once somebody was told that it is aborted."""
        run = self.bench.start()
        self.aborting(run, MessageEnded)
        self.bench.model.calls[0].text("done")
        self.bench.model.calls[0].finish()
        self.aborted(run)
        self.assertEqual(run.payloads, ("done",))

    def test_given_up_from_python(self) -> None:
        """Who waits for a run in this process may give it up from within what he is told."""
        run = self.bench.start()

        def told(entry: Entry) -> None:
            if type(entry.event) is ToolStarted:
                waiting.cancel()

        waiting = Deferred.fromCoroutine(outcome(run, told))
        self.bench.model.calls[0].call_tool("add", {"a": 1, "b": 2})
        self.bench.model.calls[0].finish()
        self.failureResultOf(waiting, CancelledError)
        self.bench.clock.advance(0)
        self.assertEqual((self.ended(run).abort_reason, self.adder.calls), ("cancelled", []))
