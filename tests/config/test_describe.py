# -*- test-case-name: tests.config.test_describe -*-
"""L{openclaw_tx.config.describe}: the page and the schema."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from openclaw_tx.config.describe import json_schema, markdown
from tests.config.support import Home

PAGE = Path(__file__).parent.parent.parent / "docs" / "configuration.md"


class MarkdownTests(Home):
    """docs/configuration.md."""

    def test_page_is_up_to_date(self) -> None:
        """The page is what the generator prints; if not, make it anew as its first line says."""
        self.assertEqual(PAGE.read_text("utf-8"), markdown())

    def test_command(self) -> None:
        """The command that the page names prints the page."""
        command = [sys.executable, "-m", "openclaw_tx.config.describe"]
        printed = subprocess.run(command, capture_output=True, check=True, cwd=PAGE.parent.parent)
        self.assertEqual(printed.stdout.decode(), markdown())

    def test_every_setting_is_explained(self) -> None:
        """No setting is without a word on it."""
        rows = [line for line in markdown().splitlines() if re.match(r"\| `[a-z]+\.", line)]
        self.assertGreater(len(rows), 80)
        settings = [row for row in rows if row.count(" | ") == 3]
        self.assertEqual([row for row in settings if re.search(r"\|\s*(\*\*Required.\*\*)?\s*\|$", row)], [])

    def test_example_loads(self) -> None:
        """The page's first file is one that can be used."""
        found = re.search(r"```json5\n(.*?)```", markdown(), re.S)
        assert found is not None
        self.environ["OPENCLAW_GATEWAY_TOKEN"] = "a-token"
        loaded = self.load(found[1])
        self.assertEqual(loaded.warnings, ())
        self.assertTrue(loaded.config.gateway.http.endpoints.chat_completions.enabled)
        self.assertEqual([agent.id for agent in loaded.config.agents.entries], ["main", "beta"])

    def test_nothing_of_this_machine(self) -> None:
        """A default that depends on the machine is shown as code, so that the page is the same everywhere."""
        self.assertIn("os.cpu_count()", markdown())


class SchemaTests(Home):
    """L{json_schema}."""

    def test_schema(self) -> None:
        """It is plain JSON and knows the settings."""
        schema = json.loads(json.dumps(json_schema()))
        gateway = schema["$defs"]["GatewaySection"]
        self.assertEqual(gateway["properties"]["port"]["maximum"], 65535)
        self.assertFalse(gateway["additionalProperties"])
