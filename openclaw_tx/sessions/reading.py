# -*- test-case-name: tests.sessions.test_reading -*-
"""What is loaded of a transcript: for people, for the model, and to recognise what a client resends.

A session may have any number of messages. The model reads from the newest mark of a compaction on, and just these are
decoded; the position of the mark stands in the session's row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from openclaw_tx.sessions.entries import Found, find
from openclaw_tx.sessions.records import messages_of, pending_of
from openclaw_tx.sessions.worker import Connection
from openclaw_tx.values import CompactionMessage, Message, Spoken, TranscriptPage, UserMessage

HISTORY_MESSAGES = 4000
"""Newest messages of a session that are ever loaded; older ones stay in the store."""

HISTORY_BYTES = 32 * 1024 * 1024
"""Characters of JSON that are ever loaded of a session; older messages stay in the store."""

MAX_AT_WORK = 8
"""Runs at work in a session that are asked for what they were asked: there is one at a time, but for odd moments."""

_USER = '{"type":"user"'
"""How the JSON of a user message begins."""


def history(connection: Connection, session_id: str, limit: int = HISTORY_MESSAGES) -> list[Message]:
    """The newest messages of a transcript, oldest first, within L{HISTORY_MESSAGES} and L{HISTORY_BYTES}."""
    limit = max(0, min(limit, HISTORY_MESSAGES))
    rows = connection.run(connection.statements.newest_messages, the_session=session_id, the_limit=limit)
    return _decoded(connection, (row[1] for row in _within_bytes(rows)))


def page(connection: Connection, key: str, limit: int, offset: int) -> TranscriptPage:
    """See L{openclaw_tx.interfaces.Sessions.page}; within L{HISTORY_MESSAGES} and L{HISTORY_BYTES}."""
    found = find(connection, key)
    total = found.position if found is not None else 0
    end = max(0, total - max(0, offset))
    rows: Iterable[Any] = ()
    asked: list[Message] = []
    if found is not None and not offset:
        of_runs = connection.statements.pending_of_session
        for (body,) in connection.run(of_runs, the_session=found.entry.session_id, the_limit=MAX_AT_WORK):
            asked += pending_of(body, connection.report)
    if found is not None:
        rows = connection.run(
            connection.statements.newest_messages_before,
            the_session=found.entry.session_id,
            the_position=end,
            the_limit=max(0, min(limit, HISTORY_MESSAGES)),
        )
    numbered: list[tuple[int, Message]] = []
    first = end
    for position, body in _within_bytes(rows):
        first = position
        numbered += [(position, message) for message in messages_of((body,), connection.report)]
    numbered.reverse()
    return TranscriptPage(
        messages=tuple(message for _, message in numbered),
        positions=tuple(position for position, _ in numbered),
        first=first,
        total=total,
        pending=tuple(asked),
    )


def context(connection: Connection, found: Found) -> list[Message]:
    """What the model still reads: the newest mark of a compaction, what it keeps, and what came after."""
    if not found.position:
        return []
    statements, session_id = connection.statements, found.entry.session_id
    mark = _mark(connection, found)
    if mark is None or found.mark is None:
        return history(connection, session_id)
    rows = connection.run(
        statements.newest_messages_from,
        the_session=session_id,
        the_position=max(0, found.mark - mark.kept),
        the_limit=HISTORY_MESSAGES,
    )
    bodies = (body for position, body in _within_bytes(rows) if position != found.mark)
    return [mark, *(each for each in _decoded(connection, bodies) if not isinstance(each, CompactionMessage))]


def held(
    connection: Connection, found: Found, messages: Sequence[Spoken], read: Sequence[Message]
) -> Sequence[Message]:
    """The part of a transcript that a client's resent messages are looked for in.

    Without a mark that is what the model reads. What a mark has summed up is read again only when the client resends
    something, and only so far that it holds twice as many of the user's messages as the client sent, and some more.

    @param read: what the model reads.
    """
    if found.mark is None or len(messages) < 2:
        return read
    rows = connection.run(
        connection.statements.newest_messages, the_session=found.entry.session_id, the_limit=HISTORY_MESSAGES
    )
    wanted = 2 * sum(isinstance(message, UserMessage) for message in messages) + 8
    return _decoded(connection, (row[1] for row in _until(_within_bytes(rows), wanted)))


def _mark(connection: Connection, found: Found) -> CompactionMessage | None:
    if found.mark is None:
        return None
    statement, session_id = connection.statements.message, found.entry.session_id
    rows = connection.run(statement, the_session=session_id, the_position=found.mark).fetchall()
    for message in messages_of((row[0] for row in rows), connection.report):
        if isinstance(message, CompactionMessage):
            return message
    return None


def _decoded(connection: Connection, bodies: Iterable[str]) -> list[Message]:
    """Messages from their JSON, which comes newest first."""
    texts = list(bodies)
    texts.reverse()
    return messages_of(texts, connection.report)


def _within_bytes(rows: Iterable[Any]) -> Iterator[Any]:
    size = 0
    for row in rows:
        size += len(row[1])
        if size > HISTORY_BYTES:
            return
        yield row


def _until(rows: Iterable[Any], wanted: int) -> Iterator[Any]:
    """Rows until so many user messages were among them."""
    for row in rows:
        yield row
        wanted -= row[1].startswith(_USER)
        if not wanted:
            return


__all__ = ["HISTORY_BYTES", "HISTORY_MESSAGES", "context", "held", "history", "page"]
