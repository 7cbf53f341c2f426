# -*- test-case-name: tests.wire.test_lines -*-
"""JSON values on a line each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.wire.lines import LineDecoder


class LineDecoderTests(SynchronousTestCase):
    """L{LineDecoder}."""

    def test_lines(self) -> None:
        """Complete ones come out without their ends; blank ones do not; the last needs no end."""
        lines = LineDecoder()
        self.assertEqual(lines.feed(b'{"a":1}\r\n\n  \n{"b"'), [b'{"a":1}'])
        self.assertEqual(lines.feed(b":2}"), [])
        self.assertEqual(lines.finish(), [b'{"b":2}'])
        self.assertEqual(lines.finish(), [])

    @given(st.lists(st.binary(max_size=9), max_size=9))
    def test_any_split(self, pieces: list[bytes]) -> None:
        """However the bytes come."""
        lines = LineDecoder()
        found = [line for piece in pieces for line in lines.feed(piece)] + lines.finish()
        whole = [line.strip() for line in b"".join(pieces).split(b"\n")]
        self.assertEqual(found, [line for line in whole if line])

    def test_bound(self) -> None:
        """A line that does not end is given up; one that ends in time is not."""
        lines = LineDecoder(8)
        self.assertEqual(lines.feed(b"12345678"), [])
        self.assertEqual(lines.feed(b"\n12345678"), [b"12345678"])
        self.assertEqual(self.assertRaises(GatewayError, lines.feed, b"9").info.code, "provider_error")
