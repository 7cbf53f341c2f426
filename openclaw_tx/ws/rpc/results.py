# -*- test-case-name: tests.ws.rpc.test_agent -*-
"""The end of a run, as the protocol tells it (spec 2.10, 3.2)."""

from __future__ import annotations

from typing import Any

from openclaw_tx.errors import ErrorInfo
from openclaw_tx.interfaces import Run
from openclaw_tx.values import RunResult, StoredRun, Usage
from openclaw_tx.wire.prompt_report import system_prompt_report
from openclaw_tx.ws.methods import Declined

NO_ERROR = ErrorInfo(code="run_failed", message="the run failed")


def final(result: RunResult) -> Any:
    """The last answer to C{agent}: the result, or a refusal that still carries what was said."""
    payload = {"runId": result.run_id, "status": "ok", "summary": "completed", "result": _result(result)}
    if result.status == "ok":
        return payload
    error = result.error or NO_ERROR
    aborted = result.status == "aborted"
    payload["status"] = "aborted" if aborted else "error"
    payload["summary"] = f"aborted ({result.abort_reason or 'rpc'})" if aborted else error.message
    return Declined(payload, error)


def _result(result: RunResult) -> dict[str, Any]:
    duration = result.ended_at_ms - result.started_at_ms if result.started_at_ms else 0
    meta: dict[str, Any] = {
        "durationMs": max(0, duration),
        "agentMeta": {
            "sessionId": result.session_id,
            "provider": result.provider,
            "model": result.model,
            "usage": usage(result.usage),
        },
        "aborted": result.status == "aborted",
        "stopReason": {"ok": result.finish_reason, "aborted": "aborted"}.get(result.status, "error"),
    }
    if result.prompt_report is not None:
        meta["systemPromptReport"] = system_prompt_report(
            result.prompt_report,
            generated_at_ms=result.started_at_ms,
            session_id=result.session_id,
            session_key=result.session_key,
            provider=result.provider,
            model=result.model,
        )
    payloads: list[dict[str, Any]] = [{"text": text, "mediaUrl": None} for text in result.payloads]
    if result.media:
        payloads = payloads or [{"text": ""}]
        payloads[-1] |= {"mediaUrl": result.media[0], "mediaUrls": list(result.media)}
    if result.reply_to and payloads:
        payloads[-1]["replyToId"] = result.reply_to
    return {"payloads": payloads, "meta": meta}


def usage(counts: Usage) -> dict[str, int]:
    """Token counts in OpenClaw's names; what the provider did not say is left out."""
    cached = counts.cached_tokens or 0
    found: dict[str, int] = {}
    if counts.prompt_tokens is not None:
        found["input"] = max(0, counts.prompt_tokens - cached)
    if counts.completion_tokens is not None:
        found["output"] = counts.completion_tokens
    if counts.cached_tokens is not None:
        found["cacheRead"] = cached
    if counts.prompt_tokens is not None and counts.completion_tokens is not None:
        found["total"] = counts.prompt_tokens + counts.completion_tokens
    return found


def waited(result: RunResult) -> dict[str, Any]:
    """The answer to C{agent.wait} once the run has ended."""
    answer: dict[str, Any] = {"runId": result.run_id, "status": "ok" if result.status == "ok" else "error"}
    if result.started_at_ms:
        answer["startedAt"] = result.started_at_ms
    answer["endedAt"] = result.ended_at_ms
    if result.status != "ok":
        answer["error"] = (result.error or NO_ERROR).message
    if result.status == "aborted":
        answer["stopReason"] = result.abort_reason or "rpc"
    return answer


def waited_in_vain(run: Run | None, run_id: str, queued: bool = False) -> dict[str, Any]:
    """The answer when the time is over.

    @param queued: a chat message waits that will be a run, or part of one.
    """
    answer: dict[str, Any] = {"runId": run_id, "status": "timeout"}
    if queued or (run is not None and run.status == "queued"):
        answer["timeoutPhase"] = "queue"
    elif run is not None and run.started_at_ms:
        answer["startedAt"] = run.started_at_ms
    return answer


def unless_in_vain(result: RunResult) -> RunResult | None:
    """What a repeated key is answered with; None = nothing came of the run, and the key starts it anew."""
    return None if result.came_to_nothing else result


def remembered(stored: StoredRun) -> RunResult | None:
    """How a run ended that only the store remembers; None while the store takes it for running.

    One that was cut off by a crash has no result, only what it had said.
    """
    if stored.result is not None:
        return stored.result
    if stored.status == "queued" or stored.status == "running":
        return None
    return RunResult(
        run_id=stored.run_id,
        session_key=stored.session_key,
        agent_id=stored.agent_id,
        status=stored.status,
        payloads=(stored.partial,) if stored.partial else (),
        provider=stored.provider,
        model=stored.model,
        error=None
        if stored.status == "ok"
        else ErrorInfo(code="run_interrupted", message="the gateway stopped while the run was at work"),
        queued_at_ms=stored.queued_at_ms,
        started_at_ms=stored.started_at_ms,
        ended_at_ms=stored.ended_at_ms,
    )
