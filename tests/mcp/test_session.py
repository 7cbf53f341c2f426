# -*- test-case-name: tests.mcp.test_session -*-
"""Messages of JSON-RPC, without a wire."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.mcp.session import (
    MAX_BATCH,
    MAX_MESSAGE_BYTES,
    MAX_REPLY,
    MAX_TEXT,
    Answered,
    BadMessage,
    Event,
    Logged,
    Progressed,
    Refused,
    Reply,
    Session,
    ToolsChanged,
)

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=5)


class SessionTests(SynchronousTestCase):
    """L{Session}."""

    def setUp(self) -> None:
        """A conversation with one request."""
        self.session = Session()
        self.number, self.request = self.session.request("tools/call", {"name": "x"}, progress=True)

    def receive(self, *messages: Any, batch: bool = False) -> list[Event]:
        """What messages mean."""
        whole = [{"jsonrpc": "2.0", **message} for message in messages]
        return self.session.receive(json.dumps(whole if batch else whole[0]).encode())

    def bad(self, data: bytes) -> None:
        """What is no message."""
        self.assertRaises(BadMessage, self.session.receive, data)

    def test_request(self) -> None:
        """Numbered, each anew; with a token for progress where that is wanted."""
        self.assertEqual(
            json.loads(self.request),
            {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x", "_meta": {"progressToken": 1}}},
        )
        number, data = self.session.request("tools/list", {})
        self.assertEqual((number, json.loads(data)["params"]), (2, {}))

    def test_initialize(self) -> None:
        """Who we are, what we speak, and that we can do nothing else."""
        _, data = self.session.initialize()
        params = json.loads(data)["params"]
        self.assertEqual((params["protocolVersion"], params["capabilities"]), ("2025-06-18", {}))
        self.assertEqual(params["clientInfo"]["name"], "openclaw_tx")

    def test_answers(self) -> None:
        """A result, once."""
        answer = {"id": 1, "result": {"a": 1}}
        self.assertEqual(self.receive(answer), [Answered(id=1, result={"a": 1})])
        self.assertEqual(self.receive(answer), [])

    def test_errors(self) -> None:
        """An error with its message, cut if need be; one without; a result that is none."""
        for error, said in (
            ({"code": 1, "message": "no"}, "no"),
            ({"code": 1, "message": "x" * 9999}, "x" * MAX_TEXT),
            ({"code": 1}, "an error without a message"),
            ("what", "an error without a message"),
        ):
            number, _ = self.session.request("x", {})
            self.assertEqual(self.receive({"id": number, "error": error}), [Refused(id=number, message=said)])
        self.assertEqual(self.receive({"id": 1, "result": 5}), [Refused(id=1, message="its answer has no result.")])

    def test_strangers(self) -> None:
        """Answers to nothing that was asked, of any kind."""
        for number in (99, "1", True, None, 1.0, [], {}):
            self.assertEqual(self.receive({"id": number, "result": {}}), [], number)

    def test_progress(self) -> None:
        """Words, or numbers; of requests that are under way."""
        for params, said in (
            ({"progress": 1, "total": 4, "message": "half"}, "half"),
            ({"progress": 1, "total": 4}, "1 of 4"),
            ({"progress": 0.5}, "0.5"),
            ({"progress": 10**400}, "at work"),
            ({"progress": 1, "total": 10**400}, "at work"),
            ({}, "at work"),
        ):
            message = {"method": "notifications/progress", "params": {"progressToken": 1, **params}}
            self.assertEqual(self.receive(message), [Progressed(id=1, text=said)])
        self.assertEqual(self.receive({"method": "notifications/progress", "params": {"progressToken": 7}}), [])
        self.assertEqual(self.receive({"method": "notifications/progress", "params": []}), [])

    def test_cancel(self) -> None:
        """What comes for a request that was given up means nothing."""
        told = json.loads(self.session.cancel(1, "why"))
        self.assertEqual(told["method"], "notifications/cancelled")
        self.assertEqual(told["params"], {"requestId": 1, "reason": "why"})
        self.assertEqual(self.receive({"id": 1, "result": {}}), [])
        self.assertEqual(self.receive({"method": "notifications/progress", "params": {"progressToken": 1}}), [])

    def test_notifications(self) -> None:
        """A changed list, words for the log, and what nobody here knows."""
        self.assertEqual(self.receive({"method": "notifications/tools/list_changed"}), [ToolsChanged()])
        self.assertEqual(
            self.receive({"method": "notifications/message", "params": {"level": "error", "data": {"a": 1}}}),
            [Logged(level="error", text='{"a":1}')],
        )
        self.assertEqual(self.receive({"method": "notifications/else", "params": 5}), [])

    def test_requests_of_the_server(self) -> None:
        """A ping is answered; nothing else is there."""
        (ping,) = self.receive({"id": "abc", "method": "ping"})
        assert isinstance(ping, Reply)
        self.assertEqual(json.loads(ping.data), {"jsonrpc": "2.0", "id": "abc", "result": {}})
        (other,) = self.receive({"id": 5, "method": "sampling/createMessage"})
        assert isinstance(other, Reply)
        self.assertEqual(json.loads(other.data)["error"]["code"], -32601)

    def test_long_ids(self) -> None:
        """What is asked for decides how long the answer is only up to a bound."""
        (ping,) = self.receive({"id": "x" * 4000, "method": "ping"})
        assert isinstance(ping, Reply)
        self.assertEqual(json.loads(ping.data)["id"], "x" * 4000)
        for method in ("ping", "roots/list"):
            self.bad(json.dumps({"jsonrpc": "2.0", "id": "x" * MAX_REPLY, "method": method}).encode())

    def test_batch(self) -> None:
        """Several messages at once, in their order, and not too many."""
        found = self.receive({"method": "notifications/tools/list_changed"}, {"id": 1, "result": {}}, batch=True)
        self.assertEqual(found, [ToolsChanged(), Answered(id=1, result={})])
        self.bad(json.dumps([{"jsonrpc": "2.0"}] * (MAX_BATCH + 1)).encode())

    def test_odd_one(self) -> None:
        """An odd message in a batch takes no other with it: the answer would never come again."""
        for odd in (5, {}, {"jsonrpc": "1.0", "method": "x"}):
            number, _ = self.session.request("x", {})
            answer = {"jsonrpc": "2.0", "id": number, "result": {}}
            data = json.dumps([answer, odd]).encode()
            self.assertEqual(self.session.receive(data), [Answered(id=number, result={})])

    def test_bad(self) -> None:
        """What is no message, or too large a one."""
        deep = b'{"jsonrpc":"2.0","id":1,"result":' + b"[" * 200 + b"]" * 200 + b"}"
        for data in (
            deep,
            b"",
            b"hello",
            b"5",
            b'{"id":1}',
            b'{"jsonrpc":"1.0","id":1}',
            b"[5]",
            b"\xff",
            b"[" * 100_000,
        ):
            self.bad(data)
        self.bad(b" " * (MAX_MESSAGE_BYTES + 1))

    @given(st.dictionaries(st.sampled_from(["id", "method", "params", "result", "error"]), JSON | st.just({"id": 1})))
    def test_any_message(self, message: dict[str, Any]) -> None:
        """Anything is understood or is none."""
        session = Session()
        session.request("x", {})
        try:
            session.receive(json.dumps({"jsonrpc": "2.0", **message}).encode())
        except BadMessage:
            pass
