# -*- test-case-name: tests.tools.test_memory_index -*-
"""The index: what is found, in which order, and what becomes of it when files change."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools.memory_files import MemoryFile
from openclaw_tx.tools.memory_index import MemoryIndex
from openclaw_tx.tools.memory_text import terms_of


class IndexCase(SynchronousTestCase):
    """An index of files that are only texts."""

    full_text = True

    def setUp(self) -> None:
        """None yet."""
        self.path = Path(self.mktemp()) / "memory" / "main.sqlite"
        self.index = self.made()
        self.texts: dict[str, str] = {}
        self.read: list[str] = []

    def made(self) -> MemoryIndex:
        """An index over the file."""
        return MemoryIndex(self.path) if self.full_text else MemoryIndex(self.path, lambda db: False)

    def refresh(self, **texts: str) -> None:
        """Write files (C{name_md}) and follow them."""
        self.texts.update({name.replace("_", "."): text for name, text in texts.items()})
        files = [
            MemoryFile(name, "/", name, "memory", str(hash(text)), len(text), number)
            for number, (name, text) in enumerate(self.texts.items())
        ]

        def read(file: MemoryFile) -> str:
            self.read.append(file.path)
            text = self.texts[file.path]
            if text == "unreadable":
                raise OSError(text)
            return text

        self.index.refresh(files[::-1], read)

    def found(self, question: str) -> list[str]:
        """Paths of the pieces, best first."""
        scores = self.index.by_words(terms_of(question))
        pieces = self.index.pieces(list(scores))
        return [pieces[row].path for row in scores]


class WordsTests(IndexCase):
    """By words."""

    def test_found(self) -> None:
        """Whatever the case; one of the words is enough; what has none of them is not found."""
        self.refresh(a_md="The gateway listens on port 18789.", b_md="Bananas are yellow.", c_md="Port of Hamburg")
        self.assertEqual(self.found("GATEWAY port"), ["a.md", "c.md"])
        self.assertEqual(self.found("yellow"), ["b.md"])
        self.assertEqual(self.found("nothing here"), [])
        self.assertEqual(self.found("?!"), [])

    def test_order(self) -> None:
        """More of the words first, then more often; a rare word counts more than a common one."""
        self.refresh(
            a_md="alpha " + "filler " * 9, b_md="alpha beta " + "filler " * 9, c_md="alpha alpha alpha filler",
            d_md="beta", e_md="common filler", f_md="common alpha", g_md="common rare",
        )  # fmt: skip
        self.assertEqual(self.found("beta alpha")[0], "b.md")
        found = self.found("alpha")
        self.assertLess(found.index("c.md"), found.index("a.md"))
        self.assertEqual(self.found("common rare")[0], "g.md")

    def test_scores(self) -> None:
        """Between 0 and 1: the best that has all the words is worth 1."""
        self.refresh(a_md="one two three", b_md="one")
        (best, second) = self.index.by_words(terms_of("one two")).values()
        self.assertAlmostEqual(best, 1.0)
        self.assertTrue(0 < second < best)
        (only,) = self.index.by_words(terms_of("two missing")).values()
        self.assertTrue(0.5 < only < 1)

    def test_one_piece(self) -> None:
        """Memory of a single file, whose every word is in every piece, is found all the same."""
        self.refresh(a_md="The door code is 4711.")
        self.assertEqual(self.found("what is the door code"), ["a.md"])

    def test_unspaced(self) -> None:
        """Chinese, Japanese, Korean, Thai: words within a run of letters, single letters too."""
        self.refresh(
            a_md="\u7f51\u5173\u90e8\u7f72\u5728\u7aef\u53e3 18789", b_md="\u732b\u304c\u597d\u304d\u3067\u3059",
            c_md="\uac8c\uc774\ud2b8\uc6e8\uc774\ub97c \ubc30\ud3ec\ud55c\ub2e4", d_md="\u0e41\u0e21\u0e27\u0e14\u0e33",
        )  # fmt: skip
        for question, path in (
            ("\u90e8\u7f72", "a.md"), ("\u7aef\u53e3\u662f\u4ec0", "a.md"), ("\u5728", "a.md"), ("\u53e3", "a.md"),
            ("\u732b", "b.md"), ("\u597d\u304d", "b.md"), ("\uac8c\uc774\ud2b8\uc6e8\uc774", "c.md"),
            ("\u0e41\u0e21\u0e27", "d.md"), ("\u7f51\u5173 18789", "a.md"),
        ):  # fmt: skip
            self.assertEqual(self.found(question), [path], question)
        self.assertEqual(self.found("\u72d7"), [])

    def test_letters(self) -> None:
        """One form of a letter is as good as another."""
        self.refresh(a_md="Caf\u0065\u0301 M\xfcnchen \uff21\uff22\uff23")
        for question in ("caf\xe9", "m\xfcnchen", "abc", "CAF\xc9"):
            self.assertEqual(self.found(question), ["a.md"], question)

    def test_hostile(self) -> None:
        """No question is an error, whatever it means in the language of FTS5 or SQL."""
        self.refresh(a_md="AND or not near text_md 'quote' \"double\" % _ * ^ : ( ) { } - + column: a.md")
        for question in (
            '"', "'", "\"\"\"", "AND", "OR OR", "NOT a", "NEAR(a b, 5)", "a*", "^a", "text:a", "{text}:a", "(", "a)(b",
            "a AND", "a OR NOT b", "- a", "+a", "a+b", "%' OR 1=1 --", "'; DROP TABLE chunks; --", "\0", "a\0b", "*",
            "\ud800", "\U0001f600", "a" * 2000, '"a" OR "', "rank", "words", "\u0301", "\u200b", "\uffff", "_", "__a__",
            " ".join('"*' for _ in range(500)), "".join(map(chr, range(1, 256))),
        ):  # fmt: skip
            self.found(question)
        self.assertEqual(self.found("double quote"), ["a.md"])


class PlainWordsTests(WordsTests):
    """The same where SQLite has no FTS5."""

    full_text = False


class StemTests(IndexCase):
    """What only FTS5 can do."""

    def test_endings(self) -> None:
        """English endings do not matter, nor do accents."""
        self.refresh(a_md="We deployed the gateways in M\xfcnchen.")
        for question in ("deploying", "gateway", "munchen"):
            self.assertEqual(self.found(question), ["a.md"], question)


class ChangesTests(IndexCase):
    """Files come, change and go."""

    def test_changes(self) -> None:
        """Only what is new or different is read."""
        self.refresh(a_md="alpha", b_md="beta")
        self.assertEqual(sorted(self.read), ["a.md", "b.md"])
        self.refresh()
        self.assertEqual(len(self.read), 2)
        self.refresh(a_md="gamma")
        self.assertEqual(self.read[2:], ["a.md"])
        self.assertEqual((self.found("alpha"), self.found("gamma"), self.found("beta")), ([], ["a.md"], ["b.md"]))
        del self.texts["b.md"]
        self.refresh()
        self.assertEqual(self.found("beta"), [])

    def test_unreadable(self) -> None:
        """A file that can not be read is not found, and does not hide the others."""
        self.refresh(a_md="unreadable", b_md="beta")
        self.assertEqual((self.found("unreadable"), self.found("beta")), ([], ["b.md"]))

    def test_another_connection(self) -> None:
        """What one call wrote, the next one finds, also after a restart."""
        self.refresh(a_md="alpha")
        self.index = self.made()
        self.refresh()
        self.assertEqual((self.found("alpha"), self.read), (["a.md"], ["a.md"]))

    def test_pieces(self) -> None:
        """With path, source, lines and text; those that have gone are left out."""
        self.refresh(a_md="one\ntwo")
        (row,) = self.index.by_words(terms_of("two"))
        found = self.index.pieces([row, row + 1])
        self.assertEqual(list(found), [row])
        self.assertEqual(found[row], ("a.md", "memory", 1, 2, "one\ntwo"))

    def test_failure_changes_nothing(self) -> None:
        """A refresh that breaks off in the middle leaves the index as it was."""
        self.refresh(a_md="alpha")

        def read(file: MemoryFile) -> str:
            raise RuntimeError

        file = MemoryFile("a.md", "/", "a.md", "memory", "other", 1, 1)
        self.assertRaises(RuntimeError, self.index.refresh, [file], read)
        self.assertEqual(self.found("alpha"), ["a.md"])

    def test_two_at_once(self) -> None:
        """Another call is first with the same change, just before we write: nothing is there twice."""
        file = MemoryFile("a.md", "/", "a.md", "memory", "1", 1, 1)
        others: list[MemoryIndex] = [self.made()]
        self.index.refresh([], lambda _: "")

        def statement(sql: str) -> None:
            if sql.startswith("BEGIN") and others:
                others.pop().refresh([file], lambda _: "alpha")

        def watched(db: sqlite3.Connection) -> bool:
            db.set_trace_callback(statement)
            return True

        MemoryIndex(self.path, watched).refresh([file], lambda _: "alpha")
        self.assertEqual((others, self.found("alpha")), ([], ["a.md"]))


class FileTests(IndexCase):
    """The file itself."""

    def test_private(self) -> None:
        """Nobody else may read it, also when it was there before."""
        self.path.parent.mkdir(parents=True)
        self.path.write_bytes(b"")
        self.path.chmod(0o644)
        self.refresh(a_md="alpha")
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        other = MemoryIndex(self.path.parent.parent / "new" / "x.sqlite")
        other.refresh([], lambda _: "")
        self.assertEqual(stat.S_IMODE(os.stat(self.path.parent.parent / "new").st_mode), 0o700)

    def test_damaged(self) -> None:
        """Is thrown away and made again."""
        for content in (
            b"not a database at all, but long enough to be one" * 100,
            b"SQLite format 3\0" + b"\xff" * 4096,
        ):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(content)
            self.refresh(a_md="alpha")
            self.assertEqual(self.found("alpha"), ["a.md"])

    def test_another_version(self) -> None:
        """Of ours, or of a SQLite with other abilities: made again."""
        self.refresh(a_md="alpha")
        self.full_text = False
        self.index = self.made()
        self.refresh()
        self.assertEqual((self.found("alph"), self.read), (["a.md"], ["a.md", "a.md"]))
        self.full_text = True
        self.index = self.made()
        self.refresh()
        self.assertEqual((self.found("alpha"), len(self.read)), (["a.md"], 3))

    def test_unusable(self) -> None:
        """What is no file is an error in words."""
        self.path.mkdir(parents=True)
        self.assertRaises(OSError, self.refresh)
        self.path.rmdir()
        self.path.symlink_to("/dev/null")
        self.assertRaises(OSError, self.refresh)


class VectorsTests(IndexCase):
    """By meaning."""

    def embed(self, model: str = "p/m", dimensions: int = 2, limit: int = 99, **vectors: tuple[float, ...]) -> None:
        """Give pieces vectors by their text."""
        missing, _ = self.index.without_vectors(model, dimensions, limit)
        self.index.put_vectors(model, {digest: vectors[text] for digest, text in missing if text in vectors})

    def near(self, *vector: float, model: str = "p/m") -> list[tuple[str, float]]:
        """Texts of the pieces that are near, and how near."""
        scores = self.index.by_meaning(model, vector)
        pieces = self.index.pieces(list(scores))
        return [(pieces[row].text, round(score, 3)) for row, score in scores.items()]

    def test_near(self) -> None:
        """By the cosine, whatever the length; what points elsewhere is not near."""
        self.refresh(a_md="a", b_md="b", c_md="c", d_md="d")
        self.embed(a=(0.0, 5.0), b=(1.0, 1.0), c=(-1.0, 0.0), d=(3.0, 0.0))
        self.assertEqual(self.near(2.0, 0.0), [("d", 1.0), ("b", 0.707)])

    def test_missing(self) -> None:
        """Pieces are embedded once for each model and text, the newest first, so many at a time."""
        self.refresh(a_md="a", b_md="b", c_md="b")
        missing, count = self.index.without_vectors("p/m", 2, 1)
        self.assertEqual(([text for _, text in missing], count), (["b"], 2))
        self.embed(a=(1.0, 0.0), b=(0.0, 1.0))
        self.assertEqual(self.index.without_vectors("p/m", 2, 9), ([], 0))
        self.assertEqual(self.index.without_vectors("p/other", 2, 9)[1], 2)
        self.assertEqual([text for text, _ in self.near(0.0, 1.0)], ["b", "b"])
        self.refresh(a_md="new", d_md="a")
        self.assertEqual([text for _, text in self.index.without_vectors("p/m", 2, 9)[0]], ["new"])

    def test_forgotten(self) -> None:
        """Vectors go with the last piece of that text."""
        self.refresh(a_md="a")
        self.embed(a=(1.0, 0.0))
        self.refresh(a_md="b")
        self.refresh(a_md="a")
        self.assertEqual(self.index.without_vectors("p/m", 2, 9)[1], 1)

    def test_other_length(self) -> None:
        """A model that changed under its name: old vectors do not count, and are made anew."""
        self.refresh(a_md="a", b_md="b")
        self.embed(a=(1.0, 0.0), b=(1.0, 0.0))
        self.assertEqual(self.near(1.0, 0.0, 0.0), [])
        self.embed(dimensions=3, a=(1.0, 0.0, 0.0))
        self.assertEqual(self.near(1.0, 0.0, 0.0), [("a", 1.0)])

    def test_degenerate(self) -> None:
        """Vectors of nothing are near to nothing."""
        self.refresh(a_md="a", b_md="b")
        self.embed(a=(0.0, 0.0), b=(float("nan"), 1.0))
        self.assertEqual(self.near(1.0, 0.0), [])
        self.assertEqual(self.near(0.0, 0.0), [])
