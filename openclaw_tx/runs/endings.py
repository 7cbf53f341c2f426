# -*- test-case-name: tests.runs.test_engine,tests.runs.test_loop,tests.runs.test_unstored -*-
"""How runs end that do not end well: in words for the client, and for the transcript."""

from __future__ import annotations

from twisted.internet.defer import CancelledError

from openclaw_tx.errors import ErrorInfo, GatewayError
from openclaw_tx.runs.dialogue import Dialogue
from openclaw_tx.runs.rooms import Premises
from openclaw_tx.runs.run import AgentRun
from openclaw_tx.runs.unstored import UnstoredEnds
from openclaw_tx.values import AssistantMessage, RunResult

OUTAGES = frozenset(
    {
        "provider_auth",
        "provider_billing",
        "provider_rate_limit",
        "provider_error",
        "provider_overloaded",
        "provider_timeout",
        "model_not_found",
        "local_model_not_installed",
        "run_timeout",
        "empty_response",
    }
)
"""Codes of failures that no question brings about."""


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


async def committed(
    premises: Premises,
    run: AgentRun,
    dialogue: Dialogue,
    context_tokens: int | None,
    result: RunResult,
    unstored: UnstoredEnds,
) -> RunResult:
    """Make the turn of a run durable; only then is its answer final.

    @param unstored: takes the end of a run whose turn is not.
    @return: the result, or the error it has become.
    """
    if result.status != "ok" and not _gave_way(run, dialogue):
        dialogue.added.append(_unfinished(run, result))
    try:
        await premises.rooms.sessions.commit(
            run.stored(result),
            () if is_idle_heartbeat(run, dialogue, result) else dialogue.added,
            model_provider=result.provider,
            model=result.model,
            context_tokens=context_tokens,
            begun=dialogue.begun,
        )
    except GatewayError as error:
        result = run.conclude("error", error=for_client(error.info, run))
        unstored.add(run.stored(result))
    except CancelledError:
        # The store closed under the run: whether the turn was written is not known.
        closed = GatewayError("storage_unavailable", "The store was closed.")
        result = run.conclude("error", error=for_client(closed.info, run))
    except Exception:
        premises.log.failure("run {run} could not be stored", run=run.request.run_id)
        failed = GatewayError("storage_unavailable", "The turn was not stored.")
        result = run.conclude("error", error=for_client(failed.info, run))
        unstored.add(run.stored(result))
    return result


def is_idle_heartbeat(run: AgentRun, dialogue: Dialogue, result: RunResult) -> bool:
    """Whether a turn was a heartbeat at which there was nothing to do and nothing to report. It leaves nothing in the
    transcript, or hundreds of them would fill a conversation. One that brought news, or used a tool, stays."""
    silent = run.request.trigger == "heartbeat" and result.status == "ok" and not result.text
    return silent and len(dialogue.added) == 2


def _gave_way(run: AgentRun, dialogue: Dialogue) -> bool:
    """Whether a chat message took the place of a turn before a word was said. What was asked stands open then, for the
    model to read with that message, and without a word that it was stopped between the two."""
    return run.abort_reason == "interrupt" and not (run.open_text or dialogue.answered)


def _unfinished(run: AgentRun, result: RunResult) -> AssistantMessage:
    """Closes the turn of a run that did not end well: what the open message had said, and why it stopped."""
    return AssistantMessage(
        text=run.open_text,
        stop_reason="aborted" if result.status == "aborted" else "error",
        provider=run.provider,
        model=run.model,
        error_message=result.error.message if result.error is not None else "",
        timestamp_ms=result.ended_at_ms,
        unanswered=not run.open_text and is_open(run.request.trigger, result),
    )


def is_open(trigger: str, result: RunResult) -> bool:
    """Whether a question that nothing was said to still stands: somebody may say "try again", and nobody brings the
    report of a sub-agent again. What a provider refused may be refused again with every turn; heartbeats come by
    themselves."""
    if trigger in ("announce", "heartbeat"):
        return trigger == "announce"
    return result.status == "aborted" or (result.error is not None and result.error.code in OUTAGES)
