# -*- test-case-name: tests.cli.test_agents -*-
"""C{openclaw-tx agents}."""

from __future__ import annotations

import json
import os
from typing import Any

from tests.cli.test_config import ConfigTestCase


class PromptTests(ConfigTestCase):
    """agents prompt."""

    def setUp(self) -> None:
        """Two agents and a model with room; one workspace with files and a skill."""
        super().setUp()
        self.path.write_text(
            json.dumps(
                {
                    "gateway": {"auth": {"mode": "token", "token": "the-owner"}},
                    "agents": {
                        "defaults": {"model": "ollama/big", "bootstrapMaxChars": 1000},
                        "list": [{"id": "main"}, {"id": "beta"}],
                    },
                    "models": {
                        "providers": {
                            "ollama": {
                                "baseUrl": "http://127.0.0.1:11434/v1",
                                "models": [{"id": "big"}, {"id": "small", "contextWindow": 4096}],
                            }
                        }
                    },
                }
            )
        )
        workspace = self.path.parent / "workspace"
        workspace.mkdir()
        (workspace / "AGENTS.md").write_text("a" * 3000)
        (workspace / "SOUL.md").write_text("[bold]blunt[/bold]")
        (workspace / "TOOLS.md").mkdir()

    def report(self, *arguments: str) -> dict[str, Any]:
        """The report as JSON."""
        result = self.invoke("agents", "prompt", *arguments, "--json")
        self.assertEqual(result.exit_code, 0, result.output)
        report: dict[str, Any] = json.loads(result.stdout)
        return report

    def test_json(self) -> None:
        """The default agent's, or another's; for its own model, or another one."""
        report = self.report()
        self.assertEqual((report["model"], report["mode"]), ("ollama/big", "full"))
        self.assertEqual(report["workspace"], str(self.path.parent / "workspace"))
        self.assertEqual(report["files"][0]["state"], "cut")
        self.assertEqual(self.report("beta")["workspace"], str(self.path.parent / "workspace-beta"))
        self.assertEqual(self.report("main", "--model", "ollama/small")["mode"], "short")

    def test_table(self) -> None:
        """Sections, files with what became of them, and the sum."""
        result = self.invoke("agents", "prompt", "main", COLUMNS="120")
        self.assertEqual(result.exit_code, 0, result.output)
        report = self.report()
        self.assertRegex(result.stdout, r"(?m)^ *identity +60 *$")
        self.assertRegex(result.stdout, r"(?m)^ *AGENTS.md +[\d,]+ +cut: 3,000 in the file *$")
        self.assertRegex(result.stdout, r"(?m)^ *TOOLS.md +\d+ +refused: it is not a regular file *$")
        self.assertRegex(result.stdout, r"(?m)^ *USER.md +\d+ +missing *$")
        self.assertRegex(result.stdout, rf"(?m)^ *system prompt +{report['chars']:,} *$")
        self.assertIn(f"About {report['tokens_estimate']:,} tokens, ", result.stdout)

    def test_text(self) -> None:
        """The prompt as the model gets it, whatever is in it."""
        result = self.invoke("agents", "prompt", "--text")
        self.assertIn("[bold]blunt[/bold]", result.stdout)
        self.assertEqual(len(result.stdout) - 1, self.report()["chars"])

    def test_refused(self) -> None:
        """Unknown agents and models are named; one form at a time."""
        for arguments, code, text in (
            (["nobody"], 1, "nobody"),
            (["main", "--model", "ollama/none"], 1, "ollama/none"),
            (["--json", "--text"], 2, "exclude"),
        ):
            result = self.invoke("agents", "prompt", *arguments)
            self.assertEqual((result.exit_code, result.stdout), (code, ""))
            self.assertIn(text, result.stderr)

    def test_writes_nothing(self) -> None:
        """To look at a prompt makes no workspace and no database."""
        self.report("beta")
        self.assertEqual(sorted(os.listdir(self.path.parent)), ["openclaw.json", "workspace"])
