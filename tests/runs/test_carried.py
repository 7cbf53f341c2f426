# -*- test-case-name: tests.runs.test_carried -*-
"""L{openclaw_tx.runs.carried}: what is found under the keys of messages that runs carry."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from twisted.internet.defer import Deferred

from openclaw_tx.errors import GatewayError
from openclaw_tx.runs.ended import KEEP_SECONDS
from openclaw_tx.runs.steering import MAX_CARRIED
from openclaw_tx.values import Carried, Entry, RunEnded, RunStarted
from tests.runs.rooms import Bench, RunCase

SAID = Carried(run_id="said", fingerprint="f", queued_at_ms=7)


class CarriedTests(RunCase):
    """Over an engine with rooms in memory."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.engine = self.bench.engine

    def carried(self) -> Any:
        """What the engine finds."""
        return self.engine.get("said")

    def test_as_a_run(self) -> None:
        """It is the carrier's in all but its id, its fingerprint, when it came and what it says."""
        run = self.bench.session("hi", carried=(SAID,))
        found = self.carried()
        self.assertEqual((found.request.run_id, found.request.fingerprint, found.queued_at_ms), ("said", "f", 7))
        self.assertEqual((found.status, found.outcome, found.principal), ("running", None, run.principal))
        self.assertEqual((found.state.run_id, found.state.status), ("said", "running"))
        waiting = Deferred.fromCoroutine(found.result())
        entries: list[Entry] = []
        found.watch(entries.extend)
        self.assertEqual(entries, [])
        self.bench.model.calls[0].text("yes")
        self.bench.model.calls[0].finish()
        for result in (self.successResultOf(waiting), found.outcome):
            self.assertEqual((result.run_id, result.status, result.payloads), ("said", "ok", ()))
        last = entries[-1].event
        assert isinstance(last, RunEnded)
        self.assertEqual((last.result.run_id, [entry.seq for entry in entries]), ("said", [1, 2, 3]))
        again: list[Entry] = []
        found.watch(again.extend, 2)
        self.assertEqual(again, entries[2:])
        self.assertEqual(found.state.last_seq, 3)

    def test_joined(self) -> None:
        """A request under its id joins it; another one is a conflict."""
        run = self.bench.session("hi", carried=(SAID,))
        request = replace(run.request, run_id="said", fingerprint="f", carried=())
        joined = self.engine.start(request, run.principal)
        self.assertEqual((joined.request.run_id, len(list(self.engine.live()))), ("said", 1))
        other = replace(request, fingerprint="g")
        error = self.assertRaises(GatewayError, self.engine.start, other, run.principal)
        self.assertEqual(error.info.code, "idempotency_key_conflict")
        run.abort("over")

    def test_aborted(self) -> None:
        """Aborting it aborts what reads it."""
        run = self.bench.session("hi", carried=(SAID,))
        self.assertTrue(self.carried().abort("rpc"))
        assert run.outcome is not None
        self.assertEqual((run.outcome.status, self.carried().outcome.abort_reason), ("aborted", "rpc"))

    def test_aborted_before_it_began(self) -> None:
        """Whoever watches it afterwards is told its end, which was the first thing that its carrier said."""
        first = self.bench.session("hi")
        run = self.bench.session("next", carried=(SAID,))
        self.assertTrue(run.abort("rpc"))
        entries: list[Entry] = []
        self.carried().watch(entries.extend)
        self.assertEqual([type(entry.event) for entry in entries], [RunStarted, RunEnded])
        first.abort("over")

    def test_forgotten(self) -> None:
        """It is known for as long as its run is."""
        self.bench.session("hi", carried=(SAID,))
        self.bench.model.calls[0].text("yes")
        self.bench.model.calls[0].finish()
        self.assertIsNotNone(self.carried())
        self.bench.clock.advance(KEEP_SECONDS + 1)
        self.successResultOf(Deferred.fromCoroutine(self.engine.checkpoint()))
        self.assertIsNone(self.carried())
        self.assertEqual(self.engine._carried._carriers, {})

    def test_steered(self) -> None:
        """A run takes so many in, and they are found from then on."""
        run = self.bench.session("hi")
        run.steer("no key")
        run.steering.take()
        for number in range(MAX_CARRIED):
            self.assertTrue(run.steer("x", replace(SAID, run_id=f"s{number}")))
            run.steering.take()
        self.assertFalse(run.steer("x", SAID))
        self.assertTrue(run.steer("still no key"))
        self.assertIsNone(self.carried())
        self.assertEqual(self.engine.get("s0").outcome, None)
        self.assertEqual(len(run.stored().carried), MAX_CARRIED)
        run.abort("over")

    def test_failed_in_vain(self) -> None:
        """Where nothing came of the run, its message and those that it carried may be tried again, each by itself."""
        for first in ("said", "run-1"):
            self.setUp()
            run = self.bench.session("hi", carried=(SAID,))
            asked = run.request
            self.bench.model.calls[0].fail("provider_timeout")
            assert run.outcome is not None
            self.assertTrue(self.carried().outcome.came_to_nothing)
            request = replace(asked, run_id=first, carried=(), fingerprint="f" if first == "said" else "")
            started = self.engine.start(request, run.principal)
            self.assertEqual((started.status, self.engine.get(first)), ("running", started))
            self.bench.model.calls[-1].text("yes")
            self.bench.model.calls[-1].finish()
            self.assertEqual(self.engine.get(first).outcome.status, "ok")

    def test_failed_with_words(self) -> None:
        """Where text was told, a retry of what was carried is no better than one of the run."""
        self.bench.session("hi", carried=(SAID,))
        self.bench.model.calls[0].text("half")
        self.bench.model.calls[0].fail("provider_timeout")
        outcome = self.carried().outcome
        self.assertEqual((outcome.error.code, outcome.came_to_nothing), ("provider_timeout", False))
