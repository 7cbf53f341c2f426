# -*- test-case-name: tests.wire.test_openai_completions -*-
"""Requests to a provider that speaks OpenAI's Chat Completions (API reference "Create chat completion").

Beyond that API, what some vendors want back with calls of tools goes back to them: DeepSeek and Moonshot the
C{reasoning_content} of the same message, Google the C{extra_content} of the call, which holds a signature.
The answers are read by L{openclaw_tx.wire.openai_chunks}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any, Literal

import msgspec

from openclaw_tx.values import (
    AssistantMessage,
    ModelRequest,
    Part,
    Sampling,
    Spoken,
    TextPart,
    ToolSpec,
    UserMessage,
)
from openclaw_tx.values.value import Value
from openclaw_tx.wire.encoded import Encoded
from openclaw_tx.wire.history import CallIds, exchanges, has_images, pictures, plain
from openclaw_tx.wire.replay import Piece, unseal

_encode = msgspec.json.Encoder().encode

API = "openai-completions"

REASONING = "reasoning_content"
"""The field in which a provider tells the model's thinking, and takes it back."""

NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}
"""Schema of a tool that takes no arguments."""


class Dialect(Value, frozen=True):
    """What one model of a provider understands beyond the common core."""

    provider: str = ""
    """Id of the provider, as answers of its models bear it."""
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
    prompt_cache_key: bool = False
    """Name the conversation, so that its calls meet the same prompt cache."""
    mistral_tool_ids: bool = False
    """Ids of calls are nine letters or digits."""
    short_tool_ids: bool = False
    """Ids of calls are as long as OpenAI takes them, 40 characters; also for its models that others pass on."""


def encode_request(model: str, request: ModelRequest, dialect: Dialect, encoded: Encoded | None = None) -> bytes:
    """The JSON body of a streaming request.

    @param model: the provider's own id of the model.
    @param encoded: remembers prompts and tools between requests.
    """
    encoded = encoded or Encoded()
    role = "developer" if dialect.developer_role else "system"
    messages: list[dict[str, Any]] = []
    if request.system:
        messages.append({"role": role, "content": encoded.of(request.system, str)})
    short_ids = dialect.short_tool_ids or model.startswith("openai/")
    messages.extend(_messages(request.messages, model, dialect, short_ids))
    body: dict[str, Any] = {"model": model, "messages": messages, "stream": True}
    if dialect.usage_in_streaming:
        body["stream_options"] = {"include_usage": True}
    if dialect.store:
        body["store"] = False
    if dialect.return_progress:
        body["return_progress"] = True
    if dialect.prompt_cache_key and request.session:
        body["prompt_cache_key"] = cache_key(request.session)
    add_tools(body, request, tool_of, lambda name: {"type": "function", "function": {"name": name}}, encoded)
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


def _messages(messages: Sequence[Spoken], model: str, dialect: Dialect, short_ids: bool) -> Iterator[dict[str, Any]]:
    """Messages in OpenAI's shape."""
    ids = CallIds(r"[!-~]{1,40}", 32) if short_ids else None
    if dialect.mistral_tool_ids:
        ids = CallIds(r"[A-Za-z0-9]{9}", 9)
    for item in exchanges(messages):
        if isinstance(item, UserMessage):
            yield {"role": "user", "content": content_of(item.content, dialect.images)}
            continue
        calls = item.message.tool_calls
        names = [call.id if ids is None else ids.of(call) for call in calls]
        yield _assistant(item.message, names, unseal(item.message, API, dialect.provider, model))
        for name, result in zip(names, item.results, strict=True):
            yield {"role": "tool", "tool_call_id": name, "content": result.text}
        if shown := pictures(item):  # which a message of a tool can not hold
            yield {"role": "user", "content": content_of(shown, dialect.images)}


def content_of(content: Sequence[Part], images: bool) -> str | list[dict[str, Any]]:
    """Plain text where it will do: more servers understand it."""
    return [_part(part) for part in content] if images and has_images(content) else plain(content)


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    return {"type": "image_url", "image_url": {"url": f"data:{part.mime_type};base64,{part.data}"}}


def _assistant(message: AssistantMessage, names: Sequence[str], kept: Sequence[Piece]) -> dict[str, Any]:
    shaped: dict[str, Any] = {"role": "assistant", "content": message.text or None}
    if message.tool_calls:
        shaped["tool_calls"] = [
            {"id": name, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
            for name, call in zip(names, message.tool_calls, strict=True)
        ]
        signed = (piece.data for piece in kept if piece.kind == "call")
        for shown, extra in zip(shaped["tool_calls"], signed, strict=False):
            if extra is not None:
                shown["extra_content"] = extra
        if message.reasoning and any(piece.data == REASONING for piece in kept):
            shaped[REASONING] = message.reasoning
    return shaped


def cache_key(session: str) -> str:
    """A name for a conversation that tells nobody whose it is; OpenAI takes up to 64 characters."""
    return sha256(session.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def tool_of(tool: ToolSpec) -> dict[str, Any]:
    function: dict[str, Any] = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters or NO_PARAMETERS,
    }
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def add_tools(
    body: dict[str, Any],
    request: ModelRequest,
    shape: Callable[[ToolSpec], dict[str, Any]],
    named: Callable[[str], dict[str, Any]],
    encoded: Encoded,
) -> None:
    """Add the tools to C{body}, and how to choose among them; both of OpenAI's APIs say it alike.

    @param shape: makes one tool.
    @param named: makes the choice of the tool of that name.
    @param encoded: remembers tools between requests, for one C{shape}.
    """
    if not request.tools:
        return
    body["tools"] = encoded.of(request.tools, lambda tools: [shape(tool) for tool in tools])
    choice = request.tool_choice
    if choice.mode != "auto":
        body["tool_choice"] = named(choice.name) if choice.mode == "named" else choice.mode
    if request.sampling.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.sampling.parallel_tool_calls


__all__ = ["NO_PARAMETERS", "Dialect", "add_tools", "cache_key", "content_of", "encode_request", "tool_of"]
