# -*- test-case-name: tests.runs.test_usage -*-
"""Counts what runs take, and has it written down every second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Run, UsageStore
from openclaw_tx.values import Entry, RunEnded, UsageRow

HOUR_MS = 3600 * 1000
MAX_KEYS = 10_000
"""Hours, agents and models that are remembered while the store does not take them; then what is new is lost."""

Key = tuple[int, str, str, str]
"""Hour, agent, provider, model."""


class Counts(NamedTuple):
    """Runs, and their tokens; and once more those of the runs without a session."""

    runs: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0
    lone_runs: int = 0
    lone_input: int = 0
    lone_output: int = 0
    lone_cached: int = 0

    def plus(self, other: Counts) -> Counts:
        """The sum."""
        return Counts(*(one + more for one, more in zip(self, other, strict=True)))


class UsageLog:
    """A listener of the engine. After a crash the last second is missing."""

    def __init__(self, store: UsageStore, log: Logger | None = None) -> None:
        self._store = store
        self._log = log or Logger()
        self._new: dict[Key, Counts] = {}
        self._told = False

    def watch(self, run: Run, entries: Sequence[Entry]) -> None:
        """Count a run when it has ended; one that reached no model took nothing."""
        event = entries[-1].event
        if type(event) is not RunEnded:
            return
        result = event.result
        usage = result.usage
        if usage.prompt_tokens is None and usage.completion_tokens is None and not result.model:
            return
        cached = usage.cached_tokens or 0
        counts = (1, max(0, (usage.prompt_tokens or 0) - cached), usage.completion_tokens or 0, cached)
        self._add(
            (result.ended_at_ms // HOUR_MS, result.agent_id, result.provider, result.model),
            Counts(*counts, *counts) if run.request.stateless else Counts(*counts),
        )

    async def flush(self) -> None:
        """Write down what is new; what the store does not take is kept for the next time."""
        if not self._new:
            return
        new, self._new = self._new, {}
        try:
            await self._store.add_usage([_row(key, counts) for key, counts in new.items()])
            self._told = False
        except CancelledError:
            self._put_back(new)
            raise
        except GatewayError as error:
            self._put_back(new)
            if not self._told:
                self._told = True
                self._log.warn("token counts can not be written down: {error}", error=error.info.message)

    def _put_back(self, counts: dict[Key, Counts]) -> None:
        for key, each in counts.items():
            self._add(key, each)

    def _add(self, key: Key, counts: Counts) -> None:
        known = self._new.get(key)
        if known is not None:
            self._new[key] = known.plus(counts)
        elif len(self._new) < MAX_KEYS:
            self._new[key] = counts


def _row(key: Key, counts: Counts) -> UsageRow:
    hour, agent_id, provider, model = key
    return UsageRow(
        hour=hour,
        agent_id=agent_id,
        provider=provider,
        model=model,
        runs=counts.runs,
        input_tokens=counts.input,
        output_tokens=counts.output,
        cached_tokens=counts.cached,
        lone_runs=counts.lone_runs,
        lone_input_tokens=counts.lone_input,
        lone_output_tokens=counts.lone_output,
        lone_cached_tokens=counts.lone_cached,
    )


__all__ = ["Counts", "UsageLog"]
