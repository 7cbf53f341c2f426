# -*- test-case-name: tests.sessions.test_usage -*-
"""L{openclaw_tx.sessions.usage}, through the store."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.sessions.usage import HOUR_MS, KEEP_HOURS
from openclaw_tx.values import UsageRow
from tests.sessions.helpers import Stores


def row(hour: int, model: str = "m", agent_id: str = "main", runs: int = 1) -> UsageRow:
    """Ten times as many tokens of prompts as runs, twice as many of answers."""
    return UsageRow(
        hour=hour,
        agent_id=agent_id,
        provider="p",
        model=model,
        runs=runs,
        input_tokens=10 * runs,
        output_tokens=2 * runs,
        cached_tokens=0,
    )


class UsageTests(SynchronousTestCase):
    """Counts by the hour."""

    def setUp(self) -> None:
        """An empty store."""
        self.store = Stores().store().usage

    def add(self, *rows: UsageRow) -> None:
        """Add to the counts."""
        self.result_of(self.store.add_usage(rows))

    def result_of(self, coroutine: object) -> object:
        """What a coroutine gives at once."""
        return self.successResultOf(Deferred.fromCoroutine(coroutine))  # type: ignore[arg-type]

    def read(self, first: int = 0, end: int = 10**6, agent_id: str = "") -> object:
        """What is known."""
        return self.result_of(self.store.usage(first, end, agent_id))

    def test_grows(self) -> None:
        """What is added to an hour, agent and model is summed; all else stands for itself."""
        self.add(row(5), row(5, "other"))
        self.add(row(5, runs=2), row(5, agent_id="beta"), row(4))
        self.assertEqual(self.read(), [row(4), row(5, agent_id="beta"), row(5, runs=3), row(5, "other")])

    def test_asked_for(self) -> None:
        """By hours, the last one not among them, and by agent."""
        self.add(row(4), row(5), row(6), row(5, agent_id="beta"))
        self.assertEqual(self.read(5, 6, "main"), [row(5)])

    def test_forgotten(self) -> None:
        """After 400 days."""
        self.add(row(4), row(5))
        self.result_of(self.store.prune((KEEP_HOURS + 5) * HOUR_MS))
        self.assertEqual(self.read(), [row(5)])
