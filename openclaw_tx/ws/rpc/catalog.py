# -*- test-case-name: tests.ws.rpc.test_catalog -*-
"""C{agents.list}, C{agent.identity.get} and C{models.list} (spec 2.10)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from openclaw_tx.auth.sight import agents_for
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_agents import Identity
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Models
from openclaw_tx.sessions.keys import MAIN, agent_of
from openclaw_tx.values import Agent, ModelInfo
from openclaw_tx.wire.frames import NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method


class AgentsListParams(Params, frozen=True):
    """Params of C{agents.list}: none."""


class ModelsListParams(Params, frozen=True):
    """Params of C{models.list}."""

    agent_id: NonEmpty | None = None
    """Whose choices the rows are marked with and stand first where the order is ours; unset = the default agent's."""
    view: Literal["default", "configured", "provider-config", "all"] = "default"
    """C{default}: those that may be used; C{configured}: those of them that the configuration names, the choices of
    agents before those of C{models.providers}; C{provider-config}: those that stand in C{models.providers}; C{all}:
    these, and those that may not be used."""
    provider: NonEmpty | None = None
    """Only the models of this provider."""
    include_details: bool = False
    """Rows always have all that is known of a model."""
    include_provider_capabilities: bool = False
    """No effect: rows say all that is known."""
    prepared_only: bool = False
    """No effect, nor has C{refresh}: nothing is fetched for the list."""
    refresh: bool = False
    session_key: NonEmpty | None = None
    """Names the agent, when nothing else does."""


class IdentityParams(Params, frozen=True):
    """Params of C{agent.identity.get}; without any the default agent is meant."""

    agent_id: NonEmpty | None = None
    session_key: str = ""
    """Of an agent's session, instead."""


class CatalogMethods:
    """The family of lists."""

    def __init__(
        self,
        agents: Agents,
        models: Models,
        settings: Callable[[], Config],
        every_model: Callable[[], Sequence[ModelInfo]] | None = None,
    ) -> None:
        """
        @param every_model: the models, those that may not be used as well; None = C{models} has them all.
        """
        self._agents = agents
        self._models = models
        self._settings = settings
        self._every_model = every_model or models.catalog

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("agents.list", "agents.list", AgentsListParams, self.agents_list),
            Method("agent.identity.get", "agents.list", IdentityParams, self.identity),
            Method("models.list", "models.list", ModelsListParams, self.models_list),
        ]

    async def agents_list(self, call: Call[AgentsListParams]) -> Any:
        """Who answers: C{{defaultId, mainKey, scope, agents[{id, name?, identity?, kind (4), model (4)}]}}."""
        agents = agents_for(self._agents, call.principal)
        identities = self._identities()
        return {
            "defaultId": agents.default_id,
            "mainKey": MAIN,
            "scope": self._settings().session.scope,
            "agents": [_agent_row(agent, identities.get(agent.id), call.modern) for agent in agents.all()],
        }

    async def identity(self, call: Call[IdentityParams]) -> Any:
        """How an agent presents itself: C{{agentId, name, nameSource, emoji?, avatarStatus}}."""
        agents = agents_for(self._agents, call.principal)
        key = call.params.session_key
        named = agent_of(key) if key.lower().startswith("agent:") else ""
        chosen = (call.params.agent_id or named or agents.default_id).strip().lower()
        if call.params.agent_id and named and named != chosen:
            raise GatewayError("invalid_request", f'agent "{chosen}" does not match session key agent "{named}"')
        agent = agents.get(chosen)
        if agent is None:
            raise unknown_agent("agent.identity.get", chosen)
        identity = self._identities().get(agent.id, Identity())
        answer = {
            "agentId": agent.id,
            "name": identity.name or agent.name,
            "nameSource": "config" if identity.name or agent.name != agent.id else "default",
            "avatarStatus": "none",
        }
        return {**answer, "emoji": identity.emoji} if identity.emoji else answer

    async def models_list(self, call: Call[ModelsListParams]) -> Any:
        """C{{models[{id, name, provider, contextWindow, reasoning, input[], alias?, tags?, available,
        unavailableReason?, unavailableUntil?}]}}; C{unavailableReason} is C{missing-auth}, C{auth-failed} or
        C{cooldown}, for what is known not to answer."""
        params = call.params
        agents = agents_for(self._agents, call.principal)
        key = params.session_key or ""
        chosen = plain_id(params.agent_id) or (agent_of(key) if key.lower().startswith("agent:") else None)
        agent = agents.get(chosen if chosen is not None else agents.default_id)
        if chosen is not None and agent is None:
            raise unknown_agent("models.list", chosen)
        found = self._view(params.view, agent if chosen is not None else None)
        wanted = (params.provider or "").strip().lower()
        return {"models": [model_row(info, agent) for info in found if wanted in ("", info.provider.lower())]}

    def _view(self, view: str, agent: Agent | None) -> Sequence[ModelInfo]:
        """
        @param agent: whose choices come first; None = every agent's.
        """
        every = self._every_model()
        if view == "all":
            return every
        allowed = self._models.catalog()
        config = self._settings()
        written = {
            (name.strip().lower(), model.id)
            for name, provider in config.models.providers.items()
            for model in provider.models
        }
        if view == "provider-config":
            return [info for info in every if (info.provider.lower(), info.id) in written]
        refs = [ref for one in ([agent] if agent is not None else self._agents.all()) for ref in one.models]
        if view == "default":
            # All of them; only where somebody is named there is an order to keep.
            return _once([*self._known(refs), *allowed]) if agent is not None else allowed
        chosen = self._known([*refs, *config.agents.defaults.models])
        return _once([*chosen, *(info for info in allowed if (info.provider.lower(), info.id) in written)])

    def _known(self, refs: Iterable[str]) -> list[ModelInfo]:
        found = []
        for ref in refs:
            try:
                found.append(self._models.info(ref))
            except GatewayError:
                continue  # configured, but no provider has it
        return _once(found)

    def _identities(self) -> dict[str, Identity]:
        return {entry.id: entry.identity for entry in self._settings().agents.entries}


def _once(found: Iterable[ModelInfo]) -> list[ModelInfo]:
    return list({info.ref: info for info in found}.values())


def plain_id(agent_id: str | None) -> str | None:
    """An agent's id that a client wrote, as agents have it."""
    return agent_id.strip().lower() if agent_id is not None else None


def unknown_agent(method: str, agent_id: str) -> GatewayError:
    """The refusal of an agent id that is not configured, in the words of the wire."""
    return GatewayError("invalid_request", f'invalid {method} params: unknown agent id "{agent_id[:64]}"')


def _agent_row(agent: Agent, identity: Identity | None, modern: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"id": agent.id}
    if agent.name != agent.id:
        row["name"] = agent.name
    if identity is not None and identity != Identity():
        fields = {"name": identity.name, "theme": identity.theme, "emoji": identity.emoji}
        row["identity"] = {name: value for name, value in fields.items() if value}
    if modern:
        row["kind"] = "agent"
        if agent.models:
            row["model"] = {"primary": agent.models[0]}
            if agent.models[1:]:
                row["model"]["fallbacks"] = list(agent.models[1:])
    return row


def model_row(info: ModelInfo, agent: Agent | None = None) -> dict[str, Any]:
    """A model as C{models.list} shows it.

    @param agent: whose choices are marked: C{default}, C{fallback#1} and so on.
    """
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
    if agent is not None and info.ref in agent.models:
        place = agent.models.index(info.ref)
        row["tags"] = [f"fallback#{place}" if place else "default"]
    row["available"] = not info.unavailable
    if info.unavailable:
        row["unavailableReason"] = info.unavailable
        if info.unavailable_until_ms:
            row["unavailableUntil"] = info.unavailable_until_ms
    return row
