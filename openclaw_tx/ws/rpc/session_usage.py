# -*- test-case-name: tests.ws.rpc.test_session_usage -*-
"""C{sessions.usage}, C{sessions.usage.timeseries} and C{sessions.usage.logs}: what sessions took, read off their
transcripts; the Control UI's page of usage shows nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta
from msgspec.structs import replace

from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.actions import ADMIN
from openclaw_tx.auth.sight import agents_for, sees_session
from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import InThread
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Models, Sessions, UsageStore
from openclaw_tx.values import (
    AssistantMessage,
    CompactionMessage,
    Message,
    Principal,
    SessionEntry,
    SessionFilter,
    SessionTally,
    ToolResultMessage,
    one_call,
)
from openclaw_tx.wire.frames import NonEmpty, Positive
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.asks import bad, seat
from openclaw_tx.ws.rpc.catalog import plain_id, unknown_agent
from openclaw_tx.ws.rpc.inventory import ToolRooms
from openclaw_tx.ws.rpc.usage import HOUR_MS
from openclaw_tx.ws.rpc.usage_days import Days, DaysParams, days_of
from openclaw_tx.ws.rpc.usage_report import UNKNOWN_CREATOR, Report
from openclaw_tx.ws.rpc.usage_sums import Prices, Sums, prices
from openclaw_tx.ws.rpc.usage_weights import Weight, Weights, weight_object

MAX_SESSIONS = 10_000
"""Newest sessions that are looked at; how many more there are, C{cacheStatus} says."""

PAGE = 2000
"""Sessions that are asked for at a time."""

AT_ONCE = 100
"""Sessions that are added up at a time."""

MAX_READ = 128 * 1024 * 1024
"""Bytes of transcripts that one request reads, about. The next one goes on from there."""

MAX_MESSAGES = 4000
"""Newest messages of a session that C{timeseries} and C{logs} are made from; the store gives no more."""

MAX_ROWS = 1000
MAX_POINTS = 200
MAX_LOGS = 1000
MAX_CONTENT = 2000
"""Characters of a message in C{logs}."""

Key = Annotated[str, Meta(min_length=1, max_length=512)]


class SessionsUsageParams(DaysParams, frozen=True):
    """Params of C{sessions.usage}."""

    key: Key | None = None
    """Only this session's."""
    agent_id: NonEmpty | None = None
    """Only those of this agent; unset = those of all agents."""
    agent_scope: Literal["", "all"] = ""
    group_by: Literal["instance", "family"] = "instance"
    """C{family}: with what the key's earlier sessions took. Those are files here and not counted, so it is the same."""
    include_historical: bool = False
    """The same as C{groupBy: family}."""
    creator_key: NonEmpty | None = None
    """Only sessions that this one started. Who did is not kept, so there are none but for C{["unknown"]}."""
    limit: Positive = 50
    """How many sessions get a row, 1000 at most; the sums are of all."""
    include_context_weight: bool = False
    """Add C{contextWeight}: what the prompt of its next run would be made of."""


class TimeSeriesParams(Params, frozen=True):
    """Params of C{sessions.usage.timeseries}."""

    key: Key
    agent_id: NonEmpty | None = None


class UsageLogsParams(Params, frozen=True):
    """Params of C{sessions.usage.logs}."""

    key: Key
    agent_id: NonEmpty | None = None
    limit: Positive = 200
    """1000 at most."""


class SessionUsageMethods:
    """The family of what sessions took."""

    def __init__(
        self,
        store: UsageStore,
        agents: Agents,
        models: Models,
        sessions: Sessions,
        settings: Callable[[], Config],
        in_thread: InThread,
        clock: IReactorTime,
        tools: ToolRooms | None = None,
    ) -> None:
        """
        @param tools: None = it is not known what prompts weigh.
        """
        self._store = store
        self._agents = agents
        self._sessions = sessions
        self._settings = settings
        self._in_thread = in_thread
        self._clock = clock
        self._models = models
        self._tools = tools
        self._lock = DeferredLock()

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("sessions.usage", "usage.read", SessionsUsageParams, self.usage),
            Method("sessions.usage.timeseries", "usage.read", TimeSeriesParams, self.timeseries),
            Method("sessions.usage.logs", "usage.read", UsageLogsParams, self.logs),
        ]

    # -- sessions.usage

    async def usage(self, call: Call[SessionsUsageParams]) -> Any:
        """What sessions took in some days: C{{updatedAt, startDate, endDate, sessions[{key, sessionId, label?,
        updatedAt, agentId, usage{...}}], totals, aggregates{messages, tools, byModel[], byProvider[], byAgent[],
        byChannel[], byCreator[], daily[], costDaily[], modelDaily[], latency?, dailyLatency[]}, creatorOptions[],
        cacheStatus}}. Rows of sessions come newest first; sessions in which nothing happened in these days have none.
        C{totals} and what is said by model, provider, agent and day count the runs without a session as well, unless
        the question is about a session, or the client may know of some sessions only. C{cacheStatus.status} is
        C{partial} while transcripts are not read to their ends, C{pendingFiles} many: then the same question, asked
        again, goes on reading. Sessions that were reset or deleted are no longer counted here; C{usage.cost} has
        them."""
        params, principal = call.params, call.principal
        if params.agent_scope and (params.agent_id or params.key):
            raise bad("sessions.usage", "agentScope=all cannot be combined with key or agentId")
        days = days_of("sessions.usage", params, self._clock.seconds(), None)
        params = replace(params, agent_id=plain_id(params.agent_id))
        if params.agent_id is not None and agents_for(self._agents, principal).get(params.agent_id) is None:
            raise unknown_agent("sessions.usage", params.agent_id)
        now, is_admin = int(self._clock.seconds() * 1000), ADMIN in principal.scopes

        def weigh(entry: SessionEntry, weight: Weight) -> dict[str, Any] | None:
            return weight_object(entry, weight, now, is_admin=is_admin)

        report = Report(
            days,
            prices(self._settings()),
            limit=min(params.limit, MAX_ROWS),
            scope="family" if params.include_historical else params.group_by,
            weigh=weigh if params.include_context_weight else None,
        )
        # One at a time: each has its rows in memory, and threads of Python only take turns.
        await self._lock.acquire()
        try:
            if params.creator_key in (None, UNKNOWN_CREATOR):
                await self._read(report, params, principal, days)
            return await self._in_thread(report.answer, now)
        finally:
            self._lock.release()

    async def _read(self, report: Report, params: SessionsUsageParams, principal: Principal, days: Days) -> None:
        left = MAX_READ
        weights = Weights(agents_for(self._agents, principal), self._models, self._tools)
        entries = await self._chosen(report, params, principal, days)
        for start in range(0, len(entries), AT_ONCE):
            some = entries[start : start + AT_ONCE]
            ids = [entry.session_id for entry in some]
            found = await self._store.tallies(ids, days.start_ms, days.end_ms, left)
            left = max(0, left - found.read_bytes)
            together = list(zip(some, found.tallies, map(weights.of, some), strict=True))
            await self._in_thread(_add, report, together, params.key is not None)
        if params.key is None and not principal.session_prefix:
            first, end = days.start_ms // HOUR_MS, -(-days.end_ms // HOUR_MS)
            rows = await self._store.usage(first, end, params.agent_id or "")
            seen = [row for row in rows if not principal.agents or row.agent_id in principal.agents]
            await self._in_thread(report.add_lone, seen)

    async def _chosen(
        self, report: Report, params: SessionsUsageParams, principal: Principal, days: Days
    ) -> Sequence[SessionEntry]:
        """The sessions that are asked for, newest first."""
        if params.key is not None:
            return [await self._entry("sessions.usage", principal, params.key, params.agent_id)]
        wanted = SessionFilter(agent_id=params.agent_id or "", since_ms=days.start_ms)
        entries: dict[str, SessionEntry] = {}  # one that is used meanwhile moves the others on to the next page
        total = 1
        offset = 0
        while offset < min(total, MAX_SESSIONS):
            page = await self._sessions.select(wanted, limit=PAGE, offset=offset)
            entries.update((entry.key, entry) for entry in page.entries if sees_session(principal, entry))
            total = page.total if page.entries else 0
            offset += PAGE
        report.left_out(max(0, total - MAX_SESSIONS))
        return list(entries.values())

    async def _entry(self, method: str, principal: Principal, key: str, agent_id: str | None) -> SessionEntry:
        scope = self._settings().session.scope
        asked = (principal, agent_id or "", key, "", scope)
        place = seat(method, self._agents, *asked, reserved=True, removed=True)
        # Keys of HTTP headers keep their case.
        entry = await self._sessions.get(key.strip()) or await self._sessions.get(place.session_key)
        if entry is None or not sees_session(principal, entry):
            raise GatewayError("invalid_request", f"Invalid session key: {key}", param="key")
        return entry

    # -- one session

    async def timeseries(self, call: Call[TimeSeriesParams]) -> Any:
        """What the calls of models in a session took, one after the other: C{{sessionId, points[{timestamp, input,
        output, cacheRead, cacheWrite, totalTokens, cost, cumulativeTokens, cumulativeCost}]}}. Of the newest 4000
        messages; more than 200 calls are put together to 200 points at most."""
        params = call.params
        entry = await self._entry("sessions.usage.timeseries", call.principal, params.key, params.agent_id)
        messages = await self._sessions.transcript(entry.key, MAX_MESSAGES)
        points = await self._in_thread(points_of, messages, prices(self._settings()))
        return {"sessionId": entry.session_id, "points": points}

    async def logs(self, call: Call[UsageLogsParams]) -> Any:
        """The newest messages of a session with what each took: C{{logs[{timestamp, role, content, tokens?,
        cost?}]}}. Tools appear in C{content} by name, as C{[Tool: name]}; it is cut at 2000 characters."""
        params = call.params
        entry = await self._entry("sessions.usage.logs", call.principal, params.key, params.agent_id)
        messages = await self._sessions.transcript(entry.key, MAX_MESSAGES)
        limit = min(params.limit, MAX_LOGS)
        return {"logs": await self._in_thread(logs_of, messages, prices(self._settings()), limit)}


def _add(report: Report, rows: Sequence[tuple[SessionEntry, SessionTally, Weight]], silent: bool) -> None:
    report.add(rows, silent=silent)


def _took(message: Message, known: Prices) -> Sums | None:
    """What an answer took; None for what is none, or of which it is not known."""
    if not isinstance(message, AssistantMessage):
        return None
    call = one_call(message.provider, message.model, message.usage)
    if call is None:
        return None
    sums = Sums()
    sums.add(call, known)
    return sums


def points_of(messages: Sequence[Message], known: Prices) -> list[dict[str, Any]]:
    """The points of C{timeseries}."""
    calls = [
        (message.timestamp_ms, sums)
        for message in messages
        if message.timestamp_ms and (sums := _took(message, known)) is not None
    ]
    calls.sort(key=lambda call: call[0])
    step = -(-len(calls) // MAX_POINTS) or 1
    points = []
    so_far = Sums()
    for start in range(0, len(calls), step):
        together = Sums()
        for _, sums in calls[start : start + step]:
            together.merge(sums)
        so_far.merge(together)
        totals = together.totals()
        points.append(
            {
                "timestamp": calls[min(start + step, len(calls)) - 1][0],
                **{name: totals[name] for name in ("input", "output", "cacheRead", "cacheWrite", "totalTokens")},
                "cost": together.cost,
                "cumulativeTokens": so_far.tokens,
                "cumulativeCost": so_far.cost,
            }
        )
    return points


def logs_of(messages: Sequence[Message], known: Prices, limit: int) -> list[dict[str, Any]]:
    """The rows of C{logs}: the newest C{limit}, oldest first."""
    rows: list[dict[str, Any]] = []
    for message in reversed(messages):
        content = "" if isinstance(message, CompactionMessage) else "\n".join(filter(None, _lines(message))).strip()
        if not content:
            continue
        row: dict[str, Any] = {
            "timestamp": message.timestamp_ms,
            "role": "toolResult" if isinstance(message, ToolResultMessage) else _role(message),
            "content": content if len(content) <= MAX_CONTENT else content[:MAX_CONTENT] + "…",
        }
        if (sums := _took(message, known)) is not None:
            row["tokens"], row["cost"] = sums.tokens, sums.cost
        rows.append(row)
        if len(rows) == limit:
            break
    rows.reverse()
    return rows


def _role(message: Message) -> str:
    return "assistant" if isinstance(message, AssistantMessage) else "user"


def _lines(message: Message) -> Iterator[str]:
    if isinstance(message, ToolResultMessage):
        yield f"[Tool: {message.tool_name or 'tool'}]"
        yield "[Tool Result]"
    if not isinstance(message, CompactionMessage):
        yield message.text[: MAX_CONTENT + 1]
    if isinstance(message, AssistantMessage):
        yield from (f"[Tool: {call.name}]" for call in message.tool_calls)


__all__ = ["MAX_READ", "MAX_SESSIONS", "SessionUsageMethods", "logs_of", "points_of"]
