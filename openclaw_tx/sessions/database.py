# -*- test-case-name: tests.sessions.test_database -*-
"""The embedded engine: one SQLite file, opened when first needed and again after trouble."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from openclaw_tx.errors import GatewayError
from openclaw_tx.sessions.migrations import open_database
from openclaw_tx.sessions.owners import Owners
from openclaw_tx.sessions.statements import sqlite_statements
from openclaw_tx.sessions.worker import BUSY_MS, Connection

if TYPE_CHECKING:
    from openclaw_tx.sessions.schema import Statements

_REASONS = {
    "SQLITE_BUSY": "is locked by another process",
    "SQLITE_LOCKED": "is locked by another process",
    "SQLITE_FULL": "has no space left on its disk",
    "SQLITE_READONLY": "may not be written to",
    "SQLITE_PERM": "may not be written to",
    "SQLITE_CANTOPEN": "can not be opened",
    "SQLITE_IOERR": "can not be read or written",
    "SQLITE_CORRUPT": "is damaged",
    "SQLITE_NOTADB": "is damaged",
}
"""What an SQLite error means for the operator, by the first two words of its name."""

_HARMLESS = frozenset({"SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_CONSTRAINT"})
"""Errors after which the connection is as good as before."""

REMOVED = "was removed or replaced"


class Removed(OSError):
    """The file is not at its path any more."""


class SqliteDatabase:
    """Implements L{openclaw_tx.sessions.worker.Database}.

    Used by the worker only. Trouble is reported when it begins, when its reason changes and when it is over, not for
    each transaction; the next transaction tries again by itself.

    A file that is removed or replaced while it is open would be written to all the same, for nobody to read: that is
    noticed with the next transaction, which goes to what is at the path now, or to a new file. One during which it
    went is refused when it is committed. To look costs two microseconds.
    """

    def __init__(
        self,
        path: str,
        owners: Owners,
        *,
        seconds: Callable[[], float],
        report: Callable[[str], None],
        busy_ms: int = BUSY_MS,
    ) -> None:
        """
        @param path: of the file, or C{":memory:"}.
        @param seconds: the time, for names of copies.
        @param report: takes a warning for the operator, in the worker's thread.
        @param busy_ms: how long to wait for another process.
        """
        self._path = path
        self._owners = owners
        self._seconds = seconds
        self._report = report
        self._busy_ms = busy_ms
        self._connection: Connection | None = None
        self._file: tuple[int, int] | None = None
        """Device and inode of what is open; None = nothing, or no file."""
        self._statements: Statements | None = None
        self._suspect = False
        self._thorough = False
        self._trouble = ""

    def connect(self) -> Connection:
        """See L{openclaw_tx.sessions.worker.Database.connect}."""
        if self._connection is not None and not self._suspect and not self._is_another():
            return self._connection
        self.close()
        if self._statements is None:
            self._statements = sqlite_statements()
        driver = open_database(
            self._path,
            busy_ms=self._busy_ms,
            seconds=self._seconds,
            report=self._report,
            thorough=self._thorough,
        )
        self._suspect = self._thorough = False
        self._file = _file_at(self._path)
        self._connection = Connection(driver, self._statements, self._report)
        self._owners.acquire()
        return self._connection

    def _is_another(self) -> bool:
        """Whether the path no longer leads to what is open."""
        if self._file is None or _file_at(self._path) == self._file:
            return False
        self._note_removed()
        return True

    def _note_removed(self) -> None:
        self._trouble = REMOVED
        self._report(
            f"The session database {self._path} {REMOVED} while it was in use. What it held is gone; "
            "what is said from now on is stored in what is there now, or else in a new file."
        )

    def committed(self) -> None:
        """See L{openclaw_tx.sessions.worker.Database.committed}."""
        if self._file is not None and _file_at(self._path) != self._file:
            raise Removed

    def failed(self, error: Exception) -> GatewayError:
        """See L{openclaw_tx.sessions.worker.Database.failed}."""
        if isinstance(error, Removed):
            self._suspect = True
            self._note_removed()
            return GatewayError("storage_unavailable", f"The session store {REMOVED}.", retry_after=1)
        name = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
        reason = _REASONS.get(name, "can not be opened" if isinstance(error, OSError) else "failed")
        self._suspect = self._suspect or name not in _HARMLESS
        self._thorough = self._thorough or name in ("SQLITE_CORRUPT", "SQLITE_NOTADB")
        if reason != self._trouble:
            self._trouble = reason
            self._report(f"The session database {self._path} {reason}: {error}")
        return GatewayError("storage_unavailable", f"The session store {reason}.", retry_after=1)

    def worked(self, wrote: bool) -> bool:
        """See L{openclaw_tx.sessions.worker.Database.worked}."""
        if self._trouble and wrote:
            self._trouble = ""
            self._report(f"The session database {self._path} works again.")
        return not self._trouble

    def close(self) -> None:
        """Close the connection; the next L{connect} opens another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.driver.close()


def _file_at(path: str) -> tuple[int, int] | None:
    """Device and inode; None = there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
