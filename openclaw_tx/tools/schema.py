# -*- test-case-name: tests.tools.test_schema -*-
"""Arguments of tools: JSON Schema made from a msgspec Struct, and a model's arguments checked against a schema.

The check knows the words that schemas of function tools are made of: C{type}, C{enum}, C{const}, C{properties},
C{required}, C{additionalProperties}, C{items}, C{anyOf}, C{oneOf}, C{allOf}, local C{$ref}, and the bounds of numbers,
strings and arrays. Other words (C{pattern}, C{format}, ...) are hints to the model and are not enforced here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from openclaw_tx.interfaces import Tool

MAX_CHARS = 1_000_000
"""Longest arguments text."""

MAX_COMPLAINTS = 5
"""A model is told of this many mistakes at a time."""


def parameters_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """JSON Schema of C{struct} as a function tool declares it: inline, without titles."""
    _, parts = msgspec.json.schema_components([struct], ref_template="#/$defs/{name}")
    schema: dict[str, Any] = parts.pop(struct.__name__)
    for part in (schema, *parts.values()):
        part.pop("title", None)
        if not part.get("required"):
            part.pop("required", None)
    schema.pop("description", None)
    if parts:
        schema["$defs"] = parts
    return schema


def decode_arguments(tool: Tool, text: str) -> Mapping[str, Any]:
    """A model's arguments, decoded and checked against the tool's schema; no text at all means no arguments.

    @raise ValueError: they are not; the message is a sentence or more for the model.
    """
    if len(text) > MAX_CHARS:
        raise ValueError(f"they are longer than {MAX_CHARS} characters.")
    try:
        arguments = msgspec.json.decode(text) if text.strip() else {}
        if not isinstance(arguments, dict):
            raise ValueError(f"they must be a JSON object, not {named(arguments)}.")
        schema = tool.spec.parameters
        complaints = [
            found for found, _ in zip(check(arguments, schema, schema, ""), range(MAX_COMPLAINTS), strict=False)
        ]
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ValueError(f"they are not valid JSON ({error}).") from None
    except RecursionError:
        raise ValueError("they are nested too deeply.") from None
    if complaints:
        raise ValueError(" ".join(f"{complaint}." for complaint in complaints))
    return arguments


def check(value: Any, schema: Any, root: Mapping[str, Any], path: str) -> Iterator[str]:
    """What is wrong with C{value}, a clause for each mistake.

    @param schema: the part of C{root} that speaks of C{value}.
    @param path: where C{value} stands, e.g. C{edits[2].path}; "" for the whole.
    """
    if not isinstance(schema, Mapping):
        if schema is False:
            yield f"{_at(path)} is not allowed"
        return
    reference = schema.get("$ref")
    if isinstance(reference, str):
        yield from check(value, _resolved(reference, root), root, path)
    wrong_type = _type_complaint(value, schema.get("type"))
    if wrong_type:
        yield f"{_at(path)} {wrong_type}"
        return
    if "enum" in schema and not any(_same(value, option) for option in schema["enum"]):
        yield f"{_at(path)} must be one of {_json(schema['enum'])}"
    if "const" in schema and not _same(value, schema["const"]):
        yield f"{_at(path)} must be {_json(schema['const'])}"
    for part in schema.get("allOf", ()):
        yield from check(value, part, root, path)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            yield from _check_choice(value, schema[word], root, path)
    for word, (size, complaint) in BOUNDS.items():
        if word in schema:
            measured = size(value)
            limit = schema[word]
            if measured is not None and (measured < limit if word.startswith("min") else measured > limit):
                yield f"{_at(path)} {complaint.format(limit)}"
    if isinstance(value, dict):
        yield from _check_object(value, schema, root, path)
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from check(item, schema["items"], root, f"{path}[{index}]")


def _check_choice(value: Any, options: Any, root: Mapping[str, Any], path: str) -> Iterator[str]:
    """One option must fit; when none does, an option of the right type tells what is wrong, else the first one."""
    complaints = [list(check(value, option, root, path)) for option in options]
    if complaints and all(complaints):
        right = (
            found
            for option, found in zip(options, complaints, strict=True)
            if isinstance(option, Mapping) and "type" in option and not _type_complaint(value, option["type"])
        )
        yield from next(right, complaints[0])


def _check_object(
    value: dict[str, Any], schema: Mapping[str, Any], root: Mapping[str, Any], path: str
) -> Iterator[str]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f'"{name}" is missing' + (f" in {_at(path)}" if path else "")
    others = schema.get("additionalProperties", True)
    for name, item in value.items():
        inner = f"{path}.{name}" if path else name
        if name in properties:
            yield from check(item, properties[name], root, inner)
        elif others is False:
            known = ", ".join(properties) or "none"
            yield f"{_at(inner)} is not a parameter (there are: {known})"
        else:
            yield from check(item, others, root, inner)


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    return len(value) if isinstance(value, list) else None


BOUNDS = {
    "minimum": (_number, "must be at least {}"),
    "maximum": (_number, "must be at most {}"),
    "minLength": (_length, "must have at least {} characters"),
    "maxLength": (_length, "must have at most {} characters"),
    "minItems": (_count, "must have at least {} items"),
    "maxItems": (_count, "must have at most {} items"),
}
"""Word -> (what is measured, or None where the word does not apply; the complaint)."""

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
    known = [word for word in words if word in TYPES]
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


def _resolved(reference: str, root: Mapping[str, Any]) -> Any:
    """The part of C{root} that a local reference names; an unknown one allows everything."""
    part: Any = root
    if not reference.startswith("#"):
        return True
    for name in reference[1:].split("/")[1:]:
        if not isinstance(part, Mapping) or name not in part:
            return True
        part = part[name]
    return part


def _at(path: str) -> str:
    return f'"{path}"' if path else "the whole"


def _json(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 200 else text[:197] + "..."


__all__ = ["check", "decode_arguments", "parameters_of"]
