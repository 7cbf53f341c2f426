# -*- test-case-name: tests.tools.test_excerpt -*-
"""Lines of a file."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools.excerpt import MAX_LINES, MAX_SCAN, Excerpt, OutOfReach, excerpt

LINES = st.lists(st.sampled_from([b"", b"a", b"bb", b"ccccc"]))


def lines_of(data: bytes, first: int = 1, lines: int = MAX_LINES, size: int = 100) -> Excerpt:
    """An excerpt of some bytes."""
    return excerpt(io.BytesIO(data), first, lines, size)


class Endless(io.RawIOBase):
    """A file without an end, of lines of 1 KiB."""

    def __init__(self) -> None:
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        """As much as one likes."""
        self.given += size
        return (b"x" * 1023 + b"\n") * (size // 1024) + b"x" * (size % 1024)


class ExcerptTests(SynchronousTestCase):
    """What is read, and what is said of the rest."""

    def test_all(self) -> None:
        """A small file, with and without an end of its last line."""
        self.assertEqual(lines_of(b"a\nb\n"), Excerpt("a\nb\n", 1, 2, 2, False))
        self.assertEqual(lines_of(b"a\nb"), Excerpt("a\nb", 1, 2, 2, False))
        self.assertTrue(lines_of(b"a\nb").is_all)

    def test_empty(self) -> None:
        """A file without lines."""
        self.assertEqual(lines_of(b""), Excerpt("", 1, 0, 0, False))

    def test_lines(self) -> None:
        """The lines wanted, and how many there are."""
        found = lines_of(b"1\n2\n3\n4\n5", 2, 2)
        self.assertEqual(found, Excerpt("2\n3\n", 2, 3, 5, False))
        self.assertFalse(found.is_all)
        self.assertEqual(lines_of(b"1\n2\n3", 3), Excerpt("3", 3, 3, 3, False))

    def test_size(self) -> None:
        """Whole lines only, as many as fit."""
        self.assertEqual(lines_of(b"aaaa\nbbbb\ncccc\n", size=12), Excerpt("aaaa\nbbbb\n", 1, 2, 3, False))
        self.assertEqual(lines_of(b"aaaa\nbbbb\n", size=10), Excerpt("aaaa\nbbbb\n", 1, 2, 2, False))
        self.assertEqual(lines_of(b"aaaa\nbbbb", size=8), Excerpt("aaaa\n", 1, 1, 2, False))

    def test_long_line(self) -> None:
        """A line longer than an excerpt is cut between characters."""
        self.assertEqual(lines_of("ääää\nb".encode(), size=5), Excerpt("ää", 1, 1, 2, True))
        self.assertEqual(lines_of(b"a\n" + b"b" * 50, 2, size=5), Excerpt("bbbbb", 2, 2, 2, True))

    def test_many_lines(self) -> None:
        """The number of lines is bounded too."""
        found = lines_of(b"\n" * 5000, lines=9999, size=10_000)
        self.assertEqual((found.last, found.total), (MAX_LINES, 5000))

    def test_behind_the_end(self) -> None:
        """A line that is not there, and how many are."""
        for data, count in ((b"a\nb", 2), (b"a\nb\n", 2), (b"", 0), (b"\n", 1)):
            error = self.assertRaises(OutOfReach, lines_of, data, count + 1 if data else 2)
            self.assertIn(f"has {count}.", str(error))
            error = self.assertRaises(OutOfReach, lines_of, data, 99)
            self.assertIn(f"has {count}.", str(error))

    def test_huge(self) -> None:
        """Of a huge file not all is looked through."""
        file = Endless()
        found = excerpt(file, 1000, 10)  # type: ignore[arg-type]
        self.assertEqual((found.first, found.last, found.total), (1000, 1009, None))
        self.assertLess(file.given, 2 * MAX_SCAN)
        error = self.assertRaises(OutOfReach, excerpt, Endless(), 10**9)
        self.assertIn("64 MiB into", str(error))

    def test_text(self) -> None:
        """A byte order mark and carriage returns are not shown; what is no text is replaced."""
        self.assertEqual(lines_of(b"\xef\xbb\xbfa\r\nb\xff\0\r\n").text, "a\nb\ufffd\ufffd\n")

    @given(
        st.lists(st.sampled_from([b"", b"a", b"bb", b"ccccc"])), st.booleans(), st.integers(1, 4), st.integers(6, 12)
    )
    def test_going_on(self, lines: list[bytes], ended: bool, count: int, size: int) -> None:
        """Whoever goes on where an excerpt ended has read the whole file at the end."""
        data = b"\n".join(lines) + (b"\n" if ended and lines else b"")
        read, first = "", 1
        while True:
            found = lines_of(data, first, count, size)
            self.assertLessEqual(len(found.text), size)
            read += found.text
            if found.is_all:
                break
            first = found.last + 1
        self.assertEqual(read, data.decode())
