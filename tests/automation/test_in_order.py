# -*- test-case-name: tests.automation.test_in_order -*-
"""L{openclaw_tx.automation.in_order}."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.automation.in_order import MAX_WAITING, InOrder
from openclaw_tx.errors import GatewayError


class Threads:
    """An L{openclaw_tx.deferreds.InThread} whose work a test lets end."""

    def __init__(self) -> None:
        self.begun: list[tuple[Any, Deferred[Any]]] = []

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        """Begin."""
        done: Deferred[Any] = Deferred()
        self.begun.append((arguments, done))
        return done


class InOrderTests(SynchronousTestCase):
    """One at a time."""

    def setUp(self) -> None:
        self.threads = Threads()
        self.in_order = InOrder(self.threads)

    def test_order(self) -> None:
        """The next begins when the one before has ended, well or not."""
        first, second, third = (self.in_order(print, number) for number in (1, 2, 3))
        self.assertEqual([each[0] for each in self.threads.begun], [(1,)])
        self.threads.begun[0][1].errback(OSError("full"))
        self.failureResultOf(first, OSError)
        self.threads.begun[1][1].callback("two")
        self.assertEqual(self.successResultOf(second), "two")
        self.assertEqual([each[0] for each in self.threads.begun], [(1,), (2,), (3,)])
        self.threads.begun[2][1].callback(None)
        self.successResultOf(third)

    def test_cancelled(self) -> None:
        """Who is cancelled waits no more; the work is done, and the next one waits for it."""
        first, second = self.in_order(print, 1), self.in_order(print, 2)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertEqual(len(self.threads.begun), 1)
        self.threads.begun[0][1].callback(None)
        self.assertEqual(len(self.threads.begun), 2)
        self.threads.begun[1][1].callback("two")
        self.assertEqual(self.successResultOf(second), "two")

    def test_idle(self) -> None:
        """Idle is when nothing is left."""
        self.successResultOf(Deferred.fromCoroutine(self.in_order.idle()))
        for number in (1, 2):
            self.in_order(print, number)
        idle = Deferred.fromCoroutine(self.in_order.idle())
        self.threads.begun[0][1].callback(None)
        self.assertNoResult(idle)
        self.threads.begun[1][1].callback(None)
        self.successResultOf(idle)

    def test_bound(self) -> None:
        """What is too much is refused."""
        for number in range(MAX_WAITING + 1):
            self.in_order(print, number)
        error = self.failureResultOf(self.in_order(print, 0), GatewayError).value
        self.assertEqual(error.info.code, "storage_unavailable")

    def test_no_threads(self) -> None:
        """Where no thread can be had, the work fails, and what follows is tried all the same."""
        in_order = InOrder(lambda function, *arguments: 1 // 0)  # type: ignore[arg-type]
        for _ in range(2):
            self.failureResultOf(in_order(print), ZeroDivisionError)
        self.successResultOf(Deferred.fromCoroutine(in_order.idle()))
