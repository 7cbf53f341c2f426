"""Shape of C{cron} and C{hooks}: what starts runs without a client (spec 1.8, 8)."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta, field

from openclaw_tx.config.schema_agents import Thinking
from openclaw_tx.config.section import FilePath, PositiveInt, Section


class CronSection(Section, frozen=True):
    """C{cron}: jobs of agents, by the clock."""

    enabled: bool = True
    """Run jobs when they are due; they can be listed and edited either way."""
    store: FilePath = ""
    """File of the jobs; empty = cron/jobs.json in the state directory."""
    max_concurrent_runs: PositiveInt = 1
    """Jobs at work at the same time; more wait in line."""


PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
"""What a template takes from a request."""

PLACE = re.compile(r"\s*([A-Za-z0-9_$@-]{1,64}(?:\.[A-Za-z0-9_$@-]{1,64}|\[\d{1,4}\])*)\s*")
"""Where it takes it from: C{field}, C{field[0].inner}."""


class HookMatch(Section, frozen=True):
    """Requests that a mapping is for."""

    path: str = ""
    """Rest of the path below hooks.path; empty = any."""
    source: str = ""
    """Value of `source` in the body; empty = any."""


class HookMapping(Section, frozen=True):
    """An entry of C{hooks.mappings}: what a service's own request becomes. The first that fits counts."""

    id: str = ""
    """Name in the log."""
    match: HookMatch = field(default_factory=HookMatch)
    action: Literal["wake", "agent"] = "agent"
    """Note an event in the main session, or run an agent."""
    wake_mode: Literal["now", "next-heartbeat"] = "now"
    """When a noted event is looked at."""
    name: str = ""
    """Name of the sender, for the agent."""
    agent_id: str = ""
    """Who answers; empty = the default agent."""
    session_key: str = ""
    """Session; {{...}} as in the templates, where hooks.allowRequestSessionKey lets requests name theirs; empty =
    hooks.defaultSessionKey, or one for each request."""
    message_template: str = ""
    """Message of action agent; {{field}} and {{field[0].inner}} are taken from the body, {{headers.name}} from a
    header."""
    text_template: str = ""
    """Text of action wake, likewise."""
    model: str = ""
    """Model ref for the run."""
    thinking: Thinking = ""
    """Thinking level of the run."""
    timeout_seconds: PositiveInt | None = None
    """Longest run."""
    allow_unsafe_external_content: bool = False
    """Put what comes from the request into the message as it is, without saying that it comes from outside."""


class HooksSection(Section, frozen=True):
    """C{hooks}: services that wake agents by HTTP, with a token of their own."""

    enabled: bool = False
    """Serve them."""
    path: Annotated[str, Meta(pattern=r"^/[A-Za-z0-9/_-]+$")] = "/hooks"
    """Where they are."""
    token: str = ""
    """Bearer token, required; must not be the gateway's own."""
    max_body_bytes: PositiveInt = 256 * 1024
    """Largest body."""
    default_session_key: str = ""
    """Session of requests that name none; empty = `hook:<uuid>`."""
    allow_request_session_key: bool = False
    """Let requests name their session."""
    allowed_session_key_prefixes: list[str] = []
    """What such names must begin with; empty = anything."""
    allowed_agent_ids: list[str] | None = None
    """Agents that requests may name, "*" = all; unset = all."""
    allow_unsafe_external_content: bool = False
    """Give texts of `wake` and `agent` requests to the agent as they are, as orders of whoever has the token."""
    mappings: list[HookMapping] = []
    """Requests of services in their own form."""


__all__ = ["CronSection", "HookMapping", "HookMatch", "HooksSection"]
