# -*- test-case-name: tests.test_agents_together -*-
"""C{sessions_list}: the conversations there are (spec 7.1)."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Models, Sessions, ToolContext
from openclaw_tx.tools.session_sight import Kind, SessionSight, kind_of
from openclaw_tx.tools.told import told
from openclaw_tx.tools.typed import Parameters, TypedTool, json_result
from openclaw_tx.values import SessionEntry, ToolResult

SETTINGS = ("thinking_level", "verbose_level", "send_policy", "spawned_by")
"""Settings of a session that a row shows where they are set."""
MAX_MINUTES = 100 * 366 * 24 * 60
"""Longer ago than any session."""


class SessionsListParameters(Parameters, frozen=True):
    """Arguments of C{sessions_list}."""

    kinds: Annotated[list[Kind], Meta(description="Only sessions of these kinds; leave out for all.")] = []
    limit: Annotated[int, Meta(ge=1, le=200, description="Sessions at most; 50 unless given.")] = 50
    active_minutes: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_MINUTES)] | None,
        Meta(description="Only sessions used within so many minutes."),
    ] = None
    message_limit: Annotated[
        int, Meta(ge=0, le=20, description="Show so many of the last messages of each session; 0 = none.")
    ] = 0


class SessionsList(TypedTool[SessionsListParameters]):
    """Lists sessions, newest first."""

    name = "sessions_list"
    description = (
        "List conversations (sessions) with their keys, kinds and last use. "
        "Use sessions_history to read one and sessions_send to write to one."
    )
    parameters = SessionsListParameters
    concurrent = True

    def __init__(self, sight: SessionSight, sessions: Sessions, models: Models) -> None:
        super().__init__()
        self._sight = sight
        self._sessions = sessions
        self._models = models

    async def run(self, parameters: SessionsListParameters, context: ToolContext) -> ToolResult:
        """C{{"count", "sessions": [{"key", "kind", ...}]}}."""
        oldest = 0
        if parameters.active_minutes is not None:
            oldest = int(context.clock.seconds() * 1000) - parameters.active_minutes * 60_000
        shown = [
            entry
            for entry in await self._sight.all(context)
            if entry.updated_at_ms >= oldest and (not parameters.kinds or kind_of(entry.key) in parameters.kinds)
        ]
        rows = []
        for entry in shown[: parameters.limit]:
            row = self._row(entry, context)
            if parameters.message_limit:
                # Tool results are left out, and there may be several to one answer.
                newest = await self._sessions.transcript(entry.key, parameters.message_limit * 4)
                row["messages"] = told(newest, tools=False)[-parameters.message_limit :]
            rows.append(row)
        return json_result({"count": len(rows), "total": len(shown), "sessions": rows})

    def _row(self, entry: SessionEntry, context: ToolContext) -> dict[str, Any]:
        row: dict[str, Any] = {
            "key": entry.key,
            "kind": kind_of(entry.key),
            "agentId": entry.agent_id,
            "channel": entry.settings.channel or "webchat",
            "updatedAt": entry.updated_at_ms,
            "sessionId": entry.session_id,
            "totalTokens": entry.total_tokens,
        }
        if entry.key == context.session_key:
            row["current"] = True
        if entry.label:
            row["label"] = entry.label
        if entry.settings.display_name:
            row["displayName"] = entry.settings.display_name
        if entry.model:
            ref = f"{entry.model_provider}/{entry.model}" if entry.model_provider else entry.model
            row["model"] = ref
            try:
                row["contextTokens"] = self._models.info(ref).context_window
            except GatewayError:
                pass  # a model of the past
        if entry.aborted_last_run:
            row["abortedLastRun"] = True
        for name in SETTINGS:
            if value := getattr(entry.settings, name):
                head, *rest = name.split("_")
                row[head + "".join(part.title() for part in rest)] = value
        return row


__all__ = ["SessionsList", "SessionsListParameters"]
