# -*- test-case-name: tests.ws.rpc.test_session_usage -*-
"""The answer to C{sessions.usage}, put together piece by piece in a thread. Pure.

Field names are those of OpenClaw, whose Control UI adds rows up by the same rules when it filters them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal

import msgspec

from openclaw_tx.values import QUARTER_MS, SessionEntry, SessionTally, UsageRow
from openclaw_tx.wire.frames import encode
from openclaw_tx.ws.rpc.rows import title
from openclaw_tx.ws.rpc.usage_counts import (
    Day,
    DayOf,
    Messages,
    Named,
    SessionCounts,
    Waits,
    daily_latency,
    merge_named,
    model_daily,
    model_rows,
    tool_rows,
)
from openclaw_tx.ws.rpc.usage_days import Days
from openclaw_tx.ws.rpc.usage_sums import Prices, Sums, largest_first
from openclaw_tx.ws.rpc.usage_weights import Weight

UNKNOWN_CREATOR = '["unknown"]'
"""OpenClaw's name for whoever started a session of which that is not known: here that is all of them."""

MAX_BYTES = 16 * 1024 * 1024
"""Bytes of rows in an answer; sessions beyond count in the sums, as those beyond the limit do."""

HOUR_S = 3600
MAX_TOOLS = 1000
"""Tools that the sums name; of all of them C{uniqueTools} and C{totalCalls} tell."""

Scope = Literal["instance", "family"]
Weigh = Callable[[SessionEntry, Weight], dict[str, Any] | None]
"""Makes C{contextWeight}."""


class Calendar:
    """Which day a quarter of an hour belongs to; looked up once."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._days: dict[int, str] = {}

    def __call__(self, number: int) -> str:
        """The day, C{2026-11-29}."""
        day = self._days.get(number)
        if day is None:
            at = datetime.fromtimestamp(number * QUARTER_MS // 1000, self._zone)
            day = self._days[number] = at.date().isoformat()
        return day


class Report:
    """What was added up so far."""

    def __init__(self, days: Days, known: Prices, *, limit: int, scope: Scope, weigh: Weigh | None = None) -> None:
        """
        @param known: prices of the moment.
        @param limit: how many sessions get a row.
        @param weigh: None = rows have no C{contextWeight}.
        """
        self._days_asked = days
        self._known = known
        self._limit = limit
        self._scope = scope
        self._weigh = weigh
        self._day_of: DayOf = Calendar(days.zone)
        self._date_of: DayOf = Calendar(UTC)
        self._rows: list[msgspec.Raw] = []
        self._bytes = 0
        self._sums = Sums()
        self._messages = Messages()
        self._waits = Waits()
        self._tools: Counter[str] = Counter()
        self._models: dict[Named, Sums] = {}
        self._providers: dict[Named, Sums] = {}
        self._agents: dict[str, Sums] = {}
        self._channels: dict[str, Sums] = {}
        self._days: dict[str, Day] = {}
        self._in_sessions = Sums()
        self._days_in_sessions: dict[str, Sums] = {}
        self._activity: Counter[tuple[str, ...]] = Counter()
        self._sessions = 0
        self._longest_ms = 0
        self._read = 0
        self._unread = 0

    def add(self, found: Iterable[tuple[SessionEntry, SessionTally, Weight]], *, silent: bool = False) -> None:
        """Add sessions, in the order of their rows.

        @param silent: one in which nothing happened gets a row, too.
        """
        for entry, tally, weight in found:
            counts = SessionCounts(tally.quarters, self._day_of, self._known)
            self._read += tally.whole
            self._unread += not tally.whole
            if counts.first_ms:
                self._count(entry, counts)
            if (counts.first_ms or silent or not tally.whole) and len(self._rows) < self._limit:
                self._show(entry, counts, weight)

    def add_lone(self, rows: Iterable[UsageRow]) -> None:
        """Add what runs without a session took: sums only, for there is no transcript that more could be read from."""
        first, last = self._days_asked.first.isoformat(), self._days_asked.last.isoformat()
        for row in rows:
            date = self._day_of(row.hour * HOUR_S * 1000 // QUARTER_MS)
            if not row.lone_runs or not first <= date <= last:
                continue
            sums = Sums()
            sums.add(row.lone, self._known)
            day = self._days.setdefault(date, Day())
            day.sums.merge(sums)
            self._spend(row.agent_id, {(row.provider, row.model): sums}, sums)
            merge_named(day.models, {(row.provider, row.model): sums})

    def left_out(self, sessions: int) -> None:
        """There were more sessions than are looked at."""
        self._unread += sessions

    def _count(self, entry: SessionEntry, counts: SessionCounts) -> None:
        self._sessions += 1
        self._longest_ms = max(self._longest_ms, counts.duration_ms)
        self._messages.add(counts.messages)
        self._waits.merge(counts.waits)
        self._tools.update(counts.tools)
        self._spend(entry.agent_id, counts.models, counts.sums)
        if channel := _channel(entry):
            self._channels.setdefault(channel, Sums()).merge(counts.sums)
        self._in_sessions.merge(counts.sums)
        for date, day in counts.days.items():
            self._days.setdefault(date, Day()).merge(day)
            self._days_in_sessions.setdefault(date, Sums()).merge(day.sums)
        self._activity[tuple(sorted(counts.days))] += 1

    def _spend(self, agent_id: str, models: dict[Named, Sums], sums: Sums) -> None:
        self._sums.merge(sums)
        self._agents.setdefault(agent_id, Sums()).merge(sums)
        merge_named(self._models, models)
        for (provider, _), each in models.items():
            merge_named(self._providers, {(provider, ""): each})

    def _show(self, entry: SessionEntry, counts: SessionCounts, weight: Weight) -> None:
        row = encode(self._row(entry, counts, weight))
        self._bytes += len(row)
        if self._bytes > MAX_BYTES and self._rows:
            self._limit = len(self._rows)
            return
        self._rows.append(msgspec.Raw(row))

    def _row(self, entry: SessionEntry, counts: SessionCounts, weight: Weight) -> dict[str, Any]:
        settings = entry.settings
        row: dict[str, Any] = {
            "key": entry.key,
            "sessionId": entry.session_id,
            "scope": self._scope,
            "updatedAt": entry.updated_at_ms,
            "agentId": entry.agent_id,
            "creatorKey": UNKNOWN_CREATOR,
            "usage": counts.usage(entry.session_id, self._date_of),
            "hasContextWeight": weight is not None,
        }
        told = {
            "label": title(entry),
            "channel": _channel(entry),
            "chatType": settings.chat_type,
            "providerOverride": settings.provider_override,
            "modelOverride": settings.model_override,
            "modelProvider": entry.model_provider,
            "model": entry.model,
        }
        row.update({name: value for name, value in told.items() if value})
        if self._scope == "family":
            row["sessionFamilyKey"], row["currentSessionId"] = entry.key, entry.session_id
            row["includedSessionIds"], row["historicalInstanceCount"] = [entry.session_id], 1
        if self._weigh is not None:
            row["contextWeight"] = self._weigh(entry, weight)
        return row

    def answer(self, now_ms: int) -> msgspec.Raw:
        """The payload, encoded."""
        return msgspec.Raw(
            encode(
                {
                    "updatedAt": now_ms,
                    "startDate": self._days_asked.first.isoformat(),
                    "endDate": self._days_asked.last.isoformat(),
                    "sessions": self._rows,
                    "totals": self._sums.totals(),
                    "aggregates": self._aggregates(),
                    "creatorOptions": [{"key": UNKNOWN_CREATOR}] if self._sessions else [],
                    "cacheStatus": {
                        "status": "partial" if self._unread else "fresh",
                        "cachedFiles": self._read,
                        "pendingFiles": self._unread,
                        "staleFiles": 0,
                        "refreshedAt": now_ms,
                    },
                }
            )
        )

    def _aggregates(self) -> dict[str, Any]:
        days = sorted(self._days.items())
        tools = tool_rows(self._tools)
        found: dict[str, Any] = {
            "sessionCount": self._sessions,
            "messages": self._messages.counts(),
            "tools": {**tools, "tools": tools["tools"][:MAX_TOOLS]},
            "byModel": model_rows(self._models),
            "byProvider": [_without_model(row) for row in model_rows(self._providers)],
            "byAgent": _grouped("agentId", self._agents),
            "byChannel": _grouped("channel", self._channels),
            "byCreator": self._by_creator(),
            "costDaily": [{"date": date, **day.sums.totals()} for date, day in days],
            "dailyLatency": daily_latency(self._days),
            "modelDaily": model_daily(self._days),
            "daily": [
                {
                    "date": date,
                    "tokens": day.sums.tokens,
                    "cost": day.sums.cost,
                    "messages": day.messages.total,
                    "toolCalls": day.messages.tool_calls,
                    "errors": day.messages.errors,
                }
                for date, day in days
            ],
        }
        if self._longest_ms:
            found["longestSessionDurationMs"] = self._longest_ms
        if latency := self._waits.stats():
            found["latency"] = latency
        return found

    def _by_creator(self) -> list[dict[str, Any]]:
        if not self._sessions:
            return []
        return [
            {
                "key": UNKNOWN_CREATOR,
                "totals": self._in_sessions.totals(),
                "sessionCount": self._sessions,
                "daily": [{"date": date, **sums.totals()} for date, sums in sorted(self._days_in_sessions.items())],
                "sessionActivity": [
                    {"dates": list(dates), "sessionCount": count} for dates, count in sorted(self._activity.items())
                ],
            }
        ]


def _channel(entry: SessionEntry) -> str:
    return entry.settings.channel or entry.settings.last_channel


def _grouped(name: str, groups: dict[str, Sums]) -> Sequence[dict[str, Any]]:
    return [
        {name: group, "totals": sums.totals()}
        for group, sums in sorted(groups.items(), key=lambda item: largest_first(item[1]))
    ]


def _without_model(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "model"}


__all__ = ["MAX_BYTES", "UNKNOWN_CREATOR", "Report"]
