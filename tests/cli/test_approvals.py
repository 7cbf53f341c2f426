# -*- test-case-name: tests.cli.test_approvals -*-
"""What C{openclaw-tx approvals} edits and prints; tests.e2e.test_exec runs it against a gateway."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.approvals import added, entries, removed, shown_file, shown_question
from openclaw_tx.cli.main import main
from openclaw_tx.cli.output import plain


class EditTests(SynchronousTestCase):
    """The file as an object."""

    def test_add_and_remove(self) -> None:
        """For one agent or everybody; twice is once; what is not there can not be taken away."""
        file: dict[str, Any] = {"version": 1, "agents": {"main": {"ask": "always"}}, "x": 1}
        self.assertEqual(added(file, "main", "/bin/ls"), "Added for agent main: /bin/ls")
        self.assertEqual(added(file, "main", "/bin/ls"), "")
        self.assertEqual(added(file, "*", "/bin/wc"), "Added for every agent: /bin/wc")
        self.assertEqual(
            file,
            {
                "version": 1,
                "agents": {
                    "main": {"ask": "always", "allowlist": [{"pattern": "/bin/ls"}]},
                    "*": {"allowlist": [{"pattern": "/bin/wc"}]},
                },
                "x": 1,
            },
        )
        self.assertEqual(entries(file), [{"agent": "main", "pattern": "/bin/ls"}, {"agent": "*", "pattern": "/bin/wc"}])
        self.assertEqual(removed(file, "main", "/bin/wc"), "")
        self.assertEqual(removed(file, "nobody", "/bin/wc"), "")
        self.assertEqual(removed(file, "*", "/bin/wc"), "Removed for every agent: /bin/wc")
        self.assertEqual(file["agents"]["*"], {"allowlist": []})


class TextTests(SynchronousTestCase):
    """What a person reads."""

    def test_file(self) -> None:
        """Where it is and what is in it, or that there is none."""
        snapshot = {"path": "/s/x.json", "exists": False, "hash": "h", "file": {"version": 1}}
        self.assertIn("does not exist", shown_file(snapshot, False))
        self.assertEqual(shown_file({**snapshot, "exists": True}, False), '/s/x.json\n{\n  "version": 1\n}')
        self.assertEqual(json.loads(shown_file(snapshot, True)), snapshot)

    def test_question(self) -> None:
        """Everything that is known; a command can not look like another one, nor steer the terminal."""
        text = shown_question(
            {
                "id": "q1",
                "request": {
                    "command": "rm x\n\x1b[2Kls \u202etxt\r",
                    "agentId": "main",
                    "cwd": "/w",
                    "env": ["A=b"],
                    "warningText": "it redirects output",
                    "resolvedPath": None,
                },
            }
        )
        self.assertEqual(
            text.splitlines(),
            [
                "q1",
                "    rm x",
                "    \\x1b[2Kls \\u202etxt\\x0d",
                "  agent: main",
                "  directory: /w",
                "  env: A=b",
                "  because: it redirects output",
            ],
        )

    def test_plain(self) -> None:
        """Text that shows stays as it is."""
        self.assertEqual(plain("héllo\tworld\n"), "héllo\tworld\n")


class CommandTests(SynchronousTestCase):
    """What is refused before any gateway is asked."""

    def invoke(self, *words: str, stdin: str | None = None) -> Any:
        """Run the command line."""
        return CliRunner().invoke(main, ["approvals", *words], env={"HOME": self.mktemp()}, input=stdin)

    def test_bare_names(self) -> None:
        """A pattern must be a path."""
        result = self.invoke("allowlist", "add", "ls")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("absolute path", result.stderr)

    def test_no_file(self) -> None:
        """What is to be set must be a JSON object."""
        for text in ("{", "[]"):
            self.assertEqual(self.invoke("set", "-", stdin=text).exit_code, 1)

    def test_decisions(self) -> None:
        """Only the three."""
        self.assertEqual(self.invoke("resolve", "q", "yes").exit_code, 2)
