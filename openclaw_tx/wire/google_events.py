# -*- test-case-name: tests.wire.test_google_generative_ai -*-
"""Answers of Google's Gemini API, stream or whole (API reference "GenerateContentResponse").

A stream has no end of its own: the answer is complete with a C{finishReason}, and counts may come after that.
"""

from __future__ import annotations

from typing import Any

import msgspec

from openclaw_tx.values import FinishReason, ModelEvent, Usage
from openclaw_tx.wire.google_generative_ai import API
from openclaw_tx.wire.replay import Piece
from openclaw_tx.wire.replies import ReplyReader, as_text
from openclaw_tx.wire.upstream import UpstreamError, count, error_of, total

_FINISH: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
}
_UNSAID = "FINISH_REASON_UNSPECIFIED"


class _Function(msgspec.Struct):
    id: str | None = None
    name: str | None = None
    args: Any = None


class _Part(msgspec.Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _Function | None = None


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    index: int | None = None
    content: _Content | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    usage_metadata: Any = None
    prompt_feedback: Any = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Chunk)
_decoder_whole = msgspec.json.Decoder(list[_Chunk] | _Chunk)


class GenerateContentReader(ReplyReader):
    """Reads the chunks of one answer. Calls come whole."""

    api = API

    def read(self, payload: bytes, events: list[ModelEvent]) -> None:
        if payload.strip() not in (b"", b"[DONE]"):
            self._chunk(self._decoded(_decoder, payload), events)

    def read_whole(self, body: bytes, events: list[ModelEvent]) -> None:
        """Also a list of chunks, which a server sends that overlooks C{alt=sse}."""
        found = self._decoded(_decoder_whole, body)
        for chunk in found if isinstance(found, list) else [found]:
            self._chunk(chunk, events)

    def _chunk(self, chunk: _Chunk, events: list[ModelEvent]) -> None:
        if chunk.error:
            raise error_of(chunk.error)
        if chunk.usage_metadata is not None:
            self._usage = _usage(chunk.usage_metadata)
        if isinstance(chunk.prompt_feedback, dict) and chunk.prompt_feedback.get("blockReason"):
            self._reason = "content_filter"
        for candidate in chunk.candidates or ():
            if candidate.index:
                continue  # one that nobody asked for
            for part in (candidate.content.parts if candidate.content else None) or ():
                self._part(part, events)
            if candidate.finish_reason and candidate.finish_reason != _UNSAID:
                self._finish(candidate.finish_reason)

    def _part(self, part: _Part, events: list[ModelEvent]) -> None:
        if part.function_call is not None:
            call = self._open(part.function_call.id or "", part.function_call.name or "")
            call.piece.data = part.thought_signature or None
            self._grow(call, as_text(part.function_call.args), events)
        elif part.thought:
            self._think(part.text or "", events)
        else:
            self._say(part.text or "", events)
            if part.thought_signature:
                self._sign(part.thought_signature)

    def _sign(self, signature: str) -> None:
        """The signature on a text may come with nothing, after it."""
        if not self._pieces or self._pieces[-1].kind != "text":
            self._pieces.append(Piece(kind="text"))
        self._pieces[-1].data = signature

    def _finish(self, reason: str) -> None:
        """
        @raise UpstreamError: the model's end is a failure, e.g. C{MALFORMED_FUNCTION_CALL}.
        """
        known = _FINISH.get(reason)
        if known is None:
            raise UpstreamError(f"The provider ended the answer with finishReason {reason}.")
        self._reason = known


def _usage(found: Any) -> Usage:
    """Token counts; thinking is counted apart from the answer."""
    if not isinstance(found, dict):
        return Usage()
    thought = count(found.get("thoughtsTokenCount"))
    return Usage(
        prompt_tokens=count(found.get("promptTokenCount")),
        completion_tokens=total(count(found.get("candidatesTokenCount")), thought),
        cached_tokens=count(found.get("cachedContentTokenCount")),
        reasoning_tokens=thought,
    )


__all__ = ["GenerateContentReader"]
