# -*- test-case-name: tests.sessions.test_worker -*-
"""One thread writes, many jobs share a transaction: group commit behind an async seam.

Jobs are functions of a connection. All that wait when the thread is free run in one transaction, each in a savepoint
of its own, and are committed (one C{fsync}) and reported back to the reactor together. A batch in which nobody needs
it is committed without: it outlives the process, but not a loss of power before the next batch that has one. While
jobs come in company, a batch waits a moment for more (PostgreSQL's C{commit_delay}); a job that comes alone is run at
once. How a thread is made and how the reactor is called are arguments, so that tests run the same code in one thread,
in memory, step by step.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from openclaw_tx.deferreds import Gate
from openclaw_tx.errors import GatewayError
from openclaw_tx.sessions.threads import Worker

if TYPE_CHECKING:
    from openclaw_tx.sessions.schema import Statements
    from openclaw_tx.sessions.statements import Statement

T = TypeVar("T")

MAX_WAITING = 10_000
"""Jobs that may wait; beyond, new ones are refused with C{storage_unavailable}."""

MAX_BATCH = 512
"""Jobs of one transaction at most."""

GATHER_SECONDS = 0.002
"""How long a batch waits for more jobs when the one before had several."""

BUSY_MS = 2000
"""How long a transaction waits for another process that holds the database."""

DRIVER_ERRORS = (sqlite3.Error, OSError)
"""What a database that can not be used raises."""


class Connection:
    """An open database with its compiled statements; used by the writer thread only.

    @ivar statements: what may be run.
    """

    def __init__(self, driver: sqlite3.Connection, statements: Statements, report: Callable[[str], None]) -> None:
        """
        @param report: takes a warning for the operator.
        """
        self.driver = driver
        self.statements = statements
        self.report = report
        self._synced = True

    def run(self, statement: Statement, /, **parameters: Any) -> sqlite3.Cursor:
        """Run a statement with its parameters by name."""
        return self.driver.execute(statement.sql, statement.arguments(parameters))

    def run_many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement once for each set of parameters."""
        self.driver.executemany(statement.sql, [statement.arguments(row) for row in rows])

    def execute(self, sql: str) -> None:
        """Run a word of transaction control."""
        self.driver.execute(sql)

    def begin(self, *, writes: bool, synced: bool) -> None:
        """Begin a transaction.

        @param synced: what it writes is on the disk when it is committed, and all that was written before.
        """
        if writes and synced is not self._synced:
            self.driver.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
            self._synced = synced
        self.driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")

    @property
    def in_transaction(self) -> bool:
        """False when SQLite itself has rolled the transaction back (full disk, I/O error)."""
        return self.driver.in_transaction


class Database(Protocol):
    """What jobs run on. All methods are called by the worker."""

    def connect(self) -> Connection:
        """The open connection, opened anew if need be.

        @raise ConfigError: this database will never do.
        @raise Exception: one of L{DRIVER_ERRORS}.
        """

    def failed(self, error: Exception) -> GatewayError:
        """Take note of an error; a connection that can not be trusted after it is opened anew for the next batch.

        @return: what clients get to see.
        """

    def committed(self) -> None:
        """Make sure that what was committed is where the next process looks for it.

        @raise Exception: one of L{DRIVER_ERRORS}: it is not, and is lost.
        """

    def worked(self, wrote: bool) -> bool:
        """Take note that a transaction was committed.

        @param wrote: whether it was one that could write; readers alone do not show that trouble is over.
        @return: whether all is well now.
        """

    def close(self) -> None: ...


Job = Callable[[Connection], T]
"""Work inside a transaction. May raise: its own changes are rolled back and the caller gets the exception."""


class _Waiting(Generic[T]):
    """A job and who waits for it."""

    __slots__ = ("deferred", "job", "outcome", "synced", "writes")

    def __init__(self, job: Job[T], writes: bool, synced: bool = True) -> None:
        self.job = job
        self.writes = writes
        self.synced = synced
        # A caller that no longer waits does not stop the job: what was asked for is written.
        self.deferred: Deferred[T] = Deferred()
        self.outcome: T | Failure | None = None


class GroupCommit:
    """Jobs of the reactor thread, run in batches by a worker. Methods are for the reactor thread.

    @ivar healthy: whether the last transaction went well; False before the first one.
    """

    def __init__(
        self,
        database: Database,
        worker: Worker,
        call_from_thread: Callable[..., object],
        max_waiting: int = MAX_WAITING,
    ) -> None:
        """
        @param call_from_thread: C{reactor.callFromThread} or its like.
        """
        self.healthy = False
        self._database = database
        self._worker = worker
        self._call_from_thread = call_from_thread
        self._max_waiting = max_waiting
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting[Any]] = deque()
        self._scheduled = False
        self._in_company = False
        """Whether the last batch had several jobs; the worker's."""
        self._closed: Gate | None = None

    def submit(self, job: Job[T], *, writes: bool = True, synced: bool = True) -> Deferred[T]:
        """Run C{job} in the next transaction, after all that was submitted before.

        @param writes: False for a job that only reads.
        @param synced: False for a job whose changes a loss of power may take.
        @return: fires with the job's result once that is durable; cancelling it does not stop the job. Fails with the
            job's exception, or C{storage_unavailable}: then nothing of it was written.
        """
        waiting = _Waiting(job, writes, synced)
        with self._lock:
            if self._closed is not None or len(self._waiting) >= self._max_waiting:
                what = "is closed" if self._closed is not None else "has too much to do"
                waiting.deferred.errback(GatewayError("storage_unavailable", f"The session store {what}."))
                return waiting.deferred
            self._waiting.append(waiting)
            idle = not self._scheduled
            self._scheduled = True
        if idle:
            self._worker.do(self._drain)
        return waiting.deferred

    async def close(self) -> None:
        """Finish what was submitted, then close the database and the worker; a second call waits for the same."""
        if self._closed is None:
            self._closed = Gate()
            self._worker.do(self._finish)
        await self._closed.wait()

    # -- in the worker

    def _drain(self) -> None:
        while True:
            if self._in_company and self._closed is None:
                self._worker.pause(GATHER_SECONDS)
            with self._lock:
                batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
                if not batch:
                    self._scheduled = self._in_company = False
                    return
            self._in_company = len(batch) > 1
            try:
                self.healthy = self._run(batch)
            except Exception as error:
                # No coroutine runs in this thread, so this is no cancellation. Nobody may wait for ever.
                self.healthy = False
                _fail(batch, error)
            self._call_from_thread(_deliver, batch)

    def _run(self, batch: Sequence[_Waiting[Any]]) -> bool:
        """Run jobs in one transaction.

        @return: whether all is well with the database.
        """
        wrote = any(waiting.writes for waiting in batch)
        synced = any(waiting.writes and waiting.synced for waiting in batch)
        try:
            connection = self._database.connect()
            connection.begin(writes=wrote, synced=synced)
        except DRIVER_ERRORS as error:
            _fail(batch, self._database.failed(error))
            return False
        try:
            sound = [self._run_one(connection, waiting, alone=len(batch) == 1) for waiting in batch]
            if connection.in_transaction:
                connection.execute("COMMIT")
            if wrote:
                self._database.committed()
        except DRIVER_ERRORS as error:
            _fail(batch, self._database.failed(error))
            _roll_back(connection)
            return False
        except BaseException:
            _roll_back(connection)
            raise
        return all(sound) and self._database.worked(wrote)

    def _run_one(self, connection: Connection, waiting: _Waiting[Any], *, alone: bool) -> bool:
        """Run one job; what goes wrong in it stays with it.

        @param alone: the transaction is there for this job, and ends when it fails; else it has a savepoint.
        @return: False when the database refused it.
        @raise Exception: one of L{DRIVER_ERRORS}: the transaction is lost with all its jobs.
        """
        saved = waiting.writes and not alone
        if saved:
            connection.execute("SAVEPOINT job")
        sound = True
        try:
            waiting.outcome = waiting.job(connection)
        except Exception as error:
            if isinstance(error, DRIVER_ERRORS):
                sound = False
                refusal = self._database.failed(error)
                if not connection.in_transaction:
                    raise
                error = refusal
            waiting.outcome = Failure(error)  # type: ignore[no-untyped-call]
            if waiting.writes:
                connection.execute("ROLLBACK TO job" if saved else "ROLLBACK")
        if saved:
            connection.execute("RELEASE job")
        return sound

    def _finish(self) -> None:
        self._drain()
        try:
            self._database.close()
        except DRIVER_ERRORS as error:
            self._database.failed(error)
        self._call_from_thread(self._ended)

    # -- back in the reactor thread

    def _ended(self) -> None:
        self._worker.quit()
        assert self._closed is not None
        self._closed.open()


def _fail(batch: Sequence[_Waiting[Any]], error: Exception) -> None:
    for waiting in batch:
        own = GatewayError.from_info(error.info) if isinstance(error, GatewayError) else error
        waiting.outcome = Failure(own)  # type: ignore[no-untyped-call]


def _roll_back(connection: Connection) -> None:
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except DRIVER_ERRORS:
        pass  # The connection is gone, and its transaction with it.


def _deliver(batch: Sequence[_Waiting[Any]]) -> None:
    for waiting in batch:
        if not waiting.deferred.called:
            waiting.deferred.callback(waiting.outcome)


__all__ = [
    "BUSY_MS",
    "Connection",
    "Database",
    "GroupCommit",
    "Job",
]
