# -*- test-case-name: tests.testing.test_gateway -*-
"""A model that says what a test tells it to."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from openclaw_tx.errors import CODES, GatewayError
from openclaw_tx.interfaces import OnEvents
from openclaw_tx.values import (
    FinishReason,
    ModelAnswered,
    ModelEvent,
    ModelInfo,
    ModelReply,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)


class ModelCall:
    """One call of the L{ScriptedModel} that a test answers by hand, step by step.

    @ivar request: what the gateway sent.
    @ivar cancelled: True once the gateway gave up on the call.
    """

    def __init__(self, model: ScriptedModel, request: ModelRequest, on_events: OnEvents) -> None:
        self.request = request
        self.cancelled = False
        self.done: Deferred[ModelReply] = Deferred(self._cancel)
        self._model = model
        self._on_events = on_events
        self._refused = False
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[ToolCall] = []
        self._answered = False

    def text(self, *pieces: str) -> None:
        """Say the pieces: one batch, one delta each."""
        self._text.extend(pieces)
        self._hand_on([TextDelta(text=piece) for piece in pieces])

    def refuse(self, *pieces: str) -> None:
        """Decline to answer, in these words."""
        self._refused = True
        self._text.extend(pieces)
        self._hand_on([TextDelta(text=piece, refusal=True) for piece in pieces])

    def reasoning(self, *pieces: str) -> None:
        """Think aloud."""
        self._reasoning.extend(pieces)
        self._hand_on([ReasoningDelta(text=piece) for piece in pieces])

    def call_tool(self, name: str, arguments: Mapping[str, Any] | str, call_id: str = "") -> None:
        """Ask for a tool, its arguments in one piece.

        @param arguments: an object, or the JSON text just as it is to arrive (also a broken one).
        """
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        index = len(self._calls)
        call = ToolCall(id=call_id or f"call_{self._model.next_number()}", name=name, arguments=text)
        self._calls.append(call)
        self._hand_on([ToolCallDelta(index=index, id=call.id, name=name, arguments=text)])

    def finish(self, reason: FinishReason | None = None, usage: Usage | None = None) -> None:
        """End the call well."""
        self._hand_on([])
        self.done.callback(
            ModelReply(
                text="".join(self._text),
                reasoning="".join(self._reasoning),
                tool_calls=tuple(self._calls),
                finish_reason=reason or ("tool_calls" if self._calls else "stop"),
                usage=usage or Usage(prompt_tokens=10, completion_tokens=5),
                provider=self._model.provider,
                model=self._model.model,
                refusal=self._refused,
            )
        )

    def fail(self, code: str = "provider_error", message: str = "upstream provider error") -> None:
        """End the call with an error of L{openclaw_tx.errors.CODES}."""
        self.done.errback(GatewayError(code, message))

    def _hand_on(self, events: list[ModelEvent]) -> None:
        if not self._answered:
            self._answered = True
            events = [ModelAnswered(provider=self._model.provider, model=self._model.model, round=0), *events]
        if events:
            self._on_events(events)

    def _cancel(self, _: Deferred[ModelReply]) -> None:
        self.cancelled = True


Play = Callable[[ModelCall], None]


class ScriptedModel:
    """A provider (L{openclaw_tx.interfaces.ModelProvider}) for tests: no network, no randomness, no waiting.

    Queue answers with L{say}, L{call_tool}, L{fail}; they are played at once, in order, one a model call. With nothing
    queued a call stays open, and the test answers it by hand through L{calls}.

    @ivar calls: every call made so far, oldest first.
    """

    def __init__(
        self,
        provider: str = "scripted",
        model: str = "model",
        context_window: int = 200_000,
        *,
        response_format: bool = False,
        reasoning: bool = False,
    ) -> None:
        """
        @param response_format: it claims to hold answers to C{response_format}.
        @param reasoning: it claims to think.
        """
        self._response_format = response_format
        self._reasoning = reasoning
        self.provider = provider
        self.model = model
        self.calls: list[ModelCall] = []
        self._context_window = context_window
        self._plays: deque[Play] = deque()
        self._number = 0

    @property
    def ref(self) -> str:
        """What C{agents.defaults.model} must name: C{provider/model}."""
        return f"{self.provider}/{self.model}"

    @property
    def requests(self) -> list[ModelRequest]:
        """What the gateway asked so far."""
        return [call.request for call in self.calls]

    def say(self, *pieces: str, usage: Usage | None = None, reason: FinishReason | None = None) -> None:
        """Queue an answer."""

        def play(call: ModelCall) -> None:
            call.text(*pieces)
            call.finish(reason, usage)

        self._plays.append(play)

    def call_tool(self, name: str, arguments: Mapping[str, Any] | str, text: str = "") -> None:
        """Queue an answer that calls one tool, after saying C{text}."""

        def play(call: ModelCall) -> None:
            if text:
                call.text(text)
            call.call_tool(name, arguments)
            call.finish()

        self._plays.append(play)

    def call_tools(self, *calls: tuple[str, Mapping[str, Any]]) -> None:
        """Queue an answer that calls several tools: names and arguments."""

        def play(call: ModelCall) -> None:
            for name, arguments in calls:
                call.call_tool(name, arguments)
            call.finish()

        self._plays.append(play)

    def fail(self, code: str = "provider_error", message: str = "upstream provider error", after: str = "") -> None:
        """Queue a failure, after C{after} was said. One that may be gone a moment later, such as
        C{provider_rate_limit}, is tried again when time has passed; that is a call of its own.

        @raise ValueError: there is no such code in L{openclaw_tx.errors.CODES}.
        """
        if code not in CODES:
            raise ValueError(f"{code!r} is no code of an error; openclaw_tx.errors.CODES has them")

        def play(call: ModelCall) -> None:
            if after:
                call.text(after)
            call.fail(code, message)

        self._plays.append(play)

    def next_number(self) -> int:
        """1, 2, 3 ...: for ids."""
        self._number += 1
        return self._number

    # -- the seam

    def models(self) -> Sequence[ModelInfo]:
        """The one model it has."""
        return [
            ModelInfo(
                provider=self.provider,
                id=self.model,
                name=self.model,
                context_window=self._context_window,
                max_tokens=8192,
                input=("text", "image"),
                response_format=self._response_format,
                reasoning=self._reasoning,
            )
        ]

    async def stream(self, model: str, request: ModelRequest, on_events: OnEvents) -> ModelReply:
        """See L{openclaw_tx.interfaces.ModelProvider.stream}."""
        call = ModelCall(self, request, on_events)
        self.calls.append(call)
        if self._plays:
            self._plays.popleft()(call)
        return await call.done

    async def close(self) -> None:
        """Give up on calls still open."""
        for call in self.calls:
            if not call.done.called:
                call.done.errback(CancelledError())


__all__ = ["ModelCall", "ScriptedModel"]
