# -*- test-case-name: tests.ws.rpc.test_config -*-
"""The configuration's shape for programs that show it to people: a JSON Schema without references, and hints.

It is read off the code, like docs/configuration.md; making it takes a moment, so do it once and in a thread.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from openclaw_tx._version import __version__
from openclaw_tx.config import foreign
from openclaw_tx.config.describe import json_schema, settings_rows, top_section
from openclaw_tx.config.redact import names_secret
from openclaw_tx.config.reload import effect
from openclaw_tx.config.schema import Config

FOREIGN = "Of OpenClaw; accepted and not used by this gateway."
_DEFS = "#/$defs/"
_PART = re.compile(r"\[\d*\]|[^.\[\]]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Shape(msgspec.Struct, frozen=True):
    """What C{config.schema} answers with, but for the time."""

    schema: dict[str, Any]
    hints: dict[str, dict[str, Any]]
    """Path -> C{label}, C{help}, C{order}, C{sensitive}."""
    version: str


def shape() -> Shape:
    """Made anew with each call."""
    whole = json_schema()
    schema = _inlined(whole, whole.get("$defs", {}), ())
    schema.pop("$defs", None)
    schema["$schema"] = "http://json-schema.org/draft-07/schema#"
    _add_foreign(schema)
    return Shape(schema, _hints(), __version__)


def _inlined(value: Any, definitions: dict[str, Any], within: tuple[str, ...]) -> Any:
    """A schema with every reference replaced by what it names; one that leads into itself says only what kind it is."""
    if isinstance(value, list):
        return [_inlined(item, definitions, within) for item in value]
    if not isinstance(value, dict):
        return value
    name = str(value.get("$ref", "")).removeprefix(_DEFS)
    if name:
        if name in within:
            return {"type": "object"}
        beside = {key: item for key, item in value.items() if key != "$ref"}
        return {**_inlined(definitions[name], definitions, (*within, name)), **beside}
    inner = {key: _inlined(item, definitions, within) for key, item in value.items() if key != "$defs"}
    if isinstance(inner.get("description"), str):
        inner["description"] = _plain(inner["description"])
    return inner


def _add_foreign(schema: dict[str, Any]) -> None:
    """Properties that a real C{openclaw.json} may have, so that nobody takes them for mistakes."""
    for section in sorted(foreign.SECTIONS):
        schema["properties"].setdefault(section, {"description": FOREIGN})
    for pattern, keys in foreign.KEYS.items():
        for place in list(_nodes(schema, pattern.replace("[]", ".[]").split("."))):
            for key in keys.split():
                place.setdefault("properties", {}).setdefault(key, {"description": FOREIGN})


def _nodes(schema: dict[str, Any], parts: list[str]) -> list[dict[str, Any]]:
    """Every schema of an object at a place, C{[]} and C{*} standing for any item."""
    found = [schema]
    for part in parts:
        found = [inner for node in found for inner in children(node).get(part, [])]
    return [node for node in found if node.get("type") == "object"]


def children(node: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What is directly below a schema: by key, by C{[]} in a list, by C{*} in a map; of a choice all there is."""
    below: dict[str, list[dict[str, Any]]] = {}
    for choice in [node, *node.get("anyOf", [])]:
        for key, value in choice.get("properties", {}).items():
            below.setdefault(key, []).extend([value, *value.get("anyOf", [])])
        for word, key in (("items", "[]"), ("additionalProperties", "*")):
            inner = choice.get(word)
            if isinstance(inner, dict):
                below.setdefault(key, []).extend([inner, *inner.get("anyOf", [])])
    return below


def _hints() -> dict[str, dict[str, Any]]:
    hints: dict[str, dict[str, Any]] = {}
    for order, section in enumerate(msgspec.structs.fields(Config)):
        name = section.encode_name
        text = (top_section(section)[0].__doc__ or "").strip()
        hints[name] = {"label": label(name), "help": _plain(text), "order": order}
    for row in settings_rows():
        key = row.path.rpartition(".")[2].removesuffix("[]").removesuffix("*")
        hint: dict[str, Any] = {"label": label(key), "help": _plain(row.text)}
        if names_secret(key) and row.type != "boolean":
            hint["sensitive"] = True
        hints.setdefault(row.path, hint)
    return hints


def label(key: str) -> str:
    """A key in words: C{maxConcurrent} is C{Max Concurrent}."""
    words = " ".join(_HUMP.split(key))
    return words[:1].upper() + words[1:]


def _plain(text: str) -> str:
    return " ".join(
        text.replace("C{", "").replace("L{", "").replace("}", "").replace("**", "").replace("`", "").split()
    )


def lookup(found: Shape, path: str) -> dict[str, Any] | None:
    """What C{config.schema.lookup} answers with for a path like C{agents.list[0].tools}; None = there is no such
    setting."""
    parts = _PART.findall(path)
    nodes = [found.schema]
    generic: list[str] = []
    for part in parts:
        steps = [(part, inner) for node in nodes for inner in children(node).get(part, [])]
        if not steps:
            kind = "[]" if part.startswith("[") or part.isdigit() else "*"
            steps = [(kind, inner) for node in nodes for inner in children(node).get(kind, [])]
        if not steps:
            return None
        generic.append(steps[0][0])
        nodes = [inner for _, inner in steps]
    below: dict[str, dict[str, Any]] = {}
    for node in nodes:
        for key, inner in children(node).items():
            below.setdefault(key, _child(found, path, generic, key, inner, key in node.get("required", [])))
    answer: dict[str, Any] = {
        "path": path,
        "schema": _shallow(nodes[0]),
        "reloadKind": effect(tuple(generic)),
        "children": list(below.values()),
    }
    return answer | _hint(found, _join(generic))


def _child(
    found: Shape, path: str, parents: list[str], key: str, nodes: list[dict[str, Any]], required: bool
) -> dict[str, Any]:
    generic = [*parents, key]
    row: dict[str, Any] = {
        "key": key,
        "path": _join([path, key]),
        "required": required,
        "hasChildren": any(children(node) for node in nodes),
        "reloadKind": effect(tuple(generic)),
    }
    if "type" in nodes[0]:
        row["type"] = nodes[0]["type"]
    return row | _hint(found, _join(generic))


def _hint(found: Shape, place: str) -> dict[str, Any]:
    return {"hint": found.hints[place], "hintPath": place} if place in found.hints else {}


def _shallow(node: dict[str, Any]) -> dict[str, Any]:
    """A schema without those below it: they have paths of their own."""
    return {key: value for key, value in node.items() if key not in ("properties", "items", "anyOf", "required")} | (
        {"additionalProperties": {}} if isinstance(node.get("additionalProperties"), dict) else {}
    )


def _join(parts: list[str]) -> str:
    return ".".join(part for part in parts if part).replace(".[", "[")


__all__ = ["Shape", "children", "label", "lookup", "shape"]
