# -*- test-case-name: tests.sessions.test_run_events -*-
"""Events of runs that outlive the process: what jobs of the writer thread do with them."""

from __future__ import annotations

from collections.abc import Sequence

from openclaw_tx.sessions.records import encoded_clean, events_of
from openclaw_tx.sessions.worker import Connection
from openclaw_tx.values import Entry, KeptEvents, MessageEnded, ModelAnswered, TextDelta

MAX_BYTES = 256 * 1024 * 1024
"""Characters of JSON that the events of ended runs may take together; the oldest runs only keep their last ones."""

TRIM_BYTES = 16 * 1024 * 1024
"""After so many new ones L{MAX_BYTES} is looked after, beside the regular pruning."""

_LAST = 2**31 - 1
"""No event has a greater number."""


def replace(connection: Connection, kept: KeptEvents) -> int:
    """Write events, in the place of those that were written under the same and later numbers; drop the outdated.

    @return: characters of JSON that were written.
    """
    if not kept.entries:
        return 0
    statements, first = connection.statements, kept.entries[0].seq
    body = encoded_clean(kept.entries)
    connection.run(statements.delete_events_from, the_run=kept.run_id, the_seq=first)
    connection.run(statements.add_events, run_id=kept.run_id, seq=first, size=len(body), body=body)
    connection.run(statements.delete_events_before, the_run=kept.run_id, the_seq=kept.first_held)
    return len(body)


def read(connection: Connection, run_id: str) -> list[Entry]:
    """See L{openclaw_tx.interfaces.Sessions.events}."""
    rows = connection.run(connection.statements.events, the_run=run_id)
    return events_of((row[0] for row in rows), connection.report)


def said(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The texts that a run's events tell: one for each assistant message that said something."""
    texts: list[str] = []
    pieces: list[str] = []
    for entry in entries:
        if isinstance(entry.event, TextDelta):
            pieces.append(entry.event.text)
        elif isinstance(entry.event, MessageEnded):
            texts.append("".join(pieces))
            pieces.clear()
    texts.append("".join(pieces))
    return tuple(text for text in texts if text.strip())


def answered(entries: Sequence[Entry]) -> tuple[str, str] | None:
    """Provider and model that answered last; None = none did."""
    for entry in reversed(entries):
        if isinstance(entry.event, ModelAnswered):
            return entry.event.provider, entry.event.model
    return None


def trim(connection: Connection) -> None:
    """Keep within L{MAX_BYTES}: of runs that ended long ago only the last row stays, which tells how they ended."""
    held = 0
    statements = connection.statements
    for run_id, size in connection.run(statements.event_sizes).fetchall():
        held += size
        if held > MAX_BYTES:
            connection.run(statements.delete_events_before, the_run=run_id, the_seq=_LAST)
