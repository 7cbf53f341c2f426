# -*- test-case-name: tests.runs.test_system_events -*-
"""News for agents that no message of a client brings: a background command has ended, a job was due, somebody said wake
(spec 2.10). Kept in memory: what is lost with the process was news of that process."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence

MAX_EVENTS = 20
"""Events of one session; the oldest go."""

MAX_SESSIONS = 1000
"""Sessions with events; the one that got its last event longest ago goes."""

MAX_CHARS = 80_000
"""Characters of all events of one session; of more the oldest go. One that is longer alone is cut."""


class SystemEventQueue:
    """Implements L{openclaw_tx.interfaces.SystemEvents}."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, deque[str]] = OrderedDict()

    def add(self, session_key: str, text: str) -> None:
        """See L{openclaw_tx.interfaces.SystemEvents.add}; the same text twice in a row is one event."""
        text = text.strip()
        if not text:
            return
        events = self._sessions.setdefault(session_key, deque(maxlen=MAX_EVENTS))
        self._sessions.move_to_end(session_key)
        cut = text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]} [cut]"
        if not events or events[-1] != cut:
            events.append(cut)
        while len(events) > 1 and sum(map(len, events)) > MAX_CHARS:
            events.popleft()
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)

    def take(self, session_key: str) -> Sequence[str]:
        """See L{openclaw_tx.interfaces.SystemEvents.take}."""
        return tuple(self._sessions.pop(session_key, ()))

    def peek(self, session_key: str) -> Sequence[str]:
        """See L{openclaw_tx.interfaces.SystemEvents.peek}."""
        return tuple(self._sessions.get(session_key, ()))


__all__ = ["SystemEventQueue"]
