# -*- test-case-name: tests.wire.test_openai_chat_render -*-
"""C{POST /v1/chat/completions}: results and stream events become bytes. Pure (spec 1.1, OpenAI API reference)."""

from __future__ import annotations

import msgspec

from openclaw_tx._version import __version__
from openclaw_tx.errors import ErrorInfo
from openclaw_tx.values import FinishReason, RunResult, ToolCall, Usage

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


def error_body(info: ErrorInfo) -> bytes:
    """OpenAI's error object with all four keys."""
    error = {"message": info.message, "type": info.kind.type, "param": info.param, "code": info.code}
    return encode({"error": error})


def error_frame(info: ErrorInfo) -> bytes:
    """An error in the middle of a stream; L{DONE} follows it."""
    return b"data: " + error_body(info) + b"\n\n"


def completion(result: RunResult, created: int, model: str) -> bytes:
    """A whole answer.

    @param created: Unix seconds.
    @param model: echoed as the client sent it.
    """
    message: dict[str, object] = {"role": "assistant", "content": result.text, "refusal": None}
    if result.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
            for call in result.tool_calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(result)}
    return encode(
        {
            "id": result.run_id,
            "object": "chat.completion",
            "created": created,
            "model": model,
            "system_fingerprint": FINGERPRINT,
            "choices": [choice],
            "usage": usage_object(result.usage),
        }
    )


def finish_reason(result: RunResult) -> FinishReason:
    """C{tool_calls} exactly when there are tool calls."""
    if result.tool_calls:
        return "tool_calls"
    return "stop" if result.finish_reason == "tool_calls" else result.finish_reason


class ChunkWriter:
    """The chunks of one stream. What never changes is rendered once; a text chunk is that and the escaped text."""

    __slots__ = ("_after", "_before", "_text_after", "_text_before", "_usage")

    def __init__(self, run_id: str, created: int, model: str, *, include_usage: bool) -> None:
        """
        @param created: Unix seconds; one value for the whole stream.
        @param model: echoed as the client sent it.
        @param include_usage: a usage chunk will come; until then chunks carry C{usage: null}.
        """
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
        self._usage = b',"usage":null' if include_usage else b""
        self._after = b"]" + self._usage + b"}\n\n"
        self._text_before = self._before + b'{"index":0,"delta":{"content":"'
        self._text_after = b'"},"finish_reason":null}' + self._after

    def role(self) -> bytes:
        """The first chunk."""
        return self._choice({"role": "assistant"}, None)

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

    def whole_tool_call(self, index: int, call: ToolCall) -> bytes:
        """A tool call that was not streamed."""
        return self.tool_call(index, call.id, call.name) + self.arguments(index, call.arguments or "{}")

    def finish(self, reason: FinishReason) -> bytes:
        """The last chunk with a choice."""
        return self._choice({}, reason)

    def usage(self, usage: Usage) -> bytes:
        """The usage chunk: no choices."""
        return self._before + b'],"usage":' + encode(usage_object(usage)) + b"}\n\n"

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
    if isinstance(value, list):
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
    "escape",
    "finish_reason",
    "usage_object",
]
