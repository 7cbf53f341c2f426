# -*- test-case-name: tests.automation.test_drafts -*-
"""From what a client says of a job to the job, and to the changed one. Pure."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from openclaw_tx.automation.schedule import checked
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents
from openclaw_tx.values import (
    AgentTurnPayload,
    CronJob,
    JobDelivery,
    JobDraft,
    JobPatch,
    JobState,
    Payload,
    SystemEventPayload,
)


def new_job(draft: JobDraft, job_id: str, now_ms: int, timezone: str, agents: Agents) -> CronJob:
    """
    @param timezone: for expressions that name none.
    @raise GatewayError: C{invalid_request} naming the field.
    """
    job = CronJob(
        id=job_id,
        name=draft.name.strip(),
        enabled=draft.enabled,
        schedule=draft.schedule,
        payload=_delivered(draft.payload, draft.delivery),
        session_target=draft.session_target,
        wake_mode=draft.wake_mode,
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
        state=JobState(),
        agent_id=draft.agent_id or "",
        description=draft.description,
        delete_after_run=draft.delete_after_run,
        isolation=draft.isolation,
    )
    return _sound(job, timezone, agents)


def patched(job: CronJob, patch: JobPatch, now_ms: int, timezone: str, agents: Agents) -> CronJob:
    """
    @param timezone: for expressions that name none.
    @raise GatewayError: C{invalid_request} naming the field.
    """
    changes: dict[str, Any] = {}
    for name in patch.__struct_fields__:
        value = getattr(patch, name)
        if value is not msgspec.UNSET and name != "delivery":
            changes[name] = value
    if isinstance(patch.delivery, JobDelivery):
        changes["payload"] = _delivered(changes.get("payload", job.payload), patch.delivery)
    if "agent_id" in changes:
        changes["agent_id"] = changes["agent_id"] or ""
    return _sound(replace(job, **changes, updated_at_ms=now_ms), timezone, agents)


def _delivered(payload: Payload, delivery: JobDelivery | None) -> Payload:
    """What a job does, with what was said beside it of where its answer goes.

    @raise GatewayError: C{invalid_request}: there is no answer.
    """
    if delivery is None:
        return payload
    if not isinstance(payload, AgentTurnPayload):
        if delivery.mode == "announce":
            raise _wrong("delivery", 'mode "announce" needs a payload of kind "agentTurn"')
        return payload
    if delivery.mode == "none":
        return replace(payload, deliver=False)
    return replace(
        payload,
        deliver=True,
        channel=delivery.channel,
        to=delivery.to,
        account_id=delivery.account_id,
        best_effort_deliver=delivery.best_effort,
    )


def _sound(job: CronJob, timezone: str, agents: Agents) -> CronJob:
    agent_id = job.agent_id.strip().lower()
    if agent_id and agents.get(agent_id) is None:
        raise _wrong("agentId", f"unknown agent {agent_id!r}")
    if job.session_target == "main" and not isinstance(job.payload, SystemEventPayload):
        raise _wrong("payload.kind", 'must be "systemEvent" for sessionTarget "main"')
    if job.session_target == "isolated" and not isinstance(job.payload, AgentTurnPayload):
        raise _wrong("payload.kind", 'must be "agentTurn" for sessionTarget "isolated"')
    return replace(job, agent_id=agent_id, schedule=checked(job.schedule, timezone))


def _wrong(field: str, message: str) -> GatewayError:
    return GatewayError("invalid_request", f"{field}: {message}", param=field)


__all__ = ["new_job", "patched"]
