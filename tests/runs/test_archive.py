# -*- test-case-name: tests.runs.test_archive -*-
"""Runs beyond the engine's memory, and what is told of those that only the ledger remembers."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.runs.archive import Archive
from openclaw_tx.runs.durable import FLUSH_SECONDS
from openclaw_tx.runs.stored import StoredView, condensed
from openclaw_tx.values import Entry, MessageEnded, ModelAnswered, RunEnded, RunResult, RunStarted, StoredRun, TextDelta
from tests.runs.rooms import Bench

RESULT = RunResult(
    run_id="r",
    session_key="agent:main:s",
    agent_id="main",
    status="interrupted",
    payloads=("one", "two"),
    model="m",
    provider="p",
    error=GatewayError("run_interrupted", "It was cut off.").info,
    queued_at_ms=1000,
    started_at_ms=2000,
    ended_at_ms=5000,
)
STORED = StoredRun(
    run_id="r",
    session_key="agent:main:s",
    agent_id="main",
    status="interrupted",
    surface="http",
    principal_id="alice",
    fingerprint="f",
    queued_at_ms=1000,
    started_at_ms=2000,
    ended_at_ms=5000,
    partial="half",
    result=RESULT,
)
ELSEWHERE = StoredRun(
    run_id="r",
    session_key="agent:main:s",
    agent_id="main",
    status="running",
    surface="http",
    principal_id="alice",
    fingerprint="f",
    queued_at_ms=1000,
    partial="half",
    provider="p",
    model="m",
)


def told(*texts: str, first: int = 1) -> list[Entry]:
    """Events that say something."""
    return [Entry(seq=seq, ts_ms=0, event=TextDelta(text=text)) for seq, text in enumerate(texts, first)]


class StoredViewTests(SynchronousTestCase):
    """L{StoredView}."""

    def push(self, view: StoredView, after: int = 0) -> list[Entry]:
        """What a watcher gets."""
        got: list[Entry] = []
        view.watch(got.extend, after)()
        return got

    def test_terminal_event_is_added(self) -> None:
        """The process died before it could tell the end: that has the number it would have had."""
        entries = self.push(StoredView(STORED, told("a", "b")))
        self.assertEqual([entry.seq for entry in entries], [1, 2, 3])
        self.assertEqual((entries[-1].event, entries[-1].ts_ms), (RunEnded(result=RESULT), 5000))

    def test_terminal_event_is_not_doubled(self) -> None:
        """One that was written stands."""
        kept = [*told("a"), Entry(seq=2, ts_ms=7, event=RunEnded(result=RESULT))]
        self.assertEqual(self.push(StoredView(STORED, kept)), kept)

    def test_nothing_kept(self) -> None:
        """Without events the result tells the story."""
        events = [entry.event for entry in self.push(StoredView(STORED, ()))]
        self.assertEqual([event.text for event in events if isinstance(event, TextDelta)], ["one", "two"])
        self.assertIsInstance(events[0], RunStarted)
        self.assertEqual(sum(isinstance(event, MessageEnded) for event in events), 2)

    @given(st.lists(st.text(min_size=1), max_size=4), st.integers(0, 12))
    def test_resumes_anywhere(self, texts: list[str], after: int) -> None:
        """What comes before a cursor and what comes after it is the whole."""
        view = StoredView(STORED, told(*texts))
        whole = self.push(view)
        self.assertEqual([entry for entry in whole if entry.seq <= after] + self.push(view, after), whole)

    def test_gap(self) -> None:
        """Where the beginning is not held, L{Run.watch} refuses and L{StoredView.tell} leaves it out."""
        view = StoredView(STORED, told("c", first=3))
        error = self.assertRaises(GatewayError, view.watch, list, 1)
        self.assertEqual(error.info.code, "replay_gap")
        got: list[Entry] = []
        view.tell(got.extend, 1)
        self.assertEqual([entry.seq for entry in got], [3, 4])
        self.assertEqual([entry.seq for entry in self.push(view, 2)], [3, 4])

    def test_state(self) -> None:
        """How it ended, with its times; too late to abort."""
        view = StoredView(STORED, told("a"))
        self.assertEqual(
            (view.state.status, view.state.payloads, view.state.last_seq), ("interrupted", ("one", "two"), 2)
        )
        self.assertEqual((view.times.queued, view.times.started, view.times.ended), (1.0, 2.0, 5.0))
        self.assertFalse(view.abort("x"))
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(view.result())), RESULT)

    def test_of_another_process(self) -> None:
        """It is shown as far as it is known, and can not be waited for."""
        view = StoredView(ELSEWHERE, told("ha"))
        self.assertEqual((view.state.status, view.state.payloads, view.state.last_seq), ("running", ("half",), 1))
        self.assertEqual((view.state.provider, view.state.model), ("p", "m"))
        self.assertEqual(self.assertRaises(GatewayError, view.watch, list).info.code, "storage_unavailable")
        failure = self.failureResultOf(Deferred.fromCoroutine(view.result()), GatewayError)
        self.assertTrue(failure.value.info.should_retry)  # type: ignore[attr-defined]

    def test_condensed(self) -> None:
        """Numbered from one; without a model there is nothing that answered."""
        self.assertEqual([entry.seq for entry in condensed(RESULT)], list(range(1, 8)))
        answered = condensed(RESULT)[1].event
        self.assertEqual(answered, ModelAnswered(provider="p", model="m", round=1))
        silent = RunResult(run_id="r", session_key="k", agent_id="main", status="aborted")
        self.assertEqual([type(entry.event) for entry in condensed(silent)], [RunStarted, RunEnded])


class ArchiveTests(SynchronousTestCase):
    """L{Archive}."""

    def setUp(self) -> None:
        """An engine and its store."""
        self.bench = Bench()
        self.archive = Archive(self.bench.engine, self.bench.sessions)  # type: ignore[arg-type]

    def do(self, call: Any) -> Any:
        """The result of a coroutine."""
        return self.successResultOf(Deferred.fromCoroutine(call))

    def test_find(self) -> None:
        """Memory first, then the ledger; events only for who wants them."""
        run = self.bench.start()
        self.assertIs(self.do(self.archive.find("run-1")), run)
        self.assertEqual(self.bench.sessions.looked_up, 0)
        self.assertIsNone(self.do(self.archive.find("nope")))
        self.bench.sessions.runs["r"] = STORED
        self.bench.sessions.event_log["r"] = told("a", "b")
        self.assertEqual(self.do(self.archive.find("r", events=True)).state.last_seq, 3)
        run.abort("x")

    def test_same_time(self) -> None:
        """What may not be seen is looked up like what is not there."""
        self.do(self.archive.find("nope"))
        before = self.bench.sessions.looked_up
        self.do(self.archive.look_up("run-1"))
        self.assertEqual((before, self.bench.sessions.looked_up), (1, 2))

    def test_repeated(self) -> None:
        """The live one rather than its row; else the row with its events."""
        run = self.bench.start(durable=True, idempotency="k")
        self.assertIs(self.do(self.archive.repeated("k")), run)
        self.assertIsNone(self.do(self.archive.repeated("other")))
        self.bench.model.calls[0].text("hello")
        self.bench.model.calls[0].finish()
        self.bench.clock.advance(FLUSH_SECONDS)
        whole = list(run.journal.since(0))
        self.bench.engine._ended.expire(float("inf"))
        view = self.do(self.archive.repeated("k"))
        self.assertIsInstance(view, StoredView)
        self.assertEqual(view.entries, whole)

    def test_watch(self) -> None:
        """Live runs through what is durable, others from what was kept; another process's ends early."""
        run = self.bench.start(durable=True)
        got: list[Any] = []
        stop = self.archive.watch(run, got.append)
        self.bench.clock.advance(FLUSH_SECONDS)
        self.assertEqual(len(got), 1)
        stop()
        run.abort("x")
        self.bench.clock.advance(FLUSH_SECONDS)
        self.archive.watch(StoredView(STORED, told("a")), got.append)
        self.archive.watch(StoredView(ELSEWHERE, told("a")), got.append)
        self.assertEqual([len(batch) for batch in got], [1, 2, 1, 0])

    def test_without_a_ledger(self) -> None:
        """There is memory, and nothing else."""
        archive = Archive(self.bench.engine, None)
        self.assertIsNone(self.do(archive.find("x")))
        self.assertIsNone(self.do(archive.repeated("x")))
        self.do(archive.look_up("x"))
        self.do(archive.keep(StoredView(STORED, ())))
