# -*- test-case-name: tests.sessions.test_beginnings -*-
"""How sessions begin, begin anew and end: what jobs of the writer thread do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from msgspec.structs import replace

from openclaw_tx.errors import GatewayError
from openclaw_tx.sessions import entries
from openclaw_tx.sessions.archives import Archives
from openclaw_tx.sessions.entries import Found
from openclaw_tx.sessions.worker import Connection
from openclaw_tx.values import Removed, SessionEntry

CHILDREN_AT_ONCE = 50
"""Sessions of sub-agents that one transaction archives."""


class Beginnings:
    """Makes sessions, and keeps the transcripts of those that end."""

    def __init__(self, new_id: Callable[[], str], archives: Archives | None = None) -> None:
        """
        @param new_id: makes session ids.
        @param archives: takes transcripts; None = they are not kept.
        """
        self._new_id = new_id
        self._archives = archives

    def renew(self, connection: Connection, found: Found, now_ms: int) -> Found:
        """Begin a conversation anew by itself: not under a run that is at work, and only when the old one is kept.

        Neither keeps the new run from its turn; it then belongs to the old conversation, and the next one tries again.

        @return: where the new run belongs.
        """
        if not entries.is_busy(connection, found.entry.session_id):
            with suppress(GatewayError):  # The archive has reported it.
                return Found(self._begin_anew(connection, found, now_ms), 0)
        return found

    def reset(self, connection: Connection, key: str, now_ms: int, session_id: str) -> SessionEntry | None:
        """See L{openclaw_tx.interfaces.Sessions.reset}.

        The ledger keeps the runs of the old conversation, so that a repeated request finds its run. What is at work in
        it ends there: its turn is not stored.
        """
        found = _found(connection, key, session_id)
        return self._begin_anew(connection, found, now_ms) if found is not None else None

    def _begin_anew(self, connection: Connection, found: Found, now_ms: int) -> SessionEntry:
        """
        @raise GatewayError: C{storage_unavailable}: the old transcript can not be archived; nothing has changed.
        """
        old = found.entry
        if self._archives is not None:
            self._archives.keep(connection, found, "reset", now_ms)
        settings = replace(old.settings, compaction_count=0, memory_flush_at=0, memory_flush_compaction_count=None)
        entry = SessionEntry(
            key=old.key,
            agent_id=old.agent_id,
            session_id=self._new_id(),
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
            interacted_at_ms=now_ms,
            label=old.label,
            extra=old.extra,
            settings=settings,
        )
        connection.run(connection.statements.delete_session, the_session=old.session_id)
        entries.add(connection, entry)
        return entry

    def delete(
        self, connection: Connection, key: str, delete_transcript: bool, now_ms: int, session_id: str = ""
    ) -> Removed | None:
        """See L{openclaw_tx.interfaces.Sessions.delete}."""
        found = _found(connection, key, session_id)
        if found is None:
            return None
        archived: tuple[str, ...] = ()
        if self._archives is not None:
            archived = self._archives.keep(connection, found, "deleted" if delete_transcript else "", now_ms)
        entries.remove(connection, found.entry.session_id)
        return Removed(session_id=found.entry.session_id, archived=archived, agent_id=found.entry.agent_id)

    def prune_children(self, connection: Connection, before_ms: int, after: str, now_ms: int) -> entries.Pruned:
        """Archive sessions of sub-agents that were last used before a time, some of them."""
        gone = []
        statement, limit = connection.statements.old_children, CHILDREN_AT_ONCE
        rows = connection.run(statement, before=before_ms, after=after, the_limit=limit).fetchall()
        for key, session_id in rows:
            if not entries.is_busy(connection, session_id):
                with suppress(GatewayError):  # The archive has reported it; the session stays.
                    self.delete(connection, key, True, now_ms)
                    gone.append(key)
        return entries.Pruned(rows[-1][0] if len(rows) == limit else None, gone)

    def prune_archives(self, connection: Connection, now_ms: int) -> None:
        """Remove old archives."""
        if self._archives is not None:
            self._archives.prune(connection, now_ms)

    def made(self, connection: Connection, key: str, agent_id: str, now_ms: int) -> Found | None:
        """A session and where its transcript goes on; made for C{agent_id} when there is none and that is given."""
        found = entries.find(connection, key)
        if found is not None or not agent_id:
            return found
        return self.make(connection, key, agent_id, now_ms)

    def make(self, connection: Connection, key: str, agent_id: str, now_ms: int) -> Found:
        """A session that is not there yet."""
        entry = SessionEntry(
            key=key,
            agent_id=agent_id,
            session_id=self._new_id(),
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
            interacted_at_ms=now_ms,
        )
        entries.add(connection, entry)
        return Found(entry, 0)


def _found(connection: Connection, key: str, session_id: str) -> Found | None:
    """
    @raise GatewayError: C{invalid_request}: another conversation has begun under the key; "" = it does not matter.
    """
    found = entries.find(connection, key)
    if found is not None and session_id not in ("", found.entry.session_id):
        raise GatewayError("invalid_request", "the session has begun anew meanwhile")
    return found
