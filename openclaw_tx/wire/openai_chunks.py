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

from openclaw_tx.values import FinishReason, ModelEvent, Usage
from openclaw_tx.wire.openai_completions import API, REASONING
from openclaw_tx.wire.replay import Piece
from openclaw_tx.wire.replies import OpenCall, ReplyReader, as_text
from openclaw_tx.wire.upstream import UpstreamError, count, error_of

_SNAPSHOT_CHARS = 32

_FINE = (None, "", 0, "0", 200, "200")
"""Codes that are none of an error, where code and message stand by themselves, as in what Alibaba's servers send."""

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
    extra_content: Any = None


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


_decoder = msgspec.json.Decoder(_Chunk)


class ChunkReader(ReplyReader):
    """Turns chunks into events and, at the end, into the whole reply; C{[DONE]} is its end."""

    api = API

    def __init__(self, new_id: Callable[[], str]) -> None:
        super().__init__(new_id)
        self._by_index: dict[int | str, OpenCall] = {}
        self._finish: str | None = None

    @property
    def finished(self) -> bool:
        """The answer is complete, even if the stream goes on."""
        return self.done or self._finish is not None

    def read(self, payload: bytes, events: list[ModelEvent]) -> None:
        if self.done:
            return
        if payload == b"[DONE]" or not payload.strip():
            self.done = bool(payload.strip())
            return
        try:
            chunk = self._decoded(_decoder, payload)
        except UpstreamError:
            if payload.strip() == b"[DONE]":
                self.done = True
                return
            raise
        is_bare = chunk.choices is None and chunk.message and chunk.code not in _FINE
        if chunk.error or chunk.object == "error" or is_bare:
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
        self.read(body, events)
        if not self._text and not self._reasoning and not self._calls and self._finish is None:
            raise UpstreamError("The provider's answer holds no choices.")
        self.done = True

    def finish(self, events: list[ModelEvent]) -> None:
        """See L{ReplyReader.finish}.

        @raise UpstreamError: also when the answer ended by the provider's own failure.
        """
        if self._finish in ("error", "abort"):
            raise UpstreamError(f"The provider ended the answer with finish_reason {self._finish!r}.")
        self._reason = _FINISH.get(self._finish, "stop") if self._finish else None
        super().finish(events)

    def _delta(self, delta: _Delta, finish: str | None, events: list[ModelEvent]) -> None:
        # Both names with the same text are sent by some servers: one of them counts.
        thought = delta.reasoning_content or delta.reasoning
        if thought and isinstance(thought, str):
            if delta.reasoning_content and not self._reasoning:
                self._pieces.append(Piece(kind="thought", data=REASONING))
            self._think(thought, events)
        content = delta.content
        if content:
            if isinstance(content, str):
                if not (finish and self._is_snapshot(content)):
                    self._say(content, events)
            else:
                self._parts(content, events)
        if delta.refusal:
            self._decline(delta.refusal, events)
        if delta.tool_calls:
            for call in delta.tool_calls:
                self._call(call, events)

    def _is_snapshot(self, text: str) -> bool:
        """The last chunk repeats the whole answer, as some servers do; short texts get the benefit of the doubt."""
        return len(self._text) > 1 and len(text) >= _SNAPSHOT_CHARS and text == "".join(self._text)

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
        call.piece.data = piece.extra_content or call.piece.data
        self._grow(call, as_text(function.arguments), events)

    def _slot(self, piece: _Call, function: _Function) -> OpenCall:
        """The call that a piece belongs to.

        A new one begins with a new index, or with a new id and a name under an index that is missing or not changed.
        It also begins with a name and arguments where the last call is complete that is all we know it by, an index
        without an id or an id without an index: two have the same.
        """
        given = "" if piece.id is None else str(piece.id)
        if piece.index is not None:
            known = self._by_index.get(piece.index)
        else:
            known = next((c for c in reversed(self._calls) if c.given == given), None) if given else None
        by_one = piece.index is None or not given
        if known is not None and by_one and function.name and as_text(function.arguments).strip() and _is_whole(known):
            known = None
        if known is None and piece.index is None and not function.name and self._calls:
            return self._calls[-1]
        if known is not None and not (given and function.name and known.name and given != known.given):
            return known
        call = self._open(given, "")
        if piece.index is not None:
            self._by_index[piece.index] = call
        return call


def _is_whole(call: OpenCall) -> bool:
    """Whether the arguments of a call are complete, so that no piece of them can follow."""
    if not call.name or not call.arguments or not call.arguments[-1].rstrip().endswith("}"):
        return False  # what is below is not done for each piece
    try:
        return isinstance(msgspec.json.decode("".join(call.arguments)), dict)
    except (msgspec.MsgspecError, RecursionError):
        return False


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


__all__ = ["ChunkReader"]
