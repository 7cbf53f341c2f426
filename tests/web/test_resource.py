# -*- test-case-name: tests.web.test_resource -*-
"""The base of all resources: one place where errors, methods and disconnects are dealt with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import CODES, GatewayError
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.resource import GatewayResource, NotFound
from openclaw_tx.web.site import GatewaySite
from tests.support.web import Client

Respond = Callable[[Exchange], Awaitable[None]]


class Custom(GatewayResource):
    """Answers as a test says."""

    methods = (b"GET", b"POST")

    def __init__(self, respond: Respond) -> None:
        super().__init__(lambda: "made-id")
        self._respond = respond

    async def respond(self, exchange: Exchange) -> None:
        """As told."""
        await self._respond(exchange)


class ResourceTests(SynchronousTestCase):
    """One resource on a site."""

    def setUp(self) -> None:
        """A clock."""
        self.clock = Clock()
        self.seen: list[Exchange] = []

    def ask(self, respond: Respond, method: str = "GET", headers: dict[str, str] | None = None) -> Client:
        """A request to a resource that answers like this."""

        async def noted(exchange: Exchange) -> None:
            self.seen.append(exchange)
            await respond(exchange)

        client = Client(GatewaySite(Custom(noted), self.clock), self.clock)
        client.request(method, "/", headers=headers)
        return client

    def test_content_encoding(self) -> None:
        """A body that is packed in some way is 415, with the way to send it; C{identity} is no way."""

        async def respond(exchange: Exchange) -> None:
            exchange.send(await exchange.body(100), b"text/plain")

        for value in ("gzip", "GZip, identity", "x-unheard-of"):
            response = self.ask(respond, "POST", {"Content-Encoding": value}).response
            self.assertEqual((response.status, response.header("accept-encoding")), (415, "identity"), value)
            self.assertEqual(response.error["code"], "unsupported_content_encoding")
            self.assertEqual(response.error["param"], "Content-Encoding")
        for value in ("identity", "", "Identity, "):
            response = self.ask(respond, "POST", {"Content-Encoding": value}).response
            self.assertEqual((response.status, response.header("accept-encoding")), (200, None), value)

    def test_reply(self) -> None:
        """Standing headers, length and request id are on every reply."""

        async def respond(exchange: Exchange) -> None:
            exchange.send_json(b"{}")

        response = self.ask(respond).response
        self.assertEqual((response.status, response.body), (200, b"{}"))
        for name, value in (
            ("content-type", "application/json; charset=utf-8"),
            ("content-length", "2"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("permissions-policy", "camera=(), microphone=(self), geolocation=()"),
            ("x-request-id", "made-id"),
            ("server", None),
        ):
            self.assertEqual(response.header(name), value)
        self.assertIsNotNone(response.header("date"))

    def test_no_memory(self) -> None:
        """Is nobody's mistake, and may be over soon."""

        async def respond(exchange: Exchange) -> None:
            raise MemoryError

        response = self.ask(respond).response
        self.assertEqual((response.status, response.error["code"]), (429, "queue_full"))
        self.assertEqual(response.header("retry-after"), "5")

    def test_request_id(self) -> None:
        """A sane one is echoed, anything else replaced."""

        async def respond(exchange: Exchange) -> None:
            exchange.send_json(b"{}")

        for offered, echoed in (
            ("abc-1.2_3", "abc-1.2_3"),
            ("a" * 128, "a" * 128),
            ("a" * 129, "made-id"),
            ("a b", "made-id"),
            ("<script>", "made-id"),
            ("", "made-id"),
        ):
            response = self.ask(respond, headers={"X-Request-Id": offered}).response
            self.assertEqual(response.header("x-request-id"), echoed)

    def test_every_code(self) -> None:
        """Each error has its status, type, four keys, and tells whether to retry."""
        for code, kind in CODES.items():

            async def respond(exchange: Exchange, code: str = code) -> None:
                raise GatewayError(code, "why", param="p")

            response = self.ask(respond).response
            self.assertEqual(response.status, kind.status)
            self.assertEqual(response.error, {"message": "why", "type": kind.type, "param": "p", "code": code})
            retry = None if kind.should_retry is None else str(kind.should_retry).lower()
            self.assertEqual(response.header("x-should-retry"), retry)
            self.assertEqual(response.header("x-request-id"), "made-id")

    def test_retry_after(self) -> None:
        """Whole seconds, rounded up, at least one."""
        for seconds, header in ((0.1, "1"), (1.0, "1"), (19.2, "20")):

            async def respond(exchange: Exchange, seconds: float = seconds) -> None:
                raise GatewayError("rate_limit_exceeded", "slow down", retry_after=seconds)

            response = self.ask(respond).response
            self.assertEqual((response.status, response.header("retry-after")), (429, header))

    def test_bug(self) -> None:
        """An unknown exception is logged once and shows the client nothing."""

        async def respond(exchange: Exchange) -> None:
            raise RuntimeError("password=hunter2")

        response = self.ask(respond).response
        self.assertEqual((response.status, response.error["message"]), (500, "internal error"))
        self.assertEqual(response.error["code"], "internal_error")
        self.assertNotIn(b"hunter2", response.body)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_bug_after_the_status(self) -> None:
        """T25: the client must not take half an answer for a whole one: the connection is cut."""

        async def respond(exchange: Exchange) -> None:
            exchange.request.write(b"half")
            raise RuntimeError("bug")

        client = self.ask(respond)
        self.assertTrue(client.closed)
        self.assertTrue(client.wire.aborted)
        self.flushLoggedErrors(RuntimeError)

    def test_method_not_allowed(self) -> None:
        """405 names what is allowed."""

        async def respond(exchange: Exchange) -> None:
            raise AssertionError("not reached")

        for method in ("PUT", "OPTIONS", "HEAD", "BREW"):
            response = self.ask(respond, method).response
            self.assertEqual((response.status, response.header("allow")), (405, "GET, POST"))
        self.assertEqual(self.seen, [])

    def test_disconnect_cancels(self) -> None:
        """The coroutine learns of it; nothing is logged, nothing is written."""
        ended: list[BaseException] = []

        async def respond(exchange: Exchange) -> None:
            try:
                await Deferred()
            except CancelledError as error:
                ended.append(error)
                exchange.send_json(b"too late")
                raise

        client = self.ask(respond)
        client.reset()
        self.assertEqual(len(ended), 1)
        self.assertTrue(self.seen[0].gone)
        self.assertEqual(client.received, b"")

    def test_disconnect_behind_a_body(self) -> None:
        """A body that nobody wants, all of it here, does not keep the connection from being read: nothing else would
        tell that the client has gone."""

        async def respond(exchange: Exchange) -> None:
            await Deferred()

        for headers in ({}, {"Transfer-Encoding": "chunked"}):
            client = Client(GatewaySite(Custom(respond), self.clock), self.clock)
            client.request("GET", "/", b"2\r\n{}\r\n0\r\n\r\n" if headers else b"{}", headers)
            self.assertTrue(client.wire.reading)
            client.reset()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_refusal_after_disconnect(self) -> None:
        """A cancelled wait may end in a refusal: nobody is left to read it."""

        async def respond(exchange: Exchange) -> None:
            try:
                await Deferred()
            except CancelledError:
                raise GatewayError("run_failed", "x") from None

        client = self.ask(respond)
        client.reset()
        self.assertEqual(client.received, b"")

    def test_cancelled_from_below(self) -> None:
        """Something that was cancelled without the client going away still gets an answer."""
        waiting: list[Deferred[None]] = []

        async def respond(exchange: Exchange) -> None:
            waiting.append(Deferred())
            await waiting[0]

        client = self.ask(respond)
        waiting[0].cancel()
        client.wire.pump()
        self.assertEqual(client.response.status, 500)

    def test_disconnect_after_the_answer(self) -> None:
        """Nothing happens."""

        async def respond(exchange: Exchange) -> None:
            exchange.send_json(b"{}")

        client = self.ask(respond)
        client.reset()
        self.assertFalse(self.seen[0].gone)

    def test_t09_large_reply_to_a_slow_reader(self) -> None:
        """It is finished when it was taken, so no idle timeout cuts it."""

        async def respond(exchange: Exchange) -> None:
            exchange.send_json(b"x" * 1_000_000)

        client = Client(GatewaySite(Custom(respond), self.clock), self.clock)
        client.stall()
        client.request("GET", "/")
        client.advance(300)
        self.assertFalse(client.closed)
        client.resume()
        self.assertEqual(len(client.response.body), 1_000_000)
        self.assertTrue(client.response.complete)

    def test_large_reply_to_nobody(self) -> None:
        """A reader that goes away in the middle leaves no error behind."""

        async def respond(exchange: Exchange) -> None:
            exchange.send_json(b"x" * 1_000_000)

        client = Client(GatewaySite(Custom(respond), self.clock), self.clock)
        client.stall()
        client.request("GET", "/")
        client.reset()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_header_values_can_not_split(self) -> None:
        """Line breaks in a value stay inside it."""

        async def respond(exchange: Exchange) -> None:
            exchange.set_header("X-Echo", "a\r\nSet-Cookie: b\r\n\r\nc")
            exchange.send_json(b"{}")

        response = self.ask(respond).response
        self.assertIsNone(response.header("set-cookie"))
        self.assertEqual(response.body, b"{}")

    def test_peer(self) -> None:
        """What authentication sees of the client."""

        async def respond(exchange: Exchange) -> None:
            exchange.send_json(b"{}")

        site = GatewaySite(Custom(respond), self.clock)
        seen: list[tuple[str, str | None, str | None, str | None, str | None]] = []

        async def look(exchange: Exchange) -> None:
            seen.append(
                (
                    exchange.address,
                    exchange.header("X-First"),
                    exchange.header("x-forwarded-for"),
                    exchange.header("X-Latin"),
                    exchange.header("Absent"),
                )
            )
            exchange.send_json(b"{}")

        site.resource = Custom(look)
        client = Client(site, self.clock, "203.0.113.9")
        client.send(
            b"GET / HTTP/1.1\r\nHost: x\r\nX-First:  a \r\nX-First: b\r\nX-Forwarded-For: 1\r\nX-Forwarded-For: 2\r\n"
            b"X-Latin: caf\xe9\r\n\r\n"
        )
        self.assertEqual(seen, [("203.0.113.9", "a", "1,2", "caf\u00e9", None)])

    def test_not_found(self) -> None:
        """404 for every method, as JSON."""
        for method in ("GET", "POST", "OPTIONS"):
            client = Client(GatewaySite(NotFound(lambda: "id"), self.clock), self.clock)
            client.request(method, "/x")
            self.assertEqual((client.response.status, client.response.error["code"]), (404, "not_found"))
