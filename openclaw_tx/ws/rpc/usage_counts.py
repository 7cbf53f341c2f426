# -*- test-case-name: tests.ws.rpc.test_session_usage -*-
"""What happened in one session, made of its quarters of an hour: by day, by model, by tool. Pure.

Field names are those of OpenClaw's C{sessions.usage}.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from openclaw_tx.values import SessionQuarter, step_ms
from openclaw_tx.ws.rpc.usage_sums import Prices, Sums, largest_first

QUARTERS_OF_DAY = 96

DayOf = Callable[[int], str]
"""The day that a quarter belongs to, C{2026-11-29}."""

Named = tuple[str, str]
"""Provider and model."""


class Messages:
    """How many there were."""

    def __init__(self) -> None:
        self.user = self.assistant = self.tool_calls = self.tool_results = self.errors = 0

    def add(self, other: Messages | SessionQuarter) -> None:
        """Add others."""
        calls = sum(other.tools.values()) if isinstance(other, SessionQuarter) else other.tool_calls
        self.user += other.user
        self.assistant += other.assistant
        self.tool_calls += calls
        self.tool_results += other.tool_results
        self.errors += other.errors

    @property
    def total(self) -> int:
        """What users and the agent said."""
        return self.user + self.assistant

    def counts(self) -> dict[str, int]:
        """The object of the wire."""
        return {
            "total": self.total,
            "user": self.user,
            "assistant": self.assistant,
            "toolCalls": self.tool_calls,
            "toolResults": self.tool_results,
            "errors": self.errors,
        }


class Waits:
    """How long answers took to come."""

    def __init__(self) -> None:
        self._steps: Counter[int] = Counter()
        self._sum = self._longest = 0
        self._shortest: int | None = None

    def add(self, quarter: SessionQuarter) -> None:
        """Add those of a quarter."""
        if quarter.waits:
            self._add(quarter.waits, quarter.wait_ms, quarter.shortest_ms, quarter.longest_ms)

    def merge(self, other: Waits) -> None:
        """Add others."""
        if other._shortest is not None:
            self._add(other._steps, other._sum, other._shortest, other._longest)

    def _add(self, steps: Mapping[int, int], together: int, shortest: int, longest: int) -> None:
        for step, count in steps.items():
            self._steps[step] += count
        self._sum += together
        self._longest = max(self._longest, longest)
        self._shortest = shortest if self._shortest is None else min(self._shortest, shortest)

    def stats(self) -> dict[str, Any] | None:
        """The object of the wire; C{p95Ms} is right to an eighth. None = nobody waited."""
        if self._shortest is None:
            return None
        count = self._steps.total()
        left, p95 = -(-count * 95 // 100), self._longest
        for step in sorted(self._steps):
            left -= self._steps[step]
            if left <= 0:
                p95 = step_ms(step)
                break
        return {
            "count": count,
            "avgMs": round(self._sum / count, 3),
            "p95Ms": max(self._shortest, min(p95, self._longest)),
            "minMs": self._shortest,
            "maxMs": self._longest,
        }


class Day:
    """What happened in a day."""

    def __init__(self) -> None:
        self.sums = Sums()
        self.messages = Messages()
        self.waits = Waits()
        self.models: dict[Named, Sums] = {}

    def merge(self, other: Day) -> None:
        """Add what happened elsewhere."""
        self.sums.merge(other.sums)
        self.messages.add(other.messages)
        self.waits.merge(other.waits)
        merge_named(self.models, other.models)


class SessionCounts:
    """What happened in a session.

    @ivar first_ms: when it did first, epoch milliseconds; 0 = nothing did.
    """

    def __init__(self, quarters: Iterable[SessionQuarter], day_of: DayOf, known: Prices) -> None:
        self.first_ms = self.last_ms = 0
        self.sums = Sums()
        self.messages = Messages()
        self.waits = Waits()
        self.tools: Counter[str] = Counter()
        self.models: dict[Named, Sums] = {}
        self.days: dict[str, Day] = {}
        self._quarters: list[tuple[int, Messages, Sums]] = []
        for quarter in quarters:
            self._add(quarter, day_of(quarter.number), known)

    def _add(self, quarter: SessionQuarter, date: str, known: Prices) -> None:
        self.first_ms = min(self.first_ms or quarter.first_ms, quarter.first_ms)
        self.last_ms = max(self.last_ms, quarter.last_ms)
        day = self.days.setdefault(date, Day())
        messages, sums = Messages(), Sums()
        messages.add(quarter)
        for calls in quarter.models:
            sums.add(calls, known)
            for models in (self.models, day.models):
                models.setdefault((calls.provider, calls.model), Sums()).add(calls, known)
        for whole in (self, day):
            whole.messages.add(messages)
            whole.sums.merge(sums)
            whole.waits.add(quarter)
        self.tools.update(quarter.tools)
        self._quarters.append((quarter.number, messages, sums))

    @property
    def duration_ms(self) -> int:
        """From the first message to the last."""
        return self.last_ms - self.first_ms

    def usage(self, session_id: str, date_of: DayOf) -> dict[str, Any]:
        """The object C{usage} of a session.

        @param date_of: the day that a quarter belongs to in UTC.
        """
        days = sorted(self.days.items())
        usage: dict[str, Any] = {
            "sessionId": session_id,
            **self.sums.totals(),
            "activityDates": [date for date, _ in days],
            "dailyBreakdown": [
                {"date": date, "tokens": day.sums.tokens, "cost": day.sums.cost, **day.sums.totals()}
                for date, day in days
            ],
            "dailyMessageCounts": [{"date": date, **day.messages.counts()} for date, day in days],
            "dailyLatency": daily_latency(self.days),
            "dailyModelUsage": model_daily(self.days),
            "messageCounts": self.messages.counts(),
            "modelUsage": model_rows(self.models),
            "utcQuarterHourMessageCounts": [
                {**_place(number, date_of), **messages.counts()} for number, messages, _ in self._quarters
            ],
            "utcQuarterHourTokenUsage": [
                {**_place(number, date_of), **_tokens(sums)} for number, _, sums in self._quarters if sums.entries
            ],
        }
        if self.tools:
            usage["toolUsage"] = tool_rows(self.tools)
        if self.first_ms:
            usage["firstActivity"], usage["lastActivity"] = self.first_ms, self.last_ms
            usage["durationMs"] = self.duration_ms
        if latency := self.waits.stats():
            usage["latency"] = latency
        return usage


def merge_named(into: dict[Named, Sums], more: Mapping[Named, Sums]) -> None:
    """Add sums by model to others."""
    for name, sums in more.items():
        into.setdefault(name, Sums()).merge(sums)


def model_rows(models: Mapping[Named, Sums]) -> list[dict[str, Any]]:
    """C{modelUsage}, C{byModel}: the largest first."""
    return [
        {"provider": provider or "unknown", "model": model or "unknown", "count": sums.entries, "totals": sums.totals()}
        for (provider, model), sums in sorted(models.items(), key=lambda item: largest_first(item[1]))
    ]


def model_daily(days: Mapping[str, Day]) -> list[dict[str, Any]]:
    """C{modelDaily}, C{dailyModelUsage}: by day, the largest first."""
    return [
        {
            "date": date,
            "provider": provider or "unknown",
            "model": model or "unknown",
            "tokens": sums.tokens,
            "cost": sums.cost,
            "count": sums.entries,
        }
        for date, day in sorted(days.items())
        for (provider, model), sums in sorted(day.models.items(), key=lambda item: largest_first(item[1]))
    ]


def daily_latency(days: Mapping[str, Day]) -> list[dict[str, Any]]:
    """C{dailyLatency}: days on which nobody waited are left out."""
    found = ((date, day.waits.stats()) for date, day in sorted(days.items()))
    return [{"date": date, **stats} for date, stats in found if stats is not None]


def tool_rows(tools: Counter[str]) -> dict[str, Any]:
    """C{toolUsage}, C{tools}: what was called most comes first."""
    rows = [
        {"name": name, "count": count} for name, count in sorted(tools.items(), key=lambda item: (-item[1], item[0]))
    ]
    return {"totalCalls": tools.total(), "uniqueTools": len(rows), "tools": rows}


def _place(number: int, date_of: DayOf) -> dict[str, Any]:
    return {"date": date_of(number), "quarterIndex": number % QUARTERS_OF_DAY}


def _tokens(sums: Sums) -> dict[str, Any]:
    names = ("input", "output", "cacheRead", "cacheWrite", "totalTokens", "totalCost")
    totals = sums.totals()
    return {name: totals[name] for name in names}


__all__ = [
    "Day",
    "DayOf",
    "Messages",
    "Named",
    "SessionCounts",
    "Waits",
    "daily_latency",
    "merge_named",
    "model_daily",
    "model_rows",
    "tool_rows",
]
