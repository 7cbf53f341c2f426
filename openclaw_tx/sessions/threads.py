# -*- test-case-name: tests.sessions.test_worker -*-
"""Where the work of a store is done: in a thread of its own, or at once."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol


class Worker(Protocol):
    """Runs work somewhere, one piece after the other."""

    def do(self, work: Callable[[], None]) -> None:
        """Run C{work}, which must not raise, after all that was asked for before."""

    def pause(self, seconds: float) -> None:
        """Called by work: let others go on for so long."""

    def quit(self) -> None:
        """End after all that was asked for."""


class ThreadWorker:
    """A L{Worker} with a thread of its own, started with the first work; it never holds up the process's end."""

    def __init__(self, name: str = "openclaw-sessions") -> None:
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._started = False

    def do(self, work: Callable[[], None]) -> None:
        """See L{Worker.do}."""
        self._queue.put(work)
        if not self._started:
            self._started = True
            self._thread.start()

    def pause(self, seconds: float) -> None:
        """See L{Worker.pause}."""
        time.sleep(seconds)

    def quit(self) -> None:
        """See L{Worker.quit}."""
        self._queue.put(None)

    def _work(self) -> None:
        while (work := self._queue.get()) is not None:
            work()


class InlineWorker:
    """A L{Worker} that does its work at once, where it is asked for: for tests and one-shot commands."""

    def do(self, work: Callable[[], None]) -> None:
        """See L{Worker.do}."""
        work()

    def pause(self, seconds: float) -> None:
        """Nobody else is there."""

    def quit(self) -> None:
        """Nothing to end."""


__all__ = ["InlineWorker", "ThreadWorker", "Worker"]
