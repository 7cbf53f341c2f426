# -*- test-case-name: tests.config.test_holding -*-
"""Two gateways never share a state directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.logger import Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.holding import FILE, Holding
from openclaw_tx.errors import ConfigError


class HoldingTests(SynchronousTestCase):
    """L{Holding}, several in one process: the lock belongs to the open file."""

    def setUp(self) -> None:
        """A directory that is yet to be made."""
        self.directory = Path(self.mktemp()).absolute()
        self.events: list[Any] = []

    def holding(self) -> Holding:
        """A gateway's."""
        made = Holding(self.directory, Logger(observer=self.events.append))
        self.addCleanup(made.release)
        return made

    def test_one(self) -> None:
        """The second is told who has it and what; when the first is done it may."""
        first, second = self.holding(), self.holding()
        first.take()
        first.take()
        error = self.assertRaises(ConfigError, second.take)
        who = f"another gateway, process {os.getpid()}, is at work on {self.directory}"
        self.assertEqual(str(error), f"{who}; stop it, or use another state directory")
        first.release()
        first.release()
        second.take()
        self.assertRaises(ConfigError, first.take)

    def test_left_over(self) -> None:
        """The file of a process that was killed keeps nobody out, whatever it says."""
        first = self.holding()
        first.take()
        first.release()
        for left in ("1", "1" * 20):
            (self.directory / FILE).write_text(left)
            next_one = self.holding()
            next_one.take()
            self.assertEqual((self.directory / FILE).read_text(), str(os.getpid()))
            next_one.release()
            self.assertEqual((self.directory / FILE).read_text(), "")

    def test_kept_out(self) -> None:
        """Whoever is kept out has nothing open."""
        self.holding().take()
        before = os.listdir("/proc/self/fd")
        self.assertRaises(ConfigError, self.holding().take)
        self.assertEqual(os.listdir("/proc/self/fd"), before)

    def test_no_number(self) -> None:
        """One that has not said who it is yet has it all the same."""
        self.holding().take()
        (self.directory / FILE).write_text("")
        error = self.assertRaises(ConfigError, self.holding().take)
        self.assertIn("another gateway is at work", str(error))

    def test_private(self) -> None:
        """It is nobody else's business."""
        self.holding().take()
        self.assertEqual(os.stat(self.directory / FILE).st_mode & 0o777, 0o600)

    def test_other_directories(self) -> None:
        """Each has its own."""
        self.holding().take()
        other = Holding(self.directory / "other", Logger())
        self.addCleanup(other.release)
        other.take()

    def test_not_to_be_locked(self) -> None:
        """What is no directory keeps no gateway from starting; it is logged, and nothing is held."""
        self.directory.write_text("")
        first = self.holding()
        first.take()
        [event] = self.events
        self.assertIn("would not be noticed", formatEvent(event))
        first.release()
