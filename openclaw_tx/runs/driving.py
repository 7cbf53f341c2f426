# -*- test-case-name: tests.runs.test_driving -*-
"""The coroutine that carries out a run, and how it is given up."""

from __future__ import annotations

from collections.abc import Coroutine
from inspect import CORO_RUNNING, getcoroutinestate
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from openclaw_tx.deferreds import spawn


class Driver:
    """One coroutine, from its beginning to its end."""

    __slots__ = ("_clock", "_coroutine", "_late", "_task")

    def __init__(self, coroutine: Coroutine[Deferred[Any], Any, None], clock: IReactorTime) -> None:
        self._coroutine = coroutine
        self._clock = clock
        self._task: Deferred[None] | None = None
        self._late: IDelayedCall | None = None

    def begin(self, log: Logger, what: str) -> None:
        """Start it.

        @param what: as for L{spawn}.
        """
        self._task = spawn(self._coroutine, log, what)

    def cancel(self) -> None:
        """Raise C{CancelledError} where it waits.

        Asked for from within it, as by somebody who hears what it tells, that is where it waits when this turn of the
        reactor is over: C{Deferred.cancel} knows nothing of a coroutine that is running, and would be lost.
        """
        if getcoroutinestate(self._coroutine) == CORO_RUNNING:
            self._late = self._late or self._clock.callLater(0, self._cancel)
        else:
            self._cancel()

    def settle(self) -> None:
        """It is past being cancelled."""
        late, self._late = self._late, None
        if late is not None:
            late.cancel()

    def _cancel(self) -> None:
        self._late = None
        if self._task is not None:
            self._task.cancel()


__all__ = ["Driver"]
