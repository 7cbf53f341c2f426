# -*- test-case-name: tests.ws.rpc.test_history -*-
"""Transcripts as chat clients see them: messages, and pages of them (spec 2.10). Pure."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from msgspec import Meta

from openclaw_tx.values import (
    CompactionMessage,
    ImagePart,
    Message,
    TextPart,
    ToolResultMessage,
    TranscriptPage,
    UserMessage,
)
from openclaw_tx.wire.frames import Natural, Positive, encode
from openclaw_tx.wire.openclaw_messages import call_block, stop_reason_name
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.rpc.results import usage

ID_DIGITS = 32
"""Hexadecimal digits of the id of a message: of its digest, for transcripts number them only within."""
MAX_HISTORY_BYTES = 6 * 1024 * 1024
"""JSON of the messages in one C{chat.history}; older ones are left out."""
CUT = "\n...(truncated)..."
"""Ends a text that was cut; clients know it."""
SessionKey = Annotated[str, Meta(min_length=1, max_length=512)]
RunId = Annotated[str, Meta(min_length=1, max_length=256)]


class PageParams(Params, frozen=True):
    """How much of a transcript is wanted."""

    agent_id: str = ""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 200
    max_bytes: Positive = MAX_HISTORY_BYTES
    """Bytes of the messages; older ones are left out."""
    offset: Natural | None = None
    """Newest messages to leave out: those that the client has already."""
    max_chars: Annotated[int, Meta(ge=1, le=500_000)] | None = None
    """Characters of a text; what is longer is cut, and says so."""
    input_run_ids: Annotated[list[RunId], Meta(min_length=1, max_length=50)] | None = None
    """Runs of which C{inputReceipts} are to tell whether their message has been taken in."""


class HistoryParams(PageParams, frozen=True, kw_only=True):
    """Params of C{chat.history}."""

    session_key: SessionKey


def history_page(page: TranscriptPage, params: PageParams) -> dict[str, Any]:
    """As many of the newest messages of a page as fit, and where the page before it begins. What a run at work was
    asked comes with the newest page and counts for neither: it has as much room for itself."""
    room, start = min(params.max_bytes, MAX_HISTORY_BYTES), params.offset or 0
    kept = _asked(page, params, room)
    oldest = page.total - start
    for position, message in reversed(list(zip(page.positions, page.messages, strict=True))):
        row = _row_of(message, position, params)
        size = len(encode(row))
        if size > room:
            # One that fits into no page keeps nobody from those before it.
            oldest = oldest if oldest < page.total - start else position
            break
        room -= size
        kept.append(row)
        oldest = min(oldest, position)
    else:
        # What can not be read is passed over.
        oldest = min(oldest, page.first)
    answer: dict[str, Any] = {"messages": kept[::-1], "totalMessages": page.total, "hasMore": oldest > 0}
    if params.offset is not None:
        answer["offset"] = params.offset
    if oldest > 0:
        answer["nextOffset"] = page.total - oldest
    return answer


def _asked(page: TranscriptPage, params: PageParams, room: int) -> list[Any]:
    """What runs at work were asked, the newest first; it stands behind all that the transcript holds."""
    kept = []
    for position, message in reversed(list(enumerate(page.pending, page.total))):
        row = _row_of(message, position, params)
        size = len(encode(row))
        if size <= room:
            room -= size
            kept.append(row)
    return kept


def _row_of(message: Message, position: int, params: PageParams) -> dict[str, Any]:
    return cut(numbered(message_row(message), position), params.max_chars)


def numbered(row: dict[str, Any], position: int) -> dict[str, Any]:
    """A row that tells its place in the transcript, from 1."""
    row["__openclaw"]["seq"] = position + 1
    return row


def cut(row: dict[str, Any], length: int | None) -> dict[str, Any]:
    """A row whose texts have at most so many characters; None = as they are."""
    texts = [block for block in row["content"] if block["type"] == "text" and len(block["text"]) > (length or 0)]
    if length is not None and texts:
        for block in texts:
            block["text"] = block["text"][:length] + CUT
        row["__openclaw"]["truncated"] = True
    return row


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
    content += map(call_block, message.tool_calls)
    row = {
        "role": "assistant",
        "content": content,
        "provider": message.provider,
        "model": message.model,
        "usage": usage(message.usage),
        "stopReason": stop_reason_name(message.stop_reason),
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


__all__ = ["HistoryParams", "PageParams", "event_id", "history_page", "message_row", "numbered"]
