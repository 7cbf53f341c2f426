# -*- test-case-name: tests.sessions.test_sql -*-
"""Rows of sessions, and what is appended to their transcripts: what jobs of the writer thread do with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from openclaw_tx.errors import GatewayError
from openclaw_tx.sessions.keys import is_leftover
from openclaw_tx.sessions.records import PATCHED, encoded_clean, encoded_last_run, entry_columns, entry_of
from openclaw_tx.sessions.titles import preview_of, title_of
from openclaw_tx.sessions.worker import Connection
from openclaw_tx.values import CompactionMessage, Message, SessionEntry, SessionFilter, SessionPage

MAX_LISTED = 10_000
"""Sessions that one listing gives at most."""

PRUNED_AT_ONCE = 1000
"""Rows that one transaction of pruning looks at: others get their turn in between."""

MAX_OFFSET = 2**31 - 1


class Found(NamedTuple):
    """A session's row."""

    entry: SessionEntry
    position: int
    """Where its transcript goes on."""
    mark: int | None = None
    """Position of its newest mark of a compaction."""


class Pruned(NamedTuple):
    """What a transaction of pruning came to."""

    last: str | None
    """The last key looked at, for the next one; None when that was all."""
    gone: Sequence[str]
    """Keys of the sessions that are no more."""


def find(connection: Connection, key: str) -> Found | None:
    """The session of a key."""
    row = connection.run(connection.statements.entry, the_key=key).fetchone()
    return Found(entry_of(row), row[-2], row[-1]) if row is not None else None


def pages(connection: Connection, agent_id: str, after: str) -> list[Found]:
    """Sessions by key, some of them: those that sort behind C{after}.

    @param agent_id: "" = of every agent.
    """
    statement = connection.statements.entries_after
    rows = connection.run(statement, the_agent=agent_id, after=after, the_limit=PRUNED_AT_ONCE)
    return [Found(entry_of(row), row[-2], row[-1]) for row in rows]


def add(connection: Connection, entry: SessionEntry) -> None:
    """Make a session with an empty transcript."""
    connection.run(connection.statements.add_entry, **entry_columns(entry, 0))


def append(connection: Connection, entry: SessionEntry, position: int, added: Sequence[Message]) -> SessionEntry:
    """Append to a transcript and write its entry.

    @return: the entry with its title and preview.
    """
    statements = connection.statements
    connection.run_many(
        statements.add_message,
        [
            {"session_id": entry.session_id, "position": position + number, "body": encoded_clean(message)}
            for number, message in enumerate(added)
        ],
    )
    entry = replace(entry, title=entry.title or title_of(added), preview=preview_of(added) or entry.preview)
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
        interacted_at_ms=entry.interacted_at_ms,
        title=entry.title,
        preview=entry.preview,
        last_run=encoded_last_run(entry),
        next_position=position + len(added),
    )
    marks = [number for number, message in enumerate(added) if isinstance(message, CompactionMessage)]
    if marks:
        connection.run(statements.set_mark, the_session=entry.session_id, the_position=position + marks[-1])
    return entry


def patch(
    connection: Connection, key: str, change: Callable[[SessionEntry], SessionEntry], now_ms: int, quiet: bool = False
) -> SessionEntry | None:
    """See L{openclaw_tx.interfaces.Sessions.patch}; makes no session.

    @raise GatewayError: C{invalid_request}: another session of the agent has the label.
    """
    found = find(connection, key)
    if found is None:
        return None
    changed = change(found.entry)
    # Models name their sub-agents as they like.
    if changed.label and changed.label != found.entry.label and not changed.settings.spawned_by:
        holder = by_label(connection, changed.label, found.entry.agent_id)
        if holder is not None and holder.key != key:
            raise GatewayError("invalid_request", f"label already in use: {changed.label}", param="label")
    entry = replace(
        found.entry,
        label=changed.label,
        extra=changed.extra,
        settings=changed.settings,
        updated_at_ms=found.entry.updated_at_ms if quiet else max(found.entry.updated_at_ms, now_ms),
    )
    columns = entry_columns(entry, 0)
    connection.run(connection.statements.patch_entry, the_key=key, **{name: columns[name] for name in PATCHED})
    return entry


def compact(connection: Connection, key: str, session_id: str, mark: CompactionMessage) -> bool:
    """See L{openclaw_tx.interfaces.Sessions.compact}."""
    found = find(connection, key)
    if found is None or found.entry.session_id != session_id:
        return False
    # How large the context is now, the next model call will tell.
    append(connection, replace(found.entry, total_tokens=0), found.position, (mark,))
    patch(connection, key, _compacted, found.entry.updated_at_ms)
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


def select(connection: Connection, wanted: SessionFilter, limit: int, offset: int) -> SessionPage:
    """See L{openclaw_tx.interfaces.Sessions.select}."""
    word = wanted.search.strip()
    pattern = "%" + word.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%" if word else ""
    hidden = (*wanted.hidden[:2], "", "")
    asked: dict[str, Any] = {
        "the_agent": wanted.agent_id,
        "the_label": wanted.label,
        "the_key": wanted.spawned_by,
        "pattern": pattern,
        "word": word,
        "since": wanted.since_ms,
        "hidden_1": hidden[0],
        "hidden_2": hidden[1],
    }
    statements = connection.statements
    limit, offset = max(0, min(limit, MAX_LISTED)), max(0, min(offset, MAX_OFFSET))
    pinned: list[SessionEntry] = []
    if wanted.pinned_first:
        pinned = list(map(entry_of, connection.run(statements.pinned_entries, the_limit=MAX_LISTED, **asked)))
    first = pinned[offset : offset + limit]
    asked |= {"the_limit": limit - len(first), "the_offset": max(0, offset - len(pinned))}
    rows = connection.run(statements.entries, with_pins=not wanted.pinned_first, **asked)
    found = (*first, *map(entry_of, rows))
    if pattern or wanted.label or wanted.spawned_by or wanted.since_ms > 0:
        (total,) = connection.run(statements.count_fitting, **asked).fetchone()
        return SessionPage(entries=found, total=total)
    # The list that is asked for again and again: looking at each row would take longer the more there are.
    shut_out = (find(connection, key) for key in {*hidden[:2]} if key)
    unseen = sum(each is not None and wanted.agent_id in ("", each.entry.agent_id) for each in shut_out)
    return SessionPage(entries=found, total=count(connection, wanted.agent_id or None) - unseen)


def listing(connection: Connection, agent_id: str | None, limit: int, search: str) -> list[SessionEntry]:
    """See L{openclaw_tx.interfaces.Sessions.list}."""
    if agent_id == "":
        return []
    return list(select(connection, SessionFilter(agent_id=agent_id or "", search=search), limit, 0).entries)


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
    connection.run(statements.delete_steps_of_session, the_session=session_id)
    connection.run(statements.empty_runs_of_session, the_session=session_id)
    connection.run(statements.delete_session, the_session=session_id)


def is_busy(connection: Connection, session_id: str) -> bool:
    """Whether a run is at work in a session, in whichever process."""
    (live,) = connection.run(connection.statements.live_runs_of_session, the_session=session_id).fetchone()
    return bool(live)


def prune_leftovers(connection: Connection, before_ms: int, after: str) -> Pruned:
    """Remove sessions that were made for one request and not used since (D34), some of them. What somebody has named or
    pinned is to be kept.

    @param before_ms: those last used before this time go.
    @param after: only keys that sort behind this one are looked at.
    """
    statements, gone = connection.statements, []
    rows = connection.run(statements.old_keys, before=before_ms, after=after, the_limit=PRUNED_AT_ONCE).fetchall()
    for key, session_id in rows:
        if is_leftover(key) and not is_busy(connection, session_id) and not _is_dear(connection, key):
            remove(connection, session_id)
            gone.append(key)
    return Pruned(rows[-1][0] if len(rows) == PRUNED_AT_ONCE else None, gone)


def _is_dear(connection: Connection, key: str) -> bool:
    found = find(connection, key)
    return found is not None and bool(found.entry.label or found.entry.settings.pinned_at)
