"""What every L{openclaw_tx.interfaces.ModelProvider} must do.

An adapter's test case mixes this in and says how to make the provider over a network in memory whose other end obeys
the directives of L{tests.support.upstream}.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import CODES, GatewayError
from openclaw_tx.interfaces import ModelProvider
from openclaw_tx.values import (
    ModelAnswered,
    ModelEvent,
    ModelReply,
    ModelRequest,
    ReasoningDelta,
    Sampling,
    TextDelta,
    TextPart,
    ToolCallDelta,
    ToolSpec,
    Usage,
    UserMessage,
)
from tests.models.memory import Memory, start

WEATHER = ToolSpec(name="get_weather", description="d", parameters={"type": "object", "properties": {}})


def prompt(text: str, *tools: ToolSpec, sampling: Sampling = Sampling()) -> ModelRequest:  # noqa: B008 (immutable)
    """A request with one user message."""
    message = UserMessage(content=(TextPart(text=text),))
    return ModelRequest(system="S", messages=(message,), tools=tools, sampling=sampling)


class ModelProviderContract(SynchronousTestCase):
    """Mixed into a test case that defines L{make}.

    @ivar memory: the network that the provider uses.
    @ivar provider: the provider under test.
    """

    memory: Memory
    provider: ModelProvider

    def make(self) -> None:
        """Set C{memory} and C{provider}; called before each test."""
        raise NotImplementedError

    def setUp(self) -> None:
        self.make()
        self.batches: list[Sequence[ModelEvent]] = []
        self.addCleanup(self._close)

    def _close(self) -> None:
        closing = start(self.provider.close())
        self.settle()
        self.successResultOf(closing)
        self.assertEqual(self.memory.open_connections, 0)

    def settle(self) -> None:
        """Let everything that is due happen."""
        self.memory.accept()
        self.memory.advance(0.2)

    def call(self, text: str, *tools: ToolSpec, model: str = "") -> Deferred[ModelReply]:
        """Start a call; L{batches} fills."""
        model = model or self.provider.models()[0].id
        called = start(self.provider.stream(model, prompt(text, *tools), self.batches.append))
        self.settle()
        return called

    def events(self, kind: type[Any]) -> list[Any]:
        """Events of a kind in the order handed on."""
        return [event for batch in self.batches for event in batch if isinstance(event, kind)]

    def test_models(self) -> None:
        """It has models, under one provider id, with limits that make sense."""
        models = self.provider.models()
        self.assertTrue(models)
        self.assertEqual(len({info.provider for info in models}), 1)
        for info in models:
            self.assertGreaterEqual(info.context_window, info.max_tokens)
            self.assertGreater(info.max_tokens, 0)

    def test_answer(self) -> None:
        """The first batch starts with C{ModelAnswered}; the deltas add up to the reply."""
        reply = self.successResultOf(self.call("[[chunks=3 usage=21,9]]"))
        info = self.provider.models()[0]
        answered = ModelAnswered(provider=info.provider, model=info.id, round=0)
        self.assertEqual(self.batches[0][0], answered)
        self.assertEqual(self.events(ModelAnswered), [answered])
        self.assertEqual("".join(event.text for event in self.events(TextDelta)), "c1 c2 c3")
        self.assertEqual((reply.text, reply.finish_reason, reply.tool_calls), ("c1 c2 c3", "stop", ()))
        self.assertEqual(reply.usage, Usage(prompt_tokens=21, completion_tokens=9))
        self.assertEqual((reply.provider, reply.model), (info.provider, info.id))

    def test_text_leaves_as_it_comes(self) -> None:
        """A delta is handed on when it is here, not at the end; no batch is empty."""
        called = self.call("[[chunks=3 delay=1]]")
        self.memory.advance(1.5)
        self.assertEqual([event.text for event in self.events(TextDelta)], ["c1"])
        self.assertNoResult(called)
        self.memory.advance(3)
        self.successResultOf(called)
        self.assertEqual([event.text for event in self.events(TextDelta)], ["c1", " c2", " c3"])
        self.assertNotIn([], [list(batch) for batch in self.batches])

    def test_reasoning_apart(self) -> None:
        """Thinking is not part of the text."""
        reply = self.successResultOf(self.call("[[think=1 reply=after]]"))
        self.assertEqual((reply.text, reply.reasoning), ("after", "thinking hard"))
        self.assertEqual("".join(event.text for event in self.events(ReasoningDelta)), "thinking hard")

    def test_tool_call(self) -> None:
        """Id and name come once, with the first piece; the pieces add up to the reply's call."""
        for text, arguments in (('[[tool=get_weather args={"a":1}]]', '{"a":1}'), ("[[tool=get_weather]]", "{}")):
            self.batches.clear()
            reply = self.successResultOf(self.call(text, WEATHER))
            (call,) = reply.tool_calls
            deltas = self.events(ToolCallDelta)
            self.assertEqual((deltas[0].id, deltas[0].name), (call.id, "get_weather"))
            self.assertTrue(call.id)
            self.assertEqual({(event.id, event.name) for event in deltas[1:]} - {("", "")}, set())
            self.assertEqual("".join(event.arguments for event in deltas), arguments)
            self.assertEqual((call.arguments, reply.finish_reason), (arguments, "tool_calls"))

    def test_nothing_said(self) -> None:
        """An empty answer is an answer: it is announced, and the reply is empty."""
        reply = self.successResultOf(self.call("[[empty=1]]"))
        self.assertEqual((reply.text, reply.tool_calls), ("", ()))
        self.assertEqual([type(event) for batch in self.batches for event in batch], [ModelAnswered])

    def test_cut_short_by_length(self) -> None:
        """The provider's own limit shows."""
        self.assertEqual(self.successResultOf(self.call("[[finish=length]]")).finish_reason, "length")

    def failed(self, called: Deferred[ModelReply]) -> GatewayError:
        """The error that a call ended with."""
        failure: Failure = self.failureResultOf(called, GatewayError)
        self.assertIn(failure.value.info.code, CODES)
        error: GatewayError = failure.value
        return error

    def test_unknown_model(self) -> None:
        """A model that it does not have is not asked for."""
        self.assertEqual(self.failed(self.call("hi", model="nope")).info.code, "model_not_found")
        self.assertEqual(self.memory.upstream.exchanges, [])

    def test_refusals(self) -> None:
        """Statuses become codes; nothing was handed on; one call is one attempt."""
        for status, code in (
            (400, "provider_rejected"),
            (401, "provider_auth"),
            (402, "provider_billing"),
            (403, "provider_forbidden"),
            (408, "provider_timeout"),
            (429, "provider_rate_limit"),
            (500, "provider_error"),
            (503, "provider_overloaded"),
        ):
            self.memory.upstream.exchanges.clear()
            error = self.failed(self.call(f"[[status={status} retry=7]]"))
            self.assertEqual((error.info.code, self.batches), (code, []))
            self.assertEqual(len(self.memory.upstream.exchanges), 1)
            self.assertEqual(error.info.retry_after, 7 if status in (408, 429, 500, 503) else None)

    def test_failures_in_mid_stream(self) -> None:
        """A cut connection and an error object: what was said was handed on, then the call fails."""
        for text in ("[[chunks=5 drop=2 delay=0.1]]", "[[chunks=5 errmid=2 delay=0.1]]"):
            self.batches.clear()
            called = self.call(text)
            self.memory.advance(2)
            self.assertEqual(self.failed(called).info.code, "provider_error")
            self.assertEqual("".join(event.text for event in self.events(TextDelta)), "c1 c2")

    def test_silence(self) -> None:
        """A provider that says nothing any more has failed, and is hung up on."""
        for text in ("[[hang=1]]", "[[chunks=3 hang=2]]"):
            called = self.call(text)
            self.assertNoResult(called)
            self.memory.advance(301, step=1)
            self.assertEqual(self.failed(called).info.code, "provider_timeout")
            self.memory.advance(0.2)
            self.assertEqual(self.memory.upstream.exchanges[-1].outcome, "hung up")

    def test_cancel(self) -> None:
        """Before the head, before the first word and in mid-answer: the connection is closed within a second."""
        for text in ("[[hang=1]]", "[[chunks=3 delay=9]]", "[[chunks=3 hang=2]]"):
            called = self.call(text)
            self.assertNoResult(called)
            self.assertEqual(self.memory.upstream.exchanges[-1].outcome, "open")
            called.cancel()
            self.failureResultOf(called, CancelledError)
            told = len(self.batches)
            self.memory.advance(0.9)
            self.assertEqual(self.memory.upstream.exchanges[-1].outcome, "hung up")
            self.assertEqual(len(self.batches), told)

    def test_parallel_calls_do_not_mix(self) -> None:
        """Two calls at the same time each get their own answer."""
        one, two = self.call("[[chunks=3 delay=0.1]]"), self.call("[[reply=other delay=0.1]]")
        self.memory.advance(2)
        self.assertEqual(self.successResultOf(one).text, "c1 c2 c3")
        self.assertEqual(self.successResultOf(two).text, "other")
