# -*- test-case-name: tests.sessions.test_database -*-
"""Trouble with the file: locked, full, out of reach, damaged; and that it passes without a restart."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import ConfigError, GatewayError
from openclaw_tx.sessions.migrations import CHECKED_BYTES
from tests.sessions.helpers import KEY, Stores, answer, ended, live, scratch, user


class TroubleTests(SynchronousTestCase):
    """A store on a file to which bad things happen."""

    def setUp(self) -> None:
        """Nothing is opened yet."""
        self.directory = scratch(self)
        self.path = os.path.join(self.directory, "gateway", "openclaw.sqlite")
        self.stores = Stores(self.path)
        self.store = self.stores.store()
        self.addCleanup(lambda: self.do(self.store.close()))

    def do(self, call: Any) -> Any:
        """The result of a coroutine."""
        return self.successResultOf(Deferred.fromCoroutine(call))

    def refusal(self, call: Any) -> str:
        """Message of a refused call; never one that names a path."""
        error = self.failureResultOf(Deferred.fromCoroutine(call), GatewayError).value
        assert isinstance(error, GatewayError)
        self.assertEqual(error.info.code, "storage_unavailable")
        self.assertNotIn(self.directory, error.info.message)
        self.assertTrue(error.info.should_retry)
        return error.info.message

    def turn(self, run_id: str, said: str = "hello") -> None:
        """A whole turn."""
        self.do(self.store.begin(live(run_id), [user(said)]))
        added = [user(said), answer("hi")]
        self.do(self.store.commit(ended(run_id), added, model_provider="", model="", context_tokens=None))

    def reopen(self) -> None:
        """A new process."""
        self.do(self.store.close())
        self.store = self.stores.store()

    def length(self) -> int:
        """Of the transcript."""
        return len(self.do(self.store.transcript(KEY, 1000)))

    def test_only_the_owner_can_read_it(self) -> None:
        """File, side files and directories; a file that was open to others is closed to them."""
        self.turn("r1")
        for name in ("", "-wal", "-shm"):
            self.assertEqual(stat.S_IMODE(os.stat(self.path + name).st_mode), 0o600, name)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(self.path)).st_mode), 0o700)
        self.do(self.store.close())
        os.chmod(self.path, 0o644)
        self.store = self.stores.store()
        self.turn("r2")
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)

    def test_settings_of_the_connection(self) -> None:
        """What was returned for is on the disk: write-ahead log, full synchronisation, foreign keys."""
        driver = self.stores.database.connect().driver
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
            self.assertEqual(driver.execute(f"PRAGMA {pragma}").fetchone(), (value,))

    def test_the_end_of_a_turn_is_synced(self) -> None:
        """That a run began may be lost with the power, what it said may not."""
        driver = self.stores.database.connect().driver
        self.do(self.store.begin(live("r1"), [user("x")]))
        self.assertEqual(driver.execute("PRAGMA synchronous").fetchone(), (1,))
        self.do(self.store.commit(ended("r1"), [answer("y")], model_provider="p", model="m", context_tokens=None))
        self.assertEqual(driver.execute("PRAGMA synchronous").fetchone(), (2,))

    def test_removed(self) -> None:
        """The directory of the store is removed: that is told once, and what is said from then on stays."""
        self.turn("r1")
        self.do(self.store.begin(live("r2"), [user("x")]))
        shutil.rmtree(os.path.dirname(self.path))
        self.assertEqual(self.length(), 0)
        self.assertFalse(self.store.healthy)
        self.do(
            self.store.commit(ended("r2"), [user("x"), answer("y")], model_provider="", model="", context_tokens=None)
        )
        self.turn("r3", "after")
        self.assertTrue(self.store.healthy)
        first, second = self.stores.reports
        self.assertIn("was removed or replaced while it was in use", first)
        self.assertIn("works again", second)
        before = self.length()
        self.reopen()
        self.assertEqual(self.length(), before)
        self.assertGreaterEqual(before, 2)

    def test_removed_just_now(self) -> None:
        """What is said right after goes to the new file, not to one that nobody will read."""
        self.turn("r1")
        shutil.rmtree(os.path.dirname(self.path))
        self.turn("r2", "after")
        self.reopen()
        self.assertEqual(self.length(), 2)

    def test_removed_meanwhile(self) -> None:
        """The file goes while something is written: that is refused, and what comes next has a new file."""
        self.turn("r1")
        written = self.stores.jobs.submit(lambda _: shutil.rmtree(os.path.dirname(self.path)))
        error = self.failureResultOf(written, GatewayError).value
        self.assertEqual(error.info.message, "The session store was removed or replaced.")
        self.assertFalse(self.store.healthy)
        self.turn("r2", "after")
        self.assertTrue(self.store.healthy)
        first, second = self.stores.reports
        self.assertIn("was removed or replaced while it was in use", first)
        self.assertIn("works again", second)
        self.reopen()
        self.assertEqual(self.length(), 2)

    def test_replaced(self) -> None:
        """Another file is put in its place: it is the one that is used."""
        self.turn("r1")
        self.do(self.store.close())
        copy = self.path + ".copy"
        shutil.copy(self.path, copy)
        self.store = self.stores.store()
        self.turn("r2")
        os.replace(copy, self.path)
        for name in ("-wal", "-shm"):
            os.unlink(self.path + name)
        self.assertEqual(self.length(), 2)
        self.turn("r3")
        self.reopen()
        self.assertEqual(self.length(), 4)

    def test_locked(self) -> None:
        """Another program holds the file: refused after the wait, told once, well again by itself."""
        self.turn("r1")
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        self.assertIn("locked", self.refusal(self.store.begin(live("r2"), [user("x")])))
        self.assertIn("locked", self.refusal(self.store.begin(live("r2"), [user("x")])))
        self.assertEqual(self.length(), 2)
        self.assertFalse(self.store.healthy)
        other.execute("ROLLBACK")
        self.turn("r2")
        self.assertEqual(self.length(), 4)
        first, second = self.stores.reports
        self.assertIn(self.path, first)
        self.assertIn("works again", second)

    def test_full_disk(self) -> None:
        """Nothing of the turn is stored, nothing of the store is lost, and it goes on when there is room."""
        self.turn("r1")
        driver = self.stores.database.connect().driver
        (pages,) = driver.execute("PRAGMA page_count").fetchone()
        driver.execute(f"PRAGMA max_page_count = {pages}")
        self.do(self.store.begin(live("r2"), [user("x")]))
        commit = self.store.commit(
            ended("r2"), [user("x"), answer("y" * 100_000)], model_provider="", model="", context_tokens=None
        )
        self.assertIn("space", self.refusal(commit))
        self.assertEqual(self.length(), 2)
        self.assertFalse(self.store.healthy)
        driver.execute("PRAGMA max_page_count = 1000000")
        self.do(
            self.store.commit(ended("r2"), [user("x"), answer("y")], model_provider="", model="", context_tokens=None)
        )
        self.assertEqual(self.length(), 4)
        first, second = self.stores.reports
        self.assertIn("space", first)
        self.assertIn("works again", second)

    def test_directory_out_of_reach(self) -> None:
        """Refused as long as the directory can not be made, then there."""
        os.makedirs(self.directory)
        with open(os.path.dirname(self.path), "w"):
            pass
        self.assertIn("can not be opened", self.refusal(self.store.open()))
        self.refusal(self.store.begin(live("r1"), [user("x")]))
        os.unlink(os.path.dirname(self.path))
        self.turn("r1")
        self.assertEqual(self.length(), 2)

    def test_read_only_file(self) -> None:
        """A database that may be read but not written to."""
        self.turn("r1")
        driver = self.stores.database.connect().driver
        driver.execute("PRAGMA query_only = ON")
        self.assertIn("may not be written", self.refusal(self.store.begin(live("r2"), [user("x")])))
        # The connection that could not write was replaced.
        self.turn("r2")
        self.assertEqual(self.length(), 4)

    def test_not_a_database(self) -> None:
        """What is in the way is moved aside, and the operator is told both names."""
        os.makedirs(os.path.dirname(self.path))
        with open(self.path, "wb") as file:
            file.write(b"this is no database " * 100)
        self.turn("r1")
        [report] = self.stores.reports
        moved = self.path + ".corrupt-20010909T014640Z"
        self.assertIn(f"{self.path} ", report)
        self.assertIn(moved, report)
        with open(moved, "rb") as file:
            self.assertTrue(file.read().startswith(b"this is no database"))

    def test_damaged_pages(self) -> None:
        """Damage in the middle of the file is found when it is opened; nothing is deleted, also the second time."""
        for _ in range(2):
            for number in range(20):
                self.turn(f"r{number}", "words " * 500)
            self.do(self.store.close())
            size = os.path.getsize(self.path)
            with open(self.path, "r+b") as file:
                file.seek(4096)
                file.write(b"\xa5" * (size - 8192))
            self.store = self.stores.store()
            self.do(self.store.open())
            self.assertEqual(self.length(), 0)
        found = sorted(name for name in os.listdir(os.path.dirname(self.path)) if "corrupt" in name)
        self.assertEqual(
            found, ["openclaw.sqlite.corrupt-20010909T014640Z", "openclaw.sqlite.corrupt-20010909T014640Z-2"]
        )
        self.assertEqual(len(self.stores.reports), 2)

    def test_damage_met_at_work(self) -> None:
        """A file that breaks while in use is checked and moved aside before the next use."""
        for number in range(20):
            self.turn(f"r{number}", "words " * 500)
        driver = self.stores.database.connect().driver
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        driver.execute("PRAGMA cache_size = 0")
        size = os.path.getsize(self.path)
        with open(self.path, "r+b") as file:
            file.seek(4096)
            file.write(b"\xa5" * (size - 4096))
        self.assertIn("damaged", self.refusal(self.store.transcript(KEY, 1000)))
        self.turn("r1")
        self.assertEqual(self.length(), 2)
        self.assertTrue(any("corrupt-" in report for report in self.stores.reports))

    def test_truncated_file(self) -> None:
        """Half a file is a damaged file; an empty one is a fresh one."""
        for number in range(20):
            self.turn(f"r{number}", "words " * 500)
        self.do(self.store.close())
        os.truncate(self.path, os.path.getsize(self.path) // 2)
        self.store = self.stores.store()
        self.turn("r1")
        self.assertEqual(len(self.stores.reports), 1)
        self.do(self.store.close())
        os.truncate(self.path, 0)
        self.store = self.stores.store()
        self.turn("r1")
        self.assertEqual(len(self.stores.reports), 1)

    def test_database_of_another_program(self) -> None:
        """It is left alone: that is a mistake in the configuration."""
        os.makedirs(os.path.dirname(self.path))
        other = sqlite3.connect(self.path)
        other.execute("CREATE TABLE theirs (v)")
        other.close()
        error = self.failureResultOf(Deferred.fromCoroutine(self.store.open()), ConfigError).value
        self.assertEqual(error.issues[0][0], "session.store")
        self.assertEqual(os.listdir(os.path.dirname(self.path)), ["openclaw.sqlite"])

    def test_database_of_a_newer_version(self) -> None:
        """It is left alone too."""
        self.turn("r1")
        self.stores.database.connect().driver.execute("PRAGMA user_version = 99")
        self.do(self.store.close())
        self.store = self.stores.store()
        error = self.failureResultOf(Deferred.fromCoroutine(self.store.open()), ConfigError).value
        self.assertIn("newer", str(error))

    def test_large_files_are_not_read_through(self) -> None:
        """Opening stays quick; only an error makes for a thorough look."""
        for number in range(20):
            self.turn(f"r{number}", "words " * 500)
        self.do(self.store.close())
        size = os.path.getsize(self.path)
        with open(self.path, "r+b") as file:
            file.seek(size - 8192)
            file.write(b"\xa5" * 8192)
        os.truncate(self.path, CHECKED_BYTES + 4096)
        self.store = self.stores.store()
        self.do(self.store.open())
        self.assertEqual(self.stores.reports, [])
