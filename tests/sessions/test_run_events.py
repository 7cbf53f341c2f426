# -*- test-case-name: tests.sessions.test_run_events -*-
"""Durable runs in the store: their rows, their events, and what goes with them."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.sessions import run_events
from openclaw_tx.sessions.owners import SoleOwner
from openclaw_tx.sessions.sql import KEEP_RUNS_MS, SqlSessions
from openclaw_tx.values import (
    Entry,
    KeptEvents,
    MessageEnded,
    ModelAnswered,
    RunEnded,
    RunEvent,
    StoredRun,
    TextDelta,
    ToolEnded,
)
from tests.sessions.helpers import KEY, ManualWorker, Stores, answer, ended, live, replace_run, user


def text(seq: int, said: str = "x") -> Entry:
    """An event."""
    return Entry(seq=seq, ts_ms=seq, event=TextDelta(text=said))


class RunEventsTests(SynchronousTestCase):
    """L{SqlSessions.keep}, L{SqlSessions.events} and L{SqlSessions.repeated}."""

    def setUp(self) -> None:
        """An empty store."""
        self.stores = Stores()
        self.store = self.stores.store()

    def do(self, call: Any) -> Any:
        """The result of a coroutine."""
        return self.successResultOf(Deferred.fromCoroutine(call))

    def keep(self, run_id: str, *entries: Entry, run: StoredRun | None = None, first_held: int = 1) -> None:
        """Write events of one run."""
        part = KeptEvents(run_id=run_id, entries=entries, first_held=first_held, run=run, new=run is not None)
        self.do(self.store.keep([part]))

    def seqs(self, run_id: str = "r") -> list[int]:
        """Numbers of the events that are kept."""
        return [entry.seq for entry in self.do(self.store.events(run_id))]

    def run_(self, run_id: str = "r") -> StoredRun:
        """What the ledger says."""
        found = self.do(self.store.get_run(run_id))
        assert found is not None
        return found

    def raw(self, sql: str, *parameters: Any) -> list[Any]:
        """Behind the store's back."""
        return self.stores.database.connect().driver.execute(sql, parameters).fetchall()

    def other_process(self) -> SqlSessions:
        """A store of a process that takes the first one for dead."""
        return SqlSessions(self.stores.jobs, SoleOwner("later"), iter(["s9"]).__next__, lambda: 1000.0)

    def test_a_run_and_its_events(self) -> None:
        """A run nobody knows of is added with its first events; later ones follow; the end is noted once."""
        self.keep("r", text(1), run=live("r"))
        self.keep("r", text(2), text(3))
        self.assertEqual((self.seqs(), self.run_().status), ([1, 2, 3], "running"))
        self.keep("r", text(4), run=ended("r"))
        self.keep("r", run=ended("r", status="error"))
        self.assertEqual((self.seqs(), self.run_().status), ([1, 2, 3, 4], "ok"))

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.data())
    def test_written_again(self, sizes: list[int], data: st.DataObject) -> None:
        """Writing from any number on again, as after a failure whose outcome was not known, doubles nothing."""
        store = Stores().store()
        self.do(store.keep([KeptEvents(run_id="r", entries=(), first_held=1, run=live("r"), new=True)]))
        last = 0
        for size in sizes:
            first = data.draw(st.integers(1, last + 1))
            last = max(last, first - 1) + size
            entries = tuple(text(seq) for seq in range(first, last + 1))
            self.do(store.keep([KeptEvents(run_id="r", entries=entries, first_held=1)]))
            self.assertEqual(
                [entry.seq for entry in self.do(store.events("r"))][-size:], list(range(last - size + 1, last + 1))
            )

    def test_all_events(self) -> None:
        """Every kind comes back as it went; half surrogate pairs and odd details do no harm."""
        strange: list[RunEvent] = [
            TextDelta(text="\ud800 and on"),
            ToolEnded(call_id="c", name="n", is_error=False, text="t", details={"o": object()}),
            MessageEnded(),
            RunEnded(result=ended("r").result),  # type: ignore[arg-type]
        ]
        self.keep("r", *(Entry(seq=n, ts_ms=0, event=event) for n, event in enumerate(strange, 1)), run=live("r"))
        found = [entry.event for entry in self.do(self.store.events("r"))]
        self.assertEqual(found[0], TextDelta(text="\N{REPLACEMENT CHARACTER} and on"))
        self.assertIn("object object", found[1].details["o"])
        self.assertEqual(found[2:], strange[2:])

    def test_half_surrogates_in_the_run(self) -> None:
        """What is no Unicode text does not keep the run, and those written with it, out of the ledger."""
        parts = [
            KeptEvents(run_id="r", entries=(), first_held=1, run=live("r", partial="\udc00 half"), new=True),
            KeptEvents(run_id="q", entries=(), first_held=1, run=ended("q", text="\ud800 whole"), new=True),
        ]
        self.do(self.store.keep(parts))
        self.assertEqual(self.run_("r").partial, "\N{REPLACEMENT CHARACTER} half")
        result = self.run_("q").result
        assert result is not None
        self.assertEqual(result.text, "\N{REPLACEMENT CHARACTER} whole")

    def test_outdated_rows_go(self) -> None:
        """What the run's own journal has dropped is dropped here, in whole rows; there are never holes."""
        self.keep("r", text(1), text(2), run=live("r"))
        self.keep("r", text(3), text(4))
        self.keep("r", text(5), first_held=4)
        self.assertEqual(self.seqs(), [3, 4, 5])
        self.keep("r", text(9), first_held=9)
        self.assertEqual(self.seqs(), [9])

    def test_unreadable_row(self) -> None:
        """A row that can not be read costs what came before it, and is reported."""
        for seq in (1, 2, 3):
            self.keep("r", text(seq), run=live("r"))
        self.raw("UPDATE run_events SET body = '{' WHERE seq = 2")
        self.assertEqual(self.seqs(), [3])
        self.assertIn("can not be read", self.stores.reports[0])

    def test_begin_takes_over_a_noted_run(self) -> None:
        """A durable session run is noted while it waits; when its turn comes its row and its events stay."""
        self.keep("r", text(1), run=live("r"))
        self.do(self.store.begin(live("r"), [user("hi")]))
        self.assertEqual((self.seqs(), len(self.run_().pending)), ([1], 1))
        self.do(
            self.store.commit(ended("r"), [user("hi"), answer("yo")], model_provider="", model="", context_tokens=1)
        )
        self.keep("r", text(2), run=ended("r", status="error"))
        self.assertEqual((self.run_().status, self.seqs()), ("ok", [1, 2]))
        self.assertEqual(len(self.do(self.store.transcript(KEY, 9))), 2)

    def test_end_of_a_turn_is_for_commit(self) -> None:
        """The row of a begun session run is not ended here: its turn would be lost."""
        self.do(self.store.begin(live("r"), [user("hi")]))
        self.keep("r", text(1), run=ended("r", status="error"))
        self.assertEqual(self.run_().status, "running")

    def test_deleted_with_the_session(self) -> None:
        """Who deletes a session deletes what its runs have told."""
        self.do(self.store.begin(live("r"), [user("hi")]))
        self.keep("r", text(1, "a secret"))
        self.do(self.store.commit(ended("r"), [user("hi")], model_provider="", model="", context_tokens=1))
        self.do(self.store.delete(KEY))
        self.assertEqual(self.raw("SELECT * FROM run_events"), [])

    def test_deleted_in_between(self) -> None:
        """What is written after its session was deleted does not bring a run back, nor hurt the others."""
        self.do(self.store.begin(live("r"), [user("hi")]))
        self.do(self.store.commit(ended("r"), [user("hi")], model_provider="", model="", context_tokens=1))
        self.do(self.store.delete(KEY))
        parts = [
            KeptEvents(run_id="r", entries=(text(1),), first_held=1, run=ended("r")),
            KeptEvents(run_id="gone", entries=(text(1),), first_held=1),
            KeptEvents(run_id="q", entries=(text(1),), first_held=1, run=live("q"), new=True),
        ]
        self.do(self.store.keep(parts))
        self.assertEqual((self.raw("SELECT run_id FROM runs"), self.seqs("q")), ([("q",)], [1]))

    def test_begin_is_undone(self) -> None:
        """A noted run whose begin is given up is noted as before, with its events, and its session is not there."""
        worker = ManualWorker()
        store = self.stores.store(worker)
        kept = Deferred.fromCoroutine(
            store.keep([KeptEvents(run_id="r", entries=(text(1),), first_held=1, run=live("r"), new=True)])
        )
        beginning = Deferred.fromCoroutine(store.begin(live("r"), [user("hi")]))
        beginning.addErrback(lambda failure: failure.trap(CancelledError))
        beginning.cancel()
        worker.flush()
        self.successResultOf(kept)
        found = [Deferred.fromCoroutine(call) for call in (store.get_run("r"), store.events("r"), store.count())]
        worker.flush()
        run, events, sessions = (self.successResultOf(deferred) for deferred in found)
        self.assertEqual((run.status, run.pending, len(events), sessions), ("running", (), 1, 0))

    def test_deleted_with_the_run(self) -> None:
        """Pruned runs take their events along."""
        self.keep("r", text(1), run=ended("r", at_ms=1))
        self.do(self.store.prune(KEEP_RUNS_MS + 2000))
        self.assertEqual(self.raw("SELECT * FROM run_events"), [])

    def test_key(self) -> None:
        """The newest run of a key is found; others are not."""
        for number in (1, 2):
            run = live(f"r{number}", at_ms=number)
            self.keep(
                run.run_id, run=StoredRun(**{f: getattr(run, f) for f in run.__struct_fields__} | {"idempotency": "k"})
            )
        found = self.do(self.store.repeated("k"))
        self.assertEqual((found.run_id, found.idempotency), ("r2", "k"))
        self.assertIsNone(self.do(self.store.repeated("")))

    def test_crash(self) -> None:
        """A run that a crash cut off has said what its events tell, where they know more than its last checkpoint."""
        self.keep("r", text(1, "one "), text(2, "two"), run=live("r", partial="one"))
        self.keep("q", text(1, "x"), run=live("q", partial="much longer"))
        later = self.other_process()
        results = {run.run_id: run.result for run in self.do(later.recover(9000))}
        self.assertEqual(results["r"].payloads, ("one two",))
        self.assertEqual(results["q"].payloads, ("much longer",))
        self.assertEqual(self.seqs(), [1, 2])

    def test_crash_and_its_model(self) -> None:
        """The model that answered last: events know it sooner than the row, which knows it where there are none."""
        row = replace_run(live("r"), provider="p", model="first")
        answered = ModelAnswered(provider="q", model="second", round=2)
        self.keep("r", Entry(seq=1, ts_ms=0, event=answered), text(2, "x"), run=row)
        self.do(self.store.checkpoint([replace_run(row, run_id="s")], []))
        self.do(self.store.begin(live("t"), [user("hi")]))
        self.do(self.store.checkpoint([replace_run(row, run_id="t")], []))
        later = self.other_process()
        found = {run.run_id: (run.result.provider, run.result.model) for run in self.do(later.recover(9000))}
        self.assertEqual(found, {"r": ("q", "second"), "s": ("p", "first"), "t": ("p", "first")})
        said = self.do(later.transcript(KEY, 9))[-1]
        self.assertEqual((said.provider, said.model), ("p", "first"))

    def test_crash_in_a_session(self) -> None:
        """The transcript of a cut-off turn holds what its watchers were told."""
        self.do(self.store.begin(live("r"), [user("hi")]))
        entries = (text(1, "first"), Entry(seq=2, ts_ms=0, event=MessageEnded()), text(3, "second"))
        self.keep("r", *entries)
        later = self.other_process()
        [run] = self.do(later.recover(9000))
        self.assertEqual(run.result.payloads, ("first", "second"))
        self.assertEqual([m.text for m in self.do(later.transcript(KEY, 9))], ["hi", "first\n\nsecond"])

    def test_bounded(self) -> None:
        """Together they take so much: of the runs that ended first only the last row stays, live ones are spared."""
        self.patch(run_events, "MAX_BYTES", 3000)
        for number in range(4):
            run_id = f"r{number}"
            self.keep(run_id, text(1, "x" * 1000), run=live(run_id))
            self.keep(run_id, text(2, "end"), run=ended(run_id, at_ms=number) if number else None)
        self.do(self.store.prune(1))
        self.assertEqual([self.seqs(f"r{number}") for number in range(4)], [[1, 2], [2], [1, 2], [1, 2]])

    def test_bounded_while_writing(self) -> None:
        """Nobody has to wait for the pruning when much is written."""
        self.patch(run_events, "MAX_BYTES", 100)
        self.patch(run_events, "TRIM_BYTES", 5000)
        self.keep("old", text(1, "x" * 1000), run=live("old"))
        self.keep("old", text(2), run=ended("old"))
        self.keep("r", *(text(seq, "y" * 1000) for seq in range(1, 6)), run=live("r"))
        self.assertEqual((self.seqs("old"), self.seqs("r")), ([2], [1, 2, 3, 4, 5]))
