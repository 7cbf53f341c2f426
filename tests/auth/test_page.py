# -*- test-case-name: tests.auth.test_page -*-
"""docs/authentication.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import ACTIONS, OPERATOR_SCOPES
from openclaw_tx.auth.limiter import MAX_ENTRIES, MAX_PENDING
from openclaw_tx.auth.peers import MAX_HOPS
from openclaw_tx.config.schema_gateway import RateLimit

PAGE = Path(__file__).parents[2] / "docs" / "authentication.md"


def actions_table() -> str:
    """The scopes table as the page must have it."""
    rows = ["| action | scopes, one of | what it is for |", "|---|---|---|"]
    for name, action in ACTIONS.items():
        scopes = ", ".join(f"`{scope}`" for scope in action.scopes) or "none"
        rows.append(f"| `{name}` | {scopes} | {action.doc} |")
    return "\n".join(rows)


class PageTests(SynchronousTestCase):
    """The page against the code."""

    def setUp(self) -> None:
        self.page = PAGE.read_text("utf-8")

    def test_actions(self) -> None:
        """The table of actions is the one the authoriser reads. To renew it, paste what this test expects."""
        found = re.search(r"<!-- actions -->\n(.*?)\n?<!-- /actions -->", self.page, re.DOTALL)
        assert found is not None
        self.assertEqual(found[1], actions_table())

    def test_scopes(self) -> None:
        """Every scope is named."""
        for scope in OPERATOR_SCOPES:
            self.assertIn(f"`{scope}`", self.page)

    def test_metered(self) -> None:
        """The actions that count against C{rpm} are named with it."""
        row = next(line for line in self.page.splitlines() if line.startswith("| `rpm` |"))
        for name, action in ACTIONS.items():
            self.assertEqual(f"`{name}`" in row, action.metered, name)

    def test_figures(self) -> None:
        """Limits are the ones in force by default."""
        limits = RateLimit()
        for text in [
            f"`maxAttempts` ({limits.max_attempts})",
            f"`windowMs` ({limits.window_ms // 1000} s",
            f"`lockoutMs` ({limits.lockout_ms // 1000} s)",
            f"{MAX_ENTRIES:,} senders",
            f"{MAX_PENDING} late refusals",
            f"{MAX_HOPS} entries",
        ]:
            self.assertIn(text, self.page)
