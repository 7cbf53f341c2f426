# -*- test-case-name: tests.tools.test_output -*-
"""What is kept of a command's output."""

from __future__ import annotations

import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools.output import Output, readable


class OutputTests(SynchronousTestCase):
    """The buffer."""

    @given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8), st.integers(1, 50))
    def test_pieces_do_not_matter(self, data: bytes, cuts: list[int], limit: int) -> None:
        """However the bytes come, the end of the text is the same, and what is missing is counted."""
        output = Output(limit)
        edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
        for start, end in pairwise(edges):
            output.add(data[start:end])
            self.assertLessEqual(len(output), limit)
        output.end()
        whole = data.decode("utf-8", "replace")
        self.assertEqual(output.since(0), whole[-limit:])
        self.assertEqual((output.total, output.dropped), (len(whole), max(0, len(whole) - limit)))

    def test_since(self) -> None:
        """What came after a position, as far as it is held."""
        output = Output(5)
        output.add(b"abc")
        self.assertEqual((output.since(1), output.since(3), output.since(9)), ("bc", "", ""))
        output.add(b"defgh")
        self.assertEqual(
            (output.since(0), output.since(6), output.tail(2), output.tail(99)), ("defgh", "gh", "gh", "defgh")
        )

    def test_half_a_character(self) -> None:
        """Half a character waits for its other half, or is broken at the end."""
        output = Output(10)
        output.add("é".encode()[:1])
        self.assertEqual(output.since(0), "")
        output.add("é".encode()[1:] + b"\xff" + "é".encode()[:1])
        self.assertEqual(output.since(0), "é\ufffd")
        output.end()
        self.assertEqual(output.since(0), "é\ufffd\ufffd")


class ReadableTests(SynchronousTestCase):
    """Text for models and people."""

    def test_sequences(self) -> None:
        """Colours, titles, links, NUL and bells are gone; lines stay lines."""
        for raw, expected in {
            "\x1b[31mred\x1b[0m": "red",
            "\x1b[2J\x1b[1;1Hx": "x",
            "\x1b]0;title\x07x": "x",
            "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\": "link",
            "\x1bPdata\x1b\\x": "x",
            "\x1b(Bx\x1b=": "x",
            "a\0b\x07c\x7fd\x9be": "abcde",
            "a\r\nb\rc\r\r\nd": "a\nb\nc\nd",
            "tab\tnew\n": "tab\tnew\n",
            "\x1b": "",
            "\x1b[": "",
        }.items():
            self.assertEqual(readable(raw), expected, repr(raw))

    def test_carriage_returns(self) -> None:
        """However many, they are looked at once: each is a line's end, before a newline all of them are one."""
        begun = time.process_time()
        self.assertEqual(readable("\r" * 200_000 + "x"), "\n" * 200_000 + "x")
        self.assertEqual(readable("a\r\r\r\nb"), "a\nb")
        self.assertLess(time.process_time() - begun, 1)

    @given(st.text())
    def test_nothing_left(self, text: str) -> None:
        """Whatever it is, no control but tab and newline is left."""
        left = readable(text)
        self.assertFalse([character for character in left if character < " " and character not in "\t\n"])
