# -*- test-case-name: tests.sessions.test_statements -*-
"""L{openclaw_tx.sessions.statements}: what was compiled beforehand is what would be compiled now."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.sessions import schema
from openclaw_tx.sessions.statements import STATEMENTS_FILE


class StatementsTests(SynchronousTestCase):
    """The file in the package."""

    def test_current(self) -> None:
        """It is what C{python -m openclaw_tx.sessions.schema} writes."""
        self.assertEqual(STATEMENTS_FILE.read_bytes().splitlines(), schema.compiled().splitlines())
