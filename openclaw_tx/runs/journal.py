# -*- test-case-name: tests.runs.test_parts,tests.runs.test_durable -*-
"""The numbered, bounded log of one run: the one source that every surface renders."""

from __future__ import annotations

from collections.abc import Sequence

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Push
from openclaw_tx.values import (
    Entry,
    ReasoningDelta,
    RunEnded,
    RunEvent,
    TextDelta,
    ToolCallDelta,
    ToolEnded,
)

ENTRY_BYTES = 250
"""What an entry costs in memory beside its text, roughly."""


def cost(event: RunEvent) -> int:
    """Roughly how many bytes of memory an event holds."""
    if isinstance(event, TextDelta | ReasoningDelta | ToolEnded):
        return ENTRY_BYTES + len(event.text)
    if isinstance(event, ToolCallDelta):
        return ENTRY_BYTES + len(event.arguments)
    if isinstance(event, RunEnded):
        return ENTRY_BYTES + sum(len(text) for text in event.result.payloads)
    return ENTRY_BYTES


class Journal:
    """Entries with consecutive numbers from 1; over the limit the oldest are dropped, never the numbering.

    @ivar held: estimated bytes held.
    """

    __slots__ = ("_entries", "_limit", "_next", "held")

    def __init__(self, limit: int = 4 * 1024 * 1024) -> None:
        """
        @param limit: bytes to hold at most (estimated); the newest entry is always held.
        """
        self._entries: list[Entry] = []
        self._limit = limit
        self._next = 1
        self.held = 0

    @property
    def last_seq(self) -> int:
        """Number of the newest entry; 0 before the first."""
        return self._next - 1

    @property
    def first_seq(self) -> int:
        """Number of the oldest entry that is still held; one more than C{last_seq} when there is none."""
        return self._next - len(self._entries)

    def append(self, events: Sequence[RunEvent], ts_ms: int) -> Sequence[Entry]:
        """Number the events and keep them.

        @return: the new entries, in order.
        """
        entries = [Entry(seq=seq, ts_ms=ts_ms, event=event) for seq, event in enumerate(events, self._next)]
        self._add(entries)
        return entries

    def take(self, entries: Sequence[Entry]) -> None:
        """Keep entries that were numbered elsewhere. After a hole only what comes behind it is held."""
        if entries[0].seq != self._next:
            self._entries.clear()
            self.held = 0
            self._next = entries[0].seq
        self._add(entries)

    def _add(self, entries: Sequence[Entry]) -> None:
        self._next += len(entries)
        self._entries.extend(entries)
        for entry in entries:
            event = entry.event  # most of them are text
            self.held += ENTRY_BYTES + len(event.text) if type(event) is TextDelta else cost(event)
        if self.held > self._limit:
            self._drop()

    def _drop(self) -> None:
        """The oldest go, but never the newest one."""
        count = 0
        while self.held > self._limit and count < len(self._entries) - 1:
            self.held -= cost(self._entries[count].event)
            count += 1
        del self._entries[:count]

    def since(self, after: int) -> Sequence[Entry]:
        """All entries with a number greater than C{after}.

        @raise GatewayError: C{replay_gap}, some of them are no longer held.
        """
        first = self.first_seq
        if after + 1 < first:
            raise GatewayError("replay_gap", f"Events {after + 1} to {first - 1} of this run are no longer held.")
        return self.held_since(after)

    def held_since(self, after: int, last: int | None = None) -> Sequence[Entry]:
        """Those entries with a number greater than C{after} that are still held.

        @param last: none with a greater number than this.
        """
        first = self.first_seq
        end = len(self._entries) if last is None else max(0, last + 1 - first)
        return self._entries[max(0, after + 1 - first) : end]


def only_after(newest: int, push: Push) -> Push:
    """Like C{push}, without entries up to number C{newest}."""

    def filtered(batch: Sequence[Entry]) -> None:
        fresh = [entry for entry in batch if entry.seq > newest]
        if fresh:
            push(fresh)

    return filtered
