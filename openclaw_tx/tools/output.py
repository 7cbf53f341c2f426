# -*- test-case-name: tests.tools.test_output -*-
"""What a command printed: its end is kept, its beginning counted; and what of it is fit to be read. Pure."""

from __future__ import annotations

import codecs
import re
from collections import deque

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, movements
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: titles, links
    r"|\x1b[PX^_][^\x1b]*\x1b\\"  # strings of other kinds
    r"|\x1b[ -/]*[0-~]"
)
"""Control sequences of terminals (ECMA-48)."""

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""All controls but tab and newline."""

_LINE_ENDS = re.compile(r"(\r++)(\n?)")


class Output:
    """The newest characters of a stream of bytes, decoded as UTF-8; what is no UTF-8 becomes U+FFFD.

    @ivar total: characters that ever came.
    """

    def __init__(self, limit: int) -> None:
        """
        @param limit: characters that are kept.
        """
        self._limit = limit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pieces: deque[str] = deque()
        self._held = 0
        self.total = 0

    def __len__(self) -> int:
        """Characters held."""
        return self._held

    @property
    def dropped(self) -> int:
        """Characters of the beginning that are no longer held."""
        return self.total - self._held

    def add(self, data: bytes) -> None:
        """More came."""
        self._append(self._decoder.decode(data))

    def end(self) -> None:
        """Nothing more comes: half a character at the end is one that is broken."""
        self._append(self._decoder.decode(b"", True))

    def clear(self) -> None:
        """Forget what is held; L{total} goes on."""
        self._pieces.clear()
        self._held = 0

    def since(self, position: int) -> str:
        """What came after the first C{position} characters, as far as it is held."""
        text = "".join(self._pieces)
        if len(self._pieces) > 1:
            self._pieces = deque([text])
        return text[max(0, position - self.dropped) :]

    def tail(self, characters: int) -> str:
        """The last characters."""
        return self.since(self.total - characters)

    def _append(self, text: str) -> None:
        if not text:
            return
        self._pieces.append(text)
        self._held += len(text)
        self.total += len(text)
        while self._held > self._limit:
            first = self._pieces.popleft()
            keep = max(0, len(first) - (self._held - self._limit))
            self._held -= len(first) - keep
            if keep:
                self._pieces.appendleft(first[len(first) - keep :])


def readable(text: str) -> str:
    """C{text} without what only a terminal understands; a carriage return ends a line."""
    return _CONTROLS.sub("", _LINE_ENDS.sub(_ended, _ESCAPES.sub("", text)))


def _ended(found: re.Match[str]) -> str:
    """One line's end, or one for each carriage return that stands for itself."""
    return "\n" if found[2] else "\n" * len(found[1])


__all__ = ["Output", "readable"]
