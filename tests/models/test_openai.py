# -*- test-case-name: tests.models.test_openai -*-
"""The adapter for servers that speak OpenAI's Chat Completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import structs

from treq.testing import RequestTraversalAgent
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request

from openclaw_tx.errors import GatewayError
from openclaw_tx.models.http import HttpDoor
from openclaw_tx.models.openai import speaking
from openclaw_tx.models.provider import HttpProvider, ServedModel, Service
from openclaw_tx.values import ModelEvent, ModelInfo, Sampling, TextDelta, ToolCallDelta
from openclaw_tx.wire.openai_completions import Dialect
from tests.contract import model_provider as contract
from tests.contract.model_provider import WEATHER, prompt
from tests.models.memory import URL, Memory, start


def served(name: str = "m", **more: Any) -> ServedModel:
    """A model."""
    info = ModelInfo(provider="p", id=name, name=name, context_window=1000, max_tokens=100)
    return ServedModel(info=info, codec=more.pop("codec", speaking(Dialect())), **more)


def provider(memory: Memory, *models: ServedModel, **more: Any) -> HttpProvider:
    """The adapter over a network in memory."""
    return HttpProvider(
        Service("p", memory.door(), {"Authorization": "Bearer sk-secret"}, lambda: "new-id"),
        models or [served()],
        **more,
    )


class ContractTests(contract.ModelProviderContract):
    """L{HttpProvider} keeps the contract."""

    def make(self) -> None:
        self.memory = Memory()
        self.provider = provider(self.memory)


class RequestTests(SynchronousTestCase):
    """What the server gets to see."""

    def setUp(self) -> None:
        self.memory = Memory()

    def seen(self, adapter: HttpProvider, model: str = "m", **more: Any) -> Any:
        """The exchange of one call."""
        called = start(adapter.stream(model, prompt("hi", **more), lambda events: None))
        self.memory.advance(0.2)
        self.successResultOf(called)
        return self.memory.upstream.exchanges[-1]

    def test_headers(self) -> None:
        """The key, JSON out and a stream in; a model's own headers come on top."""
        plain = self.seen(provider(self.memory)).headers
        self.assertEqual(
            {name: plain.get(name) for name in ("authorization", "content-type", "accept", "accept-encoding", "x-a")},
            {
                "authorization": "Bearer sk-secret",
                "content-type": "application/json",
                "accept": "text/event-stream",
                "accept-encoding": None,
                "x-a": None,
            },
        )
        own = self.seen(provider(self.memory, served(headers={"X-A": "1", "Authorization": "other"}))).headers
        self.assertEqual((own["x-a"], own["authorization"]), ("1", "other"))

    def test_trace(self) -> None:
        """The trace of a request goes along, and not with the next one; a header of the configuration stays."""
        adapter = provider(self.memory, served(), served("own", headers={"Traceparent": "configured"}))

        def sent(model: str, traceparent: str) -> str | None:
            request = structs.replace(prompt("hi"), traceparent=traceparent)
            called = start(adapter.stream(model, request, lambda events: None))
            self.memory.advance(0.2)
            self.successResultOf(called)
            found: str | None = self.memory.upstream.exchanges[-1].headers.get("traceparent")
            return found

        self.assertEqual(sent("m", "00-of-the-run"), "00-of-the-run")
        self.assertIsNone(sent("m", ""))
        self.assertEqual(sent("own", "00-of-the-run"), "configured")

    def test_defaults(self) -> None:
        """A model's defaults fill what the request leaves open, and no more."""
        adapter = provider(self.memory, served(defaults=Sampling(max_tokens=64, temperature=0.5)))
        body = self.seen(adapter).body
        self.assertEqual((body["max_tokens"], body["temperature"], body["stream"]), (64, 0.5, True))
        called = start(adapter.stream("m", prompt("hi", sampling=Sampling(temperature=0.0)), lambda events: None))
        self.memory.advance(0.2)
        self.successResultOf(called)
        body = self.memory.upstream.exchanges[-1].body
        self.assertEqual((body["max_tokens"], body["temperature"]), (64, 0.0))

    def test_unlisted_model(self) -> None:
        """A provider without a list takes any model id, with its slashes."""
        any_model = served("", codec=speaking(Dialect(store=True)))
        adapter = HttpProvider(Service("p", self.memory.door(), {}, lambda: "x"), [], any_model=any_model)
        body = self.seen(adapter, "org/model:tag").body
        self.assertEqual((body["model"], body["store"]), ("org/model:tag", False))


class Canned(Resource):
    """Gives one answer, whatever is asked."""

    isLeaf = True

    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        super().__init__()
        self._status, self._body, self._headers = status, body, headers

    def render_POST(self, request: Request) -> bytes:
        """The answer."""
        request.setResponseCode(self._status)
        for name, value in self._headers.items():
            request.setHeader(name, value)
        return self._body


class AnswerTests(SynchronousTestCase):
    """Answers that a well-behaved server would not give, through the real HTTP stack."""

    def ask(self, status: int, body: bytes, **headers: str) -> tuple[Any, list[Sequence[ModelEvent]]]:
        """What a call comes to, and what was handed on."""
        clock = Clock()
        canned = Canned(status, body, {name.replace("_", "-"): value for name, value in headers.items()})
        agent = RequestTraversalAgent(canned)
        nowhere: Any = None
        door = HttpDoor(nowhere, clock, URL, connect_timeout_s=1, idle_timeout_s=9, agent=agent)
        adapter = HttpProvider(Service("p", door, {}, lambda: "new-id"), [served()])
        batches: list[Sequence[ModelEvent]] = []
        called = start(adapter.stream("m", prompt("hi", WEATHER), batches.append))
        agent.flush()
        clock.advance(1)
        agent.flush()
        self.assertEqual(clock.getDelayedCalls(), [])
        results: list[Any] = []
        called.addBoth(results.append)
        return results[0], batches

    def error(self, status: int, body: bytes, **headers: str) -> GatewayError:
        """The error that a call comes to."""
        failure, batches = self.ask(status, body, **headers)
        self.assertEqual(batches, [])
        error: GatewayError = failure.value
        self.assertIsInstance(error, GatewayError)
        return error

    def test_whole_reply(self) -> None:
        """A server that does not stream is understood."""
        body = b'{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}'
        reply, batches = self.ask(200, body, content_type="application/json; charset=utf-8")
        self.assertEqual((reply.text, len(batches)), ("x", 1))
        self.assertEqual(batches[0][1], TextDelta(text="x"))

    def test_misnamed(self) -> None:
        """Whether an answer is whole is seen from how it begins, whatever the server calls it."""
        whole = b'\r\n {"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}'
        stream = b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}\n\n'
        for kind in ("application/json", "text/plain", "text/event-stream", "text/html", "application/octet-stream"):
            for body in (whole, stream, b": hello\n" + stream, b"\n\n" + stream, b"\xef\xbb\xbf" + stream):
                reply, batches = self.ask(200, body, content_type=kind)
                self.assertEqual((reply.text, len(batches)), ("x", 1), (kind, body))

    def test_error_with_status_200(self) -> None:
        """An error in JSON, whatever it is called, or as the first event is an error."""
        for kind, body in (
            ("application/json", b'{"error":{"message":"m","code":429}}'),
            ("text/plain", b'{"error":{"message":"m","code":429}}'),
            ("text/event-stream", b'{\n  "error": {"message":"m","code":429}\n}\n'),
            ("text/event-stream", b'data: {"error":{"message":"m","code":429}}\n\n'),
        ):
            error = self.error(200, body, content_type=kind)
            self.assertEqual((error.info.code, str(error)), ("provider_rate_limit", "p/m: 429 m"))

    def test_not_a_stream(self) -> None:
        """A page of HTML, nothing at all, and a stream that just ends."""
        for body in (b"<html></html>", b"", b'data: {"choices":[{"delta":{"role":"assistant"}}]}\n\n'):
            self.assertEqual(self.error(200, body, content_type="text/html").info.code, "provider_error")

    def test_farewell_is_optional(self) -> None:
        """The last event may lack its blank line, [DONE] may lack altogether."""
        first = b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}'
        for body in (first, first + b"\n\n", first + b"\n\ndata: [DONE]"):
            self.assertEqual(self.ask(200, body)[0].text, "x")

    def test_tool_call_without_id_and_finish(self) -> None:
        """An id is made up, and the reason inferred."""
        body = b'data: {"choices":[{"delta":{"tool_calls":[{"function":{"name":"f"}}]}}]}\n\ndata: [DONE]\n\n'
        reply, batches = self.ask(200, body)
        self.assertEqual((reply.tool_calls[0].id, reply.finish_reason), ("new-id", "tool_calls"))
        told = [event for batch in batches for event in batch if isinstance(event, ToolCallDelta)]
        self.assertEqual("".join(event.arguments for event in told), "{}")

    def test_words_of_a_rejection(self) -> None:
        """A rejected request is answered in the provider's own words, after the model and the status."""
        error = self.error(400, b'{"error":{"message":"stub says 400"}}')
        self.assertEqual((error.info.code, str(error)), ("provider_rejected", "p/m: 400 stub says 400"))

    def test_redirect(self) -> None:
        """A redirect is a misconfiguration, not an answer; its target is not named."""
        error = self.error(302, b"", location="http://else.example/")
        self.assertEqual(error.info.code, "provider_error")
        self.assertNotIn("else.example", str(error))

    def test_retry_after(self) -> None:
        """Seconds, milliseconds, and a date; nonsense is nothing."""
        date = "Sun, 22 Nov 2026 10:00:00 GMT"
        for headers, wait in (
            ({"retry_after": "3"}, 3.0),
            ({"retry_after": "9", "retry_after_ms": "1500"}, 1.5),
            ({"retry_after": "Sun, 22 Nov 2026 10:00:30 GMT", "date": date}, 30.0),
            ({"retry_after": "Sun, 22 Nov 2026 09:00:00 GMT", "date": date}, 0.0),
            ({"retry_after": "Sunday, 22-Nov-26 10:00:30 GMT", "date": date}, 30.0),
            ({"retry_after": "soon", "date": date}, None),
            ({"retry_after": "Thu, 01 Jan 1970 00:01:00 GMT", "date": "none"}, 60.0),  # our clock has just begun
            ({"retry_after": "soon", "date": "none"}, None),
            ({"retry_after": "Sun, 99 Nov 2026 09:00:00 GMT"}, None),
            ({"retry_after": "-5"}, None),
            ({"retry_after": "inf"}, None),
            ({"retry_after": "nan"}, None),
            ({}, None),
        ):
            self.assertEqual(self.error(429, b"{}", **headers).info.retry_after, wait, headers)
