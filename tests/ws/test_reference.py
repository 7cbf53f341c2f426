# -*- test-case-name: tests.ws.test_reference -*-
"""docs/protocol.md says what the code does."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.testing.reference import served
from openclaw_tx.ws.hub import EVENTS
from openclaw_tx.ws.reference import Unmarked, markdown, with_reference

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"


class ReferenceTests(SynchronousTestCase):
    """The page and the methods."""

    def test_page(self) -> None:
        """The chapter is what the code makes of it: run python -m openclaw_tx.testing.reference."""
        page = PAGE.read_text("utf-8")
        self.assertEqual(page, with_reference(page, served()))

    def test_every_answer(self) -> None:
        """Every method says what it does and what it answers."""
        for method in served():
            self.assertTrue(method.handler.__doc__, method.name)

    def test_every_event(self) -> None:
        """Every event is named by hand."""
        page = PAGE.read_text("utf-8")
        for event in EVENTS:
            self.assertIn(f"`{event}`", page)

    def test_no_place(self) -> None:
        """A page without the marks is not written."""
        self.assertRaises(Unmarked, with_reference, "# Page", served())

    def test_markdown(self) -> None:
        """Docstrings become Markdown."""
        self.assertEqual(markdown("C{{a, b[{c}]}} of\n  L{x.y.Z}, C{d}"), "`{a, b[{c}]}` of `Z`, `d`")
