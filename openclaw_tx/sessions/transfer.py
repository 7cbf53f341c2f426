# -*- test-case-name: tests.cli.test_sessions -*-
"""Whole sessions in and out of the store: what jobs of the writer thread do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from msgspec import structs

from openclaw_tx.sessions import entries
from openclaw_tx.sessions.beginnings import Beginnings
from openclaw_tx.sessions.records import encoded, messages_of
from openclaw_tx.sessions.worker import Connection
from openclaw_tx.values import Message, SessionEntry

Outcome = Literal["added", "updated", "known", "differs", "taken"]
"""What becomes of a session that is put in:

  - C{added}: it was not there;
  - C{updated}: it was there, and what was put in goes on where the store ends;
  - C{known}: it is there, whole;
  - C{differs}: it is there and has gone on another way, or a run is at work in it; it is left as it is;
  - C{taken}: its key is another session's, which is left as it is.
"""


class Package(NamedTuple):
    """A session to be put in, encoded beforehand: the database is not held up by that."""

    entry: SessionEntry
    messages: tuple[Message, ...]
    bodies: tuple[str, ...]


def package(entry: SessionEntry, messages: Sequence[Message]) -> Package:
    """
    @raise UnicodeEncodeError: a text holds half a surrogate pair.
    """
    return Package(entry, tuple(messages), tuple(encoded(message) for message in messages))


def put(
    connection: Connection, beginnings: Beginnings, given: Package, *, replace: bool, dry_run: bool, now_ms: int
) -> Outcome:
    """Put a session in.

    @param replace: another session of the same key is archived and gives way; the outcome is C{added} then.
    @param dry_run: only tell what would become of it.
    @raise GatewayError: C{storage_unavailable}: the session that gives way can not be archived.
    """
    entry = given.entry
    same = entries.by_session_id(connection, entry.session_id)
    if same is not None:
        return _go_on(connection, same, given, dry_run)
    if entries.find(connection, entry.key) is not None:
        if not replace:
            return "taken"
        if not dry_run:
            beginnings.delete(connection, entry.key, True, now_ms)
    if not dry_run:
        entries.add(connection, entry)
        entries.append(connection, entry, 0, given.messages)
    return "added"


def _go_on(connection: Connection, same: SessionEntry, given: Package, dry_run: bool) -> Outcome:
    if same.key != given.entry.key:
        return "taken"
    found = entries.find(connection, same.key)
    assert found is not None
    rows = connection.run(connection.statements.all_messages, the_session=same.session_id)
    held = tuple(row[0] for row in rows)
    if held[: len(given.bodies)] == given.bodies:
        return "known"
    if given.bodies[: len(held)] != held or entries.is_busy(connection, same.session_id):
        return "differs"
    if not dry_run:
        # What people set here since the last time stays.
        entry = given.entry
        merged = structs.replace(
            entry,
            created_at_ms=same.created_at_ms,
            updated_at_ms=max(same.updated_at_ms, entry.updated_at_ms),
            interacted_at_ms=max(same.interacted_at_ms, entry.interacted_at_ms),
            title=same.title,
            preview=same.preview,
        )
        entries.append(connection, merged, found.position, given.messages[len(held) :])
    return "updated"


def whole(connection: Connection, key: str) -> tuple[SessionEntry, list[Message]] | None:
    """A session with all of its transcript that can be read."""
    found = entries.find(connection, key)
    if found is None:
        return None
    rows = connection.run(connection.statements.all_messages, the_session=found.entry.session_id)
    return found.entry, messages_of((row[0] for row in rows), connection.report)


__all__ = ["Outcome", "Package", "package", "put", "whole"]
