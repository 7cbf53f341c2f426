# -*- test-case-name: tests.wire.test_json_schema -*-
"""What is wrong with a JSON Schema itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from openclaw_tx.wire.json_schema_words import BOUNDS, TYPES, listed, number, resolved

_OF_SCHEMAS = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
_LISTS_OF_SCHEMAS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")


def flaws(schema: Mapping[str, Any]) -> Iterator[str]:
    """Words of a schema that can not be used as they stand, each as a clause that names its place.

    @raise RecursionError: it is nested too deeply.
    """
    yield from _flaws(schema, schema, "")


def _flaws(schema: Any, root: Mapping[str, Any], path: str) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        if not isinstance(schema, bool):
            yield f"{path or 'it'} must be an object or a boolean"
        return
    at = f"{path}." if path else ""
    kind = schema.get("type")
    if kind is not None and not all(isinstance(word, str) and word in TYPES for word in listed(kind) or [kind]):
        yield f"{at}type must be a type of JSON or a list of them"
    reference = schema.get("$ref")
    if reference is not None and (not isinstance(reference, str) or resolved(reference, root, None) is None):
        yield f"{at}$ref must name a part of this schema"
    if not all(isinstance(name, str) for name in _expect(schema, "required", list)):
        yield f"{at}required must be a list of names"
    for word in ("required", "enum", *_LISTS_OF_SCHEMAS):
        if word in schema and not isinstance(schema[word], list):
            yield f"{at}{word} must be a list"
    for word in BOUNDS:
        if word in schema and number(schema[word]) is None:
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


__all__ = ["flaws"]
