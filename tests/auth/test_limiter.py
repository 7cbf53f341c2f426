# -*- test-case-name: tests.auth.test_limiter -*-
"""The limiter of wrong secrets, on a clock."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth import limiter as module
from openclaw_tx.auth.limiter import MAX_ENTRIES, MAX_PENDING, Attempt, FailureLimiter, attempt_of
from openclaw_tx.auth.peers import Client
from openclaw_tx.config.schema_gateway import RateLimit
from openclaw_tx.errors import GatewayError
from tests.auth.doubles import LOOPBACK, REMOTE

GUESSER = Attempt("shared-secret", REMOTE)
LOCAL = Attempt("shared-secret", "loopback", exempt=True)


class LimiterTestCase(SynchronousTestCase):
    """A limiter of 3 attempts in 60 s, 20 s of lockout."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.limits = RateLimit(max_attempts=3, window_ms=60_000, lockout_ms=20_000)
        self.limiter = FailureLimiter(self.clock, lambda: self.limits)

    def fail(self, attempt: Attempt = GUESSER, times: int = 1) -> None:  # type: ignore[override]
        """Guess wrong, where that is answered at once."""
        for _ in range(times):
            self.successResultOf(Deferred.fromCoroutine(self.limiter.failed(attempt)))

    def fail_slowly(self, attempt: Attempt = LOCAL) -> Deferred[None]:
        """Guess wrong, where that is answered late."""
        return Deferred.fromCoroutine(self.limiter.failed(attempt))

    def wait_of(self, attempt: Attempt = GUESSER) -> float | None:
        """Seconds that a refused attempt is told to wait; None when it is let through."""
        try:
            self.limiter.check(attempt)
        except GatewayError as error:
            self.assertEqual(error.info.code, "rate_limit_exceeded")
            self.assertEqual(error.info.kind.status, 429)
            return error.info.retry_after
        return None


class LockoutTests(LimiterTestCase):
    """Clients of other machines."""

    def test_locks_after_the_last_attempt(self) -> None:
        """Attempts within the limit pass; the next is refused with the whole lockout to wait, then less."""
        self.fail(times=2)
        self.assertIsNone(self.wait_of())
        self.fail()
        self.assertEqual(self.wait_of(), 20)
        self.clock.advance(0.5)
        self.assertEqual(self.wait_of(), 20, "whole seconds, rounded up")
        self.clock.advance(19.4)
        self.assertEqual(self.wait_of(), 1)
        self.clock.advance(0.1)
        self.assertIsNone(self.wait_of())

    def test_window_slides(self) -> None:
        """Failures count for one window from when they happened, not until a fixed mark."""
        self.fail()
        self.clock.advance(59)
        self.fail()
        self.clock.advance(2)
        self.fail()
        self.assertIsNone(self.wait_of(), "the first failure is out of the window")
        self.clock.advance(50)
        self.fail()
        self.assertEqual(self.wait_of(), 20, "three within 52 seconds")

    def test_fresh_start_after_lockout(self) -> None:
        """After a lockout all attempts are there again."""
        self.fail(times=3)
        self.clock.advance(20)
        self.fail(times=2)
        self.assertIsNone(self.wait_of())

    def test_success_resets(self) -> None:
        """A right secret forgets earlier failures."""
        self.fail(times=2)
        self.limiter.succeeded(GUESSER)
        self.fail(times=2)
        self.assertIsNone(self.wait_of())

    def test_apart(self) -> None:
        """Addresses and kinds of credentials count apart."""
        self.fail(times=3)
        self.assertIsNone(self.wait_of(Attempt("shared-secret", "203.0.113.10")))
        self.assertIsNone(self.wait_of(Attempt("device-token", REMOTE)))

    def test_limits_are_read_at_each_failure(self) -> None:
        """A changed configuration counts from the next failure on."""
        self.fail()
        self.limits = RateLimit(max_attempts=2, lockout_ms=7_000)
        self.fail()
        self.assertEqual(self.wait_of(), 7)

    def test_no_timers(self) -> None:
        """Lockouts cost no timer."""
        self.fail(times=3)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class TableTests(LimiterTestCase):
    """The bound of the table."""

    def test_overflow_is_shared(self) -> None:
        """With a full table, addresses not in it share one count; known ones and right secrets are untouched."""
        for index in range(MAX_ENTRIES):
            self.fail(Attempt("shared-secret", f"known-{index}"))
        newcomers = [Attempt("shared-secret", f"new-{index}") for index in range(4)]
        self.assertIsNone(self.wait_of(newcomers[0]))
        for newcomer in newcomers[:3]:
            self.fail(newcomer)
        self.assertEqual(self.wait_of(newcomers[3]), 20)
        self.limiter.succeeded(newcomers[3])
        self.assertEqual(self.wait_of(newcomers[3]), 20, "nobody resets the count of the others")
        self.assertIsNone(self.wait_of(Attempt("shared-secret", "known-5")))
        self.assertEqual(len(self.limiter), MAX_ENTRIES)

    def test_sweeps_what_has_run_out(self) -> None:
        """Entries leave once neither window nor lockout holds them, and then there is room again."""
        for index in range(MAX_ENTRIES):
            self.fail(Attempt("shared-secret", f"old-{index}"))
        self.limits = RateLimit(max_attempts=1, window_ms=60_000, lockout_ms=200_000)
        self.fail(Attempt("shared-secret", "old-0"))
        self.clock.advance(61)
        self.fail(Attempt("shared-secret", "new"))
        self.assertEqual(len(self.limiter), 2, "the locked one and the new one")
        self.assertEqual(self.wait_of(Attempt("shared-secret", "old-0")), 139)

    def test_sweeps_are_rare(self) -> None:
        """A flood of addresses does not make every failure walk the table: once a second when full."""
        for index in range(MAX_ENTRIES):
            self.fail(Attempt("shared-secret", f"old-{index}"))
        table = self.limiter._entries
        self.fail(Attempt("shared-secret", "a"), times=2)
        self.assertIs(self.limiter._entries, table)
        self.clock.advance(module.FULL_SWEEP_SECONDS)
        self.fail(Attempt("shared-secret", "b"))
        self.assertIsNot(self.limiter._entries, table)


class DelayTests(LimiterTestCase):
    """Programs on this machine."""

    def test_delay_doubles(self) -> None:
        """Each failure is answered later than the one before, up to 5 s; none locks out."""
        waits = []
        for _ in range(7):
            began = self.clock.seconds()
            deferred = self.fail_slowly()
            while not deferred.called:
                self.clock.advance(0.25)
            self.successResultOf(deferred)
            waits.append(self.clock.seconds() - began)
        self.assertEqual(waits, [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0])
        self.assertIsNone(self.wait_of(LOCAL))

    def test_success_or_quiet_starts_over(self) -> None:
        """After a success, or a window without failures, the delay is short again."""
        self.limits = RateLimit(window_ms=10_000)
        for forget in [lambda: self.limiter.succeeded(LOCAL), lambda: self.clock.advance(10)]:
            for wait in [0.25, 0.5]:
                deferred = self.fail_slowly()
                self.clock.advance(wait)
                self.successResultOf(deferred)
            forget()
        deferred = self.fail_slowly()
        self.clock.advance(0.25)
        self.successResultOf(deferred)

    def test_long_guessing_stays_finite(self) -> None:
        """A guesser with endless patience does not make the delay overflow."""
        self.limiter._entry(LOCAL, self.clock.seconds(), 60).streak = 10**6
        self.limiter._entry(LOCAL, self.clock.seconds(), 60).last = self.clock.seconds()
        deferred = self.fail_slowly()
        self.clock.advance(5)
        self.successResultOf(deferred)

    def test_pending_is_bounded(self) -> None:
        """Late answers outstanding are bounded; then attempts are refused unread, with the time until a place."""
        waiting = [self.fail_slowly() for _ in range(MAX_PENDING)]
        self.assertEqual(self.wait_of(LOCAL), 1)
        self.clock.advance(0.25)
        self.assertIsNone(self.wait_of(LOCAL), "one place is free")
        self.clock.advance(5)
        for deferred in waiting:
            self.successResultOf(deferred)

    def test_leaving_early_gains_nothing(self) -> None:
        """A guesser that hangs up before the late answer keeps its place taken, so that it can not guess faster."""
        for _ in range(MAX_PENDING):
            deferred = self.fail_slowly()
            deferred.cancel()
            self.failureResultOf(deferred, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.wait_of(LOCAL), 1)
        self.limiter.succeeded(LOCAL)
        self.assertEqual(self.wait_of(LOCAL), 1, "not even a success frees them")
        self.clock.advance(5)
        self.assertIsNone(self.wait_of(LOCAL))


class SubjectTests(SynchronousTestCase):
    """Whom an attempt counts against."""

    def test_subjects(self) -> None:
        """Programs on this machine are exempt; pages, proxied and distant clients are not."""
        limits = RateLimit()
        local = Client(LOOPBACK, forwarded=False, loopback=True, local=True)
        renamed = local._replace(local=False)
        distant = Client(REMOTE, forwarded=False, loopback=False, local=False)
        proxied = Client(LOOPBACK, forwarded=True, loopback=False, local=False)
        page = "http://Evil.example"
        for attempt, expected in [
            (attempt_of("s", local, None, False, limits), Attempt("s", "loopback", True)),
            (attempt_of("s", local, page, True, limits), Attempt("s", "origin:http://evil.example")),
            (attempt_of("s", local, None, True, limits), Attempt("s", LOOPBACK)),
            (attempt_of("s", renamed, None, False, limits), Attempt("s", LOOPBACK)),
            (attempt_of("s", distant, None, False, limits), Attempt("s", REMOTE)),
            (attempt_of("s", distant, page, True, limits), Attempt("s", REMOTE)),
            (attempt_of("s", proxied, None, False, limits), Attempt("s", LOOPBACK)),
            (attempt_of("s", local, None, False, RateLimit(exempt_loopback=False)), Attempt("s", LOOPBACK)),
            (attempt_of("s", distant._replace(address=""), None, False, limits), Attempt("s", "unknown")),
        ]:
            self.assertEqual(attempt, expected)

    def test_ipv6_by_network(self) -> None:
        """One IPv6 site is one guesser, whichever of its addresses it burns."""
        one, two, other = (
            attempt_of("s", Client(text, False, False, False), None, False, RateLimit())
            for text in ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"]
        )
        self.assertEqual(one, two)
        self.assertNotEqual(one, other)

    def test_long_origins(self) -> None:
        """An endless Origin costs no memory."""
        local = Client(LOOPBACK, forwarded=False, loopback=True, local=True)
        attempt = attempt_of("s", local, "x" * 100_000, True, RateLimit())
        self.assertLess(len(attempt.subject), 300)
