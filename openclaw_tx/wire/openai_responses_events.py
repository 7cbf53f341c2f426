# -*- test-case-name: tests.wire.test_openai_responses_calls -*-
"""Answers of a provider that speaks OpenAI's Responses API, stream or whole (API reference "Streaming events").

Servers differ in what they stream: some send an item only when it is done, some send all of them only with the end.
So each item is completed from whatever tells more of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from openclaw_tx.values import ModelEvent, Usage
from openclaw_tx.wire.openai_responses_calls import API
from openclaw_tx.wire.replay import Piece
from openclaw_tx.wire.replies import OpenCall, ReplyReader
from openclaw_tx.wire.upstream import UpstreamError, count, error_of


class _Text(msgspec.Struct):
    type: str = ""
    text: str | None = None
    refusal: str | None = None


class _Item(msgspec.Struct):
    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    phase: str | None = None
    content: list[_Text] | None = None
    summary: list[_Text] | None = None
    encrypted_content: str | None = None


class _Response(msgspec.Struct):
    output: list[_Item] | None = None
    incomplete_details: Any = None
    usage: Any = None
    error: Any = None
    status: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    output_index: int = 0
    summary_index: int = 0
    item: _Item | None = None
    delta: Any = None
    arguments: str | None = None
    response: _Response | None = None
    error: Any = None
    message: Any = None
    code: Any = None


_decoder = msgspec.json.Decoder(_Event)
_decoder_whole = msgspec.json.Decoder(_Response)


class _Open:
    """An item under construction."""

    __slots__ = ("call", "done", "length", "piece")

    def __init__(self, piece: Piece, call: OpenCall | None = None) -> None:
        self.piece = piece
        self.call = call
        self.length = 0
        """Characters of text that were told of it."""
        self.done = False


class ResponseReader(ReplyReader):
    """Reads the events of one response, or the response itself. C{response.completed} and its like are the end."""

    api = API

    def __init__(self, new_id: Callable[[], str]) -> None:
        super().__init__(new_id)
        self._open_items: dict[int, _Open] = {}

    def read(self, payload: bytes, events: list[ModelEvent]) -> None:
        if self.done or not payload.strip() or payload.strip() == b"[DONE]":
            return
        event = self._decoded(_decoder, payload)
        kind = event.type
        if kind == "response.output_text.delta":
            self._add(event, self._say, events)
        elif kind == "response.refusal.delta":
            self._add(event, self._decline, events)
        elif kind == "response.function_call_arguments.delta":
            self._arguments(event.output_index, event.delta, events)
        elif kind in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
            self._add(event, self._think, events)
        elif kind == "response.reasoning_summary_part.added":
            if event.summary_index:
                self._think("\n\n", events)
        elif kind == "response.output_item.added":
            if event.item is not None:
                self._item(event.output_index, event.item, events)
        elif kind == "response.output_item.done":
            if event.item is not None:
                self._complete(event.output_index, event.item, events)
        elif kind in ("response.completed", "response.incomplete"):
            self._end(event.response or _Response(), events)
        elif kind == "response.failed":
            raise error_of((event.response or _Response()).error)
        elif kind == "error" or event.error:
            raise error_of(event.error or {"message": event.message, "code": event.code})

    def read_whole(self, body: bytes, events: list[ModelEvent]) -> None:
        response = self._decoded(_decoder_whole, body)
        if response.error:
            raise error_of(response.error)
        if response.output is None:
            raise UpstreamError("The provider's answer holds no output.")
        self._end(response, events)

    def _item(self, index: int, item: _Item, events: list[ModelEvent]) -> _Open | None:
        """The item at its place, begun now if it was not."""
        known = self._open_items.get(index)
        if known is not None:
            return known
        if item.type == "function_call":
            call = self._open(item.call_id or item.id or "", item.name or "")
            made = _Open(call.piece, call)
            self._grow(call, "", events)
        elif item.type in ("message", "reasoning"):
            made = _Open(Piece(kind="text" if item.type == "message" else "thought", data=item.phase))
            self._pieces.append(made.piece)
        else:
            return None  # of the vendor's own tools
        self._open_items[index] = made
        return made

    def _add(self, event: _Event, tell: Callable[[str, list[ModelEvent]], None], events: list[ModelEvent]) -> None:
        if isinstance(event.delta, str):
            known = self._open_items.get(event.output_index)
            if known is not None:
                known.length += len(event.delta)
            tell(event.delta, events)

    def _arguments(self, index: int, delta: Any, events: list[ModelEvent]) -> None:
        known = self._open_items.get(index)
        if known is not None and known.call is not None and isinstance(delta, str):
            self._grow(known.call, delta, events)

    def _complete(self, index: int, item: _Item, events: list[ModelEvent]) -> None:
        """All of an item is here: tell what was not told."""
        known = self._item(index, item, events)
        if known is None:
            return
        if item.type == "reasoning" and item.encrypted_content:
            summary = [{"type": "summary_text", "text": part.text or ""} for part in item.summary or ()]
            kept: dict[str, Any] = {"type": "reasoning", "summary": summary}
            if item.id:
                kept["id"] = item.id
            known.piece.data = {**kept, "encrypted_content": item.encrypted_content}
        if known.done:
            return
        known.done = True
        if known.call is not None:
            known.call.name = known.call.name or item.name or ""
            told = sum(map(len, known.call.arguments))
            self._grow(known.call, (item.arguments or "")[told:], events)
        elif known.length == 0:
            for part in item.content or item.summary or ():
                if item.type == "reasoning":
                    self._think(part.text or "", events)
                else:
                    self._say(part.text or "", events)
                    self._decline(part.refusal or "", events)

    def _end(self, response: _Response, events: list[ModelEvent]) -> None:
        for index, item in enumerate(response.output or ()):
            self._complete(index, item, events)
        details = response.incomplete_details
        why = details.get("reason") if isinstance(details, dict) else None
        if why == "content_filter":
            self._reason = "content_filter"
        else:
            self._reason = "length" if why or response.status == "incomplete" else "stop"
        self._usage = _usage(response.usage)
        self.done = True


def _usage(found: Any) -> Usage:
    """Token counts; what is not said stays unknown."""
    if not isinstance(found, dict):
        return Usage()
    prompt, completion = found.get("input_tokens_details"), found.get("output_tokens_details")
    return Usage(
        prompt_tokens=count(found.get("input_tokens")),
        completion_tokens=count(found.get("output_tokens")),
        cached_tokens=count(prompt.get("cached_tokens")) if isinstance(prompt, dict) else None,
        reasoning_tokens=count(completion.get("reasoning_tokens")) if isinstance(completion, dict) else None,
    )


__all__ = ["ResponseReader"]
