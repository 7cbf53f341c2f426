# -*- test-case-name: tests.wire.test_google_schema -*-
"""JSON Schema in Google's subset."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.wire.google_schema import MAX_DEPTH, MAX_NODES, Budget, google_schema

KNOWN = """
type format title description nullable enum items properties required anyOf minItems maxItems minLength maxLength
minProperties maxProperties pattern minimum maximum propertyOrdering
"""
"""All that Google's reference lists, but for C{default} and C{example}, which it does not use."""


def cleaned(schema: dict[str, Any]) -> dict[str, Any]:
    """What goes out."""
    return google_schema(schema, Budget())


def foreign(schema: dict[str, Any]) -> set[str]:
    """Keywords that Google does not know, anywhere in it."""
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
    inner += [schema["items"]] if "items" in schema else []
    return (set(schema) - set(KNOWN.split())).union(*map(foreign, inner))


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
SCHEMAS = st.recursive(
    st.dictionaries(st.sampled_from(["type", "const", "format", "$ref", "minimum"]), SCALARS, max_size=3),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array", "string", ["string", "null"], ["integer", "string"], 5]),
            "properties": st.dictionaries(st.text(max_size=3), inner, max_size=3),
            "required": st.lists(st.text(max_size=3), max_size=3) | SCALARS,
            "items": inner | st.lists(inner, max_size=2),
            "anyOf": st.lists(inner, max_size=3),
            "allOf": st.lists(inner, max_size=2),
            "enum": st.lists(SCALARS, max_size=3),
            "$ref": st.sampled_from(["#", "#/properties/a", "#/$defs/b", "http://x/y"]),
            "$defs": st.fixed_dictionaries({"b": inner}),
            "additionalProperties": inner | st.booleans(),
        },
    ),
    max_leaves=8,
)


class SchemaTests(SynchronousTestCase):
    """L{google_schema}."""

    def test_keywords(self) -> None:
        """What Google knows stays, at every depth; the rest goes, and formats that it does not list."""
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "when": {"type": "string", "format": "date-time", "default": "now"},
                "mail": {"type": "string", "format": "email", "minLength": 3, "examples": ["a"]},
                "n": {"type": "integer", "format": "int64", "exclusiveMinimum": 0, "minimum": 1},
                "list": {"type": "array", "uniqueItems": True, "items": {"type": "object", "patternProperties": {}}},
                "any": {},
                "true": True,
            },
            "required": ["when", "gone"],
        }
        self.assertEqual(
            cleaned(schema),
            {
                "type": "object",
                "properties": {
                    "when": {"type": "string", "format": "date-time"},
                    "mail": {"type": "string", "minLength": 3},
                    "n": {"type": "integer", "format": "int64", "minimum": 1},
                    "list": {"type": "array", "items": {"type": "object"}},
                    "any": {"type": "string"},
                    "true": {"type": "string"},
                },
                "required": ["when"],
            },
        )

    def test_null(self) -> None:
        """A union with null is nullable, whichever way it is written."""
        for schema, wanted in (
            ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
            (
                {"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "d"},
                {"type": "integer", "nullable": True, "description": "d"},
            ),
            (
                {"oneOf": [{"type": "integer"}, {"type": "string"}]},
                {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            ),
            (
                {"type": ["integer", "string", "null"], "minimum": 1},
                {
                    "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "minimum": 1}],
                    "nullable": True,
                },
            ),
        ):
            self.assertEqual(cleaned(schema), wanted)

    def test_values(self) -> None:
        """Strings are listed, other values told in words; a constant is a list of one."""
        for schema, wanted in (
            ({"enum": ["a", None, "b"]}, {"type": "string", "enum": ["a", "b"]}),
            ({"const": "a"}, {"type": "string", "enum": ["a"]}),
            ({"type": "integer", "enum": [1, 2]}, {"type": "integer", "description": "One of: 1, 2."}),
            ({"const": True, "description": "d"}, {"type": "boolean", "description": "d One of: True."}),
        ):
            self.assertEqual(cleaned(schema), wanted)

    def test_references(self) -> None:
        """They are put in place, with the description beside them; one within itself ends as an object."""
        node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "x": {"type": "integer"}}}
        schema = {
            "type": "object",
            "properties": {
                "head": {"$ref": "#/$defs/node", "description": "d"},
                "odd": {"$ref": "#/definitions/a~1b"},
                "lost": {"$ref": "http://elsewhere/x"},
            },
            "$defs": {"node": node},
            "definitions": {"a/b": {"type": "boolean"}},
        }
        self.assertEqual(
            cleaned(schema)["properties"],
            {
                "head": {
                    "type": "object",
                    "description": "d",
                    "properties": {"next": {"type": "object"}, "x": {"type": "integer"}},
                },
                "odd": {"type": "boolean"},
                "lost": {"type": "string"},
            },
        )

    def test_all_of(self) -> None:
        """Parts are laid together."""
        schema = {
            "allOf": [
                {"$ref": "#/$defs/base"},
                {"properties": {"b": {"type": "string"}}, "required": ["b"]},
            ],
            "$defs": {"base": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}},
        }
        found = cleaned(schema)
        self.assertEqual((set(found["properties"]), sorted(found["required"])), ({"a", "b"}, ["a", "b"]))

    def test_choice_in_an_object(self) -> None:
        """A choice beside properties takes none of them away; what is in all of it is required. Nor does it where it is
        all that a tool takes."""
        text = {"type": "string"}
        either = [{"required": ["a"]}, {"properties": {"c": text}, "required": ["c", "a"]}, 7]
        whole = {"type": "object", "properties": {"a": text, "b": text}, "required": ["b"]}
        for word in ("anyOf", "oneOf"):
            self.assertEqual(
                cleaned({**whole, word: either}),
                {"type": "object", "properties": {"c": text, "a": text, "b": text}, "required": ["b"]},
            )
        options = [{"$ref": "#/$defs/x"}, {"properties": {"b": text, "k": text}, "required": ["k"]}]
        found = {"properties": {"a": text, "k": text}, "required": ["a", "k"]}
        self.assertEqual(
            cleaned({"type": "object", "oneOf": options, "$defs": {"x": found}}),
            {"type": "object", "properties": {"b": text, "k": text, "a": text}, "required": ["k"]},
        )

    def test_choice_of_one_type(self) -> None:
        """What says no type is of that of the whole."""
        self.assertEqual(
            cleaned({"type": "integer", "anyOf": [{"minimum": 1}, {"type": "number"}, {"enum": [7]}]}),
            {
                "anyOf": [
                    {"type": "integer", "minimum": 1},
                    {"type": "number"},
                    {"type": "integer", "description": "One of: 7."},
                ]
            },
        )

    def test_empty_value(self) -> None:
        """Google refuses an empty text among the values."""
        self.assertEqual(cleaned({"type": "string", "enum": ["", "a"]}), {"type": "string", "enum": ["a"]})
        self.assertEqual(cleaned({"type": "string", "enum": [""]}), {"type": "string"})

    def test_arrays(self) -> None:
        """One schema for all places."""
        pair = {"prefixItems": [{"type": "string"}, {"type": "integer"}]}
        self.assertEqual(cleaned(pair)["items"], {"anyOf": [{"type": "string"}, {"type": "integer"}]})
        self.assertEqual(cleaned({"type": "array"})["items"], {"type": "string"})

    def test_nonsense(self) -> None:
        """Lists that hold what is no name hold nothing."""
        odd = {"type": [["object"], "object"], "properties": {"a": {}}, "required": [["a"], {}, "a", 1]}
        self.assertEqual(cleaned(odd)["required"], ["a"])

    def test_bounds(self) -> None:
        """References that double at every step are refused in words; what is very deep ends."""
        doubling = {f"d{n}": {"properties": {k: {"$ref": f"#/$defs/d{n + 1}"} for k in "ab"}} for n in range(30)}
        error = self.assertRaises(GatewayError, cleaned, {"$ref": "#/$defs/d0", "$defs": doubling})
        self.assertEqual((error.info.code, error.info.param), ("invalid_request", "tools"))
        self.assertIn(str(MAX_NODES), str(error))
        deep: dict[str, Any] = {"type": "string"}
        for _ in range(200):
            deep = {"type": "array", "items": deep}
        found, depth = cleaned(deep), 0
        while "items" in found:
            found, depth = found["items"], depth + 1
        self.assertEqual(depth, MAX_DEPTH + 1)

    def test_large_parts(self) -> None:
        """What is large counts for more than one part, each time it is put in place."""
        names = [f"p{n}" for n in range(20_000)]
        large: dict[str, dict[str, Any]] = {
            "list": {"enum": names},
            "text": {"description": "x" * 200_000},
            "reference": {"$ref": "#" + "/" * 200_000},
            "nested": {"type": "integer", "enum": [names]},
            "name": {"properties": {"x" * 200_000: {}}},
        }
        for name, part in large.items():
            places = {f"p{n}": {"$ref": "#/$defs/part"} for n in range(1000)}
            error = self.assertRaises(GatewayError, cleaned, {"properties": places, "$defs": {"part": part}})
            self.assertEqual(error.info.code, "invalid_request", name)
        part = {"properties": {name: {} for name in names}, "required": names}
        self.assertRaises(
            GatewayError, cleaned, {"allOf": [{"$ref": "#/$defs/part"}] * 100, "$defs": {"part": part}, "type": "array"}
        )
        self.assertEqual(len(cleaned({"enum": names})["enum"]), len(names))

    def test_odd_keywords(self) -> None:
        """What Google would not take at its place is dropped, however large it is; of types, those that there are."""
        odd = {"description": [["x"]], "title": {}, "nullable": "no", "minItems": [], "type": ["x", "string", "y"]}
        self.assertEqual(cleaned({**odd, "minLength": 1}), {"type": "string", "minLength": 1})

    @given(SCHEMAS)
    def test_anything(self, schema: dict[str, Any]) -> None:
        """Whatever comes in, only what Google knows goes out, each part with a type."""
        try:
            found = cleaned(schema)
        except GatewayError:
            return
        self.assertEqual(foreign(found), set())
        self.assertTrue("type" in found or "anyOf" in found)
