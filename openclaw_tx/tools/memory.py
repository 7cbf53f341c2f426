# -*- test-case-name: tests.tools.test_memory -*-
"""An agent's memory: found by words, and by meaning where an embedding model is configured (docs/memory.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from twisted.logger import Logger

from openclaw_tx.config.memory import memory_search, with_vectors
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_agents import MemorySearch
from openclaw_tx.deferreds import InThread
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Embedder
from openclaw_tx.tools.memory_files import MemoryFile, Place, corpus, locate, places, read_text
from openclaw_tx.tools.memory_index import MemoryIndex
from openclaw_tx.tools.memory_text import Term, snippet, terms_of
from openclaw_tx.tools.typed import P, TypedTool
from openclaw_tx.values import Agent, Value

MEANING, WORDS = 0.7, 0.3
"""What the two are worth in a search by both."""

EMBED_AT_ONCE = 64
"""Pieces of one call of the embedding model."""

EMBED_MOST = 512
"""Pieces that one search has embedded; the rest is for the next ones."""


class Found(Value, frozen=True, rename="camel"):
    """A piece of a memory file."""

    path: str
    start_line: int
    """From 1."""
    end_line: int
    score: float
    """0 to 1."""
    snippet: str
    source: str
    """C{memory} or C{extra}."""


class Outcome(Value, frozen=True):
    """What a search gave."""

    results: tuple[Found, ...]
    """Best first."""
    notes: tuple[str, ...] = ()
    """What was not as it should be."""
    model: str = ""
    """Ref of the model that embedded; "" = the search was by words only."""


class _Nearness(NamedTuple):
    """Pieces that are near in meaning."""

    scores: Mapping[int, float] = {}
    model: str = ""
    note: str = ""


class Memory:
    """The memories of all agents. Holds no state: it is in the files, and in one index for each agent."""

    _log = Logger()

    def __init__(
        self,
        settings: Callable[[], Config],
        embedder: Embedder,
        in_thread: InThread,
        state_dir: Path,
        environment: Callable[[], Mapping[str, str]],
        new_index: Callable[[Path], MemoryIndex] = MemoryIndex,
    ) -> None:
        """
        @param settings: gives the configuration of the moment.
        @param in_thread: where files and indexes are worked on.
        @param state_dir: indexes are kept in C{memory/<agent id>.sqlite} below it.
        @param environment: for C{HOME}.
        """
        self._settings = settings
        self._embedder = embedder
        self._in_thread = in_thread
        self._directory = state_dir / "memory"
        self._environment = environment
        self._new_index = new_index

    def settings(self, agent_id: str) -> MemorySearch:
        """C{memorySearch} of an agent at this moment."""
        return memory_search(self._settings().agents, agent_id)

    async def search(self, agent: Agent, question: str, most: int, min_score: float) -> Outcome:
        """Look for pieces of the agent's memory, as its files are now.

        @param most: results.
        @param min_score: 0 to 1.
        @raise OSError: the index can not be used.
        """
        settings = self.settings(agent.id)
        index = self._new_index(self._directory / f"{agent.id}.sqlite")
        terms = terms_of(question)
        by_words, left_out = await self._in_thread(_by_words, index, self._places(agent, settings), terms)
        near = await self._near(agent, index, question) if with_vectors(settings) else _Nearness()
        scores = _both(by_words, near.scores) if near.model else by_words
        best = sorted(((score, row) for row, score in scores.items() if score >= min_score), reverse=True)[:most]
        pieces = await self._in_thread(index.pieces, [row for _, row in best])
        results = tuple(
            Found(
                path=piece.path,
                start_line=piece.start_line,
                end_line=piece.end_line,
                score=round(score, 4),
                snippet=snippet(piece.text, terms),
                source=piece.source,
            )
            for score, row in best
            if (piece := pieces.get(row)) is not None
        )
        too_many = f"{left_out} memory files are too large or too many to be searched." if left_out else ""
        return Outcome(results=results, notes=tuple(note for note in (too_many, near.note) if note), model=near.model)

    async def read(self, agent: Agent, path: str) -> str:
        """The text of a memory file.

        @param path: as in L{Found.path}.
        @raise OSError: it is not there, or can not be read.
        @raise ValueError: no memory file has this path, or it is too large; says which.
        """
        where = await self._in_thread(self._places(agent, self.settings(agent.id)))
        return await self._in_thread(read_text, *locate(path, where))

    def _places(self, agent: Agent, settings: MemorySearch) -> Callable[[], list[Place]]:
        """Looks where the memory is; that reads links, so it is for a thread."""
        environment = self._environment()
        return lambda: places(agent.workspace, settings.extra_paths, environment)

    async def _near(self, agent: Agent, index: MemoryIndex, question: str) -> _Nearness:
        """Pieces near to the question; none, and why, when it can not be embedded."""
        try:
            asked = await self._embedder.embed([question], agent_id=agent.id)
        except GatewayError as error:
            self._log.info("memory of {agent} is searched by words only: {error}", agent=agent.id, error=str(error))
            return _Nearness(note=f"Searched by words only: {error}")
        vector, model = asked.vectors[0], f"{asked.provider}/{asked.model}"
        note = await self._embed_new(agent, index, model, len(vector))
        return _Nearness(await self._in_thread(index.by_meaning, model, vector), model, note)

    async def _embed_new(self, agent: Agent, index: MemoryIndex, model: str, dimensions: int) -> str:
        """Embed pieces that are not yet.

        @return: how many are still not, and why; "" = all are.
        """
        missing, left = await self._in_thread(index.without_vectors, model, dimensions, EMBED_MOST)
        why = ""
        try:
            for begin in range(0, len(missing), EMBED_AT_ONCE):
                batch = missing[begin : begin + EMBED_AT_ONCE]
                found = await self._embedder.embed([text for _, text in batch], agent_id=agent.id)
                vectors = dict(zip((digest for digest, _ in batch), found.vectors, strict=True))
                await self._in_thread(index.put_vectors, model, vectors)
                left -= len(batch)
        except GatewayError as error:
            self._log.info("memory of {agent} could not be embedded: {error}", agent=agent.id, error=str(error))
            why = f": {error}"
        return f"{left} pieces are found by words only{why}" if left else ""


def _by_words(
    index: MemoryIndex, look: Callable[[], list[Place]], terms: Sequence[Term]
) -> tuple[dict[int, float], int]:
    """Bring the index up to date and search it.

    @return: scores of pieces; how many files were left out.
    """

    def text_of(file: MemoryFile) -> str:
        return read_text(file.root, file.relative)

    found = corpus(look())
    index.refresh(found.files, text_of)
    return index.by_words(terms), found.left_out


def _both(by_words: Mapping[int, float], by_meaning: Mapping[int, float]) -> dict[int, float]:
    return {
        row: MEANING * by_meaning.get(row, 0.0) + WORDS * by_words.get(row, 0.0) for row in {*by_words, *by_meaning}
    }


class MemoryTool(TypedTool[P]):
    """Base of the tools over a memory: they only look, and are there unless the agent's memory is switched off."""

    concurrent = True

    def __init__(self, memory: Memory) -> None:
        super().__init__()
        self._memory = memory

    def offered(self, agent: Agent, model_ref: str) -> bool:
        """See L{openclaw_tx.interfaces.ConditionalTool.offered}."""
        return self._memory.settings(agent.id).enabled


__all__ = ["Found", "Memory", "MemoryTool", "Outcome"]
