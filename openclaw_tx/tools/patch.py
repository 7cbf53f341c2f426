# -*- test-case-name: tests.tools.test_patch -*-
"""The patch format that models of OpenAI's are taught for C{apply_patch}, read. Pure.

::

    *** Begin Patch
    *** Add File: notes/new.md
    +every line of it
    *** Update File: src/old.py
    *** Move to: src/new.py
    @@ def main():
     a line that stays
    -a line that goes
    +a line that comes
    *** Delete File: src/gone.py
    *** End Patch

C{@@} names a line that stands somewhere above the passage; several narrow it down further. C{*** End of File} after a
passage means that it is the last of the file. How passages are found is in L{openclaw_tx.tools.patching}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple, NoReturn

from openclaw_tx.tools.typed import NotDone

BEGIN, END = "*** Begin Patch", "*** End Patch"
_ADD, _UPDATE, _DELETE = "*** Add File:", "*** Update File:", "*** Delete File:"
_MOVE, _END_OF_FILE = "*** Move to:", "*** End of File"
_LINE_NUMBERS = re.compile(r"-\d+(,\d+)? \+\d+(,\d+)? @@")
"""What follows C{@@} in a unified diff: numbers that models make up."""


class BadPatch(NotDone):
    """A patch that is none."""


class Line(NamedTuple):
    """A line of a passage."""

    kind: Literal[" ", "-", "+"]
    """It stays, goes or comes."""
    text: str


class Hunk(NamedTuple):
    """A passage that changes."""

    above: tuple[str, ...]
    """Lines that stand above it, in order."""
    lines: tuple[Line, ...]
    at_end: bool
    """Nothing follows it in the file."""


class AddFile(NamedTuple):
    """A new file."""

    path: str
    text: str


class UpdateFile(NamedTuple):
    """A file that changes, or gets another name, or both."""

    path: str
    move_to: str
    """"" = it keeps its name."""
    hunks: tuple[Hunk, ...]


class DeleteFile(NamedTuple):
    """A file that goes."""

    path: str


Operation = AddFile | UpdateFile | DeleteFile


def parse(text: str) -> list[Operation]:
    """Read a patch.

    @raise BadPatch: it is none; the text names the line.
    """
    lines = _Lines(text)
    operations = list(_operations(lines))
    if not operations:
        raise BadPatch("The patch is empty: there is no *** Add File, *** Update File or *** Delete File in it.")
    return operations


class _Lines:
    """The lines within the envelope, one after the other."""

    def __init__(self, text: str) -> None:
        lines = [line.removesuffix("\r") for line in text.strip().split("\n")]
        self._at = 0
        # Models wrap it into a here-document or a code block.
        if lines[0].startswith(("<<", "```", "apply_patch")) and len(lines) > 2:
            self._at = 1
            lines.pop()
        if lines[self._at].strip() != BEGIN:
            self._at = 0
            self.wrong(f"the patch must begin with {BEGIN!r}")
        if lines[-1].strip() != END:
            self._at = len(lines) - 1
            self.wrong(f"the patch must end with {END!r}")
        self._at += 1
        self._lines = lines[:-1]

    def peek(self) -> str | None:
        """The next line; None = there are no more."""
        return self._lines[self._at] if self._at < len(self._lines) else None

    def take(self) -> str:
        """The next line, which is there."""
        self._at += 1
        return self._lines[self._at - 1]

    def value(self, marker: str) -> str:
        """What follows a marker if that is the next line; "" = it is not."""
        line = self.peek()
        if line is None or not line.startswith(marker):
            return ""
        value = line[len(marker) :].strip()
        if not value:
            self.wrong(f"{marker} names no file")
        self._at += 1
        return value

    def wrong(self, what: str) -> NoReturn:
        """
        @raise BadPatch: always.
        """
        raise BadPatch(f"Line {self._at + 1} of the patch: {what}.")


def _operations(lines: _Lines) -> Iterator[Operation]:
    while lines.peek() is not None:
        if path := lines.value(_ADD):
            yield AddFile(path, _added(lines))
        elif path := lines.value(_UPDATE):
            move_to = lines.value(_MOVE)
            hunks = tuple(_hunks(lines))
            if not hunks and not move_to:
                lines.wrong(f"nothing is to change in {path}")
            yield UpdateFile(path, move_to, hunks)
        elif path := lines.value(_DELETE):
            yield DeleteFile(path)
        elif lines.peek() == "":
            lines.take()
        else:
            lines.wrong("expected *** Add File, *** Update File or *** Delete File")


def _added(lines: _Lines) -> str:
    added = []
    while (line := lines.peek()) is not None and not line.startswith("*** "):
        if not line.startswith("+"):
            if line == "":
                break
            lines.wrong("every line of a new file begins with +")
        added.append(lines.take()[1:])
    return "".join(f"{line}\n" for line in added)


def _hunks(lines: _Lines) -> Iterator[Hunk]:
    while (line := lines.peek()) is not None and (line == _END_OF_FILE or not line.startswith("*** ")):
        above = []
        while (line := lines.peek()) is not None and line.startswith("@@"):
            lines.take()
            name = line[2:].strip()
            if name and not _LINE_NUMBERS.match(name):
                above.append(name.removesuffix("@@").rstrip() if name.endswith(" @@") else name)
        found = _passage(lines)
        at_end = lines.peek() == _END_OF_FILE
        if at_end:
            lines.take()
        if any(part.kind != " " for part in found):
            yield Hunk(tuple(above), tuple(found), at_end)
        elif not found:
            if line is None and not above:
                return
            lines.wrong("a passage is empty")


def _passage(lines: _Lines) -> list[Line]:
    found: list[Line] = []
    bare = 0
    while (line := lines.peek()) is not None and not line.startswith(("@@", "*** ")):
        kind = line[:1]
        if kind not in ("", " ", "-", "+"):
            lines.wrong("every line of a passage begins with a space, - or +")
        # An empty line is one that stays, whose space was lost; at the end it is none of the passage's.
        bare = bare + 1 if not kind else 0
        found.append(Line("-" if kind == "-" else "+" if kind == "+" else " ", line[1:]))
        lines.take()
    return found[: len(found) - bare]


__all__ = ["BEGIN", "END", "AddFile", "BadPatch", "DeleteFile", "Hunk", "Line", "Operation", "UpdateFile", "parse"]
