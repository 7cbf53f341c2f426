# -*- test-case-name: tests.wire.test_whole_numbers -*-
"""Whole numbers with a point: where an integer belongs they are one, and nothing else changes."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.wire.frames import Natural, decode_params
from openclaw_tx.wire.whole_numbers import MAX_VALUES


class Row(msgspec.Struct, forbid_unknown_fields=True):
    """Something inside."""

    at: int = 0


class Sample(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Params with integers everywhere."""

    timeout_ms: Natural = 0
    limit: Annotated[int, Meta(ge=1, le=9)] | None = None
    change: Natural | UnsetType | None = UNSET
    rows: list[Row] = []
    named: dict[str, Row] = {}
    counts: list[int] = []
    text: str = ""
    ratio: float = 0.5
    anything: Any = None
    kept: Raw = Raw(b"")


def read(data: bytes) -> Sample:
    """The params."""
    return decode_params(Sample, data, "m")


class WholeNumbersTests(SynchronousTestCase):
    """L{decode_params} with L{openclaw_tx.wire.whole_numbers}."""

    def refusal(self, data: bytes) -> str:
        """Why it is refused."""
        return str(self.assertRaises(GatewayError, read, data).info.message)

    def test_whole(self) -> None:
        """Each spelling of a whole number will do, in all places."""
        found = read(
            b' { "timeoutMs" : 100.0, "limit": 5e0, "change": -0.0, "rows":[{"at":1},{"at":2.0}], '
            b'"named":{"a.b":{"at":1E3}}, "counts":[1,2.0,3.0] } '
        )
        self.assertEqual((found.timeout_ms, found.limit, found.change), (100, 5, 0))
        self.assertEqual(([row.at for row in found.rows], found.named["a.b"].at), ([1, 2], 1000))
        self.assertEqual(found.counts, [1, 2, 3])
        self.assertTrue(all(type(number) is int for number in (found.timeout_ms, found.change, *found.counts)))

    def test_nothing_else(self) -> None:
        """Values beside them stay as they came: texts, floats, and what is not looked into."""
        found = read(
            b'{"timeoutMs":1.0,"text":"2.0","ratio":3.0,"anything":{"a":[4.0,"x"]},"kept":{"b": 5.0 }}',
        )
        self.assertEqual((found.text, found.ratio, found.anything), ("2.0", 3.0, {"a": [4.0, "x"]}))
        self.assertIs(type(found.anything["a"][0]), float)
        self.assertEqual(bytes(found.kept), b'{"b": 5.0 }')

    def test_refused(self) -> None:
        """Other numbers, text and what is out of bounds are refused as ever."""
        for data, words in {
            b'{"timeoutMs":1.5}': "at /timeoutMs: must be integer",
            b'{"timeoutMs":"1"}': "at /timeoutMs: must be integer",
            b'{"timeoutMs":"1.0"}': "at /timeoutMs: must be integer",
            b'{"timeoutMs":true}': "at /timeoutMs: must be integer",
            b'{"timeoutMs":-1.0}': "at /timeoutMs: must be >= 0",
            b'{"timeoutMs":1e300}': "at /timeoutMs: must be <= 9007199254740991",
            b'{"limit":10.0}': "at /limit: must be <= 9",
            b'{"limit":1.5}': "at /limit: must be integer or null",
            b'{"counts":[1.0,"a"]}': "at /counts/1: must be integer",
            b'{"counts":[1.0,1.5]}': "at /counts/1: must be integer",
            b'{"timeoutMs":1.0,"other":1}': "at root: unexpected property 'other'",
        }.items():
            self.assertEqual(self.refusal(data), f"invalid m params: {words}")

    def test_bound(self) -> None:
        """What holds very many values is not taken apart for it."""
        rows = b"[" + b",".join([b"1"] * (MAX_VALUES + 1)) + b"]"
        self.assertIn("must be integer", self.refusal(b'{"counts":%b,"timeoutMs":1.0}' % rows))
