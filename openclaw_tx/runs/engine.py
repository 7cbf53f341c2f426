# -*- test-case-name: tests.runs.test_engine -*-
"""The only way to run an agent: admission, lanes, storage, end (design: runs/)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple
from uuid import uuid4

from msgspec.structs import replace

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import Gate, spawn
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Models, Sessions, Tools, TurnStart
from openclaw_tx.runs.durable import DurableEvents
from openclaw_tx.runs.endings import cut_short, for_client, unfinished
from openclaw_tx.runs.lanes import Lanes
from openclaw_tx.runs.loop import AgentLoop, ArgumentDecoder
from openclaw_tx.runs.run import AgentRun
from openclaw_tx.values import Agent, Entry, Message, Principal, RunRequest, RunResult
from openclaw_tx.wire.trace import child, trace_id

KEEP_SECONDS = 600
"""How long an ended run is remembered (spec 3.6)."""

KEEP_RUNS = 1000
"""How many ended runs are remembered at most (spec 2.6)."""

KEEP_BYTES = 16 * 1024 * 1024
"""How many bytes their journals may hold together; the oldest go first."""

CHECKPOINT_AGE_MS = 1000
"""Age from which a live run is written down by L{Engine.checkpoint}."""

RunListener = Callable[[AgentRun, Sequence[Entry]], None]


class Rooms(NamedTuple):
    """What a run needs, by seam."""

    agents: Agents
    models: Models
    tools: Tools
    sessions: Sessions
    decode_arguments: ArgumentDecoder


class Engine:
    """Implements L{openclaw_tx.interfaces.RunEngine}.

    Bounds: C{agents.defaults.maxConcurrent} runs at work, C{maxQueued} waiting, C{maxQueuedPerSession} waiting for one
    session; beyond, C{queue_full}. Ended runs are kept by the three C{KEEP_*} constants.
    """

    def __init__(
        self,
        rooms: Rooms,
        settings: Callable[[], Config],
        clock: IReactorTime,
        new_id: Callable[[], str] = lambda: str(uuid4()),
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
        self._live: OrderedDict[str, AgentRun] = OrderedDict()
        self._ended: OrderedDict[str, AgentRun] = OrderedDict()
        self._ended_bytes = 0
        self._queued = 0
        self._checkpointed: set[str] = set()
        self._to_forget: list[str] = []
        self._listeners: dict[int, RunListener] = {}
        self._next_listener = 0
        self._idle: Gate | None = None
        self.durable = DurableEvents(rooms.sessions, clock, self._log)
        self.draining = False

    # -- the seam

    def start(self, request: RunRequest, principal: Principal) -> AgentRun:
        """See L{openclaw_tx.interfaces.RunEngine.start}."""
        known = self.get(request.run_id)
        if known is not None:
            return _joined(known, request, principal)
        agent = self._admissible(request)
        request = replace(request, traceparent=child(request.traceparent, self._new_id()))
        run = AgentRun(request, principal, self._clock, self._notify, self.durable)
        self._live[request.run_id] = run
        self._queued += 1
        run.task = spawn(self._drive(run, agent), self._log, f"run {request.run_id}")
        return run

    def get(self, run_id: str) -> AgentRun | None:
        """See L{openclaw_tx.interfaces.RunEngine.get}."""
        return self._live.get(run_id) or self._ended.get(run_id)

    def live(self) -> Iterable[AgentRun]:
        """See L{openclaw_tx.interfaces.RunEngine.live}."""
        return list(self._live.values())

    def subscribe(self, listener: RunListener) -> Callable[[], None]:
        """See L{openclaw_tx.interfaces.RunEngine.subscribe}."""
        number = self._next_listener
        self._next_listener += 1
        self._listeners[number] = listener

        def stop() -> None:
            self._listeners.pop(number, None)

        return stop

    # -- for the gateway

    def config_changed(self) -> None:
        """Caps may have grown."""
        self._lanes.refresh()

    async def checkpoint(self) -> None:
        """Write down runs that live for a second or more, so that a crash can be reported; called every second."""
        now = self._clock.seconds() * 1000
        due = [run for run in self._live.values() if run.started_at_ms and now - run.started_at_ms >= CHECKPOINT_AGE_MS]
        ended, self._to_forget = self._to_forget, []
        self._expire(now)
        # Somebody may have begun to watch the events of one that had ended.
        ended = [run_id for run_id in ended if run_id not in self._ended or not self._ended[run_id].durable]
        if not due and not ended:
            return
        self._checkpointed.update(run.request.run_id for run in due if run.request.stateless)
        try:
            await self._rooms.sessions.checkpoint([run.stored() for run in due], ended)
        except GatewayError as error:
            self._to_forget = ended + self._to_forget
            self._log.warn("checkpoint of live runs failed: {error}", error=error.info.message)

    async def drain(self, grace_s: float) -> None:
        """Admit nothing more, let live runs end for C{grace_s} seconds, then abort what is left."""
        self.draining = True
        await self._until_idle(grace_s)
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
        defaults = self._settings().agents.defaults
        if lane == "nested":
            # A run of another lane waits for each of these.
            return 4 * defaults.max_concurrent
        return defaults.subagents.max_concurrent if lane == "subagent" else defaults.max_concurrent

    def _admissible(self, request: RunRequest) -> Agent:
        if self.draining:
            raise GatewayError("gateway_draining", "The gateway is shutting down.", retry_after=5)
        agent = self._rooms.agents.get(request.agent_id)
        if agent is None:
            raise GatewayError("invalid_request", f"Unknown agent '{request.agent_id}'.", param="model")
        if not request.messages:
            raise GatewayError("invalid_request", "Missing user message in `messages`.", param="messages")
        defaults = self._settings().agents.defaults
        full = self._queued >= defaults.max_queued and self._lanes.active(request.lane) >= self._cap(request.lane)
        if full or self._lanes.waiting(_session_lane(request)) >= defaults.max_queued_per_session:
            raise GatewayError("queue_full", "Too many runs are waiting; try again shortly.", retry_after=1)
        return agent

    async def _drive(self, run: AgentRun, agent: Agent) -> None:
        """A run from its queues to its end. Whatever happens, the run gets its one terminal event."""
        held: list[str] = []
        turn: TurnStart | None = None
        loop: AgentLoop | None = None
        timer = None
        try:
            await self._queue(run, held)
            if not run.request.stateless:
                turn = await self._rooms.sessions.begin(run.stored(), run.request.messages)
            timeout = agent.timeout_s if run.request.timeout_s is None else run.request.timeout_s
            if timeout:
                timer = self._clock.callLater(timeout, run.abort, "timeout")
            run.start(turn.entry.session_id if turn is not None else run.request.run_id)
            loop = self._loop(run, agent, turn)
            outcome = await loop.work()
            result = run.conclude(
                "ok", finish_reason=outcome.finish_reason, tool_calls=outcome.tool_calls, refusal=outcome.refusal
            )
        except CancelledError:
            # The driver is where an abort ends: it becomes the run's result.
            result = cut_short(run)
        except GatewayError as error:
            result = run.conclude("error", error=for_client(error.info, run))
        except Exception:
            self._log.failure("run {run} failed", run=run.request.run_id, trace=trace_id(run.request.traceparent))
            result = run.conclude("error", error=GatewayError("run_failed", "internal error").info)
        if timer is not None and timer.active():
            timer.cancel()
        if run.durable:
            await self._settle(run, result)
        if turn is not None:
            result = await self._commit(run, turn, loop, result)
        self._end(run, result)
        for lane in reversed(held):
            self._lanes.leave(lane)

    async def _queue(self, run: AgentRun, held: list[str]) -> None:
        """Wait for the session's turn, then for a place among all runs."""
        try:
            if run.durable:
                await self.durable.settle(run)
            lanes = [run.request.lane] if run.request.stateless else [_session_lane(run.request), run.request.lane]
            for lane in lanes:
                turn = self._lanes.enter(lane)
                if turn is not None:
                    await turn
                held.append(lane)
        finally:
            self._queued -= 1

    def _loop(self, run: AgentRun, agent: Agent, turn: TurnStart | None) -> AgentLoop:
        return AgentLoop(
            run,
            agent,
            turn.history if turn is not None else (),
            turn.added if turn is not None else run.request.messages,
            agents=self._rooms.agents,
            models=self._rooms.models,
            tools=self._rooms.tools,
            decode_arguments=self._rooms.decode_arguments,
            limits=self._settings().agents.defaults,
            clock=self._clock,
            log=self._log,
        )

    async def _commit(self, run: AgentRun, turn: TurnStart, loop: AgentLoop | None, result: RunResult) -> RunResult:
        """Make the turn durable; only then is the answer final."""
        added: list[Message] = list(loop.added if loop is not None else turn.added)
        if result.status != "ok":
            added.append(unfinished(run, result))
        try:
            await self._rooms.sessions.commit(
                run.stored(result),
                added,
                model_provider=result.provider,
                model=result.model,
                context_tokens=loop.context_tokens if loop is not None else None,
            )
        except GatewayError as error:
            return run.conclude("error", error=for_client(error.info, run))
        except CancelledError:
            # The store closed under the run: whether the turn was written is not known.
            closed = GatewayError("storage_unavailable", "The store was closed.")
            return run.conclude("error", error=for_client(closed.info, run))
        except Exception:
            self._log.failure("run {run} could not be stored", run=run.request.run_id)
            failed = GatewayError("storage_unavailable", "The turn was not stored.")
            return run.conclude("error", error=for_client(failed.info, run))
        return result

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
        self._ended[run_id] = run
        if run_id in self._checkpointed:
            self._checkpointed.discard(run_id)
            if not run.durable:
                self._to_forget.append(run_id)
        run.finish(result)
        run.task = None
        self._ended_bytes += run.journal.held
        while len(self._ended) > KEEP_RUNS or self._ended_bytes > KEEP_BYTES:
            self._forget_oldest()
        if self._idle is not None and not self._live:
            self._idle.open()

    def _expire(self, now_ms: float) -> None:
        while self._ended:
            oldest = next(iter(self._ended.values())).outcome
            if oldest is not None and now_ms - oldest.ended_at_ms <= KEEP_SECONDS * 1000:
                return
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, run = self._ended.popitem(last=False)
        self._ended_bytes -= run.journal.held

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
        for listener in list(self._listeners.values()):
            try:
                listener(run, batch)
            except Exception:
                self._log.failure("a listener of run events failed")


def _session_lane(request: RunRequest) -> str:
    return f"session:{request.session_key}"


def _joined(known: AgentRun, request: RunRequest, principal: Principal) -> AgentRun:
    """The run that this request repeats."""
    if known.principal.id != principal.id or known.request.fingerprint != request.fingerprint:
        raise GatewayError("idempotency_key_conflict", "This run id was used before for another request.")
    return known
