# -*- test-case-name: tests.ws.rpc.test_waiting -*-
"""Waiting for something, but not for ever."""

from __future__ import annotations

from typing import TypeVar

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime

T = TypeVar("T")


async def within(clock: IReactorTime, seconds: float, waiting: Deferred[T]) -> T | None:
    """What C{waiting} fires with, or None when the time is over first; then it has been cancelled.

    @param seconds: 0 or less = only if it has fired already.
    """
    if not waiting.called:
        if seconds <= 0:
            waiting.addErrback(lambda _: None)
            waiting.cancel()
            return None
        waiting.addTimeout(seconds, clock)
    try:
        return await waiting
    except TimeoutError:
        return None
