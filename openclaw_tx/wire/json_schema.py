# -*- test-case-name: tests.wire.test_json_schema -*-
"""A decoded JSON value against a JSON Schema (draft 2020-12), for arguments of tools and structured answers. Pure.

Enforced: C{type}, C{enum}, C{const}, C{properties}, C{required}, C{additionalProperties}, C{dependentRequired},
C{items}, C{prefixItems}, C{uniqueItems}, C{anyOf}, C{oneOf}, C{allOf}, C{not}, C{if}/C{then}/C{else}, local C{$ref},
and the bounds of numbers, strings, arrays and objects. C{pattern}, C{format} and the rest are hints: a pattern that
a client wrote could keep the reactor busy for years.

Schemas come from clients: the work is bounded, and words of the wrong type are passed over (L{flaws} names them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import unquote

import msgspec

MAX_COMPLAINTS = 5
"""A model is told of this many mistakes at a time."""

MAX_STEPS = 100_000
"""Pairs of value and schema that one check looks at, at most."""


class Unchecked(ValueError):
    """A value could not be checked: it would take too much work."""


def complaints(value: Any, schema: Any) -> list[str]:
    """What is wrong with C{value}, a clause for each mistake; no more than L{MAX_COMPLAINTS}.

    @raise Unchecked: the schema sends the check around in circles.
    """
    try:
        return list(islice(_Check(schema).run(value, schema, ""), MAX_COMPLAINTS))
    except RecursionError:
        raise Unchecked("it is nested too deeply") from None


def flaws(schema: Mapping[str, Any]) -> Iterator[str]:
    """Words of a schema that can not be used as they stand, each as a clause that names its place.

    @raise RecursionError: it is nested too deeply.
    """
    yield from _flaws(schema, schema, "")


class _Check:
    """One value against one schema."""

    def __init__(self, root: Any) -> None:
        self._root = root if isinstance(root, Mapping) else {}
        self._steps = 0
        self._known: dict[int, frozenset[tuple[bool, Any]]] = {}
        """Identity of an C{enum} -> its options but for arrays and objects, and whether each is a boolean."""

    def run(self, value: Any, schema: Any, path: str) -> Iterator[str]:
        """What is wrong with C{value}.

        @param schema: the part of the whole schema that speaks of C{value}.
        @param path: where C{value} stands, e.g. C{edits[2].path}; "" for the whole.
        """
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise Unchecked("the schema takes too much work to check")
        if not isinstance(schema, Mapping):
            if schema is False:
                yield f"{_at(path)} is not allowed"
            return
        if isinstance(schema.get("$ref"), str):
            yield from self.run(value, _resolved(schema["$ref"], self._root), path)
        wrong_type = _type_complaint(value, schema.get("type"))
        if wrong_type:
            yield f"{_at(path)} {wrong_type}"
            return
        options = schema.get("enum")
        if isinstance(options, list) and not self._is_option(value, options):
            yield f"{_at(path)} must be one of {_json(options)}"
        if "const" in schema and not _same(value, schema["const"]):
            yield f"{_at(path)} must be {_json(schema['const'])}"
        if not _COMBINING.isdisjoint(schema):
            yield from self._combined(value, schema, path)
        if not BOUNDS.keys().isdisjoint(schema):
            yield from _bounds(value, schema, path)
        if isinstance(value, dict):
            yield from self._object(value, schema, path)
        elif isinstance(value, list):
            yield from self._array(value, schema, path)

    def _is_option(self, value: Any, options: list[Any]) -> bool:
        """Whether an enumeration holds C{value}. A long one is not gone through again for each item of a list."""
        if isinstance(value, list | dict):
            self._steps += len(options)
            return any(_same(value, option) for option in options)
        known = self._known.get(id(options))
        if known is None:
            plain = (option for option in options if not isinstance(option, list | dict))
            known = self._known[id(options)] = frozenset((isinstance(option, bool), option) for option in plain)
        return (isinstance(value, bool), value) in known

    def _fits(self, value: Any, schema: Any, path: str) -> bool:
        return next(self.run(value, schema, path), None) is None

    def _combined(self, value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
        for part in _list(schema.get("allOf")):
            yield from self.run(value, part, path)
        for word in ("anyOf", "oneOf"):
            if options := _list(schema.get(word)):
                yield from self._choice(value, options, path, only_one=word == "oneOf")
        if "not" in schema and self._fits(value, schema["not"], path):
            yield f"{_at(path)} is of a kind that is ruled out"
        if "if" in schema:
            branch = "then" if self._fits(value, schema["if"], path) else "else"
            yield from self.run(value, schema.get(branch, True), path)

    def _choice(self, value: Any, options: list[Any], path: str, *, only_one: bool) -> Iterator[str]:
        """When no option fits, an option of the right type tells what is wrong, else the first one."""
        found = [list(islice(self.run(value, option, path), MAX_COMPLAINTS)) for option in options]
        if all(found):
            right = (
                told
                for option, told in zip(options, found, strict=True)
                if isinstance(option, Mapping) and "type" in option and not _type_complaint(value, option["type"])
            )
            yield from next(right, found[0])
        elif only_one and found.count([]) > 1:
            yield f"{_at(path)} fits more than one of the options"

    def _object(self, value: dict[str, Any], schema: Mapping[str, Any], path: str) -> Iterator[str]:
        properties = schema.get("properties")
        properties = properties if isinstance(properties, Mapping) else {}
        needed = [name for name in _list(schema.get("required")) if isinstance(name, str)]
        dependent = schema.get("dependentRequired")
        for name, others in dependent.items() if isinstance(dependent, Mapping) else ():
            if name in value:
                needed += [other for other in _list(others) if isinstance(other, str)]
        for name in dict.fromkeys(needed):
            if name not in value:
                yield f'"{name}" is missing' + (f" in {_at(path)}" if path else "")
        # Names that a pattern may stand for are anybody's guess.
        others = True if "patternProperties" in schema else schema.get("additionalProperties", True)
        for name, item in value.items():
            inner = f"{path}.{name}" if path else name
            if name in properties:
                yield from self.run(item, properties[name], inner)
            elif others is False:
                known = ", ".join(properties) or "none"
                yield f"{_at(inner)} is not a parameter (there are: {known})"
            else:
                yield from self.run(item, others, inner)

    def _array(self, value: list[Any], schema: Mapping[str, Any], path: str) -> Iterator[str]:
        first = _list(schema.get("prefixItems"))
        for index, item in enumerate(value):
            part = first[index] if index < len(first) else schema.get("items", True)
            yield from self.run(item, part, f"{path}[{index}]")
        if schema.get("uniqueItems") is True and _has_twins(value):
            yield f"{_at(path)} must not hold the same item twice"


_COMBINING = frozenset({"allOf", "anyOf", "oneOf", "not", "if"})


def _number(value: Any) -> float | None:
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
    except OverflowError:  # too many parts to be counted
        return True


BOUNDS: Mapping[str, tuple[Callable[[Any], float | None], Callable[[Any, Any], bool], str]] = {
    "minimum": (_number, lambda size, limit: size >= limit, "must be at least {}"),
    "maximum": (_number, lambda size, limit: size <= limit, "must be at most {}"),
    "exclusiveMinimum": (_number, lambda size, limit: size > limit, "must be more than {}"),
    "exclusiveMaximum": (_number, lambda size, limit: size < limit, "must be less than {}"),
    "multipleOf": (_number, _is_multiple, "must be a multiple of {}"),
    "minLength": (_length, lambda size, limit: size >= limit, "must have at least {} characters"),
    "maxLength": (_length, lambda size, limit: size <= limit, "must have at most {} characters"),
    "minItems": (_count, lambda size, limit: size >= limit, "must have at least {} items"),
    "maxItems": (_count, lambda size, limit: size <= limit, "must have at most {} items"),
    "minProperties": (_size, lambda size, limit: size >= limit, "must have at least {} properties"),
    "maxProperties": (_size, lambda size, limit: size <= limit, "must have at most {} properties"),
}
"""Word -> (what is measured, or None where the word does not apply; whether it will do; the complaint)."""


def _bounds(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    for word, (measure, will_do, complaint) in BOUNDS.items():
        limit = _number(schema.get(word))
        if limit is None:
            continue
        size = measure(value)
        if size is not None and not will_do(size, limit):
            yield f"{_at(path)} {complaint.format(limit)}"


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


def _type_complaint(value: Any, wanted: Any) -> str:
    words = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []
    known = [word for word in words if isinstance(word, str) and word in TYPES]
    if not known or any(_is(value, word) for word in known):
        return ""
    return f"must be {' or '.join(TYPES[word] for word in known)}, not {named(value)}"


def _is(value: Any, word: str) -> bool:
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
    return next(text for word, text in TYPES.items() if _is(value, word))


def _same(left: Any, right: Any) -> bool:
    """Equality of JSON: true is not 1."""
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _has_twins(values: list[Any]) -> bool:
    keys = [msgspec.json.encode(value, order="deterministic") for value in values]
    return len(set(keys)) < len(keys)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _resolved(reference: str, root: Mapping[str, Any], unknown: Any = True) -> Any:
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
        if isinstance(part, list) and name.isdecimal() and int(name) < len(part):
            part = part[int(name)]
        elif isinstance(part, Mapping) and name in part:
            part = part[name]
        else:
            return unknown
    return part


_OF_SCHEMAS = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
_LISTS_OF_SCHEMAS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")


def _flaws(schema: Any, root: Mapping[str, Any], path: str) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        if not isinstance(schema, bool):
            yield f"{path or 'it'} must be an object or a boolean"
        return
    at = f"{path}." if path else ""
    kind = schema.get("type")
    if kind is not None and not all(isinstance(word, str) and word in TYPES for word in _list(kind) or [kind]):
        yield f"{at}type must be a type of JSON or a list of them"
    reference = schema.get("$ref")
    if reference is not None and (not isinstance(reference, str) or _resolved(reference, root, None) is None):
        yield f"{at}$ref must name a part of this schema"
    if not all(isinstance(name, str) for name in _expect(schema, "required", list)):
        yield f"{at}required must be a list of names"
    for word in ("required", "enum", *_LISTS_OF_SCHEMAS):
        if word in schema and not isinstance(schema[word], list):
            yield f"{at}{word} must be a list"
    for word in BOUNDS:
        if word in schema and _number(schema[word]) is None:
            yield f"{at}{word} must be a number"
    for word in _OF_SCHEMAS:
        if word in schema and not isinstance(schema[word], Mapping):
            yield f"{at}{word} must be an object"
        for name, part in _expect(schema, word, dict).items():
            yield from _flaws(part, root, f"{at}{word}.{name}")
    for word in _LISTS_OF_SCHEMAS:
        for index, part in enumerate(_expect(schema, word, list)):
            yield from _flaws(part, root, f"{at}{word}[{index}]")
    for word in _SCHEMAS:
        if word in schema:
            yield from _flaws(schema[word], root, f"{at}{word}")


def _expect(schema: Mapping[str, Any], word: str, kind: type) -> Any:
    value = schema.get(word)
    return value if isinstance(value, kind) else kind()


def _at(path: str) -> str:
    return f'"{path}"' if path else "the whole"


def _json(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 200 else text[:197] + "..."


__all__ = ["MAX_COMPLAINTS", "Unchecked", "complaints", "flaws", "named"]
