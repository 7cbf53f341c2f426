# -*- test-case-name: tests.web.test_site -*-
"""Connections: broken HTTP, pipelining, old clients, half-open ones, and the site's view of them."""

from __future__ import annotations

import json

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from tests.support.fakes import ScriptedRun, answer
from tests.support.web import Harness

BODY = json.dumps({"messages": [{"role": "user", "content": "ping"}]}).encode()
STREAM = json.dumps({"messages": [{"role": "user", "content": "ping"}], "stream": True}).encode()


def idle(run: ScriptedRun) -> None:
    """A run that does nothing yet."""


class ConnectionTests(SynchronousTestCase):
    """One connection."""

    def setUp(self) -> None:
        """A gateway."""
        self.gateway = Harness()
        self.addCleanup(self.gateway.close)

    def test_broken_chunks(self) -> None:
        """Also after the headers were accepted."""
        client = self.gateway.ask(
            "POST", "/v1/chat/completions", b"zz\r\nabc\r\n0\r\n\r\n", {"Transfer-Encoding": "chunked"}
        )
        self.assertEqual(client.response.status, 400)
        client.advance(1)
        self.assertTrue(client.closed)
        self.assertEqual(self.gateway.scripted.runs, [])

    def test_broken_chunks_after_an_answer(self) -> None:
        """No second answer is put behind the first."""
        client = self.gateway.ask(
            "POST", "/v1/chat/completions", b"zz\r\n", {"Transfer-Encoding": "chunked"}, authorised=False
        )
        self.assertEqual(client.response.status, 401)
        self.assertTrue(client.closed)

    def test_t11_pipelined_requests(self) -> None:
        """Answers come in order; a request behind a stream waits for its end."""
        self.gateway.scripted.script = idle
        client = self.gateway.connect()
        client.request("POST", "/v1/chat/completions", STREAM, self.gateway.credentials())
        client.request("GET", "/healthz")
        (run,) = self.gateway.scripted.runs
        run.say("one")
        client.wire.pump()
        self.assertNotIn(b"live", client.received)
        run.end()
        client.wire.pump()
        stream, health = client.responses
        self.assertEqual((stream.text, stream.complete), ("one", True))
        self.assertEqual(health.json, {"ok": True, "status": "live"})

    def test_requests_behind_an_answer_that_is_not_read(self) -> None:
        """A client that reads nothing does not get the gateway to hold all that it says."""
        self.gateway.scripted.script = idle
        client = self.gateway.post(STREAM)
        (run,) = self.gateway.scripted.runs
        client.stall()
        run.say("x" * 100_000)
        flood = b"GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n" * 10_000
        client.send(flood)
        self.assertGreater(len(client.wire.inbound), len(flood) - 100_000)
        client.resume()
        run.end()
        while client.received.count(b'"live"') < 10_000:
            client.advance(0)
        self.assertEqual(client.wire.inbound, b"")

    def test_t11_http_1_0(self) -> None:
        """No chunks, no keep-alive; the end of the connection is the end of the answer."""
        for body in (BODY, STREAM):
            client = self.gateway.connect()
            client.request("POST", "/v1/chat/completions", body, self.gateway.credentials(), version="1.0")
            self.assertIsNone(client.response.header("transfer-encoding"))
            self.assertTrue(client.closed)
            self.assertTrue(client.response.complete)
        self.assertEqual(client.response.text, "pong")

    def test_t11_connection_close(self) -> None:
        """A client that asks for it gets its connection closed after the stream."""
        client = self.gateway.post(STREAM, {"Connection": "close"})
        self.assertEqual(client.response.text, "pong")
        self.assertTrue(client.closed)

    def test_t14_reuse_after_a_stream(self) -> None:
        """A kept connection serves the next request."""
        client = self.gateway.post(STREAM)
        client.request("POST", "/v1/chat/completions", BODY, self.gateway.credentials())
        stream, whole = client.responses
        self.assertEqual((stream.text, whole.status), ("pong", 200))

    def test_t12_half_close_is_no_cancel(self) -> None:
        """A client that closes its side after the body still gets its answer."""
        for body in (BODY, STREAM):
            self.gateway.scripted.script = idle
            client = self.gateway.post(body)
            run = self.gateway.scripted.runs[-1]
            client.half_close()
            self.assertEqual(run.abort_reasons, [])
            client.advance(0.5)
            answer(run)
            client.wire.pump()
            self.assertEqual(client.response.status, 200)
            self.assertTrue(client.response.complete)
            self.assertTrue(client.closed)

    def test_t12_half_closed_clients_are_probed(self) -> None:
        """Two harmless writes within half a second show whether the client is still there: a comment in a stream,
        an interim answer before one."""
        self.gateway.scripted.script = idle
        stream = self.gateway.post(STREAM)
        self.gateway.scripted.runs[-1].say("x")
        stream.wire.pump()
        before = len(stream.received)
        stream.half_close()
        stream.advance(0.5)
        self.assertEqual(stream.received[before:].count(b": ping\n"), 2)
        waiting = self.gateway.post(BODY)
        waiting.half_close()
        waiting.advance(0.5)
        self.assertEqual(waiting.received, b"HTTP/1.1 100 Continue\r\n\r\n" * 2)

    def test_t12_half_close_without_a_request(self) -> None:
        """There is nothing to wait for: idle, in a head, in a body."""
        for data in (b"", b"GET / HT", b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"):
            client = self.gateway.connect()
            client.send(data)
            client.half_close()
            client.wire.pump()
            self.assertTrue(client.closed, data)

    def test_t12_pipelined_then_half_closed(self) -> None:
        """Everything that was asked before is answered."""
        self.gateway.scripted.script = idle
        client = self.gateway.connect()
        client.request("POST", "/v1/chat/completions", STREAM, self.gateway.credentials())
        client.request("GET", "/healthz")
        client.half_close()
        answer(self.gateway.scripted.runs[0])
        client.wire.pump()
        self.assertEqual([response.status for response in client.responses], [200, 200])
        self.assertTrue(client.closed)

    def test_idle_connection(self) -> None:
        """Closed after a minute; one with a run under way is not."""
        quiet = self.gateway.connect()
        self.gateway.scripted.script = idle
        busy = self.gateway.post(BODY)
        for _ in range(7):
            self.gateway.clock.advance(10)
            quiet.wire.pump()
            busy.wire.pump()
        self.assertTrue(quiet.closed)
        self.assertFalse(busy.closed)

    def test_head(self) -> None:
        """No body, same headers."""
        got, head = (self.gateway.ask(method, "/healthz").response for method in ("GET", "HEAD"))
        self.assertEqual(head.body, b"")
        self.assertEqual(head.header("content-length"), got.header("content-length"))


class SiteTests(SynchronousTestCase):
    """All connections."""

    def setUp(self) -> None:
        """A gateway."""
        self.gateway = Harness()
        self.addCleanup(self.gateway.close)

    def test_knows_its_connections(self) -> None:
        """From the first byte to the last."""
        client = self.gateway.connect()
        self.assertEqual(len(self.gateway.site.channels), 1)
        client.reset()
        self.assertEqual(len(self.gateway.site.channels), 0)

    def test_wind_down(self) -> None:
        """Idle connections close now, busy ones after their answer."""
        self.gateway.scripted.script = idle
        quiet, busy = self.gateway.connect(), self.gateway.post(STREAM)
        self.gateway.site.wind_down()
        quiet.wire.pump()
        busy.wire.pump()
        self.assertEqual((quiet.closed, busy.closed), (True, False))
        answer(self.gateway.scripted.runs[0])
        busy.wire.pump()
        self.assertTrue(busy.closed)
        self.assertEqual(busy.response.text, "pong")

    def test_drain(self) -> None:
        """An idle connection has one more answer, which says that it is the last one, and is closed after it."""
        self.gateway.scripted.script = idle
        quiet, busy = self.gateway.connect(), self.gateway.post(STREAM)
        self.gateway.site.drain()
        for client in (quiet, busy):
            client.wire.pump()
            self.assertFalse(client.closed)
        quiet.request("GET", "/healthz")
        self.assertEqual((quiet.response.status, quiet.response.header("connection")), (200, "close"))
        self.assertTrue(quiet.closed)
        late = self.gateway.connect()
        late.request("GET", "/healthz")
        self.assertEqual((late.response.header("connection"), late.closed), ("close", True))
        answer(self.gateway.scripted.runs[0])
        busy.wire.pump()
        self.assertEqual((busy.response.text, busy.closed), ("pong", True))

    def test_cut(self) -> None:
        """All at once; their runs are aborted."""
        self.gateway.scripted.script = idle
        client = self.gateway.post(STREAM)
        self.gateway.site.cut()
        client.wire.pump()
        self.assertTrue(client.closed)
        self.assertEqual(self.gateway.scripted.runs[0].abort_reasons, ["disconnect"])

    def test_no_factory_timer(self) -> None:
        """Starting and stopping the site leaves nothing on the clock."""
        self.gateway.site.doStart()
        self.assertEqual(self.gateway.clock.getDelayedCalls(), [])
        self.gateway.site.doStop()

    def test_access_log(self) -> None:
        """Off unless asked for; never the query or a header."""
        with capturedLogs() as events:
            self.gateway.ask("GET", "/healthz?token=secret")
            self.assertEqual([event for event in events if "path" in event], [])
            self.gateway.access_log = True
            self.gateway.ask("GET", "/healthz?token=secret")
        (event,) = [event for event in events if "path" in event]
        self.assertEqual((event["method"], event["path"], event["status"]), ("GET", "/healthz", 200))
        self.assertNotIn("secret", str(event))

    def test_http_1_1_only(self) -> None:
        """TLS clients are not offered a protocol without these limits."""
        self.assertEqual(self.gateway.site.acceptableProtocols(), [b"http/1.1"])
