"""Shape of C{agents} and C{tools} (spec 5.4, 7.2)."""

from __future__ import annotations

import os
from typing import Any, Literal

from msgspec import field

from openclaw_tx.config.section import NonNegativeInt, PositiveInt, Section, Slug


class ModelChoice(Section, frozen=True):
    """A primary model and what to try when it fails."""

    primary: str = ""
    """Model ref `provider/model`."""
    fallbacks: list[str] = []


class Identity(Section, frozen=True):
    """How an agent presents itself."""

    name: str = ""
    theme: str = ""
    emoji: str = ""
    avatar: str = ""


class ToolPolicy(Section, frozen=True):
    """Which tools may be used: profile, then allow, then deny. Names, `group:*` names and `*` wildcards."""

    profile: Literal["minimal", "coding", "messaging", "full"] | None = None
    allow: list[str] = []
    also_allow: list[str] = []
    deny: list[str] = []
    by_provider: dict[str, ToolPolicy] = {}
    """The same, for one provider (`openai`) or model (`openai/gpt-4o`)."""


class ModelAlias(Section, frozen=True):
    """An entry of C{agents.defaults.models}."""

    alias: str = ""
    params: dict[str, Any] = {}


class Subagents(Section, frozen=True):
    """C{agents.defaults.subagents}."""

    max_concurrent: PositiveInt = 8


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
    max_tool_rounds: PositiveInt = 50
    """Model calls in one run before it is stopped with an error."""
    subagents: Subagents = field(default_factory=Subagents)


class AgentEntry(Section, frozen=True):
    """An entry of C{agents.list}."""

    id: Slug
    default: bool = False
    name: str = ""
    workspace: str = ""
    model: ModelChoice | str = ""
    identity: Identity = field(default_factory=Identity)
    tools: ToolPolicy = field(default_factory=ToolPolicy)


class AgentsSection(Section, frozen=True):
    """C{agents}."""

    defaults: AgentDefaults = field(default_factory=AgentDefaults)
    entries: list[AgentEntry] = field(default_factory=list, name="list")
    """Agents (JSON name `list`); none = one agent called main."""
