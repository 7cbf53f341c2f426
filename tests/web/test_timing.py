# -*- test-case-name: tests.web.test_timing -*-
"""C{Server-Timing} and C{traceparent} on the HTTP surface."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.runs.run import Times
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.web.timing import server_timing
from openclaw_tx.wire.trace import parse_trace

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def ask(**fields: Any) -> dict[str, Any]:
    """A chat request."""
    return {"model": "openclaw", "messages": [{"role": "user", "content": "hi"}], **fields}


class TimingTests(SynchronousTestCase):
    """L{server_timing}."""

    def test_all(self) -> None:
        """Milliseconds with one decimal, in this order."""
        times = Times(100.0)
        times.started, times.called, times.first_text, times.ended = 100.002, 100.0035, 100.25, 101.0
        self.assertEqual(server_timing(times), "queue;dur=2.0, prep;dur=1.5, ttft;dur=250.0, total;dur=1000.0")

    def test_what_is_not_known_is_left_out(self) -> None:
        """A run that waits has none; one that never spoke has no C{ttft}; one that was remembered has nothing."""
        times = Times(100.0)
        self.assertEqual(server_timing(times), "")
        self.assertEqual(server_timing(Times(0.0)), "")
        times.started = times.ended = 100.5
        self.assertEqual(server_timing(times), "queue;dur=500.0, total;dur=500.0")


class HttpTests(SynchronousTestCase):
    """Over the whole gateway."""

    def setUp(self) -> None:
        """A gateway whose model waits for the test."""
        self.memory = MemoryGateway()
        self.addCleanup(self.memory.close)

    def post(self, body: Any, **headers: str) -> Any:
        """A chat request."""
        return self.memory.post("/v1/chat/completions", body, headers=headers)

    def test_whole(self) -> None:
        """An answer in one piece knows all of it."""
        answer = self.post(ask())
        self.memory.advance(0.5)
        self.memory.model.calls[0].text("pong")
        self.memory.advance(1)
        self.memory.model.calls[0].finish()
        self.memory.flush()
        self.assertEqual(
            answer.headers["server-timing"], "queue;dur=0.0, prep;dur=0.0, ttft;dur=500.0, total;dur=1500.0"
        )

    def test_stream(self) -> None:
        """A stream says what is known when its headers go out."""
        answer = self.post(ask(stream=True))
        self.memory.advance(0.5)
        self.memory.model.calls[0].text("pong")
        self.memory.flush()
        self.assertEqual(answer.headers["server-timing"], "queue;dur=0.0, prep;dur=0.0, ttft;dur=500.0")

    def test_stream_that_was_held_too_long(self) -> None:
        """Headers that went out before the first text can not tell when it comes."""
        answer = self.post(ask(stream=True))
        self.memory.advance(2.5)
        self.assertEqual(answer.headers["server-timing"], "queue;dur=0.0, prep;dur=0.0")

    def test_trace_goes_on(self) -> None:
        """The model is called in the client's trace, from a span of our own."""
        self.post(ask(), traceparent=PARENT)
        trace = parse_trace(self.memory.model.requests[0].traceparent)
        assert trace is not None
        self.assertEqual((trace.trace_id, trace.flags), (TRACE, "01"))
        self.assertNotEqual(trace.span_id, "00f067aa0ba902b7")

    def test_trace_of_its_own(self) -> None:
        """Without a usable header the run begins a trace, each run its own; a broken one is no reason to refuse."""
        self.post(ask())
        answer = self.post(ask(), traceparent="00-rubbish")
        self.assertEqual(answer.failure, None)
        traces = [parse_trace(request.traceparent) for request in self.memory.model.requests]
        self.assertEqual(len({trace.trace_id for trace in traces if trace is not None}), 2)

    def test_one_span_for_a_run(self) -> None:
        """All model calls of a run come from the same span."""
        self.memory.model.call_tool("agents_list", {})
        self.memory.model.say("pong")
        self.post(ask(), traceparent=PARENT)
        first, second = (request.traceparent for request in self.memory.model.requests)
        self.assertEqual(first, second)

    def test_websocket(self) -> None:
        """A C{req} frame carries one too, for C{agent} and for C{chat.send}."""
        socket = self.memory.websocket()
        socket.connect()
        for number, (method, params) in enumerate(
            (
                ("agent", {"message": "hi", "idempotencyKey": "one"}),
                ("chat.send", {"sessionKey": "two", "message": "hi", "idempotencyKey": "two"}),
            )
        ):
            frame = {"type": "req", "id": method, "method": method, "params": params, "traceparent": PARENT}
            socket.send(frame)
            self.memory.flush()
            self.assertTrue(socket.response(method)["ok"])
            self.assertIn(TRACE, self.memory.model.requests[number].traceparent)

    def test_malformed_in_a_frame(self) -> None:
        """Ignored."""
        socket = self.memory.websocket()
        socket.connect()
        params = {"message": "hi", "idempotencyKey": "one"}
        socket.send({"type": "req", "id": "a", "method": "agent", "params": params, "traceparent": "00-0-0-0"})
        self.assertTrue(socket.response("a")["ok"])
        self.assertIsNotNone(parse_trace(self.memory.model.requests[0].traceparent))
