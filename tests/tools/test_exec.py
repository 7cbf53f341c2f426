# -*- test-case-name: tests.tools.test_exec -*-
"""The tool C{exec}: where and how a command runs, and what the model gets to read."""

from __future__ import annotations

import os
import signal

from msgspec.structs import replace

from twisted.internet.defer import CancelledError

from openclaw_tx.tools.builtin.exec import RESULT_CHARS
from openclaw_tx.tools.command_sessions import MAX_RUNNING
from openclaw_tx.tools.schema import decode_arguments
from openclaw_tx.values import ToolProgress
from tests.tools.commandline import Workbench

TERM = signal.SIGTERM


class ExecTests(Workbench):
    """One command after another."""

    def test_good(self) -> None:
        """Output, and the facts in the details; exit code 0 is not worth a word."""
        calling = self.run_exec("echo hi")
        self.child.print("hi\n")
        self.machine.advance(0.25)
        self.child.end(0)
        result = self.successResultOf(calling)
        self.assertEqual((result.text, result.is_error), ("hi", False))
        self.assertEqual(
            result.details,
            {
                "status": "completed",
                "sessionId": result.details["sessionId"],
                "pid": self.child.pid,
                "exitCode": 0,
                "durationMs": 250,
                "cwd": str(self.workspace),
                "tail": "hi\n",
            },
        )
        self.assertEqual(self.child.command[5], str(self.workspace))

    def test_other_ends(self) -> None:
        """Another exit code is told and is no error; a signal is one; nothing said is said."""
        for ending, text, is_error in [
            ({"code": 3}, "(no output)\n\n(Command exited with code 3)", False),
            ({"code": 0}, "(no output)", False),
            ({"code": None, "signal": 9}, "(no output)\n\n(Command was ended by signal 9)", True),
        ]:
            calling = self.run_exec()
            self.child.end(**ending)  # type: ignore[arg-type]
            result = self.successResultOf(calling)
            self.assertEqual((result.text, result.is_error), (text, is_error))
            self.assertEqual(result.details["status"], "failed" if is_error else "completed")

    def test_left_behind(self) -> None:
        """What it left running was ended: the model is told how to do better."""
        calling = self.run_exec("server &")
        self.machine.groups[self.child.pid] = 1
        self.child.exit(0)
        self.machine.groups.clear()
        self.machine.advance(0.3)
        self.assertIn("use background", self.successResultOf(calling).text)

    def test_readable(self) -> None:
        """No control sequences, no NUL, no bytes that are no text."""
        calling = self.run_exec()
        self.child.print(b"\x1b[31mred\x1b[0m\0 \xff\r\n")
        self.child.end(0)
        self.assertEqual(self.successResultOf(calling).text, "red \ufffd")

    def test_long_output(self) -> None:
        """The end is kept, what is missing is counted, and the status stays in sight."""
        self.exec_config["maxOutputChars"] = 10
        calling = self.run_exec()
        self.child.print("0123456789abcdef")
        self.child.end(1)
        self.assertEqual(
            self.successResultOf(calling).text,
            "[cut: the first 6 characters]\n6789abcdef\n\n(Command exited with code 1)",
        )
        self.exec_config["maxOutputChars"] = 200_000
        calling = self.run_exec()
        self.child.print("x" * 300_000)
        self.child.end(1)
        text = self.successResultOf(calling).text
        self.assertLess(len(text), 200_000)
        self.assertTrue(text.startswith(f"[cut: the first {300_000 - RESULT_CHARS} characters]"))
        self.assertTrue(text.endswith("(Command exited with code 1)"))

    def test_timeout(self) -> None:
        """TERM when the time is over, KILL two seconds later; the output so far is there. The shorter time counts."""
        self.exec_config["timeoutSec"] = 5
        self.tools_config["deny"] = ["process"]
        for wanted, seconds in ((None, 5), (3, 3), (60, 5)):
            calling = self.run_exec(**({"timeout": wanted} if wanted else {}))
            self.child.print("so far")
            self.machine.advance(seconds - 0.1)
            self.assertEqual(self.machine.signals(self.child.pid), [])
            self.machine.advance(0.1)
            self.assertEqual(self.machine.signals(self.child.pid), [TERM])
            self.machine.pump([0.05] * 38)
            self.assertEqual(self.machine.signals(self.child.pid), [TERM])
            self.machine.pump([0.05] * 4)
            self.assertIn(signal.SIGKILL, self.machine.signals(self.child.pid))
            self.child.end(None, signal=9)
            result = self.successResultOf(calling)
            self.assertIn("so far\n\n(Command timed out after", result.text)
            self.assertTrue(result.is_error)
            self.assertEqual(result.details["status"], "failed")

    def test_abort(self) -> None:
        """A cancelled run has the group told to end at once, and killed within about a second."""
        calling = self.run_exec()
        self.machine.groups[self.child.pid] = 1
        calling.cancel()
        self.failureResultOf(calling, CancelledError)
        self.assertEqual(self.machine.signals(self.child.pid), [TERM])
        self.child.exit(None, signal=15)
        self.machine.pump([0.05] * 21)
        self.assertIn(signal.SIGKILL, self.machine.signals(self.child.pid))

    def test_background(self) -> None:
        """After its patience, or at once, it goes on without being waited for."""
        self.exec_config["backgroundMs"] = 2000
        for arguments, seconds in (({}, 2.0), ({"yieldMs": 500}, 0.5), ({"background": True}, 0.0)):
            calling = self.run_exec("make", **arguments)
            self.child.print("compiling\n")
            if seconds:
                self.machine.advance(seconds - 0.01)
                self.assertNoResult(calling)
            self.machine.advance(0.01)
            result = self.successResultOf(calling)
            self.assertEqual((result.is_error, result.details["status"]), (False, "running"))
            self.assertIn(f"session {result.details['sessionId']}, pid {self.child.pid}", result.text)
            if seconds:
                self.assertTrue(result.text.endswith("Output so far:\ncompiling"))

    def test_no_background(self) -> None:
        """Without the tool C{process} it is waited for to the end, and there is nobody who could type to it."""
        for policy in ({"deny": ["process"]}, {"allow": ["bash"]}, {"profile": "minimal", "alsoAllow": ["exec"]}):
            self.tools_config = policy
            calling = self.run_exec(yieldMs=100, background=True)
            self.assertFalse(self.child.stdin_open)
            self.machine.advance(100)
            self.assertNoResult(calling)
            self.child.end(0)
            self.successResultOf(calling)

    def test_subagents(self) -> None:
        """A sub-agent's policy counts, too."""
        self.tools_config = {"subagents": {"tools": {"deny": ["process"]}}}
        self.context.spawned_by = "agent:main:main"
        calling = self.run_exec(background=True)
        self.machine.advance(60)
        self.assertNoResult(calling)
        self.child.end(0)
        self.successResultOf(calling)

    def test_workdir(self) -> None:
        """Within the workspace, whatever links say; anywhere when that is switched off."""
        (self.workspace / "sub").mkdir()
        (self.root / "out").mkdir()
        (self.workspace / "link").symlink_to(self.root / "out")
        for workdir in ("sub", "./sub/../sub", str(self.workspace / "sub")):
            calling = self.run_exec(workdir=workdir)
            self.assertEqual(self.child.command[5], str(self.workspace / "sub"))
            self.child.end(0)
            self.successResultOf(calling)
        outside = ("..", "link", str(self.root / "out"), "/", f"{self.workspace}-other", "sub/../../out")
        for workdir in outside:
            self.assertIn("outside of the workspace", self.refused(workdir=workdir))
        self.assertIn("missing", self.refused(workdir="missing"))
        self.assertIn("NUL", self.refused(workdir="a\0b"))
        self.tools_config["fs"] = {"workspaceOnly": False}
        calling = self.run_exec(workdir="link")
        self.assertEqual(self.child.command[5], str(self.root / "out"))
        self.child.end(0)
        self.successResultOf(calling)

    def test_workspace_is_made(self) -> None:
        """An agent's workspace need not exist yet; it is its owner's alone."""
        fresh = self.root / "new" / "workspace"
        self.context.agent = replace(self.context.agent, workspace=str(fresh))
        calling = self.run_exec()
        self.assertEqual(os.stat(fresh).st_mode & 0o777, 0o700)
        self.child.end(0)
        self.successResultOf(calling)

    def test_environment(self) -> None:
        """Nothing secret, nothing that loads code; what is refused is named."""
        self.exec_config["pathPrepend"] = ["/opt/x", "~/bin"]
        calling = self.run_exec(env={"FOO": "bar"})
        self.assertEqual(
            self.child.env,
            {"HOME": str(self.root), "FOO": "bar", "PATH": f"/opt/x:{self.root}/bin:/usr/bin:/bin"},
        )
        self.child.end(0)
        self.successResultOf(calling)
        for name in ("PATH", "LD_PRELOAD", "BASH_ENV", "MY_TOKEN"):
            self.assertIn(f"env.{name}", self.refused(env={name: "x"}))

    def test_terminal(self) -> None:
        """C{pty} gives it a terminal."""
        calling = self.run_exec("top", pty=True)
        self.assertTrue(self.child.pty)
        self.assertEqual(self.child.command[-2:], ["-c", "top"])
        self.child.end(0)
        self.successResultOf(calling)

    def test_bad_arguments(self) -> None:
        """What the schema does not have is refused before anything is looked at, nodes and sandboxes among it."""
        for text in (
            "{}",
            '{"command": ""}',
            '{"command": "x", "host": "node"}',
            '{"command": "x", "host": "sandbox"}',
            '{"command": "x", "elevated": true}',
            '{"command": "x", "yieldMs": 5}',
            '{"command": "x", "yieldMs": 120001}',
            '{"command": "x", "timeout": 0}',
            '{"command": "x", "security": "none"}',
            '{"command": "x", "env": {"A": 1}}',
        ):
            self.assertRaises(ValueError, decode_arguments, self.exec_tool, text)
        self.assertIn("NUL", self.refused("a\0b"))
        self.assertIn("longer than", self.refused("é" * 60_000))

    def test_no_room(self) -> None:
        """One command too many, and a system without room, are told to the model."""
        calls = [self.run_exec(background=True) for _ in range(MAX_RUNNING)]
        self.machine.advance(0)
        for call in calls:
            self.successResultOf(call)
        self.assertIn(f"{MAX_RUNNING} commands are running", self.refused())
        self.child.end(0)
        self.machine.error = OSError(11, "Resource temporarily unavailable")
        self.assertIn("could not be started", self.refused())

    def test_progress(self) -> None:
        """Watchers of the run see what it printed last, ever more seldom; nothing when it is silent."""
        calling = self.run_exec(yieldMs=120_000)
        for _ in range(100):
            self.child.print("\x1b[1mline\x1b[0m\n" * 100)
            self.machine.advance(0.1)
        told = [event for event in self.context.reported if isinstance(event, ToolProgress)]
        self.assertEqual(len(self.context.reported), len(told))
        self.assertTrue(2 < len(told) < 8, len(told))
        self.assertEqual((told[0].call_id, told[0].name), ("call-1", "exec"))
        self.assertTrue(all(len(event.text) <= 500 and "\x1b" not in event.text for event in told))
        self.machine.advance(20)
        count = len(self.context.reported)
        self.machine.advance(30)
        self.assertEqual(len(self.context.reported), count)
        self.child.end(0)
        self.successResultOf(calling)
