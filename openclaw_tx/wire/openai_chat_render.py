# -*- test-case-name: tests.wire.test_openai_chat_render -*-
"""C{POST /v1/chat/completions}: results and stream events become bytes. Pure (spec 1.1, OpenAI API reference)."""

from __future__ import annotations

import msgspec

from openclaw_tx._version import __version__
from openclaw_tx.errors import ErrorInfo
from openclaw_tx.values import (
    FinishReason,
    MessageEnded,
    ReasoningDelta,
    RunEvent,
    RunResult,
    TextDelta,
    ToolEnded,
    ToolStarted,
    Usage,
)
from openclaw_tx.wire.openai_chat import StreamExtras

DONE = b"data: [DONE]\n\n"
"""The last event of every stream."""

FINGERPRINT = f"openclaw_tx-{__version__}"
"""C{system_fingerprint}: names the release that answered."""

FRAGMENT = 256
"""Characters of tool call arguments in one chunk, at most."""


def usage_object(usage: Usage) -> dict[str, object] | None:
    """OpenAI's C{usage}; details only as far as they are known, None when the totals are not."""
    if usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    rendered: dict[str, object] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
    if usage.cached_tokens is not None:
        rendered["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    if usage.reasoning_tokens is not None:
        rendered["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return rendered


def error_object(info: ErrorInfo) -> dict[str, object]:
    """OpenAI's error object with all four keys."""
    return {"message": info.message, "type": info.kind.type, "param": info.param, "code": info.code}


def error_body(info: ErrorInfo) -> bytes:
    """An error as the body of a reply."""
    return encode({"error": error_object(info)})


def error_frame(info: ErrorInfo) -> bytes:
    """An error in the middle of a stream; L{DONE} follows it."""
    return b"data: " + error_body(info) + b"\n\n"


def completion(result: RunResult, created: int, model: str, reasoning: str = "") -> bytes:
    """A whole answer.

    @param created: Unix seconds.
    @param model: echoed as the client sent it.
    @param reasoning: the model's thinking, for clients that may see it.
    """
    content = (result.content or None) if result.refusal else result.text
    message: dict[str, object] = {"role": "assistant", "content": content, "refusal": result.refused or None}
    if reasoning:
        message["reasoning_content"] = reasoning
    if result.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
            for call in result.tool_calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(result)}
    whole: dict[str, object] = {
        "id": result.run_id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "system_fingerprint": FINGERPRINT,
        "choices": [choice],
    }
    usage = usage_object(result.usage)
    if usage is not None:
        whole["usage"] = usage
    return encode(whole)


def finish_reason(result: RunResult) -> FinishReason:
    """C{tool_calls} exactly when there are tool calls."""
    if result.tool_calls:
        return "tool_calls"
    return "stop" if result.finish_reason == "tool_calls" else result.finish_reason


class ChunkWriter:
    """The chunks of one stream. What never changes is rendered once; a text chunk is that and the escaped text."""

    __slots__ = ("_after", "_before", "_extras", "_reasoning", "_text_after", "_text_before")

    def __init__(self, run_id: str, created: int, model: str, extras: StreamExtras, *, reasoning: bool = False) -> None:
        """
        @param created: Unix seconds; one value for the whole stream.
        @param model: echoed as the client sent it.
        @param extras: what was asked for besides the answer; while usage is, chunks carry C{usage: null} until it is
            known.
        @param reasoning: show the model's thinking as C{reasoning_content}.
        """
        self._extras = extras
        self._reasoning = reasoning
        head = encode(
            {
                "id": run_id,
                "object": "chat.completion.chunk",
                "created": created,
                "model": model,
                "system_fingerprint": FINGERPRINT,
            }
        )
        self._before = b"data: " + head[:-1] + b',"choices":['
        self._text_before = self._before + b'{"index":0,"delta":{"content":"'
        self._end_with(b',"usage":null' if extras.include_usage or extras.continuous_usage else b"")

    def _end_with(self, usage: bytes) -> None:
        self._after = b"]" + usage + b"}\n\n"
        self._text_after = b'"},"finish_reason":null}' + self._after

    def opened(self) -> bytes:
        """The first chunk: the role."""
        return self._choice({"role": "assistant"}, None)

    def text_begins(self) -> bytes:
        """Nothing: text needs no beginning."""
        return b""

    def said(self, text: str) -> bool:
        """It is written as it comes."""
        return True

    def text(self, escaped: bytes) -> bytes:
        """A piece of the answer.

        @param escaped: from L{escape}; the pieces may be joined before.
        """
        return self._text_before + escaped + self._text_after

    def tool_call(self, index: int, call_id: str, name: str) -> bytes:
        """A tool call begins."""
        function = {"name": name, "arguments": ""}
        return self._choice(
            {"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]}, None
        )

    def arguments(self, index: int, text: str) -> bytes:
        """More of a tool call's arguments, in chunks of L{FRAGMENT} characters."""
        return b"".join(
            self._choice({"tool_calls": [{"index": index, "function": {"arguments": text[at : at + FRAGMENT]}}]}, None)
            for at in range(0, len(text), FRAGMENT)
        )

    def finish(self, result: RunResult) -> bytes:
        """The last chunk with a choice, and the usage chunk, which has none, if it was asked for."""
        usage = b',"usage":' + encode(usage_object(result.usage))
        if self._extras.continuous_usage:
            self._end_with(usage)
        last = self._choice({}, finish_reason(result))
        return last + self._before + b"]" + usage + b"}\n\n" if self._extras.include_usage else last

    def aside(self, event: RunEvent) -> bytes:
        """What else a client may have asked for; a refusal, which is text that is not content, always shows."""
        if type(event) is TextDelta:
            return self._choice({"refusal": event.text}, None) if event.refusal else b""
        if type(event) is ReasoningDelta:
            shown = self._choice({"reasoning_content": event.text}, None) if self._reasoning else b""
            return shown + self._openclaw({"type": "reasoning.delta", "text": event.text})
        if type(event) is ToolStarted:
            told = {"type": "tool.started", "call_id": event.call_id, "name": event.name, "arguments": event.arguments}
            return self._openclaw(told)
        if type(event) is ToolEnded:
            ended = {"type": "tool.completed", "call_id": event.call_id, "name": event.name, "is_error": event.is_error}
            return self._openclaw(ended)
        if type(event) is MessageEnded and self._extras.continuous_usage and event.usage is not None:
            self._end_with(b',"usage":' + encode(usage_object(event.usage)))
            return self._choice({}, None)
        return b""

    def _openclaw(self, told: dict[str, object]) -> bytes:
        """A chunk that adds nothing to the answer, with an object of ours beside it."""
        if not self._extras.openclaw_events:
            return b""
        chunk = self._choice({}, None)
        return chunk[: -len(b"}\n\n")] + b',"openclaw":' + encode(told) + b"}\n\n"

    def failed(self, failure: ErrorInfo) -> bytes:
        """An error in the middle of the stream; no finish chunk goes with it."""
        return error_frame(failure)

    def stamp(self, frames: bytes) -> bytes:
        """Chunks carry no numbers."""
        return frames

    def _choice(self, delta: dict[str, object], reason: FinishReason | None) -> bytes:
        return self._before + encode({"index": 0, "delta": delta, "finish_reason": reason}) + self._after


def escape(text: str) -> bytes:
    """Text as the inside of a JSON string. Escaped pieces joined are the joined pieces escaped."""
    return encode(text)[1:-1]


def encode(value: object) -> bytes:
    """Compact JSON; half surrogate pairs, which are no Unicode text, become U+FFFD."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_mended(value))


def _mended(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(item) for item in value]
    return value


__all__ = [
    "DONE",
    "FINGERPRINT",
    "ChunkWriter",
    "completion",
    "encode",
    "error_body",
    "error_frame",
    "error_object",
    "escape",
    "finish_reason",
    "usage_object",
]
