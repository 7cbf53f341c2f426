# -*- test-case-name: tests.test_client_network -*-
"""Clients at their worst, before the whole gateway: a clear refusal within a bound, one meaning, nobody else waits.

What they send is in L{tests.support.raw_http}; docs/http.md says what is promised.
"""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.web.refusing import REFUSAL_SECONDS
from openclaw_tx.web.site import AT_ONCE, HEAD_SECONDS, IDLE_SECONDS
from tests.support.house import House
from tests.support.raw_http import BAD, ODD, TOKEN, get, post
from tests.support.web import Client

SMUGGLED = get(b"/healthz?smuggled")


class HouseCase(SynchronousTestCase):
    """A gateway and its model server."""

    def setUp(self) -> None:
        """Build them."""
        self.house = House()
        self.addCleanup(self.house.close)

    def open(self, *pieces: bytes) -> Client:
        """A connection that has sent these bytes, each in a read of its own."""
        client = self.house.connect()
        for piece in pieces:
            client.send(piece)
        self.house.settle()
        return client

    def assert_gone(self, *clients: Client) -> None:
        """The connections are over, the site knows none of them, and nothing is on the clock for them."""
        self.house.settle()
        for client in clients:
            client.send(SMUGGLED)  # which nobody reads any more
        self.house.advance(REFUSAL_SECONDS + 0.1, step=0.5)
        for client in clients:
            self.assertTrue(client.closed)
        self.assertEqual(len(self.house.memory.site.channels), 0)


class BytesTests(HouseCase):
    """What can be wrong with a request."""

    def refused(self, status: int, name: str, *pieces: bytes) -> None:
        """One answer with all four keys, and the end; what follows is not read."""
        client = self.open(*pieces)
        self.assertFalse(client.closed)
        self.assertEqual([each.status for each in client.responses], [status], (name, client.received[:300]))
        self.assertEqual(client.response.error["code"], "invalid_request", name)
        self.assertEqual(client.response.header("connection"), "close")
        self.assert_gone(client)

    def test_bad(self) -> None:
        """Each is refused, and what comes behind it is not taken for a request; no model is asked."""
        for bad in BAD:
            self.refused(bad.status, bad.name, bad.data + SMUGGLED)
        self.assertEqual(self.house.exchanges, [])

    def test_bad_in_pieces(self) -> None:
        """However the network cuts it."""
        for bad in BAD:
            data = bad.data[:400]
            if len(bad.data) > len(data):
                continue
            self.refused(bad.status, bad.name, *(data[at : at + 1] for at in range(len(data))), SMUGGLED)

    def test_bad_behind_a_good_one(self) -> None:
        """A pipelined request that is refused does not change the answer before it."""
        for bad in BAD:
            client = self.open(get() + bad.data + SMUGGLED)
            self.assertEqual([each.status for each in client.responses], [200, bad.status], bad.name)
            self.assert_gone(client)

    def test_bad_behind_a_stream(self) -> None:
        """Nor is a refusal put into a stream that is under way."""
        for bad in BAD[:5]:
            body = json.dumps({"messages": [{"role": "user", "content": "[[chunks=3 delay=1]]"}], "stream": True})
            client = self.open(post(f"Content-Length: {len(body)}", body=body.encode()) + bad.data)
            self.house.advance(5)
            stream, refusal = client.responses
            self.assertEqual((stream.text, stream.events[-1], refusal.status), ("c1 c2 c3", "[DONE]", bad.status))
            self.assert_gone(client)

    def test_odd(self) -> None:
        """What is odd but clear is served, and so is what follows it."""
        for odd in ODD:
            client = self.house.connect()
            client.sent_methods += [odd.data.split()[0].decode()]
            client.send(odd.data + get())
            self.house.settle()
            statuses = [each.status for each in client.responses]
            self.assertEqual(statuses, [odd.status, 200], (odd.name, client.received[:300]))
            self.assertEqual(client.responses[1].json, {"ok": True, "status": "live"})
            client.reset()

    def test_absolute_target_names_the_host(self) -> None:
        """Not the field beside it (RFC 9112, 3.2.2): a page of that origin is let in, another is not."""
        house = House({"gateway": {"auth": {"mode": "none"}}})
        self.addCleanup(house.close)
        for target, host, status in (
            (b"http://evil.example/v1/models", b"localhost", 403),
            (b"http://localhost/v1/models", b"evil.example", 200),
        ):
            client = house.connect()
            client.send(get(target).replace(b"Host: gateway", b"Host: " + host))
            house.settle()
            self.assertEqual(client.response.status, status, client.received)


class SlowTests(HouseCase):
    """Clients that take their time."""

    def test_trickle(self) -> None:
        """A head that comes byte by byte is refused after half a minute, wherever it has got to."""
        for data in (
            get(b"/" + b"a" * 500),
            get(b"/healthz", b"X: " + b"y" * 500),
            b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 90,
        ):
            client = self.open()
            for at in range(len(data)):
                if client.responses:
                    break
                client.send(data[at : at + 1])
                self.house.advance(1, step=1)
            self.assertEqual(at, HEAD_SECONDS + 2)
            self.assertEqual((client.response.status, client.response.error["code"]), (408, "body_timeout"))
            self.assertEqual(client.response.header("x-should-retry"), "false")
            self.assert_gone(client)

    def test_silence_in_the_head(self) -> None:
        """One that is silent in its head is told so when it is hung up on."""
        client = self.open(get()[:-2])
        self.house.advance(IDLE_SECONDS - 1, step=1)
        self.assertFalse(client.closed)
        self.house.advance(2, step=1)
        self.assertEqual(client.response.status, 408)
        self.assert_gone(client)

    def test_silence_between_requests(self) -> None:
        """One that asks nothing is just hung up on: it may be about to ask, and would take an answer for its own."""
        for data in (b"", get(), b"\r\n", get() + b"\r\n"):
            client = self.open(data)
            before = client.received
            self.house.advance(IDLE_SECONDS + 1, step=1)
            self.assertEqual(client.received, before)
            self.assert_gone(client)

    def test_slow_but_in_time(self) -> None:
        """Half a minute is for each head anew, and silence between requests does not count."""
        client = self.open()
        for number in range(3):
            for at, byte in enumerate(get()):
                client.send(bytes((byte,)))
                if at in (5, 9):
                    self.house.advance(14, step=1)
            self.house.settle()
            self.assertEqual([each.status for each in client.responses], [200] * (number + 1))
            self.house.advance(40, step=1)

    def test_many(self) -> None:
        """500 of them take nothing from anybody else, and are all gone after a minute."""
        slow = [self.open(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n") for _ in range(500)]
        self.house.advance(IDLE_SECONDS / 2, step=10)
        response = self.house.post(
            {"messages": [{"role": "user", "content": "hi"}]}, {"Authorization": f"Bearer {TOKEN}"}
        )
        self.assertEqual(response.response.status, 200)
        response.reset()
        self.house.advance(IDLE_SECONDS / 2 + 1, step=10)
        self.assert_gone(*slow)


class PipelineTests(HouseCase):
    """Many requests in one go."""

    def test_in_turns(self) -> None:
        """A read full of small requests is answered, but not in one turn of the reactor: others are served in
        between."""
        client = self.house.connect()
        client.send(get() * 500)
        self.assertEqual(len(client.responses), AT_ONCE)
        other = self.house.connect()
        other.send(get())
        self.assertEqual((len(other.responses), len(client.responses)), (1, AT_ONCE))
        self.house.settle()
        self.house.advance(0.1)
        self.assertEqual(len(client.responses), 500)
        self.assertEqual({each.status for each in client.responses}, {200})

    def test_leaving_in_between(self) -> None:
        """A client that is gone before its turn comes leaves nothing behind; nor does one that half closes."""
        for leave in ("reset", "half_close"):
            client = self.house.connect()
            client.send(get() * (AT_ONCE + 5))
            getattr(client, leave)()
            self.house.advance(0.1)
            self.assertEqual(len(client.responses), AT_ONCE if leave == "reset" else AT_ONCE + 5)
            self.assert_gone(client)

    def test_shutting_down_in_between(self) -> None:
        """Nobody waits for requests that were not begun."""
        client = self.house.connect()
        client.send(get() * (AT_ONCE + 5))
        self.house.memory.site.wind_down()
        self.house.advance(0.1)
        self.assertEqual(len(client.responses), AT_ONCE)
        self.assert_gone(client)

    def test_behind_a_run(self) -> None:
        """What a client sends behind a run is not read for ever: one read and then no more until it has its answer."""
        body = json.dumps({"messages": [{"role": "user", "content": "[[chunks=2 delay=5]]"}]}).encode()
        client = self.open(post(f"Content-Length: {len(body)}", body=body), get() * 4000)
        self.assertGreater(len(client.wire.inbound), 4000 * len(get()) - 100_000)
        self.assertEqual(client.responses, [])
        self.house.advance(10.5)
        self.assertEqual(client.responses[0].status, 200)
        client.reset()
        self.assert_gone(client)
