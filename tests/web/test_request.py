# -*- test-case-name: tests.web.test_request -*-
"""Bounded requests: size, pace and deadline of bodies, and refusals before they were read."""

from __future__ import annotations

import json
from io import BytesIO

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema_gateway import ChatCompletions
from tests.support.web import Client, Harness

BODY = json.dumps({"messages": [{"role": "user", "content": "ping"}]}).encode()


class NoRoom(BytesIO):
    """Where nothing can be put."""

    def write(self, data: object) -> int:
        """There is no memory."""
        raise MemoryError


class BodyTests(SynchronousTestCase):
    """What happens to bodies."""

    def setUp(self) -> None:
        """A gateway that takes bodies of up to 1,000,000 bytes."""
        self.gateway = Harness(chat=ChatCompletions(enabled=True, max_body_bytes=1_000_000))
        self.addCleanup(self.gateway.close)

    def head(self, *lines: str, authorised: bool = True) -> Client:
        """The head of a chat request on a new connection."""
        client = self.gateway.connect()
        secret = [f"Authorization: Bearer {self.gateway.secret}"] if authorised else []
        head = ["POST /v1/chat/completions HTTP/1.1", "Host: x", *secret, *lines]
        client.send("\r\n".join([*head, "", ""]).encode())
        return client

    def test_body_in_pieces(self) -> None:
        """T07: a body that comes byte by byte is one body."""
        client = self.head(f"Content-Length: {len(BODY)}")
        for at in range(len(BODY)):
            client.send(BODY[at : at + 1])
        self.assertEqual(client.response.status, 200)

    def test_chunked_body(self) -> None:
        """Chunked bodies are read like others."""
        client = self.head("Transfer-Encoding: chunked")
        for piece in (BODY[:10], BODY[10:]):
            client.send(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece))
        self.assertEqual(client.received, b"")
        client.send(b"0\r\nTrailer: x\r\n\r\n")
        self.assertEqual(client.response.status, 200)

    def test_t35_too_large_by_length(self) -> None:
        """A length over the cap is refused at once, as JSON, before a byte of it was read; then the line is cut."""
        client = self.head("Content-Length: 1000001")
        self.assertEqual(client.response.status, 413)
        self.assertEqual(client.response.error["code"], "payload_too_large")
        self.assertEqual(client.response.error["message"], "Payload too large")
        self.assertEqual(client.response.header("connection"), "close")
        self.assertFalse(client.closed)
        client.send(b"x" * 1_000_001)
        self.assertTrue(client.closed)
        self.assertEqual(self.gateway.scripted.runs, [])

    def test_t35_too_large_chunked(self) -> None:
        """Without a length it is refused as soon as it goes over."""
        client = self.head("Transfer-Encoding: chunked")
        piece = b"%x\r\n%s\r\n" % (50_000, b"x" * 50_000)
        for _ in range(20):
            client.send(piece)
            self.assertEqual(client.received, b"")
        client.send(piece)
        self.assertEqual(client.response.status, 413)
        client.send(piece * 5 + b"0\r\n\r\n")
        self.assertTrue(client.closed)

    def test_no_memory(self) -> None:
        """A body that there is no memory for is refused with a word on when to come again; the line is not just cut."""
        client = self.head("Content-Length: 1000")
        [channel] = self.gateway.site.channels
        channel.requests[0].content = NoRoom()
        client.send(b"x" * 100)
        response = client.response
        self.assertEqual((response.status, response.error["code"]), (429, "queue_full"))
        self.assertEqual((response.header("retry-after"), response.header("x-should-retry")), ("5", "true"))
        self.assertIn("memory", response.error["message"])
        self.assertEqual(self.gateway.scripted.runs, [])

    def test_exactly_at_the_cap(self) -> None:
        """The cap itself is allowed."""
        padded = BODY + b" " * (1_000_000 - len(BODY))
        self.assertEqual(self.gateway.post(padded).response.status, 200)

    def test_lingers_only_for_a_while(self) -> None:
        """The rest of a refused body is thrown away for five seconds, then the connection is closed."""
        client = self.head("Content-Length: 99999999")
        client.send(b"x" * 100_000)
        client.advance(4.9)
        self.assertFalse(client.closed)
        client.advance(0.2)
        self.assertTrue(client.closed)
        self.assertEqual(client.response.status, 413)

    def test_absurd_lengths(self) -> None:
        """A length that no machine has is too large; one that is no number is bad HTTP."""
        self.assertEqual(self.head(f"Content-Length: {10**30}").response.status, 413)
        for length in ("-1", "1e3", "0x10", "+5", ""):
            self.assertEqual(self.head(f"Content-Length: {length}").response.status, 400, length)

    def test_unauthenticated_body_is_not_read(self) -> None:
        """A wrong secret is refused on the headers alone."""
        client = self.head("Content-Length: 900000", authorised=False)
        self.assertEqual(client.response.status, 401)
        self.assertEqual(client.response.error["message"], "Unauthorized")
        client.send(b"x" * 900_000)
        self.assertTrue(client.closed)

    def test_nothing_is_held_for_strangers(self) -> None:
        """While authentication takes its time, reading stops after one read; the rest stays in the network."""
        self.gateway.one_secret.hold = []
        client = self.head("Content-Length: 900000", authorised=False)
        client.send(b"x" * 900_000)
        self.assertGreaterEqual(len(client.wire.inbound), 900_000 - 64 * 1024)
        self.gateway.one_secret.hold[0].callback(None)
        client.wire.pump()
        self.assertEqual(client.response.status, 401)
        self.assertTrue(client.closed)

    def test_slow_authentication_of_a_friend(self) -> None:
        """What was held meanwhile is not lost."""
        self.gateway.one_secret.hold = []
        padded = BODY + b" " * 500_000
        client = self.gateway.post(padded)
        self.assertEqual(client.received, b"")
        self.gateway.one_secret.hold[0].callback(None)
        client.wire.pump()
        self.assertEqual(client.response.status, 200)

    def test_held_back_is_not_slow(self) -> None:
        """The pace of a body is not measured while we do not read it."""
        self.gateway.one_secret.hold = []
        client = self.gateway.post(BODY + b" " * 500_000)
        client.advance(15)
        self.gateway.one_secret.hold[0].callback(None)
        client.wire.pump()
        self.assertEqual(client.response.status, 200)

    def test_t35_slow_body(self) -> None:
        """A trickle is refused with 408 after ten seconds; the SDKs are told not to try again."""
        client = self.head(f"Content-Length: {len(BODY)}")
        for _ in range(10):
            client.send(BODY[:2])
            client.advance(1)
        self.assertEqual(client.response.status, 408)
        self.assertEqual(client.response.error["code"], "body_timeout")
        self.assertEqual(client.response.header("x-should-retry"), "false")
        client.advance(5)
        self.assertTrue(client.closed)

    def test_t35_endless_body(self) -> None:
        """A body that keeps a decent pace still has to be complete after a minute."""
        client = self.head("Content-Length: 999999")
        for second in range(60):
            self.assertEqual(client.received, b"", second)
            client.send(b"x" * 1100)
            client.advance(1)
        self.assertEqual(client.response.status, 408)

    def test_t35_expect_continue(self) -> None:
        """100 Continue is said to those who may send, and only when somebody reads."""
        client = self.head(f"Content-Length: {len(BODY)}", "Expect: 100-continue")
        self.assertEqual(client.received, b"HTTP/1.1 100 Continue\r\n\r\n")
        client.send(BODY)
        self.assertEqual((client.response.status, client.response.interim), (200, 1))

    def test_t35_expect_continue_refused(self) -> None:
        """A stranger, or a body that is too large, gets its answer instead."""
        client = self.head("Content-Length: 10", "Expect: 100-continue", authorised=False)
        self.assertEqual((client.response.status, client.response.interim), (401, 0))
        client = self.head("Content-Length: 1000001", "Expect: 100-Continue")
        self.assertEqual((client.response.status, client.response.interim), (413, 0))

    def test_disconnect_during_upload(self) -> None:
        """T13: nothing runs, nothing is left."""
        client = self.head("Content-Length: 1000")
        client.send(b"x")
        client.reset()
        self.assertEqual(self.gateway.scripted.runs, [])
        self.assertEqual(self.gateway.clock.getDelayedCalls(), [])

    def test_disconnect_while_authenticating(self) -> None:
        """T13: the wait is cancelled."""
        self.gateway.one_secret.hold = []
        client = self.gateway.post(BODY)
        client.reset()
        self.assertEqual(self.gateway.clock.getDelayedCalls(), [])
        self.assertEqual(self.gateway.scripted.runs, [])

    def test_body_where_none_is_wanted(self) -> None:
        """A GET may carry one; it is answered, the body is dropped, and the connection is not used again."""
        client = self.gateway.ask("GET", "/healthz", b"x" * 10)
        self.assertEqual(client.response.status, 200)
        self.assertTrue(client.closed)
        client = self.gateway.ask("POST", "/nope", b"x" * 200_000)
        self.assertEqual(client.response.status, 404)

    def test_connection_is_kept_after_an_error(self) -> None:
        """A refusal of a body that was read does not cost the connection."""
        client = self.gateway.post(b"{")
        client.request("POST", "/v1/chat/completions", BODY, self.gateway.credentials())
        self.assertEqual([response.status for response in client.responses], [400, 200])
        self.assertFalse(client.closed)

    def test_multipart_is_not_parsed(self) -> None:
        """A form is just a body that is no JSON."""
        client = self.gateway.post(b"--x\r\n\r\n--x--", {"Content-Type": "multipart/form-data; boundary=x"})
        self.assertEqual(client.response.status, 400)
        client = self.gateway.post(BODY, {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(client.response.status, 200)
