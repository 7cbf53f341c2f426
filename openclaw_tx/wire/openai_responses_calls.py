# -*- test-case-name: tests.wire.test_openai_responses_calls -*-
"""Requests to a provider that speaks OpenAI's Responses API (API reference "Create a model response").

Nothing is kept at the provider: reasoning comes encrypted and goes back with the calls that it led to (guide "Reasoning
models"). The answers are read by L{openclaw_tx.wire.openai_responses_events}; the same API as we serve it is
L{openclaw_tx.wire.openai_responses}.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from openclaw_tx.values import ModelRequest, Part, Sampling, Spoken, TextPart, ToolSpec, UserMessage
from openclaw_tx.values.value import Value
from openclaw_tx.wire.encoded import Encoded
from openclaw_tx.wire.history import CallIds, Exchange, exchanges, has_images, plain, result_parts
from openclaw_tx.wire.openai_completions import NO_PARAMETERS, add_tools, cache_key
from openclaw_tx.wire.replay import unseal, woven

_encode = msgspec.json.Encoder().encode

API = "openai-responses"

LEAST_TOKENS = 16
"""OpenAI takes no lower limit on an answer."""


class ResponsesDialect(Value, frozen=True):
    """What one model of a provider understands."""

    provider: str = ""
    """Id of the provider, as answers of its models bear it."""
    reasoning: bool = False
    """It reasons, asked or not: its reasoning is to come encrypted, and it takes no temperature."""
    reasoning_effort: bool = True
    store: bool = True
    """Say C{store: false}, so that the provider keeps nothing."""
    images: bool = False
    response_format: bool = True
    prompt_cache_key: bool = False


def encode_request(
    model: str, request: ModelRequest, dialect: ResponsesDialect, encoded: Encoded | None = None
) -> bytes:
    """The JSON body of a streaming request.

    @param model: the provider's own id of the model.
    """
    body: dict[str, Any] = {"model": model, "stream": True}
    if request.system:
        body["instructions"] = request.system
    body["input"] = list(_items(request.messages, model, dialect))
    if dialect.store:
        body["store"] = False
    if dialect.prompt_cache_key and request.session:
        body["prompt_cache_key"] = cache_key(request.session)
    add_tools(body, request, _tool, lambda name: {"type": "function", "name": name}, encoded or Encoded())
    _add_sampling(body, request.sampling, dialect)
    return _encode(body)


def _items(messages: Sequence[Spoken], model: str, dialect: ResponsesDialect) -> Iterator[dict[str, Any]]:
    """The conversation as items: reasoning, messages, calls and their outputs stand side by side."""
    ids = CallIds(r"[A-Za-z0-9_-]{1,64}", 32)
    for item in exchanges(messages):
        if isinstance(item, UserMessage):
            yield {"role": "user", "content": _content(item.content, dialect.images)}
        else:
            yield from _exchange(item, ids, model, dialect)


def _exchange(item: Exchange, ids: CallIds, model: str, dialect: ResponsesDialect) -> Iterator[dict[str, Any]]:
    message = item.message
    names = [ids.of(call) for call in message.tool_calls]
    for kind, data, place in woven(message, unseal(message, API, dialect.provider, model)):
        if kind == "thought":
            if data is not None:
                yield data
        elif kind == "text":
            yield {"role": "assistant", "content": message.text, **({"phase": data} if data else {})}
        else:
            call = message.tool_calls[place]
            shaped = {"type": "function_call", "call_id": names[place], "name": call.name}
            yield {**shaped, "arguments": call.arguments or "{}"}
    for name, result in zip(names, item.results, strict=True):
        output = _content(result_parts(result), dialect.images)
        yield {"type": "function_call_output", "call_id": name, "output": output}


def _content(content: Sequence[Part], images: bool) -> str | list[dict[str, Any]]:
    """Plain text where it will do."""
    return [_part(part) for part in content] if images and has_images(content) else plain(content)


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "input_text", "text": part.text}
    return {"type": "input_image", "image_url": f"data:{part.mime_type};base64,{part.data}"}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    """Strictness is said, since what is not said is taken as strict here."""
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters or NO_PARAMETERS,
        "strict": bool(tool.strict),
    }


def _add_sampling(body: dict[str, Any], sampling: Sampling, dialect: ResponsesDialect) -> None:
    """Seed, stop and penalties do not exist here."""
    if sampling.max_tokens is not None:
        body["max_output_tokens"] = max(sampling.max_tokens, LEAST_TOKENS)
    effort = sampling.reasoning_effort if dialect.reasoning_effort else None
    if effort is not None:
        body["reasoning"] = {"effort": effort, "summary": "auto"}
    if effort is not None or dialect.reasoning:
        body["include"] = ["reasoning.encrypted_content"]
    else:
        for name in ("temperature", "top_p"):
            value = getattr(sampling, name)
            if value is not None:
                body[name] = value
    if sampling.response_format is not None and dialect.response_format:
        body["text"] = {"format": _format(sampling.response_format)}


def _format(wanted: dict[str, Any]) -> dict[str, Any]:
    """Chat Completions wraps the schema once more."""
    inner = wanted.get("json_schema")
    return {"type": "json_schema", **inner} if isinstance(inner, dict) else wanted


__all__ = ["API", "LEAST_TOKENS", "ResponsesDialect", "encode_request"]
