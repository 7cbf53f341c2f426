# -*- test-case-name: tests.test_deferreds -*-
"""Work that takes long: in a thread of the reactor's pool, or at once."""

from __future__ import annotations

import threading

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from openclaw_tx.deferreds import in_reactor_thread, thread_pool


class ThreadPoolTests(TestCase):
    """The reactor's own threads."""

    async def test_another_thread(self) -> None:
        """The function runs elsewhere; its result comes back here."""
        ident = await thread_pool(reactor)(lambda number: (number, threading.get_ident()), 7)
        self.assertEqual(ident[0], 7)
        self.assertNotEqual(ident[1], threading.get_ident())

    async def test_failure(self) -> None:
        """What it raises comes back as well."""
        with self.assertRaises(ZeroDivisionError):
            await thread_pool(reactor)(lambda: 1 // 0)

    async def test_cancel(self) -> None:
        """Whoever does not wait any more is told at once; the thread ends by itself."""
        go, ended = threading.Event(), threading.Event()
        done: Deferred[None] = Deferred()

        def work() -> None:
            go.wait(10)
            reactor.callFromThread(done.callback, None)  # type: ignore[attr-defined]
            ended.set()

        waiting: Deferred[None] = thread_pool(reactor)(work)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        go.set()
        await done
        ended.wait(10)


class NoThreads:
    """A reactor, and its pool, on a system that gives no more threads."""

    def getThreadPool(self) -> NoThreads:
        """Itself."""
        return self

    def callInThreadWithCallback(self, *arguments: object) -> None:
        """As L{threading.Thread.start} says it."""
        raise RuntimeError("can't start new thread")


class NoThreadsTests(SynchronousTestCase):
    """A pool that can not grow."""

    def test_no_thread(self) -> None:
        """Is a matter of memory."""
        self.assertRaises(MemoryError, thread_pool(NoThreads()), divmod, 7, 2)


class AtOnceTests(SynchronousTestCase):
    """The same without threads."""

    def test_at_once(self) -> None:
        """Result and failure are there when it returns."""
        self.assertEqual(self.successResultOf(in_reactor_thread(divmod, 7, 2)), (3, 1))
        self.failureResultOf(in_reactor_thread(divmod, 7, 0), ZeroDivisionError)
