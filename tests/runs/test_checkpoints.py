# -*- test-case-name: tests.runs.test_checkpoints -*-
"""What is written down every second."""

from __future__ import annotations

from twisted.logger import Logger

from openclaw_tx.runs.checkpoints import CHECKPOINT_SECONDS, checkpoints
from openclaw_tx.runs.notes import CHECKPOINT_AGE_MS
from openclaw_tx.runs.usage import UsageLog
from tests.runs.rooms import Bench, RunCase
from tests.runs.test_usage import Store


class CheckpointsTests(RunCase):
    """L{checkpoints}."""

    def test_each_second(self) -> None:
        """Runs that are at work, and what those that have ended took; nothing after the service has stopped."""
        self.bench = Bench()
        store = Store()
        usage = UsageLog(store)
        self.bench.engine.at_end(usage.watch)
        service = checkpoints(self.bench.engine, usage, self.bench.clock, Logger())
        service.startService()
        live = self.bench.start("long")
        self.bench.model.calls[0].text("so far")
        self.bench.start("short")
        self.bench.model.calls[1].finish()
        self.assertEqual((self.bench.sessions.runs, store.rows), ({}, []))
        self.bench.clock.pump([CHECKPOINT_SECONDS] * (1 + CHECKPOINT_AGE_MS // 1000))
        self.assertEqual(self.bench.sessions.runs["run-1"].partial, "so far")
        self.assertEqual([row.runs for row in store.rows], [1])
        self.successResultOf(service.stopService())
        live.abort("over")
