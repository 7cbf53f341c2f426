# -*- test-case-name: tests.runs.test_listeners -*-
"""Who hears of all runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.logger import Logger

from openclaw_tx.values import Entry, RunEnded

Listener = Callable[[Any, Sequence[Entry]], None]
"""Gets a run and a batch of what it has told."""


class Listeners:
    """Hands on each batch of each run. A listener that fails harms nobody else, and stays."""

    __slots__ = ("_all", "_at_end", "_log")

    def __init__(self, log: Logger) -> None:
        self._all: tuple[tuple[Listener], ...] = ()
        self._at_end: tuple[tuple[Listener], ...] = ()
        self._log = log

    def add(self, listener: Listener, *, at_end: bool = False) -> Callable[[], None]:
        """Have C{listener} called with every batch from now on.

        @param at_end: only with the last one of each run, which has its L{RunEnded}: a stream has thousands of batches.
        @return: ends the subscription.
        """
        entry = (listener,)  # something that is there once, however often a listener is added
        if at_end:
            self._at_end = (*self._at_end, entry)
        else:
            self._all = (*self._all, entry)

        def stop() -> None:
            self._all = tuple(each for each in self._all if each is not entry)
            self._at_end = tuple(each for each in self._at_end if each is not entry)

        return stop

    def tell(self, run: object, batch: Sequence[Entry]) -> None:
        """A run has told C{batch}, which is not empty."""
        heard = self._all
        if type(batch[-1].event) is RunEnded:
            heard = (*self._at_end, *heard)
        for (listener,) in heard:
            try:
                listener(run, batch)
            except Exception:
                self._log.failure("a listener of run events failed")


__all__ = ["Listener", "Listeners"]
