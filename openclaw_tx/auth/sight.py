# -*- test-case-name: tests.auth.test_sight -*-
"""What a principal gets to see: views and lists without what lies out of its bounds.

L{openclaw_tx.auth.actions.authorise} refuses; this leaves out. To a key an agent that it may not use is one that does
not exist, in the same words and the same time, because whatever is looked up for it goes through its view.
"""

from __future__ import annotations

from collections.abc import Sequence

from openclaw_tx.auth.actions import may
from openclaw_tx.interfaces import Agents, Run
from openclaw_tx.values import (
    Agent,
    Approval,
    ModelInfo,
    Principal,
    PromptReport,
    RunRequest,
    SessionEntry,
    Target,
    ToolSpec,
)


class AgentsInSight:
    """The agents that a principal may use (L{openclaw_tx.interfaces.Agents}); the first of its own is its default
    unless it may use the configured one."""

    def __init__(self, agents: Agents, allowed: Sequence[str]) -> None:
        """
        @param allowed: their ids, not empty.
        """
        self._agents = agents
        self._allowed = allowed

    @property
    def default_id(self) -> str:
        """The configured default, or the first of the principal's that there is."""
        default = self._agents.default_id
        if default in self._allowed:
            return default
        found = (agent_id for agent_id in self._allowed if self._agents.get(agent_id) is not None)
        return next(found, self._allowed[0])

    def all(self) -> Sequence[Agent]:
        """In the order of the file; empty when none of them is configured."""
        return [agent for agent in self._agents.all() if agent.id in self._allowed]

    def get(self, agent_id: str) -> Agent | None:
        """None for those out of sight."""
        return self._agents.get(agent_id) if agent_id in self._allowed else None

    def system_prompt(self, agent: Agent, request: RunRequest, model: ModelInfo, tools: Sequence[ToolSpec]) -> str:
        """As it is."""
        return self._agents.system_prompt(agent, request, model, tools)

    def prompt_report(
        self, agent: Agent, request: RunRequest, model: ModelInfo, tools: Sequence[ToolSpec]
    ) -> PromptReport:
        """As it is."""
        return self._agents.prompt_report(agent, request, model, tools)


def agents_for(agents: Agents, principal: Principal) -> Agents:
    """The agents that C{principal} may use."""
    return AgentsInSight(agents, principal.agents) if principal.agents else agents


def run_target(run: Run) -> Target:
    """A run as something to be aimed at."""
    request = run.request
    return Target(agent_id=request.agent_id, session_key=request.session_key, owner_id=run.principal.id)


def sees_run(principal: Principal, run: Run) -> bool:
    """Whether a run exists for C{principal}, as far as its scopes let it know of runs at all."""
    return may(principal, "runs.read", run_target(run))


def approval_target(approval: Approval) -> Target:
    """A question as something to be aimed at; whoever started the run that asks is its owner."""
    return Target(
        agent_id=approval.agent_id or None, session_key=approval.session_key or None, owner_id=approval.owner_id
    )


def sees_session(principal: Principal, entry: SessionEntry) -> bool:
    """Whether a session exists for C{principal}, as far as its scopes let it know of sessions at all."""
    return may(principal, "sessions.list", Target(agent_id=entry.agent_id, session_key=entry.key))


def is_bounded(principal: Principal) -> bool:
    """Whether there can be agents or sessions that C{principal} must not know of."""
    return bool(principal.agents or principal.session_prefix)


__all__ = ["AgentsInSight", "agents_for", "approval_target", "is_bounded", "run_target", "sees_run", "sees_session"]
