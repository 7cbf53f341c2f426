# -*- test-case-name: tests.test_agents_together -*-
"""C{sessions_history}: what was said in a conversation (spec 7.1)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from openclaw_tx.interfaces import Sessions, ToolContext
from openclaw_tx.tools.session_sight import SessionSight
from openclaw_tx.tools.told import told
from openclaw_tx.tools.typed import Parameters, TypedTool, json_result
from openclaw_tx.values import ToolResult


class SessionsHistoryParameters(Parameters, frozen=True):
    """Arguments of C{sessions_history}."""

    session_key: Annotated[
        str, Meta(min_length=1, max_length=512, description="Key of the session, as sessions_list shows it.")
    ]
    limit: Annotated[int, Meta(ge=1, le=500, description="Newest messages at most; 50 unless given.")] = 50
    include_tools: Annotated[bool, Meta(description="Show tool calls and their results too.")] = False


class SessionsHistory(TypedTool[SessionsHistoryParameters]):
    """Reads a session's transcript."""

    name = "sessions_history"
    description = "Read the newest messages of a conversation (session)."
    parameters = SessionsHistoryParameters
    concurrent = True

    def __init__(self, sight: SessionSight, sessions: Sessions) -> None:
        super().__init__()
        self._sight = sight
        self._sessions = sessions

    async def run(self, parameters: SessionsHistoryParameters, context: ToolContext) -> ToolResult:
        """C{{"sessionKey", "messages": [{"role", "text", "timestamp"}]}}, oldest first."""
        entry = await self._sight.find(self._sight.canonical(parameters.session_key, context), context)
        if entry is None:
            return ToolResult(text=f"There is no session {parameters.session_key}.", is_error=True)
        messages = await self._sessions.transcript(entry.key, parameters.limit)
        return json_result({"sessionKey": entry.key, "messages": told(messages, tools=parameters.include_tools)})


__all__ = ["SessionsHistory", "SessionsHistoryParameters"]
