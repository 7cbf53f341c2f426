# -*- test-case-name: tests.wire.test_json_schema -*-
"""A decoded JSON value against a JSON Schema (draft 2020-12), for arguments of tools and structured answers. Pure.

Enforced: C{type}, C{enum}, C{const}, C{properties}, C{required}, C{additionalProperties}, C{dependentRequired},
C{items}, C{prefixItems}, C{uniqueItems}, C{anyOf}, C{oneOf}, C{allOf}, C{not}, C{if}/C{then}/C{else}, local C{$ref},
and the bounds of numbers, strings, arrays and objects. C{pattern}, C{format} and the rest are hints: a pattern that
a client wrote could keep the reactor busy for years.

Schemas come from clients: the work is bounded, and words of the wrong type are passed over
(L{openclaw_tx.wire.json_schema_flaws} names them).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from openclaw_tx.wire.json_schema_words import BOUNDS, TYPES, is_type, listed, named, number, resolved

MAX_COMPLAINTS = 5
"""A model is told of this many mistakes at a time."""

MAX_STEPS = 100_000
"""Pairs of value and schema that one check looks at, at most."""

WORDS_A_STEP = 8
"""Words of a list in a schema (names, characters of a reference) that are another step."""

QUOTED_A_STEP = 1000
"""Characters of what a complaint quotes that are another step: most complaints are about an option that is not meant,
and nobody reads them."""

MAX_QUOTED = 200
"""Characters of it that are shown."""


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
        self._spend(1)
        if not isinstance(schema, Mapping):
            if schema is False:
                yield f"{_at(path)} is not allowed"
            return
        self._weigh(*(schema.get(word) for word in ("$ref", "type", "properties", "dependentRequired")))
        if isinstance(schema.get("$ref"), str):
            yield from self.run(value, resolved(schema["$ref"], self._root), path)
        wrong_type = _type_complaint(value, schema.get("type"))
        if wrong_type:
            yield f"{_at(path)} {wrong_type}"
            return
        options = schema.get("enum")
        if isinstance(options, list) and not self._is_option(value, options):
            yield f"{_at(path)} must be one of {self._quoted(options)}"
        if "const" in schema and not _same(value, schema["const"]):
            yield f"{_at(path)} must be {self._quoted(schema['const'])}"
        if not _COMBINING.isdisjoint(schema):
            yield from self._combined(value, schema, path)
        if not BOUNDS.keys().isdisjoint(schema):
            yield from _bounds(value, schema, path)
        if isinstance(value, dict):
            yield from self._object(value, schema, path)
        elif isinstance(value, list):
            yield from self._array(value, schema, path)

    def _spend(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise Unchecked("the schema takes too much work to check")

    def _weigh(self, *lists: Any) -> None:
        """Long lists in a schema take work for each value that it speaks of."""
        self._spend(sum(len(words) for words in lists if isinstance(words, str | list | dict)) // WORDS_A_STEP)

    def _is_option(self, value: Any, options: list[Any]) -> bool:
        """Whether an enumeration holds C{value}. A long one is not gone through again for each item of a list."""
        if isinstance(value, list | dict):
            self._spend(len(options))
            return any(_same(value, option) for option in options)
        known = self._known.get(id(options))
        if known is None:
            plain = (option for option in options if not isinstance(option, list | dict))
            known = self._known[id(options)] = frozenset((isinstance(option, bool), option) for option in plain)
        return (isinstance(value, bool), value) in known

    def _quoted(self, value: Any) -> str:
        """A part of the schema as JSON, as much as can be read. Of a list no more entries than that."""
        text = msgspec.json.encode(value[:MAX_QUOTED] if isinstance(value, list) else value).decode("utf-8")
        self._spend(len(text) // QUOTED_A_STEP)
        return text if len(text) <= MAX_QUOTED else text[: MAX_QUOTED - 3] + "..."

    def _fits(self, value: Any, schema: Any, path: str) -> bool:
        return next(self.run(value, schema, path), None) is None

    def _combined(self, value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
        for part in listed(schema.get("allOf")):
            yield from self.run(value, part, path)
        for word in ("anyOf", "oneOf"):
            if options := listed(schema.get(word)):
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
        needed = [name for name in listed(schema.get("required")) if isinstance(name, str)]
        dependent = schema.get("dependentRequired")
        for name, others in dependent.items() if isinstance(dependent, Mapping) else ():
            if name in value:
                needed += [other for other in listed(others) if isinstance(other, str)]
        self._weigh(needed)
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
        first = listed(schema.get("prefixItems"))
        for index, item in enumerate(value):
            part = first[index] if index < len(first) else schema.get("items", True)
            yield from self.run(item, part, f"{path}[{index}]")
        if schema.get("uniqueItems") is True and _has_twins(value):
            yield f"{_at(path)} must not hold the same item twice"


_COMBINING = frozenset({"allOf", "anyOf", "oneOf", "not", "if"})


def _bounds(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    for word, (measure, will_do, complaint) in BOUNDS.items():
        limit = number(schema.get(word))
        if limit is None:
            continue
        size = measure(value)
        if size is not None and not will_do(size, limit):
            yield f"{_at(path)} {complaint.format(limit)}"


def _type_complaint(value: Any, wanted: Any) -> str:
    words = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []
    known = [word for word in words if isinstance(word, str) and word in TYPES]
    if not known or any(is_type(value, word) for word in known):
        return ""
    return f"must be {' or '.join(TYPES[word] for word in known)}, not {named(value)}"


def _same(left: Any, right: Any) -> bool:
    """Equality of JSON: true is not 1."""
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _has_twins(values: list[Any]) -> bool:
    keys = [msgspec.json.encode(value, order="deterministic") for value in values]
    return len(set(keys)) < len(keys)


def _at(path: str) -> str:
    return f'"{path}"' if path else "the whole"


__all__ = ["MAX_COMPLAINTS", "Unchecked", "complaints"]
