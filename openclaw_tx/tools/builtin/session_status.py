# -*- test-case-name: tests.tools.test_session_status -*-
"""C{session_status}: what the agent is running on, what it has used, and what time it is (spec 7.1); with C{model},
the model that the session goes on with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from msgspec import Meta
from msgspec.structs import replace

from openclaw_tx.config.schema import Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Models, Sessions, ToolContext
from openclaw_tx.tools.session_sight import canonical, kept, owner_of
from openclaw_tx.tools.typed import Parameters, TypedTool
from openclaw_tx.values import SessionEntry, ToolResult, Usage


class SessionStatusParameters(Parameters, frozen=True):
    """Arguments of C{session_status}."""

    session_key: Annotated[
        str, Meta(max_length=512, description="Session to show; leave out for the one you are in.")
    ] = ""
    model: Annotated[
        str,
        Meta(
            max_length=256,
            description="Go on with this model from the next message, provider/model; default = the agent's own.",
        ),
    ] = ""


class SessionStatus(TypedTool[SessionStatusParameters]):
    """Shows a session of the agent's own that whoever asks may know of; to them there are no others."""

    name = "session_status"
    description = (
        "Show the current date and time, and the agent, model and token use of a session. "
        "Use it whenever the date or the time matters."
    )
    parameters = SessionStatusParameters

    def __init__(self, settings: Callable[[], Config], sessions: Sessions, models: Models) -> None:
        """
        @param settings: gives the configuration of the moment, for the user's time zone.
        @param sessions: where sessions are looked up.
        @param models: those that a session may go on with.
        """
        super().__init__()
        self._settings = settings
        self._sessions = sessions
        self._models = models

    async def run(self, parameters: SessionStatusParameters, context: ToolContext) -> ToolResult:
        """The status card; C{details} holds the same as an object."""
        key = canonical(parameters.session_key, context, self._settings().session.scope)
        own = key == context.session_key
        if not own and owner_of(key, context) != context.agent.id:
            return ToolResult(text=f"Session {key} belongs to another agent.", is_error=True)
        entry = await kept(key, context, self._sessions)
        if entry is not None:
            key = entry.key
        elif not own:
            return ToolResult(text=f"There is no session {key}.", is_error=True)
        if parameters.model:
            try:
                entry = await self._go_on_with(parameters.model, key)
            except GatewayError as error:
                return ToolResult(text=error.info.message, is_error=True)
            if entry is None:
                return ToolResult(text=f"Session {key} is not kept: its model can not be set.", is_error=True)
        details = {
            "agentId": context.agent.id,
            "agentName": context.agent.name,
            "sessionKey": key,
            **(_session(entry) if entry else {"stored": False}),
            **(_run(context) if own else {}),
            **now(context.clock.seconds(), self._settings().agents.defaults.user_timezone),
        }
        return ToolResult(text=card(details), details=details)

    async def _go_on_with(self, model: str, key: str) -> SessionEntry | None:
        """Set the session's model.

        @raise GatewayError: C{model_not_found}: it may not be used.
        """
        info = None if model.strip().lower() == "default" else self._models.info(model)

        def change(entry: SessionEntry) -> SessionEntry:
            settings = replace(
                entry.settings,
                provider_override=info.provider if info is not None else "",
                model_override=info.id if info is not None else "",
            )
            return replace(entry, settings=settings)

        return await self._sessions.patch(key, change)


def _session(entry: SessionEntry) -> dict[str, Any]:
    model = f"{entry.model_provider}/{entry.model}" if entry.model_provider and entry.model else entry.model
    return {
        "stored": True,
        "sessionId": entry.session_id,
        "model": model,
        **({"modelOverride": entry.settings.model_ref} if entry.settings.model_ref else {}),
        "inputTokens": entry.input_tokens,
        "outputTokens": entry.output_tokens,
        "totalTokens": entry.total_tokens,
        "updatedAt": entry.updated_at_ms,
    }


def _run(context: ToolContext) -> dict[str, Any]:
    """The run in progress: its model is the one that counts, whatever the session used before."""
    return {"model": context.model, "runId": context.run_id, "runUsage": _usage(context.usage)}


def _usage(usage: Usage) -> dict[str, int]:
    counts = {"input": usage.prompt_tokens, "output": usage.completion_tokens, "cacheRead": usage.cached_tokens}
    return {name: count for name, count in counts.items() if count is not None}


def now(seconds: float, zone_name: str) -> dict[str, Any]:
    """The time at the user's place.

    @param seconds: since the epoch.
    @param zone_name: IANA name; "" = the host's zone. An unknown one falls back to UTC.
    """
    zone: tzinfo | None = None
    if zone_name:
        try:
            zone = ZoneInfo(zone_name)
        except (KeyError, OSError, ValueError):  # not found, or not a name at all
            zone = UTC
    at = datetime.fromtimestamp(seconds, UTC).astimezone(zone)
    name = zone_name if zone_name and zone is not UTC else at.tzname() or ""
    return {"time": at.isoformat(timespec="seconds"), "timezone": name, "weekday": f"{at:%A}"}


def card(details: dict[str, Any]) -> str:
    """C{details} as lines a model reads well."""
    lines = [
        f"Time: {details['weekday']} {details['time']} ({details['timezone']})",
        f"Agent: {details['agentName']} ({details['agentId']})",
        f"Session: {details['sessionKey']}" + ("" if details["stored"] else " (not stored)"),
        f"Model: {details.get('model') or 'none yet'}",
    ]
    if details.get("modelOverride"):
        lines.append(f"Model from the next message on: {details['modelOverride']}")
    if details.get("runUsage"):
        lines.append(
            "This run: " + ", ".join(f"{count} {name}" for name, count in details["runUsage"].items()) + " tokens"
        )
    if details["stored"]:
        lines.append(
            f"Session so far: {details['inputTokens']} input, {details['outputTokens']} output tokens; "
            f"context {details['totalTokens']}"
        )
    return "\n".join(lines)


__all__ = ["SessionStatus", "SessionStatusParameters"]
