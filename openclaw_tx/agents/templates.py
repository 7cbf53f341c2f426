# -*- test-case-name: tests.agents.test_seeding -*-
"""What a new workspace begins with: the files in C{templates/}."""

from __future__ import annotations

from importlib import resources

from openclaw_tx.agents.workspace import STANDARD


def templates() -> dict[str, str]:
    """The text of each of L{STANDARD}, in that order."""
    place = resources.files("openclaw_tx.agents") / "templates"
    return {name: (place / name).read_text("utf-8") for name in STANDARD}


__all__ = ["templates"]
