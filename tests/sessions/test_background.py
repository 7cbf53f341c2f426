# -*- test-case-name: tests.sessions.test_background -*-
"""L{openclaw_tx.sessions.background}, through the store."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from msgspec.structs import replace

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.sessions import background
from openclaw_tx.sessions.worker import Connection
from openclaw_tx.values import StoredRun
from tests.sessions.helpers import Stores, ended, live, user

T = TypeVar("T")


class BackgroundTests(SynchronousTestCase):
    """Runs that no person waits for."""

    def setUp(self) -> None:
        """An empty store."""
        self.store = Stores().store()

    def done(self, coroutine: Coroutine[Deferred[Any], Any, T]) -> T:
        """What a coroutine gives at once."""
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def run_one(self, run_id: str, trigger: Any, at_ms: int, over: bool = True, text: str = "answer") -> None:
        """A run in a session of its own."""
        key = f"agent:main:{run_id}"
        begun: StoredRun = replace(live(run_id, key, at_ms=at_ms), trigger=trigger)
        self.done(self.store.begin(begun, [user(f"ask {run_id}")]))
        if over:
            end = replace(ended(run_id, key, at_ms=at_ms + 5, text=text), trigger=trigger, queued_at_ms=at_ms)
            self.done(
                self.store.commit(end, [user(f"ask {run_id}")], model_provider="p", model="m", context_tokens=None)
            )

    def names(self, limit: int = 100) -> list[str]:
        """The ids, newest first."""
        return [each.run.run_id for each in self.done(self.store.runs.background(limit))]

    def test_newest_first(self) -> None:
        """Jobs, hooks, sub-agents and other agents' messages; no people's runs, and no heartbeats."""
        for number, trigger in enumerate(
            ("user", "cron", "hook", "heartbeat", "agent", "subagent", "announce", "memory")
        ):
            self.run_one(trigger, trigger, 1000 + number)
        self.assertEqual(self.names(), ["subagent", "agent", "hook", "cron"])
        self.assertEqual(self.names(2), ["subagent", "agent"])

    def test_session(self) -> None:
        """With what is known of its session; a run at work has none of its answer."""
        self.run_one("one", "cron", 1000)
        self.done(self.store.patch("agent:main:one", lambda entry: replace(entry, label="L")))
        self.run_one("two", "cron", 2000, over=False)
        two, one = self.done(self.store.runs.background(10))
        self.assertEqual((one.label, one.title, one.spawned_by), ("L", "ask one", ""))
        assert one.run.result is not None
        self.assertEqual((one.run.status, one.run.result.text), ("ok", "answer"))
        self.assertEqual((two.run.status, two.run.result), ("running", None))
        self.done(self.store.delete("agent:main:one"))
        self.assertNotIn("one", self.names())

    def test_bounded(self) -> None:
        """So much of answers is read; older runs are left out."""
        self.patch(background, "MAX_BYTES", 3000)
        for number in range(5):
            self.run_one(f"r{number}", "cron", 1000 + number, text="x" * 1000)
        self.assertEqual(self.names(), ["r4", "r3"])

    def test_by_index(self) -> None:
        """However many other runs there are."""

        def explain(connection: Connection) -> str:
            wanted = connection.statements.background_runs
            rows = connection.driver.execute(f"EXPLAIN QUERY PLAN {wanted.sql}", wanted.arguments({"the_limit": 1}))
            return str(rows.fetchall())

        plan = self.successResultOf(self.store._jobs.submit(explain, writes=False))
        self.assertIn("USING INDEX background_runs", plan)
