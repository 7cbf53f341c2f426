# -*- test-case-name: tests.wire.test_run_events -*-
"""The events of a run as server-sent events, and the cursor that a client resumes with. Pure (docs/runs.md).

Every event has C{id:}, its number in the run; C{event:}, its type; and C{data:}, a JSON object with C{seq}, C{ts}
(epoch milliseconds) and C{type} in it. Source: WHATWG HTML, server-sent events.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from openclaw_tx.errors import ErrorInfo, GatewayError
from openclaw_tx.values import (
    ApprovalRequested,
    ApprovalResolved,
    Compacting,
    Entry,
    MessageEnded,
    ModelAnswered,
    ReasoningDelta,
    RunEnded,
    RunEvent,
    RunStarted,
    RunState,
    TextDelta,
    ToolCallDelta,
    ToolEnded,
    ToolProgress,
    ToolStarted,
)
from openclaw_tx.wire.approvals import allowed_decisions
from openclaw_tx.wire.openai_chat_render import encode, error_object, usage_object
from openclaw_tx.wire.run_object import run_object

Fields = dict[str, Any]

GAP = "replay_gap"
"""Type of the event that tells which events are no longer held."""

MAX_CURSOR = 2**53
"""No event has a greater number."""

_DIGITS = re.compile(r"[0-9]{1,16}")
_ENDS: Mapping[str, str] = {
    "ok": "run.completed",
    "error": "run.failed",
    "aborted": "run.aborted",
    "interrupted": "run.interrupted",
}

# What a tool put into its details may be anything.
_encoder = msgspec.json.Encoder(enc_hook=repr)


def _started(event: RunStarted) -> tuple[str, Fields]:
    return "run.started", {"session_id": event.session_id}


def _answered(event: ModelAnswered) -> tuple[str, Fields]:
    return "model.answered", {"provider": event.provider, "model": event.model, "round": event.round}


def _text(event: TextDelta) -> tuple[str, Fields]:
    return ("refusal.delta" if event.refusal else "message.delta"), {"text": event.text}


def _reasoning(event: ReasoningDelta) -> tuple[str, Fields]:
    return "reasoning.delta", {"text": event.text}


def _tool_call(event: ToolCallDelta) -> tuple[str, Fields]:
    call = {"index": event.index, "id": event.id, "name": event.name, "arguments": event.arguments}
    return "tool_call.delta", call


def _message_ended(event: MessageEnded) -> tuple[str, Fields]:
    return "message.completed", {"usage": usage_object(event.usage) if event.usage is not None else None}


def _tool_started(event: ToolStarted) -> tuple[str, Fields]:
    return "tool.started", {"call_id": event.call_id, "name": event.name, "arguments": event.arguments}


def _tool_progress(event: ToolProgress) -> tuple[str, Fields]:
    return "tool.progress", {"call_id": event.call_id, "name": event.name, "text": event.text}


def _approval(event: ApprovalRequested) -> tuple[str, Fields]:
    asked = event.approval
    return "approval.requested", {
        "call_id": event.call_id,
        "approval_id": asked.id,
        "command": asked.command,
        "cwd": asked.cwd,
        "expires_at_ms": asked.expires_at_ms,
        "env": list(asked.env),
        "reason": asked.reason or None,
        "decisions": allowed_decisions(asked),
    }


def _approval_end(event: ApprovalResolved) -> tuple[str, Fields]:
    return "approval.resolved", {
        "call_id": event.call_id,
        "approval_id": event.approval_id,
        "decision": event.decision,
        "expired": event.expired,
    }


def _compacting(event: Compacting) -> tuple[str, Fields]:
    if event.phase == "start":
        return "compaction.started", {"reason": event.reason}
    return "compaction.completed", {"reason": event.reason, "ok": event.ok, "will_retry": event.will_retry}


def _tool_ended(event: ToolEnded) -> tuple[str, Fields]:
    return "tool.completed", {
        "call_id": event.call_id,
        "name": event.name,
        "is_error": event.is_error,
        "text": event.text,
        "details": event.details,
    }


def _ended(event: RunEnded) -> tuple[str, Fields]:
    return _ENDS[event.result.status], {"run": run_object(RunState.of(event.result))}


_RENDER: Mapping[type, Callable[[Any], tuple[str, Fields]]] = {
    RunStarted: _started,
    ModelAnswered: _answered,
    TextDelta: _text,
    ReasoningDelta: _reasoning,
    ToolCallDelta: _tool_call,
    MessageEnded: _message_ended,
    ToolStarted: _tool_started,
    ToolProgress: _tool_progress,
    ApprovalRequested: _approval,
    ApprovalResolved: _approval_end,
    Compacting: _compacting,
    ToolEnded: _tool_ended,
    RunEnded: _ended,
}

TYPES = (
    "run.started",
    "model.answered",
    "message.delta",
    "refusal.delta",
    "reasoning.delta",
    "tool_call.delta",
    "message.completed",
    "tool.started",
    "tool.progress",
    "approval.requested",
    "approval.resolved",
    "compaction.started",
    "compaction.completed",
    "tool.completed",
    *_ENDS.values(),
    GAP,
)
"""Every type of event."""


class EventFrames:
    """Renders entries for one client, in order and each once; tells of holes.

    @ivar cursor: number of the last event that the client has.
    """

    __slots__ = ("cursor",)

    def __init__(self, after: int) -> None:
        """
        @param after: number of the last event that the client has; 0 = it has none.
        """
        self.cursor = after

    def render(self, entries: Sequence[Entry]) -> bytes:
        """Frames of what the client does not have yet."""
        frames: list[bytes] = []
        for entry in entries:
            if entry.seq <= self.cursor:
                continue
            if entry.seq > self.cursor + 1:
                frames.append(gap_frame(self.cursor + 1, entry.seq - 1, entry.ts_ms))
            kind, fields = payload(entry.event)
            frames.append(_frame(entry.seq, entry.ts_ms, kind, fields))
            self.cursor = entry.seq
        return b"".join(frames)


def payload(event: RunEvent) -> tuple[str, Fields]:
    """Type and fields of an event."""
    return _RENDER[type(event)](event)


def gap_frame(first: int, last: int, ts_ms: int) -> bytes:
    """Tells that events C{first} to C{last} are no longer held; who resumes from here does not hear of it again."""
    return _frame(last, ts_ms, GAP, {"first": first, "last": last})


def error_event(info: ErrorInfo) -> bytes:
    """The stream ends although the run has not; there is no C{id:}, so the client can resume."""
    return b"event: error\ndata: " + encode({"error": error_object(info)}) + b"\n\n"


def cursor_of(header: str | None, query: str | None) -> int:
    """Where a client resumes.

    @param header: C{Last-Event-ID}, which a reconnecting EventSource sends; it counts first.
    @param query: C{after} of the query.
    @return: number of the last event that it has; 0 = it has none.
    @raise GatewayError: C{invalid_request}: no such number.
    """
    param = cursor_param(header)
    text = header or query or "0"
    if not _DIGITS.fullmatch(text) or int(text) > MAX_CURSOR:
        raise GatewayError("invalid_request", f"{param} must be the number of an event.", param=param)
    return int(text)


def cursor_param(header: str | None) -> Literal["Last-Event-ID", "after"]:
    """What says where a client resumes; see L{cursor_of}."""
    return "Last-Event-ID" if header else "after"


def _frame(seq: int, ts_ms: int, kind: str, fields: Fields) -> bytes:
    value = {"seq": seq, "ts": ts_ms, "type": kind, **fields}
    try:
        data = _encoder.encode(value)
    except UnicodeEncodeError:
        data = encode(msgspec.to_builtins(value, enc_hook=repr))
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, kind.encode("ascii"), data)


__all__ = ["GAP", "TYPES", "EventFrames", "cursor_of", "cursor_param", "error_event", "gap_frame", "payload"]
