# -*- test-case-name: tests.sessions.test_worker -*-
"""Group commit, step by step in one thread; then the same with a real one."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.trial.unittest import SynchronousTestCase, TestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.sessions.owners import SoleOwner
from openclaw_tx.sessions.sql import SqlSessions
from openclaw_tx.sessions.threads import InlineWorker, ThreadWorker
from openclaw_tx.sessions.worker import GATHER_SECONDS, MAX_BATCH, Connection, GroupCommit, Job
from tests.sessions.helpers import KEY, ManualWorker, Stores, answer, at_once, ended, live, user


class GroupCommitTests(SynchronousTestCase):
    """Batches of jobs on a database in memory, with a table C{t(v)} to write to."""

    def setUp(self) -> None:
        """Statements are traced."""
        self.worker = ManualWorker()
        self.stores = Stores()
        self.store = self.stores.store(self.worker, max_waiting=MAX_BATCH * 2)
        self.jobs = self.stores.jobs
        self.driver = self.stores.database.connect().driver
        self.driver.execute("CREATE TABLE t (v)")
        self.trace: list[str] = []
        self.driver.set_trace_callback(self.trace.append)

    def put(self, value: object) -> Job[object]:
        """A job that writes a value and gives it back."""

        def job(connection: Connection) -> object:
            connection.driver.execute("INSERT INTO t VALUES (?)", (value,))
            return value

        return job

    def values(self) -> list[object]:
        """What was written."""
        return [value for (value,) in self.driver.execute("SELECT v FROM t ORDER BY rowid")]

    def test_one_transaction_for_all_that_wait(self) -> None:
        """One BEGIN, one COMMIT, results only behind it, in order."""
        results: list[object] = []
        for number in range(5):
            self.jobs.submit(self.put(number)).addCallback(results.append)
        self.assertEqual((self.trace, results), ([], []))
        self.worker.flush()
        self.assertEqual(results, [0, 1, 2, 3, 4])
        self.assertEqual(self.values(), [0, 1, 2, 3, 4])
        self.assertEqual(self.trace.count("BEGIN IMMEDIATE"), 1)
        self.assertEqual(self.trace.count("COMMIT"), 1)

    def test_one_call_to_the_reactor(self) -> None:
        """A batch comes back as one."""
        calls: list[object] = []

        def call(function: Callable[..., object], *arguments: object) -> None:
            calls.append(function)
            function(*arguments)

        jobs = GroupCommit(self.stores.database, self.worker, call)
        answers = [jobs.submit(self.put(number)) for number in range(20)]
        self.worker.flush()
        self.assertEqual([self.successResultOf(deferred) for deferred in answers], list(range(20)))
        self.assertEqual(len(calls), 1)

    def test_company_waits_for_more(self) -> None:
        """After a batch of several the next one waits a moment, and takes along what is submitted meanwhile."""
        self.submit_all(1, 2)
        self.worker.meanwhile.append(lambda: self.submit_all(3, 4))
        self.worker.flush()
        self.assertEqual((self.worker.pauses, self.trace.count("COMMIT")), ([GATHER_SECONDS] * 2, 2))
        self.assertEqual(self.values(), [1, 2, 3, 4])

    def test_one_alone_waits_for_nobody(self) -> None:
        """A job that comes alone is run at once, also when there was company before."""
        self.submit_all(1)
        self.worker.flush()
        self.assertEqual(self.worker.pauses, [])
        self.submit_all(2, 3)
        self.worker.flush()
        self.assertEqual(len(self.worker.pauses), 1)
        self.submit_all(4)
        self.worker.flush()
        self.assertEqual((len(self.worker.pauses), self.values()), (1, [1, 2, 3, 4]))

    def test_the_end_waits_for_nobody(self) -> None:
        """A store that is being closed writes what there is."""
        self.submit_all(1, 2)
        closing = Deferred.fromCoroutine(self.store.close())
        self.worker.flush()
        self.successResultOf(closing)
        self.assertEqual(self.worker.pauses, [])

    def submit_all(self, *values: int) -> None:
        """Ask for values to be written."""
        for value in values:
            self.jobs.submit(self.put(value))

    def test_batches_are_bounded(self) -> None:
        """A flood is committed in pieces."""
        answers = [self.jobs.submit(self.put(number)) for number in range(MAX_BATCH + 1)]
        self.worker.flush()
        self.assertEqual([self.successResultOf(deferred) for deferred in answers], list(range(MAX_BATCH + 1)))
        self.assertEqual(self.trace.count("COMMIT"), 2)

    def test_readers_do_not_write(self) -> None:
        """A batch of readers takes no write lock; readers see what was submitted before them."""
        reading = self.jobs.submit(lambda connection: self.values(), writes=False)
        self.worker.flush()
        self.assertEqual(self.successResultOf(reading), [])
        self.assertNotIn("BEGIN IMMEDIATE", self.trace)
        self.jobs.submit(self.put(1))
        reading = self.jobs.submit(lambda connection: self.values(), writes=False)
        self.worker.flush()
        self.assertEqual(self.successResultOf(reading), [1])

    def test_failing_job_hurts_nobody_else(self) -> None:
        """What it wrote is taken back; the jobs around it are committed."""

        def failing(connection: Connection) -> None:
            self.put("lost")(connection)
            raise ZeroDivisionError

        before, failed, after = (self.jobs.submit(job) for job in (self.put(1), failing, self.put(2)))
        self.worker.flush()
        self.assertEqual((self.successResultOf(before), self.successResultOf(after)), (1, 2))
        self.failureResultOf(failed, ZeroDivisionError)
        self.assertEqual(self.values(), [1, 2])

    def test_a_job_alone_needs_no_savepoint(self) -> None:
        """The transaction is its own: it ends with the job, well or not, and the next one is as good as ever."""

        def failing(connection: Connection) -> None:
            self.put("lost")(connection)
            raise ZeroDivisionError

        failed = self.jobs.submit(failing)
        self.worker.flush()
        self.failureResultOf(failed, ZeroDivisionError)
        done = self.jobs.submit(self.put(1))
        self.worker.flush()
        self.assertEqual((self.successResultOf(done), self.values()), (1, [1]))
        self.assertNotIn("SAVEPOINT job", self.trace)

    def test_synced_where_anybody_needs_it(self) -> None:
        """A batch waits for the disk unless nobody in it does; readers do not count."""

        def level(connection: Connection) -> object:
            return connection.driver.execute("PRAGMA synchronous").fetchone()[0]

        full, normal = 2, 1
        for synced, expected in (([False], normal), ([False, True], full), ([False, False], normal), ([True], full)):
            answers = [self.jobs.submit(level, synced=each) for each in synced]
            reading = self.jobs.submit(level, writes=False)
            self.worker.flush()
            self.assertEqual({self.successResultOf(answer) for answer in answers}, {expected})
            self.assertEqual(self.successResultOf(reading), expected)

    def test_failing_statement_hurts_nobody_else(self) -> None:
        """The same when it is the database that refuses."""
        self.driver.execute("CREATE UNIQUE INDEX one ON t (v)")
        answers = [self.jobs.submit(self.put(value)) for value in (1, 1, 2)]
        self.worker.flush()
        self.assertEqual((self.successResultOf(answers[0]), self.successResultOf(answers[2])), (1, 2))
        error = self.failureResultOf(answers[1], GatewayError).value
        self.assertEqual(error.info.code, "storage_unavailable")
        self.assertEqual(self.values(), [1, 2])

    def test_failing_commit_fails_all(self) -> None:
        """Nobody is told that something is durable which is not."""
        self.driver.executescript(
            "PRAGMA foreign_keys = ON;"
            "CREATE TABLE u (v REFERENCES p (v) DEFERRABLE INITIALLY DEFERRED); CREATE TABLE p (v PRIMARY KEY);"
        )

        def dangling(connection: Connection) -> None:
            connection.driver.execute("INSERT INTO u VALUES (1)")

        answers: list[Deferred[Any]] = [self.jobs.submit(self.put(1)), self.jobs.submit(dangling)]
        self.worker.flush()
        errors = [self.failureResultOf(deferred, GatewayError).value for deferred in answers]
        self.assertEqual([error.info.code for error in errors], ["storage_unavailable"] * 2)
        self.assertIsNot(errors[0], errors[1])
        self.assertEqual(self.values(), [])
        again = self.jobs.submit(self.put(2))
        self.worker.flush()
        self.assertEqual(self.successResultOf(again), 2)

    def test_cancelled_caller_loses_nothing(self) -> None:
        """The job is done all the same, and its neighbours are not disturbed."""
        first, second = self.jobs.submit(self.put(1)), self.jobs.submit(self.put(2))
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.worker.flush()
        self.assertEqual(self.successResultOf(second), 2)
        self.assertEqual(self.values(), [1, 2])

    def test_overflow_is_refused(self) -> None:
        """The queue is bounded; those in it are served, and then there is room again."""
        answers = [self.jobs.submit(self.put(number)) for number in range(MAX_BATCH * 2)]
        refused = self.jobs.submit(self.put("refused"))
        self.assertEqual(self.failureResultOf(refused, GatewayError).value.info.code, "storage_unavailable")
        self.worker.flush()
        self.assertEqual(len([self.successResultOf(deferred) for deferred in answers]), MAX_BATCH * 2)
        again = self.jobs.submit(self.put("again"))
        self.worker.flush()
        self.assertEqual(self.successResultOf(again), "again")

    def test_jobs_of_callbacks(self) -> None:
        """A callback may submit more, also when all is done in one thread at once."""
        jobs = GroupCommit(self.stores.database, InlineWorker(), at_once)
        results: list[object] = []

        def more(value: object) -> None:
            results.append(value)
            if len(results) < 3:
                jobs.submit(self.put(len(results))).addCallback(more)

        jobs.submit(self.put("first")).addCallback(more)
        self.assertEqual(results, ["first", 1, 2])

    def test_close_finishes_first(self) -> None:
        """What was submitted before is done; what comes later is refused; the worker ends."""
        waiting = self.jobs.submit(self.put(1))
        closing = Deferred.fromCoroutine(self.jobs.close())
        late = self.jobs.submit(self.put(2))
        self.failureResultOf(late, GatewayError)
        self.assertNoResult(closing)
        self.worker.flush()
        self.assertEqual(self.successResultOf(waiting), 1)
        self.successResultOf(closing)
        self.assertTrue(self.worker.ended)
        self.assertRaises(sqlite3.ProgrammingError, self.driver.execute, "SELECT 1")

    def test_cancelled_close_goes_on(self) -> None:
        """One who waits for the end may stop waiting; others still learn of it."""
        first, second = Deferred.fromCoroutine(self.jobs.close()), Deferred.fromCoroutine(self.jobs.close())
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.worker.flush()
        self.successResultOf(second)


class ThreadTests(TestCase):
    """The real thread under the real reactor."""

    async def test_many_turns_at_once(self) -> None:
        """All work is done in one other thread, answers come in the reactor's; order and content hold."""
        from twisted.internet import reactor

        threads: set[int] = set()
        stores = Stores()
        stores.store()
        jobs = GroupCommit(stores.database, ThreadWorker(), reactor.callFromThread)  # type: ignore[attr-defined]
        store = SqlSessions(jobs, SoleOwner("me"), iter(str(n) for n in range(1000)).__next__, lambda: 1000.0)

        async def turns(key: str) -> None:
            for number in range(5):
                run_id = f"{key}-{number}"
                begun = await store.begin(live(run_id, key), [user(run_id)])
                self.assertEqual(len(begun.history), 2 * number)
                added = [*begun.added, answer(run_id)]
                await store.commit(ended(run_id, key), added, model_provider="", model="", context_tokens=None)
                threads.add(threading.get_ident())

        def job(connection: Connection) -> int:
            return threading.get_ident()

        keys = [f"{KEY}{number}" for number in range(20)]
        await gatherResults([Deferred.fromCoroutine(turns(key)) for key in keys])
        other = await jobs.submit(job)
        self.assertEqual(threads, {threading.get_ident()})
        self.assertNotIn(other, threads)
        for key in keys:
            texts = [message.text for message in await store.transcript(key, 100)]
            self.assertEqual(texts, [f"{key}-{number}" for number in range(5) for _ in range(2)])
        await store.close()
