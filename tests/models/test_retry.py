# -*- test-case-name: tests.models.test_retry -*-
"""Trying the same model again."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import CODES, GatewayError
from openclaw_tx.models.failures import RETRY_CODES
from openclaw_tx.models.retry import RetryPolicy, retrying
from tests.models.memory import outcome, start


def failing(code: str = "provider_error", retry_after: float | None = None) -> GatewayError:
    """An error."""
    return GatewayError(code, "x", retry_after=retry_after)


class PolicyTests(SynchronousTestCase):
    """L{RetryPolicy.wait}."""

    def test_back_off(self) -> None:
        """One second, then two, then no more; the jitter moves that by a tenth."""
        policy = RetryPolicy()
        self.assertEqual([policy.wait(n, failing(), 0.5) for n in (1, 2, 3)], [1.0, 2.0, None])
        self.assertAlmostEqual(policy.wait(1, failing(), 0.0) or 0, 0.9)
        self.assertAlmostEqual(policy.wait(1, failing(), 1.0) or 0, 1.1)

    def test_retry_after(self) -> None:
        """The provider's wish is a minimum; one over the cap is not waited for."""
        policy = RetryPolicy()
        self.assertEqual(policy.wait(1, failing(retry_after=0.1), 0.5), 1.0)
        self.assertEqual(policy.wait(1, failing(retry_after=7), 0.5), 7)
        self.assertEqual(policy.wait(1, failing(retry_after=30), 0.5), 30)
        self.assertIsNone(policy.wait(1, failing(retry_after=31), 0.5))

    def test_only_what_may_pass(self) -> None:
        """Keys, bills, rejections and silence are not tried again."""
        tried = {code for code in CODES if RetryPolicy().wait(1, failing(code), 0.5) is not None}
        self.assertEqual(tried, RETRY_CODES)
        self.assertEqual(tried, {"provider_rate_limit", "provider_error", "provider_overloaded"})

    @given(st.integers(1, 60), st.floats(0, 1), st.none() | st.floats(0, 100))
    def test_bounds(self, attempt: int, random: float, retry_after: float | None) -> None:
        """A wait is never negative, over the cap, or shorter than asked."""
        wait = RetryPolicy(attempts=100).wait(attempt, failing(retry_after=retry_after), random)
        if wait is None:
            self.assertGreater(retry_after or 0, 30)
        else:
            self.assertTrue(max(0.9, retry_after or 0) <= wait <= 30)


class RetryingTests(SynchronousTestCase):
    """L{retrying}."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.attempts = 0
        self.may_retry = True
        self.errors: list[Exception] = []

    async def attempt(self) -> str:
        """Fails with the next of L{errors}, if any is left."""
        self.attempts += 1
        if self.errors:
            raise self.errors.pop(0)
        return "ok"

    def run_it(self) -> Any:
        """Start it."""
        return start(
            retrying(
                self.attempt, lambda error: self.may_retry, policy=RetryPolicy(), clock=self.clock, random=lambda: 0.5
            )
        )

    def test_third_time(self) -> None:
        """Two failures, two waits, then the answer."""
        self.errors = [failing(), failing("provider_overloaded", 4)]
        result = outcome(self.run_it())
        self.assertEqual((self.attempts, result), (1, []))
        self.clock.advance(1)
        self.assertEqual((self.attempts, result), (2, []))
        self.clock.advance(3.9)
        self.assertEqual(self.attempts, 2)
        self.clock.advance(0.1)
        self.assertEqual((self.attempts, result), (3, ["ok"]))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_three_failures(self) -> None:
        """The last failure comes out."""
        last = failing("provider_rate_limit")
        self.errors = [failing(), failing(), last]
        called = self.run_it()
        self.clock.pump([1, 2])
        self.assertIs(self.failureResultOf(called, GatewayError).value, last)

    def test_not_after_something_was_handed_on(self) -> None:
        """Then a second answer would be glued to the first."""
        self.errors = [failing()]
        self.may_retry = False
        self.failureResultOf(self.run_it(), GatewayError)
        self.assertEqual(self.attempts, 1)

    def test_other_errors(self) -> None:
        """A rejection and a bug come out at once."""
        for error in (failing("provider_rejected"), ZeroDivisionError()):
            self.errors = [error]
            self.failureResultOf(self.run_it(), type(error))
        self.assertEqual(self.attempts, 2)

    def test_cancel_while_waiting(self) -> None:
        """The wait ends, no timer stays, and no further attempt is made."""
        self.errors = [failing()]
        called = self.run_it()
        called.cancel()
        self.failureResultOf(called, CancelledError)
        self.assertEqual((self.attempts, self.clock.getDelayedCalls()), (1, []))
