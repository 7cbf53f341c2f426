"""The configuration's shape: one frozen struct a section, JSON names in camelCase (spec 5.4).

A field's comment-string is its documentation: docs/configuration.md is made from it. Keys of a real C{openclaw.json}
that this gateway does not use are listed in L{openclaw_tx.config.foreign}, not here.
"""

from __future__ import annotations

from typing import Literal

from msgspec import field

from openclaw_tx.config.schema_agents import AgentsSection, ToolPolicy
from openclaw_tx.config.schema_gateway import GatewaySection
from openclaw_tx.config.schema_models import ModelsSection
from openclaw_tx.config.section import Section


class SessionSection(Section, frozen=True):
    """C{session}: keys and storage."""

    store: str = ""
    """Database URL, sqlite:///... or postgresql://...; empty = SQLite under the state directory."""


class LoggingSection(Section, frozen=True):
    """C{logging}."""

    level: Literal["silent", "fatal", "error", "warn", "info", "debug", "trace"] = "info"
    """Least severity of the gateway's own lines; those of Twisted are always there."""
    console_style: Literal["pretty", "compact", "json"] = "pretty"
    """json = one JSON object a line, for everything the process logs; compact is pretty. Takes effect at the start."""
    access_log: bool = False
    """One line for each HTTP request."""


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
    tools: ToolPolicy = field(default_factory=ToolPolicy)
    logging: LoggingSection = field(default_factory=LoggingSection)


__all__ = ["Config", "EnvSection", "LoggingSection", "SessionSection"]
