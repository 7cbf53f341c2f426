# -*- test-case-name: tests.cli.test_ports -*-
"""Who listens on a port, read off a C{/proc} of our own."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.ports import KILL_SECONDS, Listener, end_listeners, listeners

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def line(port: int, state: str, inode: int) -> str:
    """A line of /proc/net/tcp."""
    return f"   0: 0100007F:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  0  0 {inode} 1 x\n"


class ListenersTests(SynchronousTestCase):
    """Reading C{/proc}."""

    def setUp(self) -> None:
        """Two processes; one listens on 4000, the other is connected to it."""
        self.proc = Path(self.mktemp())
        (self.proc / "net").mkdir(parents=True)
        (self.proc / "net" / "tcp").write_text(HEAD + line(4000, "0A", 77) + line(4000, "01", 78) + line(4001, "0A", 9))
        for pid, inode in ((12, 77), (7, 78)):
            directory = self.proc / str(pid)
            (directory / "fd").mkdir(parents=True)
            os.symlink(f"socket:[{inode}]", directory / "fd" / "3")
            (directory / "comm").write_text("python\n")
            (directory / "cmdline").write_bytes(b"python\0-m\0x\0")

    def test_found(self) -> None:
        """Only who listens, by its number, name and command line."""
        self.assertEqual(listeners(4000, self.proc), [Listener(12, "python", "python -m x")])
        self.assertEqual(listeners(4000, self.proc)[0].as_json(4000)["address"], "127.0.0.1:4000")

    def test_nobody(self) -> None:
        """A port of nobody, one of a process that may not be looked at, and a system without /proc."""
        self.assertEqual(listeners(4002, self.proc), [])
        self.assertEqual(listeners(4001, self.proc), [])
        self.assertEqual(listeners(4000, self.proc / "nowhere"), [])


class EndTests(SynchronousTestCase):
    """Ending who listens."""

    def setUp(self) -> None:
        """A process that listens until something is done about it."""
        self.sent: list[tuple[int, int]] = []
        self.slept = 0.0
        self.there = [Listener(12, "python", "")]

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.slept += seconds

    def test_asked(self) -> None:
        """One that goes when asked is not killed."""

        def kill(pid: int, number: int) -> None:
            self.sent.append((pid, number))
            self.there = []

        ended = end_listeners(4000, kill, self.sleep, lambda port: self.there)
        self.assertEqual([each.pid for each in ended], [12])
        self.assertEqual((self.sent, self.slept), ([(12, signal.SIGTERM)], 0.0))

    def test_killed(self) -> None:
        """One that does not is killed after a while."""
        end_listeners(4000, lambda *sent: self.sent.append(sent), self.sleep, lambda port: self.there)
        self.assertEqual(self.sent, [(12, signal.SIGTERM), (12, signal.SIGKILL)])
        self.assertAlmostEqual(self.slept, KILL_SECONDS)

    def test_nobody(self) -> None:
        """Nobody there: nothing is sent."""
        self.assertEqual(end_listeners(4000, lambda *sent: self.sent.append(sent), self.sleep, lambda port: []), [])
        self.assertEqual(self.sent, [])
