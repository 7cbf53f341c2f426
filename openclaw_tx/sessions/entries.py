# -*- test-case-name: tests.sessions.test_sql -*-
"""Sessions and their transcripts: what jobs of the writer thread read and write of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from openclaw_tx.errors import GatewayError
from openclaw_tx.sessions.keys import is_leftover
from openclaw_tx.sessions.records import encoded, entry_columns, entry_of, messages_of
from openclaw_tx.sessions.worker import Connection
from openclaw_tx.values import CompactionMessage, Message, SessionEntry

HISTORY_MESSAGES = 4000
"""Newest messages of a session that are ever loaded; older ones stay in the store."""

HISTORY_BYTES = 32 * 1024 * 1024
"""Characters of JSON that are ever loaded of a session; older messages stay in the store."""

MAX_LISTED = 10_000
"""Sessions that one listing gives at most."""

PRUNED_AT_ONCE = 1000
"""Rows that one transaction of L{prune_leftovers} looks at: others get their turn in between."""


def find(connection: Connection, key: str) -> tuple[SessionEntry, int] | None:
    """The session of a key, and the position where its transcript goes on."""
    row = connection.run(connection.statements.entry, the_key=key).fetchone()
    return (entry_of(row), row[-1]) if row is not None else None


def add(connection: Connection, entry: SessionEntry) -> None:
    """Make a session with an empty transcript."""
    connection.run(connection.statements.add_entry, **entry_columns(entry, 0))


def history(connection: Connection, session_id: str, limit: int = HISTORY_MESSAGES) -> list[Message]:
    """The newest messages of a transcript, oldest first, within L{HISTORY_MESSAGES} and L{HISTORY_BYTES}."""
    limit = max(0, min(limit, HISTORY_MESSAGES))
    rows = connection.run(connection.statements.newest_messages, the_session=session_id, the_limit=limit)
    bodies = list(_within_bytes(row[0] for row in rows))
    bodies.reverse()
    return messages_of(bodies, connection.report)


def _within_bytes(bodies: Iterator[str]) -> Iterator[str]:
    held = 0
    for body in bodies:
        held += len(body)
        if held > HISTORY_BYTES:
            return
        yield body


def append(connection: Connection, entry: SessionEntry, position: int, added: Sequence[Message]) -> None:
    """Append to a transcript and write its entry."""
    statements = connection.statements
    connection.run_many(
        statements.add_message,
        [
            {"session_id": entry.session_id, "position": position + number, "body": encoded(message)}
            for number, message in enumerate(added)
        ],
    )
    connection.run(
        statements.update_entry,
        the_session=entry.session_id,
        updated_at_ms=entry.updated_at_ms,
        aborted_last_run=entry.aborted_last_run,
        model_provider=entry.model_provider,
        model=entry.model,
        input_tokens=entry.input_tokens,
        output_tokens=entry.output_tokens,
        total_tokens=entry.total_tokens,
        next_position=position + len(added),
    )


def since_mark(messages: Sequence[Message]) -> list[Message]:
    """What the model still reads of a transcript: the newest mark of a compaction, what it keeps, what came after."""
    for place in range(len(messages) - 1, -1, -1):
        mark = messages[place]
        if isinstance(mark, CompactionMessage):
            kept = messages[max(0, place - mark.kept) : place]
            return [mark, *(each for each in kept if not isinstance(each, CompactionMessage)), *messages[place + 1 :]]
    return list(messages)


def patch(
    connection: Connection, key: str, change: Callable[[SessionEntry], SessionEntry], now_ms: int
) -> SessionEntry | None:
    """See L{openclaw_tx.interfaces.Sessions.patch}; makes no session.

    @raise GatewayError: C{invalid_request}: another session of the agent has the label.
    """
    found = find(connection, key)
    if found is None:
        return None
    changed = change(found[0])
    if changed.label and changed.label != found[0].label:
        holder = by_label(connection, changed.label, found[0].agent_id)
        if holder is not None and holder.key != key:
            raise GatewayError("invalid_request", f"label already in use: {changed.label}", param="label")
    entry = replace(
        found[0],
        label=changed.label,
        extra=changed.extra,
        settings=changed.settings,
        updated_at_ms=max(found[0].updated_at_ms, now_ms),
    )
    columns = entry_columns(entry, 0)
    names = ("updated_at_ms", "label", "extra", "settings", "spawned_by")
    connection.run(connection.statements.patch_entry, the_key=key, **{name: columns[name] for name in names})
    return entry


def compact(connection: Connection, key: str, session_id: str, mark: CompactionMessage) -> bool:
    """See L{openclaw_tx.interfaces.Sessions.compact}."""
    found = find(connection, key)
    if found is None or found[0].session_id != session_id:
        return False
    # How large the context is now, the next model call will tell.
    append(connection, replace(found[0], total_tokens=0), found[1], (mark,))
    patch(connection, key, _compacted, found[0].updated_at_ms)
    return True


def _compacted(entry: SessionEntry) -> SessionEntry:
    settings = replace(entry.settings, compaction_count=entry.settings.compaction_count + 1)
    return replace(entry, settings=settings)


def by_session_id(connection: Connection, session_id: str) -> SessionEntry | None:
    """See L{openclaw_tx.interfaces.Sessions.by_session_id}."""
    row = connection.run(connection.statements.entry_of_session, the_session=session_id).fetchone()
    return entry_of(row) if row is not None else None


def by_label(connection: Connection, label: str, agent_id: str | None) -> SessionEntry | None:
    """See L{openclaw_tx.interfaces.Sessions.by_label}: of several the one used last."""
    rows = connection.run(connection.statements.entry_of_label, the_label=label, the_limit=MAX_LISTED)
    return next((entry for entry in map(entry_of, rows) if agent_id is None or entry.agent_id == agent_id), None)


def spawned(connection: Connection, key: str) -> list[SessionEntry]:
    """See L{openclaw_tx.interfaces.Sessions.spawned}."""
    rows = connection.run(connection.statements.entries_spawned, the_key=key, the_limit=MAX_LISTED)
    return [entry_of(row) for row in rows]


def transcript(connection: Connection, key: str, limit: int) -> list[Message]:
    """See L{openclaw_tx.interfaces.Sessions.transcript}."""
    found = find(connection, key)
    return history(connection, found[0].session_id, limit) if found is not None else []


def listing(connection: Connection, agent_id: str | None, limit: int, search: str) -> list[SessionEntry]:
    """See L{openclaw_tx.interfaces.Sessions.list}: C{search} is looked for in keys and labels, in any case."""
    statements = connection.statements
    limit = max(0, min(limit, MAX_LISTED))
    wanted = search.strip().lower()
    pattern = "%" + wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    if agent_id is None and not wanted:
        rows = connection.run(statements.entries, the_limit=limit)
    elif agent_id is None:
        rows = connection.run(statements.entries_found, the_limit=limit, pattern=pattern)
    elif not wanted:
        rows = connection.run(statements.entries_of_agent, the_limit=limit, the_agent=agent_id)
    else:
        rows = connection.run(statements.entries_of_agent_found, the_limit=limit, the_agent=agent_id, pattern=pattern)
    return [entry_of(row) for row in rows]


def count(connection: Connection, agent_id: str | None) -> int:
    """See L{openclaw_tx.interfaces.Sessions.count}."""
    statements = connection.statements
    if agent_id is None:
        (number,) = connection.run(statements.count).fetchone()
    else:
        (number,) = connection.run(statements.count_of_agent, the_agent=agent_id).fetchone()
    assert isinstance(number, int)
    return number


def remove(connection: Connection, session_id: str) -> None:
    """Remove a session with its transcript and what the ledger holds of its conversation.

    A run that is at work keeps its row, without content: its end is still recorded, its turn is not.
    """
    statements = connection.statements
    connection.run(statements.delete_ended_runs_of_session, the_session=session_id)
    connection.run(statements.empty_runs_of_session, the_session=session_id)
    connection.run(statements.delete_session, the_session=session_id)


def delete(connection: Connection, key: str) -> bool:
    """See L{openclaw_tx.interfaces.Sessions.delete}."""
    found = find(connection, key)
    if found is None:
        return False
    remove(connection, found[0].session_id)
    return True


def prune_leftovers(connection: Connection, before_ms: int, after: str) -> str | None:
    """Remove sessions that were made for one request and not used since (D34), some of them.

    @param before_ms: those last used before this time go.
    @param after: only keys that sort behind this one are looked at.
    @return: the last key looked at, for the next call; None when that was all.
    """
    statements = connection.statements
    rows = connection.run(statements.old_keys, before=before_ms, after=after, the_limit=PRUNED_AT_ONCE).fetchall()
    for key, session_id in rows:
        if not is_leftover(key):
            continue
        (live,) = connection.run(statements.live_runs_of_session, the_session=session_id).fetchone()
        if not live:
            remove(connection, session_id)
    return rows[-1][0] if len(rows) == PRUNED_AT_ONCE else None
