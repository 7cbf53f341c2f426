# -*- test-case-name: tests.ws.rpc.test_session_changes,tests.ws.rpc.test_session_patch -*-
"""C{sessions.patch}, C{.reset}, C{.delete}, C{.compact} and C{chat.inject}: what changes sessions (spec 2.10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Protocol

from msgspec import Meta

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.sight import agents_for, sees_session
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Authoriser, Models, RunEngine, Sessions
from openclaw_tx.sessions.keys import MAIN, SENTINELS, canonical_key, is_reserved, parse_key
from openclaw_tx.values import AssistantMessage, CompactionMessage, Message, Principal, SessionEntry, Target
from openclaw_tx.wire.frames import Natural, NonEmpty, Positive
from openclaw_tx.wire.openclaw_sessions import entry_object
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.asks import Seat, bad
from openclaw_tx.ws.rpc.catalog import unknown_agent
from openclaw_tx.ws.rpc.rows import STORE, model_of
from openclaw_tx.ws.rpc.session_patch import FREE, LOOKS, PatchParams, change_of, given
from openclaw_tx.ws.rpc.waiting import within

ABORT_SECONDS = 15.0
"""How long the runs of a session get to end, before it is reset or deleted (spec 2.10)."""
MAX_KEPT = 4000
"""Messages that a compaction keeps at most: more are never loaded."""
SessionKey = Annotated[str, Meta(min_length=1, max_length=512)]


class ResetParams(Params, frozen=True):
    """Params of C{sessions.reset}."""

    key: SessionKey
    agent_id: str = ""
    reason: Literal["new", "reset"] = "reset"
    """Why; both do the same."""
    expected_session_id: str = ""
    """Do nothing if another conversation has begun meanwhile."""


class DeleteParams(Params, frozen=True):
    """Params of C{sessions.delete}."""

    key: SessionKey
    agent_id: str = ""
    delete_transcript: bool = True
    """True = the transcript becomes an archive; false = it stays a file as of a session that goes on."""
    expected_session_id: str = ""
    """Delete nothing if another conversation has begun meanwhile."""
    expected_session_updated_at: Natural | None = None
    """Delete nothing if anything has happened there since: the C{updatedAt} of its row."""


class CompactParams(Params, frozen=True):
    """Params of C{sessions.compact}."""

    key: SessionKey
    agent_id: str = ""
    max_lines: Positive = 400
    """Newest messages that the model still reads."""


class InjectParams(Params, frozen=True):
    """Params of C{chat.inject}."""

    session_key: SessionKey
    message: NonEmpty
    agent_id: str = ""
    label: Annotated[str, Meta(max_length=100)] = ""


class Publisher(Protocol):
    """Tells clients."""

    def __call__(self, event: str, payload: Any, target: Target) -> None:
        """Send an event to every client that may watch runs of C{target}."""


class SessionChanges:
    """The family of changing sessions."""

    def __init__(
        self,
        engine: RunEngine,
        agents: Agents,
        models: Models,
        sessions: Sessions,
        authorise: Authoriser,
        clock: IReactorTime,
        publish: Publisher,
        new_id: Callable[[], str],
        forget: Callable[[str, str], object],
        scope: Callable[[], str],
    ) -> None:
        """
        @param forget: drops the messages that wait in a session, for a reason (L{openclaw_tx.chat.flow}).
        @param new_id: makes ids of messages.
        @param scope: C{session.scope}.
        """
        self._engine = engine
        self._agents = agents
        self._models = models
        self._sessions = sessions
        self._authorise = authorise
        self._clock = clock
        self._publish = publish
        self._new_id = new_id
        self._forget = forget
        self._scope = scope

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("sessions.patch", "sessions.patch", PatchParams, self.patch),
            Method("sessions.reset", "sessions.reset", ResetParams, self.reset),
            Method("sessions.delete", "sessions.delete", DeleteParams, self.delete),
            Method("sessions.compact", "sessions.compact", CompactParams, self.compact),
            Method("chat.inject", "chat.inject", InjectParams, self.inject),
        ]

    # -- the entry

    async def patch(self, call: Call[PatchParams]) -> Any:
        """Change what is set for a session, which is made if need be."""
        params = call.params
        place = await self._place("sessions.patch", call.principal, params.key, params.agent_id)
        target = Target(agent_id=place.agent_id, session_key=place.session_key)
        names = given(params)
        if not FREE.issuperset(names):
            self._authorise(call.principal, "sessions.configure", target)
        agents = agents_for(self._agents, call.principal)
        change = change_of(params, self._models, agents, int(self._clock.seconds() * 1000))
        maker, quiet = self._maker(place, agents), LOOKS.issuperset(names)
        entry = await self._sessions.patch(place.session_key, change, agent_id=maker, quiet=quiet)
        if entry is None:
            raise _unusable("sessions.patch", place, agents)
        answer: dict[str, Any] = {"ok": True, "path": STORE, "key": entry.key, "entry": entry_object(entry)}
        info = model_of(entry, self._models)
        if call.modern and info is not None:
            answer["resolved"] = {"modelProvider": info.provider, "model": info.id}
        return answer

    # -- the conversation

    async def reset(self, call: Call[ResetParams]) -> Any:
        """Begin a session anew, once its runs have been aborted; an unknown one is made."""
        params = call.params
        place = await self._place("sessions.reset", call.principal, params.key, params.agent_id)
        if params.expected_session_id:
            entry = await self._sessions.get(place.session_key)
            if entry is None:
                raise bad("sessions.reset", "the session is no more")
            _still(entry, "sessions.reset", params.expected_session_id)
        await self._quiet(place.session_key)
        # What was looked at before its runs had ended may have changed since.
        entry = await self._sessions.reset(place.session_key, session_id=params.expected_session_id)
        if entry is None and params.expected_session_id:
            raise bad("sessions.reset", "the session is no more")
        if entry is None:
            agents = agents_for(self._agents, call.principal)
            entry = await self._sessions.append(place.session_key, (), agent_id=self._maker(place, agents))
            if entry is None:
                raise _unusable("sessions.reset", place, agents)
        return {"ok": True, "key": entry.key, "entry": entry_object(entry)}

    async def delete(self, call: Call[DeleteParams]) -> Any:
        """Delete a session, once its runs have been aborted; its transcript is archived."""
        params = call.params
        place = await self._place("sessions.delete", call.principal, params.key, params.agent_id)
        parsed = parse_key(place.session_key)
        if parsed is not None and parsed.rest == MAIN and self._agents.get(place.agent_id) is not None:
            raise GatewayError("invalid_request", f"Cannot delete the main session ({place.session_key}).")
        entry = await self._sessions.get(place.session_key)
        _still(entry, "sessions.delete", params.expected_session_id)
        if entry is not None and params.expected_session_updated_at not in (None, entry.updated_at_ms):
            raise bad("sessions.delete", "the session was used meanwhile")
        await self._quiet(place.session_key)
        removed = await self._sessions.delete(
            place.session_key, delete_transcript=params.delete_transcript, session_id=params.expected_session_id
        )
        archived = list(removed.archived) if removed is not None and params.delete_transcript else []
        return {"ok": True, "key": place.session_key, "deleted": removed is not None, "archived": archived}

    async def _quiet(self, key: str) -> None:
        """Abort the runs of a session and of its sub-agents, forget what waits, and wait until the runs have ended.

        @raise GatewayError: C{queue_full}: one has not ended in time.
        """
        until = self._clock.seconds() + ABORT_SECONDS
        self._forget(key, "rpc")
        runs = [
            run
            for run in self._engine.live()
            if key in (run.request.session_key, run.request.spawned_by) and not run.request.stateless
        ]
        for run in runs:
            # What a sub-agent came to is nothing to the conversation that follows.
            run.abort("rpc" if run.request.session_key == key else "reset")
        for run in runs:
            left = until - self._clock.seconds()
            if await within(self._clock, left, Deferred.fromCoroutine(run.result())) is None:
                raise GatewayError("queue_full", f"Session {key} is still active; try again in a moment.")

    async def compact(self, call: Call[CompactParams]) -> Any:
        """Let the model read only the newest messages; the transcript keeps them all. No model is asked."""
        params = call.params
        place = await self._place("sessions.compact", call.principal, params.key, params.agent_id)
        entry = await self._sessions.get(place.session_key)
        answer: dict[str, Any] = {"ok": True, "key": place.session_key, "compacted": False}
        if entry is None:
            return {**answer, "reason": "no sessionId"}
        messages = await self._sessions.transcript(place.session_key, MAX_KEPT)
        if not messages:
            return {**answer, "reason": "no transcript"}
        kept = min(params.max_lines, MAX_KEPT)
        read, summary = _read(messages)
        if read <= kept:
            return {**answer, "kept": read}
        mark = CompactionMessage(
            summary=summary,
            kept=kept,
            tokens_before=entry.total_tokens,
            timestamp_ms=int(self._clock.seconds() * 1000),
        )
        if not await self._sessions.compact(place.session_key, entry.session_id, mark):
            return {**answer, "reason": "the session has begun anew meanwhile"}
        return {**answer, "compacted": True, "kept": kept}

    async def inject(self, call: Call[InjectParams]) -> Any:
        """Put a note of the agent into a transcript, and show it to who watches."""
        params = call.params
        if "\0" in params.message + params.label:
            raise bad("chat.inject", "message must not contain null bytes")
        place = await self._place("chat.inject", call.principal, params.session_key, params.agent_id)
        now = int(self._clock.seconds() * 1000)
        text = f"[{params.label}]\n\n{params.message}" if params.label else params.message
        note = AssistantMessage(text=text, stop_reason="injected", timestamp_ms=now)
        if await self._sessions.append(place.session_key, [note]) is None:
            raise GatewayError("invalid_request", "session not found")
        message_id = self._new_id()[:8]
        payload = {
            "runId": f"inject-{message_id}",
            "sessionKey": place.session_key,
            "seq": 0,
            "state": "final",
            "message": {"role": "assistant", "content": [{"type": "text", "text": text}], "timestamp": now},
        }
        self._publish("chat", payload, Target(agent_id=place.agent_id, session_key=place.session_key))
        return {"ok": True, "messageId": message_id}

    # -- which session

    async def _place(self, method: str, principal: Principal, key: str, agent_id: str) -> Seat:
        """The session that is meant, whether it exists or not, and whether its agent still does.

        @raise GatewayError: the key is malformed, belongs to another agent, or lies out of the client's bounds.
        """
        agents = agents_for(self._agents, principal)
        chosen = agent_id.strip().lower()
        try:
            whole = canonical_key(
                key, chosen or agents.default_id, prefix=principal.session_prefix, scope=self._scope()
            )
        except GatewayError as error:
            raise bad(method, error.info.message) from None
        parsed = parse_key(whole)
        owner = parsed.agent_id if parsed is not None else chosen or agents.default_id
        if chosen and owner != chosen:
            raise bad(method, f'agent "{chosen}" does not match session key agent "{owner}"')
        self._authorise(principal, method, Target(agent_id=owner, session_key=whole))
        # Keys of HTTP headers keep their case; in lower case they lie in the same bounds.
        exact = key.strip()
        if exact != whole and exact.lower() == whole and await self._sessions.get(exact) is not None:
            return Seat(owner, exact)
        if exact != whole and exact in SENTINELS and not chosen:
            # From when all conversations were one, or from before each agent had its own by this name.
            entry = await self._sessions.get(exact)
            if entry is not None and sees_session(principal, entry):
                return Seat(entry.agent_id, exact)
        return Seat(owner, whole)

    def _maker(self, place: Seat, agents: Agents) -> str:
        """The agent that a session may be made for; "" = none may be made under this key."""
        usable = not is_reserved(place.session_key) and agents.get(place.agent_id) is not None
        return place.agent_id if usable else ""


def _still(entry: SessionEntry | None, method: str, session_id: str) -> None:
    """
    @raise GatewayError: another conversation has begun under the key; "" = it does not matter.
    """
    if entry is not None and session_id not in ("", entry.session_id):
        raise bad(method, "the session has begun anew meanwhile")


def _unusable(method: str, place: Seat, agents: Agents) -> GatewayError:
    """Why there is no session, and none could be made."""
    if agents.get(place.agent_id) is None:
        return unknown_agent(method, place.agent_id)
    return GatewayError("invalid_request", f"No session found: {place.session_key}")


def _read(messages: Sequence[Message]) -> tuple[int, str]:
    """How many messages the model reads, and what stands for those before."""
    for place in range(len(messages) - 1, -1, -1):
        mark = messages[place]
        if isinstance(mark, CompactionMessage):
            return min(mark.kept, place) + len(messages) - place - 1, mark.summary
    return len(messages), ""


__all__ = ["SessionChanges"]
