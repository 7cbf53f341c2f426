# -*- test-case-name: tests.models.test_http -*-
"""The door to HTTP servers of models: timeouts, caps, and hanging up at once in every phase."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionRefusedError, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeoutError
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from openclaw_tx.models.door import MAX_ERROR_BYTES, Answer, Door, HttpFailure
from tests.models.memory import URL, Memory, outcome, start

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunked(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


class Transport(StringTransport):
    """A transport that tells an abort from a wish to end once all is sent."""

    aborting = False

    def abortConnection(self) -> None:
        self.aborting = True
        super().abortConnection()


class Wire:
    """One request over a transport that a test plays the server of."""

    def __init__(self, *, enough: bytes = b"!", limit: int = 1000, collect: int = 0, treq: bool = False) -> None:
        self.memory = Memory()
        self.door = self.memory.door(treq=treq)
        self.got: list[bytes] = []
        self.status = 0
        self._enough = enough
        self._limit = limit
        self._collect = collect
        self.body = b""
        self.deferred = start(self._exchange())
        self.result = outcome(self.deferred)
        self.transport: Any = None
        self.protocol: Any = None

    async def _exchange(self) -> None:
        answer = await self.door.send("POST", self.door.url("chat"), Headers({"x": ["1"]}), b"{}")
        self.status = answer.status
        if self._collect:
            self.body = await answer.collect(self._collect)
        else:
            await answer.deliver(self._take, self._limit)

    def _take(self, data: bytes) -> bool:
        self.got.append(data)
        if b"?" in data:
            raise ZeroDivisionError
        return self._enough in data

    def connect(self) -> Wire:
        """The connection is made."""
        factory = self.memory.reactor.tcpClients[-1][2]
        self.protocol = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 9))
        self.transport = Transport()
        self.protocol.makeConnection(self.transport)
        return self

    def receive(self, *data: bytes) -> Wire:
        """The server sends."""
        for piece in data:
            self.protocol.dataReceived(piece)
        return self

    def lose(self) -> None:
        """The connection is gone."""
        self.protocol.connectionLost(Failure(ConnectionDone()))


class DoorContract(SynchronousTestCase):
    """What holds for every L{Door}."""

    treq = False

    def wire(self, **how: Any) -> Wire:
        """A request under way."""
        return Wire(treq=self.treq, **how)

    def door(self, memory: Memory, *url: str, **how: Any) -> Door:
        """A door to a machine."""
        return memory.door(*url, treq=self.treq, **how)

    def failure(self, wire: Wire, timed_out: bool = False) -> None:
        """The exchange failed, and nothing of it is left."""
        (failed,) = wire.result
        assert isinstance(failed, Failure)
        self.assertIsInstance(failed.value, HttpFailure)
        self.assertEqual(failed.value.timed_out, timed_out)
        self.assertEqual(wire.memory.reactor.getDelayedCalls(), [])

    def test_request_on_the_wire(self) -> None:
        """One write with exactly the headers meant: no gzip, no cookies."""
        wire = self.wire().connect()
        head, _, body = wire.transport.value().partition(b"\r\n\r\n")
        self.assertEqual(body, b"{}")
        lines = sorted(head.lower().split(b"\r\n"))
        self.assertEqual(lines, [b"content-length: 2", b"host: 127.0.0.1:9", b"post /v1/chat http/1.1", b"x: 1"])

    def test_pieces_as_they_come(self) -> None:
        """Each read is handed on at once; the connection is then used again."""
        wire = self.wire().connect().receive(HEAD)
        wire.receive(chunked(b"one"))
        self.assertEqual(wire.got, [b"one"])
        wire.receive(chunked(b"two"), b"0\r\n\r\n")
        self.assertEqual((wire.got, wire.result, wire.status), ([b"one", b"two"], [None], 200))
        self.assertFalse(wire.transport.disconnecting)
        again = outcome(start(wire._exchange()))
        self.assertEqual(wire.memory.connections, 1)
        wire.receive(HEAD, b"0\r\n\r\n")
        self.assertEqual(again, [None])

    def test_one_read_is_one_piece(self) -> None:
        """What one read brought comes as one piece, however many chunks it was sent in, also at the end."""
        wire = self.wire().connect().receive(HEAD + chunked(b"a") + chunked(b"b"))
        wire.receive(chunked(b"c") + chunked(b"d") + b"0\r\n\r\n")
        self.assertEqual(wire.got, [b"ab", b"cd"])
        self.assertEqual(wire.result, [None])

    def test_dead_idle_connection(self) -> None:
        """One that the server closed meanwhile is replaced at once; a new one that closes has failed."""
        wire = self.wire().connect().receive(HEAD, b"0\r\n\r\n")
        again = outcome(start(wire._exchange()))
        wire.lose()
        self.assertEqual((wire.memory.connections, again), (2, []))
        wire.connect()
        self.assertTrue(wire.transport.value().endswith(b"{}"))
        wire.lose()
        self.assertIsInstance(again[0].value, HttpFailure)
        self.assertEqual(wire.memory.connections, 2)

    def test_idle_connection_that_answers_is_not_replaced(self) -> None:
        """Once a piece of an answer came, the request is not sent again."""
        wire = self.wire().connect().receive(HEAD, b"0\r\n\r\n")
        again = outcome(start(wire._exchange()))
        wire.receive(b"HTTP/1.1 2")
        wire.lose()
        self.assertIsInstance(again[0].value, HttpFailure)
        self.assertEqual(wire.memory.connections, 1)

    def test_cookies_are_not_kept(self) -> None:
        """What a server gives one request does not follow the next."""
        wire = self.wire().connect()
        wire.receive(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")
        wire.transport.clear()
        start(wire._exchange())
        self.assertNotIn(b"cookie", wire.transport.value().lower())

    def test_redirects_are_not_followed(self) -> None:
        """A redirect is an answer like any other."""
        wire = self.wire().connect().receive(b"HTTP/1.1 307 x\r\nLocation: http://b/\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual((wire.status, wire.result, wire.memory.connections), (307, [None], 1))

    def test_cancel_while_connecting(self) -> None:
        """The attempt is dropped."""
        wire = self.wire()
        connector = wire.memory.reactor.connectors[-1]
        wire.deferred.cancel()
        self.assertTrue(connector.stoppedConnecting)
        self.assertIsInstance(wire.result[0].value, CancelledError)
        self.assertEqual(wire.memory.reactor.getDelayedCalls(), [])

    def test_cancel_before_the_head(self) -> None:
        """The connection is aborted, not merely asked to end."""
        wire = self.wire().connect()
        wire.deferred.cancel()
        self.assertTrue(wire.transport.aborting)
        self.assertIsInstance(wire.result[0].value, CancelledError)
        self.assertEqual(wire.memory.reactor.getDelayedCalls(), [])
        wire.lose()

    def test_cancel_after_the_head(self) -> None:
        """Likewise, before the first piece of the body and after it; what still comes is not handed on."""
        for pieces in ((), (chunked(b"one"),)):
            wire = self.wire().connect().receive(HEAD, *pieces)
            wire.deferred.cancel()
            self.assertTrue(wire.transport.aborting)
            self.assertIsInstance(wire.result[0].value, CancelledError)
            wire.receive(chunked(b"late"))
            wire.lose()
            self.assertEqual(len(wire.got), len(pieces))
            self.assertEqual(wire.memory.reactor.getDelayedCalls(), [])

    def test_connect_failures(self) -> None:
        """A refused connection, an unknown host and a slow one; the words name no address."""
        for error, timed_out in (
            (ConnectionRefusedError(), False),
            (DNSLookupError("secret.example"), False),
            (ConnectTimeoutError(), True),
        ):
            wire = self.wire()
            wire.memory.reactor.tcpClients[-1][2].clientConnectionFailed(None, Failure(error))
            self.failure(wire, timed_out)
            self.assertNotIn("example", str(wire.result[0].value))

    def test_connect_timeout_is_passed_on(self) -> None:
        """The reactor is told how long to try."""
        memory = Memory()
        door = self.door(memory, connect_timeout_s=3)
        start(door.send("GET", door.url(), Headers({})))
        self.assertEqual(memory.reactor.tcpClients[-1][3], 3)

    def test_lost_before_the_head(self) -> None:
        """A server that hangs up without an answer has failed."""
        wire = self.wire().connect()
        wire.lose()
        self.failure(wire)

    def test_lost_in_the_body(self) -> None:
        """A cut-off body is not an end; one that ends with the connection by its head's own word is."""
        wire = self.wire().connect().receive(HEAD, chunked(b"one"))
        wire.lose()
        self.failure(wire)
        wire = self.wire().connect().receive(b"HTTP/1.1 200 OK\r\n\r\none")
        wire.lose()
        self.assertEqual((wire.got, wire.result), ([b"one"], [None]))

    def test_not_http(self) -> None:
        """Something else that listens there."""
        wire = self.wire().connect().receive(b"SSH-2.0-OpenSSH\r\n\r\n")
        self.assertTrue(wire.transport.aborting)
        self.failure(wire)

    def test_silence_before_the_head(self) -> None:
        """Time runs from the request on, and the connection is closed."""
        wire = self.wire().connect()
        wire.memory.reactor.advance(19.9)
        self.assertEqual(wire.result, [])
        wire.memory.reactor.advance(0.2)
        self.assertTrue(wire.transport.aborting)
        self.failure(wire, timed_out=True)

    def test_silence_while_connecting(self) -> None:
        """A connection that never comes about is given up too."""
        wire = self.wire()
        wire.memory.reactor.advance(20.1)
        self.failure(wire, timed_out=True)

    def test_silence_in_the_body(self) -> None:
        """Each piece re-arms the time, and that costs no new timer."""
        wire = self.wire().connect().receive(HEAD)
        for _ in range(5):
            wire.memory.reactor.advance(15)
            calls = list(wire.memory.reactor.getDelayedCalls())
            wire.receive(chunked(b"x"))
            self.assertEqual(wire.memory.reactor.getDelayedCalls(), calls)
        wire.memory.reactor.advance(19.9)
        self.assertEqual(wire.result, [])
        wire.memory.reactor.advance(0.2)
        self.assertTrue(wire.transport.aborting)
        self.failure(wire, timed_out=True)

    def test_cap(self) -> None:
        """A body over the cap is refused and the connection closed."""
        wire = self.wire(limit=10).connect().receive(HEAD, chunked(b"x" * 10))
        self.assertEqual(wire.result, [])
        wire.receive(chunked(b"x"))
        self.assertTrue(wire.transport.aborting)
        self.failure(wire)

    def test_collect_is_bounded(self) -> None:
        """An endless error page is read to the cap and no further."""
        wire = self.wire(collect=MAX_ERROR_BYTES).connect()
        wire.receive(b"HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n", *[chunked(b"x" * 1024)] * 100)
        wire.memory.reactor.advance(0.3)
        self.assertEqual((wire.result, len(wire.body)), ([None], MAX_ERROR_BYTES))
        self.assertTrue(wire.transport.aborting)

    def test_failing_consumer(self) -> None:
        """What the consumer raises comes out, and the connection is closed."""
        wire = self.wire().connect().receive(HEAD, chunked(b"?"))
        self.assertIsInstance(wire.result[0].value, ZeroDivisionError)
        self.assertTrue(wire.transport.aborting)

    def test_enough(self) -> None:
        """After the last thing of interest the body may end in its own time, within bounds; the rest is dropped."""
        wire = self.wire().connect().receive(HEAD, chunked(b"end!"), chunked(b"more"))
        self.assertEqual((wire.got, wire.result), ([b"end!"], []))
        wire.receive(b"0\r\n\r\n")
        self.assertEqual(wire.result, [None])
        self.assertFalse(wire.transport.disconnecting)
        wire = self.wire().connect().receive(HEAD, chunked(b"end!"))
        wire.memory.reactor.advance(0.3)
        self.assertEqual(wire.result, [None])
        self.assertTrue(wire.transport.aborting)
        self.assertEqual(wire.memory.reactor.getDelayedCalls(), [])

    def test_last_heard(self) -> None:
        """The door knows when it last heard anything."""
        wire = self.wire().connect().receive(HEAD)
        wire.memory.reactor.advance(7)
        wire.receive(chunked(b"x"))
        self.assertEqual(wire.door.last_heard, 7)

    def test_close(self) -> None:
        """Closing hangs up on idle and busy connections, and waits until they are gone."""
        wire = self.wire().connect().receive(HEAD, b"0\r\n\r\n")
        busy = self.wire()
        busy.connect()
        for one in (wire, busy):
            closed = outcome(start(one.door.close()))
            self.assertTrue(one.transport.disconnecting)
            self.assertEqual(closed, [])
            one.lose()
            self.assertEqual(closed, [None])
        self.assertEqual(outcome(start(self.door(Memory()).close())), [None])

    def test_bad_urls(self) -> None:
        """What is no address of a server is refused at once, without repeating a secret in it."""
        for url in (
            "",
            "x",
            "ftp://a/",
            "http://",
            "http://[::1",
            "http://a:b@c/",
            "https://key@c/",
            "http://a:99999x",
        ):
            error = self.assertRaises(ValueError, self.door, Memory(), url)
            self.assertNotIn("key@", str(error))

    def test_urls(self) -> None:
        """Slashes at the end do not matter, and a query stays."""
        for base in ("http://h/v1", "http://h/v1/", "http://h//v1//"):
            self.assertEqual(self.door(Memory(), base).url("a", "b").to_text(), "http://h/v1/a/b")
        self.assertEqual(self.door(Memory(), "http://h/v1?k=1").url("a").to_text(), "http://h/v1/a?k=1")


class OverMemoryContract(SynchronousTestCase):
    """The same over a network in memory with a real server at its other end."""

    treq = False

    def test_many_at_once_then_reuse(self) -> None:
        """Parallel requests get connections of their own, which later ones use again."""
        memory = Memory()
        door = memory.door(treq=self.treq)
        body = b'{"stream":true,"messages":[{"role":"user","content":"hi"}]}'

        async def ask() -> int:
            answer: Answer = await door.send("POST", door.url("chat", "completions"), Headers({}), body)
            await answer.deliver(lambda data: False)
            return answer.status

        for _ in range(2):
            results = [outcome(start(ask())) for _ in range(3)]
            memory.accept()
            self.assertEqual(results, [[200]] * 3)
        self.assertEqual(memory.connections, 3)
        closed: Deferred[None] = start(door.close())
        memory.advance(0.2)
        self.successResultOf(closed)
        self.assertEqual(memory.open_connections, 0)

    def test_hang_up_reaches_the_server(self) -> None:
        """Cancelling in mid-stream is seen at the other end within a second."""
        memory = Memory()
        door = memory.door(URL, treq=self.treq)
        body = b'{"stream":true,"messages":[{"role":"user","content":"[[chunks=9 delay=1]]"}]}'

        async def ask() -> None:
            answer = await door.send("POST", door.url("chat", "completions"), Headers({}), body)
            await answer.deliver(lambda data: False)

        asked = start(ask())
        memory.accept()
        memory.advance(2.5)
        self.assertEqual(memory.upstream.exchanges[0].outcome, "open")
        asked.cancel()
        memory.advance(0.2)
        self.assertEqual(memory.upstream.exchanges[0].outcome, "hung up")
        self.failureResultOf(asked, CancelledError)


class HttpDoorTests(DoorContract):
    """L{openclaw_tx.models.http.HttpDoor}; the contract itself runs with L{StreamingDoor}."""

    treq = True


class HttpDoorOverMemoryTests(OverMemoryContract):
    """L{openclaw_tx.models.http.HttpDoor}; likewise."""

    treq = True
