# -*- test-case-name: tests.runs.test_engine -*-
"""The only way to run an agent: admission, lanes, storage, end (design: runs/)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.config.lanes import capacities
from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import Gate
from openclaw_tx.errors import GatewayError
from openclaw_tx.ids import new_uuid
from openclaw_tx.interfaces import TurnStart
from openclaw_tx.runs import choices
from openclaw_tx.runs.carried import CarriedRun, CarriedRuns
from openclaw_tx.runs.compactor import ConversationCompactor, Subject
from openclaw_tx.runs.crowd import Crowd
from openclaw_tx.runs.dialogue import Dialogue, dated
from openclaw_tx.runs.driving import Driver
from openclaw_tx.runs.durable import DurableEvents
from openclaw_tx.runs.ended import EndedRuns
from openclaw_tx.runs.endings import committed, cut_short, for_client
from openclaw_tx.runs.lanes import Lanes
from openclaw_tx.runs.listeners import RunListeners
from openclaw_tx.runs.loop import AgentLoop
from openclaw_tx.runs.manual import SessionCompactor
from openclaw_tx.runs.notes import LedgerNotes
from openclaw_tx.runs.offers import Offers
from openclaw_tx.runs.rooms import Premises, Rooms
from openclaw_tx.runs.run import AgentRun
from openclaw_tx.runs.upkeep import Upkeep
from openclaw_tx.values import Agent, Entry, Principal, RunRequest, RunResult, SessionSettings
from openclaw_tx.wire.trace import child, trace_id

LONG_WAIT_SECONDS = 2.0
"""A wait for a place that is worth a line in the log (spec 3.8)."""

RunListener = Callable[[AgentRun, Sequence[Entry]], None]


class Engine:
    """Implements L{openclaw_tx.interfaces.RunEngine}.

    Bounds: C{agents.defaults.maxConcurrent} runs at work, C{maxQueued} waiting, C{maxQueuedPerSession} waiting for one
    session; beyond, C{queue_full}, but for principals with less than a share of those who wait (L{Crowd}). Ended runs
    are kept as L{EndedRuns} says. Between those who wait for a place in one lane the places go round by principal.

    @ivar compactor: summarises sessions when somebody asks for it (L{openclaw_tx.interfaces.Compactor}).
    """

    def __init__(
        self,
        rooms: Rooms,
        settings: Callable[[], Config],
        clock: IReactorTime,
        new_id: Callable[[], str] = new_uuid,
    ) -> None:
        """
        @param new_id: makes UUIDs, for the spans of runs.
        """
        self._new_id = new_id
        self._rooms = rooms
        self._settings = settings
        self._clock = clock
        self._log = Logger()
        self._lanes = Lanes(self._cap)
        self._premises = Premises(rooms, settings, clock, self._log, Offers())
        self._compactor = ConversationCompactor(self._premises)
        self._upkeep = Upkeep(self._premises, self._compactor)
        self.compactor = SessionCompactor(self._premises, self._compactor, self._lanes, _session_lane)
        self._live: OrderedDict[str, AgentRun] = OrderedDict()
        self._carried = CarriedRuns()
        self._ended = EndedRuns(self._carried.forget)
        self._queued = Crowd()
        self._notes = LedgerNotes(rooms.sessions, self._log)
        self._listeners = RunListeners(self._log)
        self._idle: Gate | None = None
        self.durable = DurableEvents(rooms.sessions, clock, self._log)
        self.draining = False

    # -- the seam

    def start(self, request: RunRequest, principal: Principal) -> AgentRun | CarriedRun:
        """See L{openclaw_tx.interfaces.RunEngine.start}."""
        known = self.get(request.run_id)
        if known is not None and not _free(known, request, principal):
            return known
        agent = self._admissible(request, principal)
        if known is not None:
            self._replace(known)
        request = replace(request, traceparent=child(request.traceparent, self._new_id()))
        run = AgentRun(request, principal, self._clock, self._notify, self.durable, self._carried.add)
        self._live[request.run_id] = run
        for said in request.carried:
            self._carried.add(run, said)
        self._queued.join(principal.id)
        run.driver = Driver(self._drive(run, agent), self._clock)
        run.driver.begin(self._log, f"run {request.run_id}")
        return run

    def get(self, run_id: str) -> AgentRun | CarriedRun | None:
        """See L{openclaw_tx.interfaces.RunEngine.get}."""
        return self._live.get(run_id) or self._ended.get(run_id) or self._carried.get(run_id)

    def live(self) -> Iterable[AgentRun]:
        """See L{openclaw_tx.interfaces.RunEngine.live}."""
        return list(self._live.values())

    def subscribe(self, listener: RunListener) -> Callable[[], None]:
        """See L{openclaw_tx.interfaces.RunEngine.subscribe}."""
        return self._listeners.add(listener)

    # -- for the gateway

    def at_end(self, listener: RunListener) -> Callable[[], None]:
        """As L{subscribe}, with the last batch of each run alone."""
        return self._listeners.add(listener, at_end=True)

    @property
    def busy(self) -> bool:
        """Whether a run of the main lane would have to wait for a place."""
        return len(self._queued) > 0 or self._lanes.active("main") >= self._cap("main")

    def config_changed(self) -> None:
        """Caps may have grown."""
        self._lanes.refresh()

    async def checkpoint(self) -> None:
        """Write down runs that live for a second or more, so that a crash can be reported; called every second."""
        now_ms = self._clock.seconds() * 1000
        self._ended.expire(now_ms)
        await self._notes.write(self._live.values(), self._ended.get, now_ms)

    async def quiesce(self, grace_s: float) -> None:
        """Admit nothing more, and let live runs end for C{grace_s} seconds."""
        self.draining = True
        await self._until_idle(grace_s)

    def hurry(self) -> None:
        """Wait no longer for live runs, if they are waited for."""
        if self._idle is not None:
            self._idle.open()

    async def drain(self, grace_s: float) -> None:
        """The same, then abort what is left."""
        await self.quiesce(grace_s)
        self.compactor.stop()
        # Those that wait go first, or they would get the places of the others.
        for run in sorted(self.live(), key=lambda run: run.status != "queued"):
            run.abort("shutdown")
        await self._until_idle(5.0)
        await self.durable.stop()
        await self.checkpoint()

    # -- inside

    def _cap(self, lane: str) -> int:
        if lane.startswith("session:"):
            return 1
        return capacities(self._settings()).get(lane, 1)

    def _admissible(self, request: RunRequest, principal: Principal) -> Agent:
        if self.draining:
            raise GatewayError("gateway_draining", "The gateway is shutting down.", retry_after=5)
        agent = self._rooms.agents.get(request.agent_id)
        if agent is None:
            raise GatewayError("invalid_request", f"Unknown agent '{request.agent_id}'.", param="model")
        if not request.messages:
            raise GatewayError("invalid_request", "Missing user message in `messages`.", param="messages")
        defaults = self._settings().agents.defaults
        busy = self._lanes.active(request.lane) >= self._cap(request.lane)
        full = busy and not self._queued.admits(principal.id, defaults.max_queued)
        if full or self._lanes.waiting(_session_lane(request.session_key)) >= defaults.max_queued_per_session:
            raise GatewayError("queue_full", "Too many runs are waiting; try again shortly.", retry_after=1)
        return agent

    def _replace(self, known: AgentRun | CarriedRun) -> None:
        """Forget a run that came to nothing: another one has its id now."""
        run_id = known.request.run_id
        self._ended.drop(run_id)
        self._carried.drop(run_id)
        self._notes.replaced(run_id)

    async def _drive(self, run: AgentRun, agent: Agent) -> None:
        """A run from its queues to its end. Whatever happens, the run gets its one terminal event."""
        held: list[str] = []
        turn: TurnStart | None = None
        dialogue = Dialogue((), run.request.messages)
        news: Sequence[str] = ()
        loop: AgentLoop | None = None
        timer = None
        try:
            await self._queue(run, held)
            if not run.request.stateless:
                turn = await self._rooms.sessions.begin(run.stored(), dated(run.request.messages, run.queued_at_ms))
                dialogue, news = self._upkeep.begun(turn)
            timeout = agent.timeout_s if run.request.timeout_s is None else run.request.timeout_s
            if timeout:
                timer = self._clock.callLater(timeout, run.abort, "timeout")
            settings = turn.entry.settings if turn is not None else SessionSettings()
            run.verbose = choices.verbose(settings, self._settings())
            run.reasoning = choices.reasoning(settings, self._settings())
            run.start(turn.entry.session_id if turn is not None else run.request.run_id)
            subject = self._subject(run, agent, turn, settings)
            if turn is not None:
                await self._upkeep.before(run, agent, dialogue, subject, turn.entry)
            loop = AgentLoop(run, agent, dialogue, subject, self._premises, self._compactor)
            outcome = await loop.work()
            run.go_on()
            result = run.conclude(
                "ok",
                finish_reason=outcome.finish_reason,
                tool_calls=outcome.tool_calls,
                cut_calls=outcome.cut_calls,
            )
        except CancelledError as error:
            # The driver is where an abort ends: it becomes the run's result.
            error.__traceback__ = None  # its frames hold what holds it
            result = cut_short(run)
        except GatewayError as error:
            error.__traceback__ = None  # the same
            result = run.conclude("error", error=for_client(error.info, run))
        except Exception:
            self._log.failure("run {run} failed", run=run.request.run_id, trace=trace_id(run.request.traceparent))
            result = run.conclude("error", error=GatewayError("run_failed", "internal error").info)
        # What somebody has said in between and the model did not read is at least in the record.
        dialogue.added += run.steering.close()
        if timer is not None and timer.active():
            timer.cancel()
        self._upkeep.over(run, dialogue, news)
        if run.durable:
            await self._settle(run, result)
        if turn is not None:
            tokens = loop.context_tokens if loop is not None else None
            result = await committed(self._premises, run, dialogue, tokens, result, self._notes.unstored)
        self._end(run, result)
        for lane in reversed(held):
            self._lanes.leave(lane)

    async def _queue(self, run: AgentRun, held: list[str]) -> None:
        """Wait for the session's turn, then for a place among all runs."""
        request = run.request
        try:
            if run.durable:
                await self.durable.settle(run)
            lanes = [request.lane] if request.stateless else [_session_lane(request.session_key), request.lane]
            for lane in lanes:
                since = self._clock.seconds()
                turn = self._lanes.enter(lane, run.principal.id)
                if turn is not None:
                    await turn
                held.append(lane)
                waited = self._clock.seconds() - since
                if waited > LONG_WAIT_SECONDS:
                    self._log.info(
                        "run {run} waited {waited:.1f} s in lane {lane}", run=request.run_id, waited=waited, lane=lane
                    )
        finally:
            self._queued.leave(run.principal.id)

    def _subject(self, run: AgentRun, agent: Agent, turn: TurnStart | None, settings: SessionSettings) -> Subject:
        """Which model answers, and where the conversation is kept.

        @raise GatewayError: C{model_not_found}.
        """
        request = run.request

        return Subject(
            choice=choices.choose(
                self._rooms.models, agent, request, settings, self._settings().agents.defaults, self._log
            ),
            session=turn.entry if turn is not None else None,
            agent_id=agent.id,
            name=request.run_id if request.stateless else request.session_key,
            traceparent=request.traceparent,
            spend=run.spend,
        )

    async def _settle(self, run: AgentRun, result: RunResult) -> None:
        """Make what a durable run has told, and how it ends, survive a crash before anybody hears of the end."""
        try:
            await self.durable.settle(run, result)
        except CancelledError:
            pass  # The store closed under it: what is not written now never will be.
        except GatewayError as error:
            what = error.info.message
            self._log.warn("the end of run {run} waits for the store: {error}", run=run.request.run_id, error=what)

    def _end(self, run: AgentRun, result: RunResult) -> None:
        run_id = run.request.run_id
        del self._live[run_id]
        self._ended.hold(run)
        self._notes.ended(run)
        run.finish(result)
        run.driver = None
        run.let_go()
        self._ended.add(run)
        if self._idle is not None and not self._live:
            self._idle.open()

    async def _until_idle(self, seconds: float) -> None:
        if not self._live:
            return
        self._idle = Gate()
        timer = self._clock.callLater(seconds, self._idle.open)
        await self._idle.wait()
        if timer.active():
            timer.cancel()
        self._idle = None

    def _notify(self, run: AgentRun, batch: Sequence[Entry]) -> None:
        if run.durable:
            self.durable.noticed(run)
        self._listeners.tell(run, batch)


def _session_lane(session_key: str) -> str:
    return f"session:{session_key}"


def _free(known: AgentRun | CarriedRun, request: RunRequest, principal: Principal) -> bool:
    """Whether a request may have the id of the run that it repeats: nothing came of that one."""
    if known.principal.id != principal.id or known.request.fingerprint != request.fingerprint:
        raise GatewayError("idempotency_key_conflict", "This run id was used before for another request.")
    return known.outcome is not None and known.outcome.came_to_nothing


__all__ = ["Engine", "Rooms", "RunListener"]
