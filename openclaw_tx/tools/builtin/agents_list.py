# -*- test-case-name: tests.tools.test_agents_list -*-
"""C{agents_list}: the agents of this gateway, and which of them may be had as sub-agents (spec 7.1)."""

from __future__ import annotations

from collections.abc import Callable

from openclaw_tx.config.schema import Config
from openclaw_tx.interfaces import ToolContext
from openclaw_tx.tools.builtin.sessions_spawn import may_spawn
from openclaw_tx.tools.typed import Parameters, TypedTool, json_result
from openclaw_tx.values import ToolResult


class AgentsListParameters(Parameters, frozen=True):
    """C{agents_list} takes no arguments."""


class AgentsList(TypedTool[AgentsListParameters]):
    """Names the agents that whoever asks may use, and says which one is answering."""

    name = "agents_list"
    description = "List the agents of this gateway with their ids and names, and which may be used as sub-agents."
    parameters = AgentsListParameters
    concurrent = True

    def __init__(self, settings: Callable[[], Config]) -> None:
        """
        @param settings: gives the configuration of the moment.
        """
        super().__init__()
        self._settings = settings

    async def run(self, parameters: AgentsListParameters, context: ToolContext) -> ToolResult:
        """C{{"requester": id, "agents": [{"id", "name", "default", "spawn"}]}}."""
        agents = context.agents
        entries = self._settings().agents.entries
        allowed = next((entry.subagents.allow_agents for entry in entries if entry.id == context.agent.id), [])
        return json_result(
            {
                "requester": context.agent.id,
                "agents": [
                    {
                        "id": agent.id,
                        "name": agent.name,
                        "default": agent.id == agents.default_id,
                        "spawn": may_spawn(context.agent.id, agent.id, allowed),
                    }
                    for agent in agents.all()
                ],
            }
        )


__all__ = ["AgentsList", "AgentsListParameters"]
