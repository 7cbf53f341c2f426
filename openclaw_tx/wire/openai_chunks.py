# -*- test-case-name: tests.wire.test_openai_completions -*-
"""Answers of a provider that speaks OpenAI's Chat Completions, stream or whole (API reference, "Streaming").

Many servers speak this only nearly; what they are known to do differently is put right here, so that nobody above has
to know: ids that are empty, repeated or numbers, arguments that are null or an object, indexes missing or all 0,
lists that are null, content as a list of parts, a finish reason that is missing, foreign or does not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from openclaw_tx.values import (
    FinishReason,
    ModelEvent,
    ModelReply,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from openclaw_tx.wire.openai_errors import UpstreamError, count, error_of

MAX_TOOL_CALLS = 256
"""Most tool calls in one answer."""

_SNAPSHOT_CHARS = 32

_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: Any = None


class _Call(msgspec.Struct):
    index: int | str | None = None
    id: str | int | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    index: int | None = None
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None
    usage: Any = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None
    object: Any = None
    message: Any = None
    code: Any = None
    type: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode


class _OpenCall:
    """A tool call under construction."""

    __slots__ = ("announced", "arguments", "held", "id", "index", "name")

    def __init__(self, index: int, call_id: str) -> None:
        self.index = index
        self.id = call_id
        self.name = ""
        self.arguments: list[str] = []
        self.held: list[str] = []  # pieces that came before the name
        self.announced = False


class ChunkReader:
    """Turns chunks into events and, at the end, into the whole reply.

    @ivar done: C{[DONE]} has come: nothing more is to be read.
    """

    def __init__(self, new_id: Callable[[], str]) -> None:
        """
        @param new_id: makes an id for a tool call that came without one.
        """
        self.done = False
        self._new_id = new_id
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[_OpenCall] = []
        self._by_index: dict[int | str, _OpenCall] = {}
        self._finish: str | None = None
        self._refused = False
        self._usage = Usage()

    @property
    def finished(self) -> bool:
        """The answer is complete, even if the stream goes on."""
        return self.done or self._finish is not None

    def read(self, payload: bytes, events: list[ModelEvent]) -> None:
        """Read one payload and append what it brought to C{events}.

        @raise UpstreamError: the provider reports an error, or sent something that can not be read.
        """
        if self.done:
            return
        if payload == b"[DONE]" or not payload.strip():
            self.done = bool(payload.strip())
            return
        try:
            chunk = _decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            if payload.strip() == b"[DONE]":
                self.done = True
                return
            raise UpstreamError("The provider sent a chunk that can not be read.") from None
        if chunk.error or chunk.object == "error":
            raise error_of(chunk.error or {"message": chunk.message, "type": chunk.type, "code": chunk.code})
        if chunk.usage is not None:
            self._usage = _usage(chunk.usage)
        for choice in chunk.choices or ():
            if choice.index:
                continue  # a second candidate that nobody asked for
            if choice.delta is not None:
                self._delta(choice.delta, choice.finish_reason, events)
            elif choice.message is not None and not (self._text or self._calls):
                self._delta(choice.message, None, events)
            if choice.finish_reason:
                self._finish = choice.finish_reason
            if choice.usage is not None:
                self._usage = _usage(choice.usage)

    def read_whole(self, body: bytes, events: list[ModelEvent]) -> None:
        """Read the reply of a provider that did not stream.

        @raise UpstreamError: as L{read}.
        """
        self.read(body, events)
        if not self._text and not self._reasoning and not self._calls and self._finish is None:
            raise UpstreamError("The provider's answer holds no choices.")
        self.done = True

    def finish(self, events: list[ModelEvent]) -> None:
        """The answer is over: complete what can be completed.

        @raise UpstreamError: it was cut off, or ended by the provider's own failure.
        """
        if not self.finished:
            raise UpstreamError("The provider's answer broke off before its end.")
        if self._finish in ("error", "abort"):
            raise UpstreamError(f"The provider ended the answer with finish_reason {self._finish!r}.")
        for call in self._calls:
            if not call.name:
                raise UpstreamError("The provider sent a tool call without a name.")
            if not "".join(call.arguments).strip():
                call.arguments = ["{}"]
                events.append(ToolCallDelta(index=call.index, id="", name="", arguments="{}"))

    def reply(self, provider: str, model: str) -> ModelReply:
        """The whole answer; valid after L{finish}."""
        reason = _FINISH.get(self._finish or "stop", "stop")
        if self._calls and reason == "stop":
            reason = "tool_calls"
        elif not self._calls and reason == "tool_calls":
            reason = "stop"
        return ModelReply(
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            tool_calls=tuple(ToolCall(id=c.id, name=c.name, arguments="".join(c.arguments)) for c in self._calls),
            finish_reason=reason,
            usage=self._usage,
            provider=provider,
            model=model,
            refusal=self._refused,
        )

    def _delta(self, delta: _Delta, finish: str | None, events: list[ModelEvent]) -> None:
        # Both names with the same text are sent by some servers: one of them counts.
        thought = delta.reasoning_content or delta.reasoning
        if thought and isinstance(thought, str):
            self._think(thought, events)
        content = delta.content
        if content:
            if isinstance(content, str):
                if not (finish and self._is_snapshot(content)):
                    self._say(content, events)
            else:
                self._parts(content, events)
        if delta.refusal:
            self._refused = True
            self._say(delta.refusal, events)
        if delta.tool_calls:
            for call in delta.tool_calls:
                self._call(call, events)

    def _is_snapshot(self, text: str) -> bool:
        """The last chunk repeats the whole answer, as some servers do; short texts get the benefit of the doubt."""
        return len(self._text) > 1 and len(text) >= _SNAPSHOT_CHARS and text == "".join(self._text)

    def _say(self, text: str, events: list[ModelEvent]) -> None:
        self._text.append(text)
        events.append(TextDelta(text=text, refusal=self._refused))

    def _think(self, text: str, events: list[ModelEvent]) -> None:
        self._reasoning.append(text)
        events.append(ReasoningDelta(text=text))

    def _parts(self, parts: list[Any], events: list[ModelEvent]) -> None:
        """Content as a list of parts: text, and thinking that holds parts of its own."""
        for part in parts:
            if not isinstance(part, dict):
                continue
            if isinstance(part.get("text"), str):
                self._say(part["text"], events)
            elif isinstance(part.get("thinking"), list):
                for inner in part["thinking"]:
                    if isinstance(inner, dict) and isinstance(inner.get("text"), str):
                        self._think(inner["text"], events)

    def _call(self, piece: _Call, events: list[ModelEvent]) -> None:
        function = piece.function or _Function()
        call = self._slot(piece, function)
        call.name = call.name or function.name or ""
        arguments = function.arguments
        if arguments is not None and arguments != "":
            text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode("utf-8")
            call.arguments.append(text)
            call.held.append(text)
        if not call.name:
            return  # the first event of a call carries its name
        if not call.announced or call.held:
            told, call.announced = call.announced, True
            events.append(
                ToolCallDelta(
                    index=call.index,
                    id="" if told else call.id,
                    name="" if told else call.name,
                    arguments="".join(call.held),
                )
            )
            call.held.clear()

    def _slot(self, piece: _Call, function: _Function) -> _OpenCall:
        """The call that a piece belongs to.

        A new one begins with a new index, or with a new id and a name under an index that is missing or not changed.
        """
        given = "" if piece.id is None else str(piece.id)
        if piece.index is not None:
            known = self._by_index.get(piece.index)
        else:
            known = next((c for c in self._calls if c.id == given), None) if given else None
            if known is None and not function.name and self._calls:
                return self._calls[-1]
        if known is not None and not (given and function.name and known.name and given != known.id):
            return known
        if len(self._calls) >= MAX_TOOL_CALLS:
            raise UpstreamError(f"The provider sent more than {MAX_TOOL_CALLS} tool calls in one answer.")
        call = _OpenCall(len(self._calls), given or self._new_id())
        self._calls.append(call)
        if piece.index is not None:
            self._by_index[piece.index] = call
        return call


def _usage(found: Any) -> Usage:
    """Token counts; what is not said or not a number stays unknown."""
    if not isinstance(found, dict):
        return Usage()
    prompt, completion = found.get("prompt_tokens_details"), found.get("completion_tokens_details")
    cached = prompt.get("cached_tokens") if isinstance(prompt, dict) else found.get("prompt_cache_hit_tokens")
    thought = completion.get("reasoning_tokens") if isinstance(completion, dict) else None
    return Usage(
        prompt_tokens=count(found.get("prompt_tokens")),
        completion_tokens=count(found.get("completion_tokens")),
        cached_tokens=count(cached),
        reasoning_tokens=count(thought),
    )


__all__ = ["MAX_TOOL_CALLS", "ChunkReader"]
