# -*- test-case-name: tests.models.test_reference -*-
"""docs/models.md says what the code does."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.models.failures import FAILOVER_CODES, REASONS
from openclaw_tx.models.reference import CAUSES, RESTS, failures, keys

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


class ReferenceTests(SynchronousTestCase):
    """The page and the code."""

    def test_page(self) -> None:
        """Its tables are what the code makes of them: C{python -m openclaw_tx.models.reference} prints them."""
        text = PAGE.read_text("utf-8")
        self.assertIn(keys(), text)
        self.assertIn(failures(), text)

    def test_complete(self) -> None:
        """Every code and every reason has its words."""
        self.assertEqual(set(CAUSES), FAILOVER_CODES | {"context_length_exceeded"})
        self.assertEqual(set(RESTS), set(REASONS.values()))
