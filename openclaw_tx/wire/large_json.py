# -*- test-case-name: tests.wire.test_large_json -*-
"""Large JSON from strangers: bounded in how many values it holds, and decoded in steps none of which takes long. Pure.

20 MB of text are decoded in milliseconds, but 20 MB of C{{},} are six million objects and take a second. A thread does
not help: the decoder keeps the interpreter to itself until it is done. So values are counted first, fields that nobody
reads are skipped, and what is left is decoded piece by piece; between two pieces other threads get their turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import Raw

LARGE = 256 * 1024
"""JSON from this size on, in bytes, is worth the trouble, and a thread."""

MAX_VALUES = 500_000
"""Most values in one document."""

MAX_PIECE_VALUES = 100_000
"""Most values in one piece that is L{LARGE} itself: an element of an array, or a field that is none."""

MAX_DEPTH = 128
"""Deepest nesting of arrays and objects that is taken from anybody. The interpreter's own limit is higher, but depends
on its version and on who is calling: what was read within it can be too deep for somebody further down."""

_WINDOW = 64 * 1024
_INSIDE = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
"""As much of a string as there is before its end, or before an escape that is cut in two."""

_MARK = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)
"""A string, whole or cut off, or a bracket."""

_items = msgspec.json.Decoder(list[Raw])

ReadFields = Callable[[bytes], dict[str, Any]]


class TooManyValues(Exception):
    """A document or a piece of it holds more values than it may."""


def fields_reader(names: Iterable[str]) -> ReadFields:
    """Makes a function that reads some fields of a large JSON object and skips all others.

    @param names: the fields.
    @return: takes bytes, gives the fields that are there, by name; of repeated ones the last. It raises
        L{TooManyValues}, and whatever C{msgspec.json.decode} raises; C{msgspec.ValidationError} when it is no object.
    """
    listed = tuple(names)
    kind: Any = msgspec.defstruct("Fields", [(name, Raw, msgspec.field(default=Raw())) for name in listed])
    skeleton = msgspec.json.Decoder(kind)

    def read(data: bytes) -> dict[str, Any]:
        if has_more_values(data, MAX_VALUES):
            raise TooManyValues
        found = skeleton.decode(data)
        raws = ((name, getattr(found, name)) for name in listed)
        return {name: _pieces(memoryview(raw)) for name, raw in raws if len(memoryview(raw))}

    return read


def is_too_deep(data: bytes | memoryview, most: int = MAX_DEPTH) -> bool:
    """Whether JSON is nested deeper than C{most}. From L{LARGE} bytes on this is work for a thread."""
    text = bytes(data)
    if text.count(b"[") + text.count(b"{") <= most:
        return False  # not even if all of them were open at once
    depth = 0
    for found in _MARK.finditer(text):
        mark = text[found.start()]
        depth += (mark in b"[{") - (mark in b"]}")
        if depth > most:
            return True
    return False


def has_more_values(data: bytes | memoryview, limit: int) -> bool:
    """Whether JSON holds more than about C{limit} values; stops as soon as it is known.

    Each comma, bracket and brace outside of strings stands for a value.
    """
    if not _has_more_separators(data, limit):
        return False  # not even with those in strings: the common case, at the speed of memchr
    text = bytes(data)
    found = position = 0
    while found <= limit and position < len(text):
        end = text.find(b'"', position, position + _WINDOW)
        if end < 0:
            found += _separators(text, position, position + _WINDOW)
            position += _WINDOW
        else:
            found += _separators(text, position, end)
            position = _end_of_string(text, end + 1)
    return found > limit


def _has_more_separators(data: bytes | memoryview, limit: int) -> bool:
    view, found = memoryview(data), 0
    for start in range(0, len(view), _WINDOW):
        window = bytes(view[start : start + _WINDOW])
        found += _separators(window, 0, len(window))
        if found > limit:
            return True
    return False


def _separators(text: bytes, start: int, end: int) -> int:
    return text.count(b",", start, end) + text.count(b"{", start, end) + text.count(b"[", start, end)


def _end_of_string(text: bytes, start: int) -> int:
    """Position after the quote that ends a string; the end of the text when none does."""
    while True:
        inside = _INSIDE.match(text, start, start + _WINDOW)
        stop = inside.end() if inside is not None else start
        if text[stop : stop + 1] == b'"':
            return stop + 1
        if stop == start:
            return len(text)  # it ends in the middle of an escape
        start = stop


def _pieces(raw: memoryview) -> Any:
    """One field: an array by its elements, everything else at once. (0x5B opens an array.)"""
    if len(raw) < LARGE or raw[0] != 0x5B:
        return _piece(raw)
    return [_piece(memoryview(item)) for item in _items.decode(raw)]


def _piece(raw: memoryview) -> Any:
    if len(raw) >= LARGE and has_more_values(raw, MAX_PIECE_VALUES):
        raise TooManyValues
    return msgspec.json.decode(raw)


__all__ = [
    "LARGE",
    "MAX_DEPTH",
    "MAX_PIECE_VALUES",
    "MAX_VALUES",
    "ReadFields",
    "TooManyValues",
    "fields_reader",
    "has_more_values",
    "is_too_deep",
]
