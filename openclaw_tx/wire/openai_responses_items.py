# -*- test-case-name: tests.wire.test_openai_responses_render -*-
"""Items of a response while they grow: what a stream tells of each (OpenAI API reference). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from openclaw_tx.values import ToolCall
from openclaw_tx.wire.openai_chat_render import encode, escape
from openclaw_tx.wire.pieces import Pieces

Status = Literal["in_progress", "completed", "incomplete"]

NUMBER = b"\0"
"""Where a frame's number goes. JSON text never holds this byte."""

MAX_PROBED = 1024 * 1024
"""Characters of one call's arguments that are looked through in vain for their end."""


_ITEM_ID = re.compile(r"(?:msg|call)_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:_[0-9]{1,4})?")


def response_of(item_id: str) -> str:
    """Id of the response that an item is of; "" = of none that was given here."""
    found = _ITEM_ID.fullmatch(item_id)
    return f"resp_{found[1]}" if found else ""


class GrowingMessage:
    """The message item, or one more of them when the model goes on to talk after a call.

    It has a part for text, and one for how the model declines to answer, in the order in which they begin.
    """

    __slots__ = ("_after", "_at", "_before", "_id", "_parts")

    def __init__(self, item_id: str) -> None:
        self._id = item_id
        self._at: int | None = None
        self._parts: dict[bool, Pieces] = {}
        """Whether it is the refusal -> what was said of each part."""
        self._before = self._after = b""

    def add(self, text: str, *, refusal: bool = False) -> None:
        """The model says more."""
        self._parts[refusal].grow(text)

    def begin(self, at: int) -> bytes:
        """It begins, with what has been said by then.

        @param at: its position among the items.
        """
        self._at = at
        item = {"type": "message", "id": self._id, "role": "assistant", "content": [], "status": "in_progress"}
        frames = [event("response.output_item.added", output_index=at, item=item)]
        for refusal, said in self._parts.items():
            frames.append(self._part_added(refusal))
            if said:
                frames.append(self.declined(said.text) if refusal else self.frame(escape(said.text)))
        return b"".join(frames)

    def begin_part(self, *, refusal: bool) -> bytes:
        """One of its parts begins; nothing when it has, or when the message itself has not."""
        if refusal in self._parts:
            return b""
        self._parts[refusal] = Pieces()
        return b"" if self._at is None else self._part_added(refusal)

    def frame(self, escaped: bytes) -> bytes:
        """A piece of the text, once that has begun."""
        return self._before + b'"' + escaped + b'"' + self._after

    def declined(self, text: str) -> bytes:
        """A piece of the refusal, once that has begun."""
        return event("response.refusal.delta", **self._place(True), delta=text)

    def texts(self) -> dict[bool, str]:
        """What was said: of the text (False) and of the refusal (True), those that have begun."""
        return {refusal: said.text for refusal, said in self._parts.items()}

    def end(self, texts: Mapping[bool, str], item: dict[str, object]) -> bytes:
        """Its last words.

        @param texts: the whole of each part.
        @param item: the item, complete.
        """
        frames: list[bytes] = []
        for refusal in self._parts:
            if refusal:
                frames.append(event("response.refusal.done", **self._place(True), refusal=texts[True]))
            else:
                frames.append(event("response.output_text.done", **self._place(False), logprobs=[], text=texts[False]))
            said = part(texts[refusal], refusal=refusal)
            frames.append(event("response.content_part.done", **self._place(refusal), part=said))
        frames.append(event("response.output_item.done", output_index=self._at, item=item))
        return b"".join(frames)

    def item(self, texts: Mapping[bool, str], status: Status, phase: str) -> dict[str, object]:
        """The item.

        @param phase: C{commentary} when calls follow, C{final_answer} when none does.
        """
        content = [part(texts[refusal], refusal=refusal) for refusal in self._parts]
        return message_item(self._id, content, status, phase)

    def _part_added(self, refusal: bool) -> bytes:
        if not refusal:
            delta = event("response.output_text.delta", **self._place(False), logprobs=[], delta="")
            self._before, self._after = delta.rsplit(b'""', 1)
        return event("response.content_part.added", **self._place(refusal), part=part("", refusal=refusal))

    def _place(self, refusal: bool) -> dict[str, object]:
        return {"item_id": self._id, "output_index": self._at, "content_index": list(self._parts).index(refusal)}


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
        self._arguments = Pieces()
        self._at = 0
        self._probed = 0

    @property
    def call(self) -> ToolCall:
        """The call with its arguments so far."""
        return ToolCall(id=self.call_id, name=self.name, arguments=self._arguments.text)

    def complete(self) -> bool:
        """Whether nothing more can come: its arguments are a whole JSON object.

        Gives up after L{MAX_PROBED} characters without; then the end of the answer will tell.
        """
        text = self._arguments.text.strip()
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
        self._arguments.grow(text)

    def begin(self, at: int) -> bytes:
        """It begins, with what has come of its arguments by then.

        @param at: its position among the items.
        """
        self._at = at
        bare = ToolCall(id=self.call_id, name=self.name, arguments="")
        added = event("response.output_item.added", output_index=at, item=self.item(bare, "in_progress"))
        return added + self.delta(self._arguments.text) if self._arguments else added

    def delta(self, text: str) -> bytes:
        """A piece of its arguments, once it has begun."""
        return event("response.function_call_arguments.delta", item_id=self._id, output_index=self._at, delta=text)

    def end(self, item: dict[str, object]) -> bytes:
        """Nothing more comes.

        @param item: the item, complete.
        """
        done = b""
        if item["status"] == "completed":  # else nothing says that they are
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


def message_item(item_id: str, content: list[dict[str, object]], status: Status, phase: str) -> dict[str, object]:
    """The message item with its parts."""
    return {
        "type": "message",
        "id": item_id,
        "role": "assistant",
        "content": content,
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
    "response_of",
]
