# -*- test-case-name: tests.wire.test_json_schema -*-
"""Values against schemas of strangers. What tools make of it is in tests.tools.test_schema."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.wire.json_schema import MAX_COMPLAINTS, Unchecked, complaints
from openclaw_tx.wire.json_schema_flaws import flaws

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYWORDS = """type enum const properties required additionalProperties items prefixItems anyOf oneOf allOf not if then
else $ref minimum multipleOf minLength maxItems minProperties uniqueItems dependentRequired $defs"""
WORDS = st.sampled_from(KEYWORDS.split())


class ComplaintTests(SynchronousTestCase):
    """Word by word: what fits, what does not."""

    def check(self, schema: Any, good: list[Any], bad: list[Any]) -> None:
        """All of one list fit, none of the other."""
        for value in good:
            self.assertEqual(complaints(value, schema), [], value)
        for value in bad:
            self.assertNotEqual(complaints(value, schema), [], value)

    def test_numbers(self) -> None:
        """Bounds with and without the bound itself, and multiples in decimals."""
        self.check({"minimum": 2, "maximum": 4}, [2, 4, 3.5, "x", True], [1, 5])
        self.check({"exclusiveMinimum": 2, "exclusiveMaximum": 4}, [3, 2.1], [2, 4])
        self.check({"multipleOf": 3}, [0, 9, "x"], [4, 3.5])
        self.check({"multipleOf": 0.01}, [1.23, 19.99, 7], [1.234])
        self.check({"multipleOf": 0}, [], [1])
        self.check({"multipleOf": 0.00001}, [1e308, -1e308, 10**400], [0.000001])
        self.check({"multipleOf": 10**400}, [0], [0.5])
        self.check({"multipleOf": 1e-10}, [1e308, 10**400], [])

    def test_arrays(self) -> None:
        """Items by place, then the rest; the same item twice."""
        self.check(
            {"prefixItems": [{"type": "string"}], "items": {"type": "integer"}},
            [[], ["a"], ["a", 1]],
            [[1], ["a", "b"]],
        )
        self.check(
            {"uniqueItems": True},
            [[1, True, "1"], [{"a": 1}, {"a": 2}]],
            [[1, 1], [{"a": 1, "b": 2}, {"b": 2, "a": 1}]],
        )
        self.check({"prefixItems": [{}], "items": False}, [[1]], [[1, 2]])

    def test_objects(self) -> None:
        """How many properties, and which come together."""
        self.check({"minProperties": 1, "maxProperties": 2}, [{"a": 1}, []], [{}, {"a": 1, "b": 2, "c": 3}])
        self.check({"dependentRequired": {"a": ["b"]}}, [{}, {"b": 1}, {"a": 1, "b": 2}], [{"a": 1}])
        self.check({"patternProperties": {"^x": {}}, "additionalProperties": False}, [{"x1": 1}], [])

    def test_combinations(self) -> None:
        """One of several, exactly one, none, and one thing because of another."""
        self.check({"oneOf": [{"type": "integer"}, {"minimum": 2}]}, [1, 2.5], [3])
        self.check({"anyOf": [{"type": "integer"}, {"minimum": 2}]}, [1, 2.5, 3], [1.5])
        self.check({"not": {"type": "string"}}, [1, None], ["x"])
        chosen = {
            "if": {"properties": {"a": {"const": 1}}, "required": ["a"]},
            "then": {"required": ["b"]},
            "else": False,
        }
        self.check(chosen, [{"a": 1, "b": 2}], [{"a": 1}, {"a": 2}])

    def test_references(self) -> None:
        """A tree that refers to itself; names with slashes and tildes in them."""
        tree = {"$defs": {"a/b~": {"type": "object", "properties": {"next": {"$ref": "#/$defs/a~1b~0"}}}}}
        self.check({**tree, "$ref": "#/$defs/a~1b~0"}, [{"next": {"next": {}}}], [{"next": {"next": 1}}])
        self.check({"prefixItems": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"type": "null"}}}, [[None]], [[1]])

    def test_encoded_references(self) -> None:
        """Pointers in their form for URIs; an anchor is no pointer, and not the whole schema either."""
        size = {"$defs": {"Größe in %": {"type": "integer"}}}
        for name in ("Größe in %", "Gr%C3%B6%C3%9Fe%20in%20%25"):
            schema = {**size, "items": {"$ref": f"#/$defs/{name}"}}
            self.check(schema, [[1]], [["a"]])
            self.assertEqual(list(flaws(schema)), [])
        anchored = {"type": "array", "items": {"$ref": "#size"}, "$defs": {"size": {"$anchor": "size"}}}
        self.check(anchored, [[1]], [1])
        self.assertEqual(list(flaws(anchored)), ["items.$ref must name a part of this schema"])

    def test_options(self) -> None:
        """A boolean is no number, a list is compared item by item, and a long list of options is no long work."""
        self.check({"enum": [1, "a", None, [1], {"a": 1}]}, [1, 1.0, "a", None, [1], {"a": 1}], [True, "1", [2], {}])
        self.check({"enum": [True]}, [True], [1, False])
        options = [str(number) for number in range(50_000)]
        self.check({"items": {"enum": options}}, [options[-20_000:]], [[*options[-20_000:], "x"]])
        pairs = {"items": {"enum": [[number] for number in range(50_000)]}}
        self.assertRaises(Unchecked, complaints, [[1]] * 1000, pairs)

    def test_few_at_a_time(self) -> None:
        """A model is told of so many mistakes, not of a thousand."""
        self.assertEqual(len(complaints(["x"] * 1000, {"items": {"type": "integer"}})), MAX_COMPLAINTS)

    def test_work_is_bounded(self) -> None:
        """A schema that doubles at every step, one in circles: an error, not years on the reactor's thread."""
        doubling: dict[str, Any] = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
        self.assertRaises(Unchecked, complaints, 1, {"$defs": doubling, "$ref": "#/$defs/d0"})
        self.assertRaises(Unchecked, complaints, 1, {"$ref": "#"})

    def test_long_words_are_work(self) -> None:
        """Each value is held against all of a list in the schema: a long one counts for more than one step."""
        names = [f"name {number}" for number in range(20_000)]
        items = [{"name 1": 1}] * 100
        for words in (
            {"enum": [*names, {"name 1": 1}]},
            {"if": {"required": names}},
            {"dependentRequired": {name: [] for name in names}},
            {"dependentRequired": {"name 1": ["name 1"] * 20_000}},
            {"type": ["string"] * 20_000 + ["object"]},
            {"$ref": "#" + "/x" * 20_000},
        ):
            self.assertEqual(complaints(items[:1], {"items": words}), [], list(words))
            self.assertRaises(Unchecked, complaints, items, {"items": words})
        quoted = {"items": {"anyOf": [{"const": "y" * 2_000_000}, {"type": "string"}]}}
        self.assertEqual(complaints(["x"] * 10, quoted), [])
        self.assertRaises(Unchecked, complaints, ["x"] * 100, quoted)
        self.assertEqual(complaints(["x"] * 1000, {"items": {"anyOf": [{"enum": names}, {"type": "string"}]}}), [])
        countries = [f"{number:03}" for number in range(250)]
        self.assertEqual(complaints(countries * 10, {"items": {"type": "string", "enum": countries}}), [])

    @given(ANYTHING, st.dictionaries(WORDS, ANYTHING, max_size=4))
    def test_any_schema(self, value: Any, schema: dict[str, Any]) -> None:
        """Words of the wrong type are passed over, whatever they are; the flaws are found without a crash either."""
        try:
            complaints(value, schema)
        except Unchecked:
            pass
        for flaw in flaws(schema):
            self.assertIsInstance(flaw, str)


class FlawTests(SynchronousTestCase):
    """Schemas that are refused before a model sees them."""

    def test_good(self) -> None:
        """What OpenAI's strict mode takes."""
        schema = {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/x"}, "b": {"type": ["string", "null"], "pattern": "^a$"}, "c": True},
            "required": ["a", "b"],
            "additionalProperties": False,
            "$defs": {"x": {"anyOf": [{"enum": [1, "a"]}, {"type": "array", "items": {"$ref": "#"}, "minItems": 1}]}},
        }
        self.assertEqual(list(flaws(schema)), [])

    def test_bad(self) -> None:
        """The place is named."""
        for schema, flaw in (
            ({"type": "text"}, "type must be"),
            ({"type": ["string", 7]}, "type must be"),
            ({"properties": []}, "properties must be an object"),
            ({"properties": {"a": {"items": {"type": 5}}}}, "properties.a.items.type must be"),
            ({"required": "a"}, "required must be a list"),
            ({"required": [1]}, "required must be a list of names"),
            ({"anyOf": [7]}, "anyOf[0] must be an object or a boolean"),
            ({"$ref": "#/$defs/a"}, "$ref must name a part of this schema"),
            ({"$ref": "https://example.com/a"}, "$ref must name"),
            ({"minimum": "1"}, "minimum must be a number"),
            ({"enum": "a"}, "enum must be a list"),
            ({"anyOf": [{}], "$ref": f"#/anyOf/{'1' * 5000}"}, "$ref must name"),
        ):
            self.assertIn(flaw, next(flaws(schema), ""), schema)
