# -*- test-case-name: tests.tools.test_schema -*-
"""Arguments of tools: JSON Schema made from a msgspec Struct, and a model's arguments checked against a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from openclaw_tx.interfaces import AliasedTool, Tool
from openclaw_tx.wire.json_schema import complaints
from openclaw_tx.wire.json_schema_words import named
from openclaw_tx.wire.large_json import is_too_deep

MAX_CHARS = 1_000_000
"""Longest arguments text."""


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
        if is_too_deep(text.encode("utf-8")):
            raise RecursionError
        arguments = named_as_declared(tool, arguments)
        wrong = complaints(arguments, tool.spec.parameters)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ValueError(f"they are not valid JSON ({error}).") from None
    except RecursionError:
        raise ValueError("they are nested too deeply.") from None
    if wrong:
        raise ValueError(" ".join(f"{complaint}." for complaint in wrong))
    return arguments


def named_as_declared(tool: Tool, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """C{arguments} with the parameters' own names for those that the tool takes as well (L{AliasedTool}). A name that
    would be there twice stays, for the check to complain of."""
    aliases = tool.aliases if isinstance(tool, AliasedTool) else {}
    other = {alias: name for alias, name in aliases.items() if alias in arguments and name not in arguments}
    return {other.get(name, name): value for name, value in arguments.items()} if other else arguments


__all__ = ["decode_arguments", "named_as_declared", "parameters_of"]
