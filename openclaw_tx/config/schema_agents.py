"""Shape of C{agents} and C{tools} (spec 5.4, 7.2)."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from openclaw_tx.config.section import NonNegativeInt, PositiveInt, Section, Slug

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


class ToolPolicy(Section, frozen=True):
    """Which tools may be used: profile, then allow, then deny. Names, `group:*` names and `*` wildcards."""

    profile: Literal["minimal", "coding", "messaging", "full"] | None = None
    """Named set of tools to start from; unset = all."""
    allow: list[str] = []
    """Only these; empty = no restriction."""
    also_allow: list[str] = []
    """These besides the profile's; can not stand beside `allow`."""
    deny: list[str] = []
    """Never these."""
    by_provider: dict[str, ToolPolicy] = {}
    """The same, for one provider (`openai`) or model (`openai/gpt-4o`)."""


class ModelAlias(Section, frozen=True):
    """An entry of C{agents.defaults.models}."""

    alias: str = ""
    """Short name of the model."""
    params: dict[str, Any] = {}
    """Generation parameters for this model, e.g. temperature."""


class MemorySearch(Section, frozen=True):
    """C{memorySearch}: which model turns texts into vectors, for POST /v1/embeddings too."""

    provider: str = ""
    """Name of a model provider; empty or auto = the first one that is known to embed, or else the embedded model."""
    model: str = ""
    """The provider's own id of the model; empty = its usual one."""


class Subagents(Section, frozen=True):
    """C{agents.defaults.subagents}."""

    max_concurrent: PositiveInt = 8
    """Runs of sub-agents at work at the same time."""


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
    workspace: str = "~/.openclaw/workspace"
    """Working directory of the default agent; others get `<it>-<id>`."""
    bootstrap_max_chars: PositiveInt = 20_000
    """Most characters of one workspace file in the prompt."""
    bootstrap_total_max_chars: PositiveInt = 60_000
    """Most characters of all workspace files in the prompt."""
    user_timezone: str = ""
    """IANA name; empty = the host's."""
    timeout_seconds: NonNegativeInt = 600
    """Longest run; 0 = no limit."""
    max_concurrent: PositiveInt = max(8, 4 * (os.cpu_count() or 1))
    """Runs at work at the same time; more wait in line."""
    max_queued: PositiveInt = 1000
    """Runs that may wait in the main lane before new ones are refused with 429."""
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
    workspace: str = ""
    """Working directory; empty = made from `agents.defaults.workspace`."""
    model: ModelChoice | str = ""
    """Model ref, or an object with primary and fallbacks; empty = that of the defaults."""
    identity: Identity = field(default_factory=Identity)
    tools: ToolPolicy = field(default_factory=ToolPolicy)
    on_disconnect: OnDisconnect = ""
    """What happens to its runs when the client hangs up; empty = as the defaults say."""
    memory_search: MemorySearch = field(default_factory=MemorySearch)
    reasoning_content: bool | None = None
    """Show its thinking to clients; unset = as the defaults say."""


class AgentsSection(Section, frozen=True):
    """C{agents}."""

    defaults: AgentDefaults = field(default_factory=AgentDefaults)
    entries: list[AgentEntry] = field(default_factory=list, name="list")
    """Agents; none = one called main. A map `agents.entries` by id is read as well."""
