# -*- test-case-name: tests.wire.test_anthropic_messages -*-
"""Answers of Anthropic's Messages API, stream or whole (API reference "Streaming messages")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from openclaw_tx.values import FinishReason, ModelEvent, Usage
from openclaw_tx.wire.anthropic_messages import API
from openclaw_tx.wire.halves import whole
from openclaw_tx.wire.replay import Piece
from openclaw_tx.wire.replies import OpenCall, ReplyReader, as_text
from openclaw_tx.wire.upstream import UpstreamError, count, error_of, total

_FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _Block(msgspec.Struct):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Any = None


class _Delta(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class _Message(msgspec.Struct):
    content: list[_Block] | None = None
    stop_reason: str | None = None
    usage: Any = None


class _Event(msgspec.Struct):
    type: str = ""
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: Any = None
    error: Any = None
    content: list[_Block] | None = None
    stop_reason: str | None = None


_decoder = msgspec.json.Decoder(_Event)


class MessageReader(ReplyReader):
    """Reads the events of one message, or the message itself. C{message_stop} is the end."""

    api = API

    def __init__(self, new_id: Callable[[], str]) -> None:
        super().__init__(new_id)
        self._blocks: dict[int, OpenCall | dict[str, Any]] = {}
        self._inputs: dict[int, str] = {}
        self._counts: dict[str, Any] = {}

    def read(self, payload: bytes, events: list[ModelEvent]) -> None:
        if self.done or not payload.strip():
            return
        event = self._decoded(_decoder, payload)
        kind = event.type
        if kind == "content_block_delta":
            if event.delta is not None:
                self._delta(event.index, event.delta, events)
        elif kind == "content_block_start":
            if event.content_block is not None:
                self._begin(event.index, event.content_block, events)
        elif kind == "content_block_stop":
            self._end(event.index, events)
        elif kind == "message_delta":
            self._count(event.usage)
            if event.delta is not None and event.delta.stop_reason:
                self._reason = _FINISH.get(event.delta.stop_reason, "stop")
        elif kind == "message_start":
            if event.message is not None:
                self._count(event.message.usage)
        elif kind == "message_stop":
            self._reason = self._reason or "stop"
            self.done = True
        elif kind == "error" or event.error:
            raise error_of(event.error)

    def read_whole(self, body: bytes, events: list[ModelEvent]) -> None:
        event = self._decoded(_decoder, body)
        if event.error or event.type == "error":
            raise error_of(event.error)
        if event.content is None:
            raise UpstreamError("The provider's answer holds no message.")
        for index, block in enumerate(event.content):
            self._begin(index, block, events)
            self._end(index, events)
        self._count(event.usage)
        self._reason = _FINISH.get(event.stop_reason or "end_turn", "stop")
        self.done = True

    def _begin(self, index: int, block: _Block, events: list[ModelEvent]) -> None:
        if block.type == "text":
            self._say(block.text or "", events)
        elif block.type == "tool_use":
            call = self._open(block.id or "", block.name or "")
            self._blocks[index] = call
            self._grow(call, "", events)
            if block.input:
                self._inputs[index] = as_text(block.input)
        elif block.type == "thinking":
            self._think(block.thinking or "", events)
            thought = {"type": "thinking", "thinking": block.thinking or "", "signature": block.signature or ""}
            self._blocks[index] = thought
        elif block.type == "redacted_thinking":
            self._pieces.append(Piece(kind="thought", data={"type": "redacted_thinking", "data": block.data or ""}))

    def _delta(self, index: int, delta: _Delta, events: list[ModelEvent]) -> None:
        if delta.text:
            self._say(delta.text, events)
            return
        block = self._blocks.get(index)
        if delta.partial_json and isinstance(block, OpenCall):
            self._inputs.pop(index, None)
            self._grow(block, delta.partial_json, events)
        elif delta.thinking:
            self._think(delta.thinking, events)
            if isinstance(block, dict):
                block["thinking"] += delta.thinking
        elif delta.signature and isinstance(block, dict):
            block["signature"] += delta.signature

    def _end(self, index: int, events: list[ModelEvent]) -> None:
        block = self._blocks.pop(index, None)
        if isinstance(block, OpenCall):
            self._grow(block, self._inputs.pop(index, ""), events)
        elif block is not None and block["signature"]:
            block["thinking"] = whole(block["thinking"]) if self._halves is not None else block["thinking"]
            self._pieces.append(Piece(kind="thought", data=block))  # without a signature nobody wants it back

    def _count(self, usage: Any) -> None:
        """Counts of later events replace those of earlier ones; a prompt is counted in three parts."""
        if not isinstance(usage, dict):
            return
        self._counts |= {name: value for name, value in usage.items() if value is not None}
        known = self._counts
        cached, made = count(known.get("cache_read_input_tokens")), count(known.get("cache_creation_input_tokens"))
        details = known.get("output_tokens_details")
        self._usage = Usage(
            prompt_tokens=total(count(known.get("input_tokens")), cached, made),
            completion_tokens=count(known.get("output_tokens")),
            cached_tokens=cached,
            reasoning_tokens=count(details.get("thinking_tokens")) if isinstance(details, dict) else None,
        )


__all__ = ["MessageReader"]
