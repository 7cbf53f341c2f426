# -*- test-case-name: tests.ws.test_session_events -*-
"""Who is told what becomes of sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from twisted.logger import Logger

from openclaw_tx.values import SessionChange, SessionEntry


class News:
    """Listeners of one store."""

    _log = Logger()

    def __init__(self) -> None:
        self._listeners: list[Callable[[SessionChange], None]] = []

    def __bool__(self) -> bool:
        """Anybody listens."""
        return bool(self._listeners)

    def subscribe(self, listener: Callable[[SessionChange], None]) -> None:
        """See L{openclaw_tx.interfaces.SessionNews.subscribe}."""
        self._listeners.append(listener)

    def tell(self, change: SessionChange | None) -> None:
        """A change is durable; None = there was none."""
        if change is None:
            return
        for listener in self._listeners:
            try:
                listener(change)
            except Exception:
                self._log.failure("a listener failed on the news of a session")

    def changed(self, reason: Literal["patch", "reset", "compact"], entry: SessionEntry | None) -> SessionEntry | None:
        """Tell of an entry, if there is one, and hand it on."""
        if entry is not None:
            self.tell(SessionChange(key=entry.key, agent_id=entry.agent_id, reason=reason, entry=entry))
        return entry


__all__ = ["News"]
