# -*- test-case-name: tests.sessions.test_copies -*-
"""A database as a whole, beside the gateway that works on it: whether it is sound, and copies. Everything blocks."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

BUSY_S = 10.0
"""How long to wait for whoever writes."""

MOST_PROBLEMS = 20
"""That are told of one database."""


class Unsound(Exception):
    """A database can not be read; the text says why."""


def problems(path: Path) -> list[str]:
    """What is wrong with the pages and indexes of a database; empty = nothing.

    @raise Unsound: it can not be read at all.
    """
    try:
        with closing(_opened(path)) as connection:
            rows = connection.execute(f"PRAGMA quick_check({MOST_PROBLEMS})").fetchall()
    except sqlite3.Error as error:
        raise Unsound(f"{path}: {error}") from None
    found = [str(row[0]) for row in rows]
    return [] if found == ["ok"] else found


def copy(path: Path, target: Path) -> None:
    """Write what the database holds at one moment, with everything that was committed, into one new file.

    @raise Unsound: it can not be read.
    @raise OSError: the copy can not be written.
    """
    target.touch(mode=0o600, exist_ok=False)
    try:
        with closing(_opened(path)) as source, closing(sqlite3.connect(target)) as copied:
            source.backup(copied)
    except sqlite3.Error as error:
        raise Unsound(f"{path}: {error}") from None


def is_database(path: Path) -> bool:
    """Whether a file begins like a database of SQLite."""
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return False


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)


__all__ = ["Unsound", "copy", "is_database", "problems"]
