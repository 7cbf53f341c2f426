# -*- test-case-name: tests.cli.test_memory -*-
"""C{openclaw-tx memory search}."""

from __future__ import annotations

import json
from typing import Any

import click
from click.testing import CliRunner

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.memory import show
from openclaw_tx.tools.memory import Found, Outcome

FOUND = Found(path="MEMORY.md", start_line=1, end_line=3, score=0.5, snippet="tea\x1b[2J\nnot coffee", source="memory")


def shown(outcome: Outcome, as_json: bool) -> Any:
    """What is printed."""

    @click.command()
    def command() -> None:
        show(outcome, as_json)

    return CliRunner().invoke(command, [], catch_exceptions=False)


class ShowTests(SynchronousTestCase):
    """What was found."""

    def test_json(self) -> None:
        """OpenClaw's keys; notes are on standard error."""
        result = shown(Outcome(results=(FOUND,), notes=("too many",)), True)
        [row] = json.loads(result.stdout)["results"]
        self.assertEqual(row.keys(), {"path", "startLine", "endLine", "score", "snippet", "source"})
        self.assertEqual(result.stderr, "warning: too many\n")

    def test_text(self) -> None:
        """Score, place, text; nothing in a file steers the terminal."""
        result = shown(Outcome(results=(FOUND,)), False)
        self.assertEqual(result.stdout, "0.500 MEMORY.md:1-3\n  tea\\x1b[2J\n  not coffee\n\n")

    def test_nothing(self) -> None:
        """That is told."""
        self.assertEqual(shown(Outcome(results=()), False).stdout, "Nothing was found.\n")
        self.assertEqual(json.loads(shown(Outcome(results=()), True).stdout), {"results": []})
