# -*- test-case-name: tests.runs.test_steering -*-
"""Messages for a run that is at work already: it reads them at its next tool boundary, or before it would end."""

from __future__ import annotations

from openclaw_tx.values import TextPart, UserMessage

MAX_WAITING = 20
"""Messages that may wait for one run."""


class Steering:
    """Open while the run will still look. Between its last look and its closing nothing else happens, so whatever was
    taken in is read, unless the run is cut off."""

    __slots__ = ("_open", "_waiting")

    def __init__(self) -> None:
        self._open = False
        self._waiting: list[UserMessage] = []

    def open(self) -> None:
        """The run begins to look."""
        self._open = True

    def put(self, text: str, now_ms: int) -> bool:
        """
        @return: False = it will not be read.
        """
        if not self._open or not text.strip() or len(self._waiting) >= MAX_WAITING:
            return False
        self._waiting.append(UserMessage(content=(TextPart(text=text),), timestamp_ms=now_ms))
        return True

    def take(self) -> list[UserMessage]:
        """What waits, oldest first."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def close(self) -> list[UserMessage]:
        """The run looks no more.

        @return: what it has not read.
        """
        self._open = False
        return self.take()


__all__ = ["MAX_WAITING", "Steering"]
