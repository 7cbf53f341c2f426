# -*- test-case-name: tests.ws.test_session_events -*-
"""C{sessions.subscribe}, C{sessions.messages.subscribe} and their opposites, and C{sessions.describe}."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from openclaw_tx.auth.actions import authorise
from openclaw_tx.auth.sight import agents_for, sees_session
from openclaw_tx.config.schema import Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Models, RunEngine, Sessions
from openclaw_tx.sessions.keys import agent_of, canonical_key, in_scope, parse_key
from openclaw_tx.sessions.titles import TITLE, cut
from openclaw_tx.values import Target
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.asks import Seat, as_stored, bad
from openclaw_tx.ws.rpc.catalog import unknown_agent
from openclaw_tx.ws.rpc.finding import Key
from openclaw_tx.ws.rpc.rows import at_work, session_row, title
from openclaw_tx.ws.rpc.sessions import ListParams, SessionMethods
from openclaw_tx.ws.subscriptions import Subscriptions


class SubscribeParams(ListParams, frozen=True):
    """Params of C{sessions.subscribe}: those of C{sessions.list}; with any of them the answer has its list, too."""


class UnsubscribeParams(Params, frozen=True):
    """Params of C{sessions.unsubscribe}: none."""


class MessagesParams(Params, frozen=True):
    """Params of C{sessions.messages.subscribe} and C{.unsubscribe}."""

    key: Key
    agent_id: str = ""
    include_approvals: Literal[True] | None = None
    """The client wants to hear of questions, too. That takes C{operator.approvals}, and who has it hears of them
    anyway: they have events of their own, and C{exec.approval.list} tells those that wait."""


class DescribeParams(Params, frozen=True):
    """Params of C{sessions.describe}."""

    key: Key
    agent_id: str = ""
    include_derived_titles: bool = False
    """Add C{derivedTitle}."""
    include_last_message: bool = False
    """Add C{lastMessagePreview}."""


class FollowingMethods:
    """The family of following sessions."""

    def __init__(
        self,
        subscriptions: Subscriptions,
        lists: SessionMethods,
        engine: RunEngine,
        agents: Agents,
        models: Models,
        sessions: Sessions,
        settings: Callable[[], Config],
    ) -> None:
        """
        @param lists: makes lists of sessions.
        """
        self._subscriptions = subscriptions
        self._lists = lists
        self._engine = engine
        self._agents = agents
        self._models = models
        self._sessions = sessions
        self._settings = settings

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("sessions.subscribe", "sessions.subscribe", SubscribeParams, self.subscribe),
            Method("sessions.unsubscribe", "sessions.subscribe", UnsubscribeParams, self.unsubscribe),
            Method("sessions.messages.subscribe", "sessions.subscribe", MessagesParams, self.follow),
            Method("sessions.messages.unsubscribe", "sessions.subscribe", MessagesParams, self.leave),
            Method("sessions.describe", "sessions.read", DescribeParams, self.describe),
        ]

    async def subscribe(self, call: Call[SubscribeParams]) -> Any:
        """Tell this connection of all sessions that it may know of: C{sessions.changed} and C{session.message}, until
        it is closed. C{{subscribed: true, list?}}; C{list} is that of C{sessions.list}."""
        self._subscriptions.follow_all(call.caller.number)
        if msgspec.structs.asdict(call.params) == msgspec.structs.asdict(SubscribeParams()):
            return {"subscribed": True}
        return {"subscribed": True, "list": await self._lists.list(Call[ListParams](call.caller, call.id, call.params))}

    async def unsubscribe(self, call: Call[UnsubscribeParams]) -> Any:
        """No more of that: C{{subscribed: false}}. Sessions that are followed by key still are."""
        self._subscriptions.leave_all(call.caller.number)
        return {"subscribed": False}

    async def follow(self, call: Call[MessagesParams]) -> Any:
        """Tell this connection of the messages of one session (C{session.message}): C{{subscribed: true, key}}. It need
        not be there yet."""
        if call.params.include_approvals:
            authorise(call.principal, "approvals.list")
        key = await self._stored("sessions.messages.subscribe", call)
        self._subscriptions.follow(call.caller.number, key)
        return {"subscribed": True, "key": key}

    async def leave(self, call: Call[MessagesParams]) -> Any:
        """No more of that: C{{subscribed: false, key}}."""
        key = await self._stored("sessions.messages.unsubscribe", call)
        self._subscriptions.leave(call.caller.number, key)
        return {"subscribed": False, "key": key}

    async def describe(self, call: Call[DescribeParams]) -> Any:
        """C{{session}}: the row of one session as in C{sessions.list}; null when there is none."""
        params = call.params
        key = self._key("sessions.describe", call, params.agent_id, params.key)
        # Keys of HTTP headers keep their case.
        entry = await self._sessions.get(params.key.strip()) or await self._sessions.get(key)
        if entry is None or not sees_session(call.principal, entry):
            return {"session": None}
        row = session_row(entry, self._models, at_work(self._engine).get(entry.key, ()))
        if params.include_derived_titles and (named := title(entry)):
            row["derivedTitle"] = cut(named, TITLE)
        if params.include_last_message and entry.preview:
            row["lastMessagePreview"] = entry.preview
        return {"session": row}

    async def _stored(self, method: str, call: Call[MessagesParams]) -> str:
        """The key under which the session is kept, or would be.

        @raise GatewayError: as L{_key}.
        """
        key = self._key(method, call, call.params.agent_id, call.params.key)
        return (await as_stored(self._sessions, Seat(agent_of(key), key), call.params.key)).session_key

    def _key(self, method: str, call: Call[Any], agent_id: str, key: str) -> str:
        """The whole key of a session that the client may know of, whether it is there or not. Sessions of sub-agents
        and jobs may be looked at like all others.

        @raise GatewayError: the agent is unknown, agent and key disagree, or the key is malformed or out of bounds.
        """
        agents, principal = agents_for(self._agents, call.principal), call.principal
        chosen = agent_id.strip().lower()
        if chosen and agents.get(chosen) is None:
            raise unknown_agent(method, agent_id)
        try:
            prefix, scope = principal.session_prefix, self._settings().session.scope
            whole = canonical_key(key, chosen or agents.default_id, prefix=prefix, scope=scope)
        except GatewayError as error:
            raise bad(method, error.info.message) from None
        parsed = parse_key(whole)
        owner = parsed.agent_id if parsed is not None else chosen or agents.default_id
        if chosen and owner != chosen:
            raise bad(method, f'agent "{chosen}" does not match session key agent "{owner}"')
        whole = in_scope(whole, owner, scope)
        authorise(principal, "chat.history", Target(agent_id=owner, session_key=whole))
        return whole


__all__ = ["FollowingMethods"]
