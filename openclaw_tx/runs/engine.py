# -*- test-case-name: tests.runs.test_engine -*-
"""The only way to run an agent: admission, lanes, storage, end (design: runs/)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import Gate, spawn
from openclaw_tx.errors import ErrorInfo, GatewayError
from openclaw_tx.interfaces import Agents, Models, Sessions, Tools, TurnStart
from openclaw_tx.runs.lanes import Lanes
from openclaw_tx.runs.loop import AgentLoop, ArgumentDecoder
from openclaw_tx.runs.run import AgentRun
from openclaw_tx.values import Agent, AssistantMessage, Entry, Message, Principal, RunRequest, RunResult

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

    def __init__(self, rooms: Rooms, settings: Callable[[], Config], clock: IReactorTime) -> None:
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
        self.draining = False

    # -- the seam

    def start(self, request: RunRequest, principal: Principal) -> AgentRun:
        """See L{openclaw_tx.interfaces.RunEngine.start}."""
        known = self.get(request.run_id)
        if known is not None:
            return _joined(known, request, principal)
        agent = self._admissible(request)
        run = AgentRun(request, principal, self._clock, self._notify)
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
        for run in self.live():
            run.abort("shutdown")
        await self._until_idle(5.0)
        await self.checkpoint()

    # -- inside

    def _cap(self, lane: str) -> int:
        if lane.startswith("session:"):
            return 1
        defaults = self._settings().agents.defaults
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
            result = run.conclude("ok", finish_reason=outcome.finish_reason, tool_calls=outcome.tool_calls)
        except CancelledError:
            # The driver is where an abort ends: it becomes the run's result.
            result = _cut_short(run)
        except GatewayError as error:
            result = run.conclude("error", error=_for_client(error.info, run))
        except Exception:
            self._log.failure("run {id} failed", id=run.request.run_id)
            result = run.conclude("error", error=GatewayError("run_failed", "internal error").info)
        if timer is not None and timer.active():
            timer.cancel()
        if turn is not None:
            result = await self._commit(run, turn, loop, result)
        self._end(run, result)
        for lane in reversed(held):
            self._lanes.leave(lane)

    async def _queue(self, run: AgentRun, held: list[str]) -> None:
        """Wait for the session's turn, then for a place among all runs."""
        try:
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
            max_rounds=self._settings().agents.defaults.max_tool_rounds,
            clock=self._clock,
            log=self._log,
        )

    async def _commit(self, run: AgentRun, turn: TurnStart, loop: AgentLoop | None, result: RunResult) -> RunResult:
        """Make the turn durable; only then is the answer final."""
        added: list[Message] = list(loop.added if loop is not None else turn.added)
        if result.status != "ok":
            added.append(_unfinished(run, result))
        try:
            await self._rooms.sessions.commit(
                run.stored(result),
                added,
                model_provider=result.provider,
                model=result.model,
                context_tokens=loop.context_tokens if loop is not None else None,
            )
        except GatewayError as error:
            return run.conclude("error", error=error.info)
        except CancelledError:
            # The store closed under the run: whether the turn was written is not known.
            return run.conclude("error", error=GatewayError("storage_unavailable", "The store was closed.").info)
        except Exception:
            self._log.failure("run {id} could not be stored", id=run.request.run_id)
            return run.conclude("error", error=GatewayError("storage_unavailable", "The turn was not stored.").info)
        return result

    def _end(self, run: AgentRun, result: RunResult) -> None:
        run_id = run.request.run_id
        del self._live[run_id]
        self._ended[run_id] = run
        if run_id in self._checkpointed:
            self._checkpointed.discard(run_id)
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


def _cut_short(run: AgentRun) -> RunResult:
    """The result of a cancelled run: a timeout is an error, everything else an abort."""
    if run.abort_reason == "timeout":
        error = GatewayError("run_timeout", "The run took too long and was stopped.")
        return run.conclude("error", error=error.info)
    if run.abort_reason == "shutdown":
        error = GatewayError("gateway_restarting", "The gateway shut down before the run had ended.")
        return run.conclude("aborted", error=error.info)
    reason = run.abort_reason or "cancelled"
    return run.conclude("aborted", error=GatewayError("run_aborted", f"The run was aborted ({reason}).").info)


def _for_client(info: ErrorInfo, run: AgentRun) -> ErrorInfo:
    """Once a tool has run, a blind retry would run it again: say so."""
    if not run.effects or info.should_retry is False:
        return info
    return GatewayError(
        info.code,
        info.message,
        param=info.param,
        retry_after=info.retry_after,
        should_retry=False,
        details=info.details,
    ).info


def _unfinished(run: AgentRun, result: RunResult) -> AssistantMessage:
    """Closes the turn of a run that did not end well: what the open message had said, and why it stopped."""
    return AssistantMessage(
        text=run.open_text,
        stop_reason="aborted" if result.status == "aborted" else "error",
        provider=run.provider,
        model=run.model,
        error_message=result.error.message if result.error is not None else "",
        timestamp_ms=result.ended_at_ms,
    )
