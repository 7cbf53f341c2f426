"""Runs that no person waits for."""

from __future__ import annotations

from openclaw_tx.values.ledger import StoredRun
from openclaw_tx.values.value import Value

BACKGROUND = frozenset({"cron", "hook", "agent", "subagent"})
"""What starts such a run, by L{openclaw_tx.values.RunRequest.trigger}."""


class BackgroundRun(Value, frozen=True):
    """A run that no person waits for, as the ledger has it, and what is known of its session."""

    run: StoredRun
    label: str = ""
    title: str = ""
    spawned_by: str = ""
    """Key of the session whose run started it."""


__all__ = ["BACKGROUND", "BackgroundRun"]
