# -*- test-case-name: tests.auth.test_quotas -*-
"""Limits of keys, by the clock."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth import quotas
from openclaw_tx.auth.keys import hash_of
from openclaw_tx.auth.quotas import Quotas, duration
from openclaw_tx.config.schema_gateway import Key
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Meter
from openclaw_tx.values import Principal

WHO = Principal(id="key:laptop", method="key", scopes=frozenset())
OTHER = Principal(id="key:other", method="key", scopes=frozenset())


class QuotaTests(SynchronousTestCase):
    """Requests, tokens, runs at a time."""

    def setUp(self) -> None:
        """No limits yet."""
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.keys: dict[str, Key] = {}
        self.quotas = Quotas(self.clock, lambda principal: self.keys.get(principal.id))
        self.meter: Meter = self.quotas

    def limit(self, who: Principal = WHO, **limits: Any) -> None:
        """Give somebody limits."""
        self.keys[who.id] = Key(label=who.id.removeprefix("key:"), hash=hash_of("x"), **limits)

    def refused(self, call: Any, *arguments: Any) -> GatewayError:
        """It must be 429, with everything a client needs to know."""
        error = self.assertRaises(GatewayError, call, *arguments)
        self.assertEqual((error.info.code, error.info.kind.status), ("rate_limit_exceeded", 429))
        self.assertIsNotNone(error.info.retry_after)
        self.assertIsNotNone(error.info.should_retry)
        self.assertIn("laptop", error.info.message)
        return error

    def test_requests(self) -> None:
        """A minute's worth at once, then one as each is due; the wait told is exactly enough."""
        self.limit(rpm=6)
        for _ in range(6):
            self.meter.request(WHO)
        error = self.refused(self.meter.request, WHO)
        self.assertEqual((error.info.retry_after, error.info.should_retry), (10.0, True))
        self.assertIn("limit 6. Please try again in 10s.", error.info.message)
        self.clock.advance(9.99)
        self.refused(self.meter.request, WHO)
        self.clock.advance(0.01)
        self.meter.request(WHO)
        self.refused(self.meter.request, WHO)

    def test_refused_requests_cost_nothing(self) -> None:
        """Hammering does not push the end of the wait away."""
        self.limit(rpm=1)
        self.meter.request(WHO)
        for _ in range(59):
            self.clock.advance(1)
            self.refused(self.meter.request, WHO)
        self.clock.advance(1)
        self.meter.request(WHO)

    def test_each_for_itself(self) -> None:
        """Keys do not share their limits, and the owner has none."""
        self.limit(rpm=1)
        self.limit(OTHER, rpm=1)
        owner = Principal(id="shared-secret", method="token", scopes=frozenset())
        self.meter.request(WHO)
        self.meter.request(OTHER)
        for _ in range(100):
            self.meter.request(owner)
            self.meter.enter(owner)
        self.refused(self.meter.request, WHO)
        self.assertEqual(self.meter.headers(owner), {})

    def test_tokens(self) -> None:
        """Tokens count when they were used; a debt is worked off before the next request; long waits are not for
        clients to retry."""
        self.limit(tpm=600)
        self.meter.request(WHO)
        self.meter.enter(WHO)
        self.meter.leave(WHO, 590)
        self.meter.request(WHO)
        self.meter.spend(WHO, 110)
        error = self.refused(self.meter.request, WHO)
        self.assertAlmostEqual(error.info.retry_after or 0, 10.1)
        self.assertTrue(error.info.should_retry)
        self.clock.advance(10.2)
        self.meter.request(WHO)
        self.meter.spend(WHO, 6000)
        error = self.refused(self.meter.request, WHO)
        self.assertFalse(error.info.should_retry)
        self.assertGreater(error.info.retry_after or 0, 500)

    def test_concurrency(self) -> None:
        """So many runs at a time; each that ends makes room."""
        self.limit(concurrency=2)
        self.meter.enter(WHO)
        self.meter.enter(WHO)
        error = self.refused(self.meter.enter, WHO)
        self.assertEqual((error.info.retry_after, error.info.should_retry), (1.0, True))
        self.meter.leave(WHO, 0)
        self.meter.enter(WHO)
        self.refused(self.meter.enter, WHO)
        for _ in range(5):
            self.meter.leave(WHO, 0)
        self.meter.enter(WHO)
        self.meter.enter(WHO)
        self.refused(self.meter.enter, WHO)

    def test_headers(self) -> None:
        """OpenAI's names and forms, for what is limited only; times until all is there again."""
        self.limit(rpm=10)
        self.meter.request(WHO)
        self.assertEqual(
            self.meter.headers(WHO),
            {
                "x-ratelimit-limit-requests": "10",
                "x-ratelimit-remaining-requests": "9",
                "x-ratelimit-reset-requests": "6s",
            },
        )
        self.limit(tpm=100, concurrency=1)
        self.meter.spend(WHO, 250)
        self.assertEqual(
            self.meter.headers(WHO),
            {
                "x-ratelimit-limit-tokens": "100",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "2m30s",
            },
        )
        self.clock.advance(150)
        self.assertEqual(self.meter.headers(WHO)["x-ratelimit-remaining-tokens"], "100")
        self.assertEqual(self.meter.headers(WHO)["x-ratelimit-reset-tokens"], "0s")

    def test_changed_limit(self) -> None:
        """Another limit counts from the next request on; none lets everything pass."""
        self.limit(rpm=1)
        self.meter.request(WHO)
        self.refused(self.meter.request, WHO)
        self.limit(rpm=2)
        self.meter.request(WHO)
        self.refused(self.meter.request, WHO)
        self.limit()
        for _ in range(10):
            self.meter.request(WHO)

    def test_clock_set_back(self) -> None:
        """A clock that is set back gives nothing away and locks nobody out for good."""
        self.limit(rpm=1)
        self.meter.request(WHO)
        self.clock.rightNow -= 500
        error = self.refused(self.meter.request, WHO)
        self.assertLessEqual(error.info.retry_after or 0, 60)
        self.clock.advance(60)
        self.meter.request(WHO)

    def test_bounded(self) -> None:
        """Keys that are no more are forgotten; there is no timer."""
        for number in range(3 * quotas.SWEEP_AT):
            who = Principal(id=f"key:k{number}", method="key", scopes=frozenset())
            self.limit(who, rpm=1)
            self.meter.request(who)
            del self.keys[who.id]
        self.assertLessEqual(len(self.quotas), quotas.SWEEP_AT)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    @given(st.integers(1, 50), st.lists(st.floats(0, 30), max_size=80))
    def test_never_more_than_the_limit(self, rpm: int, pauses: list[float]) -> None:
        """In no span of time are more let in than a minute's worth and what came back meanwhile."""
        self.limit(rpm=rpm)
        self.quotas = Quotas(self.clock, lambda principal: self.keys.get(principal.id))
        let_in: list[float] = []
        for pause in pauses:
            self.clock.advance(pause)
            try:
                self.quotas.request(WHO)
            except GatewayError:
                continue
            let_in.append(self.clock.seconds())
        for first, begin in enumerate(let_in):
            for last, end in enumerate(let_in[first:], first):
                self.assertLessEqual(last - first + 1, rpm + (end - begin) * rpm / 60 + 0.001)


class DurationTests(SynchronousTestCase):
    """Times as OpenAI writes them."""

    def test_forms(self) -> None:
        """Milliseconds below a second, then whole seconds, minutes, hours; rounded up."""
        for seconds, text in (
            (-1, "0s"),
            (0, "0s"),
            (0.0001, "1ms"),
            (0.12, "120ms"),
            (0.9999, "1s"),
            (1, "1s"),
            (1.001, "2s"),
            (59.5, "1m0s"),
            (360, "6m0s"),
            (3599.2, "1h0m0s"),
            (7265, "2h1m5s"),
        ):
            self.assertEqual(duration(seconds), text, seconds)
