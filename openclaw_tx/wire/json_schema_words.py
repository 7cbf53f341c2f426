# -*- test-case-name: tests.wire.test_json_schema -*-
"""Words of JSON Schema, and what they measure. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote


def number(value: Any) -> float | None:
    """A number of JSON; None = it is none."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    return len(value) if isinstance(value, list) else None


def _size(value: Any) -> int | None:
    return len(value) if isinstance(value, dict) else None


def _is_multiple(value: float, limit: float) -> bool:
    if isinstance(value, int) and isinstance(limit, int):
        return limit != 0 and value % limit == 0
    try:
        parts = value / limit if limit else 0.5
        return abs(parts - round(parts)) < 1e-9 * max(1.0, abs(parts))
    except OverflowError:
        return abs(value) > abs(limit)  # so much larger that a double can not tell


BOUNDS: Mapping[str, tuple[Callable[[Any], float | None], Callable[[Any, Any], bool], str]] = {
    "minimum": (number, lambda size, limit: size >= limit, "must be at least {}"),
    "maximum": (number, lambda size, limit: size <= limit, "must be at most {}"),
    "exclusiveMinimum": (number, lambda size, limit: size > limit, "must be more than {}"),
    "exclusiveMaximum": (number, lambda size, limit: size < limit, "must be less than {}"),
    "multipleOf": (number, _is_multiple, "must be a multiple of {}"),
    "minLength": (_length, lambda size, limit: size >= limit, "must have at least {} characters"),
    "maxLength": (_length, lambda size, limit: size <= limit, "must have at most {} characters"),
    "minItems": (_count, lambda size, limit: size >= limit, "must have at least {} items"),
    "maxItems": (_count, lambda size, limit: size <= limit, "must have at most {} items"),
    "minProperties": (_size, lambda size, limit: size >= limit, "must have at least {} properties"),
    "maxProperties": (_size, lambda size, limit: size <= limit, "must have at most {} properties"),
}
"""Word -> (what is measured, or None where the word does not apply; whether it will do; the complaint)."""

TYPES: Mapping[str, str] = {
    "object": "an object",
    "array": "an array",
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
"""Type words of JSON Schema and how they read in a sentence."""


def is_type(value: Any, word: str) -> bool:
    """Whether a decoded value is of a type of L{TYPES}."""
    match value:
        case None:
            return word == "null"
        case bool():
            return word == "boolean"
        case int():
            return word in ("integer", "number")
        case float():
            return word == "number" or (word == "integer" and value.is_integer())
        case str():
            return word == "string"
        case list():
            return word == "array"
        case _:
            return word == "object"


def named(value: Any) -> str:
    """The kind of a decoded JSON value, in words."""
    return next(text for word, text in TYPES.items() if is_type(value, word))


def listed(value: Any) -> list[Any]:
    """A list; empty for what is none."""
    return value if isinstance(value, list) else []


def resolved(reference: str, root: Mapping[str, Any], unknown: Any = True) -> Any:
    """The part of C{root} that a local reference names: a JSON pointer, percent-encoded or not (RFC 6901, 6).

    @param unknown: what stands for a reference that leads nowhere; True allows everything.
    """
    part: Any = root
    if reference != "#" and not reference.startswith("#/"):
        return unknown
    for name in reference[1:].split("/")[1:]:
        if isinstance(part, Mapping) and name not in part:
            name = unquote(name)
        name = name.replace("~1", "/").replace("~0", "~")
        if isinstance(part, list) and name.isdecimal() and len(name) < 10 and int(name) < len(part):
            part = part[int(name)]
        elif isinstance(part, Mapping) and name in part:
            part = part[name]
        else:
            return unknown
    return part


__all__ = ["BOUNDS", "TYPES", "is_type", "listed", "named", "number", "resolved"]
