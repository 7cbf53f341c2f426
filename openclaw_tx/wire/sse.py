# -*- test-case-name: tests.wire.test_sse -*-
"""Server-sent events, read piece by piece (WHATWG HTML, "Interpreting an event stream").

Only the C{data} payloads come out: no provider's stream needs ids, names or retry times. Works on bytes, so a
character may be split between two reads.
"""

from __future__ import annotations

from openclaw_tx.errors import GatewayError

MAX_EVENT_BYTES = 8 * 1024 * 1024
"""Most bytes held for one event that is not complete yet."""

_BOM = b"\xef\xbb\xbf"


class SseDecoder:
    """A push parser: feed it what arrived, get the payloads that are complete."""

    __slots__ = ("_after_cr", "_data", "_fresh", "_held", "_line", "_max")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        """
        @param max_event_bytes: bound on an event under construction, in bytes.
        """
        self._max = max_event_bytes
        self._line: list[bytes] = []  # pieces of a line whose end has not come
        self._data: list[bytes] = []  # data lines of an event whose blank line has not come
        self._held = 0
        self._after_cr = False
        self._fresh = True

    def feed(self, data: bytes) -> list[bytes]:
        """
        @return: payloads of the events that C{data} completed, in order; lines of one event are joined by LF.
        @raise GatewayError: C{provider_error}, an event is larger than the bound.
        """
        out: list[bytes] = []
        if self._after_cr and data:
            self._after_cr = False
            if data[:1] == b"\n":
                data = data[1:]
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if self._fresh and not self._line and len(data) >= len(_BOM):
            self._fresh = False
            data = data.removeprefix(_BOM)
        if self._held == 0 and not self._fresh and data.endswith(b"\n\n") and len(data) <= self._max:
            # The common case: whole events, one line each.
            for block in data[:-2].split(b"\n\n"):
                if block.startswith(b"data: ") and b"\n" not in block:
                    out.append(block[6:])
                else:
                    for line in block.split(b"\n"):
                        self._take(line, out)
                    self._take(b"", out)
            return out
        *lines, rest = data.split(b"\n")
        if lines and self._line:
            lines[0] = self._pending_line() + lines[0]
        for line in lines:
            self._take(line, out)
        if rest:
            self._line.append(rest)
            self._hold(len(rest))
        return out

    def finish(self) -> list[bytes]:
        """The stream is over: an event whose blank line never came counts all the same.

        WHATWG would drop it, but providers do close right after C{data: [DONE]}.
        """
        out: list[bytes] = []
        self._take(self._pending_line(), out)
        self._take(b"", out)
        return out

    def _pending_line(self) -> bytes:
        line = b"".join(self._line)
        self._hold(-len(line))
        self._line = []
        return line

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > self._max:
            raise GatewayError("provider_error", f"The provider sent an event of more than {self._max} bytes.")

    def _take(self, line: bytes, out: list[bytes]) -> None:
        """One line without its end; an empty one completes the event."""
        if self._fresh:
            self._fresh = False
            line = line.removeprefix(_BOM)
        if not line:
            if self._data:
                out.append(b"\n".join(self._data))
                self._hold(-sum(len(part) + 1 for part in self._data))
                self._data = []
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            value = value.removeprefix(b" ")
            self._data.append(value)
            self._hold(len(value) + 1)


__all__ = ["MAX_EVENT_BYTES", "SseDecoder"]
