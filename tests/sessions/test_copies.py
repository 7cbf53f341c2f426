# -*- test-case-name: tests.sessions.test_copies -*-
"""Databases as a whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.sessions.copies import Unsound, copy, is_database, problems


class CopyTests(SynchronousTestCase):
    """A database in WAL mode that somebody works on."""

    def setUp(self) -> None:
        """A thousand rows, and a writer that stays."""
        self.path = Path(self.mktemp())
        self.writer = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(self.writer.close)
        self.writer.execute("PRAGMA journal_mode=WAL")
        self.writer.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, x TEXT)")
        self.writer.executemany("INSERT INTO t VALUES (?, ?)", [(n, "x" * 100) for n in range(1000)])

    def rows(self, path: Path) -> int:
        """How many rows a copy has."""
        with closing(sqlite3.connect(path)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM t").fetchone()
        return int(count)

    def test_one_moment(self) -> None:
        """What was committed is in it, though it is not in the file yet; what is not committed is not."""
        self.writer.execute("BEGIN")
        self.writer.execute("INSERT INTO t VALUES (2000, 'not yet')")
        target = Path(self.mktemp())
        copy(self.path, target)
        self.writer.execute("ROLLBACK")
        self.assertEqual(self.rows(target), 1000)
        self.assertEqual(target.stat().st_mode & 0o777, 0o600)

    def test_never_over(self) -> None:
        """What is there is not overwritten."""
        target = Path(self.mktemp())
        target.write_text("mine")
        self.assertRaises(FileExistsError, copy, self.path, target)
        self.assertEqual(target.read_text(), "mine")

    def test_sound(self) -> None:
        """Nothing is wrong with it."""
        self.assertEqual(problems(self.path), [])

    def test_damaged(self) -> None:
        """Pages full of nonsense are told."""
        self.writer.close()
        raw = bytearray(self.path.read_bytes())
        raw[4096:20000] = b"\xff" * (20000 - 4096)
        self.path.write_bytes(raw)
        try:
            self.assertNotEqual(problems(self.path), [])
        except Unsound as error:
            self.assertIn(str(self.path), str(error))

    def test_no_database(self) -> None:
        """Text is none, and neither is nothing."""
        text = Path(self.mktemp())
        text.write_text("hello" * 1000)
        self.assertRaises(Unsound, problems, text)
        self.assertRaises(Unsound, copy, text, Path(self.mktemp()))
        self.assertRaises(Unsound, problems, Path(self.mktemp()))
        self.assertEqual([is_database(path) for path in (self.path, text, Path(self.mktemp()))], [True, False, False])
