"""Events of a run, in the order they can occur. The journal numbers them; every surface reads only these."""

from __future__ import annotations

from typing import Any, Literal

from openclaw_tx.values.approvals import Approval, Decision
from openclaw_tx.values.conversation import Usage
from openclaw_tx.values.runs import RunResult
from openclaw_tx.values.value import Plain


class RunStarted(Plain, frozen=True, tag="started"):
    """The run left its queues and begins to work."""

    session_id: str


class ModelAnswered(Plain, frozen=True, tag="model"):
    """The provider accepted a call and its first bytes are here."""

    provider: str
    model: str
    round: int
    """1 for the first model call of the run."""


class TextDelta(Plain, frozen=True, tag="text", omit_defaults=True):
    """More text of the current assistant message."""

    text: str
    refusal: bool = False
    """The model declines to answer, and this is how it says so."""


class ReasoningDelta(Plain, frozen=True, tag="reasoning"):
    """More thinking of the current assistant message; not part of the answer."""

    text: str


class ToolCallDelta(Plain, frozen=True, tag="toolCall"):
    """A piece of a I{client} tool call: id and name come once, with the first piece of that index."""

    index: int
    id: str
    name: str
    arguments: str


class MessageEnded(Plain, frozen=True, tag="message", omit_defaults=True):
    """An assistant message is complete; text that follows belongs to the next one."""

    usage: Usage | None = None
    """What the run has used up to here."""


class ToolStarted(Plain, frozen=True, tag="toolStart"):
    """One of the agent's own tools begins."""

    call_id: str
    name: str
    arguments: Any


class ToolProgress(Plain, frozen=True, tag="toolUpdate"):
    """One of the agent's own tools tells how far it is."""

    call_id: str
    name: str
    text: str


class ApprovalRequested(Plain, frozen=True, tag="approval"):
    """A tool waits for a person's word."""

    call_id: str
    approval: Approval


class ApprovalResolved(Plain, frozen=True, tag="approvalEnd"):
    """A tool waits no more."""

    call_id: str
    approval_id: str
    decision: Decision
    expired: bool = False
    """Nobody answered in time."""


class Compacting(Plain, frozen=True, tag="compaction", omit_defaults=True):
    """The conversation is being summarised, or has been."""

    phase: Literal["start", "end"]
    reason: Literal["threshold", "overflow", "manual"] = "threshold"
    ok: bool = True
    """At the end: it was done."""
    will_retry: bool = False
    """At the end: the model is asked again."""


class ToolEnded(Plain, frozen=True, tag="toolEnd"):
    """One of the agent's own tools gave its result."""

    call_id: str
    name: str
    is_error: bool
    text: str
    details: Any = None


class RunEnded(Plain, frozen=True, tag="ended"):
    """The one terminal event."""

    result: RunResult


RunEvent = (
    RunStarted
    | ModelAnswered
    | TextDelta
    | ReasoningDelta
    | ToolCallDelta
    | MessageEnded
    | ToolStarted
    | ToolProgress
    | ApprovalRequested
    | ApprovalResolved
    | ToolEnded
    | Compacting
    | RunEnded
)
ToolEvent = ToolProgress | ApprovalRequested | ApprovalResolved
"""What a tool may tell while it is at work."""
ModelEvent = ModelAnswered | TextDelta | ReasoningDelta | ToolCallDelta


class Entry(Plain, frozen=True):
    """A numbered event in a run's journal."""

    seq: int
    """From 1, without holes, for each run."""
    ts_ms: int
    event: RunEvent
