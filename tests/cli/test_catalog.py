# -*- test-case-name: tests.cli.test_catalog -*-
"""C{openclaw-tx tools list} and C{skills list}."""

from __future__ import annotations

import json

from tests.cli.test_config import ConfigTestCase

CONFIG = {
    "gateway": {"auth": {"token": "the-owner"}},
    "agents": {"list": [{"id": "main"}, {"id": "beta", "tools": {"deny": ["*"]}, "skills": ["fly"]}]},
    "skills": {"entries": {"swim": {"enabled": False}}},
}


class CatalogTestCase(ConfigTestCase):
    """Two agents; one may use nothing and is told of one skill."""

    def setUp(self) -> None:
        """Three skills."""
        super().setUp()
        self.path.write_text(json.dumps(CONFIG))
        for name in ("fly", "run", "swim"):
            directory = self.path.parent / "skills" / name
            directory.mkdir(parents=True)
            (directory / "SKILL.md").write_text(f"---\nname: {name}\ndescription: How to {name}.\n---\n")


class ToolsTests(CatalogTestCase):
    """tools list."""

    def test_json(self) -> None:
        """Name, description, parameters, of whom and with which model."""
        report = json.loads(self.invoke("tools", "list", "--json").stdout)
        self.assertEqual((report["agentId"], report["model"]), ("main", "local/smollm2-135m"))
        tools = {row["name"]: row for row in report["tools"]}
        self.assertEqual(tools["exec"]["parameters"]["type"], "object")

    def test_text(self) -> None:
        """A line each; an agent without tools has none."""
        self.assertRegex(self.invoke("tools", "list").stdout, r"(?m)^exec +Run ")
        self.assertEqual(self.invoke("tools", "list", "--agent", "beta").stdout, "Agent beta is offered no tools.\n")

    def test_unknown(self) -> None:
        """An agent or a model that is not there is one line."""
        for words in (["--agent", "nobody"], ["--model", "no/such"]):
            result = self.invoke("tools", "list", *words)
            self.assertEqual((result.exit_code, result.stdout), (1, ""))
            self.assertNotIn("Traceback", result.stderr)


class SkillsTests(CatalogTestCase):
    """skills list."""

    def states(self, *words: str) -> dict[str, tuple[bool, bool, bool]]:
        """Of each skill: eligible, disabled, kept from this agent."""
        report = json.loads(self.invoke("skills", "list", "--json", *words).stdout)
        self.assertEqual(report["managedSkillsDir"], str(self.path.parent / "skills"))
        return {
            row["name"]: (row["eligible"], row["disabled"], row["blockedByAgentFilter"]) for row in report["skills"]
        }

    def test_json(self) -> None:
        """What each agent is told of, and why not of the rest."""
        self.assertEqual(
            self.states(), {"fly": (True, False, False), "run": (True, False, False), "swim": (False, True, False)}
        )
        beta = self.states("--agent", "beta")
        self.assertEqual(beta["run"], (False, False, True))
        self.assertEqual(list(self.states("--eligible")), ["fly", "run"])

    def test_text(self) -> None:
        """A line each."""
        text = self.invoke("skills", "list").stdout
        self.assertRegex(text, r"(?m)^swim +off +How to swim")

    def test_none(self) -> None:
        """No skills is no error."""
        for path in (self.path.parent / "skills").glob("*/SKILL.md"):
            path.unlink()
        result = self.invoke("skills", "list")
        self.assertEqual((result.exit_code, result.stdout), (0, ""))
