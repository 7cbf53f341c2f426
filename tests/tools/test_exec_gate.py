# -*- test-case-name: tests.tools.test_exec_gate -*-
"""Policy, allowlist, and a person's word, as a tool's call meets them."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from twisted.internet.defer import CancelledError

from openclaw_tx.tools.exec_gate import MAX_SHOWN
from openclaw_tx.values import ApprovalRequested, ApprovalResolved, SessionEntry, SessionSettings
from tests.tools.commandline import OWNER, Workbench


class GateTests(Workbench):
    """Whether a command is started, and in which form."""

    def setUp(self) -> None:
        """The default posture, and a few programs of the test's own."""
        super().setUp()
        self.exec_config = {}
        self.bin = self.root / "bin"
        self.bin.mkdir()
        for name in ("tool", "other", "python3"):
            (self.bin / name).write_text("#!/bin/sh\n")
            (self.bin / name).chmod(0o755)
        self.environment["PATH"] = f"{self.bin}:/usr/bin:/bin"

    def allow(self, *patterns: str, **more: Any) -> None:
        """Write the approvals file."""
        file = {
            "version": 1,
            "defaults": {"security": "allowlist", "ask": "on-miss", **more},
            "agents": {"main": {"allowlist": [{"pattern": pattern} for pattern in patterns]}},
        }
        (self.root / "exec-approvals.json").write_text(json.dumps(file))

    def listed(self) -> list[str]:
        """Patterns of agent main in the file."""
        found = json.loads((self.root / "exec-approvals.json").read_text())
        return [entry["pattern"] for entry in found["agents"]["main"]["allowlist"]]

    def end(self) -> None:
        """The newest process ends well."""
        self.child.end(0)

    def test_deny(self) -> None:
        """Nothing runs, and nobody is asked."""
        self.exec_config = {"security": "deny"}
        self.assertIn("switched off", self.refused("tool"))
        self.assertEqual(self.approvals.pending(), [])

    def test_allowlist(self) -> None:
        """What is on it runs at once, in the proved form; its use is noted."""
        self.allow(f"{self.bin}/*")
        self.run_exec("tool 'a b' | other")
        self.assertEqual(self.shown, f"'{self.bin}/tool' 'a b' | '{self.bin}/other'")
        found = json.loads((self.root / "exec-approvals.json").read_text())["agents"]["main"]["allowlist"][0]
        self.assertEqual((found["lastUsedAt"], found["lastUsedCommand"]), (5000, "tool 'a b' | other"))
        self.assertEqual(self.context.reported, [])
        self.end()

    def test_never_asked(self) -> None:
        """With ask off what is not on it is refused, with the reason."""
        self.exec_config = {"ask": "off"}
        self.assertIn(f"{self.bin}/tool is not on the allowlist", self.refused("tool"))
        self.assertIn("it redirects output", self.refused("tool > x"))

    def test_asked(self) -> None:
        """The question says what, where, why, and the run's watchers hear of it and of its end."""
        calling = self.run_exec("tool x", env={"FOO": "bar"})
        (asked,) = self.approvals.pending()
        self.assertEqual(
            msgspec.to_builtins(asked),
            {
                "id": asked.id,
                "command": "tool x",
                "created_at_ms": 0,
                "expires_at_ms": 120_000,
                "agent_id": "main",
                "session_key": "agent:main:main",
                "run_id": "r1",
                "cwd": str(self.workspace),
                "security": "allowlist",
                "ask": "on-miss",
                "resolved_path": f"{self.bin}/tool",
                "owner_id": "key:ada",
                "env": ("FOO=bar",),
                "reason": f"{self.bin}/tool is not on the allowlist",
            },
        )
        self.assertEqual(self.context.reported, [ApprovalRequested(call_id="call-1", approval=asked)])
        self.assertEqual(self.machine.spawned, [])
        self.approvals.resolve(asked.id, "allow-once", OWNER)
        self.assertEqual(
            self.context.reported[1:], [ApprovalResolved(call_id="call-1", approval_id=asked.id, decision="allow-once")]
        )
        self.assertEqual(self.shown, "tool x")
        self.end()
        self.assertFalse(self.successResultOf(calling).is_error)
        self.assertFalse((self.root / "exec-approvals.json").exists())

    def test_long_variables(self) -> None:
        """Who is asked sees what a variable holds; where it is cut, that is to be seen, too."""
        calling = self.run_exec("tool", env={"FOO": "a" * 1000 + "; rm -rf ~", "BAR": "b" * MAX_SHOWN})
        (asked,) = self.approvals.pending()
        self.assertIn("FOO=" + "a" * 1000 + "; rm -rf ~", asked.env)
        self.assertIn("BAR=" + "b" * (MAX_SHOWN - 4) + " [cut: 4 more characters]", asked.env)
        self.approvals.resolve(asked.id, "deny", OWNER)
        self.successResultOf(calling)

    def test_denied(self) -> None:
        """The model is told, and nothing runs."""
        calling = self.run_exec("tool")
        self.approvals.resolve(self.approvals.pending()[0].id, "deny", OWNER)
        result = self.successResultOf(calling)
        self.assertTrue(result.is_error)
        self.assertIn("denied by a person", result.text)
        self.assertEqual(self.machine.spawned, [])

    def test_nobody(self) -> None:
        """Time goes by: denied."""
        self.exec_config = {"approvalTimeoutSec": 30}
        calling = self.run_exec("tool")
        self.machine.advance(29)
        self.assertNoResult(calling)
        self.machine.advance(1.1)
        result = self.successResultOf(calling)
        self.assertTrue(result.is_error)
        self.assertIn("within 30 s", result.text)
        self.assertEqual(self.machine.spawned, [])
        event = self.context.reported[-1]
        assert isinstance(event, ApprovalResolved)
        self.assertEqual((event.decision, event.expired), ("deny", True))

    def test_always(self) -> None:
        """The programs that were missing go on the agent's allowlist, and are not asked about again."""
        calling = self.run_exec("tool x | wc -l; tool y; other")
        self.approvals.resolve(self.approvals.pending()[0].id, "allow-always", OWNER)
        self.assertEqual(self.shown, "tool x | wc -l; tool y; other")
        self.end()
        self.successResultOf(calling)
        self.assertEqual(self.listed(), [f"{self.bin}/tool", f"{self.bin}/other"])
        self.run_exec("other z")
        self.assertEqual(self.shown, f"'{self.bin}/other' 'z'")
        self.end()

    def test_not_for_ever(self) -> None:
        """Interpreters, and what can not be taken apart, are allowed once at most."""
        for command in ("python3 x", "tool $(other)", "tool; python3 x"):
            calling = self.run_exec(command)
            self.assertFalse(self.approvals.pending()[0].can_always, command)
            calling.cancel()
            self.failureResultOf(calling, CancelledError)

    def test_always_asked(self) -> None:
        """With ask always even what is on the list needs a word; and one for ever is not offered."""
        self.allow(f"{self.bin}/tool", ask="always")
        calling = self.run_exec("tool")
        self.assertFalse(self.approvals.pending()[0].can_always)
        self.approvals.resolve(self.approvals.pending()[0].id, "allow-once", OWNER)
        self.assertEqual(self.shown, "tool")
        self.end()
        self.successResultOf(calling)

    def test_fallback(self) -> None:
        """When nobody answers the file may let pass what is on the list, or everything where security is full."""
        for modes, config, command, runs in [
            ({"ask": "always", "askFallback": "allowlist"}, {}, "tool", f"'{self.bin}/tool'"),
            ({"ask": "always", "askFallback": "allowlist"}, {}, "other", ""),
            ({"ask": "always", "askFallback": "full"}, {}, "other", ""),
            ({"ask": "always", "askFallback": "full", "security": "full"}, {"security": "full"}, "other", "other"),
            ({"ask": "always", "askFallback": "deny"}, {}, "tool", ""),
        ]:
            self.allow(f"{self.bin}/tool", **modes)
            self.exec_config = config
            before = len(self.machine.spawned)
            calling = self.run_exec(command)
            self.machine.advance(121)
            if runs:
                self.assertEqual(self.shown, runs)
                self.end()
            else:
                self.assertEqual(len(self.machine.spawned), before, modes)
            self.assertEqual(self.successResultOf(calling).is_error, not runs)

    def test_cancelled(self) -> None:
        """A run that is aborted takes its question back, and nothing runs."""
        calling = self.run_exec("tool")
        calling.cancel()
        self.failureResultOf(calling, CancelledError)
        self.assertEqual((self.approvals.pending(), self.machine.spawned), ([], []))

    def test_session(self) -> None:
        """A session's settings and the call's own only narrow."""

        def session(**settings: str) -> None:
            self.sessions.entries["agent:main:main"] = SessionEntry(
                key="agent:main:main",
                agent_id="main",
                session_id="s",
                created_at_ms=0,
                updated_at_ms=0,
                settings=SessionSettings(**settings),  # type: ignore[arg-type]
            )

        self.exec_config = {"security": "full", "ask": "off"}
        session(exec_security="deny")
        self.assertIn("switched off", self.refused("tool"))
        session(exec_security="allowlist")
        self.assertIn("not on the allowlist", self.refused("tool"))
        session(exec_host="node")
        self.assertIn("exec host is node", self.refused("tool"))
        session(exec_ask="always", exec_host="gateway")
        calling = self.run_exec("tool")
        self.assertEqual(len(self.approvals.pending()), 1)
        calling.cancel()
        self.failureResultOf(calling, CancelledError)
        session()
        self.assertIn("switched off", self.refused("tool", security="deny"))
        self.exec_config = {"ask": "off"}
        self.assertIn("not on the allowlist", self.refused("tool", security="full", ask="off"))

    def test_file_denies(self) -> None:
        """A file that says so, and one that is broken, deny whatever the configuration says."""
        self.exec_config = {"security": "full", "ask": "off"}
        for text in ('{"version": 1, "defaults": {"security": "deny"}}', "{"):
            (self.root / "exec-approvals.json").write_text(text)
            self.assertIn("switched off", self.refused("tool"))

    def test_file_of_allowlists(self) -> None:
        """A file that names no modes leaves them to the configuration: what is on its lists runs, the rest is refused
        or asked about as without it."""
        path = self.root / "exec-approvals.json"
        path.write_text(json.dumps({"version": 1, "agents": {"*": {"allowlist": [{"pattern": f"{self.bin}/tool"}]}}}))
        self.exec_config = {"ask": "off"}
        self.run_exec("tool")
        self.assertEqual(self.shown, f"'{self.bin}/tool'")
        self.end()
        self.assertIn("not on the allowlist", self.refused("other"))
        path.write_text(json.dumps({"version": 1, "defaults": {}, "agents": {}, "socket": {"path": "/x"}}))
        self.assertIn("not on the allowlist", self.refused("tool"))
        self.exec_config = {"security": "deny"}
        self.assertIn("switched off", self.refused("tool"))

    def test_too_many_questions(self) -> None:
        """A question that finds no room denies the command."""
        calls = [self.run_exec("tool") for _ in range(64)]
        self.assertIn("Too many questions", self.refused("tool"))
        for call in calls:
            call.cancel()
            self.failureResultOf(call, CancelledError)
