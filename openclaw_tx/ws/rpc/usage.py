# -*- test-case-name: tests.ws.rpc.test_usage -*-
"""C{usage.cost} and C{usage.status}: what runs took, by the day, and what is known of the providers (spec 2.10).

Tokens are counted for every run, those of HTTP included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.actions import ADMIN, missing_scope
from openclaw_tx.auth.sight import agents_for
from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import InThread
from openclaw_tx.interfaces import Agents, Models, UsageStore
from openclaw_tx.values import UsageRow
from openclaw_tx.wire.frames import NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.asks import bad
from openclaw_tx.ws.rpc.catalog import plain_id, unknown_agent
from openclaw_tx.ws.rpc.usage_days import Days, DaysParams, days_of
from openclaw_tx.ws.rpc.usage_sums import Prices, Sums, prices

HOUR = 3600
HOUR_MS = 1000 * HOUR


class UsageStatusParams(Params, frozen=True):
    """Params of C{usage.status}: none."""


class UsageCostParams(DaysParams, frozen=True):
    """Params of C{usage.cost}."""

    agent_id: NonEmpty | None = None
    """Only this agent's; unset = those of all agents."""
    agent_scope: Literal["", "all"] = ""


class UsageMethods:
    """The family of what is used up."""

    def __init__(
        self,
        store: UsageStore,
        agents: Agents,
        models: Models,
        settings: Callable[[], Config],
        in_thread: InThread,
        clock: IReactorTime,
    ) -> None:
        self._store = store
        self._agents = agents
        self._models = models
        self._settings = settings
        self._in_thread = in_thread
        self._clock = clock

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("usage.status", "usage.read", UsageStatusParams, self.status),
            Method("usage.cost", "usage.read", UsageCostParams, self.cost),
        ]

    async def status(self, call: Call[UsageStatusParams]) -> Any:
        """C{{updatedAt, providers: [{provider, displayName, windows[], error?}]}}: the configured providers, and why
        one does not answer. How much of a quota is left no provider tells, so C{windows} is empty."""
        rows: dict[str, dict[str, Any]] = {}
        for info in self._models.catalog():
            row = rows.setdefault(
                info.provider, {"provider": info.provider, "displayName": info.provider, "windows": []}
            )
            if info.unavailable:
                row["error"] = info.unavailable
        return {"updatedAt": self._now_ms(), "providers": list(rows.values())}

    async def cost(self, call: Call[UsageCostParams]) -> Any:
        """C{{updatedAt, days, daily[], totals, byModel[]}}. Each row has C{input} (without what came out of a cache),
        C{cacheRead}, C{cacheWrite} (never known, 0), C{output}, C{totalTokens}, the same in US dollars
        (C{totalCost, inputCost, ...}), C{runs}, and in C{missingCostEntries} how many of them are of models without a
        price."""
        params, principal = call.params, call.principal
        if principal.session_prefix:
            raise missing_scope(ADMIN)  # counts are not kept by session
        if params.agent_scope and params.agent_id:
            raise bad("usage.cost", "agentScope=all cannot be combined with agentId")
        agents = agents_for(self._agents, principal)
        agent_id = plain_id(params.agent_id)
        if agent_id is not None and agents.get(agent_id) is None:
            raise unknown_agent("usage.cost", agent_id)
        days = days_of("usage.cost", params, self._clock.seconds())
        first, end = days.start_ms // HOUR_MS, -(-days.end_ms // HOUR_MS)  # midnight may be in the middle of an hour
        rows = await self._store.usage(first, end, agent_id or "")
        if principal.agents:
            rows = [row for row in rows if row.agent_id in principal.agents]
        sums = await self._in_thread(summary, rows, days, prices(self._settings()))
        return {"updatedAt": self._now_ms(), "days": (days.last - days.first).days + 1, **sums}

    def _now_ms(self) -> int:
        return int(self._clock.seconds() * 1000)


def summary(rows: Iterable[UsageRow], days: Days, known: Prices) -> dict[str, Any]:
    """Sums by day, by model, and of all."""
    daily = {days.first + timedelta(number): Sums() for number in range((days.last - days.first).days + 1)}
    models: dict[tuple[str, str], Sums] = {}
    totals = Sums()
    for row in rows:
        day = datetime.fromtimestamp(row.hour * HOUR, days.zone).date()
        if day not in daily:
            continue
        for sums in (daily[day], models.setdefault((row.provider, row.model), Sums()), totals):
            sums.add(row, known)
    return {
        "daily": [{"date": day.isoformat(), **_with_runs(sums)} for day, sums in daily.items()],
        "totals": _with_runs(totals),
        "byModel": [
            {"provider": provider, "model": model, **_with_runs(sums)} for (provider, model), sums in models.items()
        ],
    }


def _with_runs(sums: Sums) -> dict[str, Any]:
    return {**sums.totals(), "runs": sums.entries}


__all__ = ["HOUR", "HOUR_MS", "UsageMethods", "summary"]
