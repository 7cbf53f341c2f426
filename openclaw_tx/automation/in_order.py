# -*- test-case-name: tests.automation.test_in_order -*-
"""File work off the reactor, one piece at a time, in the order in which it was asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, maybeDeferred

from openclaw_tx.deferreds import Gate, InThread
from openclaw_tx.errors import GatewayError

MAX_WAITING = 10_000
"""Pieces of work that may wait; more are refused."""


class InOrder:
    """An L{InThread} over another one. Who is cancelled just stops waiting: the work is done all the same, and what
    follows still waits for it."""

    def __init__(self, in_thread: InThread) -> None:
        self._in_thread = in_thread
        self._waiting: deque[tuple[Callable[..., Any], tuple[Any, ...], Deferred[Any]]] = deque()
        self._busy = False
        self._idle: Gate | None = None

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        """Fires with what C{function} returns or raises; fails with L{GatewayError} C{storage_unavailable} when too
        much waits."""
        if len(self._waiting) >= MAX_WAITING:
            return fail(GatewayError("storage_unavailable", "Too much waits to be written.", retry_after=5))
        done: Deferred[Any] = Deferred()
        self._waiting.append((function, arguments, done))
        self._go_on()
        return done

    async def idle(self) -> None:
        """Wait until all that was asked for is done."""
        while self._busy or self._waiting:
            if self._idle is None:
                self._idle = Gate()
            await self._idle.wait()

    def _go_on(self) -> None:
        if self._busy:
            return
        if not self._waiting:
            idle, self._idle = self._idle, None
            if idle is not None:
                idle.open()
            return
        function, arguments, done = self._waiting.popleft()
        self._busy = True

        def ended(result: object) -> None:
            self._busy = False
            if not done.called:
                done.callback(result)  # a failure goes on as one
            self._go_on()

        maybeDeferred(self._in_thread, function, *arguments).addBoth(ended)


async def ended(work: Deferred[Any]) -> None:
    """Wait for the end of what L{openclaw_tx.deferreds.spawn} gave; cancelling the wait does not touch it."""
    gate = Gate()

    def passed(result: object) -> object:
        gate.open()
        return result

    work.addBoth(passed)
    await gate.wait()


__all__ = ["MAX_WAITING", "InOrder", "ended"]
