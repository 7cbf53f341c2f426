# -*- test-case-name: tests.tools.test_reference -*-
"""docs/tools.md says what the code does."""

from __future__ import annotations

import pkgutil
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools import builtin
from openclaw_tx.tools.policy import NATIVE
from openclaw_tx.tools.reference import BUILTIN, render

PAGE = Path(__file__).parents[2] / "docs" / "tools.md"


class ReferenceTests(SynchronousTestCase):
    """The page and the tools."""

    def test_page(self) -> None:
        """The page is what the code makes of it: run python -m openclaw_tx.tools.reference > docs/tools.md."""
        self.assertEqual(PAGE.read_text("utf-8"), render())

    def test_every_tool_is_in(self) -> None:
        """A module below tools/builtin is a tool of the table, under its own name."""
        modules = {module.name for module in pkgutil.iter_modules(builtin.__path__)}
        self.assertEqual({tool.name for tool in BUILTIN}, modules)

    def test_names_are_openclaws(self) -> None:
        """Built-in tools have names that policies know as native."""
        self.assertEqual({tool.name for tool in BUILTIN} - NATIVE, set())
