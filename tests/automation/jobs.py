"""Jobs for the tests of this room."""

from __future__ import annotations

from typing import Any

from openclaw_tx.values import AgentTurnPayload, CronJob, Every, JobDraft, JobState, Schedule, SystemEventPayload

MINUTE = 60_000


def job(job_id: str = "j", schedule: Schedule | None = None, *, isolated: bool = True, **fields: Any) -> CronJob:
    """A job, every minute unless said otherwise."""
    given: dict[str, Any] = {
        "name": f"job {job_id}",
        "enabled": True,
        "wake_mode": "next-heartbeat",
        "created_at_ms": 0,
        "updated_at_ms": 0,
        "state": JobState(),
        "payload": AgentTurnPayload(message="go") if isolated else SystemEventPayload(text="look"),
        "session_target": "isolated" if isolated else "main",
        **fields,
    }
    return CronJob(id=job_id, schedule=schedule or Every(every_ms=MINUTE), **given)


def draft(schedule: Schedule | None = None, *, isolated: bool = True, **fields: Any) -> JobDraft:
    """The same as a client sends it."""
    given: dict[str, Any] = {
        "name": "news",
        "wake_mode": "next-heartbeat",
        "payload": AgentTurnPayload(message="go") if isolated else SystemEventPayload(text="look"),
        "session_target": "isolated" if isolated else "main",
        **fields,
    }
    return JobDraft(schedule=schedule or Every(every_ms=MINUTE), **given)
