# -*- test-case-name: tests.web.test_pace -*-
"""Requests that come at the same moment."""

from __future__ import annotations

import json
from collections.abc import Callable

from twisted.internet.base import DelayedCall
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.web.pace import BUDGET, MAX_HELD, PIECE, Pace
from tests.support.web import Harness


class Turning(Clock):
    """Counts how often somebody has waited for the next turn."""

    turns = 0

    def callLater(self, when: float, what: Callable[..., object], *arguments: object, **named: object) -> DelayedCall:
        """As a Clock's."""

        def turn() -> None:
            self.turns += 1
            what(*arguments, **named)

        return super().callLater(when, turn)


class Connection:
    """A connection on which everything takes its time.

    @ivar served: what was taken.
    @ivar turn: in which turn that was.
    """

    turn = -1
    is_costly = False
    slowed = False

    def __init__(self, clock: Turning, takes: float = 0.4 * BUDGET) -> None:
        self.requests: list[object] = []
        self.served = b""
        self.aborted = False
        self._clock = clock
        self._takes = takes

    def serve(self, data: bytes) -> None:
        """As long as it takes."""
        if data == b"broken":
            raise ZeroDivisionError
        self.served += data
        self.turn = self._clock.turns
        self._clock.rightNow += self._takes

    def slow_down(self) -> None:
        """Note it."""
        self.slowed = True

    def all_taken(self) -> None:
        """Note it."""
        self.slowed = False

    def abort(self) -> None:
        """Note it."""
        self.aborted = True


class PaceTests(SynchronousTestCase):
    """L{Pace}: requests of 4 ms, turns of 10."""

    def setUp(self) -> None:
        """A reactor that has turned for a while."""
        self.clock = Turning()
        self.clock.advance(1000)
        self.pace = Pace(self.clock)
        self.connections = [Connection(self.clock) for _ in range(8)]

    def all_ask(self) -> None:
        """Within one turn."""
        for connection in self.connections:
            self.pace.received(connection, b"GET / ")

    @property
    def served(self) -> int:
        """How many were."""
        return sum(bool(connection.served) for connection in self.connections)

    def test_burst(self) -> None:
        """Each turn serves for about its time, in order; no call is left at the end."""
        self.all_ask()
        self.assertEqual((self.served, len(self.pace)), (3, 5))
        self.clock.advance(0)
        self.assertEqual([connection.turn for connection in self.connections], [0, 0, 0, 1, 1, 1, 2, 2])
        self.assertEqual((self.served, self.clock.getDelayedCalls()), (8, []))

    def test_no_burst(self) -> None:
        """What comes one by one is served at once."""
        for connection in self.connections:
            self.pace.received(connection, b"GET / ")
            self.clock.advance(BUDGET)
        self.assertEqual((self.served, self.clock.getDelayedCalls()), (8, []))

    def test_probes_do_not_wait(self) -> None:
        """Neither does what belongs to a request that is being served."""
        self.all_ask()
        probe, body = Connection(self.clock), Connection(self.clock)
        body.requests.append(object())
        self.pace.received(probe, b"GET /healthz HTTP/1.1\r\n")
        self.pace.received(body, b"more")
        self.assertTrue(probe.served and body.served)

    def test_a_turn_that_begins_with_a_body(self) -> None:
        """Has its whole time all the same."""
        self.pace.received(self.connections[0], b"GET / ")
        self.clock.advance(10)
        self.connections[0].requests.append(object())
        for connection in self.connections[:2]:
            self.pace.received(connection, b"more")
        self.assertEqual(self.connections[1].served, b"more")

    def test_pieces_stay_in_order(self) -> None:
        """What comes on a connection that waits is added; too much of it waits no longer."""
        self.all_ask()
        small, large = self.connections[-2:]
        self.pace.received(small, b"HTTP")
        self.pace.received(large, b"x" * MAX_HELD)
        self.assertEqual((small.served, len(large.served)), (b"", MAX_HELD + 6))
        for _ in range(3):
            self.clock.advance(0)
        self.assertEqual(small.served, b"GET / HTTP")

    def test_costly_body(self) -> None:
        """Is taken by pieces, a few in a turn, and its client waits. Others have turns in between, probes at once."""
        greedy, other, probe = self.connections[:3]
        greedy.requests.append(object())
        greedy.is_costly = True
        body = b"".join(b"%04d" % number * (PIECE // 4) for number in range(8))
        self.pace.received(greedy, body)
        self.assertEqual((len(greedy.served), greedy.slowed), (3 * PIECE, True))
        self.pace.received(other, b"GET / ")
        self.pace.received(probe, b"GET /healthz HTTP/1.1\r\n")
        self.assertEqual((other.served, probe.turn), (b"", 0))
        self.pace.received(greedy, b"more")
        self.clock.advance(0)
        self.assertEqual((greedy.turn, greedy.slowed, greedy.served), (3, False, body + b"more"))
        self.assertEqual((other.served, other.turn), (b"GET / ", 2))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_costly_requests(self) -> None:
        """Many requests at once are bounded by making their client wait."""
        greedy = self.connections[-1]
        greedy.is_costly = True
        self.all_ask()
        self.pace.received(greedy, b"x" * MAX_HELD)
        self.assertEqual((greedy.served, greedy.slowed), (b"", True))
        self.clock.advance(0)
        self.assertEqual((len(greedy.served), greedy.slowed), (MAX_HELD + 6, False))

    def test_put_off_while_served(self) -> None:
        """What a connection puts off while it is served comes before the rest of what came."""
        greedy = self.connections[0]
        greedy.is_costly = True
        serve = greedy.serve

        def first(data: bytes) -> None:
            serve(data)
            greedy.serve = serve  # type: ignore[method-assign]
            for busy in self.connections[1:5]:
                self.pace.received(busy, b"GET / ")
            self.pace.received(greedy, b"next")

        greedy.serve = first  # type: ignore[method-assign]
        self.pace.received(greedy, b"a" * PIECE + b"last")
        self.clock.advance(0)
        self.assertEqual(greedy.served, b"a" * PIECE + b"nextlast")

    def test_lost_connection(self) -> None:
        """What waited on it is forgotten; the others have their turns."""
        self.all_ask()
        lost = self.connections[4]
        self.assertEqual(self.pace.forget(lost), b"GET / ")
        self.clock.advance(0)
        self.assertEqual((lost.served, self.served, self.clock.getDelayedCalls()), (b"", 7, []))
        self.assertEqual(self.pace.forget(lost), b"")

    def test_settle(self) -> None:
        """What waits on a connection is served at once."""
        self.all_ask()
        last = self.connections[-1]
        self.pace.settle(last)
        self.assertEqual(last.served, b"GET / ")
        for connection in self.connections:
            self.pace.settle(connection)
        self.assertEqual((self.served, self.clock.getDelayedCalls()), (8, []))

    def test_failure(self) -> None:
        """Cuts its own connection and no other."""
        for connection in self.connections:
            self.pace.received(connection, b"GET / " if connection is not self.connections[4] else b"broken")
        for _ in range(3):
            self.clock.advance(0)
        self.assertEqual([connection.aborted for connection in self.connections].index(True), 4)
        self.assertEqual((self.served, self.clock.getDelayedCalls()), (7, []))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_clock_set_back(self) -> None:
        """Nobody waits for it."""
        self.all_ask()
        self.clock.rightNow -= 3600
        for call in self.clock.getDelayedCalls():
            call.delay(-3600)
        for _ in range(4):
            self.clock.advance(0)
        self.assertEqual(self.served, 8)


class Slow:
    """A connection whose request takes a second."""

    is_costly = False

    def __init__(self, clock: Clock) -> None:
        self.requests: list[object] = []
        self._clock = clock

    def serve(self, data: bytes) -> None:
        """The turn is used up."""
        self._clock.rightNow += 1

    def slow_down(self) -> None:
        """It is not."""

    def all_taken(self) -> None:
        """It is not slow."""

    def abort(self) -> None:
        """It does not fail."""


class SiteTests(SynchronousTestCase):
    """Connections of a real site whose turn is used up."""

    def setUp(self) -> None:
        """A gateway, and a request that waits."""
        self.gateway = Harness()
        self.addCleanup(self.gateway.close)
        self.gateway.site.pace.received(Slow(self.gateway.clock), b"GET / ")
        body = json.dumps({"messages": [{"role": "user", "content": "ping"}]}).encode()
        self.client = self.gateway.post(body)
        self.assertEqual((self.client.received, len(self.gateway.site.pace)), (b"", 1))

    def test_next_turn(self) -> None:
        """It is answered."""
        self.gateway.clock.advance(0)
        self.client.wire.pump()
        self.assertEqual(self.client.response.status, 200)

    def test_half_closed(self) -> None:
        """A client that will say no more is answered in its turn, and closed."""
        self.client.half_close()
        self.assertEqual((self.client.received, len(self.gateway.site.pace)), (b"", 1))
        self.gateway.clock.advance(0)
        self.client.wire.pump()
        self.assertEqual((self.client.response.status, self.client.closed), (200, True))

    def test_half_closed_after_several(self) -> None:
        """One that sends several requests and says no more gets all its answers, though they wait again."""
        for _ in range(2):
            self.client.request("GET", "/v1/models", headers=self.gateway.credentials())
        self.client.half_close()
        self.gateway.clock.advance(0)
        self.client.wire.pump()
        self.assertEqual([response.status for response in self.client.responses], [200] * 3)
        self.assertTrue(self.client.closed)

    def test_lost(self) -> None:
        """A client that has gone leaves nothing, and has no run."""
        self.client.reset()
        self.assertEqual((len(self.gateway.site.pace), self.gateway.site.channels), (0, set()))
        self.gateway.clock.advance(0)
        self.assertEqual(self.gateway.scripted.runs, [])


class FloodTests(SynchronousTestCase):
    """A client that asks more and more, on a real site whose turns are all used up."""

    def test_bounded(self) -> None:
        """It is not read on while there is enough of it."""
        gateway = Harness()
        self.addCleanup(gateway.close)
        client = gateway.connect()
        client.wire.inbound = flood = b"GET /v1/models HTTP/1.1\r\nHost: gateway\r\n\r\n" * 100_000
        for _ in range(60):
            gateway.site.pace.received(Slow(gateway.clock), b"GET / ")
            client.wire.pump()
            now = gateway.clock.seconds()
            # What these begin belongs to the next turn; advance() would do it in this one.
            for call in [each for each in gateway.clock.calls if each.getTime() <= now]:
                gateway.clock.calls.remove(call)
                call.called = 1
                call.func(*call.args)
        self.assertLess(len(flood) - len(client.wire.inbound), 3 * MAX_HELD)


class ChunkedTests(SynchronousTestCase):
    """A body in chunks of a byte, on a real site."""

    def setUp(self) -> None:
        """A request whose body begins in a turn that is used up."""
        self.gateway = Harness()
        self.addCleanup(self.gateway.close)
        body = json.dumps({"messages": [{"role": "user", "content": "ping" * 2000}]}).encode()
        chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
        self.client = self.gateway.post(b"", {"Transfer-Encoding": "chunked"})
        self.gateway.site.pace.received(Slow(self.gateway.clock), b"GET / ")
        self.client.send(chunks)

    def test_waits(self) -> None:
        """It is not read on before what is here was taken, and it is answered."""
        self.assertEqual((self.client.received, self.client.wire.reading), (b"", False))
        self.gateway.clock.advance(0)
        self.assertTrue(self.client.wire.reading)
        self.client.wire.pump()
        self.assertEqual((self.client.response.status, len(self.gateway.site.pace)), (200, 0))

    def test_lost(self) -> None:
        """A client that has gone leaves nothing, and has no run."""
        self.client.reset()
        self.assertEqual((len(self.gateway.site.pace), self.gateway.site.channels), (0, set()))
        self.gateway.clock.advance(0)
        self.assertEqual(self.gateway.scripted.runs, [])

    def test_half_closed(self) -> None:
        """A client that will say no more is answered, in its turn as well."""
        self.client.half_close()
        self.assertEqual((self.client.received, len(self.gateway.site.pace)), (b"", 1))
        self.gateway.clock.advance(0)
        self.client.wire.pump()
        self.assertEqual(self.client.response.status, 200)
