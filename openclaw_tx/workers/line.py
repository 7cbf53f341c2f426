# -*- test-case-name: tests.workers -*-
"""The chief's end of the bus to one relay: its questions, its runs, and the tools that they call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec.structs import replace

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.auth.sight import agents_for
from openclaw_tx.deferreds import Gate, spawn
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Push
from openclaw_tx.runs.tool_calls import CallContext
from openclaw_tx.tally import Measured
from openclaw_tx.values import Credentials, RunState, ToolEvent, ToolResult
from openclaw_tx.wire.halves import whole
from openclaw_tx.workers import messages
from openclaw_tx.workers.bus import Bus
from openclaw_tx.workers.crew import CrewRooms
from openclaw_tx.workers.distant import RelayRun
from openclaw_tx.workers.fleet import Fleet
from openclaw_tx.workers.framing import FramingError

MAX_ASKS = 10_000
"""Questions of one relay that are being answered; more are refused with C{queue_full}."""

LOOK_SECONDS = 2.0
"""How long a relay may take to say how a run stands."""


class Chief(Protocol):
    """What a line needs of its chief."""

    rooms: CrewRooms
    fleet: Fleet
    clock: IReactorTime

    def listen(self) -> Callable[[], None]:
        """See L{openclaw_tx.workers.distant.Line.listen}."""

    def welcome(self, line: Line) -> None:
        """It can be spoken to."""

    def changed(self) -> None:
        """Something that is waited for may have come."""


class Line:
    """Implements L{openclaw_tx.workers.distant.Line}.

    @ivar done: its runs have ended, for good.
    @ivar measured: what it counted, as it last said.
    @ivar live: its runs that have not ended, by id.
    """

    def __init__(self, chief: Chief, joined: messages.Join) -> None:
        self.worker = joined.worker
        self.pid = joined.pid
        self.done = False
        self.measured: Mapping[str, Measured] = {}
        self.live: dict[str, RelayRun] = {}
        self.gone = Gate()
        self.bus: Bus[messages.FromRelay] = Bus(
            messages.relay_message, self._heard, lambda: chief.welcome(self), self._lost
        )
        self._chief = chief
        self._asks = 0
        self._next = 0
        self._looks: dict[int, Deferred[RunState | None]] = {}
        self._follows: dict[int, Push] = {}
        self._calls: dict[int, Deferred[Any]] = {}
        self._work: set[Deferred[Any]] = set()
        self._log = Logger()

    # -- for its runs

    def abort(self, run_id: str, reason: str) -> None:
        """See L{openclaw_tx.workers.distant.Line.abort}."""
        self.bus.send(messages.Abort(run_id=run_id, reason=reason))

    async def look(self, run_id: str) -> RunState | None:
        """See L{openclaw_tx.workers.distant.Line.look}."""
        if self.gone.opened:
            return None
        number = self._number()
        waiting: Deferred[RunState | None] = Deferred()
        self._looks[number] = waiting
        late = self._chief.clock.callLater(LOOK_SECONDS, waiting.callback, None)
        try:
            self.bus.send(messages.Look(number=number, run_id=run_id))
            return await waiting
        finally:
            self._looks.pop(number, None)
            if late.active():
                late.cancel()

    def follow(self, run_id: str, push: Push, after: int) -> Callable[[], None]:
        """See L{openclaw_tx.workers.distant.Line.follow}."""
        if self.gone.opened:
            push(())
            return _nothing
        number = self._number()
        self._follows[number] = push
        self.bus.send(messages.Follow(number=number, run_id=run_id, after=after))

        def stop() -> None:
            if self._follows.pop(number, None) is not None:
                self.bus.send(messages.Unfollow(number=number))

        return stop

    def listen(self) -> Callable[[], None]:
        """See L{openclaw_tx.workers.distant.Line.listen}."""
        return self._chief.listen()

    # -- what the relay says

    def _heard(self, message: messages.FromRelay) -> None:
        fleet = self._chief.fleet
        if isinstance(message, messages.Ask):
            self._asked(message)
        elif isinstance(message, messages.Began):
            run = self.live[message.run_id] = RelayRun(message, self)
            fleet.began(run)
        elif isinstance(message, messages.Told):
            if (known := self.live.get(message.run_id)) is not None:
                fleet.said(known, known.told(message))
        elif isinstance(message, messages.Ended):
            if (known := self.live.pop(message.run_id, None)) is not None:
                fleet.said(known, known.ended(message))
        elif isinstance(message, messages.Kept):
            push = self._follows.get(message.number)
            if push is not None:
                push(message.entries)
        elif isinstance(message, messages.State):
            waiting = self._looks.get(message.number)
            if waiting is not None and not waiting.called:
                waiting.callback(message.state)
        elif isinstance(message, messages.Call):
            self._called(message)
        elif isinstance(message, messages.Recall):
            if (call := self._calls.get(message.number)) is not None:
                call.cancel()
        elif isinstance(message, messages.Counted):
            self.measured = message.readings
        elif isinstance(message, messages.Done):
            self.done = True
            self._chief.changed()

    def _lost(self) -> None:
        now_ms = int(self._chief.clock.seconds() * 1000)
        self.gone.open()
        for waiting in [*self._looks.values()]:
            if not waiting.called:
                waiting.callback(None)
        for work in [*self._work]:
            work.cancel()
        for run in [*self.live.values()]:
            self._chief.fleet.said(run, run.interrupted(now_ms))
        self.live.clear()
        follows, self._follows = self._follows, {}
        for push in follows.values():
            push(())
        self._chief.changed()

    # -- who is asking

    def _asked(self, ask: messages.Ask) -> None:
        if self._asks >= MAX_ASKS:
            busy = GatewayError("queue_full", "Too many requests are waiting; try again shortly.", retry_after=1)
            self.bus.send(messages.Verdict(number=ask.number, error=busy.info))
            return
        self._asks += 1
        self._do(self._judge(ask), "telling a relay who is asking")

    async def _judge(self, ask: messages.Ask) -> None:
        verdict = messages.Verdict(number=ask.number)
        try:
            credentials = Credentials(token=ask.token, password=ask.password)
            principal = await self._chief.rooms.authenticator.authenticate(credentials, AskedPeer(ask))
            # Limits are counted here, and devices' tokens known: such clients are served here too.
            if principal.method != "device-token" and not self._chief.rooms.limited(principal):
                verdict = replace(verdict, principal=principal)
        except CancelledError:
            raise
        except GatewayError as error:
            verdict = replace(verdict, error=error.info)
        finally:
            self._asks -= 1
        self.bus.send(verdict)

    # -- tools

    def _called(self, call: messages.Call) -> None:
        at_work = self._do(self._call(call), f"tool {call.name} of run {call.run_id}")
        if not at_work.called:
            self._calls[call.number] = at_work

    async def _call(self, call: messages.Call) -> None:
        try:
            returned = messages.Returned(number=call.number, result=await self._result(call))
        except CancelledError:
            raise
        except Exception as error:
            if not isinstance(error, GatewayError):
                self._log.failure("tool {name} failed", name=call.name)
            returned = messages.Returned(number=call.number, failure=str(error))
        finally:
            self._calls.pop(call.number, None)
        try:
            try:
                self.bus.send(returned)
            except TypeError:
                # What a tool adds for clients may be of any type; the model reads the text.
                result = returned.result
                plain = replace(result, text=whole(result.text), details=None) if result is not None else None
                self.bus.send(replace(returned, result=plain, failure=whole(returned.failure)))
        except FramingError:
            self.bus.send(messages.Returned(number=call.number, failure="its result is too large"))

    async def _result(self, call: messages.Call) -> ToolResult:
        rooms = self._chief.rooms
        tool = next((tool for tool in rooms.tools() if tool.spec.name == call.name), None)
        agent = rooms.agents.get(call.agent_id)
        if tool is None or agent is None:
            raise GatewayError("not_found", "it is not there any more")

        def report(event: ToolEvent) -> None:
            try:
                self.bus.offer(messages.Reported(number=call.number, event=event))
            except (TypeError, FramingError) as error:
                self._log.warn("what tool {name} reports can not be told: {error}", name=call.name, error=str(error))

        context = CallContext(
            agent=agent,
            agents=agents_for(rooms.agents, call.principal),
            principal=call.principal,
            session_key=call.session_key,
            run_id=call.run_id,
            model=call.model,
            usage=call.usage,
            clock=self._chief.clock,
            call_id=call.call_id,
            channel=call.channel,
            stateless=True,
            report=report,
        )
        return await tool.call(call.arguments, context)

    # -- inside

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _do(self, work: Any, what: str) -> Deferred[Any]:
        deferred = spawn(work, self._log, what)
        if not deferred.called:
            self._work.add(deferred)
            deferred.addBoth(lambda _: self._work.discard(deferred))
        return deferred


class AskedPeer:
    """Implements L{openclaw_tx.interfaces.Peer}: a relay's client."""

    def __init__(self, ask: messages.Ask) -> None:
        self.address = ask.address
        self._headers = dict(ask.headers)

    def header(self, name: str) -> str | None:
        """See L{openclaw_tx.interfaces.Peer.header}."""
        return self._headers.get(name.lower())


def _nothing() -> None:
    """There is nothing to do."""


__all__ = ["AskedPeer", "Line"]
