# -*- test-case-name: tests.ws.rpc.test_chat -*-
"""C{chat.send}, C{chat.abort} and C{chat.history}: a conversation as chat clients see it (spec 2.10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from msgspec import field
from msgspec.structs import replace

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.actions import may
from openclaw_tx.auth.sight import is_bounded, run_target, sees_run
from openclaw_tx.channels.webchat import WEBCHAT
from openclaw_tx.chat.commands import is_stop
from openclaw_tx.chat.desk import ChatDesk
from openclaw_tx.chat.values import ChatMessage
from openclaw_tx.config.schema import Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Authoriser, Channels, Delivery, Run, RunEngine, Sessions
from openclaw_tx.sessions.send_policy import check_send
from openclaw_tx.values import Principal, RunRequest, SessionEntry, Target, TextPart, UserMessage
from openclaw_tx.wire.frames import Natural, NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.agent import Key, check_same
from openclaw_tx.ws.rpc.asks import (
    Attachment,
    Seat,
    as_stored,
    bad,
    check_run_id,
    clean,
    fingerprint,
    seat,
    thinking_level,
    with_images,
)
from openclaw_tx.ws.rpc.catalog import unknown_agent
from openclaw_tx.ws.rpc.history import HistoryParams, SessionKey, event_id, history_page
from openclaw_tx.ws.rpc.quoting import LOOKED_THROUGH, WorkContext, in_context, in_reply, replied_to
from openclaw_tx.ws.rpc.results import remembered
from openclaw_tx.ws.rpc.waiting import within

ABORT_SECONDS = 1.0
"""How long C{chat.abort} waits for the runs to have ended, so that their events come before its answer."""


class SendParams(Params, frozen=True):
    """Params of C{chat.send}."""

    session_key: SessionKey
    message: str
    idempotency_key: Key
    agent_id: str = ""
    thinking: str = ""
    attachments: list[Attachment] = []
    timeout_ms: Natural = 0
    deliver: bool = False
    session_id: str = ""
    """The conversation that the message goes on in; refused when the session has begun another one since, or is no
    more."""
    queue_mode: Literal["collect", "followup", "interrupt", "steer"] | None = None
    """What happens to it while the agent is at work; unset = as the session or the configuration say."""
    suppress_command_interpretation: bool = False
    """The agent reads it, even if it looks like a command or a word that stops it."""
    reply_to_id: NonEmpty | None = None
    """C{__openclaw.id} of one of the newest 400 messages: the agent is told what it says. Not with commands."""
    work_context: WorkContext | None = None
    """What the user is looking at, told to the agent below the message. Not with commands."""
    resumes: bool = field(default=False, name="__controlUiReconnectResume")
    """With C{sessionId}: go on in that conversation though its time is over."""


class AbortParams(Params, frozen=True):
    """Params of C{chat.abort}."""

    session_key: SessionKey
    agent_id: str = ""
    run_id: NonEmpty | None = None
    preserve_side_runs: bool = False
    """Leave alone what was asked beside the conversation: there is nothing of that kind here."""


class ChatMethods:
    """The family of chat."""

    def __init__(
        self,
        engine: RunEngine,
        agents: Agents,
        sessions: Sessions,
        authorise: Authoriser,
        clock: IReactorTime,
        desk: ChatDesk,
        settings: Callable[[], Config] = Config,
        channels: Channels | None = None,
    ) -> None:
        self._desk = desk
        self._engine = engine
        self._agents = agents
        self._sessions = sessions
        self._authorise = authorise
        self._clock = clock
        self._settings = settings
        self._channels = channels
        self._followed: set[str] = set()
        """Run ids of messages whose answers are followed, and that are being handed in."""

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("chat.history", "chat.history", HistoryParams, self.history),
            Method("chat.abort", "runs.cancel", AbortParams, self.abort),
            Method("chat.send", "agent", SendParams, self.send),
        ]

    # -- chat.send

    async def send(self, call: Call[SendParams]) -> Any:
        """Start a run and answer at once; C{agent} and C{chat} events tell the rest."""
        params = call.params
        check_run_id("chat.send", params.idempotency_key)
        text = clean("chat.send", params.message)
        place = await self._seat("chat.send", call.principal, params.agent_id, params.session_key)
        verbatim = params.suppress_command_interpretation
        if is_stop(text) and not params.attachments and not verbatim:
            return await self.stop(call, place, "stop")
        parts = with_images("chat.send", text, params.attachments)
        # Who repeats a message does not repeat that the connection was lost.
        asked = fingerprint("chat.send", replace(params, resumes=False))
        request = RunRequest(
            run_id=params.idempotency_key,
            agent_id=place.agent_id,
            session_key=place.session_key,
            messages=(
                UserMessage(
                    content=parts,
                    timestamp_ms=int(self._clock.seconds() * 1000),
                    run_id=params.idempotency_key,
                ),
            ),
            thinking=thinking_level("chat.send", params.thinking),
            timeout_s=params.timeout_ms / 1000 if params.timeout_ms else None,
            surface="ws",
            fingerprint=asked,
            traceparent=call.traceparent,
            resumes=params.resumes and bool(params.session_id),
        )
        message = ChatMessage(
            request=request,
            text=text.strip(),
            principal=call.principal,
            queue_mode=params.queue_mode or "",
            verbatim=verbatim,
        )
        before = self._desk.before(message) or await self._before(call, asked)
        if before:
            return {"runId": params.idempotency_key, "status": before}
        self._authorise(call.principal, "agent", Target(agent_id=place.agent_id, session_key=place.session_key))
        entry = await self._sessions.get(place.session_key)
        if params.session_id and (entry is None or entry.session_id != params.session_id):
            raise GatewayError("invalid_request", "session changed; reload the conversation", param="sessionId")
        if self._desk.command_in(message) is None:
            check_send(self._settings().session.send_policy, place.session_key, entry, "webchat")
            message = await self._referring(message, params)
        elif params.reply_to_id is not None or params.work_context is not None:
            raise bad("chat.send", "replyToId and workContext can not be used with commands")
        delivery = self._delivery(call.principal, entry, params) if params.deliver else None
        try:
            await self._desk.take(message)
        except BaseException:
            if delivery is not None:
                delivery.call_off()
            raise
        finally:
            if delivery is not None:
                self._followed.discard(params.idempotency_key)
        return {"runId": params.idempotency_key, "status": "started"}

    async def _referring(self, message: ChatMessage, params: SendParams) -> ChatMessage:
        """The message with what it refers to.

        @raise GatewayError: it replies to a message that is not there.
        """
        text = message.text
        if params.reply_to_id is not None:
            page = await self._sessions.page(message.request.session_key, LOOKED_THROUGH)
            original = replied_to(page, params.reply_to_id)
            if original is None:
                raise bad("chat.send", f"replyToId is none of the newest {LOOKED_THROUGH} messages of the session")
            text = in_reply(text, original)
        if params.work_context is not None:
            text = clean("chat.send", in_context(text, params.work_context))
        if text == message.text:
            return message
        [said] = message.request.messages
        assert isinstance(said, UserMessage)
        images = tuple(part for part in said.content if not isinstance(part, TextPart))
        said = replace(said, content=(TextPart(text=text), *images))
        return replace(message, text=text, verbatim=True, request=replace(message.request, messages=(said,)))

    def _delivery(self, principal: Principal, entry: SessionEntry | None, params: SendParams) -> Delivery | None:
        """The way of an answer to whoever last spoke here over a channel; None = nobody did: it is told here. Also of a
        message that came again while it was looked at, and was quicker: one answer goes out once."""
        run_id = params.idempotency_key
        run = self._engine.get(run_id)
        if run_id in self._followed or (run is not None and not (run.outcome and run.outcome.came_to_nothing)):
            return None
        last = entry.settings.last_channel if entry is not None else ""
        if self._channels is None or last in ("", WEBCHAT) or is_bounded(principal):
            return None
        delivery = self._channels.follow(run_id, self._channels.route(entry))
        self._followed.add(run_id)
        return delivery

    async def _before(self, call: Call[SendParams], asked: str) -> str:
        """C{in_flight} or C{ok} for a key that was used before.

        @return: "" = it was not, or nothing came of it.
        @raise GatewayError: it was used for something else, or its run failed.
        """
        run_id = call.params.idempotency_key
        run = self._engine.get(run_id)
        if run is not None:
            check_same(run.request.fingerprint, asked, run.principal.id, call.principal)
            outcome = run.outcome
        else:
            stored = await self._sessions.get_run(run_id)
            if stored is None:
                return ""
            check_same(stored.fingerprint, asked, stored.principal_id, call.principal)
            outcome = remembered(stored)
        if outcome is None:
            return "in_flight"
        if outcome.came_to_nothing:
            return ""
        if outcome.error is not None and outcome.status != "aborted":
            raise GatewayError.from_info(outcome.error)
        return "ok"

    # -- chat.abort

    async def abort(self, call: Call[AbortParams]) -> Any:
        """Abort the session's runs, or one of them, however they were started."""
        params = call.params
        place = await self._seat("chat.abort", call.principal, params.agent_id, params.session_key, reserved=True)
        if params.run_id is None:
            return await self.stop(call, place, "rpc")
        self._authorise(call.principal, "agent", Target(agent_id=place.agent_id, session_key=place.session_key))
        withdrawn = self.withdraw(call, params.run_id, place)
        if withdrawn is not None:
            return withdrawn
        run = self._engine.get(params.run_id)
        if run is None or not sees_run(call.principal, run):
            return {"ok": True, "aborted": False, "runIds": []}
        if run.request.session_key != place.session_key:
            raise GatewayError("invalid_request", "runId does not match sessionKey")
        return await self._abort(call, [run], "rpc")

    def withdraw(self, call: Call[Any], run_id: str, place: Seat | None) -> Any:
        """Take a message that waits out of the queue of its session; None = none does that the client may know of.

        @param place: the session that it must be of; None = any.
        """
        message = self._desk.flow.known.waiting(run_id)
        if message is None or not may(call.principal, "runs.read", message.target):
            return None
        if place is not None and message.request.session_key != place.session_key:
            raise GatewayError("invalid_request", "runId does not match sessionKey")
        self._authorise(call.principal, "runs.cancel", message.target)
        self._desk.flow.withdraw(message, "rpc")
        return {"ok": True, "aborted": True, "runIds": [message.request.run_id]}

    async def stop(self, call: Call[Any], place: Seat, reason: str, *, queued: bool = True) -> Any:
        """Abort a session's runs and, with C{queued}, forget what waits there."""
        self._authorise(call.principal, "agent", Target(agent_id=place.agent_id, session_key=place.session_key))
        runs = [
            run
            for run in self._engine.live()
            if place.session_key in (run.request.session_key, run.request.spawned_by) and sees_run(call.principal, run)
        ]
        for run in runs:
            self._authorise(call.principal, "runs.cancel", run_target(run))
        forgotten = self._desk.flow.forget(place.session_key, reason, call.principal) if queued else []
        answer = await self._abort(call, runs, reason)
        if forgotten:
            answer = {**answer, "aborted": True, "runIds": [*answer["runIds"], *forgotten]}
        return answer

    async def _abort(self, call: Call[Any], runs: Sequence[Run], reason: str) -> Any:
        for run in runs:
            self._authorise(call.principal, "runs.cancel", run_target(run))
        aborted = [run for run in runs if run.abort(reason)]
        for run in aborted:
            if await within(self._clock, ABORT_SECONDS, Deferred.fromCoroutine(run.result())) is None:
                break
        return {"ok": True, "aborted": bool(aborted), "runIds": [run.request.run_id for run in aborted]}

    # -- chat.history

    async def history(self, call: Call[HistoryParams]) -> Any:
        """The newest messages, oldest first; an unknown session has none. C{totalMessages} stand in the transcript;
        with C{hasMore} there are older ones, and C{nextOffset} is the C{offset} to ask for them."""
        params = call.params
        asked = (call.principal, params.agent_id, params.session_key, "", self._settings().session.scope)
        place = seat("chat.history", self._agents, *asked, reserved=True, removed=True)
        place = await as_stored(self._sessions, place, params.session_key)
        target = Target(agent_id=place.agent_id, session_key=place.session_key)
        self._authorise(call.principal, "chat.history", target)
        entry = await self._sessions.get(place.session_key)
        if entry is None and self._agents.get(place.agent_id) is None:
            raise unknown_agent("chat.history", place.agent_id)
        page = await self._sessions.page(place.session_key, params.limit, params.offset or 0)
        answer: dict[str, Any] = {"sessionKey": place.session_key}
        if entry is not None:
            answer["sessionId"] = entry.session_id
        answer |= history_page(page, params)
        if params.input_run_ids is not None:
            answer["inputReceipts"] = await self._receipts(call.principal, place.session_key, params.input_run_ids)
        answer["thinkingLevel"] = (entry.settings.thinking_level if entry is not None else "") or "off"
        return answer

    async def _receipts(self, principal: Principal, session_key: str, run_ids: Sequence[str]) -> list[dict[str, str]]:
        """What became of messages: C{consumed} ones stand in the transcript; of others nothing is said."""
        receipts = []
        for run_id in dict.fromkeys(run_ids):
            run = self._engine.get(run_id)
            if run is not None and run.outcome is None and run.request.session_key == session_key:
                if sees_run(principal, run):
                    receipts.append({"runId": run_id, "state": "pending"})
                continue
            stored = await self._sessions.get_run(run_id)
            if stored is not None and stored.session_key == session_key and not stored.pending:
                receipts.append({"runId": run_id, "state": "consumed", "consumedByEventId": event_id(run_id)})
        return receipts

    async def _seat(
        self, method: str, principal: Principal, agent_id: str, session_key: str, *, reserved: bool = False
    ) -> Seat:
        scope = self._settings().session.scope
        place = seat(method, self._agents, principal, agent_id, session_key, "", scope, reserved=reserved)
        return await as_stored(self._sessions, place, session_key)
