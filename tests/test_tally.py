# -*- test-case-name: tests.test_tally -*-
"""Counting."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.failures import rate_limited, unauthorized
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Peer
from openclaw_tx.tally import LAG_WINDOW, MAX_SERIES, CountedAuthenticator, Counts, Histogram, LagMeter, Tally
from openclaw_tx.values import Credentials, Principal
from tests.support.fakes import OWNER


class CountsTests(SynchronousTestCase):
    """L{Counts}."""

    def test_add(self) -> None:
        """By all labels together; what was never counted is 0."""
        counts = Counts()
        counts.add("a", "b")
        counts.add("a", "b", amount=4)
        counts.add("a", "c")
        self.assertEqual(sorted(counts), [(("a", "b"), 5), (("a", "c"), 1)])
        self.assertEqual(counts["a", "d"], 0)

    def test_bounded(self) -> None:
        """However many labels come, there are only so many series; the known ones go on, nothing is lost."""
        counts = Counts()
        for number in range(MAX_SERIES * 2):
            counts.add(f"label {number}", "x")
        counts.add("label 0", "x")
        found = dict(counts)
        self.assertEqual(len(found), MAX_SERIES + 1)
        self.assertEqual(found["other", "other"], MAX_SERIES)
        self.assertEqual(found["label 0", "x"], 2)


class HistogramTests(SynchronousTestCase):
    """L{Histogram}."""

    def test_buckets(self) -> None:
        """Each bucket holds all that is not above its bound; the last one everything."""
        histogram = Histogram((0.5, 1.0))
        for value in (0.1, 0.5, 0.75, 1.0, 7.0):
            histogram.observe(value)
        self.assertEqual(histogram.buckets(), [("0.5", 2), ("1.0", 4), ("+Inf", 5)])
        self.assertEqual((histogram.count, histogram.total), (5, 9.35))


class LagTests(SynchronousTestCase):
    """L{LagMeter}."""

    def setUp(self) -> None:
        """A meter that runs."""
        self.clock = Clock()
        self.tally = Tally()
        self.meter = LagMeter(self.clock, self.tally)
        self.meter.startService()

    def test_on_time(self) -> None:
        """A reactor that is not busy has no lag."""
        self.clock.pump([0.25] * 40)
        self.assertEqual((self.tally.lag.count, self.tally.lag.total), (10, 0.0))

    def test_late(self) -> None:
        """Being called late is the lag, and later measurements are not off by it."""
        self.clock.advance(1.5)
        self.clock.advance(1.0)
        self.assertEqual(list(self.tally.lag_recent), [0.5, 0.0])
        self.assertEqual(self.tally.lag.total, 0.5)

    def test_window(self) -> None:
        """Only the last minute is kept."""
        self.clock.advance(3.0)
        self.clock.pump([1.0] * LAG_WINDOW)
        self.assertEqual(max(self.tally.lag_recent), 0.0)
        self.assertEqual(self.tally.lag.total, 2.0)

    def test_stop(self) -> None:
        """No delayed call is left; stopping twice does no harm."""
        self.meter.stopService()
        self.meter.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.meter.startService()

    def tearDown(self) -> None:
        """Leave nothing."""
        self.meter.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class _Authenticator:
    """Answers as it is told."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.waiting: Deferred[Principal] | None = None

    async def authenticate(self, credentials: Credentials, peer: Peer) -> Principal:
        if self.waiting is not None:
            await self.waiting
        if self.error is not None:
            raise self.error
        return OWNER

    def is_valid(self, principal: Principal) -> bool:
        return False

    def check_origin(self, peer: Peer) -> None:
        raise GatewayError("origin_not_allowed", "no")

    def is_local_direct(self, peer: Peer) -> bool:
        return True


class _Peer:
    address = "192.0.2.1"

    def header(self, name: str) -> str | None:
        return None


class AuthenticatorTests(SynchronousTestCase):
    """L{CountedAuthenticator}."""

    def setUp(self) -> None:
        """One around another."""
        self.inner = _Authenticator()
        self.tally = Tally()
        self.counted = CountedAuthenticator(self.inner, self.tally)

    def ask(self) -> Deferred[Principal]:
        """Somebody comes."""
        return Deferred.fromCoroutine(self.counted.authenticate(Credentials(), _Peer()))

    def test_success(self) -> None:
        """Who is let in is not counted."""
        self.assertIs(self.successResultOf(self.ask()), OWNER)
        self.assertEqual(list(self.tally.auth_failures), [])

    def test_refusals(self) -> None:
        """Each by its reason; the error passes as it is."""
        for error in (unauthorized("AUTH_TOKEN_MISMATCH"), rate_limited(3), GatewayError("origin_not_allowed", "no")):
            self.inner.error = error
            self.assertIs(self.failureResultOf(self.ask(), GatewayError).value, error)
        self.assertEqual(
            dict(self.tally.auth_failures),
            {("token_mismatch",): 1, ("rate_limited",): 1, ("origin_not_allowed",): 1},
        )

    def test_client_leaves(self) -> None:
        """A cancelled wait is nobody's failure."""
        self.inner.waiting = Deferred()
        asked = self.ask()
        asked.cancel()
        self.failureResultOf(asked)
        self.assertEqual(list(self.tally.auth_failures), [])

    def test_the_rest_passes_through(self) -> None:
        """The other questions are the inner one's to answer."""
        self.assertFalse(self.counted.is_valid(OWNER))
        self.assertTrue(self.counted.is_local_direct(_Peer()))
        self.assertRaises(GatewayError, self.counted.check_origin, _Peer())
