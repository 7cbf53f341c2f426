# -*- test-case-name: tests.wire.test_openclaw_transcript -*-
"""Messages in OpenClaw's shape (spec 4.3), both ways. Pure.

Lost on the way in: signatures of thoughts, C{api} and costs; cache writes count as input. On the way out a token count
that is not known is 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from openclaw_tx.values import (
    AssistantMessage,
    ImagePart,
    Part,
    Spoken,
    TextPart,
    ToolCall,
    ToolResultMessage,
    Usage,
    UserMessage,
)
from openclaw_tx.values.conversation import StopReason
from openclaw_tx.wire.history import arguments_of
from openclaw_tx.wire.times import LAST_MS

_TO_OPENCLAW: Mapping[StopReason, str] = {
    "tool_calls": "toolUse",
    "content_filter": "stop",
    "interrupted": "aborted",
}
_FROM_OPENCLAW: Mapping[str, StopReason] = {
    "stop": "stop",
    "length": "length",
    "toolUse": "tool_calls",
    "error": "error",
    "aborted": "aborted",
    "injected": "injected",
}


# -- out


def message_object(message: Spoken) -> dict[str, Any]:
    """A message in OpenClaw's shape."""
    if isinstance(message, UserMessage):
        return {"role": "user", "content": _blocks(message.content), "timestamp": message.timestamp_ms}
    if isinstance(message, ToolResultMessage):
        result: dict[str, Any] = {
            "role": "toolResult",
            "toolCallId": message.tool_call_id,
            "toolName": message.tool_name,
            "content": _blocks((*([TextPart(text=message.text)] if message.text else ()), *message.images)),
            "isError": message.is_error,
            "timestamp": message.timestamp_ms,
        }
        if message.details is not None:
            result["details"] = message.details
        return result
    content: list[dict[str, Any]] = []
    if message.reasoning:
        content.append({"type": "thinking", "thinking": message.reasoning})
    if message.text:
        content.append({"type": "text", "text": message.text})
    content += map(call_block, message.tool_calls)
    answer: dict[str, Any] = {
        "role": "assistant",
        "content": content,
        "provider": message.provider,
        "model": message.model,
        "usage": usage_object(message.usage),
        "stopReason": stop_reason_name(message.stop_reason),
        "timestamp": message.timestamp_ms,
    }
    if message.error_message:
        answer["errorMessage"] = message.error_message
    return answer


def usage_object(usage: Usage) -> dict[str, int]:
    """Token counts in OpenClaw's names: C{input} is without what came from the cache."""
    cached, prompt, completion = usage.cached_tokens or 0, usage.prompt_tokens or 0, usage.completion_tokens or 0
    counts = {
        "input": max(0, prompt - cached),
        "output": completion,
        "cacheRead": cached,
        "cacheWrite": 0,
        "totalTokens": prompt + completion,
    }
    if usage.reasoning_tokens is not None:
        counts["reasoningTokens"] = usage.reasoning_tokens
    return counts


def stop_reason_name(reason: StopReason) -> str:
    """What OpenClaw calls it."""
    return _TO_OPENCLAW.get(reason, reason)


def call_block(call: ToolCall) -> dict[str, Any]:
    """A tool call. Arguments that are no JSON object are kept beside as the text they are."""
    block: dict[str, Any] = {"type": "toolCall", "id": call.id, "name": call.name, "arguments": {}}
    try:
        arguments = arguments_of(call.arguments)
    except ValueError:
        arguments = None
    if isinstance(arguments, dict):
        block["arguments"] = arguments
    else:
        block["argumentsText"] = call.arguments
    return block


def _blocks(parts: Sequence[Part]) -> list[dict[str, Any]]:
    return [
        {"type": "text", "text": part.text}
        if isinstance(part, TextPart)
        else {"type": "image", "data": part.data, "mimeType": part.mime_type}
        for part in parts
    ]


# -- in


def message_of(value: Any, at_ms: int, left_out: Counter[str]) -> Spoken | None:
    """A message of a file.

    @param at_ms: when it was written down, for one that does not say when it was said.
    @param left_out: counts what has no place here.
    @return: None for a role that no model reads.
    @raise ValueError: it has not the shape of a message.
    """
    if not isinstance(value, dict):
        raise ValueError("a message without content")
    at, role = ms_of(value.get("timestamp")) or at_ms, value.get("role")
    if role == "user":
        return UserMessage(content=parts_of(value.get("content"), left_out), timestamp_ms=at)
    if role == "assistant":
        return _answer(value, at, left_out)
    if role == "toolResult":
        parts = parts_of(value.get("content"), left_out)
        return ToolResultMessage(
            tool_call_id=text_of(value.get("toolCallId")),
            tool_name=text_of(value.get("toolName")),
            text="\n".join(part.text for part in parts if isinstance(part, TextPart)),
            images=tuple(part for part in parts if isinstance(part, ImagePart)),
            is_error=value.get("isError") is True,
            details=value.get("details"),
            timestamp_ms=at,
        )
    left_out[f"messages of role {str(role)[:40]}"] += 1
    return None


def _answer(message: dict[str, Any], at: int, left_out: Counter[str]) -> AssistantMessage:
    content = message.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(blocks, list):
        raise ValueError("content is no list")
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    for block in blocks:
        kind = block.get("type") if isinstance(block, dict) else None
        if kind == "text":
            texts.append(text_of(block.get("text")))
        elif kind == "thinking":
            thoughts.append(text_of(block.get("thinking")))
        elif kind == "toolCall":
            calls.append(_call(block))
        else:
            left_out[f"blocks of type {str(kind)[:40]}"] += 1
    return AssistantMessage(
        text="\n".join(texts),
        reasoning="\n".join(thoughts),
        tool_calls=tuple(calls),
        stop_reason=_FROM_OPENCLAW.get(text_of(message.get("stopReason")), "stop"),
        provider=text_of(message.get("provider")),
        model=text_of(message.get("model")),
        usage=_usage(message.get("usage")),
        error_message=text_of(message.get("errorMessage")),
        timestamp_ms=at,
    )


def _call(block: dict[str, Any]) -> ToolCall:
    arguments = block.get("arguments")
    if isinstance(block.get("argumentsText"), str):
        text = block["argumentsText"]
    elif isinstance(arguments, str):
        text = arguments
    else:
        text = msgspec.json.encode(arguments if arguments is not None else {}).decode()
    return ToolCall(id=text_of(block.get("id")), name=text_of(block.get("name")), arguments=text)


def _usage(usage: Any) -> Usage:
    """Counts that are all 0 are not known: a provider that counts never reads nothing."""
    if not isinstance(usage, dict):
        return Usage()
    fresh, cached = count_of(usage.get("input")) + count_of(usage.get("cacheWrite")), count_of(usage.get("cacheRead"))
    output, reasoning = count_of(usage.get("output")), usage.get("reasoningTokens")
    if not (fresh or cached or output):
        return Usage()
    return Usage(
        prompt_tokens=fresh + cached,
        completion_tokens=output,
        cached_tokens=cached or None,
        reasoning_tokens=reasoning if type(reasoning) is int else None,
    )


def parts_of(content: Any, left_out: Counter[str]) -> tuple[Part, ...]:
    """Text and images of a content, which may be a plain string.

    @raise ValueError: it is neither a string nor a list.
    """
    if isinstance(content, str):
        return (TextPart(text=content),)
    if not isinstance(content, list):
        raise ValueError("content is no list")
    parts: list[Part] = []
    for block in content:
        kind = block.get("type") if isinstance(block, dict) else None
        if kind == "text" and isinstance(block.get("text"), str):
            parts.append(TextPart(text=block["text"]))
        elif kind == "image" and isinstance(block.get("data"), str):
            parts.append(ImagePart(data=block["data"], mime_type=text_of(block.get("mimeType"))))
        else:
            left_out[f"blocks of type {str(kind)[:40]}"] += 1
    return tuple(parts)


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def count_of(value: Any) -> int:
    return max(0, int(value)) if type(value) in (int, float) and abs(value) < 2**53 else 0


def ms_of(value: Any) -> int:
    """Epoch milliseconds of a number or an ISO text; 0 = it is no time."""
    if type(value) in (int, float):
        return count if (count := count_of(value)) <= LAST_MS else 0
    try:
        at = datetime.fromisoformat(text_of(value))
        return max(0, round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000))
    except (ValueError, OverflowError):
        return 0


__all__ = [
    "call_block",
    "count_of",
    "message_object",
    "message_of",
    "ms_of",
    "parts_of",
    "stop_reason_name",
    "text_of",
    "usage_object",
]
