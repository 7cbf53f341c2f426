# -*- test-case-name: tests.ws.test_session_events -*-
"""Which connection wants to hear of which sessions. What it may hear is decided with each event."""

from __future__ import annotations

from openclaw_tx.errors import GatewayError

MAX_KEYS = 1000
"""Sessions whose messages one connection may follow."""


class Subscriptions:
    """By the number of the connection; gone with it."""

    def __init__(self) -> None:
        self._of_sessions: set[int] = set()
        self._of_messages: dict[int, set[str]] = {}

    def __bool__(self) -> bool:
        """Anybody wants to hear anything."""
        return bool(self._of_sessions or self._of_messages)

    def follow_all(self, number: int) -> None:
        """Tell it of all sessions."""
        self._of_sessions.add(number)

    def leave_all(self, number: int) -> None:
        """No more."""
        self._of_sessions.discard(number)

    def follow(self, number: int, key: str) -> None:
        """Tell it of the messages of a session.

        @raise GatewayError: C{invalid_request}: it follows L{MAX_KEYS} already.
        """
        keys = self._of_messages.setdefault(number, set())
        if key not in keys and len(keys) >= MAX_KEYS:
            raise GatewayError("invalid_request", f"a connection follows the messages of {MAX_KEYS} sessions at most")
        keys.add(key)

    def leave(self, number: int, key: str) -> None:
        """No more."""
        keys = self._of_messages.get(number, set())
        keys.discard(key)
        if not keys:
            self._of_messages.pop(number, None)

    def forget(self, number: int) -> None:
        """The connection is gone."""
        self._of_sessions.discard(number)
        self._of_messages.pop(number, None)

    def hears_all(self, number: int) -> bool:
        """It wants to hear of all sessions."""
        return number in self._of_sessions

    def hears(self, number: int, key: str) -> bool:
        """It wants to hear of this session's messages."""
        return number in self._of_sessions or key in self._of_messages.get(number, ())


__all__ = ["MAX_KEYS", "Subscriptions"]
