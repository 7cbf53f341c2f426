# -*- test-case-name: tests.test_agents_together -*-
"""Which sessions the session tools may touch, and how a model may name one (spec 4.1, 7.1).

Three bounds, all of which hold: what whoever asks may know of (L{ToolContext.sees_session}); within the agent
C{tools.sessions.visibility}; beyond it C{tools.agentToAgent}. To a tool there are no other sessions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_tools import AgentToAgent
from openclaw_tx.interfaces import Sessions, ToolContext
from openclaw_tx.tools.policy import wildcard
from openclaw_tx.values import SessionEntry

Kind = Literal["main", "group", "cron", "hook", "node", "subagent", "other"]

GLOBAL = "global"
"""The one session of all conversations, where C{session.scope} says so; its key names no agent."""

SEARCHED = 1000
"""Sessions of an agent that a listing looks at."""


def canonical(key: str, context: ToolContext, scope: str) -> str:
    """The full session key for what a model may write: blank = its own, C{main}, a bare name, or a full key.

    Keys that came with an HTTP request keep their case.

    @param scope: C{session.scope}. Where it is C{global}, an agent's main session is L{GLOBAL}, but for clients whose
        sessions have a prefix.
    """
    text = key.strip()
    full = text if text.lower().startswith("agent:") else f"agent:{context.agent.id}:{text}"
    if not text or context.session_key in (text, full, full.lower()):
        return context.session_key
    mine = f"agent:{context.agent.id}:"
    if scope == GLOBAL and not context.principal.session_prefix and full.lower() in (f"{mine}{GLOBAL}", f"{mine}main"):
        return GLOBAL
    start, agent_id, *rest = full.split(":", 2)
    return ":".join([start.lower(), agent_id.lower(), *rest])


async def kept(key: str, context: ToolContext, sessions: Sessions) -> SessionEntry | None:
    """The session of a full key that whoever asks may know of: of exactly this key, else of it in lower case."""
    for one in (key, key.lower()):
        if context.sees_session(one) and (entry := await sessions.get(one)) is not None:
            return entry
    return None


def agent_of(key: str) -> str:
    """The agent of a full key; "" for one that names none."""
    parts = key.split(":", 2)
    return parts[1].lower() if len(parts) == 3 and parts[0] == "agent" else ""


def owner_of(key: str, context: ToolContext) -> str:
    """The agent that answers in a session: that of its key, else the one that asks."""
    return agent_of(key) or context.agent.id


def kind_of(key: str) -> Kind:
    """What a session is for, read off its key."""
    rest = key.split(":", 2)[-1].lower()
    if rest == "main" or key == GLOBAL:
        return "main"
    if ":group:" in rest or ":channel:" in rest:
        return "group"
    named: tuple[tuple[str, Kind], ...] = (
        ("cron:", "cron"),
        ("hook:", "hook"),
        ("node-", "node"),
        ("subagent:", "subagent"),
    )
    return next((kind for prefix, kind in named if rest.startswith(prefix)), "other")


def reaches(rules: AgentToAgent, one: str, other: str) -> bool:
    """Whether two agents may reach each other."""
    if one == other:
        return True
    return rules.enabled and all(
        not rules.allow or any(wildcard(entry.strip().lower()).fullmatch(name) for entry in rules.allow)
        for name in (one, other)
    )


class SessionSight:
    """The bounds, asked at each call."""

    def __init__(self, settings: Callable[[], Config], sessions: Sessions) -> None:
        """
        @param settings: gives the configuration of the moment.
        """
        self._settings = settings
        self._sessions = sessions

    def canonical(self, key: str, context: ToolContext) -> str:
        """See L{canonical}, by the configuration of the moment."""
        return canonical(key, context, self._settings().session.scope)

    async def find(self, key: str, context: ToolContext) -> SessionEntry | None:
        """The session of a full key; None when there is none that this call may see."""
        if not self.may_name(key, context):
            return None
        entry = await kept(key, context, self._sessions)
        return entry if entry is not None and self._within(entry, context) else None

    async def labelled(self, label: str, agent_id: str, context: ToolContext) -> SessionEntry | None:
        """The session of a label, likewise.

        @param agent_id: whose; "" = the agent's own.
        """
        entry = await self._sessions.by_label(label, agent_id or context.agent.id)
        return await self.find(entry.key, context) if entry is not None else None

    async def all(self, context: ToolContext) -> list[SessionEntry]:
        """Every session in sight, newest first."""
        rules = self._settings().tools.agent_to_agent
        found: list[SessionEntry] = []
        for agent in context.agents.all():
            if reaches(rules, context.agent.id, agent.id):
                found += await self._sessions.list(agent_id=agent.id, limit=SEARCHED)
        seen = [entry for entry in found if context.sees_session(entry.key) and self._within(entry, context)]
        return sorted(seen, key=lambda entry: entry.updated_at_ms, reverse=True)

    def may_name(self, key: str, context: ToolContext) -> bool:
        """Whether a session of this key could be in sight, there or not."""
        owner = owner_of(key, context)
        return context.agents.get(owner) is not None and reaches(
            self._settings().tools.agent_to_agent, context.agent.id, owner
        )

    def _within(self, entry: SessionEntry, context: ToolContext) -> bool:
        if entry.key == context.session_key:
            return True
        if entry.agent_id != context.agent.id:
            # may_name and all() have asked agentToAgent.
            return True
        visibility = self._settings().tools.sessions.visibility
        if visibility == "self":
            return False
        return visibility != "tree" or entry.settings.spawned_by == context.session_key


__all__ = ["GLOBAL", "Kind", "SessionSight", "agent_of", "canonical", "kept", "kind_of", "owner_of", "reaches"]
