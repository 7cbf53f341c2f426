# -*- test-case-name: tests.sessions.test_migrations -*-
"""Fresh files, upgrades step by step, and the copies made before them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing

from sqlalchemy.dialects import postgresql

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import ConfigError
from openclaw_tx.sessions.migrations import UPGRADES, Upgrade, open_database, sqlite_statements
from openclaw_tx.sessions.schema import SCHEMA_VERSION, Statements
from tests.sessions.helpers import scratch


def add_color(connection: sqlite3.Connection) -> None:
    """A step."""
    connection.execute("ALTER TABLE sessions ADD COLUMN color TEXT NOT NULL DEFAULT 'red'")


def paint_blue(connection: sqlite3.Connection) -> None:
    """A step that needs the one before."""
    connection.execute("UPDATE sessions SET color = 'blue'")


def break_off(connection: sqlite3.Connection) -> None:
    """A step that fails half-way."""
    connection.execute("DELETE FROM sessions")
    raise sqlite3.OperationalError("the power failed")


class MigrationTests(SynchronousTestCase):
    """L{open_database} on a file of version 1 with one session in it."""

    def setUp(self) -> None:
        """Make the file."""
        self.directory = scratch(self)
        self.path = os.path.join(self.directory, "openclaw.sqlite")
        self.reports: list[str] = []
        with closing(self.open()) as connection:
            connection.execute("INSERT INTO sessions VALUES ('k', 'a', 's', 1, 1, 0, '', '', 0, 0, 0, '', '{}', 0)")

    def open(self, upgrades: Sequence[Upgrade] = ()) -> sqlite3.Connection:
        """Open it."""
        return open_database(
            self.path,
            busy_ms=0,
            seconds=lambda: 1_000_000_000.0,
            report=self.reports.append,
            upgrades=upgrades,
        )

    def version(self, connection: sqlite3.Connection) -> int:
        """The file's."""
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return int(version)

    def test_steps_lead_to_the_schema(self) -> None:
        """There is a step for each version but the first."""
        self.assertEqual(len(UPGRADES) + 1, SCHEMA_VERSION)

    def test_opened_again(self) -> None:
        """A file of the right version is left as it is; no copy is made."""
        with closing(self.open()) as connection:
            self.assertEqual(self.version(connection), SCHEMA_VERSION)
            self.assertEqual(connection.execute("SELECT key FROM sessions").fetchall(), [("k",)])
        self.assertEqual((os.listdir(self.directory), self.reports), (["openclaw.sqlite"], []))

    def test_upgrade(self) -> None:
        """All steps in order; the file as it was is kept, for the owner only; the operator is told where."""
        with closing(self.open((add_color, paint_blue))) as connection:
            self.assertEqual(self.version(connection), 3)
            self.assertEqual(connection.execute("SELECT color FROM sessions").fetchall(), [("blue",)])
        copy = self.path + ".backup-v1-20010909T014640Z"
        [report] = self.reports
        self.assertIn(copy, report)
        self.assertEqual(os.stat(copy).st_mode & 0o777, 0o600)
        with closing(sqlite3.connect(copy)) as kept:
            self.assertEqual(self.version(kept), 1)
            self.assertEqual(kept.execute("SELECT key FROM sessions").fetchall(), [("k",)])
        with closing(self.open((add_color, paint_blue))):
            self.assertEqual(len(self.reports), 1)

    def test_failed_upgrade(self) -> None:
        """The step that failed left nothing behind; those before it stand; the next try goes on from there."""
        self.assertRaises(sqlite3.OperationalError, self.open, (add_color, break_off))
        with closing(self.open((add_color, paint_blue))) as connection:
            self.assertEqual(self.version(connection), 3)
            self.assertEqual(connection.execute("SELECT color FROM sessions").fetchall(), [("blue",)])

    def test_newer_file(self) -> None:
        """A version that this program does not know is refused, and left as it is."""
        self.open((add_color,)).close()
        error = self.assertRaises(ConfigError, self.open)
        self.assertEqual(error.issues[0][0], "session.store")
        self.open((add_color,)).close()

    def test_statements_of_both_engines(self) -> None:
        """Every statement compiles for SQLite and for PostgreSQL, and runs on the tables as they are made."""
        other = vars(Statements(postgresql.psycopg.dialect()))
        with closing(self.open()) as connection:
            for name, statement in vars(sqlite_statements()).items():
                self.assertIn(name, other)
                connection.execute(f"EXPLAIN {statement.sql}", [None] * len(statement.names or ()))
