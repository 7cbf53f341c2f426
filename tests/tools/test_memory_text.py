# -*- test-case-name: tests.tools.test_memory_text -*-
"""Pieces of texts, and words."""

from __future__ import annotations

import time

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools.memory_text import (
    CHUNK_BYTES,
    MAX_TERMS,
    OVERLAP_BYTES,
    SNIPPET_CHARS,
    Term,
    chunks,
    snippet,
    terms_of,
    words_of,
)


class ChunksTests(SynchronousTestCase):
    """Cutting."""

    def test_small(self) -> None:
        """One piece, with its lines; nothing but white space is none."""
        (chunk,) = chunks("# A\r\nb\n")
        self.assertEqual((chunk.start_line, chunk.end_line, chunk.text), (1, 3, "# A\nb\n"))
        self.assertEqual(list(chunks("")), [])
        self.assertEqual(list(chunks(" \n\n\t")), [])

    def test_large(self) -> None:
        """At the ends of lines; each piece begins with the end of the one before; no line is lost."""
        lines = [f"line {number} " + "x" * 40 for number in range(1, 301)]
        found = list(chunks("\n".join(lines)))
        self.assertGreater(len(found), 8)
        covered: set[int] = set()
        for before, chunk in zip([None, *found], found, strict=False):
            self.assertEqual(chunk.text, "\n".join(lines[chunk.start_line - 1 : chunk.end_line]))
            self.assertLessEqual(len(chunk.text), CHUNK_BYTES)
            covered.update(range(chunk.start_line, chunk.end_line + 1))
            if before is not None:
                shared = "\n".join(lines[chunk.start_line - 1 : before.end_line])
                self.assertTrue(0 < len(shared) <= OVERLAP_BYTES)
        self.assertEqual(covered, set(range(1, 301)))

    def test_long_line(self) -> None:
        """Is cut within, and stays that line."""
        for line in ("y" * 10_000, "\u732b" * 10_000, "y" * 1590 + "\u732b" * 10):
            found = list(chunks(f"first\n{line}\nlast"))
            self.assertEqual(found[0].start_line, 1)
            self.assertEqual(found[-1].end_line, 3)
            self.assertTrue(all(len(chunk.text.encode()) <= CHUNK_BYTES for chunk in found))
            whole = "".join(chunk.text for chunk in found)
            self.assertGreaterEqual(whole.count(line[0]) + whole.count(line[-1]), len(line))

    def test_digest(self) -> None:
        """The same text has the same one, wherever it is."""
        (one,), (two,), (other,) = chunks("\n\nx"), chunks("\n\nx"), chunks("y")
        self.assertEqual(one.digest, two.digest)
        self.assertNotEqual(one.digest, other.digest)

    def test_bounded(self) -> None:
        """A megabyte of short lines, or of one, takes no time to speak of."""
        begun = time.perf_counter()
        for text in ("\n" * 1_000_000, "a\n" * 500_000, "x" * 1_000_000, "\u732b" * 300_000):
            list(chunks(text))
        self.assertLess(time.perf_counter() - begun, 20)


class WordsTests(SynchronousTestCase):
    """What is looked for, and in what."""

    def test_terms(self) -> None:
        """Lower case, each once, whatever stands between them."""
        self.assertEqual([term.text for term in terms_of('The "deploy_port", NOT the-gateway (8080)?')],
                         ["the", "deploy", "port", "not", "gateway", "8080"])  # fmt: skip
        self.assertEqual(terms_of("  !?* \" ' -- "), [])
        self.assertEqual(terms_of("\uff21\uff22 caf\u0065\u0301"), [Term("ab"), Term("caf\xe9")])

    def test_unspaced(self) -> None:
        """Pairs of letters; a single one begins a pair."""
        self.assertEqual(
            terms_of("v2\u90e8\u7f72\u7aef\u53e3 x"),
            [Term("v2"), Term("\u90e8\u7f72"), Term("\u7f72\u7aef"), Term("\u7aef\u53e3"), Term("x")],
        )
        self.assertEqual(terms_of("\u732b"), [Term("\u732b", prefix=True)])
        self.assertEqual(words_of("a\u90e8\u7f72\u7aefb").split(), ["a", "\u90e8\u7f72", "\u7f72\u7aef", "\u7aef", "b"])

    def test_many(self) -> None:
        """So many words and no more."""
        self.assertEqual(len(terms_of(" ".join(f"w{number}" for number in range(1000)))), MAX_TERMS)
        self.assertEqual(len(terms_of("".join(chr(0x4E00 + number) for number in range(1000)))), MAX_TERMS)


class SnippetTests(SynchronousTestCase):
    """What is shown of a piece."""

    def test_short(self) -> None:
        """All."""
        self.assertEqual(snippet("a\nb", [Term("b")]), "a\nb")

    def test_long(self) -> None:
        """From the line of the first word on, so much."""
        text = "\n".join(f"line {number} is here" for number in range(100))
        found = snippet(text, terms_of("nowhere line 40"))
        self.assertTrue(found.startswith("line 0 "))
        self.assertTrue(snippet(text, terms_of("40")).startswith("line 40 "))
        for terms in ([], terms_of("99"), terms_of("nowhere")):
            self.assertEqual(len(snippet(text, terms)), SNIPPET_CHARS)
        self.assertIn("99", snippet(text, terms_of("99")))
        self.assertIn("needle", snippet("x" * 1000 + "needle" + "y" * 1000, terms_of("needle")))
