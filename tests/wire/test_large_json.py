# -*- test-case-name: tests.wire.test_large_json -*-
"""Large JSON: the same values as otherwise, within bounds."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.wire.large_json import (
    LARGE,
    MAX_PIECE_VALUES,
    MAX_VALUES,
    TooManyValues,
    fields_reader,
    has_more_values,
)
from openclaw_tx.wire.openai_chat import FIELDS, parse
from openclaw_tx.wire.openai_chat_messages import MAX_MESSAGES
from tests.compat.replay import CASES
from tests.wire.test_openai_chat import OPTIONAL

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=6), inner, max_size=6),
    max_leaves=30,
)
PAD = b'"metadata":{"pad":"' + b"x" * LARGE + b'"}'


def values_in(value: Any) -> int:
    """Values as L{has_more_values} counts them: a bracket or a comma each."""
    if isinstance(value, list):
        return 1 + max(0, len(value) - 1) + sum(map(values_in, value))
    if isinstance(value, dict):
        return 1 + max(0, len(value) - 1) + sum(map(values_in, value.values()))
    return 0


def outcome(body: bytes) -> Any:
    """What a request is read as: itself, or the error."""
    try:
        return parse(body)
    except GatewayError as error:
        return error.info


class CountTests(SynchronousTestCase):
    """How many values there are."""

    @settings(max_examples=200, deadline=None)
    @given(VALUES, st.booleans())
    def test_exact(self, value: Any, plain: bool) -> None:
        """Punctuation in strings does not count, whatever is escaped around it."""
        text = json.dumps(value, ensure_ascii=not plain).encode()
        count = values_in(value)
        self.assertFalse(has_more_values(text, count))
        if count:
            self.assertTrue(has_more_values(text, count - 1))

    def test_windows(self) -> None:
        """Strings and escapes that span what is looked at in one step."""
        for length in (65_534, 65_535, 65_536, 65_537, 131_072):
            for inside in ('"' * 3, "\\" * 3, ",", "{"):
                text = json.dumps(["x" * (length % 7), "y" * length + inside, inside * length, 1]).encode()
                self.assertFalse(has_more_values(text, 4), (length, inside))
                self.assertTrue(has_more_values(text, 3), (length, inside))

    def test_cut_off(self) -> None:
        """JSON that ends in the middle of a string or an escape is counted as far as it goes."""
        for text in (b'[1,2,"abc', b'[1,2,"abc\\', b'[1,2,"', b'"\\'):
            self.assertFalse(has_more_values(text, 3))
        self.assertFalse(has_more_values(b"", 0))

    def test_a_view(self) -> None:
        """Any buffer will do."""
        self.assertTrue(has_more_values(memoryview(b'[1,",,,",3]'), 2))
        self.assertFalse(has_more_values(memoryview(b'[1,",,,",3]'), 3))


class FieldsTests(SynchronousTestCase):
    """Reading by fields and pieces."""

    def setUp(self) -> None:
        """A reader of two fields."""
        self.read = fields_reader(["a", "b"])

    @settings(max_examples=100, deadline=None)
    @given(st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES))
    def test_same_values(self, value: dict[str, Any]) -> None:
        """What is read is what the whole decoder reads; other fields are left out."""
        text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
        whole = msgspec.json.decode(text)
        self.assertEqual(self.read(text), {name: whole[name] for name in whole if name != "c"})

    def test_pieces(self) -> None:
        """Large arrays are read by element, and come out whole."""
        value = {"a": [{"n": n, "text": "x" * 1000} for n in range(1000)], "b": "y" * 2 * LARGE}
        self.assertEqual(self.read(json.dumps(value).encode()), value)

    def test_last_counts(self) -> None:
        """Of repeated fields the last one."""
        self.assertEqual(self.read(b'{"a":1,"b":2,"a":3}'), {"a": 3, "b": 2})

    def test_bounds(self) -> None:
        """Too many values in all, or in one piece; spread over pieces, as many as the whole may hold."""

        def numbers(count: int) -> bytes:
            return b"[" + b"1000," * (count - 1) + b"1000]"

        self.assertRaises(TooManyValues, self.read, b'{"c":' + numbers(MAX_VALUES + 1) + b"}")
        self.assertRaises(TooManyValues, self.read, b'{"a":{"x":' + numbers(MAX_PIECE_VALUES + 1) + b"}}")
        self.assertRaises(TooManyValues, self.read, b'{"a":[' + numbers(MAX_PIECE_VALUES + 1) + b"]}")
        many = b",".join([numbers(MAX_PIECE_VALUES - 1)] * 4)
        self.assertEqual([len(item) for item in self.read(b'{"a":[' + many + b"]}")["a"]], [MAX_PIECE_VALUES - 1] * 4)

    def test_broken(self) -> None:
        """Not JSON, not UTF-8 in a field that is read, not an object."""
        for text in (b'{"a":1', b'{"c":[1}', b'{"a":NaN}', b'{"a":1}x'):
            self.assertRaises(msgspec.DecodeError, self.read, text)
        # msgspec up to 0.22 raises the former, from 0.23 on the latter.
        self.assertRaises((UnicodeDecodeError, msgspec.DecodeError), self.read, b'{"a":"\xff"}')
        self.assertRaises(msgspec.ValidationError, self.read, b"[1]")
        self.assertRaises(RecursionError, self.read, b'{"c":' + b"[" * 400_000)


class ChatTests(SynchronousTestCase):
    """A large chat request means what a small one means."""

    def test_recorded_requests(self) -> None:
        """Every recorded body is read the same, or refused with the same error, when it is blown up."""
        bodies = [case["request"]["json"] for case in CASES if isinstance(case["request"].get("json"), dict)]
        seen = set()
        for body in bodies:
            text = json.dumps(body).encode()
            large = b"{" + PAD + (b"," if body else b"") + text[1:]
            self.assertEqual(outcome(large), outcome(text), body)
            seen |= set(body)
        self.assertGreater(len(bodies), 200)
        self.assertGreaterEqual(seen & set(FIELDS), {"n", "tools", "tool_choice", "stop", "seed", "response_format"})

    def test_every_field_counts(self) -> None:
        """No field that a small request is judged by is skipped in a large one."""
        for name in (*OPTIONAL, "messages", "web_search_options", "something"):
            for value in (b"5", b'"x"', b"[1]", b'{"x":1}', b"true"):
                field = b'"' + name.encode() + b'":' + value
                small = outcome(b'{"messages":[{"role":"user","content":"hi"}],' + field + b"}")
                large = outcome(b'{"messages":[{"role":"user","content":"hi"}],' + PAD + b"," + field + b"}")
                self.assertEqual(large, small, field)

    def test_not_an_object(self) -> None:
        """The same words as for a small body."""
        pad = b"x" * LARGE
        for body, kind in (
            (b'["' + pad + b'"]', "array"),
            (b'"' + pad + b'"', "string"),
            (b" " * LARGE + b"null", "null"),
            (b" " * LARGE + b"true", "boolean"),
            (b" " * LARGE + b"-1", "number"),
        ):
            self.assertEqual(outcome(body).message, f"Invalid input: expected object, received {kind}")
        self.assertEqual(outcome(b" " * LARGE), outcome(b""))

    def test_too_much(self) -> None:
        """Too many values, messages, or a depth without end: each its error."""
        values = outcome(b'{"messages":[' + b"{}," * MAX_VALUES + b"{}]}")
        self.assertEqual((values.code, values.message), ("payload_too_large", "The JSON body holds too many values."))
        messages = [{"role": "user", "content": "hi"}] * MAX_MESSAGES
        self.assertEqual(len(parse(json.dumps({"messages": messages}).encode()).messages), MAX_MESSAGES)
        refused = outcome(json.dumps({"messages": [*messages, messages[0]]}).encode())
        self.assertEqual((refused.code, refused.param), ("invalid_request", "messages"))
        deep = outcome(b'{"messages":' + b"[" * LARGE + b"}")
        self.assertIn(deep.code, ("invalid_request", "payload_too_large"))
