# -*- test-case-name: tests.sessions.test_run_events -*-
"""How runs ended that their process did not live to end. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from openclaw_tx.errors import GatewayError
from openclaw_tx.sessions import run_events
from openclaw_tx.values import Entry, RunResult, StoredRun

INTERRUPTED = "The gateway stopped before this run had ended."
"""What clients and transcripts are told of a run that a crash cut off."""


def result_of(run: StoredRun, kept: Sequence[Entry], session_id: str | None, now_ms: int) -> RunResult:
    """What is known of such a run.

    @param run: as it was written down last.
    @param kept: its events, as far as they were.
    """
    payloads: tuple[str, ...] = (run.partial,) if run.partial else ()
    told = run_events.said(kept)
    if sum(map(len, told)) >= len(run.partial):
        # What watchers were told and what was written down each second: the longer one is the newer one.
        payloads = told
    # Events are written down sooner than the run is.
    provider, model = run_events.answered(kept) or (run.provider, run.model)
    return RunResult(
        run_id=run.run_id,
        session_key=run.session_key,
        agent_id=run.agent_id,
        status="interrupted",
        payloads=payloads,
        provider=provider,
        model=model,
        session_id=session_id or "",
        error=GatewayError("run_interrupted", INTERRUPTED).info,
        queued_at_ms=run.queued_at_ms,
        started_at_ms=run.started_at_ms,
        ended_at_ms=now_ms,
    )


__all__ = ["INTERRUPTED", "result_of"]
