# -*- test-case-name: tests.web.test_once -*-
"""Work that is done once for all who ask."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.web.once import KEEP_SECONDS, MAX_KEPT, MAX_KEPT_BYTES, Once, Reply

KEY = ("owner", "k")
GOOD = Reply(200, b"good")


class OnceTests(SynchronousTestCase):
    """One table."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.once = Once(self.clock)
        self.works: list[Deferred[Reply]] = []
        self.cancelled = 0

    def ask(self, key: tuple[str, str] = KEY, fingerprint: bytes = b"f") -> Deferred[Any]:
        """Ask for work that the test ends by hand."""

        async def work() -> Reply:
            done: Deferred[Reply] = Deferred(self._cancel)
            self.works.append(done)
            return await done

        return Deferred.fromCoroutine(self.once.reply(key, fingerprint, work))

    def _cancel(self, _: object) -> None:
        self.cancelled += 1

    def test_alone(self) -> None:
        """Who asks first gets his own reply."""
        asked = self.ask()
        self.works[0].callback(GOOD)
        self.assertEqual(self.successResultOf(asked), (GOOD, False))

    def test_join_and_replay(self) -> None:
        """Who asks meanwhile, or later, gets the same; the work was done once."""
        first, second = self.ask(), self.ask()
        self.works[0].callback(GOOD)
        third = self.ask()
        self.assertEqual([self.successResultOf(each)[1] for each in (first, second, third)], [False, True, True])
        self.assertEqual(len(self.works), 1)

    def test_conflict(self) -> None:
        """Another request under the same key is refused, at work and afterwards."""
        first = self.ask()
        for _ in range(2):
            error = self.failureResultOf(self.ask(fingerprint=b"g"), GatewayError).value
            self.assertEqual(error.info.code, "idempotency_key_conflict")
            if not self.works[0].called:
                self.works[0].callback(GOOD)
        self.successResultOf(first)

    def test_other_owner(self) -> None:
        """A key is its owner's."""
        self.ask(), self.ask(("other", "k"))
        self.assertEqual(len(self.works), 2)
        for work in self.works:
            work.callback(GOOD)

    def test_last_one_leaves(self) -> None:
        """The work ends when nobody waits any more, not before; then the key is new."""
        first, second = self.ask(), self.ask()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertEqual(self.cancelled, 0)
        second.cancel()
        self.failureResultOf(second, CancelledError)
        self.assertEqual(self.cancelled, 1)
        third = self.ask()
        self.works[1].callback(GOOD)
        self.assertEqual(self.successResultOf(third), (GOOD, False))

    def test_asked_again_while_it_ends(self) -> None:
        """Work that was given up may take a moment to end; who asks in that moment gets work of his own, and is not
        told that it was cancelled."""
        ending: Deferred[None] = Deferred()

        async def slow() -> Reply:
            try:
                return await Deferred()
            finally:
                await ending

        first = Deferred.fromCoroutine(self.once.reply(KEY, b"f", slow))
        first.cancel()
        second = self.ask()
        self.works[0].callback(GOOD)
        self.assertEqual(self.successResultOf(second), (GOOD, False))
        ending.callback(None)
        self.failureResultOf(first, CancelledError)
        self.assertEqual(self.successResultOf(self.ask()), (GOOD, True))

    def test_done_although_nobody_waits(self) -> None:
        """Work that does not let itself be cancelled is done, and is not done again."""
        done: Deferred[None] = Deferred()

        async def stubborn() -> Reply:
            try:
                return await Deferred()
            except CancelledError:
                await done
                return GOOD

        for late in (False, True):
            if late:
                done = Deferred()
            key = ("owner", f"stubborn {late}")
            first = Deferred.fromCoroutine(self.once.reply(key, b"f", stubborn))
            if not late:
                done.callback(None)
            first.cancel()
            self.failureResultOf(first, CancelledError)
            if late:
                done.callback(None)
            self.assertEqual(self.successResultOf(self.ask(key)), (GOOD, True))

    def test_failure(self) -> None:
        """Everybody who waits gets it; it is not kept."""
        first, second = self.ask(), self.ask()
        self.works[0].errback(GatewayError("queue_full", "full"))
        for each in (first, second):
            self.assertEqual(self.failureResultOf(each, GatewayError).value.info.code, "queue_full")
        third = self.ask()
        self.works[1].callback(GOOD)
        self.successResultOf(third)

    def test_age(self) -> None:
        """A reply is kept for so long."""
        first = self.ask()
        self.works[0].callback(GOOD)
        self.clock.advance(KEEP_SECONDS - 1)
        self.assertTrue(self.successResultOf(self.ask())[1])
        self.clock.advance(1)
        again = self.ask()
        self.works[1].callback(GOOD)
        self.assertEqual([self.successResultOf(each)[1] for each in (first, again)], [False, False])

    def fill(self, count: int, body: bytes) -> None:
        """So many replies, one after the other, under keys of their own."""
        for number in range(count):
            asked = self.ask(("owner", f"fill {number}"))
            self.works[-1].callback(Reply(200, body))
            self.successResultOf(asked)

    def test_number(self) -> None:
        """The oldest goes when there are too many."""
        self.fill(MAX_KEPT + 1, b"")
        before = len(self.works)
        self.ask(("owner", "fill 1"))
        self.assertEqual(len(self.works), before)
        self.ask(("owner", "fill 0"))
        self.assertEqual(len(self.works), before + 1)
        self.works[-1].callback(GOOD)

    def test_bytes(self) -> None:
        """Or too large together."""
        self.fill(3, b"x" * (MAX_KEPT_BYTES // 2))
        before = len(self.works)
        self.assertTrue(self.successResultOf(self.ask(("owner", "fill 2")))[1])
        self.ask(("owner", "fill 0"))
        self.assertEqual(len(self.works), before + 1)
        self.works[-1].callback(GOOD)

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])
