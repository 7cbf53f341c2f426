# -*- test-case-name: tests.tools.test_commands -*-
"""Commands as process groups, with a kernel that the test plays."""

from __future__ import annotations

import signal
import sys
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools.commands import (
    ABORT_GRACE,
    DRAIN,
    GIVE_UP,
    MAX_INPUT,
    SLICE_BYTES,
    TIMEOUT_GRACE,
    Command,
    Ending,
    Order,
    Spawner,
)
from tests.support.processes import Process, Processes

TERM, KILL = signal.SIGTERM, signal.SIGKILL


class Reactor(Clock, Processes):
    """Time and processes."""

    def __init__(self) -> None:
        Clock.__init__(self)
        Processes.__init__(self)


class CommandTests(SynchronousTestCase):
    """From start to end."""

    def setUp(self) -> None:
        self.reactor = Reactor()
        self.spawner = Spawner(self.reactor, self.reactor.send, "/bin/bash")

    def start(self, **order: Any) -> tuple[Command, Process]:
        """A command and its process."""
        wanted = {"command": "x", "cwd": "/w", "environment": {"A": "b"}, "terminal": False, "max_output": 100}
        command = self.spawner.start(Order(**{**wanted, **order}))
        return command, self.reactor.spawned[-1]

    def done(self, command: Command) -> None:
        """Nothing is left of it."""
        self.assertTrue(command.gone.opened)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_launcher(self) -> None:
        """Through the launcher, which makes the group and changes the directory; by a shell without start-up files."""
        command, process = self.start(command="ls; pwd")
        self.assertEqual(process.command[:4], [sys.executable, "-I", "-S", "-c"])
        self.assertIn("setsid", process.command[4])
        self.assertEqual(process.command[5:], ["/w", "/bin/bash", "--noprofile", "--norc", "-c", "ls; pwd"])
        self.assertEqual((process.env, process.pty, command.pid), ({"A": "b"}, False, process.pid))

    def test_terminal(self) -> None:
        """On a terminal Twisted makes the group, and the shell starts in the directory."""
        _, process = self.start(terminal=True)
        self.assertEqual(process.command, ["/bin/bash", "--noprofile", "--norc", "-c", "x"])
        self.assertEqual((process.pty, process.cwd, process.env["TERM"]), (True, "/w", "xterm"))

    def test_other_shell(self) -> None:
        """Where there is no bash."""
        self.spawner = Spawner(self.reactor, self.reactor.send, "/bin/sh")
        self.assertEqual(self.start()[1].command[6:], ["/bin/sh", "-c", "x"])

    def test_good_end(self) -> None:
        """Both streams are one output; exit code and duration are kept."""
        command, process = self.start()
        process.print("out\n")
        process.print("err\n", 2)
        self.reactor.advance(1.5)
        process.end(3)
        self.assertEqual(command.output.since(0), "out\nerr\n")
        self.assertEqual((command.ending, command.seconds), (Ending(3, None), 1.5))
        assert command.ending is not None
        self.assertTrue(command.ending.ok)
        self.done(command)

    def test_signal(self) -> None:
        """Ended by a signal that nobody here sent."""
        command, process = self.start()
        process.end(None, signal=11)
        self.assertEqual(command.ending, Ending(None, 11))
        assert command.ending is not None
        self.assertFalse(command.ending.ok)

    def test_abort(self) -> None:
        """TERM to the group at once; a group that obeys is not killed, and nothing waits on."""
        command, process = self.start()
        command.end("aborted", ABORT_GRACE)
        self.assertEqual(self.reactor.signals(command.pid), [TERM])
        process.end(None, signal=TERM)
        self.reactor.advance(0.1)
        self.assertEqual(self.reactor.signals(command.pid), [TERM])
        self.assertEqual(command.ending, Ending(None, TERM, "aborted"))
        self.done(command)

    def test_abort_of_the_deaf(self) -> None:
        """What does not listen is killed after the grace, although the first process of the group is long gone."""
        command, process = self.start()
        self.reactor.groups[command.pid] = 2
        command.end("aborted", ABORT_GRACE)
        process.exit(None, signal=TERM)
        self.reactor.pump([0.05] * 10)
        self.assertTrue(command.ended.opened)
        self.assertNotIn(KILL, self.reactor.signals(command.pid))
        self.reactor.pump([0.05] * 12)
        self.assertIn(KILL, self.reactor.signals(command.pid))
        self.assertFalse(command.gone.opened)
        self.reactor.groups.clear()
        self.reactor.advance(0.05)
        self.done(command)
        self.assertLess(self.reactor.seconds(), ABORT_GRACE + 0.3)

    def test_what_can_not_be_killed(self) -> None:
        """It is not looked for for ever."""
        command, process = self.start()
        self.reactor.groups[command.pid] = 1
        process.end(0)
        self.reactor.pump([0.05] * int((ABORT_GRACE + GIVE_UP + 0.2) / 0.05))
        self.done(command)
        command, process = self.start()
        command.end("aborted", ABORT_GRACE)
        self.reactor.pump([0.05] * int((ABORT_GRACE + GIVE_UP + 0.2) / 0.05))
        self.assertEqual((self.reactor.getDelayedCalls(), command.ended.opened), ([], False))
        process.end(None, signal=KILL)
        self.done(command)

    def test_before_the_group_is_there(self) -> None:
        """An abort within the first moments, before the launcher has made the group, reaches the one process."""
        command, process = self.start()
        self.spawner_send_nothing(command)
        command.end("aborted", ABORT_GRACE)
        self.assertEqual(process.signals, [str(int(TERM))])
        self.reactor.pump([0.05] * 22)
        self.assertIn(str(int(KILL)), process.signals)
        process.end(None, signal=KILL)
        self.reactor.advance(0.05)
        self.done(command)

    def spawner_send_nothing(self, command: Command) -> None:
        """There is no such group."""
        command._send = lambda group, number: False

    def test_left_behind(self) -> None:
        """What a command leaves in its group is ended when it ends, and that is told."""
        command, process = self.start()
        self.reactor.groups[command.pid] = 1
        process.print("started\n")
        process.exit(0)
        self.assertEqual(self.reactor.signals(command.pid), [TERM])
        self.assertFalse(command.ended.opened)
        self.reactor.groups.clear()
        self.reactor.advance(DRAIN)
        self.assertEqual(command.ending, Ending(0, None, left=True))
        self.assertTrue(process.closed)
        self.done(command)

    def test_output_after_exit(self) -> None:
        """What was still in the pipe is read; what comes after the end is not."""
        command, process = self.start()
        process.exit(0)
        process.print("late\n")
        process.end(0)
        process.print("too late\n")
        self.assertEqual(command.output.since(0), "late\n")
        self.done(command)

    def test_first_reason_counts(self) -> None:
        """A timeout stays one when the gateway stops meanwhile, and an end of its own stays its own."""
        command, process = self.start()
        command.end("timeout", TIMEOUT_GRACE)
        command.end("shutdown", ABORT_GRACE)
        process.end(None, signal=TERM)
        assert command.ending is not None
        self.assertEqual(command.ending.reason, "timeout")
        command, process = self.start()
        process.end(0)
        command.end("killed", ABORT_GRACE)
        self.assertEqual(command.ending, Ending(0, None))
        self.assertEqual(self.reactor.signals(command.pid), [])

    def test_input(self) -> None:
        """It can be typed to until its input is closed, or it has had enough."""
        command, process = self.start()
        command.write(b"a")
        command.write(b"x" * (MAX_INPUT - 1))
        self.assertRaises(ValueError, command.write, b"x")
        command.end_input()
        command.end_input()
        self.assertEqual((process.told[:1], process.stdin_open), (b"a", False))
        self.assertRaises(ValueError, command.write, b"x")

    def test_input_of_a_terminal(self) -> None:
        """Its end is a key."""
        command, process = self.start(terminal=True)
        command.end_input()
        self.assertEqual(process.told, b"\x04")
        process.end(0)
        self.assertRaises(ValueError, command.write, b"x")
        command.end_input()
        self.assertTrue(process.closed)

    def test_flood(self) -> None:
        """One that prints without end has to wait now and then; its end is not missed for that."""
        command, process = self.start()
        process.print(b"x" * (SLICE_BYTES - 1))
        self.assertTrue(process.reading)
        process.print(b"xx")
        self.assertFalse(process.reading)
        self.assertEqual(len(command.output), 100)
        self.reactor.advance(0.1)
        self.assertTrue(process.reading)
        process.print(b"x" * SLICE_BYTES)
        process.end(0)
        self.done(command)

    def test_no_room(self) -> None:
        """The system's refusal is the caller's."""
        self.reactor.error = OSError(11, "no room")
        self.assertRaises(OSError, self.start)
