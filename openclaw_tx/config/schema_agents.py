"""Shape of C{agents} (spec 5.4)."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from openclaw_tx.config.schema_tools import AgentTools
from openclaw_tx.config.section import FilePath, NonNegativeInt, PositiveInt, Section, Slug

Thinking = Literal["", "off", "minimal", "low", "medium", "high", "xhigh"]
Duration = Annotated[str, Meta(pattern=r"^(\d{1,6}(ms|s|m|h|d)?)?$")]
"""A number with ms, s, m, h or d behind it; C{0m} = never."""
OnDisconnect = Annotated[str, Meta(pattern=r"^(cancel|continue|grace=([1-9]\d{0,2}|[12]\d{3}|3[0-5]\d{2}|3600))?$")]


class ModelChoice(Section, frozen=True):
    """A primary model and what to try when it fails."""

    primary: str = ""
    """Model ref `provider/model`."""
    fallbacks: list[str] = []
    """Model refs to try in order when the primary fails before its first word."""


class Identity(Section, frozen=True):
    """How an agent presents itself."""

    name: str = ""
    """Name it goes by."""
    theme: str = ""
    """Character in a few words, for the prompt."""
    emoji: str = ""
    """Sign shown beside the name."""


class ModelAlias(Section, frozen=True):
    """An entry of C{agents.defaults.models}."""

    alias: str = ""
    """Short name of the model."""
    params: dict[str, Any] = {}
    """Generation parameters for this model, e.g. temperature."""


class ModelPolicy(Section, frozen=True):
    """C{agents.defaults.modelPolicy}."""

    allow: list[str] = []
    """Model refs that may be used, with `*` wildcards; empty = as the keys of `models` say."""


class MemoryQuery(Section, frozen=True):
    """C{memorySearch.query}."""

    max_results: Annotated[int, Meta(ge=1, le=50)] = 6
    """Results when the model asks for no number."""
    min_score: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Results worth less are left out."""


class MemorySearch(Section, frozen=True):
    """C{memorySearch}: the agent's memory, and which model turns texts into vectors, for POST /v1/embeddings too."""

    enabled: bool = True
    """Offer memory_search and memory_get."""
    provider: str = ""
    """Name of a model provider; empty or auto = the first one that is known to embed, or else the embedded model."""
    model: str = ""
    """The provider's own id of the model; empty = its usual one."""
    extra_paths: list[FilePath] = []
    """Markdown files, and directories of such, searched besides MEMORY.md and memory/; relative ones are below the
    agent's workspace."""
    vectors: bool | None = None
    """Search by meaning too; unset = when provider or model is set."""
    query: MemoryQuery = field(default_factory=MemoryQuery)


class AgentMemoryQuery(Section, frozen=True):
    """C{agents.list[].memorySearch.query}."""

    max_results: Annotated[int, Meta(ge=1, le=50)] | None = None
    """Unset = as the defaults say."""
    min_score: Annotated[float, Meta(ge=0, le=1)] | None = None
    """Unset = as the defaults say."""


class AgentMemorySearch(Section, frozen=True):
    """C{agents.list[].memorySearch}: what differs from the defaults for one agent."""

    enabled: bool | None = None
    """Unset = as the defaults say."""
    provider: str = ""
    """Empty = that of the defaults."""
    model: str = ""
    """Empty = that of the defaults, unless there is a provider of its own."""
    extra_paths: list[FilePath] = []
    """On top of those of the defaults."""
    vectors: bool | None = None
    """Unset = as the defaults say."""
    query: AgentMemoryQuery = field(default_factory=AgentMemoryQuery)


class Subagents(Section, frozen=True):
    """C{agents.defaults.subagents}: runs that a run starts with sessions_spawn."""

    max_concurrent: PositiveInt = 8
    """Runs of sub-agents at work at the same time."""
    max_children_per_agent: PositiveInt = 5
    """Sub-agents that one session may have at work."""
    archive_after_minutes: NonNegativeInt = 60
    """How long the session of one that has ended is kept; 0 = for ever."""
    model: str = ""
    """Model ref; empty = that of the agent."""
    thinking: Thinking = ""
    """Thinking level; empty = that of the agent."""
    run_timeout_seconds: NonNegativeInt = 0
    """Longest run; 0 = that of the agent."""


class AgentSubagents(Section, frozen=True):
    """C{agents.list[].subagents}."""

    allow_agents: list[str] = []
    """Other agents that it may spawn, "*" = any; empty = only itself."""
    model: str = ""
    """Model ref of its sub-agents; empty = as the defaults say."""
    thinking: Thinking = ""
    """Thinking level of its sub-agents; empty = as the defaults say."""


class MemoryFlush(Section, frozen=True):
    """C{compaction.memoryFlush}: a silent turn before a compaction, for the agent to write down what lasts."""

    enabled: bool = True
    """Have it, where the agent can write to its workspace."""
    soft_threshold_tokens: NonNegativeInt = 4000
    """How long before the compaction."""
    prompt: str = ""
    """What the agent is told; empty = our own words."""


class Compaction(Section, frozen=True):
    """C{compaction}: what happens when a conversation grows beyond the model's window."""

    enabled: bool = True
    """Summarise it when it is nearly full, and when a provider refuses it for its length."""
    reserve_tokens: PositiveInt = 16_384
    """Tokens of the window kept free for the next turn."""
    reserve_tokens_floor: NonNegativeInt = 20_000
    """Least value of reserveTokens, for windows of 64,000 tokens and more."""
    keep_recent_tokens: PositiveInt = 20_000
    """Tokens of the newest messages that stay as they are."""
    model: str = ""
    """Model ref that summarises; empty = that of the run."""
    memory_flush: MemoryFlush = field(default_factory=MemoryFlush)


class ActiveHours(Section, frozen=True):
    """C{heartbeat.activeHours}."""

    start: Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "00:00"
    """HH:MM from which on."""
    end: Annotated[str, Meta(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")] = "24:00"
    """HH:MM until then."""
    timezone: str = ""
    """IANA name, or user or local; empty = that of the user."""


class Heartbeat(Section, frozen=True):
    """C{heartbeat}: a turn at intervals in which the agent looks whether something needs attention."""

    every: Duration = ""
    """Interval, e.g. 30m; empty or 0m = never. A number alone means minutes."""
    active_hours: ActiveHours | None = None
    """Hours of the day in which there are heartbeats; unset = always."""
    model: str = ""
    """Model ref; empty = that of the agent."""
    session: str = ""
    """Session it is in; empty = the main one."""
    prompt: str = ""
    """What the agent is asked; empty = our own words."""
    ack_max_chars: NonNegativeInt = 300
    """Longest text beside HEARTBEAT_OK that still counts as nothing to report."""
    target: str = "none"
    """Channel that what the agent has to tell is sent over; last = the one that the session was last spoken to from;
    none = it stays in the session."""
    to: str = ""
    """To whom, on that channel; empty = whoever last spoke from there."""
    account_id: str = ""
    """Account of the channel; empty = its default one."""


class StructuredOutput(Section, frozen=True):
    """C{agents.defaults.structuredOutput}: answers that a client wants as JSON (`response_format`)."""

    max_repairs: Annotated[int, Meta(ge=0, le=5)] = 1
    """How often a model is asked again for an answer that does not match."""


class AgentDefaults(Section, frozen=True):
    """C{agents.defaults}: what every agent starts from."""

    model: ModelChoice | str = ""
    """Model ref, or an object with primary and fallbacks; empty = the first configured provider's first model, or the
    embedded local model."""
    models: dict[str, ModelAlias] = {}
    """Aliases and, when not empty, the list of model refs that may be used."""
    workspace: FilePath = "~/.openclaw/workspace"
    """Working directory of the default agent; others get `<it>-<id>`."""
    bootstrap_max_chars: PositiveInt = 20_000
    """Most characters of one workspace file in the prompt."""
    bootstrap_total_max_chars: PositiveInt = 60_000
    """Most characters of all workspace files in the prompt."""
    skip_bootstrap: bool = False
    """Do not put our templates into a new workspace."""
    skills: list[str] | None = None
    """Skills that agents are told of, by name; unset = all that are found."""
    user_timezone: str = ""
    """IANA name; empty = the host's."""
    image_model: ModelChoice | str = ""
    """Model that looks at images for the tool `image`; empty = the first one of the agent's own that can."""
    model_policy: ModelPolicy = field(default_factory=ModelPolicy)
    context_tokens: PositiveInt | None = None
    """Tokens of a model's window that are used at most; unset = all."""
    min_context_tokens: NonNegativeInt = 16_000
    """Models with a smaller window are refused, but for the embedded one; 0 = none is."""
    thinking_default: Thinking = ""
    """Thinking level of runs that ask for none; empty = low for models that reason, off for others."""
    verbose_default: Literal["off", "on"] = "off"
    """Tell chat clients of tool calls."""
    reasoning_default: Literal["off", "on", "stream"] = "off"
    """Tell chat clients what the model thinks."""
    compaction: Compaction = field(default_factory=Compaction)
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    timeout_seconds: NonNegativeInt = 600
    """Longest run; 0 = no limit."""
    max_concurrent: PositiveInt = max(8, 4 * (os.cpu_count() or 1))
    """Runs at work at the same time; more wait in line."""
    max_queued: PositiveInt = 1000
    """Runs that may wait before new ones are refused with 429, but for keys with less than an equal share of them."""
    max_queued_per_session: PositiveInt = 50
    """Runs that may wait for one session."""
    on_disconnect: OnDisconnect = ""
    """What happens to a run when its client hangs up: cancel, continue, or grace=<seconds> (1 to 3600) to cancel it
    then; empty = cancel, but grace=30 for a request that says how to find its run again."""
    max_tool_rounds: PositiveInt = 50
    """Model calls in one run before it is stopped with an error."""
    structured_output: StructuredOutput = field(default_factory=StructuredOutput)
    reasoning_content: bool = False
    """Show the model's thinking to clients of the chat endpoint, as `reasoning_content`."""
    subagents: Subagents = field(default_factory=Subagents)
    memory_search: MemorySearch = field(default_factory=MemorySearch)


class AgentEntry(Section, frozen=True):
    """An entry of C{agents.list}."""

    id: Slug
    """Lower-case letters, digits, - and _."""
    default: bool = False
    """Answer requests that name no agent; without any, the first of the list does."""
    name: str = ""
    """Name shown to people."""
    workspace: FilePath = ""
    """Working directory; empty = made from `agents.defaults.workspace`."""
    model: ModelChoice | str = ""
    """Model ref, or an object with primary and fallbacks; empty = that of the defaults."""
    identity: Identity = field(default_factory=Identity)
    image_model: ModelChoice | str = ""
    """Model for the tool `image`; empty = that of the defaults."""
    thinking_default: Thinking = ""
    """Thinking level of its runs; empty = as the defaults say."""
    skills: list[str] | None = None
    """Skills that it is told of; unset = as the defaults say."""
    subagents: AgentSubagents = field(default_factory=AgentSubagents)
    heartbeat: Heartbeat | None = None
    """Unset = as the defaults say; when any agent has one of its own, only those agents have heartbeats."""
    tools: AgentTools = field(default_factory=AgentTools)
    on_disconnect: OnDisconnect = ""
    """What happens to its runs when the client hangs up; empty = as the defaults say."""
    memory_search: AgentMemorySearch = field(default_factory=AgentMemorySearch)
    reasoning_content: bool | None = None
    """Show its thinking to clients; unset = as the defaults say."""


class AgentsSection(Section, frozen=True):
    """C{agents}."""

    defaults: AgentDefaults = field(default_factory=AgentDefaults)
    entries: list[AgentEntry] = field(default_factory=list, name="list")
    """Agents; none = one called main. A map `agents.entries` by id is read as well."""
