# -*- test-case-name: tests.workers.test_together,tests.workers.test_relayed_runs -*-
# mypy: allow-untyped-calls
"""A process that only relays: runs without a session, for clients without limits; all else goes to the chief."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from openclaw_tx.auth.methods import GatewayAuthenticator
from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import Gate, sleep, spawn
from openclaw_tx.interfaces import Agents, Authenticator, Models, Run, RunEngine, Tool, ToolSource
from openclaw_tx.runs.engine import Engine
from openclaw_tx.runs.run import AgentRun
from openclaw_tx.values import Entry, RunEnded, RunStarted
from openclaw_tx.workers import messages
from openclaw_tx.workers.bus import Bus
from openclaw_tx.workers.chief_tools import ChiefTools
from openclaw_tx.workers.crew import Crew, CrewRooms, common_entropy, shared
from openclaw_tx.workers.framing import FramingError
from openclaw_tx.workers.questions import AskingAuthenticator, Questions
from openclaw_tx.workers.relayed import RelayedRuns
from openclaw_tx.workers.splice import Connect, Handing

COUNT_SECONDS = 1.0
"""How often the chief is told what was counted here."""

RETRY_SECONDS = 0.1
"""Pause between two tries to reach the chief."""


class RelayCrew(Crew):
    """See the module.

    @ivar elsewhere: the way to the chief.
    """

    is_chief = False

    def __init__(self, key: bytes, worker: int, count: int, pid: int, connect: Connect, clock: IReactorTime) -> None:
        """
        @param key: what all workers of this gateway have, and nobody else.
        @param worker: which of them this one is.
        @param count: how many they are, the chief included.
        """
        self.elsewhere = self._handing = Handing(connect, key, clock)
        self._key = key
        self._join = messages.Join(key=key, worker=worker, pid=pid)
        self._count = self.members = count
        self._connect = connect
        self._clock = clock
        self._log = Logger()
        self._bus: Bus[messages.FromChief] = self._new_bus()
        self._listening = False
        self._lost = Gate()
        self._done = False
        self._stopped = False
        self._follows: dict[int, Callable[[], None]] = {}
        self._unsaid: dict[str, AgentRun] = {}
        """Runs that the chief was not told of."""
        self._questions = Questions(self._said, self._clock)
        self._tools = ChiefTools(self._said, lambda: self._bus.connected_to)
        self._engine: Engine | None = None
        self._rooms: CrewRooms | None = None

    # -- for the composition root

    def entropy(self, size: int) -> bytes:
        """See L{Crew.entropy}."""
        return common_entropy(self._key, size)

    def share(self, settings: Callable[[], Config]) -> Callable[[], Config]:
        """See L{Crew.share}."""
        return shared(settings, self._count, chief=False)

    def tools(self, own: Iterable[Tool], sources: Sequence[ToolSource]) -> tuple[list[Tool], list[ToolSource]]:
        """See L{Crew.tools}: what a tool does, it does in the chief."""
        return [self._tools.of(tool) for tool in own], [self._tools]

    def everywhere(self, engine: Engine) -> RunEngine:
        """See L{Crew.everywhere}: only its own runs are known here."""
        self._engine = engine
        engine.subscribe(self._on_batch)
        return engine

    def admitted(self, admission: RunEngine, engine: Engine, agents: Agents, models: Models) -> RunEngine:
        """See L{Crew.admitted}."""
        return RelayedRuns(admission, engine, agents, models, self._began)

    def authenticator(self, own: Authenticator, guard: GatewayAuthenticator) -> Authenticator:
        """See L{Crew.authenticator}."""
        return AskingAuthenticator(self._questions, guard, self._clock)

    def join(self, rooms: CrewRooms) -> None:
        """See L{Crew.join}."""
        self._rooms = rooms

    def services(self) -> list[IService]:
        """See L{Crew.services}."""
        return [_Link(self, self._clock)]

    async def drained(self, seconds: float) -> None:
        """See L{Crew.drained}."""
        self._done = True
        self.count_up()
        self._said(messages.Done())

    async def answered(self, seconds: float) -> None:
        """See L{Crew.answered}."""
        await self._handing.over(seconds)

    # -- the bus

    async def reach(self) -> None:
        """Keep the bus connected, until this is cancelled."""
        while True:
            bus = self._bus = self._new_bus()
            lost = self._lost = Gate()
            try:
                await self._connect(bus)
            except (ConnectError, OSError):
                await sleep(self._clock, RETRY_SECONDS)
                continue
            await lost.wait()

    def count_up(self) -> None:
        """Tell what was counted, and of runs that nobody has been told of."""
        for run in [*self._unsaid.values()]:
            self._announce(run)
        if self._rooms is not None:
            self._said(messages.Counted(readings=self._rooms.measured()))

    def close(self) -> None:
        """End it."""
        self._stopped = True
        self._questions.close()
        self._tools.lost()
        self._bus.close()

    def _new_bus(self) -> Bus[messages.FromChief]:
        return Bus(messages.chief_message, self._heard, self._made, self._gone)

    def _made(self) -> None:
        assert self._engine is not None
        self._said(self._join)
        self._unsaid = {run.request.run_id: run for run in self._engine.live()}
        self._questions.again()
        self.count_up()
        if self._done:
            self._said(messages.Done())

    def _gone(self) -> None:
        self._listening = False
        follows, self._follows = self._follows, {}
        for stop in follows.values():
            stop()
        self._tools.lost()
        if not self._stopped:
            self._log.warn("the chief is gone; waiting for the next one")
        self._lost.open()

    def _said(self, message: messages.FromRelay) -> None:
        """Say what must arrive, if anybody is there to hear it."""
        self._bus.send(message)

    def _heard(self, message: messages.FromChief) -> None:
        if isinstance(message, messages.Verdict):
            self._questions.answered(message)
        elif isinstance(message, messages.Returned | messages.Reported | messages.Offered):
            self._tools.heard(message)
        elif isinstance(message, messages.Listen):
            self._listen(message.on)
        elif isinstance(message, messages.Follow):
            self._follow(message)
        elif isinstance(message, messages.Unfollow):
            self._unfollow(message.number)
        elif isinstance(message, messages.Abort):
            run = self._run(message.run_id)
            if run is not None:
                run.abort(message.reason)
        elif isinstance(message, messages.Look):
            run = self._run(message.run_id)
            self._said(messages.State(number=message.number, state=run.state if run is not None else None))

    # -- runs

    def _run(self, run_id: str) -> AgentRun | None:
        run = self._engine.get(run_id) if self._engine is not None else None
        return run if isinstance(run, AgentRun) else None  # messages of chats are the chief's

    def _began(self, run: Run) -> None:
        assert isinstance(run, AgentRun)
        self._unsaid[run.request.run_id] = run
        if self._listening:
            self._announce(run)

    def _announce(self, run: AgentRun) -> None:
        """Tell the chief of a run, once. That is not done before anybody can know of it: most runs are short, and then
        their begin and their end go in one piece."""
        if self._unsaid.pop(run.request.run_id, None) is not None:
            self._said(_began(run))

    def _on_batch(self, run: AgentRun, entries: Sequence[Entry]) -> None:
        last = entries[-1]
        if type(last.event) is not RunStarted:
            self._announce(run)
        if self._listening:
            self._tell(run, [entry for entry in entries if type(entry.event) is not RunEnded])
        if type(last.event) is RunEnded:
            run_id, result = run.request.run_id, last.event.result
            self._said(messages.Ended(run_id=run_id, seq=last.seq, ts_ms=last.ts_ms, result=result))

    def _tell(self, run: AgentRun, entries: Sequence[Entry]) -> None:
        """Tell what may be missed: the end of a run says all that it came to."""
        if not entries:
            return
        told = messages.Told(
            run_id=run.request.run_id, entries=tuple(entries), verbose=run.verbose, reasoning=run.reasoning
        )
        try:
            self._bus.offer(told)
        except (TypeError, FramingError) as error:
            self._log.warn("events of run {run} can not be told: {error}", run=told.run_id, error=str(error))

    def _listen(self, on: bool) -> None:
        self._listening = on
        if on and self._engine is not None:
            for run in self._engine.live():
                self._announce(run)
                self._tell(run, run.journal.held_since(0))

    def _follow(self, follow: messages.Follow) -> None:
        run = self._run(follow.run_id)
        if run is None or run.keeper is None:
            self._said(messages.Kept(number=follow.number, entries=()))
            return

        number = follow.number

        def kept(entries: Sequence[Entry]) -> None:
            try:
                if self._bus.offer(messages.Kept(number=number, entries=tuple(entries))):
                    return
            except (TypeError, FramingError) as error:
                self._log.warn("events of run {run} can not be told: {error}", run=follow.run_id, error=str(error))
            # Or the chief does not keep up: whoever follows has to come again, from where it is.
            self._said(messages.Kept(number=number, entries=()))
            self._unfollow(number)

        self._follows[number] = _nothing
        stop = run.keeper.watch(run, kept, follow.after)
        if number in self._follows:
            self._follows[number] = stop
        else:
            stop()

    def _unfollow(self, number: int) -> None:
        stop = self._follows.pop(number, None)
        if stop is not None:
            stop()


class _Link(Service):
    """Keeps the bus, and what was counted up to date."""

    def __init__(self, crew: RelayCrew, clock: IReactorTime) -> None:
        self._crew = crew
        self._clock = clock
        self._log = Logger()
        self._reaching: Deferred[Any] | None = None
        self._call: IDelayedCall | None = None

    def startService(self) -> None:
        """Begin."""
        super().startService()
        self._reaching = spawn(self._crew.reach(), self._log, "reaching the chief")
        self._call = self._clock.callLater(COUNT_SECONDS, self._count)

    def stopService(self) -> Any:
        """End."""
        super().stopService()
        if self._reaching is not None:
            self._reaching.cancel()
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._crew.close()

    def _count(self) -> None:
        self._crew.count_up()
        self._call = self._clock.callLater(COUNT_SECONDS, self._count)


def _nothing() -> None:
    """There is nothing to stop yet."""


def _began(run: AgentRun) -> messages.Began:
    request = run.request
    return messages.Began(
        run_id=request.run_id,
        agent_id=request.agent_id,
        session_key=request.session_key,
        channel=request.channel,
        stream=request.stream,
        traceparent=request.traceparent,
        principal=replace(run.principal, credential=""),
        queued_at_ms=run.queued_at_ms,
    )


__all__ = ["RelayCrew"]
