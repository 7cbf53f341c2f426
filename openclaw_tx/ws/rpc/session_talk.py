# -*- test-case-name: tests.ws.rpc.test_session_talk -*-
"""C{sessions.create}, C{sessions.send} and C{sessions.abort}: a conversation begun, gone on with and stopped, for
clients that know sessions only. What is said takes the way of C{chat.send}."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta
from msgspec.structs import replace

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.sight import agents_for, run_target, sees_run
from openclaw_tx.config.schema import Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Authoriser, Models, RunEngine, Sessions
from openclaw_tx.sessions.keys import main_key
from openclaw_tx.values import Principal, SessionEntry, Target
from openclaw_tx.wire.frames import Natural, NonEmpty, failure_of
from openclaw_tx.wire.openclaw_sessions import entry_object
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.agent import Key as IdempotencyKey
from openclaw_tx.ws.rpc.asks import Attachment, Seat, as_stored, bad, seat
from openclaw_tx.ws.rpc.chat import ABORT_SECONDS, ChatMethods, SendParams
from openclaw_tx.ws.rpc.session_patch import PatchParams, change_of
from openclaw_tx.ws.rpc.waiting import within

Key = Annotated[str, Meta(min_length=1, max_length=512)]
NEW = "dashboard"
"""What keys of sessions are called that a client makes without a key, as in OpenClaw."""
UUID_DIGITS = 32


class CreateParams(Params, frozen=True):
    """Params of C{sessions.create}."""

    key: Key | None = None
    """A session that is there is taken as it is; unset = a new one of its own, C{agent:<id>:dashboard:<uuid>}."""
    agent_id: NonEmpty | None = None
    label: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    display_name: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    model: NonEmpty | None = None
    thinking_level: NonEmpty | None = None
    message: str | None = None
    """What is said first."""
    task: str | None = None
    """The same by another name."""
    attachments: list[Attachment] = []
    idempotency_key: IdempotencyKey | None = None
    """The same key makes the same session, and says a thing once."""
    parent_session_key: Key | None = None
    """The session it was begun from; kept with it."""
    emit_command_hooks: bool = False
    """There are no hooks on commands here."""
    succeeds_parent: bool = False
    """Sessions go on, whatever is begun from them."""


class SessionSendParams(Params, frozen=True):
    """Params of C{sessions.send}."""

    key: Key
    message: str
    agent_id: NonEmpty | None = None
    thinking: str = ""
    attachments: list[Attachment] = []
    timeout_ms: Natural = 0
    idempotency_key: IdempotencyKey | None = None
    """Unset = the message is a new one."""


class SessionAbortParams(Params, frozen=True):
    """Params of C{sessions.abort}: a session, a run, or both."""

    key: Key | None = None
    run_id: NonEmpty | None = None
    agent_id: NonEmpty | None = None
    clear_queued: bool = False
    """Forget the messages that wait in the session, too."""


class SessionTalk:
    """The family of talking in sessions."""

    def __init__(
        self,
        chat: ChatMethods,
        engine: RunEngine,
        agents: Agents,
        models: Models,
        sessions: Sessions,
        authorise: Authoriser,
        clock: IReactorTime,
        settings: Callable[[], Config],
        new_id: Callable[[], str],
    ) -> None:
        """
        @param new_id: makes UUIDs.
        """
        self._chat = chat
        self._engine = engine
        self._agents = agents
        self._models = models
        self._sessions = sessions
        self._authorise = authorise
        self._clock = clock
        self._settings = settings
        self._new_id = new_id

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("sessions.create", "sessions.create", CreateParams, self.create),
            Method("sessions.send", "agent", SessionSendParams, self.send),
            Method("sessions.abort", "runs.cancel", SessionAbortParams, self.abort),
        ]

    async def create(self, call: Call[CreateParams]) -> Any:
        """Make a session and, with a C{message}, start a run in it: C{{ok, key, sessionId, entry, runStarted, runId?,
        runError?}}. The session is there also when its first message could not be sent: C{runError} says why."""
        params, principal = call.params, call.principal
        if params.message is not None and params.task is not None:
            raise bad("sessions.create", "message and task are the same: only one of them")
        text = params.message or params.task or ""
        place = await self._seat(
            "sessions.create", principal, params.agent_id, params.key or self._name(principal, params)
        )
        self._authorise(principal, "sessions.create", Target(agent_id=place.agent_id, session_key=place.session_key))
        entry = await self._made(principal, place, params)
        answer: dict[str, Any] = {
            "ok": True,
            "key": entry.key,
            "sessionId": entry.session_id,
            "entry": entry_object(entry),
            "runStarted": False,
        }
        if not text.strip() and not params.attachments:
            return answer
        said = SendParams(
            session_key=entry.key,
            message=text,
            idempotency_key=params.idempotency_key or self._new_id(),
            agent_id=entry.agent_id,
            attachments=params.attachments,
        )
        try:
            sent = await self._chat.send(Call(call.caller, call.id, said, call.traceparent))
        except CancelledError:
            raise
        except GatewayError as error:
            return {**answer, "runError": failure_of(error.info, modern=call.modern)}
        return {**answer, "runStarted": True, "runId": sent["runId"]}

    async def _made(self, principal: Principal, place: Seat, params: CreateParams) -> SessionEntry:
        """The session, with what is to be set for it; one that was there keeps its display name.

        @raise GatewayError: C{invalid_request}: a value that a field can not have; C{model_not_found}.
        """
        agents = agents_for(self._agents, principal)
        parent = ""
        if params.parent_session_key is not None:
            place_of = await self._seat("sessions.create", principal, None, params.parent_session_key, reserved=True)
            parent = place_of.session_key
        wanted = PatchParams(
            key=place.session_key,
            label=UNSET if params.label is None else params.label,
            model=UNSET if params.model is None else params.model,
            thinking_level=UNSET if params.thinking_level is None else params.thinking_level,
        )
        patch = change_of(wanted, self._models, agents, int(self._clock.seconds() * 1000))
        before = await self._sessions.get(place.session_key)

        def change(entry: SessionEntry) -> SessionEntry:
            entry = patch(entry)
            if before is None and params.display_name:
                entry = replace(entry, settings=replace(entry.settings, display_name=params.display_name.strip()))
            if before is None and parent:
                entry = replace(entry, extra={**entry.extra, "parentSessionKey": parent})
            return entry

        entry = await self._sessions.patch(place.session_key, change, agent_id=place.agent_id)
        assert entry is not None
        return entry

    async def send(self, call: Call[SessionSendParams]) -> Any:
        """Say something in a session that is there, or in an agent's main session: C{{runId, status}}, as
        C{chat.send}."""
        params = call.params
        place = await self._seat("sessions.send", call.principal, params.agent_id, params.key)
        # Whether it is there is nothing for whoever may not know of it.
        self._authorise(call.principal, "agent", Target(agent_id=place.agent_id, session_key=place.session_key))
        main = main_key(place.agent_id, call.principal.session_prefix)
        if place.session_key != main and await self._sessions.get(place.session_key) is None:
            raise GatewayError("invalid_request", f"session not found: {params.key}", param="key")
        said = SendParams(
            session_key=place.session_key,
            message=params.message,
            idempotency_key=params.idempotency_key or self._new_id(),
            agent_id=place.agent_id,
            thinking=params.thinking,
            attachments=params.attachments,
            timeout_ms=params.timeout_ms,
        )
        return await self._chat.send(Call(call.caller, call.id, said, call.traceparent))

    async def abort(self, call: Call[SessionAbortParams]) -> Any:
        """Abort the runs of a session, or one of them: C{{ok, abortedRunId, status}}, where C{status} is C{aborted} or
        C{no-active-run}. A chat message that waits for its turn is a run, too, to whoever names it by C{runId}."""
        params = call.params
        if params.key is None and params.run_id is None:
            raise bad("sessions.abort", "key or runId is required")
        place = None
        if params.key is not None:
            place = await self._seat("sessions.abort", call.principal, params.agent_id, params.key, reserved=True)
        if params.run_id is None:
            assert place is not None
            answer = await self._chat.stop(call, place, "rpc", queued=params.clear_queued)
            return _aborted(answer["runIds"])
        if self._chat.withdraw(call, params.run_id, place) is not None:
            return _aborted([params.run_id])
        run = self._engine.get(params.run_id)
        if run is None or not sees_run(call.principal, run):
            return _aborted([])
        if place is not None and run.request.session_key != place.session_key:
            raise bad("sessions.abort", "runId does not match key")
        self._authorise(call.principal, "runs.cancel", run_target(run))
        if not run.abort("rpc"):
            return _aborted([])
        await within(self._clock, ABORT_SECONDS, Deferred.fromCoroutine(run.result()))
        return _aborted([params.run_id])

    def _name(self, principal: Principal, params: CreateParams) -> str:
        """A key for a session that is to have one of its own."""
        if params.idempotency_key is None:
            return f"{NEW}:{self._new_id()}"
        digest = hashlib.sha256(f"{principal.id}\0{params.idempotency_key}".encode("utf-8", "surrogatepass"))
        return f"{NEW}:{UUID(digest.hexdigest()[:UUID_DIGITS])}"

    async def _seat(
        self, method: str, principal: Principal, agent_id: str | None, key: str, *, reserved: bool = False
    ) -> Seat:
        scope = self._settings().session.scope
        place = seat(method, self._agents, principal, agent_id or "", key, "", scope, reserved=reserved)
        return await as_stored(self._sessions, place, key)


def _aborted(run_ids: Sequence[str]) -> dict[str, Any]:
    return {
        "ok": True,
        "abortedRunId": run_ids[0] if run_ids else None,
        "status": "aborted" if run_ids else "no-active-run",
    }


__all__ = ["SessionTalk"]
