"""Messages on a stream, in whatever pieces it comes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.workers.framing import MAX_FRAME, FrameReader, FramingError, framed


class FramingTests(SynchronousTestCase):
    """L{FrameReader} and L{framed}."""

    @given(st.lists(st.binary(max_size=50), max_size=8), st.lists(st.integers(1, 40)), st.binary(max_size=3))
    def test_any_pieces(self, messages: list[bytes], sizes: list[int], rest: bytes) -> None:
        """Whatever the pieces, the messages are the same; what is no whole one is left."""
        data = b"".join(map(framed, messages)) + rest
        reader, found = FrameReader(), []
        while data:
            size = sizes.pop() if sizes else len(data)
            reader.feed(data[:size])
            data = data[size:]
            while (message := reader.next()) is not None:
                found.append(message)
        self.assertEqual((found, reader.rest), (messages, rest))

    def test_too_long(self) -> None:
        """A length above the limit is refused before any of it is held."""
        reader = FrameReader(limit=10)
        reader.feed(framed(b"x" * 10))
        self.assertEqual(reader.next(), b"x" * 10)
        reader.feed((11).to_bytes(4, "big"))
        self.assertRaises(FramingError, reader.next)
        self.assertRaises(FramingError, framed, bytes(MAX_FRAME + 1))
