# -*- test-case-name: tests.ws.test_session_events -*-
"""Who is told what becomes of sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from twisted.logger import Logger

from openclaw_tx.listeners import Listeners
from openclaw_tx.sessions.entries import Pruned
from openclaw_tx.sessions.keys import agent_of
from openclaw_tx.sessions.ledger import Turn
from openclaw_tx.values import Message, SessionChange, SessionEntry, StoredRun


class News:
    """Listeners of one store."""

    def __init__(self) -> None:
        self._listeners: Listeners[SessionChange] = Listeners(Logger(), "sessions")

    def __bool__(self) -> bool:
        """Anybody listens."""
        return bool(self._listeners)

    def subscribe(self, listener: Callable[[SessionChange], None]) -> None:
        """See L{openclaw_tx.interfaces.SessionNews.subscribe}."""
        self._listeners.subscribe(listener)

    def tell(self, change: SessionChange | None) -> None:
        """A change is durable; None = there was none."""
        if change is not None:
            self._listeners.tell(change)

    def begun(self, run: StoredRun, turn: Turn) -> None:
        """Tell what a run was asked."""
        self.renewed(turn)
        if not turn.added or not _is_told(run):
            return
        self.tell(
            SessionChange(
                key=turn.entry.key,
                agent_id=turn.entry.agent_id,
                reason="begin",
                entry=turn.entry,
                messages=turn.added,
                position=turn.position,
                run_id=run.run_id,
            )
        )

    def pruned(self, pruned: Pruned) -> str | None:
        """Tell of sessions that are no more, and hand on where to go on."""
        for key in pruned.gone:
            self.tell(SessionChange(key=key, agent_id=agent_of(key), reason="delete"))
        return pruned.last

    def renewed(self, turn: Turn) -> None:
        """Tell that a session has begun anew by itself, if it has."""
        if turn.renewed:
            self.changed("reset", turn.entry)

    def changed(self, reason: Literal["patch", "reset", "compact"], entry: SessionEntry | None) -> SessionEntry | None:
        """Tell of an entry, if there is one, and hand it on."""
        if entry is not None:
            self.tell(SessionChange(key=entry.key, agent_id=entry.agent_id, reason=reason, entry=entry))
        return entry


def told_before(run: StoredRun, begun: Sequence[Message], added: Sequence[Message]) -> frozenset[int]:
    """Which of the messages of a turn were told when it began."""
    if not _is_told(run):
        return frozenset()
    known = {id(message) for message in begun}
    return frozenset(number for number, message in enumerate(added) if id(message) in known)


def _is_told(run: StoredRun) -> bool:
    """Whether it is told what a run was asked when it begins. Heartbeats may leave nothing behind: theirs is told with
    what came of it."""
    return run.trigger != "heartbeat"


__all__ = ["News", "told_before"]
