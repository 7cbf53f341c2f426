# -*- test-case-name: tests.tools.test_agents_list -*-
"""C{agents_list}: the agents of this gateway (spec 7.1)."""

from __future__ import annotations

from openclaw_tx.interfaces import ToolContext
from openclaw_tx.tools.typed import Parameters, TypedTool, json_result
from openclaw_tx.values import ToolResult


class AgentsListParameters(Parameters, frozen=True):
    """C{agents_list} takes no arguments."""


class AgentsList(TypedTool[AgentsListParameters]):
    """Names the agents that whoever asks may use, and says which one is answering."""

    name = "agents_list"
    description = "List the agents of this gateway with their ids and names."
    parameters = AgentsListParameters

    async def run(self, parameters: AgentsListParameters, context: ToolContext) -> ToolResult:
        """C{{"requester": id, "agents": [{"id", "name", "default"}]}}."""
        agents = context.agents
        return json_result(
            {
                "requester": context.agent.id,
                "agents": [
                    {"id": agent.id, "name": agent.name, "default": agent.id == agents.default_id}
                    for agent in agents.all()
                ],
            }
        )


__all__ = ["AgentsList", "AgentsListParameters"]
