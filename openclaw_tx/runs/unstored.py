# -*- test-case-name: tests.runs.test_unstored -*-
"""Ends of session runs that the store could not take when they came: told to it again until it does.

Without this a run whose turn was not stored would be at work in the ledger for as long as the process lives, and be
taken for one that a crash cut off by the next. Its turn is not told again: the client knows that it was not stored, and
may have repeated it since.
"""

from __future__ import annotations

from collections import OrderedDict

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Sessions
from openclaw_tx.values import StoredRun

MAX_UNSTORED = 1000
"""Ends that wait for the store; beyond, the oldest are left to the next start."""


class UnstoredEnds:
    """Keeps them, up to L{MAX_UNSTORED}."""

    def __init__(self, sessions: Sessions, log: Logger, most: int = MAX_UNSTORED) -> None:
        self._sessions = sessions
        self._log = log
        self._most = most
        self._waiting: OrderedDict[str, StoredRun] = OrderedDict()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def add(self, run: StoredRun) -> None:
        """A run has ended, and the store does not know."""
        self._waiting[run.run_id] = run
        if len(self._waiting) > self._most:
            self._waiting.popitem(last=False)

    def drop(self, run_id: str) -> None:
        """Forget one: another run has its id now, and the ledger will learn of that one's end."""
        self._waiting.pop(run_id, None)

    async def again(self) -> None:
        """Tell the store; what it does not take stays."""
        for run_id, run in list(self._waiting.items()):
            if run_id not in self._waiting:
                continue
            try:
                await self._sessions.commit(run, (), model_provider="", model="", context_tokens=None)
            except GatewayError:
                return  # The store says itself what its trouble is.
            except CancelledError:
                raise
            except Exception:
                self._log.failure("the end of run {run} can not be stored", run=run_id)
            if self._waiting.get(run_id) is run:
                del self._waiting[run_id]


__all__ = ["MAX_UNSTORED", "UnstoredEnds"]
