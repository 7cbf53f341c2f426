# -*- test-case-name: tests.tools.test_excerpt -*-
"""Some lines of a text file, however large it is: bounded in lines, in bytes, and in what is looked through."""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

from openclaw_tx.tools.typed import NotDone

MAX_LINES = 2000
"""Lines of one excerpt."""

MAX_BYTES = 50 * 1024
"""Bytes of one excerpt."""

MAX_SCAN = 64 * 1024 * 1024
"""Bytes that are looked through for the beginning of the excerpt, and again for the number of lines."""

_CHUNK = 256 * 1024


class OutOfReach(NotDone):
    """The excerpt would begin behind the end, or too far into the file; the text is a sentence."""


class Excerpt(NamedTuple):
    """What was read."""

    text: str
    """Lines with LF between and behind them; what is no UTF-8 is replaced."""
    first: int
    """Number of the first line, from 1."""
    last: int
    """Number of the last line; less than C{first} when the file is empty."""
    total: int | None
    """Lines of the file; None = they were too many to count."""
    is_cut: bool
    """The one line is longer than an excerpt, and its rest was left out."""

    @property
    def is_all(self) -> bool:
        """Nothing follows."""
        return self.last == self.total and not self.is_cut


def excerpt(file: BinaryIO, first: int = 1, lines: int = MAX_LINES, size: int = MAX_BYTES) -> Excerpt:
    """Read some lines.

    @param file: at its beginning.
    @param first: number of the first line wanted, from 1.
    @param lines: how many are wanted; more than L{MAX_LINES} are not given.
    @param size: bytes of the excerpt at most.
    @raise OutOfReach: C{first} can not be had.
    """
    data = _from_line(file, first)
    if len(data) <= size:
        data += file.read(size + 1 - len(data))
    lines = min(lines, MAX_LINES)
    end, count = 0, 0
    while count < lines and (stop := data.find(b"\n", end, size)) >= 0:
        end, count = stop + 1, count + 1
    rest = data[end:]
    is_cut = count == 0 and len(data) > size
    if is_cut:
        shown, rest = data[:size], data[size:]
    elif rest and count < lines and len(data) <= size:  # the last line, without an end
        shown, rest, count = data, b"", count + 1
    else:
        shown = data[:end]
    last = first - 1 + count + is_cut
    total = _total(file, rest, last - is_cut)
    text = shown.decode("utf-8", "ignore" if is_cut else "replace").replace("\r\n", "\n").replace("\0", "\ufffd")
    return Excerpt(text.removeprefix("\ufeff") if first == 1 else text, first, last, total, is_cut)


def _from_line(file: BinaryIO, first: int) -> bytes:
    """Read up to a line.

    @return: its beginning, as far as it was read.
    """
    line, begun, scanned = 1, False, 0
    while line < first and (chunk := file.read(_CHUNK)):
        scanned += len(chunk)
        if scanned > MAX_SCAN:
            raise OutOfReach(f"Line {first} is more than {MAX_SCAN // 2**20} MiB into the file.")
        ends = chunk.count(b"\n")
        if line + ends >= first:
            rest = chunk.split(b"\n", first - line)[-1] or file.read(_CHUNK)
            if rest:
                return rest
        line, begun = line + ends, not chunk.endswith(b"\n")
    if first > 1:
        there = line if begun else line - 1
        raise OutOfReach(f"There is no line {first}; the file has {there}.")
    return b""


def _total(file: BinaryIO, rest: bytes, before: int) -> int | None:
    """Count the lines of a file.

    @param rest: what was read but does not belong to the C{before} lines.
    """
    scanned, count, ends_well = 0, before, True
    while rest:
        scanned += len(rest)
        if scanned > MAX_SCAN:
            return None
        count += rest.count(b"\n")
        ends_well = rest.endswith(b"\n")
        rest = file.read(_CHUNK)
    return count + (not ends_well)


__all__ = ["MAX_BYTES", "MAX_LINES", "MAX_SCAN", "Excerpt", "OutOfReach", "excerpt"]
