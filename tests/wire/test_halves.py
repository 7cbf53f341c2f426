# -*- test-case-name: tests.wire.test_halves -*-
"""Half surrogate pairs: put together, or replaced as JavaScript does."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.wire.halves import MAX_PIECE, Halves, read_json, read_piece, whole, without_halves

ATOMS = ("\\ud83d", "\\ude00", "\\uD83D", "\\uDE00", "\\\\", "\\n", "\\u0041", '\\"', "x", "\U0001f600")


class Piece(msgspec.Struct):
    """A piece of a stream."""

    id: str = ""
    content: str = ""
    args: Any = None


def read(text: str) -> Any:
    """A JSON document."""
    return read_json(msgspec.json.decode, text.encode())


class JsonTests(SynchronousTestCase):
    """Whole documents."""

    @given(st.lists(st.sampled_from(ATOMS)), st.integers(0, 12))
    def test_as_python_reads_them(self, atoms: list[str], shift: int) -> None:
        """The other decoder takes halves: it says where they are, also across the places where a long text is cut."""
        for lead in ("", "x" * (64 * 1024 - 8 - shift), "\\\\" * (32 * 1024 - shift)):
            text = '"' + lead + "".join(atoms) + '"'
            self.assertEqual(read(text), whole(json.loads(text)))
            self.assertEqual(len(without_halves(text.encode())), len(text.encode()))

    def test_keys(self) -> None:
        """They are texts too."""
        self.assertEqual(read('{"a\\ud83d": [{"\\ude00": 1}]}'), {"a\ufffd": [{"\ufffd": 1}]})

    def test_what_is_not_json(self) -> None:
        """It stays so, and is said in the same words."""
        for text in ('{"a": "\\ud83d', '["\\ud83d",]', "{", '"\\ud83'):
            self.assertRaises(msgspec.DecodeError, read, text)

    def test_wrong_type(self) -> None:
        """It is said as ever."""
        decode = msgspec.json.Decoder(Piece).decode
        self.assertRaises(msgspec.ValidationError, read_json, decode, b'{"id": 5, "content": "\\ud83d"}')
        self.assertRaises(msgspec.ValidationError, read_json, decode, b'{"content": "\\ud83d", "id": 5}')


class PieceTests(SynchronousTestCase):
    """Pieces of streams."""

    decoder = msgspec.json.Decoder(Piece)

    def test_ends_are_kept(self) -> None:
        """Of texts that come in pieces, and of no other."""
        piece = rb'{"id": "a\ud83d", "content": "\ude00b\ud83dc\ud83d", "args": {"text": "\ud83d"}}'
        found = read_piece(self.decoder, piece)
        self.assertEqual(found, Piece(id="a\ufffd", content="\ude00b\ufffdc\ud83d", args={"text": "\ufffd"}))

    def test_large(self) -> None:
        """None are kept."""
        piece = rb'{"content": "%b\ud83d"}' % (b"x" * MAX_PIECE)
        self.assertEqual(read_piece(self.decoder, piece), Piece(content="x" * MAX_PIECE + "\ufffd"))

    def test_endless_number(self) -> None:
        """What only one of the decoders takes is no reason to fail."""
        piece = rb'{"content": "\ud83d", "more": %b}' % (b"1" * 5000)
        self.assertEqual(read_piece(self.decoder, piece), Piece(content="\ufffd"))

    def test_other_reasons(self) -> None:
        """Without halves there is nothing to mend."""
        self.assertIsNone(read_piece(self.decoder, b'{"content": "\\\\ud83d"'))
        self.assertRaises(msgspec.DecodeError, read_piece, self.decoder, b'{"content": "\\ud83d"')
        self.assertRaises(msgspec.ValidationError, read_piece, self.decoder, b'{"content": "\\ud83d", "id": 5}')


class HalvesTests(SynchronousTestCase):
    """Texts in pieces."""

    def test_neighbours(self) -> None:
        """They are one character, with nothing or other texts between them."""
        halves = Halves()
        self.assertEqual([halves.join("a", piece) for piece in ("x\ud83d", "", "\ude00y")], ["x", "", "\U0001f600y"])
        self.assertEqual(halves.join("a", "\ud83d"), "")
        self.assertEqual(halves.join("b", "\ude00"), "\ufffd")
        self.assertEqual(halves.join("a", "\ude00\ud83d"), "\U0001f600")
        self.assertEqual((halves.rest("a"), halves.rest("a"), halves.rest("b")), ("\ufffd", "", ""))

    def test_strangers(self) -> None:
        """A half that does not fit is one by itself."""
        halves = Halves()
        self.assertEqual([halves.join("a", piece) for piece in ("\ud83d", "\ud83d", "x")], ["", "\ufffd", "\ufffdx"])
