# -*- test-case-name: tests.wire.test_history -*-
"""A conversation in the order that vendors insist on, before any of them shapes it (spec 4.3).

All refuse a tool call without its result and a result without its call; a cut-off turn or a shortened history has both.
So a call without result gets a stand-in, and a result without call is told as text. Results stand right after their
calls, in the order of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from openclaw_tx.values import (
    AssistantMessage,
    ImagePart,
    Part,
    Spoken,
    TextPart,
    ToolCall,
    ToolResultMessage,
    UserMessage,
)
from openclaw_tx.wire.large_json import is_too_deep

IMAGE_OMITTED = "(An image was left out here: this model reads text only.)"
BEGINNING = "(The beginning of the conversation was left out.)"
"""Stands first where the history begins with an answer and the vendor refuses that."""
BLANK = "(no text)"
"""Stands for content that is empty, for vendors who refuse that."""
NO_RESULT = "(No result: the call was interrupted.)"


class Exchange(NamedTuple):
    """What the model said, and what its tools answered.

    @ivar results: one for each call, in their order.
    """

    message: AssistantMessage
    results: tuple[ToolResultMessage, ...] = ()


def exchanges(messages: Sequence[Spoken]) -> Iterator[UserMessage | Exchange]:
    """The conversation, mended; answers that say nothing are left out."""
    pending: _Pending | None = None
    for message in messages:
        if isinstance(message, ToolResultMessage):
            if pending is None:
                yield _stray(message)
            else:
                pending.take(message)
            continue
        if pending is not None:
            yield from pending.close()
            pending = None
        if isinstance(message, UserMessage):
            yield message
        elif message.tool_calls:
            pending = _Pending(message)
        elif message.text:
            yield Exchange(message)
    if pending is not None:
        yield from pending.close()


class _Pending:
    """An answer whose results are being gathered."""

    def __init__(self, message: AssistantMessage) -> None:
        self._message = message
        self._results: list[ToolResultMessage | None] = [None] * len(message.tool_calls)
        self._strays: list[UserMessage] = []
        self._open: dict[str, list[int]] = {}
        """Id -> the places of its calls that have no result yet, the first one last."""
        for place in range(len(message.tool_calls) - 1, -1, -1):
            self._open.setdefault(message.tool_calls[place].id, []).append(place)

    def take(self, result: ToolResultMessage) -> None:
        """A result: the first for its call counts."""
        places = self._open.get(result.tool_call_id)
        if places:
            self._results[places.pop()] = result
        else:
            self._strays.append(_stray(result))

    def close(self) -> Iterator[UserMessage | Exchange]:
        """All that came of it."""
        calls = self._message.tool_calls
        paired = zip(calls, self._results, strict=True)
        yield Exchange(self._message, tuple(result or _stand_in(call) for call, result in paired))
        yield from self._strays


def _stand_in(call: ToolCall) -> ToolResultMessage:
    return ToolResultMessage(tool_call_id=call.id, tool_name=call.name, text=NO_RESULT, is_error=True)


def _stray(result: ToolResultMessage) -> UserMessage:
    text = f"Result of the tool {result.tool_name or result.tool_call_id}:\n{result.text}"
    return UserMessage(content=(TextPart(text=text), *result.images))


def plain(content: Sequence[Part]) -> str:
    """Content as text alone; an image becomes a note that it was left out."""
    return "\n".join(part.text if isinstance(part, TextPart) else IMAGE_OMITTED for part in content)


def result_parts(result: ToolResultMessage) -> list[Part]:
    """A result as content, for vendors whose results hold images; never empty."""
    texts = [TextPart(text=result.text)] if result.text.strip() or not result.images else []
    return [*texts, *result.images]


def pictures(exchange: Exchange) -> tuple[Part, ...]:
    """The images of an exchange's results as content of a user's message, for vendors whose results hold text only."""
    found: list[Part] = []
    for call, result in zip(exchange.message.tool_calls, exchange.results, strict=True):
        if result.images:
            found += [TextPart(text=f"Images from the tool {call.name}:"), *result.images]
    return tuple(found)


def has_images(content: Sequence[Part]) -> bool:
    """Whether any of it is an image."""
    return any(isinstance(part, ImagePart) for part in content)


def as_object(arguments: str) -> dict[str, Any]:
    """A call's arguments for vendors that want an object, not text; what is none stands under C{input}."""
    try:
        found = arguments_of(arguments)
    except ValueError:
        found = arguments
    return found if isinstance(found, dict) else {"input": found}


def arguments_of(text: str) -> Any:
    """What a model wrote as a call's arguments; nothing at all is an empty object.

    @raise ValueError: it is not JSON, or nested too deeply.
    """
    try:
        data = (text if text.strip() else "{}").encode("utf-8")
        if is_too_deep(data):
            raise ValueError("nested too deeply")
        return msgspec.json.decode(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None


class CallIds:
    """Ids of calls in a vendor's alphabet and length, none of them twice in a conversation.

    The same conversation gets the same ids every time, so that a prompt cache keeps its worth.
    """

    def __init__(self, pattern: str, length: int) -> None:
        """
        @param pattern: regular expression that a good id matches.
        @param length: how long one is that has to be made, in hexadecimal digits; at most 64.
        """
        self._good = re.compile(pattern)
        self._length = length
        self._used: set[str] = set()
        self._made: dict[str, int] = {}
        """Id -> how many were made from it."""

    def of(self, call: ToolCall) -> str:
        """The id of the next call; its own, if that will do."""
        found, again = call.id, self._made.get(call.id, 0)
        while found in self._used or not self._good.fullmatch(found):
            found = sha256(f"{call.id}#{again}".encode()).hexdigest()[: self._length]
            again += 1
        self._made[call.id] = again
        self._used.add(found)
        return found


__all__ = [
    "BEGINNING",
    "BLANK",
    "IMAGE_OMITTED",
    "NO_RESULT",
    "CallIds",
    "Exchange",
    "arguments_of",
    "as_object",
    "exchanges",
    "has_images",
    "pictures",
    "plain",
    "result_parts",
]
