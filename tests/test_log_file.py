# -*- test-case-name: tests.test_log_file -*-
"""L{openclaw_tx.log_file}."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from twisted.logger import Logger, LogPublisher
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.log_file import DEFAULT, OFF, DayLog, Tail, pattern, tail

DAY = 86_400.0
START = 1_795_970_000.0
"""29 November 2026."""


class DayLogTests(SynchronousTestCase):
    """L{DayLog}."""

    def setUp(self) -> None:
        self.now = START
        self.directory = Path(self.mktemp()) / "logs"
        self.max_bytes = 10_000
        self.log = DayLog(self.directory / DEFAULT, lambda: self.max_bytes, lambda: self.now)
        self.addCleanup(self.log.close)
        self.logger = Logger(namespace="openclaw_tx.runs", observer=LogPublisher(self.log))

    def names(self) -> list[str]:
        """Of the files there are."""
        return sorted(path.name for path in self.directory.iterdir())

    def test_lines(self) -> None:
        """A line is JSON with our keys, and with those that OpenClaw's clients read."""
        self.logger.warn("run {run} failed", run="r1")
        [line] = self.log.path.read_text("utf-8").splitlines()
        record = json.loads(line)
        self.assertEqual((record["level"], record["message"], record["run"]), ("warn", "run r1 failed", "r1"))
        self.assertEqual(record["1"], "run r1 failed")
        self.assertEqual(json.loads(record["0"]), {"subsystem": "openclaw_tx.runs"})
        self.assertEqual(record["_meta"]["logLevelName"], "WARN")

    def test_for_its_owner_only(self) -> None:
        """The file and its directory are nobody else's business."""
        self.logger.info("x")
        self.assertEqual(os.stat(self.log.path).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(self.directory).st_mode & 0o777, 0o700)

    def test_a_file_a_day(self) -> None:
        """Each day has its file; those of a week ago go; other files stay."""
        self.logger.info("x")
        (self.directory / "openclaw-notes.log").write_text("mine")
        for _ in range(9):
            self.now += DAY
            self.logger.info("x")
        names = self.names()
        self.assertEqual(names[0], "openclaw-2026-12-01.log")
        self.assertEqual(names[-2:], ["openclaw-2026-12-08.log", "openclaw-notes.log"])
        self.assertEqual(len(names), 9)

    def test_too_large(self) -> None:
        """At the cap the file is put aside, and the one put aside before goes."""
        self.max_bytes = 600
        for number in range(9):
            self.logger.info("line {n}", n=number)
        self.assertEqual(self.names(), ["openclaw-2026-11-29.log", "openclaw-2026-11-29.log.1"])
        self.assertLessEqual(self.log.path.stat().st_size, 600)
        self.assertIn("line 8", self.log.path.read_text())

    def test_disk_trouble(self) -> None:
        """A line that can not be written is lost; the next one is not."""
        self.directory.parent.mkdir()
        self.directory.write_text("in the way")
        self.logger.info("lost")
        self.assertNotEqual(self.log.problem, "")
        self.directory.unlink()
        self.logger.info("kept")
        self.assertEqual(self.log.problem, "")
        self.assertIn("kept", self.log.path.read_text())

    def test_removed(self) -> None:
        """Somebody removes the file, with its directory, or moves it away: there is a new one a second later."""
        self.logger.info("first")
        shutil.rmtree(self.directory)
        self.now += 2
        self.logger.info("second")
        self.assertIn("second", self.log.path.read_text())
        moved = self.log.path.rename(self.log.path.with_name("moved"))
        self.now += 2
        self.logger.info("third")
        self.logger.info("fourth")
        self.assertEqual(len(self.log.path.read_text().splitlines()), 2)
        self.assertEqual(len(moved.read_text().splitlines()), 1)

    def test_one_file(self) -> None:
        """A name without the day is one file, and nothing is pruned."""
        log = DayLog(self.directory / "gateway.log", lambda: 10_000, lambda: self.now)
        self.addCleanup(log.close)
        log({"log_format": "a", "log_time": START})
        self.now += 30 * DAY
        log({"log_format": "b", "log_time": START})
        self.assertEqual(self.names(), ["gateway.log"])

    def test_where(self) -> None:
        """C{logging.file} names it, says off, or leaves it to the state directory."""
        self.assertEqual(pattern("", Path("/s")), Path("/s/logs") / DEFAULT)
        self.assertEqual(pattern("/var/log/x.log", Path("/s")), Path("/var/log/x.log"))
        self.assertIsNone(pattern(OFF, Path("/s")))


class TailTests(SynchronousTestCase):
    """L{tail}."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def read(self, cursor: int | None = None, limit: int = 100, max_bytes: int = 10_000) -> Tail:
        """With bounds that do not matter."""
        return tail(self.path, cursor, limit, max_bytes)

    def test_no_file(self) -> None:
        """Nothing was logged yet."""
        self.assertEqual(self.read(), ([], 0, 0, False, False))
        self.assertTrue(self.read(5).reset)

    def test_follow(self) -> None:
        """The cursor leads from one answer to the next, never into the middle of a line."""
        self.path.write_text("one\ntwo\nthr")
        first = self.read()
        self.assertEqual((first.lines, first.cursor, first.size, first.truncated), (["one", "two"], 8, 11, False))
        self.assertEqual(self.read(first.cursor).lines, [])
        with self.path.open("a") as file:
            file.write("ee\nfour\n")
        self.assertEqual(self.read(first.cursor).lines, ["three", "four"])

    def test_newest_lines(self) -> None:
        """Of too many lines the newest are given, and that there were more is said."""
        self.path.write_text("".join(f"{number}\n" for number in range(10)))
        found = self.read(limit=3)
        self.assertEqual((found.lines, found.truncated), (["7", "8", "9"], True))

    def test_bytes(self) -> None:
        """Of too many bytes the newest whole lines are given."""
        self.path.write_text("aaaa\nbbbb\ncccc\n")
        found = self.read(max_bytes=8)
        self.assertEqual((found.lines, found.truncated), (["cccc"], True))

    def test_another_file(self) -> None:
        """A cursor behind the end is of a file that is no more: it begins anew."""
        self.path.write_text("new\n")
        found = self.read(4000)
        self.assertEqual((found.lines, found.reset), (["new"], True))

    def test_not_utf8(self) -> None:
        """Bytes that are no text are shown as such."""
        self.path.write_bytes(b"a\xffb\n")
        self.assertEqual(self.read().lines, ["a\N{REPLACEMENT CHARACTER}b"])
