# -*- test-case-name: tests.wire.test_run_events -*-
"""A run as C{/v1/runs} shows it. Pure (docs/runs.md)."""

from __future__ import annotations

from typing import Any

from openclaw_tx.values import RunState
from openclaw_tx.wire.openai_chat_render import encode, error_object, usage_object
from openclaw_tx.wire.prompt_report import prompt_object


def run_object(state: RunState) -> dict[str, Any]:
    """The run object. Times are epoch milliseconds, durations milliseconds; null = not known, or not yet."""
    return {
        "id": state.run_id,
        "object": "run",
        "status": state.status,
        "agent": state.agent_id,
        "session_key": state.session_key,
        "session_id": state.session_id or None,
        "model": f"{state.provider}/{state.model}" if state.model else None,
        "text": "\n\n".join(state.payloads),
        "payloads": list(state.payloads),
        "tool_calls": [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
            for call in state.tool_calls
        ],
        "finish_reason": state.finish_reason,
        "usage": usage_object(state.usage),
        "error": error_object(state.error) if state.error is not None else None,
        "abort_reason": state.abort_reason or None,
        "media": list(state.media),
        "reply_to": state.reply_to or None,
        "prompt_report": prompt_object(state.prompt_report) if state.prompt_report is not None else None,
        "timings": {
            "queued_at_ms": state.queued_at_ms,
            "started_at_ms": state.started_at_ms or None,
            "ended_at_ms": state.ended_at_ms or None,
            "queue_ms": _span(state.queued_at_ms, state.started_at_ms),
            "work_ms": _span(state.started_at_ms, state.ended_at_ms),
        },
    }


def run_body(state: RunState) -> bytes:
    """The run object as JSON."""
    return encode(run_object(state))


def _span(since: int, to: int) -> int | None:
    return max(0, to - since) if since and to else None


__all__ = ["run_body", "run_object"]
