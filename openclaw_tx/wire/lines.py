# -*- test-case-name: tests.wire.test_lines -*-
"""JSON values on a line each (NDJSON), read piece by piece. Works on bytes, like L{openclaw_tx.wire.sse}."""

from __future__ import annotations

from openclaw_tx.errors import GatewayError
from openclaw_tx.wire.sse import MAX_EVENT_BYTES


class LineDecoder:
    """A push parser: feed it what arrived, get the lines that are complete, without their ends; blank ones do not
    count."""

    __slots__ = ("_held", "_max", "_parts")

    def __init__(self, max_line_bytes: int = MAX_EVENT_BYTES) -> None:
        """
        @param max_line_bytes: bound on a line whose end has not come, in bytes.
        """
        self._max = max_line_bytes
        self._parts: list[bytes] = []
        self._held = 0

    def feed(self, data: bytes) -> list[bytes]:
        """
        @return: the lines that C{data} completed, in order.
        @raise GatewayError: C{provider_error}, a line is longer than the bound.
        """
        *lines, rest = data.split(b"\n")
        if lines and self._parts:
            lines[0] = b"".join([*self._parts, lines[0]])
            self._parts, self._held = [], 0
        if rest:
            self._parts.append(rest)
            self._held += len(rest)
        if self._held > self._max:
            raise GatewayError("provider_error", f"The provider sent a line of more than {self._max} bytes.")
        return [line for line in (line.strip() for line in lines) if line]

    def finish(self) -> list[bytes]:
        """The stream is over: a last line without an end counts too."""
        line = b"".join(self._parts).strip()
        self._parts, self._held = [], 0
        return [line] if line else []


__all__ = ["LineDecoder"]
