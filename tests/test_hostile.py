# -*- test-case-name: tests.test_hostile -*-
"""Hostile and clumsy clients before the whole gateway: each gets a clear answer, and nothing is left or logged."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.testing import MemoryWebSocket
from openclaw_tx.wire.large_json import LARGE
from tests.support.house import House
from tests.support.web import Client

SECRET = "s3cret"
AUTHORIZED = {"Authorization": f"Bearer {SECRET}"}
CHAT = "/v1/chat/completions"
HEAD = f"POST {CHAT} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {SECRET}\r\n"
MIB = 1024 * 1024


def ask(text: str, **fields: Any) -> bytes:
    """A chat request's body."""
    return json.dumps({"messages": [{"role": "user", "content": text}], **fields}).encode()


class Waiting:
    """An L{openclaw_tx.deferreds.InThread} whose threads a test lets go on.

    @ivar jobs: what was given to it, and the Deferred that awaits it.
    """

    def __init__(self) -> None:
        self.jobs: list[tuple[Any, tuple[Any, ...], Deferred[Any]]] = []

    def __call__(self, function: Any, *arguments: Any) -> Deferred[Any]:
        """Take a job."""
        waiting: Deferred[Any] = Deferred()
        self.jobs.append((function, arguments, waiting))
        return waiting

    def work(self) -> None:
        """Do everything."""
        while self.jobs:
            function, arguments, waiting = self.jobs.pop(0)
            waiting.callback(function(*arguments))


class HouseCase(SynchronousTestCase):
    """A gateway and its model server."""

    def setUp(self) -> None:
        """Build them."""
        self.house = House({"gateway": {"auth": {"token": SECRET}}})
        self.addCleanup(self.house.close)

    def open(self, data: bytes) -> Client:
        """A connection that has sent these bytes."""
        client = self.house.connect()
        client.send(data)
        self.house.settle()
        return client

    def assert_refused(self, client: Client, status: int, code: str) -> None:
        """It has this error, the connection ends, and no model was asked."""
        response = client.response
        self.assertEqual((response.status, response.error["code"]), (status, code))
        self.assertEqual(self.house.exchanges, [])
        self.house.advance(6, step=0.5)
        self.assertTrue(client.closed)


class BodyTests(HouseCase):
    """What bodies can do."""

    def test_one_byte_per_second(self) -> None:
        """Too slow: 408 once the first window has passed, and the connection ends."""
        body = ask("x" * 5000)
        client = self.open(HEAD.encode() + b"Content-Length: %d\r\n\r\n" % len(body))
        for position in range(30):
            if client.responses:
                break
            client.send(body[position : position + 1])
            self.house.advance(1, step=1)
        self.assertEqual(position, 10)
        self.assert_refused(client, 408, "body_timeout")

    def test_just_fast_enough_but_endless(self) -> None:
        """The pace is kept, the deadline is not."""
        client = self.open(HEAD.encode() + b"Content-Length: 1000000\r\n\r\n{")
        for _ in range(70):
            if client.responses:
                break
            client.send(b" " * 200)
            self.house.advance(1, step=1)
        self.assert_refused(client, 408, "body_timeout")

    def test_slow_headers(self) -> None:
        """A request line that never becomes a request ends with the idle connection."""
        client = self.open(b"POST /v1/chat")
        self.house.advance(61, step=1)
        self.assert_refused(client, 408, "body_timeout")

    def test_statuses(self) -> None:
        """Every kind of nonsense has its status and all four keys, and asks no model."""
        deep = b"[" * 10_000 + b"]" * 10_000
        cases: list[tuple[bytes, int, str]] = [
            (b"{", 400, "invalid_request"),
            (deep, 400, "invalid_request"),
            (b'{"messages":' + deep + b"}", 400, "invalid_request"),
            (ask("hi")[:-1] + b',"temperature":NaN}', 400, "invalid_request"),
            (b'{"messages":[{"role":"user","content":"\xff\xfe"}]}', 400, "invalid_request"),
            (ask("hi", model="openclaw:nope"), 400, "invalid_request"),
            (ask("hi", stream="yes"), 400, "invalid_request"),
            (ask("hi", n=3), 400, "unsupported_parameter"),
            (ask("x" * 19 * MIB)[:-1] + b',"temperature":NaN}', 400, "invalid_request"),
            (ask("x" * 19 * MIB)[:-4] + b'\xff"}]}', 400, "invalid_request"),
            (b" " * (21 * MIB), 413, "payload_too_large"),
            (b'{"messages":[' + b"{}," * 2 * MIB + b"{}]}", 413, "payload_too_large"),
            (json.dumps({"messages": [{"role": "user", "content": "x"}] * 100_000}).encode(), 400, "invalid_request"),
        ]
        for body, status, code in cases:
            response = self.house.post(body, AUTHORIZED).response
            self.assertEqual((response.status, response.error["code"]), (status, code), body[:60])
        self.assertEqual(self.house.exchanges, [])

    def test_large_but_good(self) -> None:
        """20 MB in one string, 4 MiB of tool schemas, 10,000 messages: answered, and the model gets it all."""
        text = "x" * (20 * MIB - 200)
        self.assertEqual(self.house.post(ask(text), AUTHORIZED).response.status, 200)
        self.assertEqual(self.house.exchanges[-1].body["messages"][-1]["content"], text)
        properties = {f"field_{number}": {"type": "string", "description": "x" * 20} for number in range(550)}
        tools = [
            {"type": "function", "function": {"name": f"t{n}", "parameters": {"properties": properties}}}
            for n in range(128)
        ]
        body = ask("hi", tools=tools)
        self.assertGreater(len(body), 4 * MIB)
        self.assertEqual(self.house.post(body, AUTHORIZED).response.status, 200)
        sent = [tool["function"] for tool in self.house.exchanges[-1].body["tools"]]
        self.assertEqual([one["name"] for one in sent if one["name"].startswith("t")], [f"t{n}" for n in range(128)])
        messages = [{"role": ("user", "assistant")[n % 2], "content": f"m{n}"} for n in range(10_000)]
        messages.append({"role": "user", "content": "last"})
        self.assertEqual(
            self.house.post(json.dumps({"messages": messages[1:]}).encode(), AUTHORIZED).response.status, 200
        )
        self.assertEqual(len(self.house.exchanges[-1].body["messages"]), 10_001)


class ThreadTests(SynchronousTestCase):
    """Large bodies are read in a thread."""

    def setUp(self) -> None:
        """A gateway whose threads wait to be told."""
        self.threads = Waiting()
        self.house = House({"gateway": {"auth": {"token": SECRET}}}, in_thread=self.threads)
        self.addCleanup(self.house.close)

    def test_only_large_ones(self) -> None:
        """From L{LARGE} bytes on; the answer comes once the thread is done."""
        self.assertEqual(self.house.post(ask("x" * (LARGE - 100)), AUTHORIZED).response.status, 200)
        self.assertEqual(self.threads.jobs, [])
        client = self.house.post(ask("x" * LARGE), AUTHORIZED)
        self.assertEqual((client.responses, len(self.threads.jobs), len(self.house.exchanges)), ([], 1, 1))
        self.threads.work()
        self.house.settle()
        self.assertEqual((client.response.status, len(self.house.exchanges)), (200, 2))

    def test_refusal(self) -> None:
        """An error in the thread is the answer."""
        client = self.house.post(ask("x" * LARGE, n=2), AUTHORIZED)
        function, arguments, waiting = self.threads.jobs.pop()
        waiting.addErrback(lambda failure: failure)
        try:
            function(*arguments)
        except Exception:
            waiting.errback()
        self.house.settle()
        self.assertEqual(client.response.error["code"], "unsupported_parameter")

    def test_others_are_served_meanwhile(self) -> None:
        """Nobody waits for somebody else's body."""
        waiting = self.house.post(ask("x" * LARGE), AUTHORIZED)
        self.assertEqual(self.house.post(ask("hi"), AUTHORIZED).response.status, 200)
        self.assertEqual(waiting.responses, [])
        self.threads.work()

    def test_client_that_leaves(self) -> None:
        """Whoever hangs up meanwhile starts no run."""
        client = self.house.post(ask("x" * LARGE), AUTHORIZED)
        client.reset()
        self.house.settle()
        waiting = self.threads.jobs[0][2]
        self.assertTrue(waiting.called)
        self.house.advance(1)
        self.assertEqual(self.house.exchanges, [])
        self.threads.jobs.clear()

    def test_in_memory_default(self) -> None:
        """A gateway in memory needs no threads."""
        house = House({"gateway": {"auth": {"token": SECRET}}})
        self.addCleanup(house.close)
        self.assertEqual(house.post(ask("x" * LARGE), AUTHORIZED).response.status, 200)


class ConnectionTests(HouseCase):
    """What connections can do."""

    def request(self, text: str, **fields: Any) -> bytes:
        """A whole request."""
        body = ask(text, **fields)
        return HEAD.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body

    def test_pipelined(self) -> None:
        """Three requests in one write: answered in order, each after the one before is complete, each its own."""
        stream = self.request("one [[chunks=2 delay=1]]", stream=True)
        client = self.open(stream + self.request("two [[reply=second]]") + self.request("three [[status=400]]"))
        client.sent_methods += ["POST"] * 3
        self.house.advance(1)
        self.assertEqual((len(client.responses), len(self.house.exchanges)), (1, 1))
        self.house.advance(2)
        one, two, three = client.responses
        self.assertEqual((one.text, one.events[-1]), ("c1 c2", "[DONE]"))
        self.assertEqual(two.json["choices"][0]["message"]["content"], "second")
        self.assertEqual((three.status, three.error["code"]), (400, "provider_rejected"))

    def test_pipelined_after_a_refused_body(self) -> None:
        """What follows a body that was not read is not taken for a request."""
        smuggled = self.request("smuggled")
        head = HEAD.encode() + b"Content-Length: %d\r\n\r\n" % (21 * MIB)
        client = self.open(head + smuggled * 3)
        self.assert_refused(client, 413, "payload_too_large")

    def test_half_close(self) -> None:
        """A client that sends no more still gets its whole answer, streamed or not."""
        for fields in ({"stream": True}, {}):
            client = self.open(self.request("hi [[chunks=3 delay=1]]", **fields))
            client.sent_methods.append("POST")
            client.half_close()
            self.house.advance(4)
            response = client.response
            said = response.text if fields else response.json["choices"][0]["message"]["content"]
            self.assertEqual((said, response.complete, self.house.exchanges[-1].outcome), ("c1 c2 c3", True, "done"))
            self.assertTrue(client.closed)

    def test_half_close_in_the_body(self) -> None:
        """The rest can not come any more: the connection ends, and nothing runs."""
        client = self.open(self.request("hi")[:-5])
        client.half_close()
        self.house.advance(1)
        self.assertTrue(client.closed)
        self.assertEqual(self.house.exchanges, [])

    def test_reset_aborts(self) -> None:
        """A client that is gone altogether ends the model's call, before its first word and after."""
        for directives, waited in (("delay=30", 1.0), ("chunks=9 delay=1", 2.0)):
            for stream in (True, False):
                client = self.open(self.request(f"hi [[{directives}]]", stream=stream))
                self.house.advance(waited)
                self.assertEqual(self.house.exchanges[-1].outcome, "open")
                client.reset()
                self.house.settle()
                self.assertEqual(self.house.exchanges[-1].outcome, "hung up")


class FrameTests(HouseCase):
    """What WebSocket clients can do."""

    def websocket(self, connect: bool = True) -> MemoryWebSocket:
        """A client."""
        client = self.house.memory.websocket()
        if connect:
            client.connect(token=SECRET)
        return client

    def test_frame_before_connect(self) -> None:
        """Another request than connect, or no request at all, ends the connection, and does nothing."""
        agent = {"type": "req", "id": "1", "method": "agent", "params": {"message": "hi", "idempotencyKey": "k"}}
        for frame, closed in (
            (agent, (1008, "invalid handshake: first request must be connect")),
            ({"hello": 1}, (1008, "invalid request frame")),
            ("not json", (1000, "")),
            ("[" * 10_000, (1000, "")),
        ):
            client = self.websocket(connect=False)
            client.send(frame)
            self.assertEqual(client.closed, closed, frame)
        self.assertEqual(self.house.exchanges, [])

    def test_wrong_secret(self) -> None:
        """Close 1008 with the reason."""
        client = self.websocket(connect=False)
        client._number += 1
        connect = {"minProtocol": 4, "maxProtocol": 4, "auth": {"token": "wrong"}, "role": "operator"}
        connect["client"] = {"id": "cli", "version": "1", "platform": "linux", "mode": "cli"}
        client.send({"type": "req", "id": "1", "method": "connect", "params": connect})
        self.house.advance(5, step=0.5)
        assert client.closed is not None
        self.assertEqual(client.closed[0], 1008)
        self.assertIn("unauthorized", client.closed[1])

    def test_silence(self) -> None:
        """Nobody waits for ever for connect."""
        client = self.websocket(connect=False)
        self.house.advance(20, step=1)
        assert client.closed is not None
        self.assertEqual(client.closed[0], 1000)

    def test_oversized_frame(self) -> None:
        """64 KiB before connect, 25 MiB after: close 1009."""
        for connect, size in ((False, 70_000), (True, 26 * MIB)):
            client = self.websocket(connect)
            client.send(json.dumps({"type": "req", "id": "1", "method": "health", "params": {"x": "y" * size}}))
            assert client.closed is not None
            self.assertEqual(client.closed[0], 1009)

    def test_large_frames_that_are_no_requests(self) -> None:
        """They are answered like small ones, under their own id where they have one."""
        client = self.websocket()
        pad = "y" * LARGE
        for frame, reply_to, reason in (
            (json.dumps([pad]), "invalid", "must be object"),
            (json.dumps({"type": "req", "id": "mine", "x": pad}), "mine", "unexpected property 'x'"),
            (json.dumps({"type": "req", "id": 7, "method": pad, "y": pad}), 7, "must be string"),
            (json.dumps({"type": "req", "id": pad, "method": "m"}), "invalid", "must NOT have more than"),
        ):
            client.send(frame)
            answer = client.frames[-1]
            self.assertEqual((answer["id"], answer["ok"]), (reply_to, False))
            self.assertIn(reason, answer["error"]["message"])
        before = len(client.frames)
        client.send('{"id":"1","x":"' + pad)  # not JSON: nobody to answer
        self.assertEqual((len(client.frames), client.closed), (before, None))
        client.close()
