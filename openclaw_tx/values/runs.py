"""A run from request to result."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from openclaw_tx.errors import ErrorInfo
from openclaw_tx.values.conversation import FinishReason, Spoken, ToolCall, ToolChoice, ToolSpec, Usage
from openclaw_tx.values.models import Sampling
from openclaw_tx.values.prompts import PromptReport
from openclaw_tx.values.value import Plain, Value

Trigger = Literal["user", "heartbeat", "cron", "hook", "agent", "subagent", "announce", "memory"]
"""C{agent}: another agent's message; C{announce}: news of a sub-agent; C{memory}: the silent turn before a
compaction."""
PromptMode = Literal["full", "minimal", "none"]
"""How much of a system prompt: all sections, those for a sub-agent, or the identity alone (spec 3.3)."""


class Carried(Value, frozen=True):
    """A message that the run of another one reads: its key is its own, what becomes of it is that run's outcome."""

    run_id: str
    """The run id that it would have had: its idempotency key."""
    fingerprint: str
    """Digest of what was asked under that key."""
    queued_at_ms: int
    """When it came."""


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
    carried: tuple[Carried, ...] = ()
    """Other messages of the same principal that were merged into this one's."""
    resumes: bool = False
    """Go on in the session's conversation, though by the rules of resets it is over."""


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
    """The answer, or some of it, is the model's way of declining to answer."""
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
    cut_calls: tuple[ToolCall, ...] = ()
    """Calls of client tools in which the model was stopped, as far as they came: nobody is to do or to answer them."""
    declined: str = ""
    """What of the text declines to answer; "" although C{refusal} is set = all of it."""
    answered: str = ""
    """The rest of the text, where some of it declines to answer."""

    @property
    def text(self) -> str:
        """The answer as one string: payloads joined by a blank line."""
        return "\n\n".join(self.payloads)

    @property
    def came_to_nothing(self) -> bool:
        """It failed in a way that may be tried again, and nothing has come of it: no tool has run (for then an error is
        not to be retried), no text was told. Whoever repeats it by its run id starts it anew."""
        return self.error is not None and self.error.retryable and not self.payloads and not self.media

    def for_carried(self, said: Carried) -> RunResult:
        """What became of a message that the run carried: how it ended. What it said and took is its own result's."""
        error = self.error
        if error is not None and not self.came_to_nothing:
            error = replace(error, should_retry=False, retry_after=None)
        return RunResult(
            run_id=said.run_id,
            session_key=self.session_key,
            agent_id=self.agent_id,
            status=self.status,
            provider=self.provider,
            model=self.model,
            session_id=self.session_id,
            error=error,
            abort_reason=self.abort_reason,
            queued_at_ms=said.queued_at_ms,
            started_at_ms=self.started_at_ms,
            ended_at_ms=self.ended_at_ms,
        )

    @property
    def content(self) -> str:
        """What of the text answers, as OpenAI's C{content} has it."""
        return self.answered if self.refusal else self.text

    @property
    def refused(self) -> str:
        """What of the text declines to answer, as OpenAI's C{refusal} has it."""
        return (self.declined or self.text) if self.refusal else ""

    @property
    def problem(self) -> str:
        """Why there is no answer, in words; "" = there is one, or nothing was to be said.

        A run that is C{ok} has one when the model was stopped before it had said anything: programs read that in
        C{finish_reason}, but people would hear nothing at all.
        """
        if self.status != "ok":
            return self.error.message if self.error is not None else self.abort_reason or self.status
        if self.finish_reason not in ("length", "content_filter") or self.text.strip() or self.media:
            return ""
        return f"The model was stopped before it had said anything ({self.finish_reason})."


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
