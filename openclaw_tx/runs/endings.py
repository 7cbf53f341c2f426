# -*- test-case-name: tests.runs.test_engine -*-
"""How runs end that do not end well: in words for the client, and for the transcript."""

from __future__ import annotations

from openclaw_tx.errors import ErrorInfo, GatewayError
from openclaw_tx.runs.run import AgentRun
from openclaw_tx.values import AssistantMessage, RunResult


def cut_short(run: AgentRun) -> RunResult:
    """The result of a cancelled run: a timeout is an error, everything else an abort."""
    if run.abort_reason == "timeout":
        error = GatewayError("run_timeout", "The run took too long and was stopped.")
        return run.conclude("error", error=error.info)
    if run.abort_reason == "shutdown":
        error = GatewayError("gateway_restarting", "The gateway shut down before the run had ended.")
        if not run.started_at_ms:
            error = GatewayError("gateway_draining", "The gateway shut down before the run began.", retry_after=5)
        return run.conclude("aborted", error=error.info)
    reason = run.abort_reason or "cancelled"
    return run.conclude("aborted", error=GatewayError("run_aborted", f"The run was aborted ({reason}).").info)


def for_client(info: ErrorInfo, run: AgentRun) -> ErrorInfo:
    """Once a tool has run, a blind retry would run it again: say so, and do not say when."""
    if not run.effects or info.should_retry is False:
        return info
    return GatewayError(info.code, info.message, param=info.param, should_retry=False, details=info.details).info


def unfinished(run: AgentRun, result: RunResult) -> AssistantMessage:
    """Closes the turn of a run that did not end well: what the open message had said, and why it stopped."""
    return AssistantMessage(
        text=run.open_text,
        stop_reason="aborted" if result.status == "aborted" else "error",
        provider=run.provider,
        model=run.model,
        error_message=result.error.message if result.error is not None else "",
        timestamp_ms=result.ended_at_ms,
    )
