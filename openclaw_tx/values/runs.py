"""A run from request to result, the events in between, and what is stored of it."""

from __future__ import annotations

from typing import Any, Literal

from openclaw_tx.errors import ErrorInfo
from openclaw_tx.values.conversation import FinishReason, Message, ToolCall, ToolChoice, ToolSpec, Usage
from openclaw_tx.values.models import Sampling
from openclaw_tx.values.value import Value


class RunRequest(Value, frozen=True):
    """One agent turn, from whichever surface it came."""

    run_id: str
    """Also the idempotency key."""
    agent_id: str
    session_key: str
    messages: tuple[Message, ...]
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
    timeout_s: float | None = None
    """Overrides the agent's; 0 = no limit."""
    lane: str = "main"
    channel: str = "webchat"
    surface: Literal["http", "ws", "cli", "embed"] = "embed"
    fingerprint: str = ""
    """Digest of what was asked; the same run id with another fingerprint is a conflict."""


RunStatus = Literal["queued", "running", "ok", "error", "aborted", "interrupted"]


class RunResult(Value, frozen=True, omit_defaults=True):
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

    @property
    def text(self) -> str:
        """The answer as one string: payloads joined by a blank line."""
        return "\n\n".join(self.payloads)


# Events of a run, in the order they can occur. The journal numbers them; every surface reads only these.


class RunStarted(Value, frozen=True, tag="started"):
    """The run left its queues and begins to work."""

    session_id: str


class ModelAnswered(Value, frozen=True, tag="model"):
    """The provider accepted a call and its first bytes are here."""

    provider: str
    model: str
    round: int
    """1 for the first model call of the run."""


class TextDelta(Value, frozen=True, tag="text"):
    """More text of the current assistant message."""

    text: str


class ReasoningDelta(Value, frozen=True, tag="reasoning"):
    """More thinking of the current assistant message; not part of the answer."""

    text: str


class ToolCallDelta(Value, frozen=True, tag="toolCall"):
    """A piece of a I{client} tool call: id and name come once, with the first piece of that index."""

    index: int
    id: str
    name: str
    arguments: str


class MessageEnded(Value, frozen=True, tag="message"):
    """An assistant message is complete; text that follows belongs to the next one."""


class ToolStarted(Value, frozen=True, tag="toolStart"):
    """One of the agent's own tools begins."""

    call_id: str
    name: str
    arguments: Any


class ToolEnded(Value, frozen=True, tag="toolEnd"):
    """One of the agent's own tools gave its result."""

    call_id: str
    name: str
    is_error: bool
    text: str
    details: Any = None


class RunEnded(Value, frozen=True, tag="ended"):
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
    | ToolEnded
    | RunEnded
)
ModelEvent = ModelAnswered | TextDelta | ReasoningDelta | ToolCallDelta


class Entry(Value, frozen=True):
    """A numbered event in a run's journal."""

    seq: int
    """From 1, without holes, for each run."""
    ts_ms: int
    event: RunEvent


class SessionEntry(Value, frozen=True, omit_defaults=True):
    """What is known of a session besides its transcript. Field names are OpenClaw's."""

    key: str
    agent_id: str
    session_id: str
    created_at_ms: int
    updated_at_ms: int
    aborted_last_run: bool = False
    model_provider: str = ""
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    """Prompt size of the last model call: what the context now holds."""
    label: str = ""
    extra: dict[str, Any] = {}
    """Entry fields of OpenClaw that this gateway does not interpret; kept as they are."""


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
