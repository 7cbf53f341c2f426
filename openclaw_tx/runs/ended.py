# -*- test-case-name: tests.runs.test_engine -*-
"""Runs that have ended, for as long as they are remembered in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from openclaw_tx.runs.run import AgentRun

KEEP_SECONDS = 600
"""How long an ended run is remembered (spec 3.6)."""

KEEP_RUNS = 1000
"""How many ended runs are remembered at most (spec 2.6)."""

KEEP_BYTES = 16 * 1024 * 1024
"""How many bytes their journals may hold together; the oldest go first."""


class EndedRuns:
    """Bounded by the three C{KEEP_*} constants."""

    def __init__(self, forgotten: Callable[[AgentRun], None]) -> None:
        """
        @param forgotten: is told of each that is remembered no more.
        """
        self._forgotten = forgotten
        self._runs: OrderedDict[str, AgentRun] = OrderedDict()
        self._bytes = 0

    def get(self, run_id: str) -> AgentRun | None:
        """One that is still remembered."""
        return self._runs.get(run_id)

    def hold(self, run: AgentRun) -> None:
        """Remember a run that is about to end, so that it is found in its last moment too; L{add} follows."""
        self._runs[run.request.run_id] = run

    def add(self, run: AgentRun) -> None:
        """It has ended."""
        self._bytes += run.journal.held
        while len(self._runs) > KEEP_RUNS or self._bytes > KEEP_BYTES:
            self._forget_oldest()

    def drop(self, run_id: str) -> None:
        """Forget one: another run has its id now."""
        run = self._runs.pop(run_id, None)
        if run is not None:
            self._bytes -= run.journal.held
            self._forgotten(run)

    def expire(self, now_ms: float) -> None:
        """Forget those that are old."""
        while self._runs:
            oldest = next(iter(self._runs.values())).outcome
            if oldest is not None and now_ms - oldest.ended_at_ms <= KEEP_SECONDS * 1000:
                return
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, run = self._runs.popitem(last=False)
        self._bytes -= run.journal.held
        self._forgotten(run)


__all__ = ["KEEP_BYTES", "KEEP_RUNS", "KEEP_SECONDS", "EndedRuns"]
