# -*- test-case-name: tests.cli.test_edit -*-
"""Edits of the configuration file by verbs, and C{openclaw-tx agents list|add|delete|set-identity}."""

from __future__ import annotations

import json
from typing import Any

from openclaw_tx.config import json5
from tests.cli.recorded import AGENTS_LIST
from tests.cli.test_config import ConfigTestCase

COMMENTED = """{
  // who may use it
  gateway: { auth: { mode: 'token', token: 'the-owner' } },
  agents: {
    list: [
      { id: 'main' }, // the first
      { id: 'beta', identity: { name: 'Bea' } },
    ],
  },
}
"""


class EditTestCase(ConfigTestCase):
    """A file with comments and two agents."""

    def setUp(self) -> None:
        """Write it."""
        super().setUp()
        self.path.write_text(COMMENTED)

    def agents(self) -> Any:
        """The list in the file."""
        return json5.loads(self.path.read_text())["agents"]["list"]

    def ok(self, *words: str) -> str:
        """What a verb that succeeds prints."""
        result = self.invoke("agents", *words)
        self.assertEqual(result.exit_code, 0, result.stderr)
        return result.stdout

    def refused(self, *words: str) -> str:
        """Why a verb does nothing."""
        before = self.path.read_text()
        result = self.invoke("agents", *words)
        self.assertEqual((result.exit_code, result.stdout, self.path.read_text()), (1, "", before))
        return result.stderr


class ListTests(EditTestCase):
    """agents list."""

    def test_json(self) -> None:
        """OpenClaw's keys, and the identity where there is one."""
        main, beta = json.loads(self.ok("list", "--json"))
        self.assertEqual(main.keys(), AGENTS_LIST)
        self.assertEqual(beta.keys() - AGENTS_LIST, {"name", "identityName"})
        self.assertEqual((main["isDefault"], beta["isDefault"]), (True, False))
        self.assertTrue(main["agentDir"].endswith("agents/main/agent"))

    def test_text(self) -> None:
        """A line each, the default marked."""
        self.assertRegex(self.ok("list"), r"(?m)^\* +main ")


class AddTests(EditTestCase):
    """agents add."""

    def test_added(self) -> None:
        """Comments stay, the old file is kept, and the agent has what was said."""
        report = json.loads(self.ok("add", "Night Owl", "--model", "openai/gpt", "--workspace", "/w", "--json"))
        self.assertEqual((report["agentId"], report["workspace"], report["model"]), ("night-owl", "/w", "openai/gpt"))
        self.assertIn("// the first", self.path.read_text())
        self.assertEqual(self.path.with_name("openclaw.json.bak").read_text(), COMMENTED)
        self.assertEqual(
            self.agents()[-1], {"id": "night-owl", "name": "Night Owl", "workspace": "/w", "model": "openai/gpt"}
        )

    def test_first(self) -> None:
        """Who answered without a list goes on doing so."""
        self.path.unlink()
        self.ok("add", "beta")
        self.assertEqual(self.agents(), [{"id": "main"}, {"id": "beta"}])

    def test_by_id(self) -> None:
        """A file that has agents.entries keeps that form."""
        self.path.write_text('{"gateway": {"auth": {"token": "t"}}, "agents": {"entries": {"main": {}}}}')
        self.ok("add", "beta", "--workspace", "/w")
        self.assertEqual(json.loads(self.path.read_text())["agents"]["entries"]["beta"], {"workspace": "/w"})

    def test_refused(self) -> None:
        """One that is there, a name that is none, a file that could not be used."""
        self.assertIn("already", self.refused("add", "Beta"))
        self.assertIn("already", self.refused("add", "main"))
        self.assertIn("no id", self.refused("add", "!!"))
        self.path.write_text("{")
        self.assertIn("can not be used", self.refused("add", "gamma"))

    def test_read_only(self) -> None:
        """Where the file may not be written, it is not."""
        result = self.invoke("agents", "add", "gamma", OPENCLAW_CONFIG_READONLY="1")
        self.assertEqual((result.exit_code, self.path.read_text()), (1, COMMENTED))


class DeleteTests(EditTestCase):
    """agents delete."""

    def test_deleted(self) -> None:
        """It is gone from the list and from who may be talked to; its files stay, and that is said."""
        text = COMMENTED.replace("agents:", "tools: {agentToAgent: {allow: ['main', 'beta']}},\n  agents:")
        self.path.write_text(text)
        report = json.loads(self.ok("delete", "beta", "--force", "--json"))
        self.assertEqual((report["agentId"], report["removedAllow"], report["workspaceRetained"]), ("beta", 1, True))
        self.assertEqual(self.agents(), [{"id": "main"}])
        self.assertEqual(json5.loads(self.path.read_text())["tools"]["agentToAgent"]["allow"], ["main"])

    def test_last_partner(self) -> None:
        """An empty list would let everybody take part: the name stays."""
        text = COMMENTED.replace("agents:", "tools: {agentToAgent: {allow: ['beta']}},\n  agents:")
        self.path.write_text(text)
        self.assertEqual(json.loads(self.ok("delete", "beta", "--force", "--json"))["removedAllow"], 0)
        self.assertEqual(json5.loads(self.path.read_text())["tools"]["agentToAgent"]["allow"], ["beta"])

    def test_refused(self) -> None:
        """The main agent, nobody, and where nobody can be asked."""
        self.assertIn("can not be deleted", self.refused("delete", "main", "--force"))
        self.assertIn("no agent", self.refused("delete", "nobody", "--force"))
        self.assertIn("--force", self.refused("delete", "beta"))

    def test_included(self) -> None:
        """One in an included file is not ours to take out."""
        self.path.with_name("more.json").write_text('{"agents": {"list": [{"id": "gamma"}]}}')
        self.path.write_text(COMMENTED.replace("{\n", "{\n  $include: './more.json',\n", 1))
        self.assertIn("includes", self.refused("delete", "gamma", "--force"))


class IdentityTests(EditTestCase):
    """agents set-identity."""

    def test_given(self) -> None:
        """What is said is set, the rest of it stays."""
        self.ok("set-identity", "--agent", "beta", "--emoji", "🦉")
        self.assertEqual(self.agents()[1]["identity"], {"name": "Bea", "emoji": "🦉"})

    def test_from_file(self) -> None:
        """From IDENTITY.md; an option comes first; empty lines of the template say nothing."""
        workspace = self.path.parent / "workspace"
        workspace.mkdir()
        (workspace / "IDENTITY.md").write_text(
            "# IDENTITY.md\n\n- Name: Ada\n- **Emoji:** 🤖\n- Manner:\n- Creature: owl\n"
        )
        report = json.loads(self.ok("set-identity", "--from-identity", "--name", "Eve", "--json"))
        self.assertEqual(report["identity"], {"name": "Eve", "emoji": "🤖", "theme": "owl"})
        self.assertEqual(self.agents()[0]["identity"]["name"], "Eve")

    def test_default_without_list(self) -> None:
        """The agent that is there without a list gets one."""
        self.path.unlink()
        self.ok("set-identity", "--name", "Ada")
        self.assertEqual(self.agents(), [{"id": "main", "identity": {"name": "Ada"}}])

    def test_refused(self) -> None:
        """Nothing said, no file, a file that says nothing."""
        self.assertIn("--name", self.refused("set-identity"))
        self.assertIn("No such file", self.refused("set-identity", "--identity-file", "/nowhere"))
        self.path.with_name("empty.md").write_text("- Name:\n")
        name = str(self.path.with_name("empty.md"))
        self.assertIn("says nothing", self.refused("set-identity", "--identity-file", name))
