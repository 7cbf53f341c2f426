# -*- test-case-name: tests.tools.test_process -*-
"""The tool C{process}: following, typing to and ending background commands."""

from __future__ import annotations

import signal
from typing import Any

from openclaw_tx.tools.builtin.exec import RESULT_CHARS
from openclaw_tx.tools.schema import decode_arguments
from openclaw_tx.values import ToolResult
from tests.tools.commandline import Workbench


class ProcessTests(Workbench):
    """Background commands of one session."""

    def start(self, command: str = "make", **arguments: Any) -> str:
        """A background command; its session."""
        calling = self.run_exec(command, background=True, **arguments)
        self.machine.advance(0)
        session: str = self.successResultOf(calling).details["sessionId"]
        return session

    def done(self, action: str, session: str = "", **arguments: Any) -> ToolResult:
        """What a call gives that does not wait."""
        return self.successResultOf(self.process(action, session, **arguments))

    def test_list(self) -> None:
        """Running and finished ones, with what they are."""
        self.assertEqual(self.done("list").text, "No running or recent sessions.")
        first, second = self.start("make\nall"), self.start("sleep 9")
        self.machine.spawned[0].end(2)
        self.machine.advance(3)
        result = self.done("list")
        self.assertEqual(
            result.text.splitlines(), [f"{second} running 3 s :: sleep 9", f"{first} completed 0 s :: make all"]
        )
        self.assertEqual([row["status"] for row in result.details["sessions"]], ["running", "completed"])

    def test_poll(self) -> None:
        """Each time what is new, then how it ended."""
        session = self.start()
        self.child.print("one\n")
        self.assertEqual(self.done("poll", session).text, "one\n\n(Command is still running)")
        self.assertEqual(self.done("poll", session).text, "(no new output)\n\n(Command is still running)")
        self.child.print("two\n")
        self.child.end(1)
        result = self.done("poll", session)
        self.assertEqual(result.text, "two\n\n(Command exited with code 1)")
        self.assertEqual((result.details["status"], result.details["exitCode"]), ("completed", 1))
        self.assertEqual(self.done("poll", session).text, "(no new output)\n\n(Command exited with code 1)")

    def test_poll_is_bounded(self) -> None:
        """What was lost between two polls is counted."""
        self.exec_config["maxOutputChars"] = 10
        session = self.start()
        self.child.print("0123456789abc")
        self.assertEqual(
            self.done("poll", session).text,
            "[cut: 3 characters before]\n3456789abc\n\n(Command is still running)",
        )

    def test_poll_waits(self) -> None:
        """As long as it is told, for the end."""
        session = self.start()
        waiting = self.process("poll", session, timeout=2000)
        self.machine.advance(1)
        self.assertNoResult(waiting)
        self.child.end(0)
        self.assertIn("exited with code 0", self.successResultOf(waiting).text)
        session = self.start()
        waiting = self.process("poll", session, timeout=2000)
        self.machine.advance(2)
        self.assertIn("still running", self.successResultOf(waiting).text)
        waiting = self.process("poll", session, timeout=2000)
        waiting.cancel()
        self.failureResultOf(waiting)
        self.assertEqual(self.machine.signals(self.child.pid), [])

    def test_log(self) -> None:
        """Lines of it all: the last ones, or those asked for."""
        session = self.start()
        self.child.print("".join(f"line {number}\n" for number in range(300)))
        lines = self.done("log", session).text.split("\n\n")[0].splitlines()
        self.assertEqual((lines[0], lines[-1], len(lines)), ("line 100", "line 299", 200))
        result = self.done("log", session, offset=5, limit=2)
        self.assertEqual(result.text, "line 5\nline 6\n\n[lines 5 to 6 of 300]")
        self.assertEqual(result.details["totalLines"], 300)
        self.assertIn("(no output)", self.done("log", session, offset=500).text)

    def test_long_log(self) -> None:
        """What does not fit is told of; of the last lines the end is shown, else the beginning."""
        self.exec_config["maxOutputChars"] = 2 * RESULT_CHARS
        session = self.start()
        self.child.print("first " + "x" * RESULT_CHARS + " last")
        text = self.done("log", session).text
        self.assertTrue(text.startswith("[cut: 11 characters before]\nx"), text[:50])
        self.assertTrue(text.endswith("x last"), text[-50:])
        text = self.done("log", session, offset=0).text
        self.assertTrue(text.startswith("first x"), text[:50])
        self.assertTrue(text.endswith("x\n[cut: 11 characters behind]"), text[-50:])

    def test_typing(self) -> None:
        """Text, keys, bytes, a return, a paste; its input can be ended."""
        session = self.start()
        self.done("write", session, data="héllo")
        self.done("send-keys", session, keys=["C-c", "Up"], hex=["1b"], literal="x")
        self.done("submit", session)
        self.done("paste", session, text="a\x1b[201~b")
        self.assertEqual(self.child.told, "héllo".encode() + b"\x03\x1b[A\x1bx\nab")
        result = self.done("write", session, eof=True)
        self.assertIn("Its input has ended", result.text)
        self.assertFalse(self.child.stdin_open)
        result = self.done("write", session, data="x")
        self.assertTrue(result.is_error)
        self.assertIn("closed", result.text)

    def test_typing_to_a_terminal(self) -> None:
        """There a return is a carriage return, and a paste is marked as one."""
        session = self.start(pty=True)
        self.done("submit", session)
        self.done("paste", session, text="x")
        self.done("paste", session, text="y", bracketed=False)
        self.done("write", session, eof=True)
        self.assertEqual(self.child.told, b"\r\x1b[200~x\x1b[201~y\x04")

    def test_end_within_paste(self) -> None:
        """No text ends its own paste, be it one whose end stands around another end."""
        session = self.start(pty=True)
        self.done("paste", session, text="rm\x1b[2\x1b[20\x1b[201~1~01~ -rf")
        self.assertEqual(self.child.told, b"\x1b[200~rm -rf\x1b[201~")

    def test_input_closed(self) -> None:
        """A program that has closed its standard input reads nothing any more."""
        session = self.start()
        self.child.protocol.childConnectionLost(0)
        result = self.done("write", session, data="x")
        self.assertTrue(result.is_error)
        self.assertIn("closed", result.text)
        self.assertEqual(self.child.told, b"")

    def test_nothing_to_type(self) -> None:
        """Empty calls and unknown keys are told."""
        session = self.start()
        for action, arguments in (
            ("write", {}),
            ("paste", {}),
            ("send-keys", {}),
            ("send-keys", {"keys": ["Nope"]}),
            ("send-keys", {"hex": ["zz"]}),
        ):
            result = self.done(action, session, **arguments)
            self.assertTrue(result.is_error and result.text.startswith("Nothing was sent"), action)
        self.assertEqual(self.child.told, b"")

    def test_kill(self) -> None:
        """The group is ended, and the end waited for; it is no news afterwards."""
        session = self.start()
        killing = self.process("kill", session)
        self.assertNoResult(killing)
        self.assertEqual(self.machine.signals(self.child.pid), [signal.SIGTERM])
        self.child.end(None, signal=15)
        self.assertEqual(self.successResultOf(killing).text, f"Killed session {session}.")
        self.assertEqual(self.done("kill", session).text, f"Session {session} has ended already.")
        self.assertEqual(self.events.peek("agent:main:main"), ())

    def test_kill_in_vain(self) -> None:
        """What does not end is told."""
        killing = self.process("kill", self.start())
        self.machine.pump([0.1] * 31)
        self.assertTrue(self.successResultOf(killing).is_error)

    def test_clear_and_remove(self) -> None:
        """Clear forgets a finished one, remove ends a running one."""
        session = self.start()
        self.assertTrue(self.done("clear", session).is_error)
        self.child.end(0)
        self.assertFalse(self.done("clear", session).is_error)
        self.assertTrue(self.done("poll", session).is_error)
        session = self.start()
        self.assertFalse(self.done("remove", session).is_error)
        self.assertEqual(self.machine.signals(self.child.pid), [signal.SIGTERM])
        self.assertTrue(self.done("poll", session).is_error)

    def test_others(self) -> None:
        """Another session, another agent: there is nothing."""
        session = self.start()
        self.context.session_key = "agent:main:other"
        for action in ("poll", "log", "kill", "remove", "clear", "submit"):
            self.assertIn("There is no session", self.done(action, session).text)
        self.assertEqual(self.done("list").text, "No running or recent sessions.")
        self.assertIn("There is no session", self.done("poll").text)
        self.assertEqual(self.machine.signals(self.child.pid), [])

    def test_foreground_is_not_listed(self) -> None:
        """A command that is waited for is the run's own."""
        calling = self.run_exec()
        self.assertEqual(self.done("list").text, "No running or recent sessions.")
        self.child.end(0)
        self.successResultOf(calling)

    def test_bad_arguments(self) -> None:
        """What the schema does not have is refused."""
        for text in (
            "{}",
            '{"action": "stop"}',
            '{"action": "poll", "timeout": 60000}',
            '{"action": "log", "limit": 0}',
            '{"action": "send-keys", "keys": ["' + "M-" * 1000 + 'x"]}',
        ):
            self.assertRaises(ValueError, decode_arguments, self.process_tool, text)
