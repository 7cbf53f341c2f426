# -*- test-case-name: tests.wire.test_google_schema -*-
"""JSON Schema as Google takes it: a subset of OpenAPI 3.0 (Gemini API reference, "Schema").

What it does not know it refuses, so only what it knows goes out: references are put in place, unions with null become
C{nullable}, C{const} an C{enum}, and the rest is dropped. Schemas are the clients', so the work is bounded.
"""

from __future__ import annotations

from typing import Any

from openclaw_tx.errors import GatewayError

MAX_NODES = 5000
"""Most subschemas in one request; a reference counts each time."""
MAX_DEPTH = 32

A_PART = 1000
"""What counts for one more subschema: so many letters of names and texts in it, or a hundred entries of its lists."""

_NUMBER = (int, float, str)
_KEPT: dict[str, type | tuple[type, ...]] = {
    "title": str,
    "description": str,
    "nullable": bool,
    "minItems": _NUMBER,
    "maxItems": _NUMBER,
    "minLength": _NUMBER,
    "maxLength": _NUMBER,
    "minProperties": _NUMBER,
    "maxProperties": _NUMBER,
    "pattern": str,
    "minimum": _NUMBER,
    "maximum": _NUMBER,
}
_FORMATS = {
    "string": ("date-time", "enum"),
    "number": ("float", "double"),
    "integer": ("int32", "int64"),
}
_KINDS = ("string", "number", "integer", "boolean", "array", "object", "null")
_SAYS = frozenset({"type", "$ref", "anyOf", "oneOf", "allOf"})
_CONSTANTS = {bool: "boolean", int: "integer", float: "number"}
_ANYTHING: dict[str, Any] = {"type": "string"}
"""Google wants a type said; a model can write any value as text."""


class Budget:
    """What the schemas of one request may come to."""

    def __init__(self) -> None:
        self._left = MAX_NODES

    def spend(self, weight: int = 0) -> None:
        """One subschema.

        @param weight: how much there is in it, see L{A_PART}.
        @raise GatewayError: C{invalid_request}, there are too many.
        """
        self._left -= 1 + weight // A_PART
        if self._left < 0:
            raise GatewayError(
                "invalid_request",
                f"The schemas come to more than {MAX_NODES} parts, too many for this provider.",
                param="tools",
            )


def google_schema(schema: dict[str, Any], budget: Budget) -> dict[str, Any]:
    """C{schema} in Google's subset.

    @raise GatewayError: as L{Budget.spend}.
    """
    return _Cleaner(schema, budget).clean(schema, 0, ())


class _Cleaner:
    """Cleans one schema."""

    def __init__(self, root: dict[str, Any], budget: Budget) -> None:
        self._root = root
        self._budget = budget

    def clean(self, schema: Any, depth: int, refs: tuple[str, ...]) -> dict[str, Any]:
        """
        @param refs: references that this subschema stands in.
        """
        self._budget.spend(_weight(schema))
        if not isinstance(schema, dict) or depth > MAX_DEPTH:
            return dict(_ANYTHING)
        ref = schema.get("$ref")
        if isinstance(ref, str):
            found = self._resolve(ref)
            if ref in refs or found is None:
                return _with_words(schema, {"type": "object" if ref in refs else "string"})
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            return self.clean({**found, **beside}, depth + 1, (*refs, ref))
        schema = self._merged(schema, refs)
        kept = {key: schema[key] for key, kind in _KEPT.items() if isinstance(schema.get(key), kind)}
        if ordering := _texts(schema.get("propertyOrdering")):
            kept["propertyOrdering"] = ordering
        options = schema.get("anyOf") or schema.get("oneOf")
        if isinstance(options, list) and options:
            opened = schema
            if _dict(schema.get("properties")) or (not depth and schema.get("type") == "object"):
                opened = self._opened(schema, options)
            if not _dict(opened.get("properties")):
                return self._union(schema, options, depth, refs)
            schema = opened
        kinds = _kinds(schema)
        if "null" in kinds:
            kept["nullable"] = True
            kinds = [kind for kind in kinds if kind != "null"]
        if len(kinds) > 1:
            split = [{**schema, "type": kind, "nullable": None} for kind in kinds]
            return self._union({**schema, **kept}, split, depth, refs)
        kind = kinds[0] if kinds else "string"
        kept["type"] = kind
        self._add_values(schema, kind, kept)
        if schema.get("format") in _FORMATS.get(kind, ()):
            kept["format"] = schema["format"]
        if kind == "object":
            self._add_properties(schema, kept, depth, refs)
        elif kind == "array":
            kept["items"] = self._items(schema, depth, refs)
        return {key: value for key, value in kept.items() if value is not None}

    def _resolve(self, ref: str) -> dict[str, Any] | None:
        """What a reference within the schema points at (RFC 6901)."""
        found: Any = self._root
        if ref != "#" and not ref.startswith("#/"):
            return None
        for part in ref.split("/")[1:]:
            if not isinstance(found, dict):
                return None
            found = found.get(part.replace("~1", "/").replace("~0", "~"))
        return found if isinstance(found, dict) else None

    def _merged(self, schema: dict[str, Any], refs: tuple[str, ...]) -> dict[str, Any]:
        """C{allOf} laid into the schema that holds it."""
        parts = schema.get("allOf")
        if not isinstance(parts, list):
            return schema
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for part in parts:
            self._budget.spend(_weight(part))
            ref = part.get("$ref") if isinstance(part, dict) else None
            found = self._resolve(ref) if isinstance(ref, str) and ref not in refs else part
            self._budget.spend(_weight(found) + _weight(merged))
            if not isinstance(found, dict):
                continue
            properties = {**_dict(found.get("properties")), **_dict(merged.get("properties"))}
            required = [*_list(merged.get("required")), *_list(found.get("required"))]
            merged = {**found, **merged}
            if properties:
                merged |= {"properties": properties, "required": required}
        merged.pop("$ref", None)
        return merged

    def _opened(self, schema: dict[str, Any], options: list[Any]) -> dict[str, Any]:
        """An object that has a choice beside its properties, or is all that a tool takes: what any of it may have is in
        it, and what all must have is required."""
        properties: dict[str, Any] = {}
        required: list[set[str]] = []
        for option in options:
            ref = option.get("$ref") if isinstance(option, dict) else None
            found = _dict(self._resolve(ref) if isinstance(ref, str) else option)
            self._budget.spend(_weight(found))
            properties = {**_dict(found.get("properties")), **properties}
            required.append(set(_texts(found.get("required"))))
        always = [*_texts(schema.get("required")), *sorted(set.intersection(*required))]
        rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
        return {**rest, "properties": {**properties, **_dict(schema.get("properties"))}, "required": always}

    def _union(self, schema: dict[str, Any], options: list[Any], depth: int, refs: tuple[str, ...]) -> dict[str, Any]:
        some = [option for option in options if not (isinstance(option, dict) and option.get("type") == "null")]
        cleaned = [self.clean(_of_type(schema, option), depth + 1, refs) for option in some] or [dict(_ANYTHING)]
        made: dict[str, Any] = cleaned[0] if len(cleaned) == 1 else {"anyOf": cleaned}
        if len(some) < len(options) or schema.get("nullable"):
            made["nullable"] = True
        return _with_words(schema, made)

    def _add_values(self, schema: dict[str, Any], kind: str, kept: dict[str, Any]) -> None:
        """Google lists strings only; other values are told in words."""
        values = [schema["const"]] if "const" in schema else _list(schema.get("enum"))
        values = [value for value in values if value is not None and value != ""]  # Google refuses an empty one
        if not values:
            return
        texts = [
            value if isinstance(value, str) else str(value) for value in values[: None if kind == "string" else 50]
        ]
        self._budget.spend(sum(map(len, texts)))
        if kind == "string":
            kept["enum"] = texts
        else:
            told = f"One of: {', '.join(texts)}."
            kept["description"] = f"{kept['description']} {told}" if kept.get("description") else told

    def _add_properties(self, schema: dict[str, Any], kept: dict[str, Any], depth: int, refs: tuple[str, ...]) -> None:
        properties = _dict(schema.get("properties"))
        if not properties:
            return
        kept["properties"] = {name: self.clean(inner, depth + 1, refs) for name, inner in properties.items()}
        required = [name for name in _texts(schema.get("required")) if name in properties]
        if required:
            kept["required"] = required

    def _items(self, schema: dict[str, Any], depth: int, refs: tuple[str, ...]) -> dict[str, Any]:
        """Of an array; one for each place becomes one of them for all."""
        items = schema.get("prefixItems") or schema.get("items")
        if isinstance(items, list):
            return self._union({}, items, depth, refs) if items else dict(_ANYTHING)
        return self.clean(items, depth + 1, refs)


def _weight(schema: Any) -> int:
    """How much there is in one part itself, the inner ones aside."""
    if not isinstance(schema, dict):
        return 0
    weight = 10 * len(schema)
    for value in schema.values():
        if isinstance(value, str):
            weight += len(value)
        elif isinstance(value, list | dict):
            weight += 10 * len(value) + sum(len(one) for one in value if isinstance(one, str))
    return weight


def _kinds(schema: dict[str, Any]) -> list[str]:
    """Its types; one that is not said is guessed from what is."""
    kind = schema.get("type")
    if isinstance(kind, str):
        return [kind]
    if isinstance(kind, list):
        return [one for one in _texts(kind) if one in _KINDS]
    if "properties" in schema:
        return ["object"]
    if "items" in schema or "prefixItems" in schema:
        return ["array"]
    return [_CONSTANTS.get(type(schema.get("const")), "string")]


def _of_type(schema: dict[str, Any], option: Any) -> Any:
    """An option, which is of the type of the whole where it says none."""
    if "type" not in schema or not isinstance(option, dict) or not _SAYS.isdisjoint(option):
        return option
    return {**option, "type": schema["type"]}


def _with_words(schema: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    """C{made} with the description that stands at the place of it."""
    words = schema.get("description")
    return {**made, "description": words} if isinstance(words, str) else made


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    """The texts of a list, each once."""
    return list(dict.fromkeys(one for one in _list(value) if isinstance(one, str)))


__all__ = ["MAX_DEPTH", "MAX_NODES", "Budget", "google_schema"]
