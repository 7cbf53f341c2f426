# -*- test-case-name: tests.ws.rpc.test_startup -*-
"""C{chat.startup} and C{chat.metadata}: all that a chat window needs as it opens, in one answer (protocol 4).

There is nothing here that other methods do not tell: the history is that of C{chat.history}, the row that of
C{sessions.list}, the agents those of C{agents.list}, the models those of C{models.list}.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from msgspec import Meta

from openclaw_tx.auth.sight import agents_for, sees_run, sees_session
from openclaw_tx.chat.commands import COMMANDS, CommandSpec
from openclaw_tx.config.schema import Config
from openclaw_tx.interfaces import Agents, Models, Run, RunEngine, Sessions
from openclaw_tx.wire.frames import NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.asks import Seat, seat
from openclaw_tx.ws.rpc.catalog import AgentsListParams, CatalogMethods, ModelsListParams
from openclaw_tx.ws.rpc.chat import MAX_HISTORY_BYTES, ChatMethods, HistoryParams, SessionKey
from openclaw_tx.ws.rpc.rows import model_defaults, session_row

MAX_NAME = 200
MAX_DESCRIPTION = 2000


class StartupParams(Params, frozen=True):
    """Params of C{chat.startup}."""

    session_key: SessionKey
    agent_id: str = ""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 200
    max_bytes: Annotated[int, Meta(ge=1)] = MAX_HISTORY_BYTES
    """Bytes of the messages; older ones are left out."""


class MetadataParams(Params, frozen=True):
    """Params of C{chat.metadata}."""

    agent_id: NonEmpty | None = None
    session_key: NonEmpty | None = None


class StartupMethods:
    """The family of opening a chat."""

    def __init__(
        self,
        chat: ChatMethods,
        catalog: CatalogMethods,
        engine: RunEngine,
        agents: Agents,
        models: Models,
        sessions: Sessions,
        settings: Callable[[], Config] = Config,
    ) -> None:
        self._chat = chat
        self._catalog = catalog
        self._engine = engine
        self._agents = agents
        self._models = models
        self._sessions = sessions
        self._settings = settings

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("chat.startup", "chat.history", StartupParams, self.startup),
            Method("chat.metadata", "models.list", MetadataParams, self.metadata),
        ]

    async def startup(self, call: Call[StartupParams]) -> Any:
        """The history, the session's row, the agents, and the run at work with what it has said so far."""
        params = call.params
        asked = HistoryParams(
            session_key=params.session_key, agent_id=params.agent_id, limit=params.limit, max_bytes=params.max_bytes
        )
        answer: dict[str, Any] = await self._chat.history(_as(call, asked))
        place = self._seat(call, params.agent_id, params.session_key)
        entry = await self._sessions.get(place.session_key)
        row: dict[str, Any] = {"key": place.session_key, "kind": "direct", "agentId": place.agent_id, "updatedAt": None}
        if entry is not None and sees_session(call.principal, entry):
            row = session_row(entry, self._models)
        runs = [run for run in self._engine.live() if _is_shown(run, place, call)]
        row["hasActiveRun"] = bool(runs)
        row["activeRunIds"] = [run.request.run_id for run in runs]
        answer["sessionInfo"] = row
        if runs:
            newest = runs[-1]
            said = "\n\n".join(newest.state.payloads)
            answer["inFlightRun"] = {"runId": newest.request.run_id, "text": said, "startedAt": newest.started_at_ms}
        answer["defaults"] = model_defaults(agents_for(self._agents, call.principal), self._models)
        answer["agentsList"] = await self._catalog.agents_list(_as(call, AgentsListParams()))
        answer["metadata"] = await self._metadata(call, place.agent_id)
        return answer

    async def metadata(self, call: Call[MetadataParams]) -> Any:
        """The models and the commands that there are for an agent, or for a session's."""
        params = call.params
        agents = agents_for(self._agents, call.principal)
        agent_id = params.agent_id or agents.default_id
        if params.session_key is not None:
            agent_id = self._seat(call, params.agent_id or "", params.session_key).agent_id
        return await self._metadata(call, agent_id)

    async def _metadata(self, call: Call[Any], agent_id: str) -> dict[str, Any]:
        listed = await self._catalog.models_list(_as(call, ModelsListParams(agent_id=agent_id)))
        return {"models": listed["models"], "commands": [command_row(spec) for spec in COMMANDS]}

    def _seat(self, call: Call[Any], agent_id: str, session_key: str) -> Seat:
        scope = self._settings().session.scope
        return seat("chat.startup", self._agents, call.principal, agent_id, session_key, "", scope)


def command_row(spec: CommandSpec) -> dict[str, Any]:
    """A chat command as lists show it."""
    names = (spec.name, *spec.aliases)
    return {
        "name": spec.name,
        "textAliases": [f"/{name}"[:MAX_NAME] for name in names],
        "description": spec.help[:MAX_DESCRIPTION],
        "source": "native",
        "scope": "text",
        "acceptsArgs": bool(spec.arguments),
    }


def _is_shown(run: Run, place: Seat, call: Call[Any]) -> bool:
    return run.request.session_key == place.session_key and sees_run(call.principal, run)


def _as(call: Call[Any], params: Any) -> Call[Any]:
    """The same request with other params."""
    return Call(call.caller, call.id, params, call.traceparent)


__all__ = ["StartupMethods", "command_row"]
