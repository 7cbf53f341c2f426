# -*- test-case-name: tests.test_deferreds -*-
"""Twisted glue that knows no domain: the edge between coroutines and Deferreds."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred, execute
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

T = TypeVar("T")


def spawn(coroutine: Coroutine[Deferred[Any], Any, T], log: Logger, what: str) -> Deferred[T | None]:
    """Start C{coroutine} now; the only way a coroutine is ever started outside another one.

    @param log: where an unexpected failure goes.
    @param what: a few words for that log line, e.g. C{"run 1234"}.
    @return: fires with the result, or with None after a failure was logged or the work was cancelled.
        Cancelling it cancels the coroutine.
    """
    deferred: Deferred[T | None] = Deferred.fromCoroutine(coroutine)

    def ended(failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            log.failure("{what} failed", failure, what=what)
        # Its frames refer to it: what they hold would stay until the garbage collector looks.
        failure.cleanFailure()  # type: ignore[no-untyped-call]

    deferred.addErrback(ended)
    return deferred


def sleep(clock: IReactorTime, seconds: float) -> Deferred[None]:
    """Fire after C{seconds} of C{clock}; cancelling it removes the delayed call."""
    deferred: Deferred[None] = Deferred(lambda _: call.cancel())
    call = clock.callLater(seconds, deferred.callback, None)
    return deferred


class InThread(Protocol):
    """Runs what takes long where the reactor does not have to wait for it."""

    def __call__(self, function: Callable[..., T], *arguments: Any) -> Deferred[T]:
        """Fire with what C{function} returns or raises; cancelling it just stops waiting."""


def in_reactor_thread(function: Callable[..., T], *arguments: Any) -> Deferred[T]:
    """An L{InThread} without any threads, for tests: everything is done at once."""
    return execute(function, *arguments)


def thread_pool(reactor: Any) -> InThread:
    """An L{InThread} on the reactor's own pool. Raises C{MemoryError} when that needs another thread and gets none.

    @param reactor: provides IReactorThreads.
    """

    def run(function: Callable[..., T], *arguments: Any) -> Deferred[T]:
        try:
            done: Deferred[T] = deferToThreadPool(reactor, reactor.getThreadPool(), function, *arguments)
        except RuntimeError as error:
            # All that a system without memory for another thread's stack lets Python say.
            raise MemoryError(str(error)) from None
        return done

    return run


class Gate:
    """Something that happens once, which any number of waiters may await, before or after.

    A cancelled waiter just stops waiting: neither the event nor another waiter notices.
    """

    __slots__ = ("_waiters", "opened")

    def __init__(self) -> None:
        self.opened = False
        self._waiters: list[Deferred[None]] = []

    def open(self) -> None:
        """Let everybody through; a second call does nothing."""
        if self.opened:
            return
        self.opened = True
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.called:  # cancelled by one that was let through before it
                waiter.callback(None)

    def wait(self) -> Deferred[None]:
        """Fire when the gate is open: at once if it is."""
        deferred: Deferred[None] = Deferred(self._forget)
        if self.opened:
            deferred.callback(None)
        else:
            self._waiters.append(deferred)
        return deferred

    def _forget(self, waiter: Deferred[None]) -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)


__all__ = ["Gate", "InThread", "in_reactor_thread", "sleep", "spawn", "thread_pool"]
