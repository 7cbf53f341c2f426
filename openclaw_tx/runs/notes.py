# -*- test-case-name: tests.runs.test_engine,tests.runs.test_unstored -*-
"""What is written down of runs beside their turns: those that are at work for long, and ends that the store missed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.logger import Logger

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Sessions
from openclaw_tx.runs.run import AgentRun
from openclaw_tx.runs.unstored import UnstoredEnds

CHECKPOINT_AGE_MS = 1000
"""Age from which a live run is written down by L{LedgerNotes.write}."""

CHECKPOINT_RUNS = 500
"""Runs that one checkpoint writes down at most: of more, those that were not for longest. So thousands of open streams
make no long turn of the reactor each second, and each is written down every so many seconds."""


class LedgerNotes:
    """Writes them, and takes those of stateless runs out again when they have ended.

    @ivar unstored: ends that wait for the store.
    """

    def __init__(self, sessions: Sessions, log: Logger) -> None:
        self.unstored = UnstoredEnds(sessions, log)
        self._sessions = sessions
        self._log = log
        self._noted: set[str] = set()
        """Stateless runs that are live and written down."""
        self._to_forget: list[str] = []

    async def write(self, live: Iterable[AgentRun], ended: Callable[[str], AgentRun | None], now_ms: float) -> None:
        """Write down runs that live for a second or more, so that a crash can be reported.

        @param ended: gives runs that are remembered.
        """
        await self.unstored.again()
        due = [run for run in live if run.started_at_ms and now_ms - run.started_at_ms >= CHECKPOINT_AGE_MS]
        due.sort(key=lambda run: run.noted_at)
        del due[CHECKPOINT_RUNS:]
        gone, self._to_forget = self._to_forget, []
        # Somebody may have begun to watch the events of one that had ended.
        gone = [run_id for run_id in gone if not (known := ended(run_id)) or not known.durable]
        if not due and not gone:
            return
        self._noted.update(run.request.run_id for run in due if run.request.stateless)
        for run in due:
            run.noted_at = now_ms
        try:
            await self._sessions.checkpoint([run.stored() for run in due], gone)
        except GatewayError as error:
            self._to_forget = gone + self._to_forget
            self._log.warn("checkpoint of live runs failed: {error}", error=error.info.message)

    def ended(self, run: AgentRun) -> None:
        """A run has."""
        run_id = run.request.run_id
        if run_id in self._noted:
            self._noted.discard(run_id)
            if not run.durable:
                self._to_forget.append(run_id)

    def replaced(self, run_id: str) -> None:
        """Another run has the id now: what was to be written of the first one is not any more."""
        self.unstored.drop(run_id)
        if run_id in self._to_forget:
            self._to_forget.remove(run_id)
            self._noted.add(run_id)


__all__ = ["CHECKPOINT_AGE_MS", "CHECKPOINT_RUNS", "LedgerNotes"]
