# -*- test-case-name: tests.automation.test_drafts -*-
"""From what a client says of a job to the job, and to the changed one. Pure."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import asdict, fields, replace

from openclaw_tx.automation.schedule import checked
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents
from openclaw_tx.values import (
    AgentTurnPatch,
    AgentTurnPayload,
    CronJob,
    DeliveryPatch,
    JobDelivery,
    JobDraft,
    JobPatch,
    JobState,
    Payload,
    PayloadPatch,
    SystemEventPatch,
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
        payload=delivered(draft.payload, draft.delivery),
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
        if value is not msgspec.UNSET and name not in ("payload", "delivery"):
            changes[name] = value
    payload = job.payload
    if isinstance(patch.payload, SystemEventPatch | AgentTurnPatch):
        payload = _changed(payload, patch.payload)
    if isinstance(patch.delivery, DeliveryPatch):
        payload = delivered(payload, _delivery(payload, patch.delivery))
    changes["payload"] = payload
    if "agent_id" in changes:
        changes["agent_id"] = changes["agent_id"] or ""
    # The agent may have been removed meanwhile; its jobs can be disabled and given to another one all the same.
    known = agents if changes.get("agent_id", job.agent_id) != job.agent_id else None
    return _sound(replace(job, **changes, updated_at_ms=now_ms), timezone, known)


def _changed(payload: Payload, patch: PayloadPatch) -> Payload:
    """What a job does after a change: what the patch does not name stays, null is the default. A patch of the other
    kind makes a new one.

    @raise GatewayError: C{invalid_request}: there is nothing to say in it.
    """
    kind, said = (SystemEventPayload, "text") if isinstance(patch, SystemEventPatch) else (AgentTurnPayload, "message")
    defaults = {field.name: field.default for field in fields(kind)}
    named = {name: value for name, value in asdict(patch).items() if value is not msgspec.UNSET}
    named = {name: defaults[name] if value is None else value for name, value in named.items()}
    if isinstance(payload, kind):
        return replace(payload, **named)
    if said not in named:
        raise _wrong(f"payload.{said}", "is missing")
    return kind(**named)


def _delivery(payload: Payload, patch: DeliveryPatch) -> JobDelivery:
    """Where an answer goes after a change: what the patch does not name stays."""
    named = {name: value for name, value in asdict(patch).items() if value is not msgspec.UNSET}
    before = JobDelivery(mode="none")
    if isinstance(payload, AgentTurnPayload):
        before = JobDelivery(
            mode="announce" if payload.deliver else "none",
            channel=payload.channel,
            to=payload.to,
            account_id=payload.account_id,
            best_effort=payload.best_effort_deliver,
        )
    return replace(before, **{name: "" if value is None else value for name, value in named.items()})


def delivered(payload: Payload, delivery: JobDelivery | None) -> Payload:
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


def _sound(job: CronJob, timezone: str, agents: Agents | None) -> CronJob:
    """
    @param agents: where its agent must be one of; None = it may be any.
    """
    agent_id = job.agent_id.strip().lower()
    if agent_id and agents is not None and agents.get(agent_id) is None:
        raise _wrong("agentId", f"unknown agent {agent_id!r}")
    if job.session_target == "main" and not isinstance(job.payload, SystemEventPayload):
        raise _wrong("payload.kind", 'must be "systemEvent" for sessionTarget "main"')
    if job.session_target == "isolated" and not isinstance(job.payload, AgentTurnPayload):
        raise _wrong("payload.kind", 'must be "agentTurn" for sessionTarget "isolated"')
    return replace(job, agent_id=agent_id, schedule=checked(job.schedule, timezone))


def _wrong(field: str, message: str) -> GatewayError:
    return GatewayError("invalid_request", f"{field}: {message}", param=field)


__all__ = ["delivered", "new_job", "patched"]
