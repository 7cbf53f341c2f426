# -*- test-case-name: tests.web.test_runs -*-
"""C{/v1/runs}: start a run without waiting for it, read it, cancel it, watch it (docs/runs.md)."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs

from msgspec.structs import replace

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.actions import no_such_run
from openclaw_tx.config.schema import Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Fetcher, Run
from openclaw_tx.runs.archive import Archive
from openclaw_tx.runs.attendance import Attendance
from openclaw_tx.runs.stored import StoredView
from openclaw_tx.values import Principal, Target
from openclaw_tx.web.addressing import SESSION_HEADER, agent_header
from openclaw_tx.web.chat import ChatCompletions, ChatEndpoint
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.guard import Guard
from openclaw_tx.web.reading import BodyReader
from openclaw_tx.web.resource import NewId
from openclaw_tx.web.run_watch import RunWatch
from openclaw_tx.web.starting import Starter
from openclaw_tx.wire.run_events import cursor_of, cursor_param
from openclaw_tx.wire.run_object import run_body
from openclaw_tx.wire.run_request import parse_run

CANCELLED = "request"
"""C{abort_reason} of a run that was cancelled here."""


class RunCollection(ChatCompletions):
    """C{POST /v1/runs}: asks what a chat request asks, and is answered at once."""

    action = "runs.create"

    def __init__(
        self,
        guard: Guard,
        new_id: NewId,
        settings: Callable[[], Config],
        starter: Starter,
        agents: Agents,
        clock: IReactorTime,
        fetcher: Fetcher | None,
        reader: BodyReader,
        archive: Archive,
    ) -> None:
        super().__init__(guard, new_id, settings, starter, agents, clock, fetcher, reader)
        self._archive = archive

    async def serve(self, exchange: Exchange, principal: Principal) -> None:
        """Start a run that does not need its client; see L{Endpoint.serve}."""
        settings = self.settings
        ask = await self._reader.read(parse_run, await exchange.body(settings.max_body_bytes))
        fields = {
            **_say(exchange, "agent", ask.agent, *agent_header(exchange)),
            **_say(exchange, "session", ask.session, SESSION_HEADER, exchange.header(SESSION_HEADER) or ""),
        }
        try:
            _, request, known = await self._asked(exchange, principal, ask.chat, settings)
            request = replace(request, run_id=f"run_{self._new_id()}", durable=True)
            run = await self._starter.start(exchange, principal, request, attended=False, known=known)
        except GatewayError as error:
            raise GatewayError.from_info(ask.as_sent(error.info, fields)) from None
        try:
            await self._archive.keep(run.run)
        except CancelledError:
            if not run.request.idempotency:
                # Nobody has learnt its id, and nobody can find it.
                run.abort("cancelled")
            raise
        exchange.set_header("Location", f"/v1/runs/{run.request.run_id}")
        exchange.send_json(run_body(run.state), 202)


class RunEndpoint(ChatEndpoint):
    """Something about one run, whose id is in the path."""

    position = -1
    """Where in the path the id is."""

    def __init__(self, guard: Guard, new_id: NewId, settings: Callable[[], Config], archive: Archive) -> None:
        super().__init__(guard, new_id, settings)
        self._archive = archive

    async def _find(self, exchange: Exchange, principal: Principal, action: str, *, events: bool = False) -> Run:
        """The run that the path names. One that may not be seen looks like one that is not there, and takes as long.

        @param events: it is going to be watched.
        @raise GatewayError: C{run_not_found}.
        """
        run_id = (exchange.request.prepath or [b""])[self.position].decode("utf-8", "replace")
        run = await self._archive.find(run_id)
        if run is None:
            raise no_such_run()
        if not self._may(principal, action, run):
            if not isinstance(run, StoredView):
                await self._archive.look_up(run_id)
            raise no_such_run()
        if events and isinstance(run, StoredView):
            run = await self._archive.find(run_id, events=True) or run
        return run

    def _may(self, principal: Principal, action: str, run: Run) -> bool:
        key = None if run.request.stateless else run.request.session_key
        target = Target(agent_id=run.request.agent_id, session_key=key, owner_id=run.principal.id)
        try:
            self._guard.authorise(principal, action, target)
        except GatewayError:
            return False
        return True


class OneRun(RunEndpoint):
    """C{GET} and C{DELETE /v1/runs/<id>}."""

    methods = (b"GET", b"HEAD", b"DELETE")

    def action_of(self, method: bytes) -> str:
        """Reading, or cancelling."""
        return "runs.cancel" if method == b"DELETE" else "runs.read"

    async def serve(self, exchange: Exchange, principal: Principal) -> None:
        """Show it as it stands; C{DELETE} cancels it first, unless it has ended."""
        action = self.action_of(exchange.request.method)
        cancels = action == "runs.cancel"
        run = await self._find(exchange, principal, action)
        if cancels:
            run.abort(CANCELLED)
        state = run.state
        exchange.send_json(run_body(state), 202 if cancels and not state.ended else 200)


class RunEvents(RunEndpoint):
    """C{GET /v1/runs/<id>/events}."""

    methods = (b"GET",)
    action = "runs.events"
    position = -2

    def __init__(
        self,
        guard: Guard,
        new_id: NewId,
        settings: Callable[[], Config],
        archive: Archive,
        attendance: Attendance,
        clock: IReactorTime,
    ) -> None:
        super().__init__(guard, new_id, settings, archive)
        self._attendance = attendance
        self._clock = clock

    async def serve(self, exchange: Exchange, principal: Principal) -> None:
        """Stream them from where the client is; see L{Endpoint.serve}."""
        query = parse_qs(exchange.request.uri.partition(b"?")[2].decode("latin-1"), keep_blank_values=True)
        header = exchange.header("last-event-id")
        after = cursor_of(header, query.get("after", [""])[0])
        run = await self._find(exchange, principal, self.action, events=True)
        state = run.state
        exchange.set_header("X-Openclaw-Run-Id", state.run_id)
        if after > state.last_seq:
            raise GatewayError("invalid_request", f"This run has no event {after} yet.", param=cursor_param(header))
        if state.ended and after == state.last_seq:
            # What a reconnecting EventSource takes for the end (WHATWG HTML, 9.2.2).
            exchange.send_nothing()
            return
        watch = RunWatch(
            exchange,
            self._clock,
            after,
            keep_alive=self.settings.keep_alive_seconds,
            still_valid=lambda: self._guard.authenticator.is_valid(principal),
        )
        leave = self._attendance.attend(run)
        try:
            await watch.follow(lambda push: self._archive.watch(run, push, after))
        finally:
            leave()


def _say(exchange: Exchange, field: str, value: str, name: str, header: str) -> dict[str, str]:
    """A field of the body is another way to send a header.

    @param name: of the header.
    @param header: what it says; "" = it was not sent.
    @return: the header that the field now stands for, and the field; empty when there is none.
    @raise GatewayError: C{invalid_request}: both were used, for different things.
    """
    if not value or header == value:
        return {}
    if header:
        raise GatewayError("invalid_request", f"`{field}` and `{name}` say different things.", param=field)
    exchange.put_header(name, value)
    return {name: field}


__all__ = ["CANCELLED", "OneRun", "RunCollection", "RunEvents"]
