# -*- test-case-name: tests.runs.test_durable -*-
"""Events that survive a crash: nothing is handed on, and nothing begins or ends, before it is written down."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.runs.durable import FLUSH_SECONDS, RETRY_SECONDS, DurableEvents
from openclaw_tx.runs.journal import Journal
from openclaw_tx.runs.run import AgentRun
from openclaw_tx.testing import ModelCall
from openclaw_tx.values import Entry, RunEnded, TextDelta
from tests.runs.rooms import OWNER, Bench


def answer(call: ModelCall, text: str = "x") -> None:
    """Say something and end."""
    call.text(text)
    call.finish()


class DurableTests(SynchronousTestCase):
    """Runs on an engine whose store the test holds up, breaks and mends."""

    def setUp(self) -> None:
        """An engine, and a list for what a watcher gets."""
        self.bench = Bench()
        self.engine = self.bench.engine
        self.store = self.bench.sessions
        self.model = self.bench.model
        self.got: list[Entry] = []

    def tearDown(self) -> None:
        """Nothing may be left on the clock."""
        self.assertEqual(self.bench.clock.getDelayedCalls(), [])

    def watch(self, run: AgentRun, after: int = 0) -> Any:
        """Watch its durable events."""
        return self.engine.durable.watch(run, self.got.extend, after)

    def seqs(self) -> list[int]:
        """Numbers of what the watcher got."""
        return [entry.seq for entry in self.got]

    def stored(self, run: AgentRun) -> list[int]:
        """Numbers of what is written down."""
        return [entry.seq for entry in self.store.event_log.get(run.request.run_id, [])]

    def release(self) -> None:
        """Let the store end the transaction it holds up."""
        assert self.store.hold_events is not None
        self.store.hold_events.pop(0).callback(None)

    def flush(self) -> None:
        """Time for one transaction."""
        self.bench.clock.advance(FLUSH_SECONDS)

    def test_plain_runs_cost_nothing(self) -> None:
        """A run that nobody wants durable never meets the store, nor a timer."""
        self.model.say("a", "b")
        self.bench.start()
        self.assertEqual((self.store.kept, self.bench.clock.getDelayedCalls()), (0, []))

    def test_noted_before_it_works(self) -> None:
        """A durable run is in the ledger before its model is asked: a crash can not make it unheard of."""
        self.store.hold_events = []
        run = self.bench.start(durable=True)
        self.assertEqual((self.model.calls, run.status), ([], "queued"))
        self.release()
        self.assertEqual((len(self.model.calls), self.store.runs["run-1"].status), (1, "running"))
        self.store.hold_events = None
        answer(self.model.calls[0], "x")
        self.flush()

    def test_not_noted(self) -> None:
        """A store that fails at the beginning is a failure with nothing done: the client may try again."""
        self.store.broken = True
        run = self.bench.start(durable=True)
        assert run.outcome is not None and run.outcome.error is not None
        self.assertEqual((self.model.calls, run.outcome.error.code), ([], "storage_unavailable"))
        self.assertTrue(run.outcome.error.should_retry)
        self.store.broken = False
        self.bench.clock.advance(RETRY_SECONDS)
        self.assertEqual(self.store.runs["run-1"].status, "error")

    def test_aborted_while_it_is_noted(self) -> None:
        """A cancel in that window works like any other, and its outcome is noted too."""
        self.store.hold_events = []
        run = self.bench.start(durable=True)
        self.assertTrue(run.abort("request"))
        self.store.hold_events, held = None, self.store.hold_events
        held[0].callback(None)
        self.flush()
        self.assertEqual((run.status, self.model.calls), ("aborted", []))
        self.assertEqual(self.store.runs["run-1"].status, "aborted")

    def test_handed_on_once_written(self) -> None:
        """A watcher gets nothing that is not written, then all of it, in order; the run does not wait."""
        run = self.bench.start(durable=True)
        self.watch(run)
        self.store.hold_events = []
        self.model.calls[0].text("a", "b")
        self.flush()
        self.assertEqual(self.got, [])
        self.model.calls[0].text("c")
        self.assertEqual(run.payloads, ("abc",))
        self.release()
        self.assertEqual(self.seqs(), [1, 2, 3, 4])
        self.flush()
        self.release()
        self.assertEqual((self.seqs(), self.stored(run)), ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]))
        self.store.hold_events = None
        self.model.calls[0].finish()
        self.flush()
        self.assertIsInstance(self.got[-1].event, RunEnded)

    def test_one_transaction_for_many(self) -> None:
        """What many runs say in a while is written at once."""
        runs = [self.bench.start(durable=True) for _ in range(8)]
        self.flush()
        before = self.store.kept
        for call in self.model.calls:
            call.text("x")
        self.flush()
        self.assertEqual(self.store.kept, before + 1)
        self.assertEqual([self.stored(run) for run in runs], [[1, 2, 3]] * 8)
        for call in list(self.model.calls):
            call.finish()
        self.flush()

    def test_end_is_noted_before_it_is_told(self) -> None:
        """A stateless run's result is durable before anybody hears that it has ended."""
        run = self.bench.start(durable=True)
        self.store.hold_events = []
        answer(self.model.calls[0], "answer")
        self.assertEqual((run.outcome, self.store.runs["run-1"].result), (None, None))
        self.release()
        result = self.store.runs["run-1"].result
        assert result is not None
        self.assertEqual((result.text, run.outcome), ("answer", result))
        self.store.hold_events = None
        self.flush()
        self.assertEqual(self.stored(run)[-1], run.journal.last_seq)

    def test_session_run(self) -> None:
        """All that a session run has told is written before its turn is committed."""
        run = self.bench.session(durable=True)
        self.store.hold_events, self.store.hold = [], []
        answer(self.model.calls[0], "answer")
        self.assertEqual(self.store.hold, [])
        self.release()
        self.assertEqual(len(self.store.hold), 1)
        self.assertEqual(self.stored(run), [1, 2, 3, 4])
        self.store.hold_events = None
        self.store.hold[0].callback(None)
        self.flush()
        self.assertEqual(run.status, "ok")

    def test_store_fails_in_between(self) -> None:
        """Nothing is handed on while the store is away, and nothing is lost or doubled when it is back."""
        run = self.bench.start(durable=True)
        self.watch(run)
        self.flush()
        self.store.broken = True
        self.model.calls[0].text("a", "b")
        self.flush()
        self.model.calls[0].text("c")
        self.flush()
        self.assertEqual(self.seqs(), [1])
        self.store.broken = False
        self.bench.clock.advance(RETRY_SECONDS)
        self.assertEqual(self.seqs(), [1, 2, 3, 4, 5])
        self.model.calls[0].finish()
        self.flush()
        self.assertEqual(self.seqs(), list(range(1, run.journal.last_seq + 1)))

    def test_store_fails_at_the_end(self) -> None:
        """The run ends all the same; its watchers hear of it when it is written."""
        run = self.bench.start(durable=True)
        self.watch(run)
        self.flush()
        self.store.broken = True
        answer(self.model.calls[0], "x")
        self.assertEqual((run.status, self.seqs()), ("ok", [1]))
        self.store.broken = False
        self.bench.clock.advance(RETRY_SECONDS)
        self.assertIsInstance(self.got[-1].event, RunEnded)
        self.assertEqual(self.store.runs["run-1"].status, "ok")

    def test_store_never_comes_back(self) -> None:
        """Ended runs do not pile up: the oldest are given up, and their watchers are told that no more will come."""
        events = DurableEvents(self.store, self.bench.clock, Logger(), max_unwritten=1)  # type: ignore[arg-type]
        first, second = self.bench.start(), self.bench.start()
        for call in list(self.model.calls):
            answer(call)
        self.store.broken = True
        told: list[Any] = []
        for run in (first, second):
            events.watch(run, told.append)
        self.flush()
        self.assertEqual([list(batch) for batch in told], [[]])
        self.store.broken = False
        self.bench.clock.advance(RETRY_SECONDS)
        self.assertEqual(self.stored(second)[-1], second.journal.last_seq)
        self.assertEqual((self.stored(first), len(told)), ([], 2))

    def test_a_watcher_makes_it_durable(self) -> None:
        """Any run becomes durable when its events are watched, from its beginning."""
        run = self.bench.start()
        self.model.calls[0].text("a")
        self.watch(run)
        self.assertEqual(self.got, [])
        self.flush()
        self.assertEqual((self.seqs(), self.stored(run)), ([1, 2, 3], [1, 2, 3]))
        self.model.calls[0].finish()
        self.flush()
        self.assertEqual(self.store.runs["run-1"].status, "ok")

    def test_watched_after_its_end(self) -> None:
        """So does one that has ended; the ledger does not forget it for having been a passing one."""
        run = self.bench.start()
        self.bench.clock.advance(1.5)
        self.successResultOf(Deferred.fromCoroutine(self.engine.checkpoint()))
        answer(self.model.calls[0], "x")
        self.watch(run)
        self.successResultOf(Deferred.fromCoroutine(self.engine.checkpoint()))
        self.flush()
        self.assertEqual(self.store.forgotten, [])
        self.assertEqual((self.seqs(), self.stored(run)), ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]))

    def test_late_and_leaving_watchers(self) -> None:
        """A late one gets the past at once; one that stopped gets nothing more; a broken one hurts nobody."""
        run = self.bench.start(durable=True)
        self.engine.durable.watch(run, lambda batch: 1 / 0)
        stop = self.watch(run)
        self.flush()
        stop()
        stop()
        late: list[Entry] = []
        self.engine.durable.watch(run, late.extend, 1)
        self.model.calls[0].text("a")
        self.flush()
        self.assertEqual((self.seqs(), [entry.seq for entry in late]), ([1], [2, 3]))
        self.model.calls[0].finish()
        self.flush()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_older_than_the_ring(self) -> None:
        """What the journal had dropped before it could be written is left out, there and for watchers."""
        run = self.bench.start()
        run.journal = journal = Journal(limit=1000)
        self.model.calls[0].text(*("x" * 100 for _ in range(10)))
        self.watch(run)
        self.flush()
        self.assertEqual(self.seqs(), list(range(journal.first_seq, journal.last_seq + 1)))
        self.model.calls[0].text("y" * 900)
        self.flush()
        self.assertEqual(self.stored(run), [journal.last_seq])
        self.model.calls[0].finish()
        self.flush()

    def test_drain_writes_all(self) -> None:
        """At shutdown what was told is written, without waiting for the timer."""
        run = self.bench.start(durable=True)
        self.watch(run)
        self.model.calls[0].text("a")
        drained = Deferred.fromCoroutine(self.engine.drain(0.0))
        self.bench.clock.advance(0)
        self.successResultOf(drained)
        self.assertEqual(self.stored(run), list(range(1, run.journal.last_seq + 1)))
        self.assertEqual(self.seqs(), self.stored(run))

    def test_store_closes_under_it(self) -> None:
        """A cancelled transaction is no end of the world: the run ends, and it is not told twice."""
        run = self.bench.start(durable=True)
        self.store.hold_events = []
        answer(self.model.calls[0], "x")
        self.store.hold_events[0].errback(CancelledError())
        self.assertEqual(run.status, "ok")
        self.store.hold_events = None
        self.bench.clock.advance(RETRY_SECONDS)
        self.assertEqual(self.stored(run)[-1], run.journal.last_seq)

    def test_unexpected_failure(self) -> None:
        """A bug of the store is logged and counts as trouble."""
        run = self.bench.start(durable=True)
        self.store.hold_events = []
        self.model.calls[0].text("x")
        self.flush()
        self.store.hold_events.pop().errback(ValueError("a bug"))
        self.store.hold_events = None
        self.bench.clock.advance(RETRY_SECONDS)
        self.assertEqual(self.stored(run), [1, 2, 3])
        self.model.calls[0].finish()
        self.flush()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_settle_twice_at_once(self) -> None:
        """Two that wait for the same run share what is under way, and one that comes later gets one of its own."""
        run = self.bench.start(durable=True)
        self.flush()
        self.store.hold_events = []
        self.model.calls[0].text("a")
        first = Deferred.fromCoroutine(self.engine.durable.settle(run))
        self.model.calls[0].text("b")
        second = Deferred.fromCoroutine(self.engine.durable.settle(run))
        third = Deferred.fromCoroutine(self.engine.durable.settle(run))
        self.release()
        self.successResultOf(first)
        self.assertNoResult(second)
        self.release()
        self.successResultOf(second)
        self.successResultOf(third)
        self.store.broken = True
        self.store.hold_events = None
        self.model.calls[0].text("c")
        self.failureResultOf(Deferred.fromCoroutine(self.engine.durable.settle(run)), GatewayError)
        self.store.broken = False
        self.bench.clock.advance(RETRY_SECONDS)
        self.model.calls[0].finish()
        self.flush()

    def test_settle_once_is_enough(self) -> None:
        """Who waits for the beginning of a run that is being written waits for that, and for no second time."""
        self.store.hold_events = []
        run = self.bench.start(durable=True)
        waiting = Deferred.fromCoroutine(self.engine.durable.settle(run))
        self.release()
        self.successResultOf(waiting)
        self.assertEqual(self.store.hold_events, [])
        self.store.hold_events = None
        answer(self.model.calls[0])
        self.flush()

    def test_settle_while_it_ends(self) -> None:
        """Whoever waits for what a run has told is not told that it failed because its end is yet to be written."""
        run = self.bench.start(durable=True)
        self.flush()
        self.store.hold_events = []
        self.model.calls[0].text("a")
        self.flush()
        self.model.calls[0].text("b")
        waiting = Deferred.fromCoroutine(self.engine.durable.settle(run))
        self.release()
        self.assertNoResult(waiting)
        self.model.calls[0].finish()
        self.release()
        self.successResultOf(waiting)
        self.release()
        self.assertEqual((run.status, self.store.runs["run-1"].status), ("ok", "ok"))
        self.flush()
        self.release()
        self.store.hold_events = None


STEPS = st.lists(
    st.sampled_from(["say", "flush", "break", "mend", "hold", "release", "reconnect", "crash"]), max_size=25
)


class ResumeTests(SynchronousTestCase):
    """Whatever happens, what a client has got and what it gets when it comes back is the whole, once."""

    @settings(max_examples=150, deadline=None)
    @given(STEPS)
    def test_no_event_is_lost_or_doubled(self, steps: list[str]) -> None:
        """A client that hangs up and resumes at random points of a run, with a store that fails at random points, has
        all events in order; at any moment the ledger holds all that the client has."""
        bench = Bench()
        run = bench.start(durable=True)
        got: list[int] = []

        def connect() -> Any:
            return bench.engine.durable.watch(
                run, lambda batch: got.extend(entry.seq for entry in batch), got[-1] if got else 0
            )

        stop = connect()
        for number, step in enumerate(steps):
            if step == "say":
                bench.model.calls[0].text(f"{number} ")
            elif step == "flush":
                bench.clock.advance(RETRY_SECONDS)
            elif step in ("break", "mend"):
                bench.sessions.broken = step == "break"
            elif step == "hold" and bench.sessions.hold_events is None:
                bench.sessions.hold_events = []
            elif step == "release" and bench.sessions.hold_events:
                bench.sessions.hold_events.pop(0).callback(None)
            elif step == "reconnect":
                stop()
                stop = connect()
            elif step == "crash":
                kept = [entry.seq for entry in bench.sessions.event_log.get("run-1", [])]
                self.assertEqual(kept[: len(got)], got)
        held, bench.sessions.hold_events, bench.sessions.broken = bench.sessions.hold_events, None, False
        for waiting in held or []:
            waiting.callback(None)
        answer(bench.model.calls[0], "end")
        bench.clock.pump([RETRY_SECONDS] * 3)
        self.assertEqual(got, list(range(1, run.journal.last_seq + 1)))
        said = [e.event.text for e in bench.sessions.event_log["run-1"] if isinstance(e.event, TextDelta)]
        self.assertEqual("".join(said), run.state.payloads[0])
        self.assertEqual(bench.clock.getDelayedCalls(), [])


class StateTests(SynchronousTestCase):
    """L{AgentRun.state}."""

    def test_from_beginning_to_end(self) -> None:
        """Queued, running with what it has said, ended with how."""
        bench = Bench()
        run = AgentRun(bench.request(), OWNER, bench.clock, lambda run, batch: None)
        self.assertEqual((run.state.status, run.state.ended, run.state.last_seq), ("queued", False, 0))
        run = bench.start()
        bench.model.calls[0].text("half")
        state = run.state
        self.assertEqual((state.status, state.payloads, state.finish_reason), ("running", ("half",), None))
        bench.model.calls[0].finish()
        state = run.state
        self.assertEqual((state.status, state.finish_reason, state.last_seq), ("ok", "stop", run.journal.last_seq))
