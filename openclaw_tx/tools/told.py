# -*- test-case-name: tests.test_agents_together -*-
"""Messages of a transcript as a tool tells them: bounded, without images and thoughts (spec 7.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openclaw_tx.values import AssistantMessage, CompactionMessage, Message, ToolResultMessage, UserMessage

MAX_TEXT = 4000
"""Characters of one message."""

MAX_CHARS = 80_000
"""Characters of all messages of one answer; the oldest are left out."""


def told(messages: Sequence[Message], *, tools: bool) -> list[dict[str, Any]]:
    """The newest messages that fit, oldest first.

    @param tools: with tool calls and their results.
    """
    rows: list[dict[str, Any]] = []
    room = MAX_CHARS
    for message in reversed(messages):
        row = _row(message, tools)
        if row is None:
            continue
        room -= len(row.get("text", "")) + sum(len(call["arguments"]) for call in row.get("toolCalls", ()))
        if room < 0:
            break
        rows.append(row)
    return rows[::-1]


def _row(message: Message, tools: bool) -> dict[str, Any] | None:
    if isinstance(message, CompactionMessage):
        return {"role": "summary", "text": _cut(message.summary), "timestamp": message.timestamp_ms}
    if isinstance(message, ToolResultMessage):
        if not tools:
            return None
        row: dict[str, Any] = {"role": "toolResult", "toolName": message.tool_name, "text": _cut(message.text)}
        if message.is_error:
            row["isError"] = True
        return {**row, "timestamp": message.timestamp_ms}
    role = "user" if isinstance(message, UserMessage) else "assistant"
    row = {"role": role, "text": _cut(message.text), "timestamp": message.timestamp_ms}
    if tools and isinstance(message, AssistantMessage) and message.tool_calls:
        row["toolCalls"] = [{"name": call.name, "arguments": _cut(call.arguments)} for call in message.tool_calls]
    return row if row["text"] or "toolCalls" in row else None


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]} [cut: {len(text) - MAX_TEXT} more characters]"


__all__ = ["MAX_CHARS", "MAX_TEXT", "told"]
