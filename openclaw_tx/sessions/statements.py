# -*- test-case-name: tests.sessions.test_statements -*-
"""The store's statements as they run: compiled beforehand from L{openclaw_tx.sessions.schema}."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

if TYPE_CHECKING:
    from openclaw_tx.sessions.schema import Statements

STATEMENTS_FILE = Path(__file__).with_name("statements.json")
"""Written by C{python -m openclaw_tx.sessions.schema}."""


class Statement(NamedTuple):
    """A compiled statement."""

    sql: str
    names: tuple[str, ...] | None
    """Parameters in the order of their marks; None when the driver takes them by name."""
    fixed: Mapping[str, Any]
    """Values that are part of the statement."""

    def arguments(self, parameters: Mapping[str, Any]) -> Any:
        """C{parameters} in the shape that the driver wants.

        @raise KeyError: one is missing.
        """
        if self.names is None:
            return {**self.fixed, **parameters}
        fixed = self.fixed
        return tuple([parameters[name] if name in parameters else fixed[name] for name in self.names])


class Compiled(msgspec.Struct, frozen=True):
    """What L{STATEMENTS_FILE} holds."""

    version: int
    """Version of the tables; L{openclaw_tx.sessions.migrations} leads older files here."""
    creation: list[str]
    """What makes the tables in an empty database."""
    statements: dict[str, Statement]


def compiled() -> Compiled:
    """The file's content."""
    return msgspec.json.decode(STATEMENTS_FILE.read_bytes(), type=Compiled)


def sqlite_statements() -> Statements:
    """Every statement by name."""
    return cast("Statements", SimpleNamespace(**compiled().statements))
