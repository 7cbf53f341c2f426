# -*- test-case-name: tests.tools.test_memory_text -*-
"""Texts in pieces, and pieces and questions in words. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

CHUNK_BYTES = 1600
"""Size of a piece, in bytes of UTF-8: some 400 tokens."""

OVERLAP_BYTES = 320
"""How much of the end of one piece the next one begins with: some 80 tokens."""

SNIPPET_CHARS = 700

MAX_TERMS = 32
"""Words of a question that are looked for."""

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31a0-\u31bf"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]+"
)
"""Scripts in which words stand without spaces, or with endings that belong to the grammar: Thai, Lao, Burmese, Khmer,
Chinese, Japanese, Korean."""

_WORD = re.compile(r"[^\W_]+")


class Chunk(NamedTuple):
    """A piece of a text."""

    start_line: int
    """From 1."""
    end_line: int
    text: str
    digest: str
    """Of the text."""


def chunks(text: str) -> Iterator[Chunk]:
    """Cut a text at the ends of lines, or within a line where there is no other way. Empty pieces are left out."""
    held: list[tuple[int, str]] = []
    size = 0
    for number, line in enumerate(text.split("\n"), 1):
        for piece in _pieces(line.rstrip("\r")):
            weight = _size(piece) + 1
            if held and size + weight > CHUNK_BYTES:
                yield from _chunk(held)
                held = _overlap(held)
                size = sum(_size(kept) + 1 for _, kept in held)
                if size + weight > CHUNK_BYTES:
                    held, size = [], 0
            held.append((number, piece))
            size += weight
    yield from _chunk(held)


def _pieces(line: str) -> Iterator[str]:
    step = CHUNK_BYTES - OVERLAP_BYTES if line.isascii() else (CHUNK_BYTES - OVERLAP_BYTES) // 4
    if _size(line) < CHUNK_BYTES:
        yield line
    else:
        yield from (line[begin : begin + step] for begin in range(0, len(line), step))


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _chunk(held: list[tuple[int, str]]) -> Iterator[Chunk]:
    text = "\n".join(piece for _, piece in held)
    if text.strip():
        yield Chunk(held[0][0], held[-1][0], text, sha256(text.encode("utf-8", "replace")).hexdigest())


def _overlap(held: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """The last lines, as many as fit."""
    room = OVERLAP_BYTES
    for begin in reversed(range(len(held))):
        room -= _size(held[begin][1]) + 1
        if room < 0:
            return held[begin + 1 :]
    return held


def words_of(text: str) -> str:
    """A text as it is indexed: letters in one form, and runs of letters without spaces as pairs that overlap."""

    def pairs(match: re.Match[str]) -> str:
        run = match[0]
        return f" {' '.join(run[begin : begin + 2] for begin in range(len(run)))} "

    return _UNSPACED.sub(pairs, unicodedata.normalize("NFKC", text))


class Term(NamedTuple):
    """A word of a question."""

    text: str
    """Lower case; letters and digits only."""
    prefix: bool = False
    """Words that begin with it will do."""


def terms_of(question: str) -> list[Term]:
    """The words of a question, each once."""
    found: dict[Term, None] = {}
    for match in _WORD.finditer(unicodedata.normalize("NFKC", question).lower()):
        position = 0
        for run in _UNSPACED.finditer(match[0]):
            found.setdefault(Term(match[0][position : run.start()]))
            letters = run[0]
            for begin in range(max(1, len(letters) - 1)):
                found.setdefault(Term(letters[begin : begin + 2], prefix=len(letters) == 1))
            position = run.end()
        found.setdefault(Term(match[0][position:]))
        if len(found) > MAX_TERMS:
            break
    return [term for term in found if term.text][:MAX_TERMS]


def snippet(text: str, terms: Sequence[Term]) -> str:
    """The part of a piece to show: all of it, or from the line of the first word that was asked for."""
    if len(text) <= SNIPPET_CHARS:
        return text
    lowered = text.lower()
    hits = [at for at in (lowered.find(term.text) for term in terms) if at >= 0]
    begin = text.rfind("\n", 0, min(hits, default=0)) + 1
    begin = max(0, min(begin, len(text) - SNIPPET_CHARS))
    if hits and min(hits) >= begin + SNIPPET_CHARS:
        begin = min(hits) - SNIPPET_CHARS // 4
    return text[begin : begin + SNIPPET_CHARS]


__all__ = ["Chunk", "Term", "chunks", "snippet", "terms_of", "words_of"]
