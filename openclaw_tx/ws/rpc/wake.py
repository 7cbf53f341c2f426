# -*- test-case-name: tests.ws.rpc.test_wake -*-
"""C{wake}, C{system-event}, C{last-heartbeat}, C{set-heartbeats}: drawing an agent's attention (spec 2.4, 2.10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta

from openclaw_tx.auth.actions import may
from openclaw_tx.auth.sight import is_bounded
from openclaw_tx.automation.heartbeat import HeartbeatService
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents
from openclaw_tx.sessions.keys import parse_key
from openclaw_tx.values import HeartbeatNews, Principal
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Caller, Method
from openclaw_tx.ws.rpc.cron import NoParams, unbounded
from openclaw_tx.ws.rpc.presence import AboutParams

EventText = Annotated[str, Meta(min_length=1, max_length=100_000, pattern=r"\S")]
SessionName = Annotated[str, Meta(min_length=1, max_length=512)]


PRESENCE_ONLY = "Node:"
"""How texts begin that are no news for an agent."""


class WakeParams(Params, frozen=True):
    """Params of C{wake}."""

    mode: Literal["now", "next-heartbeat"]
    text: EventText
    session_key: SessionName = ""
    """Where it is noted; unset = the agent's main session."""
    agent_id: Annotated[str, Meta(max_length=64)] = ""
    """Who; unset = whoever the session belongs to, else the default agent."""


class EventParams(AboutParams, frozen=True, kw_only=True):
    """Params of C{system-event}: news, and what a machine says of itself."""

    text: EventText
    session_key: SessionName = ""
    agent_id: Annotated[str, Meta(max_length=64)] = ""


class SwitchParams(Params, frozen=True):
    """Params of C{set-heartbeats}."""

    enabled: bool


class WakeMethods:
    """The family. It reaches the sessions of all agents, so keys with bounds get none of it."""

    def __init__(
        self,
        heartbeat: HeartbeatService,
        agents: Agents,
        report: Callable[[Caller, AboutParams, str], None],
    ) -> None:
        """
        @param report: takes what a machine says of itself.
        """
        self._report = report
        self._heartbeat = heartbeat
        self._agents = agents

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("wake", "wake", WakeParams, self.wake),
            Method("system-event", "system-event", EventParams, self.event),
            Method("last-heartbeat", "last-heartbeat", NoParams, self.last),
            Method("set-heartbeats", "set-heartbeats", SwitchParams, self.switch),
        ]

    async def wake(self, call: Call[WakeParams]) -> Any:
        """Note an event, and have the agent look at it now or with its next heartbeat or message."""
        unbounded(call.principal)
        params = call.params
        agent_id, key = self._place(params.agent_id, params.session_key)
        self._heartbeat.wake(agent_id, key, params.text, now=params.mode == "now")
        return {"ok": True}

    async def event(self, call: Call[EventParams]) -> Any:
        """Note an event for the next turn of a session, and who is there; a text that begins with C{Node:} is about
        that alone."""
        unbounded(call.principal)
        agent_id, key = self._place(call.params.agent_id, call.params.session_key)
        text = call.params.text.strip()
        self._report(call.caller, call.params, text)
        if not text.startswith(PRESENCE_ONLY):
            self._heartbeat.wake(agent_id, key, text, now=False)
        return {"ok": True}

    async def last(self, call: Call[NoParams]) -> Any:
        """What came of the last heartbeat; null = there was none."""
        unbounded(call.principal)
        news = self._heartbeat.last
        return heartbeat_event(news) if news is not None else None

    async def switch(self, call: Call[SwitchParams]) -> Any:
        """Until the process ends."""
        unbounded(call.principal)
        self._heartbeat.set_enabled(call.params.enabled)
        return {"ok": True, "enabled": call.params.enabled}

    def _place(self, agent_id: str, session_key: str) -> tuple[str, str]:
        """Agent and session.

        @raise GatewayError: C{invalid_request}.
        """
        asked, owner = agent_id.strip().lower(), parse_key(session_key)
        chosen = asked or (owner.agent_id if owner is not None else self._agents.default_id)
        if self._agents.get(chosen) is None:
            raise GatewayError("invalid_request", f"Unknown agent {chosen!r}.", param="agentId")
        return chosen, self._heartbeat.session_of(chosen, session_key)


def hears_heartbeats(principal: Principal) -> bool:
    """Whether it is told what came of heartbeats."""
    return may(principal, "last-heartbeat") and not is_bounded(principal)


def heartbeat_event(news: HeartbeatNews) -> dict[str, Any]:
    """Payload of the event C{heartbeat}."""
    payload: dict[str, Any] = {
        "ts": news.ts,
        "status": news.status,
        "agentId": news.agent_id,
        "sessionKey": news.session_key,
        "silent": news.status != "sent",
    }
    if news.reason:
        payload["reason"] = news.reason
    if news.preview:
        payload["preview"] = news.preview
    if news.duration_ms is not None:
        payload["durationMs"] = news.duration_ms
    return payload


__all__ = ["WakeMethods", "hears_heartbeats", "heartbeat_event"]
