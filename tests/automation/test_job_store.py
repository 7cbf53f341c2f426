# -*- test-case-name: tests.automation.test_job_store -*-
"""L{openclaw_tx.automation.job_store}."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.automation.job_store import JobStore
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import CronJob
from tests.automation.jobs import job
from tests.automation.test_in_order import Threads


class SaveTests(SynchronousTestCase):
    """Writes that go on while more are wanted."""

    def setUp(self) -> None:
        self.threads = Threads()
        self.store = JobStore(Path("/nowhere/jobs.json"), self.threads)
        self.jobs: list[CronJob] = []

    def save(self) -> Deferred[None]:
        """Want the jobs of now to be written."""
        return Deferred.fromCoroutine(self.store.save(lambda: self.jobs))

    def written(self, number: int) -> list[str]:
        """Which jobs a write has."""
        arguments: Any = self.threads.begun[number][0]
        return [each.id for each in arguments[1]]

    def test_shared(self) -> None:
        """All who ask while a write goes on share the next one, which has the jobs of when it begins."""
        first = self.save()
        self.jobs.append(job("a"))
        rest = [self.save() for _ in range(50)]
        self.jobs.append(job("b"))
        self.threads.begun[0][1].callback(None)
        self.successResultOf(first)
        self.assertEqual((len(self.threads.begun), self.written(0), self.written(1)), (2, [], ["a", "b"]))
        self.assertTrue(all(not each.called for each in rest))
        self.threads.begun[1][1].callback(None)
        for each in rest:
            self.successResultOf(each)
        self.assertEqual(len(self.threads.begun), 2)

    def test_failure(self) -> None:
        """Who began a write that failed is told; who waits for the next one tries it."""
        first, second = self.save(), self.save()
        self.threads.begun[0][1].errback(OSError(28, "No space left on device"))
        error = self.failureResultOf(first, GatewayError).value
        self.assertEqual(error.info.code, "storage_unavailable")
        self.assertIn("No space left", error.info.message)
        self.threads.begun[1][1].callback(None)
        self.successResultOf(second)

    def test_cancelled(self) -> None:
        """Who leaves takes nobody else's write away."""
        first, second = self.save(), self.save()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.threads.begun[0][1].callback(None)
        self.threads.begun[1][1].callback(None)
        self.successResultOf(second)
