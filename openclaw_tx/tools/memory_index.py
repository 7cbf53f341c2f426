# -*- test-case-name: tests.tools.test_memory_index -*-
"""The index of one agent's memory: SQLite with FTS5 for words and plain blobs for vectors. Blocking; for a thread.

All of it can be made again from the files, so a file that is damaged or of another version is thrown away. Every call
has a connection of its own, so that calls may come from any thread. Where SQLite was built without FTS5, words are
counted by looking at every piece.
"""

from __future__ import annotations

import heapq
import math
import os
import re
import sqlite3
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from operator import mul
from pathlib import Path
from typing import NamedTuple, TypeVar

from openclaw_tx.config.replacing import make_directory
from openclaw_tx.tools.memory_files import MemoryFile
from openclaw_tx.tools.memory_text import Term, chunks, words_of

T = TypeVar("T")

VERSION = 1
BUSY_S = 10.0
"""How long a call waits for another one that writes."""

CANDIDATES = 200
"""Pieces that are ranked."""

COVERED = 2 / 3
"""What it is worth to hold all the words that were asked for."""

MAX_VECTORS = 10_000
"""Pieces compared by meaning: the newest."""

_NUMBER = array("f").itemsize

_TABLES = """
CREATE TABLE files (path TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, source TEXT NOT NULL);
CREATE TABLE chunks (id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL, start_line INTEGER NOT NULL,
    end_line INTEGER NOT NULL, text TEXT NOT NULL, digest TEXT NOT NULL);
CREATE INDEX chunks_path ON chunks (path);
CREATE INDEX chunks_digest ON chunks (digest);
CREATE TABLE vectors (model TEXT NOT NULL, digest TEXT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (model, digest));
"""
_WORDS = "CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = 'porter unicode61 remove_diacritics 2')"


_WORD = re.compile(r"[^\W_]+")


class Piece(NamedTuple):
    """A piece of a file."""

    path: str
    source: str
    start_line: int
    end_line: int
    text: str


def has_full_text(db: sqlite3.Connection) -> bool:
    """Whether this SQLite has FTS5."""
    try:
        db.execute("CREATE VIRTUAL TABLE temp.probe USING fts5 (x)")
        db.execute("DROP TABLE temp.probe")
    except sqlite3.OperationalError:
        return False
    return True


class MemoryIndex:
    """An index in a file. Every method raises C{OSError} when it can not be used."""

    def __init__(self, path: Path, full_text: Callable[[sqlite3.Connection], bool] = has_full_text) -> None:
        """
        @param path: of the file; made with its directory where it is missing, for nobody else to read.
        @param full_text: whether FTS5 can be used.
        """
        self._path = path
        self._full_text = full_text

    def refresh(self, files: Sequence[MemoryFile], read: Callable[[MemoryFile], str]) -> None:
        """Follow the files: those that are new or have changed are read.

        @param files: the newest first.
        @param read: gives a file's text; one for which it raises C{OSError} or C{ValueError} has none.
        """

        def work(db: sqlite3.Connection, full_text: bool) -> None:
            if not any(_changes(db, files)):
                return
            db.execute("BEGIN IMMEDIATE")
            stale, fresh = _changes(db, files)  # once more: another call may have been first
            for path in stale:
                if full_text:
                    db.execute("DELETE FROM words WHERE rowid IN (SELECT id FROM chunks WHERE path = ?)", (path,))
                db.execute("DELETE FROM chunks WHERE path = ?", (path,))
                db.execute("DELETE FROM files WHERE path = ?", (path,))
            for file in reversed(fresh):  # so that the newest have the highest ids
                _add(db, full_text, file, _text_of(file, read))
            db.execute("DELETE FROM vectors WHERE digest NOT IN (SELECT digest FROM chunks)")
            db.execute("COMMIT")

        self._with(work)

    def by_words(self, terms: Sequence[Term]) -> dict[int, float]:
        """Pieces that hold at least one of the words, best first, with what they are worth, 0 to 1.

        Two thirds of that are the share of the words that are in the piece, where rare words count more; the rest is
        BM25, as a share of the best piece's.
        """
        if not terms:
            return {}

        def work(db: sqlite3.Connection, full_text: bool) -> dict[int, float]:
            count = db.execute("SELECT count(*) FROM chunks").fetchone()[0]
            found = _indexed(db, terms) if full_text else _counted(db, terms)
            weights = [math.log1p(count / (len(rows) + 0.5)) for rows in found.holders]
            best = max(found.ranks.values(), default=0.0) or 1.0

            def worth(row: int, rank: float) -> float:
                held = sum(weight for weight, rows in zip(weights, found.holders, strict=True) if row in rows)
                return COVERED * held / sum(weights) + (1 - COVERED) * rank / best

            scores = {row: worth(row, rank) for row, rank in found.ranks.items()}
            return dict(sorted(scores.items(), key=lambda item: -item[1]))

        return self._with(work)

    def without_vectors(self, model: str, dimensions: int, limit: int) -> tuple[list[tuple[str, str]], int]:
        """Pieces that have no vector of C{model} yet, or one of another length from before the model was changed.

        @return: digests and texts, each once, newest first; and how many there are.
        """

        def work(db: sqlite3.Connection, full_text: bool) -> tuple[list[tuple[str, str]], int]:
            missing = (
                "FROM chunks WHERE NOT EXISTS (SELECT 1 FROM vectors WHERE vectors.model = ? "
                "AND vectors.digest = chunks.digest AND length(vectors.vector) = ?)"
            )
            known = (model, dimensions * _NUMBER)
            rows = db.execute(
                f"SELECT digest, text {missing} GROUP BY digest ORDER BY max(id) DESC LIMIT ?", (*known, limit)
            ).fetchall()
            return rows, db.execute(f"SELECT count(DISTINCT digest) {missing}", known).fetchone()[0]

        return self._with(work)

    def put_vectors(self, model: str, vectors: Mapping[str, Sequence[float]]) -> None:
        """Keep vectors of pieces, by their digests."""
        rows = [(model, digest, _unit(vector).tobytes()) for digest, vector in vectors.items()]

        def work(db: sqlite3.Connection, full_text: bool) -> None:
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
            db.execute("COMMIT")

        self._with(work)

    def by_meaning(self, model: str, vector: Sequence[float]) -> dict[int, float]:
        """The pieces whose vectors are nearest, best first, with the cosine, 0 to 1."""
        wanted = _unit(vector)

        def work(db: sqlite3.Connection, full_text: bool) -> dict[int, float]:
            rows = db.execute(
                "SELECT chunks.id, vectors.vector FROM chunks JOIN vectors ON vectors.digest = chunks.digest "
                "WHERE vectors.model = ? AND length(vectors.vector) = ? ORDER BY chunks.id DESC LIMIT ?",
                (model, len(wanted) * _NUMBER, MAX_VECTORS),
            )
            scored = ((sum(map(mul, wanted, array("f", blob))), row) for row, blob in rows)
            near = (pair for pair in scored if pair[0] > 0)
            return {row: min(1.0, score) for score, row in heapq.nlargest(CANDIDATES, near)}

        return self._with(work)

    def pieces(self, rows: Sequence[int]) -> dict[int, Piece]:
        """Those of the pieces that are still there."""

        def work(db: sqlite3.Connection, full_text: bool) -> dict[int, Piece]:
            found = {}
            for row in rows:
                piece = db.execute(
                    "SELECT chunks.path, source, start_line, end_line, text FROM chunks JOIN files USING (path) "
                    "WHERE id = ?",
                    (row,),
                ).fetchone()
                if piece is not None:
                    found[row] = Piece(*piece)
            return found

        return self._with(work)

    def _with(self, work: Callable[[sqlite3.Connection, bool], T]) -> T:
        """Do something with the database; once more with a new one when it is damaged.

        @raise OSError: it can not be used.
        """
        try:
            try:
                with self._opened() as (db, full_text):
                    return work(db, full_text)
            except sqlite3.DatabaseError as error:
                if type(error) is not sqlite3.DatabaseError:
                    raise
            self._discard()
            with self._opened() as (db, full_text):
                return work(db, full_text)
        except sqlite3.Error as error:
            raise OSError(f"its index can not be used: {error}") from None

    @contextmanager
    def _opened(self) -> Iterator[tuple[sqlite3.Connection, bool]]:
        make_directory(self._path.parent)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(handle, 0o600)
        finally:
            os.close(handle)
        with closing(sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)) as db:
            full_text = self._full_text(db)
            db.execute("PRAGMA synchronous = OFF")  # it can be made again
            version = 2 * VERSION + full_text
            if db.execute("PRAGMA user_version").fetchone()[0] != version:
                self._begin(db, full_text, version)
            yield db, full_text

    def _begin(self, db: sqlite3.Connection, full_text: bool, version: int) -> None:
        """Make the tables, unless another call just did.

        @raise sqlite3.DatabaseError: the file is of another version.
        """
        db.execute("BEGIN IMMEDIATE")
        try:
            there = db.execute("PRAGMA user_version").fetchone()[0]
            if there == version:
                return
            if there or db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise sqlite3.DatabaseError("another version")
            for statement in _TABLES.split(";"):
                db.execute(statement)
            if full_text:
                db.execute(_WORDS)
            db.execute(f"PRAGMA user_version = {version}")
            db.execute("COMMIT")
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")

    def _discard(self) -> None:
        for suffix in ("", "-journal", "-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)


def _changes(db: sqlite3.Connection, files: Sequence[MemoryFile]) -> tuple[list[str], list[MemoryFile]]:
    """Paths that are to go, and files that are to be read."""
    known = dict(db.execute("SELECT path, fingerprint FROM files"))
    now = {file.path: file.fingerprint for file in files}
    stale = [path for path, mark in known.items() if now.get(path) != mark]
    return stale, [file for file in files if known.get(file.path) != file.fingerprint]


def _add(db: sqlite3.Connection, full_text: bool, file: MemoryFile, text: str) -> None:
    db.execute("INSERT INTO files VALUES (?, ?, ?)", (file.path, file.fingerprint, file.source))
    for chunk in chunks(text):
        row = db.execute(
            "INSERT INTO chunks (path, start_line, end_line, text, digest) VALUES (?, ?, ?, ?, ?)",
            (file.path, chunk.start_line, chunk.end_line, chunk.text, chunk.digest),
        ).lastrowid
        if full_text:
            db.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (row, words_of(chunk.text)))


class _Found(NamedTuple):
    """Pieces with words that were asked for."""

    ranks: dict[int, float]
    """Piece -> BM25, larger is better."""
    holders: list[set[int]]
    """For each word the pieces that hold it."""


def _quoted(term: Term) -> str:
    """A word in the query language of FTS5, in which quoted it is nothing but a word."""
    return f'"{term.text}"{"*" if term.prefix else ""}'


def _indexed(db: sqlite3.Connection, terms: Sequence[Term]) -> _Found:
    holders = [
        {row for (row,) in db.execute("SELECT rowid FROM words WHERE words MATCH ?", (_quoted(term),))}
        for term in terms
    ]
    rows = db.execute(
        "SELECT rowid, bm25(words) FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?",
        (" OR ".join(map(_quoted, terms)), CANDIDATES),
    )
    return _Found({row: -rank for row, rank in rows}, holders)


def _counted(db: sqlite3.Connection, terms: Sequence[Term]) -> _Found:
    """The same without an index: every piece is looked at, words that begin with what was asked for count, and what one
    is worth in a piece is how often it is there."""
    holders: list[set[int]] = [set() for _ in terms]
    counts: dict[int, float] = {}
    for row, text in db.execute("SELECT id, text FROM chunks"):
        padded = f" {' '.join(_WORD.findall(words_of(text).lower()))}"
        for term, rows in zip(terms, holders, strict=True):
            times = padded.count(f" {term.text}")
            if times:
                rows.add(row)
                counts[row] = counts.get(row, 0.0) + times / (times + 1.5)
    best = heapq.nlargest(CANDIDATES, counts, key=lambda row: counts[row])
    return _Found({row: counts[row] for row in best}, holders)


def _text_of(file: MemoryFile, read: Callable[[MemoryFile], str]) -> str:
    try:
        return read(file)
    except (OSError, ValueError):
        return ""


def _unit(vector: Sequence[float]) -> array[float]:
    """A vector of length 1 in its direction, in 32 bits."""
    length = math.sqrt(sum(map(mul, vector, vector))) or 1.0
    return array("f", [value / length for value in vector])


__all__ = ["MemoryIndex", "Piece", "has_full_text"]
