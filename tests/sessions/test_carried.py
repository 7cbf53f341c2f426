# -*- test-case-name: tests.sessions.test_carried -*-
"""L{openclaw_tx.sessions.carried}: messages that runs carry, in the ledger."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Carried, StoredRun
from tests.sessions.helpers import KEY, ManualWorker, Stores, ended, live, replace_run, scratch, user


def carrying(run: StoredRun, *run_ids: str, at_ms: int = 500) -> StoredRun:
    """The run, with messages that it carries."""
    said = tuple(Carried(run_id=run_id, fingerprint=f"of {run_id}", queued_at_ms=at_ms) for run_id in run_ids)
    return replace_run(run, carried=said)


class CarriedTests(SynchronousTestCase):
    """Over a store in memory."""

    def setUp(self) -> None:
        self.stores = Stores()
        self.store = self.stores.store()

    def do(self, call: Any) -> Any:
        """The result of a coroutine."""
        return self.successResultOf(Deferred.fromCoroutine(call))

    def begin(self, run: StoredRun) -> None:
        """A turn begins."""
        self.do(self.store.begin(run, [user("hi")]))

    def commit(self, run: StoredRun) -> None:
        """A turn ends."""
        self.do(self.store.commit(run, [user("hi")], model_provider="", model="", context_tokens=None))

    def statuses(self) -> dict[str, str]:
        """Of all runs."""
        driver = self.stores.database.connect().driver
        return dict(driver.execute("SELECT run_id, status FROM runs ORDER BY run_id").fetchall())

    def test_with_its_run(self) -> None:
        """They are at work with it, and end with it; what it said stands in its own row alone."""
        self.begin(carrying(live("b"), "a"))
        self.assertEqual(self.statuses(), {"a": "running", "b": "running"})
        self.commit(carrying(ended("b"), "a"))
        stored = self.do(self.store.get_run("a"))
        assert stored.result is not None
        self.assertEqual((stored.status, stored.fingerprint, stored.queued_at_ms), ("ok", "of a", 500))
        self.assertEqual((stored.result.run_id, stored.result.payloads), ("a", ()))
        self.assertEqual(self.do(self.store.get_run("b")).result.payloads, ("answer",))
        self.assertEqual(len(self.do(self.store.transcript(KEY, 10))), 1)

    def test_taken_in_later(self) -> None:
        """One that came while the run was at work is noted by the next checkpoint, or with the end."""
        self.begin(live("b"))
        self.do(self.store.checkpoint([carrying(live("b"), "a")], []))
        self.assertEqual(self.statuses(), {"a": "running", "b": "running"})
        self.commit(carrying(ended("b"), "a", "c"))
        self.assertEqual(self.statuses(), {"a": "ok", "b": "ok", "c": "ok"})

    def test_not_begun(self) -> None:
        """A run whose beginning was cancelled leaves none of them either."""
        worker = ManualWorker()
        self.stores = Stores()
        self.store = self.stores.store(worker)
        begun = Deferred.fromCoroutine(self.store.begin(carrying(live("b"), "a"), [user("hi")]))
        begun.cancel()
        self.failureResultOf(begun, CancelledError)
        worker.flush()
        self.assertEqual(self.statuses(), {})

    def test_used_again(self) -> None:
        """One that failed before makes room for the message under its id; one that came after is left alone."""
        self.begin(live("a"))
        self.commit(ended("a", status="error", at_ms=400))
        self.begin(carrying(live("b"), "a"))
        self.assertEqual(self.statuses()["a"], "running")
        self.commit(carrying(ended("b", status="error"), "a"))
        self.assertEqual(self.statuses()["a"], "error")
        self.begin(live("a"))
        self.do(self.store.checkpoint([carrying(live("d"), "a")], []))
        self.commit(carrying(ended("d"), "a"))
        self.assertEqual(self.statuses()["a"], "running")
        self.commit(ended("a", at_ms=3000))
        self.commit(carrying(ended("e"), "a"))
        self.assertEqual(self.statuses()["a"], "ok")

    def test_used_twice(self) -> None:
        """A carried message that was answered is not run again under its id."""
        self.begin(carrying(live("b"), "a"))
        self.commit(carrying(ended("b"), "a"))
        begun = Deferred.fromCoroutine(self.store.begin(live("a"), [user("hi")]))
        self.assertEqual(self.failureResultOf(begun, GatewayError).value.info.code, "idempotency_key_conflict")

    def test_crash(self) -> None:
        """They are cut off with their run, and the turn is closed once."""
        self.stores = Stores(os.path.join(scratch(self), "gateway", "openclaw.sqlite"))
        self.store = self.stores.store()
        self.begin(carrying(live("b", partial="half"), "a"))
        owners: Any = self.store._owners
        os.close(owners._held)  # as the system does for a process that dies
        owners._held = None
        self.stores.database.close()
        self.store = self.stores.store()
        self.addCleanup(lambda: self.do(self.store.close()))
        recovered = self.do(self.store.recover(9000))
        self.assertEqual({run.run_id: run.status for run in recovered}, {"a": "interrupted", "b": "interrupted"})
        stored = self.do(self.store.get_run("a"))
        self.assertEqual((stored.result.error.code, stored.partial), ("run_interrupted", ""))
        self.assertEqual([message.text for message in self.do(self.store.transcript(KEY, 10))], ["hi", "half"])
