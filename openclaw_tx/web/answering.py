# -*- test-case-name: tests.web.test_answering -*-
# mypy: allow-untyped-calls
"""How answers leave an HTTP connection: what one read causes in one piece, with a head that is put together once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from twisted.web.http import HTTPChannel
from twisted.web.http_headers import Headers

from openclaw_tx.sending import MAX_HELD, Turn, send_now


class Turning(Protocol):
    """What the connection belongs to."""

    turn: Turn


class HoldingChannel(HTTPChannel):
    """The writing half of a connection."""

    site: Turning

    def __init__(self) -> None:
        super().__init__()
        self._held: list[bytes] = []
        """What is written during a turn."""
        self._held_bytes = 0

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        """The head of an answer; L{Headers} has made sure of its values."""
        lines = [b"%s %s %s\r\n%s" % (version, code, reason, self.requests[0].head)]
        for name, values in headers.getAllRawHeaders():
            lines += [b"%s: %s\r\n" % (name, value) for value in values]
        lines.append(b"\r\n")
        self.write(b"".join(lines))

    def write(self, data: bytes) -> None:
        """A piece of an answer: it leaves at the end of the turn, or right now if there is none."""
        turn = self.site.turn
        if not turn.runs:
            send_now(self.transport, data)
            return
        if not self._held:
            turn.wait(self)
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > MAX_HELD:
            self.flush()

    def writeSequence(self, pieces: Iterable[bytes]) -> None:
        """See L{write}."""
        self.write(b"".join(pieces))

    def flush(self) -> None:
        """Send what is held."""
        if self._held:
            data = b"".join(self._held)
            self._held.clear()
            self._held_bytes = 0
            if self.transport is not None:
                send_now(self.transport, data)

    def loseConnection(self) -> None:
        """Close it, after what was written."""
        self.flush()
        super().loseConnection()


__all__ = ["HoldingChannel"]
