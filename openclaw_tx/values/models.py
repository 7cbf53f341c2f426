"""Agents, models, and one call of a model."""

from __future__ import annotations

from typing import Any, Literal

from openclaw_tx.values.conversation import FinishReason, Spoken, ToolCall, ToolChoice, ToolSpec, Usage
from openclaw_tx.values.value import Value


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
    on_disconnect: str = ""
    """What happens to a run when its client hangs up, as L{openclaw_tx.runs.attendance} reads it; "" = nobody said."""
    reasoning_content: bool = False
    """Clients of the chat endpoint may see its thinking."""
    thinking_default: str = ""
    """Thinking level of runs that ask for none; "" = as the model is."""
    skill_directories: tuple[str, ...] = ()
    """Absolute paths of the directories that its skills are in, the first to name a skill first; they need not exist.
    Its tools may read what is below them."""

    def candidates(self, chosen: str = "") -> tuple[str, ...]:
        """Model refs to try in order, each once, for a run that starts with C{chosen}: after it come the fallbacks, and
        at last the primary (spec 6.4).

        @param chosen: a ref; "" = the primary.
        """
        primary, fallbacks = self.models[:1], self.models[1:]
        return tuple(dict.fromkeys(((chosen,) if chosen else primary) + fallbacks + primary))


Unavailable = Literal["", "missing-auth", "auth-failed", "cooldown"]
"""Why a model can not answer, in the words of C{models.list}."""


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
    response_format: bool = False
    """Its provider holds answers to C{response_format}."""
    alias: str = ""
    """Short name that may stand for its ref; "" = none. Only in listings, as what follows."""
    unavailable: Unavailable = ""
    """Why it can not answer at the moment, as far as is known."""
    unavailable_until_ms: int = 0
    """Epoch milliseconds; 0 = nobody knows."""

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
    messages: tuple[Spoken, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    sampling: Sampling = Sampling()
    traceparent: str = ""
    """W3C trace context to call the provider with; "" = none."""
    session: str = ""
    """Stable name of the conversation, so that a provider's key and its prompt cache stay with it; "" = it has none."""
    agent_id: str = ""
    """Agent on whose behalf: its auth profiles count; "" = the default agent."""
    auth_profile: str = ""
    """Id of the auth profile to use where its provider is called; "" = whichever is next."""


class Embeddings(Value, frozen=True):
    """Texts as vectors, in the order of the texts; all of one length."""

    vectors: tuple[tuple[float, ...], ...]
    usage: Usage
    """C{prompt_tokens} is what the texts came to, where the provider said."""
    provider: str
    model: str


class ModelReply(Value, frozen=True):
    """How one model call ended."""

    text: str
    reasoning: str
    tool_calls: tuple[ToolCall, ...]
    """As far as they came, where C{finish_reason} is C{length} or C{content_filter}; else complete."""
    finish_reason: FinishReason
    usage: Usage
    provider: str
    model: str
    refusal: bool = False
    """C{text} is the model's way of declining to answer."""
    opaque: str = ""
    """Goes into L{openclaw_tx.values.AssistantMessage.opaque}."""
