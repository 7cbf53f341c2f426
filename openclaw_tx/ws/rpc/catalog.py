# -*- test-case-name: tests.ws.rpc.test_catalog -*-
"""C{agents.list} and C{models.list} (spec 2.10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from openclaw_tx.auth.sight import agents_for
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Models
from openclaw_tx.sessions.keys import MAIN
from openclaw_tx.values import Agent, ModelInfo
from openclaw_tx.wire.frames import NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method


class AgentsListParams(Params, frozen=True):
    """Params of C{agents.list}: none."""


class ModelsListParams(Params, frozen=True):
    """Params of C{models.list}."""

    agent_id: NonEmpty | None = None
    """Only the models that this agent may use, its primary first."""
    view: Literal["default", "configured", "provider-config", "all"] = "default"
    """All views show the configured models: there is no other catalogue."""
    provider: NonEmpty | None = None
    """Only the models of this provider."""
    include_details: bool = False
    """Rows always have all that is known of a model."""
    include_provider_capabilities: bool = False
    prepared_only: bool = False
    refresh: bool = False


class CatalogMethods:
    """The family of lists."""

    def __init__(
        self,
        agents: Agents,
        models: Models,
        scope: Callable[[], str],
    ) -> None:
        """
        @param scope: C{session.scope} of the moment.
        """
        self._agents = agents
        self._models = models
        self._scope = scope

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("agents.list", "agents.list", AgentsListParams, self.agents_list),
            Method("models.list", "models.list", ModelsListParams, self.models_list),
        ]

    async def agents_list(self, call: Call[AgentsListParams]) -> Any:
        """Who answers."""
        agents = agents_for(self._agents, call.principal)
        return {
            "defaultId": agents.default_id,
            "mainKey": MAIN,
            "scope": self._scope(),
            "agents": [_agent_row(agent, call.modern) for agent in agents.all()],
        }

    async def models_list(self, call: Call[ModelsListParams]) -> Any:
        """The configured models."""
        catalog = list(self._models.catalog())
        if call.params.agent_id is not None:
            agent = agents_for(self._agents, call.principal).get(call.params.agent_id)
            if agent is None:
                raise unknown_agent("models.list", call.params.agent_id)
            catalog = self._of_agent(agent)
        wanted = (call.params.provider or "").strip().lower()
        return {"models": [_model_row(info) for info in catalog if wanted in ("", info.provider.lower())]}

    def _of_agent(self, agent: Agent) -> list[ModelInfo]:
        found = []
        for ref in agent.models:
            try:
                found.append(self._models.info(ref))
            except GatewayError:
                continue  # configured, but no provider has it
        return found


def unknown_agent(method: str, agent_id: str) -> GatewayError:
    """The refusal of an agent id that is not configured, in the words of the wire."""
    return GatewayError("invalid_request", f'invalid {method} params: unknown agent id "{agent_id[:64]}"')


def _agent_row(agent: Agent, modern: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"id": agent.id}
    if agent.name != agent.id:
        row["name"] = agent.name
    if modern:
        row["kind"] = "agent"
        if agent.models:
            row["model"] = {"primary": agent.models[0]}
            if agent.models[1:]:
                row["model"]["fallbacks"] = list(agent.models[1:])
    return row


def _model_row(info: ModelInfo) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": info.id,
        "name": info.name,
        "provider": info.provider,
        "contextWindow": info.context_window,
        "reasoning": info.reasoning,
        "input": list(info.input),
    }
    if info.alias:
        row["alias"] = info.alias
    if info.unavailable:
        row["available"] = False
        row["unavailableReason"] = info.unavailable
        if info.unavailable_until_ms:
            row["unavailableUntil"] = info.unavailable_until_ms
    return row
