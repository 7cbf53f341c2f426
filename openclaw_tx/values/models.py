"""Agents, models, and one call of a model."""

from __future__ import annotations

from typing import Any

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
    skill_directories: tuple[str, ...] = ()
    """Absolute paths of the directories that its skills are in, the first to name a skill first; they need not exist.
    Its tools may read what is below them."""


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
    finish_reason: FinishReason
    usage: Usage
    provider: str
    model: str
    refusal: bool = False
    """C{text} is the model's way of declining to answer."""
