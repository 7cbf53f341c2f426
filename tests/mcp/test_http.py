# -*- test-case-name: tests.mcp.test_http -*-
"""Streamable HTTP through a door that the test plays."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hyperlink import DecodedURL

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from openclaw_tx.mcp.http import CLOSE_SECONDS, MAX_PAUSE_S, Doors, HttpTransport
from openclaw_tx.mcp.session import MAX_MESSAGE_BYTES, McpError
from openclaw_tx.mcp.transport import SessionEnded

STREAM, JSON = "text/event-stream", "application/json"


class Broken(Exception):
    """An exchange failed."""


class FakeAnswer:
    """An answer whose body the test sends."""

    def __init__(self, status: int, kind: str = "", **headers: str) -> None:
        self.status = status
        self._headers = {"content-type": kind, **{name.replace("_", "-").lower(): v for name, v in headers.items()}}
        self._on_data: Callable[[bytes], bool] = lambda data: False
        self._body = b""
        self._ended = False
        self._limit = 0
        self.done: Deferred[None] = Deferred()

    def header(self, name: str) -> str:
        """See L{Answer.header}."""
        return self._headers.get(name.lower(), "")

    async def deliver(self, on_data: Callable[[bytes], bool], limit: int = 2**30) -> None:
        """See L{Answer.deliver}."""
        self._on_data, self._limit = on_data, limit
        if self._body:
            self._hand_on(self._body)
        await self.done

    async def collect(self, limit: int = 65536) -> bytes:
        """See L{Answer.collect}."""
        return self._body[:limit]

    def send(self, data: bytes | dict[str, Any]) -> FakeAnswer:
        """A piece of the body; an object is an event."""
        piece = data if isinstance(data, bytes) else b"event: message\ndata: " + json.dumps(data).encode() + b"\n\n"
        self._body += piece
        self._hand_on(piece)
        return self

    def end(self) -> FakeAnswer:
        """The end of the body."""
        if not self.done.called:
            self.done.callback(None)
        return self

    def _hand_on(self, piece: bytes) -> None:
        if len(self._body) > self._limit > 0:
            self.done.errback(Broken("The answer is larger than allowed."))
        elif self._on_data(piece) and not self.done.called:
            self.done.callback(None)


class FakeDoor:
    """A server that the test plays, request by request."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes, Deferred[FakeAnswer]]] = []
        self.repeated: list[bool] = []
        self.urls: list[str] = []
        self.closed = False

    async def send(
        self, method: str, url: DecodedURL, headers: Headers, body: bytes = b"", *, repeat: bool = True
    ) -> FakeAnswer:
        """See L{Door.send}."""
        flat = {name.decode().lower(): values[0].decode() for name, values in headers.getAllRawHeaders()}
        asked: Deferred[FakeAnswer] = Deferred()
        self.requests.append((method, flat, body, asked))
        self.repeated.append(repeat)
        self.urls.append(url.to_text())
        return await asked

    async def close(self) -> None:
        """See L{Door.close}."""
        self.closed = True

    def answer(self, answer: FakeAnswer | Exception, index: int = -1) -> None:
        """Answer a request."""
        asked = self.requests[index][3]
        if isinstance(answer, Exception):
            asked.errback(answer)
        else:
            asked.callback(answer)


class HttpTests(SynchronousTestCase):
    """L{HttpTransport}."""

    def setUp(self) -> None:
        """A way that is open."""
        self.clock = Clock()
        self.door = FakeDoor()
        self.got: list[Any] = []
        self.lost: list[str] = []
        doors = Doors(lambda url: self.door, Broken)
        own = {"Authorization": "Bearer s", "Accept": "x"}
        self.transport = HttpTransport(self.clock, doors, "http://h/mcp/?k=v", own, "fake")
        opening = self.transport.open(lambda data: self.got.append(json.loads(data)), self.lost.append)
        self.successResultOf(Deferred.fromCoroutine(opening))

    def tearDown(self) -> None:
        """Nothing is left after the end."""
        closing = Deferred.fromCoroutine(self.transport.close())
        self.clock.advance(CLOSE_SECONDS)
        self.successResultOf(closing)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertTrue(self.door.closed)

    def ask(self, answer: FakeAnswer | Exception | None = None) -> Deferred[None]:
        """Send a request, which the first message that comes answers."""
        before = len(self.got)
        sending = Deferred.fromCoroutine(self.transport.send(b"{}", lambda: len(self.got) > before))
        if answer is not None:
            self.door.answer(answer)
        return sending

    def begin(self, session: str = "") -> None:
        """The first request, by which the server may name a session; then the listening, which is turned down."""
        named = {"mcp_session_id": session} if session else {}
        self.successResultOf(self.ask(FakeAnswer(200, JSON, **named).send(b"{}").end()))
        self.transport.agreed("2025-06-18")
        self.door.answer(FakeAnswer(405))

    def failed(self, sending: Deferred[None], why: str, kind: type[McpError] = McpError) -> None:
        """A message that was of no use."""
        self.assertIn(why, str(self.failureResultOf(sending, kind).value))

    def test_json(self) -> None:
        """A POST, and its answer in one piece."""
        self.successResultOf(self.ask(FakeAnswer(200, "application/json; charset=utf-8").send(b'{"a":1}').end()))
        self.assertEqual(self.got, [{"a": 1}])
        method, headers, body, _ = self.door.requests[0]
        self.assertEqual((method, body, self.door.urls), ("POST", b"{}", ["http://h/mcp/?k=v"]))
        self.assertEqual(headers["accept"], "application/json, text/event-stream")
        self.assertEqual((headers["content-type"], headers["authorization"]), (JSON, "Bearer s"))
        self.assertNotIn("mcp-protocol-version", headers)
        self.assertEqual(self.door.repeated, [False])

    def test_stream(self) -> None:
        """Messages as they come; the one that answers ends it, whatever the server does with the stream."""
        sending = self.ask()
        answer = FakeAnswer(200, STREAM)
        self.door.answer(answer)
        answer.send(b": hello\n\nid: 1\ndata: \n\n")
        self.assertEqual(self.got, [])
        self.assertNoResult(sending)
        answer.send(b'data: {"a"').send(b":1}\n\n")
        self.assertEqual(self.got, [{"a": 1}])
        self.successResultOf(sending)

    def test_stream_without_answer(self) -> None:
        """A stream that ends too soon."""
        self.failed(self.ask(FakeAnswer(200, STREAM).send(b": x\n\n").end()), "ended before the result came")

    def test_huge(self) -> None:
        """Neither a large event nor a large body is read to its end."""
        answer = FakeAnswer(200, STREAM)
        sending = self.ask(answer)
        try:
            for _ in range(MAX_MESSAGE_BYTES // 2**20 + 2):
                answer.send(b"data: " + b"x" * 2**20)
        except Exception as error:
            answer.done.errback(error)  # as the real one does
        self.failed(sending, "an event of more than")
        self.failed(self.ask(FakeAnswer(200, JSON).send(b"x" * (MAX_MESSAGE_BYTES + 1))), "larger than allowed")

    def test_notification(self) -> None:
        """Accepted without a word; a request must not be."""
        sending = Deferred.fromCoroutine(self.transport.send(b"{}"))
        self.door.answer(FakeAnswer(202))
        self.successResultOf(sending)
        self.failed(self.ask(FakeAnswer(202)), "ended before the result came")

    def test_session(self) -> None:
        """Session and revision go with every later message, and the session is ended with the connection."""
        self.begin("s-1")
        self.ask()
        headers = self.door.requests[-1][1]
        self.assertEqual((headers["mcp-session-id"], headers["mcp-protocol-version"]), ("s-1", "2025-06-18"))
        closing = Deferred.fromCoroutine(self.transport.close())
        self.assertEqual((self.door.requests[-1][0], self.door.requests[-1][1]["mcp-session-id"]), ("DELETE", "s-1"))
        self.assertFalse(self.door.closed)
        self.door.answer(FakeAnswer(405))
        self.successResultOf(closing)

    def test_strange_session(self) -> None:
        """What is no name of a session is none."""
        self.begin("a b")
        self.ask()
        self.assertNotIn("mcp-session-id", self.door.requests[-1][1])

    def test_farewell_in_vain(self) -> None:
        """A server that does not answer to the end is not waited for; neither is one that is gone."""
        self.begin("s-1")
        closing = Deferred.fromCoroutine(self.transport.close())
        self.assertNoResult(closing)
        self.clock.advance(CLOSE_SECONDS)
        self.successResultOf(closing)

    def test_session_ended(self) -> None:
        """A server that has forgotten us: the message was not looked at."""
        self.begin("s-1")
        self.failed(self.ask(FakeAnswer(404)), "has ended the session", SessionEnded)

    def test_refused(self) -> None:
        """Statuses, with what to look at; an error in the protocol's own form is an answer."""
        for status, why in (
            (401, "HTTP status 401; check mcp.servers.fake.headers."),
            (307, "HTTP status 307; it is to be found at another address."),
            (404, "HTTP status 404."),
            (500, "HTTP status 500."),
        ):
            self.failed(self.ask(FakeAnswer(status, "text/html").send(b"<p>")), why)
        self.successResultOf(self.ask(FakeAnswer(400, JSON).send(b'{"error":{}}')))
        self.assertEqual(self.got, [{"error": {}}])
        self.failed(self.ask(FakeAnswer(200, "text/html").send(b"<p>")), "is no MCP server")

    def test_broken(self) -> None:
        """No connection, or one that breaks off; in the words of the door."""
        self.failed(self.ask(Broken("The connection was refused.")), "The connection was refused.")
        answer = FakeAnswer(200, STREAM)
        sending = self.ask(answer)
        answer.done.errback(Broken("The connection broke off."))
        self.failed(sending, "The connection broke off.")
        self.assertEqual(self.lost, [])

    def test_bad_address(self) -> None:
        """An address that the door does not take."""

        def refuse(url: str) -> FakeDoor:
            raise ValueError("is not a URL")

        transport = HttpTransport(self.clock, Doors(refuse, Broken), "x", {}, "fake")
        self.failed(Deferred.fromCoroutine(transport.open(self.got.append, self.lost.append)), "its url is not a URL.")
        self.successResultOf(Deferred.fromCoroutine(transport.close()))
        self.failed(Deferred.fromCoroutine(transport.send(b"x")), "closed")

    def test_listening(self) -> None:
        """What the server says by itself; when the stream ends it is asked for again."""
        self.transport.agreed("2025-06-18")
        method, headers, _, _ = self.door.requests[-1]
        self.assertEqual((method, headers["accept"]), ("GET", STREAM))
        stream = FakeAnswer(200, STREAM)
        self.door.answer(stream)
        stream.send({"method": "x"})
        self.assertEqual(self.got, [{"method": "x"}])
        self.clock.advance(60)
        stream.end()
        self.clock.advance(1)
        self.assertEqual(len(self.door.requests), 2)
        self.door.answer(FakeAnswer(405))
        self.clock.advance(1000)
        self.assertEqual(len(self.door.requests), 2)

    def test_listening_in_vain(self) -> None:
        """A stream that is never had is asked for with growing pauses."""
        self.transport.agreed("2025-06-18")
        times = []
        for _ in range(10):
            self.door.answer(Broken("The connection was refused."))
            began, count = self.clock.seconds(), len(self.door.requests)
            while len(self.door.requests) == count:
                self.clock.advance(1)
            times.append(self.clock.seconds() - began)
        self.assertEqual(times, [2, 4, 8, 16, 32, *[MAX_PAUSE_S] * 5])

    def test_listening_without_session(self) -> None:
        """A server that has forgotten us also says so here."""
        self.begin("s-1")
        self.transport.agreed("2025-06-18")
        self.door.answer(FakeAnswer(404))
        self.assertEqual(self.lost, ["it has ended the session."])
