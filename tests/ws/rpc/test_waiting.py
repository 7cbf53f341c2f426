# -*- test-case-name: tests.ws.rpc.test_waiting -*-
"""Waiting with an end."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.ws.rpc.waiting import within


class WithinTests(SynchronousTestCase):
    """L{within}."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.cancelled = 0

    def waiting(self) -> Deferred[int]:
        def cancel(_: Deferred[int]) -> None:
            self.cancelled += 1

        return Deferred(cancel)

    def test_in_time(self) -> None:
        """The result, and no timer left."""
        waiting = self.waiting()
        found = Deferred.fromCoroutine(within(self.clock, 5, waiting))
        waiting.callback(3)
        self.assertEqual(self.successResultOf(found), 3)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_too_late(self) -> None:
        """None, and the waiting was called off."""
        found = Deferred.fromCoroutine(within(self.clock, 5, self.waiting()))
        self.clock.advance(5)
        self.assertEqual((self.successResultOf(found), self.cancelled), (None, 1))

    def test_no_time(self) -> None:
        """Without time only what is there already counts."""
        there: Deferred[int] = Deferred()
        there.callback(3)
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(within(self.clock, 0, there))), 3)
        found = Deferred.fromCoroutine(within(self.clock, 0, self.waiting()))
        self.assertEqual((self.successResultOf(found), self.cancelled), (None, 1))

    def test_cancelled(self) -> None:
        """Cancelling from outside is not taken for the end of the time."""
        found = Deferred.fromCoroutine(within(self.clock, 5, self.waiting()))
        found.cancel()
        self.failureResultOf(found, CancelledError)
        self.assertEqual((self.cancelled, self.clock.getDelayedCalls()), (1, []))
