# -*- test-case-name: tests.sessions.test_sql -*-
"""The store over SQLite, in memory and in a file: the contract, and what is this store's own."""

from __future__ import annotations

import os
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from msgspec.structs import replace

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Sessions
from openclaw_tx.sessions import entries, interrupted, ledger, reading
from openclaw_tx.sessions.conversation import unheld
from openclaw_tx.sessions.owners import SoleOwner
from openclaw_tx.sessions.sql import SqlSessions
from openclaw_tx.sessions.threads import InlineWorker
from openclaw_tx.values import (
    AssistantMessage,
    CompactionMessage,
    Message,
    SessionChange,
    SessionEntry,
    Step,
    ToolResultMessage,
)
from tests.contract.session_store import LastingStoreContract, SessionStoreContract
from tests.sessions.helpers import KEY, ManualWorker, Stores, answer, ended, live, replace_run, result, scratch, user

DAY_MS = 24 * 3600 * 1000
UUID = "00000000-0000-4000-8000-00000000000"


class MemoryStoreTests(SessionStoreContract, SynchronousTestCase):
    """The contract in memory."""

    def setUp(self) -> None:
        """One database for all stores of a test."""
        self.processes = 0
        self.stores = Stores()
        self.first = self.stores.store()
        super().setUp()

    def make(self) -> Sessions:
        """A store on the same database under another name: those before it live no more."""
        self.processes += 1
        name = f"process{self.processes}"
        ids = (f"{name}-{n}" for n in range(99))
        return SqlSessions(self.stores.jobs, SoleOwner(name), ids.__next__, lambda: 1000.0)


class FileStoreTests(LastingStoreContract, SynchronousTestCase):
    """The contract on a file."""

    def setUp(self) -> None:
        """A file of the test's own; stores are closed after it."""
        self.stores = Stores(os.path.join(scratch(self), "gateway", "openclaw.sqlite"))
        self.locks: list[Any] = []
        super().setUp()

    def make(self) -> Sessions:
        """A store with a lock of its own."""
        store = self.stores.store()
        self.locks.append((store._owners, store))
        self.addCleanup(lambda: self.successResultOf(Deferred.fromCoroutine(store.close())))
        return store

    def crash(self) -> None:
        """The system drops the lock of a process that died."""
        owners, _ = self.locks[-1]
        held = owners._held
        if held is not None:
            os.close(held)
            owners._held = None
        super().crash()


class OwnTests(SynchronousTestCase):
    """What the contract does not ask for."""

    def setUp(self) -> None:
        """A store in memory that works at once."""
        self.stores = Stores()
        self.store = self.stores.store()

    def do(self, call: Any) -> Any:
        """The result of a coroutine."""
        return self.successResultOf(Deferred.fromCoroutine(call))

    def rows(self, sql: str) -> list[Any]:
        """What the database holds."""
        return self.stores.database.connect().driver.execute(sql).fetchall()

    def turn(self, run_id: str, key: str = KEY, at_ms: int = 2000) -> None:
        """A whole turn."""
        self.do(self.store.begin(live(run_id, key, at_ms=at_ms), [user("hello")]))
        run = ended(run_id, key, at_ms=at_ms)
        added = (user("hello"), answer("hi"))
        self.do(self.store.commit(run, added, model_provider="p", model="m", context_tokens=1))

    def test_steps_go_with_their_turn(self) -> None:
        """However a run ends: the next of its id, which a retry may be, must not find them in its own turn."""
        for number, run_id in enumerate(("stored", "cut off")):
            self.do(self.store.begin(live(run_id), [user("add")]))
            run = replace_run(live(run_id), stepped=True)
            self.do(self.store.step(run, [Step(number=0, message=answer("I add.", "1"))], 6))
            self.assertEqual(len(self.rows("SELECT * FROM run_steps")), 1, run_id)
            if number:
                self.do(self.stores.again(InlineWorker()).recover(9000))
            else:
                done = replace_run(ended(run_id, status="error"), stepped=True)
                self.do(self.store.commit(done, [user("add")], model_provider="", model="", context_tokens=None))
            self.assertEqual(self.rows("SELECT * FROM run_steps"), [], run_id)
        texts = [message.text for message in self.do(self.store.transcript(KEY, 10))]
        self.assertEqual(texts, ["add", "add", "I add.", ""])

    def test_history_is_bounded_in_messages(self) -> None:
        """Only the newest are loaded; the transcript goes on behind all of them."""
        self.do(self.store.begin(live("r1"), [user("x")]))
        added = [user(str(number)) for number in range(reading.HISTORY_MESSAGES + 2)]
        self.do(self.store.commit(ended("r1"), added, model_provider="", model="", context_tokens=None))
        begun = self.do(self.store.begin(live("r9"), [user("x")]))
        self.assertEqual(list(begun.history), added[2:])
        self.assertEqual(self.do(self.store.transcript(KEY, 10_000)), added[2:])
        self.do(self.store.commit(ended("r9"), [user("x")], model_provider="", model="", context_tokens=None))
        self.assertEqual(self.rows("SELECT count(*), max(position) + 1 FROM messages"), [(len(added) + 1,) * 2])

    def test_history_is_bounded_in_bytes(self) -> None:
        """Loading stops before the message that would be too much."""
        self.do(self.store.begin(live("r1"), [user("x")]))
        added = [user(str(number) * (reading.HISTORY_BYTES // 4)) for number in range(5)]
        self.do(self.store.commit(ended("r1"), added, model_provider="", model="", context_tokens=None))
        self.assertEqual(self.do(self.store.transcript(KEY, 1000)), added[2:])

    def test_unreadable_message_is_left_out(self) -> None:
        """A session is not lost over one row; the operator learns of it."""
        self.turn("r1")
        self.stores.database.connect().driver.execute("UPDATE messages SET body = '{\"type\": 1' WHERE position = 0")
        self.assertEqual(self.do(self.store.transcript(KEY, 10)), [answer("hi")])
        [report] = self.stores.reports
        self.assertIn("can not be read", report)

    def test_unreadable_question_keeps_nobody_from_being_recovered(self) -> None:
        """What a run was asked before a crash can not be read: it is closed without, and so are all others."""
        for number in (1, 2):
            self.do(self.store.begin(live(f"r{number}", f"agent:main:{number}"), [user(f"q{number}")]))
        driver = self.stores.database.connect().driver
        driver.execute("UPDATE runs SET pending = '[{\"type\": 1}]' WHERE run_id = 'r1'")
        later = SqlSessions(self.stores.jobs, SoleOwner("later"), iter(()).__next__, lambda: 1000.0)
        self.assertEqual([run.run_id for run in self.do(later.recover(9000))], ["r1", "r2"])
        texts = [[each.text for each in self.do(later.transcript(f"agent:main:{number}", 10))] for number in (1, 2)]
        self.assertEqual(texts, [[""], ["q2", ""]])
        self.assertIn("can not be read", self.stores.reports[0])
        self.assertEqual(self.do(later.recover(9000)), [])

    def test_strange_tool_details_do_not_lose_the_turn(self) -> None:
        """A tool may put anything into its details; what JSON does not know is kept as its repr."""
        details = {"when": range(3)}
        added = (ToolResultMessage(tool_call_id="c", details=details),)
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.do(self.store.commit(ended("r1"), added, model_provider="", model="", context_tokens=None))
        [message] = self.do(self.store.transcript(KEY, 10))
        self.assertEqual(message.details, {"when": "range(0, 3)"})

    def test_half_a_surrogate_pair_is_an_error(self) -> None:
        """It can not be stored; nothing of the turn is, and the store goes on."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        commit = self.store.commit(ended("r1"), [user("\ud800")], model_provider="", model="", context_tokens=None)
        self.failureResultOf(Deferred.fromCoroutine(commit), UnicodeEncodeError)
        self.assertEqual(self.do(self.store.transcript(KEY, 10)), [])
        self.turn("r2")

    def test_cancelled_callers_are_told_for(self) -> None:
        """What is written although its caller has left is told all the same: others go by that."""
        for key in (KEY, "agent:main:other"):
            self.turn(key, key)
        worker = ManualWorker()
        store = self.stores.again(worker)
        told: list[SessionChange] = []
        store.news.subscribe(told.append)
        calls = (
            store.patch(KEY, lambda entry: replace(entry, label="Work")),
            store.append(KEY, [user("a note")]),
            store.reset(KEY),
            store.delete(KEY),
            store.delete("agent:main:none"),
        )
        for call in map(Deferred.fromCoroutine, calls):
            call.cancel()
            self.failureResultOf(call, CancelledError)
        self.assertEqual(told, [])
        worker.flush()
        self.assertEqual([change.reason for change in told], ["patch", "inject", "reset", "delete"])
        self.assertEqual({change.key for change in told}, {KEY})

    def test_cancelled_caller_of_what_fails(self) -> None:
        """Nothing is told, and nothing is left of the failure."""
        worker = ManualWorker()
        store = self.stores.again(worker)
        told: list[SessionChange] = []
        store.news.subscribe(told.append)
        deleting = Deferred.fromCoroutine(store.delete(KEY))
        deleting.cancel()
        self.failureResultOf(deleting, CancelledError)
        self.stores.database.connect().driver.execute("DROP TABLE sessions")
        worker.flush()
        self.assertEqual(told, [])

    def test_cancelled_begin_is_undone(self) -> None:
        """Its caller never learnt of it: no run is left at work, no empty session either."""
        worker = ManualWorker()
        self.stores = Stores()
        self.store = self.stores.store(worker)
        begun = Deferred.fromCoroutine(self.store.begin(live("r1"), [user("a")]))
        begun.cancel()
        self.failureResultOf(begun, CancelledError)
        worker.flush()
        self.assertEqual(self.rows("SELECT * FROM runs"), [])
        self.assertEqual(self.rows("SELECT * FROM sessions"), [])

    def test_cancelled_begin_leaves_the_session_that_was_there(self) -> None:
        """Only what the cancelled call made goes."""
        worker = ManualWorker()
        self.stores = Stores()
        self.store = self.stores.store(worker)
        other = Deferred.fromCoroutine(self.store.begin(live("r0"), [user("a")]))
        begun = Deferred.fromCoroutine(self.store.begin(live("r1"), [user("a")]))
        begun.cancel()
        self.failureResultOf(begun, CancelledError)
        worker.flush()
        self.successResultOf(other)
        self.assertEqual(self.rows("SELECT run_id FROM runs"), [("r0",)])
        self.assertEqual(self.rows("SELECT key FROM sessions"), [(KEY,)])

    def test_cancelled_begin_leaves_what_was_set(self) -> None:
        """A session that somebody set up before its first word is not the cancelled call's."""
        self.do(self.store.patch(KEY, lambda entry: replace(entry, label="Work"), agent_id="main"))
        worker = ManualWorker()
        store = self.stores.again(worker)
        begun = Deferred.fromCoroutine(store.begin(live("r1"), [user("a")]))
        begun.cancel()
        self.failureResultOf(begun, CancelledError)
        worker.flush()
        self.assertEqual(self.rows("SELECT * FROM runs"), [])
        self.assertEqual(self.rows("SELECT label FROM sessions"), [("Work",)])

    def test_cancelled_begin_leaves_a_session_that_was_used_meanwhile(self) -> None:
        """Somebody labelled the session that the cancelled call had made: it stays."""
        worker = ManualWorker()
        self.stores = Stores()
        self.store = self.stores.store(worker)
        begun = Deferred.fromCoroutine(self.store.begin(live("r1"), [user("a")]))
        patched = Deferred.fromCoroutine(self.store.patch(KEY, lambda entry: replace(entry, label="Work")))
        begun.cancel()
        self.failureResultOf(begun, CancelledError)
        worker.flush()
        self.successResultOf(patched)
        self.assertEqual(self.rows("SELECT label FROM sessions"), [("Work",)])

    def test_cancelled_begin_that_was_refused(self) -> None:
        """A refused call made nothing, so nothing is undone: the run id belongs to a process that lives."""
        worker = ManualWorker()
        self.stores = Stores()
        self.store = self.stores.store(worker)
        other = SqlSessions(self.stores.jobs, SoleOwner("other"), iter(["s1"]).__next__, lambda: 1000.0)
        theirs = Deferred.fromCoroutine(other.begin(live("r1"), [user("a")]))
        begun = Deferred.fromCoroutine(self.store.begin(live("r1"), [user("a")]))
        begun.cancel()
        self.failureResultOf(begun, CancelledError)
        worker.flush()
        self.successResultOf(theirs)
        self.assertEqual(self.rows("SELECT run_id, owner FROM runs"), [("r1", "other")])

    def test_cancelled_commit_is_written(self) -> None:
        """A caller that no longer waits loses nothing."""
        worker = ManualWorker()
        self.stores = Stores()
        self.store = self.stores.store(worker)
        begun = Deferred.fromCoroutine(self.store.begin(live("r1"), [user("a")]))
        commit = Deferred.fromCoroutine(
            self.store.commit(ended("r1"), [user("a")], model_provider="", model="", context_tokens=None)
        )
        commit.cancel()
        self.failureResultOf(commit, CancelledError)
        worker.flush()
        self.successResultOf(begun)
        self.assertEqual(self.rows("SELECT status FROM runs"), [("ok",)])
        self.assertEqual(self.rows("SELECT count(*) FROM messages"), [(1,)])

    def test_failing_commit_is_whole_or_not_at_all(self) -> None:
        """When the last statement of a commit fails, the first one's work is gone too."""
        self.do(self.store.begin(live("r1"), [user("a")]))
        self.stores.database.connect().driver.execute(
            "CREATE TRIGGER no BEFORE UPDATE ON runs BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        commit = self.store.commit(ended("r1"), [user("a")], model_provider="", model="", context_tokens=None)
        error = self.failureResultOf(Deferred.fromCoroutine(commit), GatewayError).value
        self.assertEqual(error.info.code, "storage_unavailable")
        self.assertEqual(self.rows("SELECT * FROM messages"), [])
        self.assertEqual(self.rows("SELECT next_position FROM sessions"), [(0,)])

    def test_prune_forgets_old_runs(self) -> None:
        """After a day; the transcript stays, and so do live runs."""
        self.turn("r1", at_ms=1000)
        self.turn("r2", at_ms=2000)
        self.do(self.store.begin(live("r3", at_ms=1), [user("x")]))
        self.do(self.store.prune(1500 + DAY_MS))
        self.assertEqual(self.rows("SELECT run_id FROM runs ORDER BY run_id"), [("r2",), ("r3",)])
        self.assertEqual(self.rows("SELECT count(*) FROM messages"), [(4,)])

    def test_prune_forgets_runs_that_are_too_many(self) -> None:
        """The newest stay; more than one transaction is needed."""
        self.turn("r1", at_ms=1000)
        self.copies(ledger.MAX_RUNS + 1500, "runs", "run_id, ended_at_ms, session_id", "'copy' || n, 2000 + n, NULL")
        self.do(self.store.prune(3000))
        self.assertEqual(self.rows("SELECT count(*), min(ended_at_ms) FROM runs"), [(ledger.MAX_RUNS, 2000 + 1500)])

    def copies(self, number: int, table: str, names: str, values: str) -> None:
        """Fill a table with copies of its first row, some columns changed; C{n} counts from 0."""
        driver = self.stores.database.connect().driver
        columns = [row[1] for row in driver.execute(f"PRAGMA table_info({table})")]
        same = ", ".join(column for column in columns if column not in names.split(", "))
        driver.execute(
            f"WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n + 1 < {number}) "
            f"INSERT INTO {table} ({names}, {same}) SELECT {values}, {same} FROM c, (SELECT * FROM {table} LIMIT 1)"
        )

    def test_prune_drops_leftovers(self) -> None:
        """Sessions of single requests go a day after their last use, all others stay (D34)."""
        old = [f"agent:main:openai:{UUID}{digit}" for digit in range(3)] + [f"agent:b:openresponses:{UUID}5"]
        kept = [KEY, "agent:main:openai:mine", "agent:main:openai-user:joe", f"agent:main:x:openai:{UUID}0"]
        for number, key in enumerate((*old, *kept)):
            self.turn(f"r{number}", key, at_ms=1000)
        fresh = f"agent:main:openai:{UUID}8"
        self.turn("r8", fresh, at_ms=5000)
        busy = f"agent:main:openai:{UUID}9"
        self.do(self.store.begin(live("r9", busy, at_ms=1000), [user("x")]))
        self.copies(
            2 * entries.PRUNED_AT_ONCE,
            "sessions",
            "key, session_id",
            "printf('agent:main:openai:00000000-0000-4000-9000-%012d', n), 'copy' || n",
        )
        told: list[SessionChange] = []
        self.store.news.subscribe(told.append)
        self.do(self.store.prune(4000 + DAY_MS))
        keys = [entry.key for entry in self.do(self.store.list())]
        self.assertEqual(sorted(keys), sorted([*kept, fresh, busy]))
        self.assertEqual({change.reason for change in told}, {"delete"})
        gone = {change.key for change in told}
        self.assertEqual(len(gone), len(told))
        self.assertEqual(len(told), len(old) + 2 * entries.PRUNED_AT_ONCE)
        self.assertLess(set(old), gone)

    def test_prune_leaves_what_is_dear(self) -> None:
        """A session of a single request that somebody has named or pinned stays."""
        keys = [f"agent:main:openresponses:{UUID}{digit}" for digit in range(3)]
        for number, key in enumerate(keys):
            self.turn(f"r{number}", key, at_ms=1000)

        def pinned(entry: SessionEntry) -> SessionEntry:
            return replace(entry, settings=replace(entry.settings, pinned_at=5))

        self.do(self.store.patch(keys[0], lambda entry: replace(entry, label="Trip")))
        self.do(self.store.patch(keys[1], pinned, quiet=True))
        self.do(self.store.prune(2_000_000 + DAY_MS))
        self.assertEqual(sorted(entry.key for entry in self.do(self.store.list())), keys[:2])

    def test_resent_history_does_not_double(self) -> None:
        """A client that sends everything each time, tools of the agent in between, three turns long."""
        sent: list[Message] = []
        for number in range(3):
            sent.append(user(f"question {number}"))
            begun = self.do(self.store.begin(live(f"r{number}"), sent))
            self.assertEqual(list(begun.added), sent[-1:])
            added = [*begun.added, answer("let me see", "own"), result("own"), answer("so it is")]
            self.do(self.store.commit(ended(f"r{number}"), added, model_provider="", model="", context_tokens=None))
            sent.append(answer("let me see\n\nso it is"))
        self.assertEqual(len(self.do(self.store.transcript(KEY, 100))), 12)


def since_mark(messages: list[Message]) -> list[Message]:
    """What the model reads of a transcript."""
    for place in range(len(messages) - 1, -1, -1):
        mark = messages[place]
        if isinstance(mark, CompactionMessage):
            rest = [*messages[max(0, place - mark.kept) : place], *messages[place + 1 :]]
            return [mark, *(each for each in rest if not isinstance(each, CompactionMessage))]
    return messages


KEYS = st.sampled_from(["agent:main:a", "agent:main:b"])
SAID = st.sampled_from(["a", "b", "c"])


class StoreMachine(RuleBasedStateMachine):
    """The store against a model of dicts, in any order of calls."""

    @initialize()
    def start(self) -> None:
        """Both are empty."""
        self.stores = Stores()
        self.number = 0
        self.first = self.stores.store()
        self.new_process()
        self.transcripts: dict[str, list[Message]] = {}
        self.live: dict[str, tuple[str, tuple[Message, ...], str]] = {}
        self.gone: set[str] = set()
        self.steps: dict[str, int] = {}

    def new_process(self) -> None:
        """A store of another name on the same database."""
        self.number += 1
        name = f"process{self.number}"
        ids = (f"{name}-{n}" for n in range(999))
        self.store = SqlSessions(self.stores.jobs, SoleOwner(name), ids.__next__, lambda: 1000.0)

    def do(self, call: Any) -> Any:
        """The result of a coroutine that ends at once."""
        results: list[Any] = []
        deferred = Deferred.fromCoroutine(call)
        deferred.addCallback(results.append)
        return results[0]

    @rule(key=KEYS, said=st.lists(SAID, min_size=1, max_size=4))
    def begin(self, key: str, said: list[str]) -> None:
        """A run begins."""
        self.number += 1
        run_id = f"r{self.number}"
        sent = [user(text) if number % 2 == 0 else answer(text) for number, text in enumerate(said)]
        turn = self.do(self.store.begin(live(run_id, key), sent))
        history = self.transcripts.setdefault(key, [])
        assert list(turn.history) == since_mark(history)
        assert turn.added == unheld(history, sent)
        self.live[run_id] = (key, turn.added, "")

    @rule(data=st.data(), text=SAID)
    def commit(self, data: Any, text: str) -> None:
        """A run ends."""
        if not self.live:
            return
        run_id = data.draw(st.sampled_from(sorted(self.live)))
        key, added, _ = self.live.pop(run_id)
        whole = (*added, answer(text))
        self.do(self.store.commit(ended(run_id, key), whole, model_provider="", model="", context_tokens=None))
        if run_id not in self.gone:
            self.transcripts[key].extend(whole)
        assert self.do(self.store.get_run(run_id)).status == "ok"

    @rule(data=st.data(), partial=SAID)
    def checkpoint(self, data: Any, partial: str) -> None:
        """A run is written down."""
        if not self.live:
            return
        run_id = data.draw(st.sampled_from(sorted(self.live)))
        key, added, _ = self.live[run_id]
        self.live[run_id] = (key, added, partial)
        self.do(self.store.checkpoint([live(run_id, key, partial)], []))

    @rule(data=st.data(), said=SAID)
    def step(self, data: Any, said: str) -> None:
        """A run has called a tool."""
        if not self.live:
            return
        run_id = data.draw(st.sampled_from(sorted(self.live)))
        key, added, partial = self.live[run_id]
        number = self.steps.get(run_id, 0)
        self.steps[run_id] = number + 2
        done = (answer(said, "1"), result("1", said))
        self.do(self.store.step(live(run_id, key, partial), [Step(number=number, message=done[0])], 0))
        self.do(self.store.step(live(run_id, key, partial), [Step(number=number + 1, message=result("1"))], 0))
        self.do(self.store.step(live(run_id, key, partial), [Step(number=number + 1, message=done[1])], 0))
        self.live[run_id] = (key, (*added, *done), partial)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        """A session is deleted."""
        assert (self.do(self.store.delete(key)) is None) == (self.transcripts.pop(key, None) is None)
        self.gone.update(run_id for run_id, run in self.live.items() if run[0] == key)

    @rule(key=KEYS)
    def reset(self, key: str) -> None:
        """A session begins anew."""
        assert (self.do(self.store.reset(key)) is not None) == (key in self.transcripts)
        if key in self.transcripts:
            self.transcripts[key] = []
            self.gone.update(run_id for run_id, run in self.live.items() if run[0] == key)

    @rule(key=KEYS, text=SAID)
    def append(self, key: str, text: str) -> None:
        """Something is put in from outside."""
        self.do(self.store.append(key, [answer(text)], agent_id="main"))
        self.transcripts.setdefault(key, []).append(answer(text))

    @rule(key=KEYS, kept=st.integers(0, 5))
    def compact(self, key: str, kept: int) -> None:
        """A session is summarised."""
        if key in self.transcripts:
            mark = CompactionMessage(summary="sum", kept=kept)
            assert self.do(self.store.compact(key, self.do(self.store.get(key)).session_id, mark))
            self.transcripts[key].append(mark)

    @rule(key=KEYS, label=SAID)
    def patch(self, key: str, label: str) -> None:
        """A session gets a label of its own."""
        entry = self.do(self.store.patch(key, lambda entry: replace(entry, label=key + label), agent_id="main"))
        self.transcripts.setdefault(key, [])
        assert self.do(self.store.by_label(key + label)) == entry

    @rule()
    def crash(self) -> None:
        """Another process takes over."""
        self.new_process()
        recovered = self.do(self.store.recover(9000))
        assert sorted(run.run_id for run in recovered) == sorted(self.live)
        for run in recovered:
            key, added, partial = self.live.pop(run.run_id)
            if run.run_id not in self.gone:
                self.transcripts[key].extend(added)
                self.transcripts[key].append(
                    AssistantMessage(
                        text=partial,
                        stop_reason="interrupted",
                        error_message=interrupted.INTERRUPTED,
                        timestamp_ms=9000,
                    )
                )

    @invariant()
    def same_transcripts(self) -> None:
        """What the store holds is what the model holds."""
        for key, expected in self.transcripts.items():
            assert self.do(self.store.transcript(key, 1000)) == expected
        assert self.do(self.store.count()) == len(self.transcripts)


class StoreMachineTests(SynchronousTestCase):
    """Runs the machine."""

    def test_like_a_dict(self) -> None:
        """No order of calls makes the store differ from its model."""
        limits = settings(max_examples=25, stateful_step_count=25, deadline=None, database=None)
        run_state_machine_as_test(StoreMachine, settings=limits)
