"""The values that cross rooms. All are frozen; none does I/O.

Vocabulary (spec): I{agent id} = lower-case slug; I{session key} = routing bucket; I{session id} = one transcript;
I{run id} = one agent turn. Times named C{_ms} are epoch milliseconds, those named C{_s} are seconds.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from openclaw_tx.errors import ErrorInfo


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all values here: immutable, keyword-only."""


# --- who asks -------------------------------------------------------------------------------------------------------


class Principal(Value, frozen=True):
    """Who is asking and what the credential allows. Scopes come from the credential, never from the request."""

    id: str
    """Stable name for limits and logs: C{shared-secret}, C{local}, C{none}, C{proxy:<user>}."""
    method: Literal["token", "password", "none", "trusted-proxy", "local"]
    scopes: frozenset[str]
    """Operator scopes, e.g. C{operator.write}; C{operator.admin} implies all."""
    ip: str = ""
    """Client address after proxy attribution, for logs."""


class Target(Value, frozen=True):
    """What an action is aimed at; only the parts that apply are set."""

    agent_id: str | None = None
    session_key: str | None = None
    owner_id: str | None = None
    """L{Principal.id} that started the run aimed at."""


# --- conversation ---------------------------------------------------------------------------------------------------


class TextPart(Value, frozen=True, tag="text"):
    """A piece of text in a user message."""

    text: str


class ImagePart(Value, frozen=True, tag="image"):
    """An image in a user message."""

    data: str
    """Base64 without a data-URI prefix."""
    mime_type: str


Part = TextPart | ImagePart


class ToolCall(Value, frozen=True):
    """A tool the model wants called."""

    id: str
    name: str
    arguments: str
    """JSON text exactly as the model produced it; C{"{}"} for none."""


class Usage(Value, frozen=True, omit_defaults=True):
    """Token counts in OpenAI's meaning; None = the provider did not say, which is not 0.

    C{prompt_tokens} includes cached tokens, C{completion_tokens} includes reasoning tokens.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None

    def plus(self, other: Usage) -> Usage:
        """The sum over two model calls; unknown plus known is known."""
        return Usage(
            prompt_tokens=_add(self.prompt_tokens, other.prompt_tokens),
            completion_tokens=_add(self.completion_tokens, other.completion_tokens),
            cached_tokens=_add(self.cached_tokens, other.cached_tokens),
            reasoning_tokens=_add(self.reasoning_tokens, other.reasoning_tokens),
        )


def _add(left: int | None, right: int | None) -> int | None:
    if left is None or right is None:
        return left if right is None else right
    return left + right


FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
StopReason = Literal["stop", "length", "tool_calls", "content_filter", "error", "aborted", "interrupted", "injected"]


class UserMessage(Value, frozen=True, tag="user"):
    """What a person or client said."""

    content: tuple[Part, ...]
    timestamp_ms: int = 0

    @property
    def text(self) -> str:
        """The text parts joined by newlines."""
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))


class AssistantMessage(Value, frozen=True, tag="assistant", omit_defaults=True):
    """One answer of the model, or a client's account of one."""

    text: str = ""
    reasoning: str = ""
    """Thinking the provider delivered apart from the text; never sent back to a provider."""
    tool_calls: tuple[ToolCall, ...] = ()
    stop_reason: StopReason = "stop"
    provider: str = ""
    model: str = ""
    usage: Usage = Usage()
    error_message: str = ""
    timestamp_ms: int = 0


class ToolResultMessage(Value, frozen=True, tag="toolResult", omit_defaults=True):
    """The outcome of one tool call."""

    tool_call_id: str
    tool_name: str = ""
    text: str = ""
    is_error: bool = False
    details: Any = None
    timestamp_ms: int = 0


Message = UserMessage | AssistantMessage | ToolResultMessage


# --- tools ----------------------------------------------------------------------------------------------------------


class ToolSpec(Value, frozen=True):
    """A tool as the model sees it."""

    name: str
    description: str
    parameters: dict[str, Any]
    """JSON Schema of the arguments object."""
    strict: bool | None = None


class ToolResult(Value, frozen=True):
    """What a tool gives back. An error is a result too; it never ends the run."""

    text: str
    details: Any = None
    is_error: bool = False


class ToolChoice(Value, frozen=True):
    """OpenAI's C{tool_choice}: C{name} is set only for mode C{named}."""

    mode: Literal["auto", "none", "required", "named"] = "auto"
    name: str = ""


# --- agents and models ----------------------------------------------------------------------------------------------


class Agent(Value, frozen=True):
    """A configured agent, defaults already merged in."""

    id: str
    name: str
    workspace: str
    """Absolute path of its working directory; it need not exist yet."""
    models: tuple[str, ...]
    """Model refs C{provider/model}: the primary, then the fallbacks in order."""
    is_default: bool
    timeout_s: float
    """Longest run; 0 = no limit."""


class ModelInfo(Value, frozen=True):
    """A model as listed to clients."""

    provider: str
    id: str
    """The model id at its provider; may contain slashes."""
    name: str
    context_window: int
    max_tokens: int
    reasoning: bool = False
    input: tuple[str, ...] = ("text",)

    @property
    def ref(self) -> str:
        """C{provider/id}."""
        return f"{self.provider}/{self.id}"


class Sampling(Value, frozen=True, omit_defaults=True):
    """Generation parameters of one request; None = leave it to the provider."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    parallel_tool_calls: bool | None = None


class ModelRequest(Value, frozen=True):
    """One call of a model."""

    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    sampling: Sampling = Sampling()


class ModelReply(Value, frozen=True):
    """How one model call ended."""

    text: str
    reasoning: str
    tool_calls: tuple[ToolCall, ...]
    finish_reason: FinishReason
    usage: Usage
    provider: str
    model: str


# --- runs -----------------------------------------------------------------------------------------------------------


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


# --- sessions -------------------------------------------------------------------------------------------------------


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
