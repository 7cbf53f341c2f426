# -*- test-case-name: tests.test_signals -*-
"""Signals are an ordinary end."""

from __future__ import annotations

import os
import signal
from typing import Any

from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.service import end_cleanly

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


def keep_signals(case: SynchronousTestCase) -> None:
    """What a test does to signals ends with it."""
    for number in SIGNALS:
        case.addCleanup(signal.signal, number, signal.getsignal(number))


class Reactor:
    """Does at once what comes from a signal handler, and notes that it was stopped."""

    def __init__(self, log: list[str]) -> None:
        self._log = log

    def callFromThread(self, function: Any, *arguments: Any) -> None:
        """As a reactor's."""
        function(*arguments)

    def stop(self) -> None:
        """Note it."""
        self._log.append("stop")


class SignalTests(SynchronousTestCase):
    """L{end_cleanly}."""

    def setUp(self) -> None:
        """Nobody has handlers but Twisted, for Ctrl-C."""
        keep_signals(self)
        self.told: list[str] = []
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, lambda number, frame: self.told.append("interrupt"))

    def begin(self) -> None:
        """The reactor runs."""
        end_cleanly(Reactor(self.told), Logger(), lambda: self.told.append("hurry"))

    def kill(self, *numbers: signal.Signals) -> list[str]:
        """Send signals.

        @return: what came of them.
        """
        for number in numbers:
            os.kill(os.getpid(), number)
        return self.told

    def test_first_and_second(self) -> None:
        """The first one stops, the second does not wait; a third one would end the process at once."""
        self.begin()
        self.assertEqual(self.kill(signal.SIGTERM), ["stop"])
        self.assertEqual(self.kill(signal.SIGTERM), ["stop", "hurry"])
        self.assertEqual({signal.getsignal(number) for number in SIGNALS[:3]}, {signal.SIG_DFL})

    def test_closed_terminal(self) -> None:
        """A hang-up is no cut; nor is Ctrl-C after it."""
        self.begin()
        self.assertEqual(self.kill(signal.SIGHUP, signal.SIGINT), ["stop", "hurry"])

    def test_interrupt(self) -> None:
        """Ctrl-C is Twisted's, which tells the shell of it; the second one does not wait."""
        self.begin()
        self.assertEqual(self.kill(signal.SIGINT, signal.SIGINT), ["interrupt", "hurry"])

    def test_restart(self) -> None:
        """OpenClaw's signal for a restart ends nothing."""
        self.begin()
        self.assertEqual(self.kill(signal.SIGUSR1), [])

    def test_others_keep_theirs(self) -> None:
        """C{nohup}, and what rotates a log file."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, lambda number, frame: self.told.append("rotate"))
        self.begin()
        self.assertEqual(self.kill(signal.SIGHUP, signal.SIGUSR1), ["rotate"])
