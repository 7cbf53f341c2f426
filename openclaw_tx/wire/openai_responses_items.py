# -*- test-case-name: tests.wire.test_openai_responses_render -*-
"""Items of a response while they grow: what a stream tells of each (OpenAI API reference). Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from openclaw_tx.values import ToolCall
from openclaw_tx.wire.openai_chat_render import encode, escape

Status = Literal["in_progress", "completed", "incomplete"]

NUMBER = b"\0"
"""Where a frame's number goes. JSON text never holds this byte."""

MAX_PROBED = 1024 * 1024
"""Characters of one call's arguments that are looked through in vain for their end."""


class GrowingMessage:
    """The message item, or one more of them when the model goes on to talk after a call."""

    __slots__ = ("_after", "_at", "_before", "_id", "_said", "refusal")

    def __init__(self, item_id: str, *, refusal: bool) -> None:
        """
        @param refusal: all of it is the model's way of declining to answer.
        """
        self.refusal = refusal
        self._id = item_id
        self._said: list[str] = []
        self._at = 0
        self._before = self._after = b""

    @property
    def said(self) -> str:
        """The text so far."""
        return "".join(self._said)

    def add(self, text: str) -> None:
        """The model says more."""
        self._said.append(text)

    def begin(self, at: int) -> bytes:
        """It begins, with its one part and what has been said by then.

        @param at: its position among the items.
        """
        self._at = at
        kind = "refusal" if self.refusal else "output_text"
        logprobs: dict[str, object] = {} if self.refusal else {"logprobs": []}
        delta = event(f"response.{kind}.delta", **self._place(), **logprobs, delta="")
        self._before, self._after = delta.rsplit(b'""', 1)
        item = {"type": "message", "id": self._id, "role": "assistant", "content": [], "status": "in_progress"}
        added = event("response.output_item.added", output_index=at, item=item)
        added += event("response.content_part.added", **self._place(), part=part("", refusal=self.refusal))
        return added + self.frame(escape(self.said)) if self._said else added

    def frame(self, escaped: bytes) -> bytes:
        """A piece of the text, once it has begun."""
        return self._before + b'"' + escaped + b'"' + self._after

    def end(self, text: str, item: dict[str, object]) -> bytes:
        """Its last words.

        @param text: the whole of it.
        @param item: the item, complete.
        """
        if self.refusal:
            done = event("response.refusal.done", **self._place(), refusal=text)
        else:
            done = event("response.output_text.done", **self._place(), logprobs=[], text=text)
        done += event("response.content_part.done", **self._place(), part=part(text, refusal=self.refusal))
        return done + event("response.output_item.done", output_index=self._at, item=item)

    def item(self, text: str, status: Status, phase: str) -> dict[str, object]:
        """The item.

        @param phase: C{commentary} when calls follow, C{final_answer} when none does.
        """
        return message_item(self._id, text, status, phase, refusal=self.refusal)

    def _place(self) -> dict[str, object]:
        return {"item_id": self._id, "output_index": self._at, "content_index": 0}


class GrowingCall:
    """The item of a tool call."""

    __slots__ = ("_arguments", "_at", "_id", "_probed", "call_id", "index", "name")

    def __init__(self, item_id: str, index: int, call_id: str, name: str) -> None:
        """
        @param index: which of the answer's calls it is.
        """
        self.index = index
        self.call_id = call_id
        self.name = name
        self._id = item_id
        self._arguments: list[str] = []
        self._at = 0
        self._probed = 0

    @property
    def call(self) -> ToolCall:
        """The call with its arguments so far."""
        return ToolCall(id=self.call_id, name=self.name, arguments="".join(self._arguments))

    def complete(self) -> bool:
        """Whether nothing more can come: its arguments are a whole JSON object.

        Gives up after L{MAX_PROBED} characters without; then the end of the answer will tell.
        """
        text = "".join(self._arguments).strip()
        if not (text.startswith("{") and text.endswith("}")) or self._probed > MAX_PROBED:
            return False
        self._probed += len(text)
        try:
            msgspec.json.decode(text, type=msgspec.Raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return False
        return True

    def add(self, text: str) -> None:
        """More of its arguments."""
        self._arguments.append(text)

    def begin(self, at: int) -> bytes:
        """It begins, with what has come of its arguments by then.

        @param at: its position among the items.
        """
        self._at = at
        bare = ToolCall(id=self.call_id, name=self.name, arguments="")
        added = event("response.output_item.added", output_index=at, item=self.item(bare, "in_progress"))
        return added + self.delta("".join(self._arguments)) if self._arguments else added

    def delta(self, text: str) -> bytes:
        """A piece of its arguments, once it has begun."""
        return event("response.function_call_arguments.delta", item_id=self._id, output_index=self._at, delta=text)

    def end(self, item: dict[str, object]) -> bytes:
        """Nothing more comes.

        @param item: the item, complete.
        """
        done = event(
            "response.function_call_arguments.done",
            item_id=self._id,
            output_index=self._at,
            arguments=item["arguments"],
        )
        return done + event("response.output_item.done", output_index=self._at, item=item)

    def item(self, call: ToolCall, status: Status) -> dict[str, object]:
        """The item of C{call}."""
        return call_item(self._id, call, status)


def message_item(item_id: str, text: str, status: Status, phase: str, *, refusal: bool) -> dict[str, object]:
    """The message item with its one part."""
    return {
        "type": "message",
        "id": item_id,
        "role": "assistant",
        "content": [part(text, refusal=refusal)],
        "phase": phase,
        "status": status,
    }


def call_item(item_id: str, call: ToolCall, status: Status) -> dict[str, object]:
    """The item of a tool call."""
    return {
        "type": "function_call",
        "id": item_id,
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments or "{}" if status == "completed" else call.arguments,
        "status": status,
    }


def part(text: str, *, refusal: bool) -> dict[str, object]:
    """A content part: what the model said, or how it declined to."""
    if refusal:
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def event(kind: str, **fields: object) -> bytes:
    """One event, L{NUMBER} in the place of its C{sequence_number}."""
    body = encode({"type": kind, **fields})
    return b"event: " + kind.encode("ascii") + b"\ndata: " + body[:-1] + b',"sequence_number":' + NUMBER + b"}\n\n"


__all__ = [
    "MAX_PROBED",
    "NUMBER",
    "GrowingCall",
    "GrowingMessage",
    "Status",
    "call_item",
    "event",
    "message_item",
    "part",
]
