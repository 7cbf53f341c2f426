# -*- test-case-name: tests.tools.test_schema -*-
"""Schemas of arguments, and what a model is told when its arguments do not fit."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools.schema import MAX_CHARS, decode_arguments, parameters_of
from openclaw_tx.tools.typed import Parameters
from tests.tools.doubles import PlainTool


class Edit(Parameters, frozen=True):
    """One edit."""

    old_text: str
    new_text: str = ""


class EditParameters(Parameters, frozen=True):
    """Arguments of a made-up tool."""

    path: Annotated[str, msgspec.Meta(description="The file.", min_length=1)]
    edits: list[Edit] = []
    mode: Literal["soft", "hard"] = "soft"
    limit: Annotated[int, msgspec.Meta(ge=1, le=10)] | None = None
    dry: bool = False


SCHEMA = parameters_of(EditParameters)


class SchemaTests(SynchronousTestCase):
    """From a Struct to JSON Schema."""

    def test_shape(self) -> None:
        """An inline object schema with JSON names, descriptions and no titles."""
        self.assertEqual(SCHEMA["type"], "object")
        self.assertEqual(SCHEMA["required"], ["path"])
        self.assertEqual(SCHEMA["properties"]["path"]["description"], "The file.")
        self.assertIs(SCHEMA["additionalProperties"], False)
        self.assertEqual(list(SCHEMA["$defs"]["Edit"]["properties"]), ["oldText", "newText"])
        self.assertNotIn("title", json.dumps(SCHEMA))

    def test_no_parameters(self) -> None:
        """A tool without parameters has an empty object schema."""

        class Nothing(Parameters, frozen=True):
            """None."""

        self.assertEqual(parameters_of(Nothing), {"type": "object", "properties": {}, "additionalProperties": False})


class DecodeTests(SynchronousTestCase):
    """A model's arguments against a schema."""

    def complaint(self, arguments: Any, schema: dict[str, Any] | None = None) -> str:
        """What the model is told; the test fails when the arguments are taken."""
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        error = self.assertRaises(ValueError, decode_arguments, PlainTool("t", schema or SCHEMA), text)
        return str(error)

    def accept(self, arguments: Any, schema: dict[str, Any] | None = None) -> None:
        """Arguments that must be taken as they are."""
        self.assertEqual(decode_arguments(PlainTool("t", schema or SCHEMA), json.dumps(arguments)), arguments)

    def test_good(self) -> None:
        """What fits is given back as it came, nothing filled in."""
        self.accept({"path": "a"})
        self.accept({"path": "a", "edits": [{"oldText": "x"}], "mode": "hard", "limit": 3, "dry": True})
        self.accept({"path": "a", "limit": None})

    def test_nothing(self) -> None:
        """No text means no arguments, as several models send it."""
        plain = PlainTool("t", parameters_of(Edit) | {"required": []})
        for text in ("", "  ", "{}"):
            self.assertEqual(decode_arguments(plain, text), {})

    def test_not_json(self) -> None:
        """Broken JSON says so."""
        for text in ("{", "{'path': 1}", '{"path": NaN}', '{"path": "a"} x', "\ud800"):
            self.assertIn("not valid JSON", self.complaint(text), ascii(text))

    def test_not_an_object(self) -> None:
        """JSON of another kind names its kind."""
        self.assertEqual(self.complaint("[]"), "they must be a JSON object, not an array.")
        self.assertEqual(self.complaint("null"), "they must be a JSON object, not null.")

    def test_too_deep(self) -> None:
        """Ten thousand brackets are refused, not a crash; two hundred too, for others have to write them again."""
        for depth in (200, 10_000):
            self.assertIn("nested", self.complaint('{"path":' + "[" * depth + "]" * depth + "}"))

    def test_too_long(self) -> None:
        """There is a limit."""
        self.assertIn(str(MAX_CHARS), self.complaint('{"path":"' + "x" * MAX_CHARS + '"}'))

    def test_missing(self) -> None:
        """A missing argument is named, with its place when it is inside."""
        self.assertEqual(self.complaint({}), '"path" is missing.')
        self.assertEqual(self.complaint({"path": "a", "edits": [{}]}), '"oldText" is missing in "edits[0]".')

    def test_unknown(self) -> None:
        """An argument that does not exist is told together with those that do."""
        self.assertEqual(
            self.complaint({"path": "a", "model": "x"}),
            '"model" is not a parameter (there are: path, edits, mode, limit, dry).',
        )

    def test_wrong_type(self) -> None:
        """Types are told apart as JSON does: true is not 1, "1" is not 1."""
        self.assertEqual(self.complaint({"path": 7}), '"path" must be a string, not an integer.')
        self.assertEqual(self.complaint({"path": "a", "dry": 1}), '"dry" must be true or false, not an integer.')
        self.assertEqual(self.complaint({"path": "a", "limit": "3"}), '"limit" must be an integer, not a string.')
        self.assertEqual(self.complaint({"path": "a", "limit": True}), '"limit" must be an integer, not true or false.')

    def test_bounds(self) -> None:
        """Numbers, strings and arrays keep their bounds."""
        self.assertEqual(self.complaint({"path": ""}), '"path" must have at least 1 characters.')
        self.assertEqual(self.complaint({"path": "a", "limit": 11}), '"limit" must be at most 10.')
        schema = {"type": "object", "properties": {"keys": {"type": "array", "maxItems": 1}}}
        self.assertEqual(self.complaint({"keys": [1, 2]}, schema), '"keys" must have at most 1 items.')

    def test_choice(self) -> None:
        """One of a few."""
        self.assertEqual(self.complaint({"path": "a", "mode": "x"}), '"mode" must be one of ["hard","soft"].')
        self.assertIn("must be 1", self.complaint({"a": True}, {"properties": {"a": {"const": 1}}}))

    def test_several_mistakes(self) -> None:
        """All mistakes at once, but not more than five."""
        self.assertEqual(self.complaint({"mode": "x"}), '"path" is missing. "mode" must be one of ["hard","soft"].')
        many = self.complaint({"path": "a", **{f"x{number}": 1 for number in range(9)}})
        self.assertEqual(many.count("is not a parameter"), 5)

    def test_foreign_schemas(self) -> None:
        """Schemas that others write: type lists, allOf, schemas as booleans, references that lead nowhere."""
        self.accept({"a": None}, {"properties": {"a": {"type": ["string", "null"]}}})
        self.accept({"a": 1.0}, {"properties": {"a": {"type": "integer"}}})
        self.accept({"a": 1}, {"properties": {"a": {"$ref": "#/$defs/none"}, "b": True}})
        self.accept({"a": 1}, {"properties": {"a": {"$ref": "https://example.com/s"}}})
        self.accept({"a": 1}, {"type": "strange", "properties": {"a": {"type": 7}}})
        self.assertIn("not allowed", self.complaint({"a": 1}, {"properties": {"a": False}}))
        self.assertIn("a string", self.complaint({"a": 1}, {"properties": {"a": {"allOf": [{"type": "string"}]}}}))
        self.assertIn("a string", self.complaint({"z": 1}, {"additionalProperties": {"type": "string"}}))

    def test_endless_reference(self) -> None:
        """A schema that refers to itself ends in words."""
        schema = {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}}
        self.assertIn("nested", self.complaint({"a": 1}, schema))

    @given(
        st.recursive(
            st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=10,
        )
    )
    def test_agrees_with_msgspec(self, arguments: Any) -> None:
        """What passes converts to the Struct, what does not pass does not."""
        try:
            decode_arguments(PlainTool("t", SCHEMA), json.dumps(arguments))
        except ValueError:
            self.assertRaises(msgspec.ValidationError, msgspec.convert, arguments, EditParameters)
        else:
            msgspec.convert(arguments, EditParameters)

    @given(
        st.fixed_dictionaries(
            {"path": st.text() | st.integers()},
            optional={
                "edits": st.lists(st.fixed_dictionaries({}, optional={"oldText": st.text() | st.none()})),
                "mode": st.sampled_from(["soft", "hard", "x"]),
                "limit": st.none() | st.integers(-1, 12) | st.booleans(),
                "dry": st.booleans() | st.integers(0, 1),
                "other": st.none(),
            },
        )
    )
    def test_agrees_near_the_schema(self, arguments: Any) -> None:
        """The same for arguments that almost fit."""
        self.test_agrees_with_msgspec.hypothesis.inner_test(self, arguments)
