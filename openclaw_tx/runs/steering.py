# -*- test-case-name: tests.runs.test_loop,tests.runs.test_carried -*-
"""Messages for a run that is at work already: it reads them at its next tool boundary, or before it would end."""

from __future__ import annotations

from openclaw_tx.values import TextPart, UserMessage

MAX_WAITING = 20
"""Messages that may wait for one run."""

MAX_CARRIED = 200
"""Messages with keys of their own that one run reads, for each is remembered with it."""


class Steering:
    """Open while the run will still look. Between its last look and its closing nothing else happens, so whatever was
    taken in is read, unless the run is cut off."""

    __slots__ = ("_keyed", "_open", "_waiting")

    def __init__(self) -> None:
        self._keyed = 0
        self._open = False
        self._waiting: list[UserMessage] = []

    def open(self) -> None:
        """The run begins to look."""
        self._open = True

    def put(self, text: str, now_ms: int, run_id: str = "") -> bool:
        """
        @param run_id: what its client knows it by; "" = nobody will look for it.
        @return: False = it will not be read.
        """
        if not self._open or not text.strip() or len(self._waiting) >= MAX_WAITING:
            return False
        if run_id:
            if self._keyed >= MAX_CARRIED:
                return False
            self._keyed += 1
        self._waiting.append(UserMessage(content=(TextPart(text=text),), timestamp_ms=now_ms, run_id=run_id))
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


__all__ = ["MAX_CARRIED", "MAX_WAITING", "Steering"]
