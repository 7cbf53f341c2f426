"""The configuration's shape: one frozen struct a section, JSON names in camelCase (spec 5.4).

A field's comment-string is its documentation: docs/configuration.md is made from it. Keys of a real C{openclaw.json}
that this gateway does not use are listed in L{openclaw_tx.config.foreign}, not here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from openclaw_tx.config.schema_agents import AgentsSection
from openclaw_tx.config.schema_automation import CronSection, HooksSection
from openclaw_tx.config.schema_channels import Binding, ChannelsSection
from openclaw_tx.config.schema_gateway import GatewaySection
from openclaw_tx.config.schema_models import ModelsSection
from openclaw_tx.config.schema_sessions import CommandsSection, MessagesSection, SessionSection
from openclaw_tx.config.schema_tools import McpSection, ToolsSection
from openclaw_tx.config.section import FilePath, Section


class AuthCooldowns(Section, frozen=True):
    """C{auth.cooldowns}: how long a provider's key rests after it failed."""

    billing_backoff_hours: Annotated[float, Meta(gt=0)] = 5.0
    """First pause after an unpaid bill; it doubles each time."""
    billing_max_hours: Annotated[float, Meta(gt=0)] = 24.0
    """Longest such pause."""
    failure_window_hours: Annotated[float, Meta(gt=0)] = 24.0
    """After so long without a failure the count begins anew."""


class AuthProfile(Section, frozen=True):
    """An entry of C{auth.profiles}; its secret is in auth-profiles.json of the agent directory."""

    provider: str
    """Provider it is for."""
    mode: Literal["api_key", "token", "oauth"] = "api_key"
    """What its secret is; oauth profiles are not used here."""
    email: str = ""
    """Whose it is."""


class AuthSection(Section, frozen=True):
    """C{auth}: several keys of one model provider (docs/models.md)."""

    profiles: dict[str, AuthProfile] = {}
    """Profiles by id, e.g. `openai:work`."""
    order: dict[str, list[str]] = {}
    """Provider -> profile ids in the order to try."""
    cooldowns: AuthCooldowns = field(default_factory=AuthCooldowns)


class SkillEntry(Section, frozen=True):
    """An entry of C{skills.entries}."""

    enabled: bool = True
    """Tell agents of it."""


class SkillsLoad(Section, frozen=True):
    """C{skills.load}."""

    extra_dirs: list[FilePath] = []
    """Directories of skills besides the workspace's and the state directory's."""


class SkillsSection(Section, frozen=True):
    """C{skills}: instructions that agents read when they need them (docs/agents.md)."""

    entries: dict[str, SkillEntry] = {}
    """Skills by name."""
    load: SkillsLoad = field(default_factory=SkillsLoad)


class LoggingSection(Section, frozen=True):
    """C{logging}."""

    level: Literal["silent", "fatal", "error", "warn", "info", "debug", "trace"] = "info"
    """Least severity of the gateway's own lines; those of Twisted are always there."""
    console_style: Literal["pretty", "compact", "json"] = "pretty"
    """json = one JSON object a line, for everything the process logs; compact is pretty. Takes effect at the start."""
    access_log: bool = False
    """One line for each HTTP request."""
    file: FilePath = ""
    """Log file of JSON lines beside what the runner writes, for `logs.tail`; {date} in it is the day, kept for a week.
    Empty = logs/openclaw-{date}.log in the state directory; off = none. Takes effect at the start."""
    max_file_bytes: Annotated[int, Meta(ge=65_536)] = 50 * 1024 * 1024
    """Size at which the file is put aside, in place of the one put aside before."""


class EnvSection(Section, frozen=True):
    """C{env}: variables that fill only what the environment lacks."""

    vars: dict[str, str] = {}
    """Name -> value. Names may also stand directly under `env`."""


class Config(Section, frozen=True):
    """The whole configuration, defaults filled in."""

    env: EnvSection = field(default_factory=EnvSection)
    gateway: GatewaySection = field(default_factory=GatewaySection)
    agents: AgentsSection = field(default_factory=AgentsSection)
    models: ModelsSection = field(default_factory=ModelsSection)
    session: SessionSection = field(default_factory=SessionSection)
    auth: AuthSection = field(default_factory=AuthSection)
    tools: ToolsSection = field(default_factory=ToolsSection)
    mcp: McpSection = field(default_factory=McpSection)
    skills: SkillsSection = field(default_factory=SkillsSection)
    messages: MessagesSection = field(default_factory=MessagesSection)
    commands: CommandsSection = field(default_factory=CommandsSection)
    cron: CronSection = field(default_factory=CronSection)
    hooks: HooksSection = field(default_factory=HooksSection)
    channels: ChannelsSection = field(default_factory=ChannelsSection)
    bindings: list[Binding] = []
    """Who answers what comes over channels."""
    logging: LoggingSection = field(default_factory=LoggingSection)


__all__ = ["AuthSection", "Config", "EnvSection", "LoggingSection", "SkillsSection"]
