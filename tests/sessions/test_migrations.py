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
from openclaw_tx.sessions.migrations import APPLICATION_ID, UPGRADES, Upgrade, open_database
from openclaw_tx.sessions.schema import SCHEMA_VERSION, Statements
from openclaw_tx.sessions.statements import sqlite_statements
from tests.sessions.helpers import scratch

VERSION_1 = (
    "CREATE TABLE runs (run_id TEXT NOT NULL, session_key TEXT NOT NULL, session_id TEXT, agent_id TEXT NOT NULL, "
    "owner TEXT NOT NULL, status TEXT NOT NULL, surface TEXT NOT NULL, principal_id TEXT NOT NULL, "
    "fingerprint TEXT NOT NULL, queued_at_ms BIGINT NOT NULL, started_at_ms BIGINT NOT NULL, "
    "ended_at_ms BIGINT NOT NULL, partial TEXT NOT NULL, pending TEXT, result TEXT, PRIMARY KEY (run_id))",
    "CREATE INDEX live_runs ON runs (run_id) WHERE status IN ('queued', 'running')",
    "CREATE INDEX runs_by_end ON runs (ended_at_ms)",
    'CREATE TABLE sessions ("key" TEXT NOT NULL, agent_id TEXT NOT NULL, session_id TEXT NOT NULL, '
    "created_at_ms BIGINT NOT NULL, updated_at_ms BIGINT NOT NULL, aborted_last_run BOOLEAN NOT NULL, "
    "model_provider TEXT NOT NULL, model TEXT NOT NULL, input_tokens BIGINT NOT NULL, output_tokens BIGINT NOT NULL, "
    "total_tokens BIGINT NOT NULL, label TEXT NOT NULL, extra TEXT NOT NULL, next_position INTEGER NOT NULL, "
    'PRIMARY KEY ("key"), UNIQUE (session_id))',
    "CREATE INDEX sessions_by_age ON sessions (updated_at_ms)",
    "CREATE TABLE messages (session_id TEXT NOT NULL, position INTEGER NOT NULL, body TEXT NOT NULL, "
    "PRIMARY KEY (session_id, position), FOREIGN KEY(session_id) REFERENCES sessions (session_id) ON DELETE CASCADE)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    "PRAGMA user_version = 1",
    "INSERT INTO runs VALUES ('r', 'k', 's', 'main', 'me', 'ok', 'http', 'p', 'f', 1, 2, 3, '', NULL, NULL)",
)
"""A file as the first release made it."""


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
    """L{open_database} on a file of this version with one session in it."""

    def setUp(self) -> None:
        """Make the file."""
        self.directory = scratch(self)
        self.path = os.path.join(self.directory, "openclaw.sqlite")
        self.reports: list[str] = []
        with closing(self.open()) as connection:
            connection.execute(
                "INSERT INTO sessions VALUES ('k', 'a', 's', 1, 1, 0, '', '', 0, 0, 0, '', '{}', 0, '{}', NULL, "
                "0, '', '', NULL, '', 0)"
            )

    def open(self, further: Sequence[Upgrade] = ()) -> sqlite3.Connection:
        """Open it, with a program that knows further steps."""
        return open_database(
            self.path,
            busy_ms=0,
            seconds=lambda: 1_000_000_000.0,
            report=self.reports.append,
            upgrades=(*UPGRADES, *further),
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
            self.assertEqual(self.version(connection), SCHEMA_VERSION + 2)
            self.assertEqual(connection.execute("SELECT color FROM sessions").fetchall(), [("blue",)])
        copy = f"{self.path}.backup-v{SCHEMA_VERSION}-20010909T014640Z"
        [report] = self.reports
        self.assertIn(copy, report)
        self.assertEqual(os.stat(copy).st_mode & 0o777, 0o600)
        with closing(sqlite3.connect(copy)) as kept:
            self.assertEqual(self.version(kept), SCHEMA_VERSION)
            self.assertEqual(kept.execute("SELECT key FROM sessions").fetchall(), [("k",)])
        with closing(self.open((add_color, paint_blue))):
            self.assertEqual(len(self.reports), 1)

    def test_from_the_first_version(self) -> None:
        """A file of the first release gets the tables, columns and indexes of a fresh one, and keeps its rows."""
        old = f"{self.path}.old"
        with closing(sqlite3.connect(old)) as connection:
            for statement in VERSION_1:
                connection.execute(statement)
            connection.commit()
        fresh, self.path = self.path, old
        with closing(self.open()) as upgraded, closing(sqlite3.connect(fresh)) as made:
            self.assertEqual(self.shape(upgraded), self.shape(made))
            self.assertEqual(upgraded.execute("SELECT run_id, idempotency FROM runs").fetchall(), [("r", None)])
            upgraded.execute("INSERT INTO run_events VALUES ('r', 1, 2, '[]')")
            upgraded.execute("DELETE FROM runs")
            self.assertEqual(upgraded.execute("SELECT * FROM run_events").fetchall(), [])

    def test_to_version_4(self) -> None:
        """Titles, previews and the places of marks are found in the transcripts that are there."""
        old = f"{self.path}.old"
        with closing(sqlite3.connect(old)) as connection:
            for statement in VERSION_1:
                connection.execute(statement)
            for number in (1, 2):
                row = (f"k{number}", "a", f"s{number}", 5, 7, 0, "", "", 0, 0, 0, "", "{}", 4)
                connection.execute(f"INSERT INTO sessions VALUES ({', '.join('?' * len(row))})", row)
            for place, body in enumerate(
                (
                    '{"type":"user","content":[{"type":"text","text":"first  question"}]}',
                    '{"type":"assistant","text":"answer"}',
                    '{"type":"compaction","summary":"s"}',
                    "broken",
                )
            ):
                connection.execute("INSERT INTO messages VALUES ('s1', ?, ?)", (place, body))
            connection.commit()
        self.path = old
        with closing(self.open()) as upgraded:
            rows = upgraded.execute(
                "SELECT title, preview, mark_position, interacted_at_ms FROM sessions ORDER BY key"
            ).fetchall()
        self.assertEqual(rows, [("first question", "answer", 2, 7), ("", "", None, 7)])

    def shape(self, connection: sqlite3.Connection) -> list[object]:
        """What a file is made of, in whatever words its statements are written."""
        names = connection.execute("SELECT type, name FROM sqlite_master ORDER BY name").fetchall()
        return [
            *names,
            *(connection.execute(f"PRAGMA table_info('{name}')").fetchall() for kind, name in names if kind == "table"),
            *(connection.execute(f"PRAGMA index_info('{name}')").fetchall() for kind, name in names if kind == "index"),
            *(
                connection.execute(f"PRAGMA foreign_key_list('{name}')").fetchall()
                for kind, name in names
                if kind == "table"
            ),
        ]

    def test_failed_upgrade(self) -> None:
        """The step that failed left nothing behind; those before it stand; the next try goes on from there."""
        self.assertRaises(sqlite3.OperationalError, self.open, (add_color, break_off))
        with closing(self.open((add_color, paint_blue))) as connection:
            self.assertEqual(self.version(connection), SCHEMA_VERSION + 2)
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
