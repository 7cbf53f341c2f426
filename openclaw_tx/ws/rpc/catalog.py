# -*- test-case-name: tests.ws.rpc.test_catalog -*-
"""C{agents.list}, C{models.list} and C{sessions.list} (spec 2.10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.sight import agents_for, is_bounded, sees_session
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Models, Sessions
from openclaw_tx.sessions.keys import MAIN
from openclaw_tx.values import Agent, AssistantMessage, ModelInfo, UserMessage
from openclaw_tx.wire.frames import NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.hello import SESSION_SCOPE
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.health import STORE, model_defaults, session_row

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
QUOTED = 50
"""Newest messages of a session that titles and previews are taken from."""
MAX_TITLE = 80
"""Characters of a title or preview taken from a transcript."""


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


class SessionsListParams(Params, frozen=True):
    """Params of C{sessions.list}."""

    limit: Annotated[int, Meta(ge=1)] = DEFAULT_LIMIT
    agent_id: NonEmpty | None = None
    search: Annotated[str, Meta(max_length=512)] = ""
    active_minutes: Annotated[int, Meta(ge=1)] | None = None
    """Only sessions that were used in this time."""
    label: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    """Only sessions with exactly this label."""
    include_global: bool = True
    include_unknown: bool = True
    include_derived_titles: bool = False
    """Add C{derivedTitle}: the beginning of what was first said, among the newest 50 messages."""
    include_last_message: bool = False
    """Add C{lastMessagePreview}."""


class CatalogMethods:
    """The family of lists."""

    def __init__(
        self,
        agents: Agents,
        models: Models,
        sessions: Sessions,
        clock: IReactorTime,
    ) -> None:
        self._agents = agents
        self._models = models
        self._sessions = sessions
        self._clock = clock

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("agents.list", "agents.list", AgentsListParams, self.agents_list),
            Method("models.list", "models.list", ModelsListParams, self.models_list),
            Method("sessions.list", "sessions.list", SessionsListParams, self.sessions_list),
        ]

    async def agents_list(self, call: Call[AgentsListParams]) -> Any:
        """Who answers."""
        agents = agents_for(self._agents, call.principal)
        return {
            "defaultId": agents.default_id,
            "mainKey": MAIN,
            "scope": SESSION_SCOPE,
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

    async def sessions_list(self, call: Call[SessionsListParams]) -> Any:
        """Sessions, newest first: filters, then the limit. Those that the client may not know of are not there."""
        params, principal = call.params, call.principal
        limit = min(params.limit, MAX_LIMIT)
        now = int(self._clock.seconds() * 1000)
        filtered = params.active_minutes is not None or params.label is not None
        filtered = filtered or not (params.include_global and params.include_unknown) or is_bounded(principal)
        asked = MAX_LIMIT + 1 if filtered else limit + 1
        entries = [
            entry
            for entry in await self._sessions.list(
                agent_id=params.agent_id, limit=asked, search=params.search or principal.session_prefix
            )
            if sees_session(principal, entry)
            and (params.active_minutes is None or entry.updated_at_ms >= now - params.active_minutes * 60_000)
            and (params.label is None or entry.label == params.label)
            and (params.include_global or entry.key != "global")
            and (params.include_unknown or entry.key != "unknown")
        ]
        shown = entries[:limit]
        rows = []
        for entry in shown:
            row = session_row(entry, self._models)
            if params.include_derived_titles or params.include_last_message:
                await self._quote(entry.key, row, params)
            rows.append(row)
        return {
            "ts": now,
            "path": STORE,
            "count": len(rows),
            "limitApplied": limit,
            "hasMore": len(entries) > limit,
            "defaults": model_defaults(agents_for(self._agents, principal), self._models),
            "sessions": rows,
        }

    async def _quote(self, key: str, row: dict[str, Any], params: SessionsListParams) -> None:
        """Add what the transcript says."""
        messages = await self._sessions.transcript(key, QUOTED)
        said = (message.text for message in messages if isinstance(message, UserMessage | AssistantMessage))
        texts = [text for text in said if text.strip()]
        if texts and params.include_last_message:
            row["lastMessagePreview"] = _cut(texts[-1])
        if texts and params.include_derived_titles:
            row["derivedTitle"] = row.get("label") or _cut(texts[0])


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
    return {
        "id": info.id,
        "name": info.name,
        "provider": info.provider,
        "contextWindow": info.context_window,
        "reasoning": info.reasoning,
        "input": list(info.input),
    }


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_TITLE else line[: MAX_TITLE - 1] + "…"
