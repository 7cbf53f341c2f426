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
from openclaw_tx.wire.replay import Kind, Piece
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
    item_id: str | None = None
    item: _Item | None = None
    delta: Any = None
    arguments: str | None = None
    response: _Response | None = None
    error: Any = None
    message: Any = None
    code: Any = None


_KINDS: dict[str, Kind] = {"message": "text", "reasoning": "thought", "function_call": "call"}
"""Type of an item -> what it is a piece of; others are of the vendor's own tools."""

_decoder = msgspec.json.Decoder(_Event)
_decoder_whole = msgspec.json.Decoder(_Response)


class _Open:
    """An item under construction."""

    __slots__ = ("call", "done", "id", "length", "piece")

    def __init__(self, item_id: str, piece: Piece, call: OpenCall | None = None) -> None:
        self.id = item_id
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
        self._begun: list[_Open] = []
        self._places: dict[tuple[int, Kind], _Open] = {}
        """The last item of each place and kind: some servers number everything 0."""

    def read(self, payload: bytes, events: list[ModelEvent]) -> None:
        if self.done or not payload.strip() or payload.strip() == b"[DONE]":
            return
        event = self._decoded(_decoder, payload)
        kind = event.type
        if kind == "response.output_text.delta":
            self._add(event, "message", self._say, events)
        elif kind == "response.refusal.delta":
            self._add(event, "message", self._decline, events)
        elif kind == "response.function_call_arguments.delta":
            self._arguments(event.output_index, event.delta, events)
        elif kind in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
            self._add(event, "reasoning", self._think, events)
        elif kind == "response.reasoning_summary_part.added":
            if event.summary_index:
                self._think("\n\n", events)
        elif kind == "response.output_item.added":
            if event.item is not None:
                self._begin(event.output_index, event.item, events)
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

    def _begin(self, index: int, item: _Item, events: list[ModelEvent]) -> _Open | None:
        """An item begins, if it is of a kind that is read and has not begun."""
        kind = _KINDS.get(item.type)
        if kind is None:
            return None
        known = self._places.get((index, kind))
        if known is not None and not known.done:
            return known
        if kind == "call":
            call = self._open(item.call_id or item.id or "", item.name or "")
            made = _Open(item.call_id or item.id or "", call.piece, call)
            self._grow(call, "", events)
        else:
            made = _Open(item.id or "", Piece(kind=kind, data=item.phase))
            self._pieces.append(made.piece)
        self._places[index, kind] = made
        self._begun.append(made)
        return made

    def _known(self, index: int, item: _Item, at_end: bool) -> _Open | None:
        """The item as it began. At the end its id counts more than its place: what was streamed need not be there."""
        kind, given = _KINDS.get(item.type), item.call_id or item.id or ""
        known = self._places.get((index, kind)) if kind else None
        if at_end:
            return next((each for each in self._begun if given and (each.piece.kind, each.id) == (kind, given)), known)
        return None if known is not None and known.call is not None and given not in ("", known.id) else known

    def _add(
        self, event: _Event, item_type: str, tell: Callable[[str, list[ModelEvent]], None], events: list[ModelEvent]
    ) -> None:
        """More of the text of an item, which may not have been announced."""
        if isinstance(event.delta, str):
            known = self._places.get((event.output_index, _KINDS[item_type]))
            if known is None or known.done:
                known = self._begin(event.output_index, _Item(type=item_type, id=event.item_id), events)
            if known is not None:
                known.length += len(event.delta)
            tell(event.delta, events)

    def _arguments(self, index: int, delta: Any, events: list[ModelEvent]) -> None:
        known = self._places.get((index, "call"))
        if known is not None and known.call is not None and isinstance(delta, str):
            self._grow(known.call, delta, events)

    def _complete(self, index: int, item: _Item, events: list[ModelEvent], at_end: bool = False) -> None:
        """All of an item is here: tell what was not told."""
        known = self._known(index, item, at_end) or self._begin(index, item, events)
        if known is None:
            return
        if item.type == "reasoning" and item.encrypted_content:
            summary = [{"type": "summary_text", "text": part.text or ""} for part in item.summary or ()]
            kept: dict[str, Any] = {"type": "reasoning", "summary": summary}
            if item.id:
                kept["id"] = item.id
            known.piece.data = {**kept, "encrypted_content": item.encrypted_content}
        elif item.phase:
            known.piece.data = item.phase
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
            self._complete(index, item, events, at_end=True)
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
