# -*- test-case-name: tests.config.test_json5 -*-
"""JSON5 (https://spec.json5.org): JSON that people write, with comments, trailing commas and unquoted keys.

The one door to the parser: pyjson5, which is compiled, fast enough to run in the reactor's thread, and bounded in
depth. C{NaN} and C{Infinity} are refused: no setting has a use for them.
"""

from __future__ import annotations

import math
import re
from typing import Any

MAX_DEPTH = 64
"""Deepest nesting of objects and arrays, in a file and in what its includes make of it."""

_NAMES = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_PLACE = re.compile(r"(?:starting )?near (\d+)")


class Json5Error(ValueError):
    """The text is not JSON5.

    @ivar line: from 1.
    @ivar column: from 1, in characters.
    """

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.line = line
        self.column = column


def loads(text: str) -> Any:
    """The value of a JSON5 document.

    @raise Json5Error: it is none, is nested deeper than L{MAX_DEPTH}, or has a number that is none.
    """
    # Imported with the first file that is not plain JSON: most starts do without.
    import pyjson5

    try:
        value = pyjson5.decode(text, maxdepth=MAX_DEPTH)
    except pyjson5.Json5NestingTooDeep as error:
        raise _at(text, f"nested more than {MAX_DEPTH} deep", error) from None
    except pyjson5.Json5DecoderException as error:
        raise _at(text, _plain(str(error.args[0])), error) from None
    except UnicodeError:
        raise Json5Error("a lone surrogate is not text", 1, 1) from None
    number = _not_finite(value)
    if number is not None:
        place = max(text.find(word) for word in ("NaN", "Infinity"))
        raise _error(text, f"{_NAMES.get(str(number), number)} is not accepted", max(place, 0))
    return value


def is_too_deep(value: Any) -> bool:
    """Whether a document is nested deeper than L{MAX_DEPTH}."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            item
            for holder in level
            if isinstance(holder, dict | list)
            for item in (holder.values() if isinstance(holder, dict) else holder)
        ]
        if not level:
            return False
    return True


def _plain(message: str) -> str:
    """The parser's words without its places and bytes literals."""
    words = re.sub(r"b'(\w+)'", r"\1", _PLACE.sub("", message))
    return " ".join(words.replace(" ,", ",").split())[:120]


def _at(text: str, message: str, error: Exception) -> Json5Error:
    place = _PLACE.search(str(error.args[0]))
    # The parser counts the character it stumbled over.
    return _error(text, message, max(0, int(place[1]) - 1) if place is not None else 0)


def _error(text: str, message: str, offset: int) -> Json5Error:
    lines = re.split(r"\r\n?|\n", text[:offset])
    return Json5Error(message, len(lines), len(lines[-1]) + 1)


def _not_finite(value: Any) -> float | None:
    """The first number that is NaN or infinite, anywhere in a document."""
    if isinstance(value, float):
        return None if math.isfinite(value) else value
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((found for item in items if (found := _not_finite(item)) is not None), None)


__all__ = ["MAX_DEPTH", "Json5Error", "is_too_deep", "loads"]
