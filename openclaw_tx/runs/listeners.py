# -*- test-case-name: tests.runs.test_listeners -*-
"""Who hears of all runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.logger import Logger

from openclaw_tx.listeners import Listeners
from openclaw_tx.values import Entry, RunEnded

RunListener = Callable[[Any, Sequence[Entry]], None]
"""Gets a run and a batch of what it has told."""


class RunListeners:
    """Hands on each batch of each run."""

    __slots__ = ("_all", "_at_end")

    def __init__(self, log: Logger) -> None:
        self._all: Listeners[Any, Sequence[Entry]] = Listeners(log, "run events")
        self._at_end: Listeners[Any, Sequence[Entry]] = Listeners(log, "ends of runs")

    def add(self, listener: RunListener, *, at_end: bool = False) -> Callable[[], None]:
        """Have C{listener} called with every batch from now on.

        @param at_end: only with the last one of each run, which has its L{RunEnded}: a stream has thousands of batches.
            Those are told first, as what they count is told by the others.
        @return: ends the subscription.
        """
        return (self._at_end if at_end else self._all).subscribe(listener)

    def tell(self, run: object, batch: Sequence[Entry]) -> None:
        """A run has told C{batch}, which is not empty."""
        if type(batch[-1].event) is RunEnded:
            self._at_end.tell(run, batch)
        self._all.tell(run, batch)


__all__ = ["RunListener", "RunListeners"]
