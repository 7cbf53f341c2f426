# -*- test-case-name: tests.ws.rpc.test_health -*-
"""C{health} and C{status}: what the gateway knows of itself (spec 2.10). Of channels C{channels.status} tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime

from openclaw_tx._version import __version__
from openclaw_tx.auth.actions import may
from openclaw_tx.auth.sight import agents_for, is_bounded, sees_run, sees_session
from openclaw_tx.automation.rules import NO_HEARTBEATS, Heartbeats
from openclaw_tx.deferreds import Gate
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Models, RunEngine, Sessions
from openclaw_tx.sessions.keys import agent_of
from openclaw_tx.values import Principal, SessionEntry, Target
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.rows import STORE, at_work, model_defaults, status_row

FRESH_SECONDS = 60.0
"""How old a health report may be before it is made anew."""
RECENT = 5
"""Sessions that a health report names; C{status} names twice as many."""
MAX_COUNTED = 1000
"""Sessions that are counted for a client that may not know of all of them."""

StateVersion = tuple[int, int]
"""Of presence and of health."""


class HealthParams(Params, frozen=True):
    """Params of C{health}."""

    probe: bool = False
    """Look anew instead of repeating what is known."""


class StatusParams(Params, frozen=True):
    """Params of C{status}. Of channels C{channels.status} tells, so both say nothing here."""

    include_channel_summary: bool = False
    include_cli_projection: bool = False


class Report(msgspec.Struct, frozen=True):
    """A health report in its two versions."""

    open: dict[str, Any]
    """For anybody who is authenticated: no session is named."""
    full: dict[str, Any]
    """For who may list sessions."""


class Health:
    """The health report, made at most once a minute unless asked for anew. Those who ask together share the work."""

    def __init__(
        self, agents: Agents, sessions: Sessions, clock: IReactorTime, heartbeats: Heartbeats = NO_HEARTBEATS
    ) -> None:
        self._agents = agents
        self._sessions = sessions
        self._clock = clock
        self._heartbeats = heartbeats
        self._report: Report | None = None
        self._made_at = float("-inf")
        self._making: Gate | None = None
        self.version = 0
        """Counts reports."""

    def known(self, principal: Principal) -> dict[str, Any]:
        """The last report, as far as C{principal} may see it; empty before the first."""
        if self._report is None:
            return {}
        report = self._report.full if may(principal, "sessions.list") else self._report.open
        return narrowed(report, principal) if is_bounded(principal) else report

    async def report(self, principal: Principal, *, anew: bool = False) -> dict[str, Any]:
        """A report no older than a minute, as far as C{principal} may see it.

        @raise GatewayError: C{storage_unavailable}.
        """
        if anew or self._clock.seconds() - self._made_at > FRESH_SECONDS:
            await self._refresh()
        return self.known(principal)

    async def _refresh(self) -> None:
        version = self.version
        while self._making is not None:
            await self._making.wait()
            if self.version != version:
                return
            # Whoever was at it failed, or left: look for oneself.
        gate = self._making = Gate()
        try:
            self._report = await self._make()
            self._made_at = self._clock.seconds()
            self.version += 1
        finally:
            self._making = None
            gate.open()

    async def _make(self) -> Report:
        started = self._clock.seconds()
        now = _ms(started)
        counts: dict[str, int] = {}
        recent: dict[str, Sequence[SessionEntry]] = {}
        for agent in self._agents.all():
            counts[agent.id] = await self._sessions.count(agent.id)
            recent[agent.id] = await self._sessions.list(agent_id=agent.id, limit=RECENT)
        head = {
            "ok": True,
            "ts": now,
            "durationMs": _ms(self._clock.seconds()) - now,
            "channels": {},
            "channelOrder": [],
            "channelLabels": {},
            "heartbeatSeconds": self._heartbeats.seconds(self._agents.default_id),
            "defaultAgentId": self._agents.default_id,
        }
        newest = sorted((entry for entries in recent.values() for entry in entries), key=_age_key)[:RECENT]
        total = {"path": STORE, "count": sum(counts.values())}

        def agents(named: bool) -> list[dict[str, Any]]:
            return [
                {
                    "agentId": agent.id,
                    "name": agent.name,
                    "isDefault": agent.is_default,
                    "heartbeat": self._heartbeats.of(agent.id),
                    "sessions": {
                        "path": STORE,
                        "count": counts[agent.id],
                        "recent": [_brief(entry, now) for entry in recent[agent.id]] if named else [],
                    },
                }
                for agent in self._agents.all()
                if agent.id in counts
            ]

        return Report(
            open={**head, "agents": agents(False), "sessions": {**total, "recent": []}},
            full={
                **head,
                "agents": agents(True),
                "sessions": {**total, "recent": [_brief(entry, now) for entry in newest]},
            },
        )


def narrowed(report: dict[str, Any], principal: Principal) -> dict[str, Any]:
    """A report with nothing in it that C{principal} must not know of; its counts are of the sessions shown."""

    def shown(sessions: dict[str, Any]) -> dict[str, Any]:
        recent = [row for row in sessions["recent"] if is_mine(row["key"])]
        return {**sessions, "recent": recent, "count": len(recent)}

    def is_mine(key: str) -> bool:
        return may(principal, "sessions.list", Target(agent_id=agent_of(key), session_key=key))

    allowed, default = principal.agents, report["defaultAgentId"]
    agents = [row for row in report["agents"] if not allowed or row["agentId"] in allowed]
    return {
        **report,
        "defaultAgentId": default if not allowed or default in allowed else allowed[0],
        "agents": [{**row, "sessions": shown(row["sessions"])} for row in agents],
        "sessions": shown(report["sessions"]),
    }


def _brief(entry: SessionEntry, now_ms: int) -> dict[str, Any]:
    return {"key": entry.key, "updatedAt": entry.updated_at_ms, "age": max(0, now_ms - entry.updated_at_ms)}


def _age_key(entry: SessionEntry) -> int:
    return -entry.updated_at_ms


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


class HealthMethods:
    """The family of C{health} and C{status}."""

    def __init__(
        self,
        health: Health,
        engine: RunEngine,
        agents: Agents,
        models: Models,
        sessions: Sessions,
        uptime_ms: Callable[[], int],
        clock: IReactorTime,
        heartbeats: Heartbeats = NO_HEARTBEATS,
    ) -> None:
        self._heartbeats = heartbeats
        self._health = health
        self._engine = engine
        self._agents = agents
        self._models = models
        self._sessions = sessions
        self._uptime_ms = uptime_ms
        self._clock = clock

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("health", "health", HealthParams, self.health),
            Method("status", "status", StatusParams, self.status),
        ]

    async def health(self, call: Call[HealthParams]) -> Any:
        """The health report. A store that can not be asked makes C{ok} false, not the request fail."""
        try:
            return await self._health.report(call.principal, anew=call.params.probe)
        except CancelledError:
            raise
        except GatewayError as error:
            return {**self._health.known(call.principal), "ok": False, "error": error.info.message}

    async def status(self, call: Call[StatusParams]) -> Any:
        """Agents, sessions and runs of the moment, as far as the client may know of them."""
        now = _ms(self._clock.seconds())
        principal = call.principal
        agents = agents_for(self._agents, principal)
        newest, working = (await self._seen(principal))[: 2 * RECENT], at_work(self._engine)
        recent = [status_row(entry, now, self._models, working.get(entry.key, ())) for entry in newest]
        by_agent = [
            {
                "agentId": agent.id,
                "path": STORE,
                "count": await self._count(principal, agent.id),
                "recent": [row for row in recent if row["agentId"] == agent.id],
            }
            for agent in agents.all()
        ]
        live = [run for run in self._engine.live() if sees_run(principal, run)]
        return {
            "runtimeVersion": __version__,
            "uptimeMs": self._uptime_ms(),
            "heartbeat": {
                "defaultAgentId": agents.default_id,
                "agents": [{"agentId": agent.id, **self._heartbeats.of(agent.id)} for agent in agents.all()],
            },
            "channelSummary": [],
            "queuedSystemEvents": (
                [] if is_bounded(principal) or not may(principal, "chat.history") else self._heartbeats.news(agents)
            ),
            "agents": [
                {"agentId": agent.id, "name": agent.name, "isDefault": agent.is_default, "models": list(agent.models)}
                for agent in agents.all()
            ],
            "runs": {
                "running": sum(run.status == "running" for run in live),
                "queued": sum(run.status == "queued" for run in live),
            },
            "sessions": {
                "paths": [STORE],
                "count": await self._total(principal, by_agent),
                "defaults": model_defaults(agents, self._models),
                "recent": recent,
                "byAgent": by_agent,
            },
        }

    async def _seen(self, principal: Principal, agent_id: str | None = None) -> Sequence[SessionEntry]:
        """The newest sessions that the client may know of."""
        if not is_bounded(principal):
            return await self._sessions.list(agent_id=agent_id, limit=2 * RECENT)
        found = await self._sessions.list(agent_id=agent_id, limit=MAX_COUNTED, search=principal.session_prefix)
        return [entry for entry in found if sees_session(principal, entry)]

    async def _total(self, principal: Principal, by_agent: Sequence[dict[str, Any]]) -> int:
        """All sessions; those of agents that are no more count for clients that may know of everything."""
        if is_bounded(principal):
            return sum(row["count"] for row in by_agent)
        return await self._sessions.count()

    async def _count(self, principal: Principal, agent_id: str) -> int:
        if principal.session_prefix:
            return len(await self._seen(principal, agent_id))
        return await self._sessions.count(agent_id)
