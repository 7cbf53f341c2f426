# -*- test-case-name: tests.wire.test_openai_completions -*-
"""Requests to a provider that speaks OpenAI's Chat Completions (API reference "Create chat completion").

The answers are read by L{openclaw_tx.wire.openai_chunks}.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from openclaw_tx.values import (
    AssistantMessage,
    ImagePart,
    ModelRequest,
    Sampling,
    Spoken,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolResultMessage,
    ToolSpec,
    UserMessage,
)
from openclaw_tx.values.value import Value

_encode = msgspec.json.Encoder().encode

IMAGE_OMITTED = "(An image was left out here: this model reads text only.)"
NO_RESULT = "(No result: the call was interrupted.)"


class Dialect(Value, frozen=True):
    """What one model of a provider understands beyond the common core."""

    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    developer_role: bool = False
    """The system prompt goes as role C{developer}."""
    store: bool = False
    """Say C{store: false}, so that the provider keeps nothing."""
    usage_in_streaming: bool = True
    reasoning_effort: bool = True
    return_progress: bool = False
    """llama.cpp: progress chunks during prefill, which let an abort take effect."""
    images: bool = False
    response_format: bool = True
    """It holds answers to C{response_format}; one that does not is not told of it."""


def encode_request(model: str, request: ModelRequest, dialect: Dialect) -> bytes:
    """The JSON body of a streaming request.

    @param model: the provider's own id of the model.
    """
    role = "developer" if dialect.developer_role else "system"
    messages: list[dict[str, Any]] = []
    if request.system:
        messages.append({"role": role, "content": request.system})
    messages.extend(_messages(request.messages, dialect.images))
    body: dict[str, Any] = {"model": model, "messages": messages, "stream": True}
    if dialect.usage_in_streaming:
        body["stream_options"] = {"include_usage": True}
    if dialect.store:
        body["store"] = False
    if dialect.return_progress:
        body["return_progress"] = True
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        choice = _tool_choice(request.tool_choice)
        if choice is not None:
            body["tool_choice"] = choice
        if request.sampling.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = request.sampling.parallel_tool_calls
    _add_sampling(body, request.sampling, dialect)
    return _encode(body)


def _add_sampling(body: dict[str, Any], sampling: Sampling, dialect: Dialect) -> None:
    if sampling.max_tokens is not None:
        body[dialect.max_tokens_field] = sampling.max_tokens
    for name in ("temperature", "top_p", "frequency_penalty", "presence_penalty", "seed"):
        value = getattr(sampling, name)
        if value is not None:
            body[name] = value
    if sampling.response_format is not None and dialect.response_format:
        body["response_format"] = sampling.response_format
    if sampling.stop:
        body["stop"] = sampling.stop
    if sampling.reasoning_effort is not None and dialect.reasoning_effort:
        body["reasoning_effort"] = sampling.reasoning_effort


def _messages(messages: Sequence[Spoken], images: bool) -> Iterator[dict[str, Any]]:
    """Messages in OpenAI's shape.

    Providers refuse a tool call without its result and a result without its call; a cut-off turn or a shortened
    history has both, so the first gets a stand-in result and the second is told as text.
    """
    open_calls: dict[str, None] = {}
    pictures: list[TextPart | ImagePart] = []
    for message in messages:
        if isinstance(message, ToolResultMessage):
            name = message.tool_name or message.tool_call_id
            if message.images:
                pictures += [TextPart(text=f"Images from the tool {name}:"), *message.images]
            if message.tool_call_id in open_calls:
                del open_calls[message.tool_call_id]
                yield {"role": "tool", "tool_call_id": message.tool_call_id, "content": message.text}
                continue
            yield from _stand_ins(open_calls)
            yield {"role": "user", "content": f"Result of the tool {name}:\n{message.text}"}
            continue
        yield from _stand_ins(open_calls)
        yield from _pictures(pictures, images)
        if isinstance(message, UserMessage):
            yield {"role": "user", "content": _content(message, images)}
        elif message.text or message.tool_calls:
            open_calls.update((call.id, None) for call in message.tool_calls)
            yield _assistant(message)
    yield from _stand_ins(open_calls)
    yield from _pictures(pictures, images)


def _pictures(parts: list[TextPart | ImagePart], images: bool) -> Iterator[dict[str, Any]]:
    """Images of tool results, which a message of a tool can not hold, once all results of the turn are there."""
    if parts:
        yield {"role": "user", "content": _content(UserMessage(content=tuple(parts)), images)}
        parts.clear()


def _stand_ins(open_calls: dict[str, None]) -> Iterator[dict[str, Any]]:
    for call_id in open_calls:
        yield {"role": "tool", "tool_call_id": call_id, "content": NO_RESULT}
    open_calls.clear()


def _content(message: UserMessage, images: bool) -> str | list[dict[str, Any]]:
    """Plain text where it will do: more servers understand it."""
    if images and any(isinstance(part, ImagePart) for part in message.content):
        return [_part(part) for part in message.content]
    return "\n".join(part.text if isinstance(part, TextPart) else IMAGE_OMITTED for part in message.content)


def _part(part: TextPart | ImagePart) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    return {"type": "image_url", "image_url": {"url": f"data:{part.mime_type};base64,{part.data}"}}


def _assistant(message: AssistantMessage) -> dict[str, Any]:
    shaped: dict[str, Any] = {"role": "assistant", "content": message.text or None}
    if message.tool_calls:
        shaped["tool_calls"] = [_call(call) for call in message.tool_calls]
    return shaped


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function: dict[str, Any] = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters or {"type": "object", "properties": {}},
    }
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _tool_choice(choice: ToolChoice) -> Any:
    if choice.mode == "auto":
        return None
    if choice.mode == "named":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


__all__ = ["IMAGE_OMITTED", "NO_RESULT", "Dialect", "encode_request"]
