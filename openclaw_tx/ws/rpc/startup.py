# -*- test-case-name: tests.ws.rpc.test_startup -*-
"""C{chat.startup} and C{chat.metadata}: all that a chat client needs to show a conversation, in one answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from openclaw_tx.auth.sight import agents_for, sees_run
from openclaw_tx.config.schema import Config
from openclaw_tx.interfaces import Agents, Models, RunEngine
from openclaw_tx.sessions.keys import agent_of
from openclaw_tx.values import Principal
from openclaw_tx.wire.frames import NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.asks import bad
from openclaw_tx.ws.rpc.catalog import model_row, unknown_agent
from openclaw_tx.ws.rpc.chat import ChatMethods
from openclaw_tx.ws.rpc.finding import ResolveParams, SessionFinder, ShortId, Slug
from openclaw_tx.ws.rpc.following import DescribeParams, FollowingMethods
from openclaw_tx.ws.rpc.history import HistoryParams, PageParams, SessionKey
from openclaw_tx.ws.rpc.inventory import command_rows
from openclaw_tx.ws.rpc.rows import model_defaults


class ChatStartupParams(PageParams, frozen=True):
    """Params of C{chat.startup}: those of C{chat.history}, or C{shortId} instead of C{sessionKey}."""

    session_key: SessionKey | None = None
    short_id: ShortId | None = None
    """As in C{sessions.resolve}."""
    slug_hint: Slug | None = None


class ChatMetadataParams(Params, frozen=True):
    """Params of C{chat.metadata}."""

    agent_id: NonEmpty | None = None
    session_key: NonEmpty | None = None
    """Names the agent, when it names one."""


class StartupMethods:
    """The family of how chat clients begin."""

    def __init__(
        self,
        chat: ChatMethods,
        following: FollowingMethods,
        finder: SessionFinder,
        agents: Agents,
        models: Models,
        settings: Callable[[], Config],
        engine: RunEngine,
    ) -> None:
        self._chat = chat
        self._engine = engine
        self._following = following
        self._finder = finder
        self._agents = agents
        self._models = models
        self._settings = settings

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("chat.startup", "chat.history", ChatStartupParams, self.startup),
            Method("chat.metadata", "models.list", ChatMetadataParams, self.metadata),
        ]

    async def startup(self, call: Call[ChatStartupParams]) -> Any:
        """What C{chat.history} answers, and C{sessionInfo} (the row of C{sessions.describe}, absent for a session that
        is not there yet), C{defaults} as in C{sessions.list}, C{metadata} as of C{chat.metadata}, and C{inFlightRun}:
        the run at work with what it has said so far. With C{shortId} also C{resolution}: what C{sessions.resolve}
        answers; where that is not C{ok}, there is nothing else."""
        params = call.params
        resolution = await self._resolved(call)
        if resolution is not None and not resolution["ok"]:
            return {"resolution": resolution}
        asked = {name: getattr(params, name) for name in PageParams.__struct_fields__}
        asked["session_key"] = params.session_key if resolution is None else resolution["key"]
        page = HistoryParams(**asked)
        answer: dict[str, Any] = await self._chat.history(Call[HistoryParams](call.caller, call.id, page))
        if resolution is not None:
            answer["resolution"] = resolution
        key = answer["sessionKey"]
        about = DescribeParams(key=key, include_derived_titles=True)
        described = await self._following.describe(Call[DescribeParams](call.caller, call.id, about))
        if described["session"] is not None:
            answer["sessionInfo"] = described["session"]
        at_work = [
            run for run in self._engine.live() if run.request.session_key == key and sees_run(call.principal, run)
        ]
        # Of several the one that speaks; others wait until it has ended.
        for run in sorted(at_work, key=lambda run: run.status == "running")[-1:]:
            said = "\n\n".join(run.state.payloads)
            answer["inFlightRun"] = {"runId": run.request.run_id, "text": said, "startedAt": run.started_at_ms}
        answer["defaults"] = model_defaults(agents_for(self._agents, call.principal), self._models)
        # The agent may have been removed; its conversations can be read all the same.
        there = self._agents.get(agent_of(key)) is not None
        answer["metadata"] = self._metadata(
            "chat.startup", call.principal, params.agent_id or None, key if there else ""
        )
        return answer

    async def _resolved(self, call: Call[ChatStartupParams]) -> Any:
        """What C{shortId} means; None = the session was named."""
        params = call.params
        if (params.session_key is None) == (params.short_id is None):
            raise bad("chat.startup", "exactly one of sessionKey and shortId is required")
        if params.short_id is None:
            if params.slug_hint is not None:
                raise bad("chat.startup", "slugHint requires shortId")
            return None
        asked = ResolveParams(
            short_id=params.short_id,
            slug_hint=params.slug_hint,
            agent_id=params.agent_id or None,
            allow_missing=True,
        )
        return await self._finder.resolve(Call[ResolveParams](call.caller, call.id, asked))

    async def metadata(self, call: Call[ChatMetadataParams]) -> Any:
        """C{{agentId, models[], commands[]}}: rows of C{models.list} and C{commands.list}."""
        return self._metadata("chat.metadata", call.principal, call.params.agent_id, call.params.session_key or "")

    def _metadata(self, method: str, principal: Principal, agent_id: str | None, key: str) -> dict[str, Any]:
        agents = agents_for(self._agents, principal)
        named = key.split(":", 2)[1] if key.lower().startswith("agent:") else ""
        chosen = (agent_id or named or agents.default_id).strip().lower()
        if agents.get(chosen) is None:
            raise unknown_agent(method, chosen)
        texts = self._settings().commands.text
        return {
            "agentId": chosen,
            "models": [model_row(info) for info in self._models.catalog()],
            "commands": command_rows(include_args=True) if texts else [],
        }


__all__ = ["StartupMethods"]
