"""A run from request to result, the events in between, and what is stored of it."""

from __future__ import annotations

from typing import Any, Literal

from openclaw_tx.errors import ErrorInfo
from openclaw_tx.values.approvals import Approval, Decision
from openclaw_tx.values.conversation import FinishReason, Message, Spoken, ToolCall, ToolChoice, ToolSpec, Usage
from openclaw_tx.values.models import Sampling
from openclaw_tx.values.prompts import PromptReport
from openclaw_tx.values.value import Plain, Value

Trigger = Literal["user", "heartbeat", "cron", "hook", "agent", "subagent", "announce", "memory"]
"""C{agent}: another agent's message; C{announce}: news of a sub-agent; C{memory}: the silent turn before a
compaction."""
PromptMode = Literal["full", "minimal", "none"]
"""How much of a system prompt: all sections, those for a sub-agent, or the identity alone (spec 3.3)."""


class RunRequest(Value, frozen=True):
    """One agent turn, from whichever surface it came."""

    run_id: str
    """Also the idempotency key."""
    agent_id: str
    session_key: str
    messages: tuple[Spoken, ...]
    """The client's conversation; the last one (user or tool result) is the current message."""
    stateless: bool = False
    """True: the session ends with the run and nothing of it is stored."""
    extra_system: str = ""
    model: str = ""
    """Model ref that overrides the agent's own for this run, or "". """
    sampling: Sampling = Sampling()
    tools: tuple[ToolSpec, ...] = ()
    """The client's own function tools; a call of one ends the run with C{tool_calls}."""
    tool_choice: ToolChoice = ToolChoice()
    stream: bool = False
    """The client reads the answer as it comes: what was said can not be said again differently."""
    timeout_s: float | None = None
    """Overrides the agent's; 0 = no limit."""
    lane: str = "main"
    channel: str = "webchat"
    surface: Literal["http", "ws", "cli", "embed", "channel"] = "embed"
    fingerprint: str = ""
    """Digest of what was asked; the same run id with another fingerprint is a conflict."""
    durable: bool = False
    """True: the ledger knows of the run before it is at work, and keeps its events and result for a day."""
    idempotency: str = ""
    """Digest of the client's Idempotency-Key and of whose it is, by which a repeated request finds the run; "" = it
    sent none."""
    thinking: str = ""
    """Thinking level: off, minimal, low, medium, high or xhigh; "" = as C{sampling}, the session or the agent say."""
    trigger: Trigger = "user"
    """What started it."""
    spawned_by: str = ""
    """Key of the session whose run started it, for a sub-agent; "" = none did. It narrows the tools."""
    prompt_mode: PromptMode = "full"
    traceparent: str = ""
    """W3C trace context. The surfaces hand in the client's as it came; the engine puts the run's own span in its place,
    in the same trace, or in a new one where there was none."""


RunStatus = Literal["queued", "running", "ok", "error", "aborted", "interrupted"]


class RunResult(Plain, frozen=True, omit_defaults=True):
    """How a run ended. Exactly one exists for each run."""

    run_id: str
    session_key: str
    agent_id: str
    status: Literal["ok", "error", "aborted", "interrupted"]
    payloads: tuple[str, ...] = ()
    """Texts of the answer, one for each assistant message that said something; partial when not C{ok}."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Calls of client tools that the client must now answer."""
    finish_reason: FinishReason = "stop"
    refusal: bool = False
    """The answer is the model's way of declining to answer."""
    usage: Usage = Usage()
    provider: str = ""
    model: str = ""
    session_id: str = ""
    error: ErrorInfo | None = None
    """Set when C{status} is C{error}, C{aborted} or C{interrupted}."""
    abort_reason: str = ""
    """C{disconnect}, C{rpc}, C{stop}, C{timeout}, C{shutdown} ... when C{status} is C{aborted}."""
    queued_at_ms: int = 0
    started_at_ms: int = 0
    ended_at_ms: int = 0
    media: tuple[str, ...] = ()
    """URLs and paths of C{MEDIA:} lines of the answer (spec 3.10)."""
    reply_to: str = ""
    """Message that the answer is to be sent as a reply to: its id, or C{current}."""
    prompt_report: PromptReport | None = None
    """What its system prompt was made of; None = it got none."""

    @property
    def text(self) -> str:
        """The answer as one string: payloads joined by a blank line."""
        return "\n\n".join(self.payloads)


class RunState(Value, frozen=True, omit_defaults=True):
    """A run as it stands: what is known of it at this moment, whether it has ended or not."""

    run_id: str
    session_key: str
    agent_id: str
    status: RunStatus
    payloads: tuple[str, ...] = ()
    """What it has said so far."""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: FinishReason | None = None
    """None until it has ended well."""
    refusal: bool = False
    usage: Usage = Usage()
    """What it has used so far."""
    provider: str = ""
    model: str = ""
    session_id: str = ""
    error: ErrorInfo | None = None
    abort_reason: str = ""
    queued_at_ms: int = 0
    started_at_ms: int = 0
    ended_at_ms: int = 0
    last_seq: int = 0
    """Number of its newest event; 0 = it has none, or they were not looked up."""
    media: tuple[str, ...] = ()
    reply_to: str = ""
    prompt_report: PromptReport | None = None
    """What its system prompt is made of; None = it has none yet."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status not in ("queued", "running")

    @classmethod
    def of(cls, result: RunResult, last_seq: int = 0) -> RunState:
        """The state of a run that has ended."""
        return cls(
            run_id=result.run_id,
            session_key=result.session_key,
            agent_id=result.agent_id,
            status=result.status,
            payloads=result.payloads,
            tool_calls=result.tool_calls,
            finish_reason=result.finish_reason if result.status == "ok" else None,
            refusal=result.refusal,
            usage=result.usage,
            provider=result.provider,
            model=result.model,
            session_id=result.session_id,
            error=result.error,
            abort_reason=result.abort_reason,
            queued_at_ms=result.queued_at_ms,
            started_at_ms=result.started_at_ms,
            ended_at_ms=result.ended_at_ms,
            last_seq=last_seq,
            media=result.media,
            reply_to=result.reply_to,
            prompt_report=result.prompt_report,
        )


# Events of a run, in the order they can occur. The journal numbers them; every surface reads only these.


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


class StoredRun(Value, frozen=True, omit_defaults=True):
    """A run as the store remembers it."""

    run_id: str
    session_key: str
    agent_id: str
    status: RunStatus
    surface: str
    principal_id: str
    fingerprint: str
    queued_at_ms: int
    started_at_ms: int = 0
    ended_at_ms: int = 0
    partial: str = ""
    """What it had said when last written down (bounded by the writer)."""
    pending: tuple[Message, ...] = ()
    """Input of the turn; it joins the transcript when the turn is committed or recovered."""
    result: RunResult | None = None
    idempotency: str = ""
    """As in L{RunRequest}."""
    trigger: Trigger = "user"
    channel: str = ""
    stepped: bool = False
    """Steps of its turn were written down (L{openclaw_tx.values.Step}); they go with its end."""


class KeptEvents(Value, frozen=True):
    """Events of one run that are to be written down."""

    run_id: str
    entries: tuple[Entry, ...]
    """With consecutive numbers; what was written from the first of them on is replaced."""
    first_held: int
    """Number of the oldest event that is still worth keeping; older ones go."""
    run: StoredRun | None = None
    """The run itself, when the ledger may not have it yet, or not its end."""
    new: bool = False
    """The ledger is to add the run if it has it not. Otherwise that means that the run was deleted, and stays so."""
