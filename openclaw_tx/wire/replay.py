# -*- test-case-name: tests.wire.test_replay -*-
"""What a vendor wants back word for word in the next call: signed or encrypted thinking.

Anthropic signs blocks of thinking, OpenAI encrypts items of reasoning, Google puts signatures on texts and calls.
Within a round of tools all of them must come back where they stood, and only their maker can read them. So an answer
that calls tools keeps the order of its pieces, with what belongs to each, in C{opaque} of
L{openclaw_tx.values.AssistantMessage}; it goes back to the same model of the same provider over the same API, and to
nobody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from openclaw_tx.values import AssistantMessage
from openclaw_tx.wire.large_json import is_too_deep

MAX_OPAQUE_BYTES = 1024 * 1024
"""An answer with more keeps nothing of it; the model then goes on without its earlier thinking."""

Kind = Literal["thought", "text", "call"]


class Piece(msgspec.Struct, omit_defaults=True):
    """A piece of an answer, in its place.

    @ivar data: the vendor's own: the whole of a thought, the signature on a text or a call; None = nothing.
    """

    kind: Kind
    data: Any = None


class _Opaque(msgspec.Struct):
    api: str
    pieces: list[Piece]


_decode = msgspec.json.Decoder(_Opaque).decode


def seal(api: str, pieces: list[Piece]) -> str:
    """The C{opaque} of an answer; "" when there is nothing to keep, or nothing that all of us could read again."""
    if all(piece.data is None for piece in pieces):
        return ""
    text = msgspec.json.encode(_Opaque(api=api, pieces=pieces))
    return text.decode("utf-8") if len(text) <= MAX_OPAQUE_BYTES and not is_too_deep(text) else ""


def unseal(message: AssistantMessage, api: str, provider: str, model: str) -> list[Piece]:
    """What C{message} kept for this very model over this API; empty for any other, or when it can not be read."""
    if not message.opaque or (message.provider, message.model) != (provider, model):
        return []
    try:
        found = _decode(message.opaque)
    except (msgspec.MsgspecError, RecursionError):
        return []
    return found.pieces if found.api == api else []


def woven(message: AssistantMessage, pieces: list[Piece]) -> Iterator[tuple[Kind, Any, int]]:
    """The pieces of a message in the order in which they must go back: the kept ones with their data, then what is
    said in the message and was not among them.

    @return: kind, data, and for a call its place in C{message.tool_calls}. The text comes once, as one.
    """
    told, calls = not message.text, 0
    for piece in pieces:
        if piece.kind == "thought":
            yield "thought", piece.data, 0
        elif piece.kind == "text" and not told:
            told = True
            yield "text", piece.data, 0
        elif piece.kind == "call" and calls < len(message.tool_calls):
            if not told and not any(other.kind == "text" for other in pieces):
                told = True
                yield "text", None, 0
            yield "call", piece.data, calls
            calls += 1
    if not told:
        yield "text", None, 0
    for rest in range(calls, len(message.tool_calls)):
        yield "call", None, rest


__all__ = ["MAX_OPAQUE_BYTES", "Kind", "Piece", "seal", "unseal", "woven"]
