"""Jobs by the clock, and what is known of heartbeats (spec 2.9). JSON names are OpenClaw's."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from openclaw_tx.values.value import Value

Millis = Annotated[int, Meta(ge=0, le=8_640_000_000_000_000)]
"""Epoch milliseconds, or so many of them; at most what JavaScript's Date can hold."""
NonBlank = Annotated[str, Meta(min_length=1, pattern=r"\S")]
Text = Annotated[str, Meta(min_length=1, max_length=100_000, pattern=r"\S")]
Thinking = Literal["", "off", "minimal", "low", "medium", "high", "xhigh"]
TurnSeconds = Annotated[int, Meta(ge=1, le=604_800)]
Target = Literal["main", "isolated"]
WakeMode = Literal["now", "next-heartbeat"]
JobStatus = Literal["ok", "error", "skipped"]


class Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Base of what clients send and files hold: strict, JSON names in camelCase."""


class At(Shape, frozen=True, tag_field="kind", tag="at"):
    """Once. Clients may name the moment either way; it is kept as C{atMs}."""

    at: Annotated[str, Meta(max_length=64)] = ""
    """ISO 8601; without an offset it is UTC."""
    at_ms: Millis | None = None


class Every(Shape, frozen=True, tag_field="kind", tag="every"):
    """At a steady pace."""

    every_ms: Annotated[int, Meta(ge=1, le=8_640_000_000_000_000)]
    anchor_ms: Millis | None = None
    """A moment that the pace hits; None = that of the job's making."""


class CronTimes(Shape, frozen=True, tag_field="kind", tag="cron"):
    """By a cron expression."""

    expr: Annotated[str, Meta(min_length=1, max_length=256)]
    """Five fields, or six with seconds first."""
    tz: Annotated[str, Meta(max_length=64)] = ""
    """IANA name; "" = the user's."""


Schedule = At | Every | CronTimes


class SystemEventPayload(Shape, frozen=True, tag_field="kind", tag="systemEvent"):
    """News for the main session."""

    text: Text


class AgentTurnPayload(Shape, frozen=True, tag_field="kind", tag="agentTurn"):
    """A run in a session of the job's own."""

    message: Text
    model: Annotated[str, Meta(max_length=256)] = ""
    """Model ref or alias; "" = the agent's own."""
    thinking: Thinking = ""
    timeout_seconds: TurnSeconds | None = None
    """Longest run; None = as usual."""
    deliver: bool = False
    """Send the answer over a channel."""
    channel: Annotated[str, Meta(max_length=64)] = ""
    """Over which; "" or C{last} = where somebody last spoke to the agent's main session from."""
    to: Annotated[str, Meta(max_length=256)] = ""
    """To whom, on that channel."""
    account_id: Annotated[str, Meta(max_length=256)] = ""
    best_effort_deliver: bool = False
    """A run whose answer does not arrive went well all the same."""


Payload = SystemEventPayload | AgentTurnPayload


class JobDelivery(Shape, frozen=True):
    """What clients of today send beside a job: where its answer goes. It is kept in the payload."""

    mode: Literal["none", "announce"]
    channel: Annotated[str, Meta(max_length=64)] = ""
    to: Annotated[str, Meta(max_length=256)] = ""
    account_id: Annotated[str, Meta(max_length=256)] = ""
    best_effort: bool = False


class Isolation(Shape, frozen=True):
    """How the main session hears of an isolated run."""

    post_to_main_prefix: Annotated[str, Meta(max_length=64)] = ""
    """What the news begins with; "" = C{Cron}."""
    post_to_main_mode: Literal["summary", "full"] = "summary"
    """The beginning of the answer, or as much of it as fits."""
    post_to_main_max_chars: Annotated[int, Meta(ge=0, le=100_000)] = 8000
    """For C{full}."""


class JobState(Shape, frozen=True):
    """Where a job stands."""

    next_run_at_ms: Millis | None = None
    running_at_ms: Millis | None = None
    last_run_at_ms: Millis | None = None
    last_status: JobStatus | None = None
    last_error: str | None = None
    last_duration_ms: Millis | None = None


class CronJob(Shape, frozen=True):
    """A job."""

    id: str
    name: str
    enabled: bool
    schedule: Schedule
    payload: Payload
    session_target: Target
    wake_mode: WakeMode
    created_at_ms: Millis
    updated_at_ms: Millis
    state: JobState
    agent_id: str = ""
    """Whose; "" = the default agent's of the moment."""
    description: str = ""
    delete_after_run: bool = False
    """Remove it once it went well."""
    isolation: Isolation | None = None


class JobDraft(Shape, frozen=True):
    """What a client says of a new job."""

    name: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]
    schedule: Schedule
    payload: Payload
    session_target: Target
    wake_mode: WakeMode
    agent_id: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    description: Annotated[str, Meta(max_length=2000)] = ""
    enabled: bool = True
    delete_after_run: bool = False
    isolation: Isolation | None = None
    delivery: JobDelivery | None = None


class SystemEventPatch(Shape, frozen=True, tag_field="kind", tag="systemEvent"):
    """What is to change in L{SystemEventPayload}; what is unset stays."""

    text: Text | msgspec.UnsetType = msgspec.UNSET


class AgentTurnPatch(Shape, frozen=True, tag_field="kind", tag="agentTurn"):
    """What is to change in L{AgentTurnPayload}; what is unset stays, null takes it back."""

    message: Text | msgspec.UnsetType = msgspec.UNSET
    model: Annotated[str, Meta(max_length=256)] | msgspec.UnsetType | None = msgspec.UNSET
    thinking: Thinking | msgspec.UnsetType | None = msgspec.UNSET
    timeout_seconds: TurnSeconds | msgspec.UnsetType | None = msgspec.UNSET
    deliver: bool | msgspec.UnsetType = msgspec.UNSET
    channel: Annotated[str, Meta(max_length=64)] | msgspec.UnsetType | None = msgspec.UNSET
    to: Annotated[str, Meta(max_length=256)] | msgspec.UnsetType | None = msgspec.UNSET
    account_id: Annotated[str, Meta(max_length=256)] | msgspec.UnsetType | None = msgspec.UNSET
    best_effort_deliver: bool | msgspec.UnsetType = msgspec.UNSET


PayloadPatch = SystemEventPatch | AgentTurnPatch


class DeliveryPatch(Shape, frozen=True):
    """What is to change in L{JobDelivery}; what is unset stays, null takes it back."""

    mode: Literal["none", "announce"] | msgspec.UnsetType = msgspec.UNSET
    channel: Annotated[str, Meta(max_length=64)] | msgspec.UnsetType | None = msgspec.UNSET
    to: Annotated[str, Meta(max_length=256)] | msgspec.UnsetType | None = msgspec.UNSET
    account_id: Annotated[str, Meta(max_length=256)] | msgspec.UnsetType | None = msgspec.UNSET
    best_effort: bool | msgspec.UnsetType = msgspec.UNSET


class JobPatch(Shape, frozen=True):
    """What a client wants changed; what is unset stays. C{agentId} null gives the job to the default agent. A payload
    of another kind is a whole one."""

    name: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")] | msgspec.UnsetType = msgspec.UNSET
    schedule: Schedule | msgspec.UnsetType = msgspec.UNSET
    payload: PayloadPatch | msgspec.UnsetType = msgspec.UNSET
    session_target: Target | msgspec.UnsetType = msgspec.UNSET
    wake_mode: WakeMode | msgspec.UnsetType = msgspec.UNSET
    agent_id: Annotated[str, Meta(min_length=1, max_length=64)] | msgspec.UnsetType | None = msgspec.UNSET
    description: Annotated[str, Meta(max_length=2000)] | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET
    delete_after_run: bool | msgspec.UnsetType = msgspec.UNSET
    isolation: Isolation | msgspec.UnsetType = msgspec.UNSET
    delivery: DeliveryPatch | msgspec.UnsetType = msgspec.UNSET


class JobRecord(Shape, frozen=True):
    """A line of a job's log: how one run of it ended."""

    ts: Millis
    job_id: str
    action: Literal["finished"]
    status: JobStatus
    error: str | None = None
    summary: str | None = None
    run_at_ms: Millis | None = None
    duration_ms: Millis | None = None
    next_run_at_ms: Millis | None = None
    session_key: str | None = None
    run_id: str | None = None


class CronNews(Value, frozen=True):
    """Something happened to a job."""

    job_id: str
    action: Literal["added", "updated", "removed", "started", "finished"]
    record: JobRecord | None = None
    """Of a run that has finished."""
    run_at_ms: int | None = None
    next_run_at_ms: int | None = None


class HeartbeatNews(Value, frozen=True):
    """What came of a heartbeat."""

    ts: int
    agent_id: str
    session_key: str
    status: Literal["sent", "ok-token", "skipped", "failed"]
    reason: str = ""
    """Why it was skipped or failed; or what brought it about, besides its interval."""
    preview: str = ""
    """The beginning of what the agent has to tell."""
    duration_ms: int | None = None


__all__ = [
    "AgentTurnPatch",
    "AgentTurnPayload",
    "At",
    "CronJob",
    "CronNews",
    "CronTimes",
    "DeliveryPatch",
    "Every",
    "HeartbeatNews",
    "Isolation",
    "JobDraft",
    "JobPatch",
    "JobRecord",
    "JobState",
    "JobStatus",
    "Payload",
    "PayloadPatch",
    "Schedule",
    "SystemEventPatch",
    "SystemEventPayload",
]
