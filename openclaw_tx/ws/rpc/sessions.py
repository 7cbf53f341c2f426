# -*- test-case-name: tests.ws.rpc.test_sessions -*-
"""C{sessions.list} and C{sessions.preview}: looking at sessions (spec 2.10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.sight import agents_for, is_bounded, sees_session
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Models, RunEngine, Sessions
from openclaw_tx.sessions.keys import parse_key
from openclaw_tx.sessions.titles import TITLE, cut
from openclaw_tx.values import (
    AssistantMessage,
    CompactionMessage,
    Message,
    Principal,
    SessionEntry,
    SessionFilter,
    ToolResultMessage,
)
from openclaw_tx.wire.frames import Natural, NonEmpty, Positive
from openclaw_tx.wire.openai_fields import MAX_SAFE_INT
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.finding import Key, Label, SessionFinder, hidden_keys
from openclaw_tx.ws.rpc.rows import STORE, at_work, model_defaults, session_row, title

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_SEEN = 10_000
"""Newest sessions among which those are looked for that a client may know of, or that have something which the store
does not look for."""
MAX_PREVIEWS = 64
MAX_ITEMS = 50
"""Messages that a preview shows at most."""
READ_FOR_PREVIEW = 200
"""Newest messages of a session that a preview is made from: not every message says something."""


class ListParams(Params, frozen=True):
    """Params of C{sessions.list}."""

    limit: Positive = DEFAULT_LIMIT
    offset: Natural = 0
    agent_id: NonEmpty | None = None
    search: Annotated[str, Meta(max_length=512)] = ""
    """Part of a key, a label or a title; or a whole session id."""
    active_minutes: Positive | None = None
    """Only sessions that were used in this time."""
    label: Label | None = None
    """Only sessions with exactly this label."""
    spawned_by: NonEmpty | None = None
    """Only sessions that runs of this one started."""
    include_global: bool = False
    include_unknown: bool = False
    include_derived_titles: bool = False
    """Add C{derivedTitle}: what it is called, else the beginning of what was first said."""
    include_last_message: bool = False
    """Add C{lastMessagePreview}."""
    include_people: bool = False
    """Add C{people}, who had a part in the sessions. It is empty: sessions belong to nobody."""
    include_activity_summary: bool = False
    """No row has one: sessions are not summed up."""
    active_only: bool = False
    """Only sessions in which a run is at work or waits."""
    sort_by: Literal["updatedAt", "lastInteractionAt", "activity"] = "updatedAt"
    """Newest first by this time; C{activity}: when somebody last spoke there, and what C{activeMinutes} counts from.
    With C{updatedAt} pinned sessions come first."""
    exclude_subagents: bool = False
    exclude_cron: bool = False
    """Leave out sessions of jobs."""
    exclude_system: bool = False
    """There are none to leave out: the gateway speaks in no sessions of its own."""
    pinned: bool | None = None
    group: str | None = None
    """Only sessions of this C{category}; "" = only those of none."""
    has_board: bool | None = None
    """True finds none: sessions have no dashboards."""
    configured_agents_only: bool = False
    """Leave out sessions of agents that are no longer configured."""
    archived: bool | Literal["all"] = False
    """True finds none: sessions that end become files."""


class PreviewParams(Params, frozen=True):
    """Params of C{sessions.preview}."""

    keys: Annotated[list[Key], Meta(min_length=1)]
    """The first 64 of them are looked at."""
    limit: Positive = 12
    max_chars: Annotated[int, Meta(ge=20, le=MAX_SAFE_INT)] = 240


class SessionMethods:
    """The family of looking at sessions."""

    def __init__(
        self,
        agents: Agents,
        models: Models,
        sessions: Sessions,
        engine: RunEngine,
        clock: IReactorTime,
        finder: SessionFinder,
    ) -> None:
        self._finder = finder
        self._engine = engine
        self._agents = agents
        self._models = models
        self._sessions = sessions
        self._clock = clock

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("sessions.list", "sessions.list", ListParams, self.list),
            Method("sessions.preview", "sessions.preview", PreviewParams, self.preview),
        ]

    # -- sessions.list

    async def list(self, call: Call[ListParams]) -> Any:
        """Sessions, newest first: filters, then the limit. Those that the client may not know of are not there."""
        params = call.params
        now = int(self._clock.seconds() * 1000)
        limit = min(params.limit, MAX_LIMIT)
        found, total = await self._chosen(call.principal, params, now, limit)
        rows = []
        working = at_work(self._engine)
        for entry in found:
            row = session_row(entry, self._models, working.get(entry.key, ()))
            named = title(entry)
            if params.include_derived_titles and named:
                row["derivedTitle"] = cut(named, TITLE)
            if params.include_last_message and entry.preview:
                row["lastMessagePreview"] = entry.preview
            rows.append(row)
        end = params.offset + len(rows)
        answer: dict[str, Any] = {
            "ts": now,
            "path": STORE,
            "count": len(rows),
            "totalCount": total,
            "limitApplied": limit,
            "hasMore": end < total,
            "defaults": model_defaults(agents_for(self._agents, call.principal), self._models),
            "sessions": rows,
        }
        if params.include_people:
            answer["people"] = []
        if end < total:
            answer["nextOffset"] = end
        return answer

    async def _chosen(
        self, principal: Principal, params: ListParams, now_ms: int, limit: int
    ) -> tuple[Sequence[SessionEntry], int]:
        """The sessions that were asked for, and how many there are in all."""
        if params.archived is True or params.has_board is True:
            return (), 0
        by_activity = params.sort_by == "activity"
        since = max(0, now_ms - params.active_minutes * 60_000) if params.active_minutes is not None else 0
        wanted = SessionFilter(
            agent_id=(params.agent_id or "").strip().lower(),
            search=params.search,
            label=params.label or "",
            spawned_by=params.spawned_by or "",
            since_ms=0 if by_activity else since,
            hidden=hidden_keys(params.include_global, params.include_unknown),
            pinned_first=params.sort_by == "updatedAt",
        )
        if not (is_bounded(principal) or params.configured_agents_only or _narrows(params)):
            page = await self._sessions.select(wanted, limit=limit, offset=params.offset)
            return page.entries, page.total
        page = await self._sessions.select(wanted, limit=MAX_SEEN)
        working = at_work(self._engine)
        seen = [
            entry
            for entry in page.entries
            if sees_session(principal, entry)
            and (not params.configured_agents_only or self._agents.get(entry.agent_id) is not None)
            and (not params.active_only or entry.key in working)
            and (not by_activity or _spoken_at(entry) >= since)
            and _is_wanted(entry, params)
        ]
        if params.sort_by != "updatedAt":
            seen.sort(key=_spoken_at, reverse=True)
        return seen[params.offset : params.offset + limit], len(seen)

    # -- sessions.preview

    async def preview(self, call: Call[PreviewParams]) -> Any:
        """The last lines of each session; one that the client may not know of is missing."""
        params = call.params
        previews: list[dict[str, Any]] = []
        for key in params.keys[:MAX_PREVIEWS]:
            try:
                items = await self._items(call.principal, key, min(params.limit, MAX_ITEMS), params.max_chars)
            except CancelledError:
                raise
            except GatewayError:
                previews.append({"key": key, "status": "error", "items": []})
                continue
            status = "missing" if items is None else "ok" if items else "empty"
            previews.append({"key": key, "status": status, "items": items or []})
        return {"ts": int(self._clock.seconds() * 1000), "previews": previews}

    async def _items(self, principal: Principal, key: str, limit: int, length: int) -> Sequence[dict[str, str]] | None:
        """The last lines of a session; None = there is none."""
        entry = await self._finder.by_key(principal, key, "")
        if entry is None:
            return None
        messages = await self._sessions.transcript(entry.key, READ_FOR_PREVIEW)
        items = [item for item in (_item(message, length) for message in messages) if item is not None]
        return items[-limit:]


def _narrows(params: ListParams) -> bool:
    """Whether something is asked that the store does not know."""
    excludes = params.active_only or params.exclude_subagents or params.exclude_cron
    return excludes or params.pinned is not None or params.group is not None or params.sort_by != "updatedAt"


def _is_wanted(entry: SessionEntry, params: ListParams) -> bool:
    parsed = parse_key(entry.key)
    rest = parsed.rest.lower() if parsed is not None else ""
    return not (
        (params.exclude_subagents and rest.startswith("subagent:"))
        or (params.exclude_cron and rest.startswith("cron:"))
        or params.pinned not in (None, entry.settings.pinned_at > 0)
        or params.group not in (None, entry.settings.category)
    )


def _spoken_at(entry: SessionEntry) -> int:
    return entry.interacted_at_ms or entry.updated_at_ms


def _item(message: Message, length: int) -> dict[str, str] | None:
    """A line of a preview; None for a message that says nothing."""
    if isinstance(message, CompactionMessage):
        return None
    role, text = "user", message.text.strip()
    if isinstance(message, ToolResultMessage):
        role = "tool"
    elif isinstance(message, AssistantMessage):
        role = "assistant"
        if not text and message.tool_calls:
            role, text = "tool", "call " + ", ".join(call.name for call in message.tool_calls)
    if not text:
        return None
    return {"role": role, "text": text if len(text) <= length else text[: length - 1].rstrip() + "…"}


__all__ = ["SessionMethods"]
