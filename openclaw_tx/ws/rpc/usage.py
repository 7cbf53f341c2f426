# -*- test-case-name: tests.ws.rpc.test_usage -*-
"""C{usage.cost} and C{usage.status}: what runs took, by the day, and what is known of the providers (spec 2.10).

Tokens are counted for every run, those of HTTP included. What they cost is worked out when it is asked for, by the
prices of the moment (C{models.providers.*.models[].cost}).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.actions import ADMIN, missing_scope
from openclaw_tx.auth.sight import agents_for
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_models import Cost
from openclaw_tx.interfaces import Agents, Models, UsageStore
from openclaw_tx.values import UsageRow
from openclaw_tx.wire.frames import NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.asks import bad
from openclaw_tx.ws.rpc.catalog import unknown_agent

HOUR = 3600
MAX_DAYS = 400
"""Longest time that can be asked for; older counts are forgotten."""
RANGES = {"7d": 7, "30d": 30, "90d": 90, "1y": 365, "all": MAX_DAYS}
MILLION = 1_000_000

Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class UsageStatusParams(Params, frozen=True):
    """Params of C{usage.status}: none."""


class UsageCostParams(Params, frozen=True):
    """Params of C{usage.cost}."""

    days: Annotated[int, Meta(ge=1, le=MAX_DAYS)] = 30
    """So many days up to today."""
    range: Literal["", "7d", "30d", "90d", "1y", "all"] = ""
    """The same in words."""
    start_date: Day | None = None
    """Instead: from this day on,"""
    end_date: Day | None = None
    """to this one."""
    mode: Literal["utc", "gateway", "specific"] = "utc"
    """Whose midnight: UTC's, this machine's, or that of C{timeZone} or C{utcOffset}."""
    utc_offset: Annotated[str, Meta(pattern=r"^UTC[+-]\d{1,2}(?::[0-5]\d)?$")] | None = None
    """Rounded to hours."""
    time_zone: NonEmpty | None = None
    """E.g. C{Europe/Berlin}."""
    agent_id: NonEmpty | None = None
    """Only this agent's; unset = those of all agents."""
    agent_scope: Literal["", "all"] = ""


class UsageMethods:
    """The family of what is used up."""

    def __init__(
        self, store: UsageStore, agents: Agents, models: Models, settings: Callable[[], Config], clock: IReactorTime
    ) -> None:
        self._store = store
        self._agents = agents
        self._models = models
        self._settings = settings
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
        if params.agent_id is not None and agents.get(params.agent_id) is None:
            raise unknown_agent("usage.cost", params.agent_id)
        zone = zone_of(params)
        first, last = self._days(params, zone)
        rows = await self._store.usage(_hour(first, zone), _hour(last + timedelta(1), zone), params.agent_id or "")
        if principal.agents:
            rows = [row for row in rows if row.agent_id in principal.agents]
        return {
            "updatedAt": self._now_ms(),
            "days": (last - first).days + 1,
            **summary(rows, first, last, zone, prices(self._settings())),
        }

    def _days(self, params: UsageCostParams, zone: tzinfo) -> tuple[date, date]:
        today = datetime.fromtimestamp(self._clock.seconds(), zone).date()
        try:
            last = date.fromisoformat(params.end_date) if params.end_date is not None else today
            days = RANGES.get(params.range, params.days)
            first = last - timedelta(days - 1)
            if params.start_date is not None:
                first = date.fromisoformat(params.start_date)
        except (ValueError, OverflowError):
            raise bad("usage.cost", "startDate and endDate must be days") from None
        if not 0 <= (last - first).days < MAX_DAYS or last.year >= 9000 or first.year < 1970:
            raise bad("usage.cost", f"from startDate to endDate there are 1 to {MAX_DAYS} days")
        return first, last

    def _now_ms(self) -> int:
        return int(self._clock.seconds() * 1000)


def zone_of(params: UsageCostParams) -> tzinfo:
    """The time zone whose days are meant.

    @raise GatewayError: C{invalid_request}: there is no such zone.
    """
    if params.mode == "gateway":
        return datetime.now().astimezone().tzinfo or UTC
    if params.mode == "specific" and params.time_zone is not None:
        try:
            return ZoneInfo(params.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise bad("usage.cost", "timeZone is not known") from None
    if params.mode == "specific" and params.utc_offset is not None:
        hours, _, minutes = params.utc_offset.removeprefix("UTC").partition(":")
        if abs(int(hours)) > 14:
            raise bad("usage.cost", "utcOffset is at most 14 hours")
        return timezone(timedelta(hours=int(hours) + (1 if minutes >= "30" else 0) * (-1 if "-" in hours else 1)))
    if params.mode == "specific":
        raise bad("usage.cost", "mode specific needs timeZone or utcOffset")
    return UTC


def prices(config: Config) -> dict[tuple[str, str], Cost]:
    """What the configured models cost, by provider and id; those of which it is not known are left out."""
    return {
        (provider, model.id): model.cost
        for provider, definition in config.models.providers.items()
        for model in definition.models
        if model.cost is not None
    }


def summary(
    rows: Iterable[UsageRow], first: date, last: date, zone: tzinfo, known: dict[tuple[str, str], Cost]
) -> dict[str, Any]:
    """Sums by day, by model, and of all."""
    daily = {first + timedelta(number): _empty() for number in range((last - first).days + 1)}
    models: dict[tuple[str, str], dict[str, Any]] = {}
    totals = _empty()
    for row in rows:
        day = datetime.fromtimestamp(row.hour * HOUR, zone).date()
        if day not in daily:
            continue
        name = (row.provider, row.model)
        counts = _counted(row, known.get(name))
        for sums in (daily[day], models.setdefault(name, _empty()), totals):
            for key, value in counts.items():
                sums[key] += value
    return {
        "daily": [{"date": day.isoformat(), **_rounded(sums)} for day, sums in daily.items()],
        "totals": _rounded(totals),
        "byModel": [
            {"provider": provider, "model": model, **_rounded(sums)} for (provider, model), sums in models.items()
        ],
    }


_COUNTS = ("input", "output", "cacheRead", "cacheWrite", "totalTokens")
_COSTS = ("totalCost", "inputCost", "outputCost", "cacheReadCost", "cacheWriteCost")


def _empty() -> dict[str, Any]:
    return {**dict.fromkeys(_COUNTS, 0), **dict.fromkeys(_COSTS, 0.0), "missingCostEntries": 0, "runs": 0}


def _counted(row: UsageRow, cost: Cost | None) -> dict[str, Any]:
    price = cost or Cost()
    spent = {
        "inputCost": row.input_tokens * price.input / MILLION,
        "outputCost": row.output_tokens * price.output / MILLION,
        "cacheReadCost": row.cached_tokens * price.cache_read / MILLION,
    }
    return {
        "input": row.input_tokens,
        "output": row.output_tokens,
        "cacheRead": row.cached_tokens,
        "totalTokens": row.input_tokens + row.output_tokens + row.cached_tokens,
        **spent,
        "totalCost": sum(spent.values()),
        "missingCostEntries": 0 if cost is not None else row.runs,
        "runs": row.runs,
    }


def _rounded(sums: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 9) if isinstance(value, float) else value for key, value in sums.items()}


def _hour(day: date, zone: tzinfo) -> int:
    """The hour in which a day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) // HOUR


__all__ = ["UsageMethods", "prices", "summary", "zone_of"]
