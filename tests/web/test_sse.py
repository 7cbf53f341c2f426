# -*- test-case-name: tests.web.test_sse -*-
"""Event streams: headers, keep-alive, back-pressure, and how they end."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.runs.outbox import LIMIT
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.resource import GatewayResource
from openclaw_tx.web.site import GatewaySite
from openclaw_tx.web.sse import PING, EventStream, Frames
from tests.support.web import Client, Response


def frame(escaped: bytes) -> bytes:
    """A frame of text."""
    return b'data: "' + escaped + b'"\n\n'


def frames(*texts: bytes) -> Frames:
    """A batch with a frame for each text."""
    batch = Frames(frame)
    for text in texts:
        batch.add_text(text)
    return batch


class Streaming(GatewayResource):
    """Opens a stream that a test writes to."""

    def __init__(self, clock: Clock, keep_alive: float) -> None:
        super().__init__(lambda: "id")
        self._clock = clock
        self._keep_alive = keep_alive
        self.checks = 0
        self.stream: EventStream
        self.exchange: Exchange

    def check(self) -> None:
        """Count."""
        self.checks += 1

    async def respond(self, exchange: Exchange) -> None:
        """Until it ends."""
        self.exchange = exchange
        self.stream = EventStream(exchange, self._clock, keep_alive=self._keep_alive, check=self.check)
        self.stream.open()
        try:
            await self.stream.ended.wait()
        finally:
            self.stream.close()


class EventStreamTests(SynchronousTestCase):
    """One stream on a connection."""

    def open(self, keep_alive: float = 15.0) -> EventStream:
        """Start one."""
        self.clock = Clock()
        self.resource = Streaming(self.clock, keep_alive)
        self.client = Client(GatewaySite(self.resource, self.clock), self.clock)
        self.addCleanup(self.client.reset)
        self.client.request("GET", "/")
        return self.resource.stream

    @property
    def response(self) -> Response:
        """What came."""
        self.client.wire.pump()
        return self.client.response

    def test_t06_headers(self) -> None:
        """Proxies are told not to touch it; it has no length."""
        self.open()
        self.assertEqual(self.response.status, 200)
        for name, value in (
            ("content-type", "text/event-stream; charset=utf-8"),
            ("cache-control", "no-cache, no-transform"),
            ("x-accel-buffering", "no"),
            ("content-length", None),
            ("content-encoding", None),
            ("transfer-encoding", "chunked"),
            ("x-content-type-options", "nosniff"),
        ):
            self.assertEqual(self.response.header(name), value)

    def test_clock_set_back(self) -> None:
        """Comments go on when the time of day was set back and delayed calls kept their time (openclaw_tx.steady)."""
        self.open()
        self.clock.advance(10)
        self.clock.rightNow -= 3600
        for call in self.clock.getDelayedCalls():
            call.delay(-3600)
        self.clock.advance(5)
        self.clock.advance(15)
        self.assertEqual(self.response.body.count(PING), 2)

    def test_t03_keep_alive(self) -> None:
        """Exactly one comment line with one newline, from the moment the headers are out; none after the end."""
        stream = self.open()
        for expected in (0, 1, 2):
            self.assertEqual(self.response.body, b": ping\n" * expected)
            self.client.advance(15)
        stream.push(frames(b"x"))
        stream.end()
        self.client.wire.pump()
        self.assertEqual(self.response.body, b": ping\n" * 3 + b'data: "x"\n\n')
        self.assertEqual([call.getTime() for call in self.clock.getDelayedCalls()], [self.clock.seconds() + 60])

    def test_t03_only_in_silence(self) -> None:
        """A stream that talks needs no comments; the pause is counted from the last word."""
        stream = self.open()
        self.client.advance(10)
        stream.push(frames(b"x"))
        self.client.advance(10)
        self.assertNotIn(b"ping", self.response.body)
        self.client.advance(5)
        self.assertIn(b"ping", self.response.body)

    def test_keep_alive_off(self) -> None:
        """No comments, but the stream is still looked after."""
        self.open(keep_alive=0)
        self.client.advance(60)
        self.assertEqual(self.response.body, b"")
        self.assertGreater(self.resource.checks, 0)

    def test_one_write_a_batch(self) -> None:
        """However many frames, one chunk."""
        stream = self.open()
        self.client.wire.pump()
        before = len(self.client.received)
        stream.push(frames(b"a", b"b", b"c"))
        self.client.wire.pump()
        body = b'data: "a"\n\ndata: "b"\n\ndata: "c"\n\n'
        self.assertEqual(self.client.received[before:], b"%x\r\n%s\r\n" % (len(body), body))

    def test_t08_held_text_is_merged(self) -> None:
        """While the client does not read, text that follows text shares a frame; order and other frames stay."""
        stream = self.open()
        self.client.stall()
        stream.push(frames(b"x" * 70_000))
        stream.push(frames(b"a"))
        stream.push(frames(b"b", b"c"))
        other = frames()
        other.add(b"data: 1\n\n")
        stream.push(other)
        stream.push(frames(b"d"))
        self.client.resume()
        self.assertTrue(self.response.body.endswith(b'data: "abc"\n\ndata: 1\n\ndata: "d"\n\n'))

    def test_t08_slow_reader_is_bounded(self) -> None:
        """Over the cap: an error frame for whoever still reads, then the connection is cut. Little is ever held."""
        stream = self.open()
        self.client.stall()
        with capturedLogs() as events:
            for _ in range(3 * LIMIT // 1000):
                stream.push(frames(b"x" * 1000))
        self.assertEqual([event["what"] for event in events], ["HTTP stream"])
        self.assertLess(self.client.wire.held_most, 80_000)
        self.assertFalse(self.client.closed)
        self.assertIn(b"slow_consumer", self.client.wire.outbound)
        self.client.advance(1)
        self.assertTrue(self.client.closed)
        self.assertTrue(self.client.wire.aborted)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_no_pings_for_those_who_do_not_read(self) -> None:
        """They would only pile up."""
        stream = self.open()
        self.client.stall()
        stream.push(frames(b"x" * 70_000))
        self.client.advance(100)
        self.assertNotIn(b"ping", self.client.wire.outbound)

    def test_stalled_for_good(self) -> None:
        """A client that takes nothing for ten minutes is gone."""
        stream = self.open()
        self.client.stall()
        stream.push(frames(b"x" * 70_000))
        stream.end()
        for _ in range(39):
            self.client.advance(15)
        self.assertFalse(self.client.closed)
        self.client.advance(30)
        self.assertTrue(self.client.closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_t09_end_waits_for_the_reader(self) -> None:
        """The answer is finished when the last byte was taken: no idle timeout runs against a slow reader."""
        stream = self.open()
        self.client.stall()
        stream.push(frames(b"x" * 500_000))
        stream.push(frames(b"y" * 500_000))
        stream.end()
        for _ in range(8):
            self.client.advance(15)
        self.assertFalse(self.client.closed)
        self.client.resume()
        self.assertTrue(self.response.complete)
        self.assertEqual(len(self.response.body), 1_000_000 + 2 * len(frame(b"")))

    def test_disconnect(self) -> None:
        """Nothing is left, and later words are nobody's."""
        stream = self.open()
        self.client.reset()
        stream.push(frames(b"x"))
        stream.end()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_disconnect_while_draining(self) -> None:
        """Also between the last word and its being taken."""
        stream = self.open()
        self.client.stall()
        stream.push(frames(b"x" * 70_000))
        stream.end()
        self.client.reset()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nothing_after_the_end(self) -> None:
        """The end is the end."""
        stream = self.open()
        stream.push(frames(b"x"))
        stream.end()
        stream.push(frames(b"y"))
        stream.end()
        self.assertEqual(self.response.body, frame(b"x"))
