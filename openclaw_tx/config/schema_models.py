"""Shape of C{models}: providers and the embedded model (spec 6.2)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from openclaw_tx.config.section import FilePath, NonNegativeInt, PositiveInt, Section


class Compat(Section, frozen=True):
    """What a provider's dialect of an API lacks."""

    supports_store: bool = True
    """False = do not send store."""
    supports_developer_role: bool = True
    """False = system in place of the developer role."""
    supports_reasoning_effort: bool = True
    """False = do not send reasoning_effort."""
    supports_usage_in_streaming: bool = True
    """False = do not send stream_options.include_usage."""
    supports_response_format: bool = True
    """False = it does not hold answers to response_format; ask for the form in words instead."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Name of the limit on the answer's length."""
    send_return_progress: bool = False
    """llama.cpp: ask for prompt progress, so that an abort during prefill takes effect."""
    supports_prompt_cache_key: bool | None = None
    """OpenAI's APIs: name the conversation with prompt_cache_key; null = to api.openai.com only."""
    supports_cache_control: bool = True
    """anthropic-messages: mark with cache_control what a prompt cache may keep; false = do not."""
    force_adaptive_thinking: bool = False
    """anthropic-messages: the model thinks adaptively, although its id is not that of a Claude that does."""
    requires_mistral_tool_ids: bool = False
    """openai-completions: ids of tool calls are nine letters or digits; always so for the provider `mistral`."""


class Cost(Section, frozen=True):
    """What a model costs, in US dollars for a million tokens; for `usage.cost`."""

    input: Annotated[float, Meta(ge=0)] = 0.0
    """Of the prompt."""
    output: Annotated[float, Meta(ge=0)] = 0.0
    """Of the answer."""
    cache_read: Annotated[float, Meta(ge=0)] = 0.0
    """Of the prompt, as far as it came out of the provider's cache."""
    cache_write: Annotated[float, Meta(ge=0)] = 0.0
    """Of what is put there; providers do not say how much that is, so it counts as prompt."""


class ModelDefinition(Section, frozen=True):
    """A model of a provider."""

    id: str
    """The provider's own name of the model."""
    name: str = ""
    """Name shown to people; empty = the id."""
    api: str = ""
    """Dialect for this model; empty = the provider's."""
    reasoning: bool = False
    """It thinks before it answers."""
    input: list[Literal["text", "image"]] = field(default_factory=lambda: ["text"])
    """What it takes in."""
    context_window: PositiveInt = 200_000
    """Tokens that prompt and answer may have together."""
    max_tokens: NonNegativeInt = 0
    """Most tokens of an answer; 0 = the smaller of 8192 and the window."""
    headers: dict[str, str] = {}
    """HTTP headers for this model, over those of the provider."""
    compat: Compat = field(default_factory=Compat)
    cost: Cost | None = None
    """Unset = not known."""


Api = Literal["openai-completions", "openai-responses", "anthropic-messages", "google-generative-ai", "ollama"]


class ProviderDefinition(Section, frozen=True):
    """An entry of C{models.providers}."""

    base_url: str = ""
    """Root of the API, e.g. https://api.openai.com/v1; empty = the well-known one of the provider's name."""
    api_key: str = ""
    """Comes after the provider's environment variable, e.g. OPENAI_API_KEY."""
    auth: Literal["api-key", "token"] = "api-key"
    """What the key is; a token is always sent as Authorization: Bearer."""
    auth_header: bool | None = None
    """Send the key as Authorization: Bearer; null = as the api wants it, false = never so."""
    api: Api | None = None
    """Dialect the provider speaks; null = that of the well-known provider, else openai-completions."""
    headers: dict[str, str] = {}
    """HTTP headers of every call."""
    models: list[ModelDefinition] = []
    """Models it offers."""
    timeout_seconds: PositiveInt = 120
    """Longest silence of the provider, re-armed by each piece of its answer."""
    connect_timeout_seconds: PositiveInt = 10
    """Longest wait for a connection."""
    compat: Compat = field(default_factory=Compat)


class LocalModel(Section, frozen=True):
    """C{models.local}: the embedded model."""

    enabled: bool = True
    """Offer the provider `local`."""
    path: FilePath = ""
    """A GGUF file to use instead of the installed one; OPENCLAW_LOCAL_MODEL comes first."""
    context_window: Annotated[int, Meta(ge=512)] = 8192
    """Tokens of context the child process keeps."""
    threads: NonNegativeInt = 0
    """Threads for inference; 0 = one fewer than the cores, at least 1."""


class ModelsSection(Section, frozen=True):
    """C{models}."""

    mode: Literal["merge", "replace"] = "merge"
    """replace = only the providers listed here, without the embedded one."""
    providers: dict[str, ProviderDefinition] = {}
    """Providers by name, the part of a model ref before its first slash."""
    local: LocalModel = field(default_factory=LocalModel)
