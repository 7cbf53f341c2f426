# -*- test-case-name: tests.tools.test_agents_list -*-
"""C{agents_list}: the agents of this gateway (spec 7.1)."""

from __future__ import annotations

from openclaw_tx.interfaces import Agents, ToolContext
from openclaw_tx.tools.typed import Parameters, TypedTool, json_result
from openclaw_tx.values import ToolResult


class AgentsListParameters(Parameters, frozen=True):
    """C{agents_list} takes no arguments."""


class AgentsList(TypedTool[AgentsListParameters]):
    """Names every configured agent and says which one is asking."""

    name = "agents_list"
    description = "List the agents of this gateway with their ids and names."
    parameters = AgentsListParameters

    def __init__(self, agents: Agents) -> None:
        """@param agents: the registry of agents."""
        super().__init__()
        self._agents = agents

    async def run(self, parameters: AgentsListParameters, context: ToolContext) -> ToolResult:
        """C{{"requester": id, "agents": [{"id", "name", "default"}]}}."""
        return json_result(
            {
                "requester": context.agent.id,
                "agents": [
                    {"id": agent.id, "name": agent.name, "default": agent.is_default} for agent in self._agents.all()
                ],
            }
        )


__all__ = ["AgentsList", "AgentsListParameters"]
