# -*- test-case-name: tests.test_deferreds -*-
"""The edge between coroutines and Deferreds: started, waited for, cancelled, in a thread of the pool or at once."""

from __future__ import annotations

import threading

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase, TestCase

from openclaw_tx.deferreds import Gate, in_reactor_thread, sleep, spawn, thread_pool


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


class SpawnTests(SynchronousTestCase):
    """L{spawn}."""

    def setUp(self) -> None:
        """Something to wait for, and a log."""
        self.waiting: Deferred[int] = Deferred()
        self.observer = EventLoggingObserver()
        self.log = Logger(observer=self.observer)

    async def work(self) -> int:
        """Wait for it."""
        return await self.waiting + 1

    def test_result(self) -> None:
        """It is begun at once, and gives its result."""
        spawned = spawn(self.work(), self.log, "work")
        self.waiting.callback(1)
        self.assertEqual(self.successResultOf(spawned), 2)

    def test_failure(self) -> None:
        """It is logged, with what failed, and nobody else has to deal with it."""
        spawned = spawn(self.work(), self.log, "work")
        self.waiting.errback(ValueError("x"))
        self.assertIsNone(self.successResultOf(spawned))
        (event,) = self.observer
        self.assertEqual((formatEvent(event), event["log_failure"].type), ("work failed", ValueError))

    def test_cancelled(self) -> None:
        """That reaches the work, and is no failure."""
        spawned = spawn(self.work(), self.log, "work")
        spawned.cancel()
        self.assertIsNone(self.successResultOf(spawned))
        self.assertTrue(self.waiting.called)
        self.assertEqual(list(self.observer), [])


class SleepTests(SynchronousTestCase):
    """L{sleep}."""

    def test_sleep(self) -> None:
        """So long and no longer; nothing is left of one that is cancelled."""
        clock = Clock()
        slept, cancelled = sleep(clock, 2), sleep(clock, 3)
        cancelled.cancel()
        self.failureResultOf(cancelled, CancelledError)
        clock.advance(1.9)
        self.assertNoResult(slept)
        clock.advance(0.1)
        self.assertIsNone(self.successResultOf(slept))
        self.assertEqual(clock.getDelayedCalls(), [])


class GateTests(SynchronousTestCase):
    """L{Gate}."""

    def test_gate(self) -> None:
        """Who came before and who comes after pass once it is open; who has left does not matter. It is opened once."""
        gate = Gate()
        first, left, last = gate.wait(), gate.wait(), gate.wait()
        left.cancel()
        self.failureResultOf(left, CancelledError)
        self.assertNoResult(first)
        self.assertFalse(gate.opened)
        gate.open()
        gate.open()
        self.assertTrue(gate.opened)
        for waiter in (first, last, gate.wait()):
            self.assertIsNone(self.successResultOf(waiter))

    def test_opened_meanwhile(self) -> None:
        """A waiter that leaves while others are let through keeps nobody back, nor does one that comes."""
        gate = Gate()
        come: list[Deferred[None]] = []
        first, second, third = gate.wait(), gate.wait(), gate.wait()

        def passed(_: None) -> None:
            second.cancel()
            come.append(gate.wait())

        first.addCallback(passed)
        gate.open()
        self.failureResultOf(second, CancelledError)
        for waiter in (first, third, *come):
            self.assertIsNone(self.successResultOf(waiter))


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
