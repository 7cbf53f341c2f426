# -*- test-case-name: tests.wire.test_halves -*-
r"""Half surrogate pairs in JSON: C{"\ud83d"} is half a character, and no UTF-8 can hold it. Pure.

JavaScript writes them when it cuts a text between the two halves of an emoji, and reads them without a word. msgspec
takes none. So what it refuses is looked at again: a half by itself becomes U+FFFD, as it does when JavaScript sends it
on. In a stream the other half may come with the next piece; L{Halves} puts them together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

T = TypeVar("T")

REPLACEMENT = "\ufffd"

MAX_PIECE = 64 * 1024
"""Largest piece of a stream, in bytes, whose halves are kept for their neighbours; in larger ones they are U+FFFD."""

_WINDOW = 64 * 1024
_PAIR_BYTES = 12
_HIGH = rb"u[dD][89abAB][0-9a-fA-F]{2}"
_LOW = rb"u[dD][c-fC-F][0-9a-fA-F]{2}"
_BACKSLASHES = rb"\\(?<!\\\\)"
"""The first of a run of backslashes; an odd number of them is an escape."""
_run = re.compile(_BACKSLASHES)
_escape = re.compile(
    rb"%b(?:\\\\)*+(?:%b\\%b(?:\\%b\\%b)*+|(%b|%b))" % (_BACKSLASHES, _HIGH, _LOW, _HIGH, _LOW, _HIGH, _LOW)
)
"""Whole pairs, or (in the group) a half."""
_high, _low = re.compile(rb"\\" + _HIGH), re.compile(rb"\\" + _LOW)

_TEXTS = frozenset(
    ("content", "text", "reasoning_content", "reasoning", "refusal", "thinking", "partial_json", "delta", "arguments")
)
"""Fields of all vendors whose text comes in pieces."""
_WHOLE = frozenset(("args", "arguments", "input", "item", "response", "output", "error"))
"""Objects that come whole."""


def read_json(decode: Callable[[bytes], T], data: bytes | Raw) -> T:
    """C{decode(data)}; halves of pairs are read as U+FFFD.

    @param decode: reads JSON with msgspec.
    @raise Exception: whatever C{decode} raises.
    """
    try:
        return decode(data)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        text = bytes(memoryview(data))
        mended = without_halves(text)
        if mended == text:
            raise
    return decode(mended)


def read_piece(decoder: msgspec.json.Decoder[T], data: bytes) -> T | None:
    """A piece of a stream that C{decoder} refuses, if it does so for its halves. Texts may begin with half a pair, and
    end with one.

    @return: None = it is not that.
    @raise Exception: whatever C{decoder} raises.
    """
    mended = without_halves(data)
    if mended == data:
        return None
    found = decoder.decode(mended)
    if len(data) > MAX_PIECE:
        return found
    try:
        found = msgspec.convert(_trimmed(json.loads(data), keep=True), decoder.type)
    except ValueError:
        pass  # a number of so many digits that the other decoder takes offence
    return found


def without_halves(data: bytes) -> bytes:
    """JSON with U+FFFD in the place of halves, as long as before."""
    if b"\\ud" not in data and b"\\uD" not in data:
        return data
    pieces, start = [], 0
    while start < len(data):
        end = _cut(data, start, start + _WINDOW)
        pieces.append(_escape.sub(_mended, data[start:end]))
        start = end
    return b"".join(pieces)


def _mended(found: re.Match[bytes]) -> bytes:
    return found[0] if found[1] is None else found[0][:-5] + b"ufffd"


def _cut(data: bytes, start: int, at: int) -> int:
    """A place near C{at} that is in no escape, nor between the halves of a pair; C{start} is such a place."""
    backslashes = at - start - len(data[start:at].rstrip(b"\\"))
    if backslashes > 1:
        return at - backslashes % 2
    if at >= len(data) or b"\\" not in data[at - _PAIR_BYTES : at]:
        return at
    for found in _run.finditer(data, at):
        place = found.start()
        if not (_low.match(data, place) and _high.match(data, place - _PAIR_BYTES // 2)):
            return place
    return len(data)


def whole(text: str) -> str:
    """A text with its halves put together; U+FFFD for those without another."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Halves:
    """Puts together the pieces of several texts."""

    def __init__(self) -> None:
        self._held: dict[Hashable, str] = {}

    def join(self, key: Hashable, piece: str) -> str:
        """The next piece of a text, with the half that the last one ended with; half a pair at its end is held back.

        @param key: which text it is.
        """
        text = self._held.pop(key, "") + piece
        if "\ud800" <= text[-1:] <= "\udbff":
            self._held[key] = text[-1]
            text = text[:-1]
        return whole(text)

    def rest(self, key: Hashable) -> str:
        """What a text that is over still lacks: U+FFFD for a half that is held, or ""."""
        return REPLACEMENT if self._held.pop(key, "") else ""


def _trimmed(value: Any, *, keep: bool) -> Any:
    """Everything whole, but for the ends of texts that come in pieces.

    @param keep: it is in no object that comes whole.
    """
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, list):
        return [_trimmed(each, keep=keep) for each in value]
    if isinstance(value, dict):
        return {
            whole(key): _ends_kept(each)
            if keep and key in _TEXTS and isinstance(each, str)
            else _trimmed(each, keep=keep and key not in _WHOLE)
            for key, each in value.items()
        }
    return value


def _ends_kept(text: str) -> str:
    first = text[:1] if "\udc00" <= text[:1] <= "\udfff" else ""
    last = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
    return first + whole(text[len(first) : len(text) - len(last)]) + last


__all__ = ["REPLACEMENT", "Halves", "read_json", "read_piece", "whole", "without_halves"]
