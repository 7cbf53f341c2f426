"""Messages, tools and token counts: what a model reads and writes."""

from __future__ import annotations

from typing import Any, Literal

from openclaw_tx.values.value import Plain


class TextPart(Plain, frozen=True, tag="text"):
    """A piece of text in a user message."""

    text: str


class ImagePart(Plain, frozen=True, tag="image"):
    """An image in a user message or a tool result."""

    data: str
    """Base64 without a data-URI prefix."""
    mime_type: str


Part = TextPart | ImagePart


class ToolCall(Plain, frozen=True):
    """A tool the model wants called."""

    id: str
    name: str
    arguments: str
    """JSON text exactly as the model produced it; C{"{}"} for none."""


class Usage(Plain, frozen=True, omit_defaults=True):
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


class UserMessage(Plain, frozen=True, tag="user", omit_defaults=True):
    """What a person or client said."""

    content: tuple[Part, ...]
    timestamp_ms: int = 0
    run_id: str = ""
    """The run it was sent with, for a chat window that looks for its own message; "" = nobody will."""

    @property
    def text(self) -> str:
        """The text parts joined by newlines."""
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))


class AssistantMessage(Plain, frozen=True, tag="assistant", omit_defaults=True):
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
    opaque: str = ""
    """What C{provider} wants back with this message (L{openclaw_tx.wire.replay}); never shown to anybody."""
    unanswered: bool = False
    """Nothing was said, and the question is not why: the model is shown it unless it is asked again."""


class ToolResultMessage(Plain, frozen=True, tag="toolResult", omit_defaults=True):
    """The outcome of one tool call."""

    tool_call_id: str
    tool_name: str = ""
    text: str = ""
    images: tuple[ImagePart, ...] = ()
    is_error: bool = False
    details: Any = None
    timestamp_ms: int = 0


class CompactionMessage(Plain, frozen=True, tag="compaction", omit_defaults=True):
    """A mark in a transcript: what stands before it is told to the model as this summary from now on."""

    summary: str
    kept: int = 0
    """How many of the messages right before the mark the model still reads as they are."""
    tokens_before: int = 0
    """Size of the context before."""
    timestamp_ms: int = 0


Spoken = UserMessage | AssistantMessage | ToolResultMessage
"""What clients send and models read."""

Message = Spoken | CompactionMessage
"""What transcripts hold."""


class ToolSpec(Plain, frozen=True):
    """A tool as the model sees it."""

    name: str
    description: str
    parameters: dict[str, Any]
    """JSON Schema of the arguments object."""
    strict: bool | None = None


class ToolResult(Plain, frozen=True):
    """What a tool gives back. An error is a result too; it never ends the run."""

    text: str
    details: Any = None
    is_error: bool = False
    images: tuple[ImagePart, ...] = ()
    usage: Usage | None = None
    """Tokens of model calls that the tool made; they count as the run's."""


class ToolChoice(Plain, frozen=True):
    """OpenAI's C{tool_choice}: C{name} is set only for mode C{named}."""

    mode: Literal["auto", "none", "required", "named"] = "auto"
    name: str = ""
