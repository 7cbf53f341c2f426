# -*- test-case-name: tests.ws.rpc.test_chat -*-
"""Messages of transcripts, as chat clients know them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from openclaw_tx.values import CompactionMessage, ImagePart, Message, TextPart, ToolResultMessage, UserMessage
from openclaw_tx.wire.frames import encode
from openclaw_tx.ws.rpc.results import usage

ID_DIGITS = 32
"""Hexadecimal digits of the id of a message: of its digest, for transcripts number them only within."""


def fitting(messages: Sequence[Message], room: int) -> list[Any]:
    """As many of the newest messages as fit into so many bytes."""
    kept: list[Any] = []
    for message in reversed(messages):
        row = message_row(message)
        room -= len(encode(row))
        if room < 0:
            break
        kept.append(row)
    return kept[::-1]


def event_id(run_id: str) -> str:
    """What clients know the message by that began a run."""
    return f"{run_id}:user"


def message_row(message: Message) -> dict[str, Any]:
    """A message of a transcript as chat clients know it. C{__openclaw.id} is the same wherever it is told: clients see
    by it what they have already."""
    row = _row(message)
    told = row.setdefault("__openclaw", {})
    if isinstance(message, UserMessage) and message.run_id:
        row["idempotencyKey"] = told["idempotencyKey"] = told["id"] = event_id(message.run_id)
    else:
        told["id"] = hashlib.sha256(encode(row)).hexdigest()[:ID_DIGITS]
    return row


def _row(message: Message) -> dict[str, Any]:
    if isinstance(message, UserMessage):
        return {"role": "user", "content": [_part(part) for part in message.content], "timestamp": message.timestamp_ms}
    if isinstance(message, ToolResultMessage):
        return {
            "role": "toolResult",
            "toolCallId": message.tool_call_id,
            "toolName": message.tool_name,
            "content": [{"type": "text", "text": message.text}],
            "isError": message.is_error,
            "timestamp": message.timestamp_ms,
        }
    if isinstance(message, CompactionMessage):
        return {
            "role": "system",
            "content": [{"type": "text", "text": "Compaction"}],
            "timestamp": message.timestamp_ms,
            "__openclaw": {"kind": "compaction"},
        }
    content: list[dict[str, Any]] = [{"type": "text", "text": message.text}] if message.text else []
    content += [
        {"type": "toolCall", "id": call.id, "name": call.name, "arguments": call.arguments}
        for call in message.tool_calls
    ]
    row = {
        "role": "assistant",
        "content": content,
        "provider": message.provider,
        "model": message.model,
        "usage": usage(message.usage),
        "stopReason": message.stop_reason,
        "timestamp": message.timestamp_ms,
    }
    if message.error_message:
        row["errorMessage"] = message.error_message
    return row


def _part(part: TextPart | ImagePart) -> dict[str, Any]:
    """Images are named, not repeated: they may be large."""
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    return {"type": "image", "mimeType": part.mime_type, "bytes": len(part.data) * 3 // 4, "omitted": True}


__all__ = ["event_id", "fitting", "message_row"]
