# -*- test-case-name: tests.ws.rpc.test_agent -*-
"""C{agent}: run an agent (spec 2.10, 2.6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from msgspec import Meta
from msgspec.structs import replace

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.auth.sight import agents_for, is_bounded, sees_session
from openclaw_tx.config.schema import Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Authoriser, Channels, Delivery, Models, Run, RunEngine, Sessions
from openclaw_tx.sessions.keys import SENTINELS, parse_key
from openclaw_tx.sessions.send_policy import check_send
from openclaw_tx.values import (
    Principal,
    PromptMode,
    RunRequest,
    RunResult,
    SessionEntry,
    Target,
    UserMessage,
)
from openclaw_tx.wire.frames import MAX_ID, Natural, NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.asks import (
    Attachment,
    Seat,
    as_stored,
    bad,
    check_run_id,
    fingerprint,
    said,
    seat,
    thinking_level,
)
from openclaw_tx.ws.rpc.results import final, remembered, unless_in_vain

Key = Annotated[str, Meta(min_length=1, max_length=MAX_ID)]


class AgentParams(Params, frozen=True):
    """Params of C{agent}. docs/protocol.md says of each what it does."""

    message: NonEmpty
    idempotency_key: Key
    agent_id: str = ""
    session_key: Annotated[str, Meta(max_length=512)] = ""
    session_id: Annotated[str, Meta(max_length=128)] = ""
    timeout: Natural | None = None
    thinking: str = ""
    model: str = ""
    provider: str = ""
    extra_system_prompt: str = ""
    attachments: list[Attachment] = []
    channel: Annotated[str, Meta(max_length=64)] = ""
    lane: str = ""
    deliver: bool = False
    best_effort_deliver: bool = False
    to: str = ""
    reply_to: str = ""
    reply_channel: str = ""
    account_id: str = ""
    reply_account_id: str = ""
    thread_id: str = ""
    group_id: str = ""
    group_channel: str = ""
    group_space: str = ""
    prompt_mode: PromptMode = "full"
    """How much of its system prompt the agent gets: C{minimal} is what sub-agents get, C{none} one line."""
    expected_existing_session_id: NonEmpty | None = None
    """Run only in this conversation, though its time may be over; refused when it is not that of the session."""


class AgentMethods:
    """The family of C{agent}."""

    _log = Logger()

    def __init__(
        self,
        engine: RunEngine,
        agents: Agents,
        models: Models,
        sessions: Sessions,
        authorise: Authoriser,
        clock: IReactorTime,
        settings: Callable[[], Config] = Config,
        channels: Channels | None = None,
    ) -> None:
        self._engine = engine
        self._agents = agents
        self._models = models
        self._sessions = sessions
        self._authorise = authorise
        self._clock = clock
        self._settings = settings
        self._channels = channels

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [Method("agent", "agent", AgentParams, self.agent)]

    async def agent(self, call: Call[AgentParams]) -> Any:
        """Answer C{accepted} at once and the result under the same id at the end; a repeated key starts nothing."""
        params = call.params
        check_run_id("agent", params.idempotency_key)
        asked = fingerprint("agent", params)
        repeated = await self._repeated(call.principal, params.idempotency_key, asked)
        if repeated is None:
            request = await self._request(call.principal, params, asked, call.traceparent)
            entry = await self._sessions.get(request.session_key) if params.deliver else None
            # The same request may have come again while this one was looked at, and been quicker.
            repeated = self._in_memory(call.principal, params.idempotency_key, asked)
        if isinstance(repeated, RunResult):
            return final(repeated)
        if repeated is not None:
            return acknowledged(repeated, "in_flight" if call.modern else "accepted", call.modern)
        delivery = self._delivery(call, request, entry) if params.deliver else None
        try:
            run = self._engine.start(request, call.principal)
        except GatewayError:
            if delivery is not None:
                delivery.call_off()
            raise
        if request.thinking:
            await self._remember_thinking(request)
        call.respond(acknowledged(run, "accepted", call.modern))
        answer = final(await run.result())
        if delivery is not None:
            answer["delivery"] = await delivered(delivery, best_effort=params.best_effort_deliver)
        return answer

    def _delivery(self, call: Call[AgentParams], request: RunRequest, entry: SessionEntry | None) -> Delivery | None:
        """The way that the answer goes; None = there is none, and it does not matter.

        @param entry: of the run's session.
        @raise GatewayError: there is none.
        """
        params = call.params
        if is_bounded(call.principal):
            raise GatewayError("insufficient_scope", "keys with bounds deliver nothing over channels")
        # `to` names a session's recipient as well; where the answer goes elsewhere, that has words of its own.
        channel = params.reply_channel or params.channel
        to, account_id = params.reply_to or params.to, params.reply_account_id or params.account_id
        try:
            if self._channels is None:
                raise GatewayError("no_channels", "there are no channels")
            route = self._channels.route(entry, channel=channel, to=to, account_id=account_id)
            return self._channels.follow(request.run_id, route)
        except GatewayError:
            if params.best_effort_deliver:
                return None
            raise

    async def _remember_thinking(self, request: RunRequest) -> None:
        """A level that is asked for here is the session's from now on (spec 3.2.3); C{off} takes it back."""
        level = "" if request.thinking == "off" else request.thinking

        def change(entry: SessionEntry) -> SessionEntry:
            return replace(entry, settings=replace(entry.settings, thinking_level=level))

        try:
            await self._sessions.patch(request.session_key, change, agent_id=request.agent_id)
        except GatewayError as error:
            self._log.warn("the thinking level of {key} is not kept: {error}", key=request.session_key, error=error)

    async def _repeated(self, principal: Principal, run_id: str, asked: str) -> Run | RunResult | None:
        """The run that this key started before, or its result: from memory, or after a restart from the store. None =
        there was none, or nothing came of it.

        @raise GatewayError: C{idempotency_key_conflict}: the key was used for something else, or by somebody else.
        """
        if self._engine.get(run_id) is not None:
            return self._in_memory(principal, run_id, asked)
        stored = await self._sessions.get_run(run_id)
        if stored is None:
            return None
        check_same(stored.fingerprint, asked, stored.principal_id, principal)
        result = remembered(stored)
        return unless_in_vain(result) if result is not None else self._engine.get(run_id)

    def _in_memory(self, principal: Principal, run_id: str, asked: str) -> Run | RunResult | None:
        """As L{_repeated}, of what is in memory."""
        run = self._engine.get(run_id)
        if run is None:
            return None
        check_same(run.request.fingerprint, asked, run.principal.id, principal)
        return unless_in_vain(run.outcome) if run.outcome is not None else run

    async def _request(self, principal: Principal, params: AgentParams, asked: str, traceparent: str) -> RunRequest:
        """
        @raise GatewayError: a param that can not be honoured.
        """
        if params.lane not in ("", "main"):
            raise bad("agent", 'lane must be "main"')
        parts = said("agent", params.message, params.attachments)
        thinking = thinking_level("agent", params.thinking)
        model = self._model(params)
        place = await self._seat(principal, params)
        await self._check_policy(place, params.channel or "webchat", params.expected_existing_session_id)
        return RunRequest(
            run_id=params.idempotency_key,
            agent_id=place.agent_id,
            session_key=place.session_key,
            messages=(UserMessage(content=parts, timestamp_ms=int(self._clock.seconds() * 1000)),),
            extra_system=params.extra_system_prompt,
            model=model,
            thinking=thinking,
            timeout_s=None if params.timeout is None else float(params.timeout),
            channel=params.channel or "webchat",
            surface="ws",
            fingerprint=asked,
            traceparent=traceparent,
            prompt_mode=params.prompt_mode,
            resumes=params.expected_existing_session_id is not None,
        )

    def _model(self, params: AgentParams) -> str:
        """The ref of the model asked for, or ""."""
        if not params.model:
            if params.provider:
                raise bad("agent", "provider needs model")
            return ""
        ref = f"{params.provider}/{params.model}" if params.provider else params.model
        return self._models.info(ref).ref

    async def _seat(self, principal: Principal, params: AgentParams) -> Seat:
        """Agent and session; a session id must be that of the session, or name an explicit one."""
        scope = self._settings().session.scope
        wanted, default = params.session_id.strip(), agents_for(self._agents, principal).default_id
        if wanted and not params.session_key.strip():
            agent_id = params.agent_id.strip().lower() or None
            for found in await self._sessions.list(agent_id=agent_id, limit=20, search=wanted):
                if found.session_id == wanted and sees_session(principal, found):
                    scope = "global" if found.key in SENTINELS else scope  # it is that one, whatever the scope is now
                    place = seat("agent", self._agents, principal, params.agent_id, found.key, "", scope)
                    return await as_stored(self._sessions, place, found.key)
            agent = params.agent_id or default
            return seat("agent", self._agents, principal, agent, f"explicit:{wanted}", "", scope)
        # A recipient without an agent means the main session of the default agent.
        agent = params.agent_id or (default if params.to and not params.session_key else "")
        place = seat("agent", self._agents, principal, agent, params.session_key, params.idempotency_key, scope)
        place = await as_stored(self._sessions, place, params.session_key)
        # Before anything is said that depends on what there is.
        self._authorise(principal, "agent", Target(agent_id=place.agent_id, session_key=place.session_key))
        if wanted:
            entry = await self._sessions.get(place.session_key)
            named = parse_key(place.session_key)
            is_named = named is not None and named.rest == f"{principal.session_prefix}explicit:{wanted}".lower()
            if not is_named and (entry is None or entry.session_id != wanted):
                raise bad("agent", "sessionId is not the session of sessionKey")
        return place

    async def _check_policy(self, place: Seat, channel: str, expected: str | None) -> None:
        """
        @raise GatewayError: C{session.sendPolicy} lets nobody speak there, or it is not the C{expected} conversation.
        """
        entry = await self._sessions.get(place.session_key)
        if expected is not None and (entry is None or entry.session_id != expected):
            raise bad("agent", "expectedExistingSessionId is not the conversation of the session")
        check_send(self._settings().session.send_policy, place.session_key, entry, channel)


def acknowledged(run: Run, status: str, modern: bool) -> dict[str, Any]:
    """The first answer to C{agent}."""
    answer: dict[str, Any] = {"runId": run.request.run_id, "status": status, "acceptedAt": run.queued_at_ms}
    if modern:
        answer["sessionKey"] = run.request.session_key
        answer["agentId"] = run.request.agent_id
    return answer


async def delivered(delivery: Delivery, *, best_effort: bool) -> dict[str, str]:
    """How a delivery came out: C{status} is C{sent}, with C{messageId}; C{nothing-to-say}; or C{failed}.

    @param best_effort: a failure is no error.
    @raise GatewayError: as L{Delivery.wait}.
    """
    try:
        message_id = await delivery.wait()
    except GatewayError as error:
        if best_effort:
            return {"status": "failed", "error": error.info.message}
        raise
    return {"status": "sent", "messageId": message_id} if message_id else {"status": "nothing-to-say"}


def check_same(known: str, asked: str, owner_id: str, principal: Principal) -> None:
    """
    @raise GatewayError: C{idempotency_key_conflict}.
    """
    if known != asked or owner_id != principal.id:
        raise GatewayError("idempotency_key_conflict", "this idempotencyKey was used before for another request")
