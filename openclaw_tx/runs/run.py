# -*- test-case-name: tests.runs.test_engine -*-
"""One agent turn as the surfaces see it: a journal to watch, a result to await, a way to abort."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.deferreds import Gate
from openclaw_tx.errors import ErrorInfo
from openclaw_tx.interfaces import Push
from openclaw_tx.runs.driving import Driver
from openclaw_tx.runs.journal import Journal, only_after
from openclaw_tx.runs.keeper import Keeper
from openclaw_tx.runs.machine import RunMachine, Terminal
from openclaw_tx.runs.speech import Speech
from openclaw_tx.runs.steering import Steering
from openclaw_tx.runs.times import Times
from openclaw_tx.values import (
    Carried,
    Entry,
    FinishReason,
    MessageEnded,
    Principal,
    PromptReport,
    RunEnded,
    RunEvent,
    RunRequest,
    RunResult,
    RunStarted,
    RunState,
    RunStatus,
    Sampling,
    StoredRun,
    TextDelta,
    ToolCall,
    Usage,
)

MAX_PARTIAL = 256 * 1024
"""Characters of partial text that a checkpoint writes down."""


class AgentRun:
    """A run (L{openclaw_tx.interfaces.Run}). The engine alone drives it.

    @ivar driver: the running coroutine; cancelling it is how every abort works.
    @ivar abort_reason: why it was cancelled; "" when it was not.
    @ivar settled: True once the outcome is decided and only being stored: too late to abort.
    """

    __slots__ = """
        __weakref__ _carry _clock _delivering _gate _machine _next_watcher _notify _speech _undelivered _watchers
        abort_reason carried driver durable durable_seq effects journal keeper media model noted_at outcome principal
        prompt_report provider queued_at_ms reasoning reply_to request session_id settled started_at_ms steering stepped
        text_length times usage verbose
    """.split()  # noqa: SIM905 (one on a line they would be a page)

    _log = Logger()

    def __init__(
        self,
        request: RunRequest,
        principal: Principal,
        clock: IReactorTime,
        notify: Callable[[AgentRun, Sequence[Entry]], None],
        keeper: Keeper | None = None,
        carry: Callable[[AgentRun, Carried], None] | None = None,
    ) -> None:
        """
        @param notify: gets every batch after the run's own watchers.
        @param keeper: makes its events durable; None = there is no such thing.
        @param carry: is told of messages with keys of their own that the run takes in.
        """
        self.request = request
        self.principal = principal
        self.journal = Journal()
        self.outcome: RunResult | None = None
        self.driver: Driver | None = None
        self.abort_reason = ""
        self.settled = False
        self.session_id = ""
        self.usage = Usage()
        self.provider = ""
        self.model = ""
        self.prompt_report: PromptReport | None = None
        """What the system prompt is made of, once there is one."""
        self.effects = False
        """True once a tool has run: a blind retry would run it again."""
        self.verbose = False
        self.reasoning = "off"
        self.media: list[str] = []
        self.reply_to = ""
        self.steering = Steering()
        self.carried: dict[str, Carried] = {}
        """Messages that it reads besides its own, by their run ids."""
        self.keeper = keeper
        self._carry = carry
        self.noted_at = 0.0
        """When it was written down last by a checkpoint; 0 = never."""
        self.durable = request.durable
        self.durable_seq = -1
        """Number of the newest event that is in the ledger; -1 = not even the run is. L{openclaw_tx.runs.durable}."""
        self.stepped = False
        """True once steps of its turn were written down: L{openclaw_tx.runs.steps}."""
        self.times = Times(clock.seconds())
        self.queued_at_ms = _now_ms(clock)
        self.started_at_ms = 0
        self._clock = clock
        self._notify = notify
        self._machine = RunMachine()
        self._gate = Gate()
        self._watchers: dict[int, Push] = {}
        self._next_watcher = 0
        self._undelivered: list[Sequence[Entry]] = []
        self._delivering = False
        self._speech = Speech()
        self.text_length = 0

    @property
    def status(self) -> RunStatus:
        """Where the run stands."""
        return self._machine.status

    @property
    def ended(self) -> bool:
        """True once the terminal event is in the journal."""
        return self._machine.ended

    @property
    def open_text(self) -> str:
        """What the assistant message that is not complete yet has said."""
        return self._speech.open_text

    @property
    def payloads(self) -> tuple[str, ...]:
        """What it has said so far: one text for each assistant message that said something."""
        return self._speech.texts

    @property
    def state(self) -> RunState:
        """See L{openclaw_tx.interfaces.Run.state}."""
        if self.outcome is not None:
            return RunState.of(self.outcome, self.journal.last_seq)
        return RunState(
            run_id=self.request.run_id,
            session_key=self.request.session_key,
            agent_id=self.request.agent_id,
            status=self.status,
            payloads=self.payloads,
            usage=self.usage,
            provider=self.provider,
            model=self.model,
            session_id=self.session_id,
            queued_at_ms=self.queued_at_ms,
            started_at_ms=self.started_at_ms,
            last_seq=self.journal.last_seq,
            media=tuple(self.media),
            reply_to=self.reply_to,
            prompt_report=self.prompt_report,
        )

    # -- for the surfaces

    def watch(self, push: Push, after: int = 0) -> Callable[[], None]:
        """See L{openclaw_tx.interfaces.Run.watch}."""
        history = self.journal.since(after)
        number = self._next_watcher
        self._next_watcher += 1
        # Batches not yet delivered (we are inside one) are part of the history already: give only what comes after.
        newest = self.journal.last_seq
        if self._delivering:
            self._watchers[number] = only_after(newest, push)
        else:
            self._watchers[number] = push
        if history:
            push(history)

        def stop() -> None:
            self._watchers.pop(number, None)

        return stop

    async def result(self) -> RunResult:
        """See L{openclaw_tx.interfaces.Run.result}."""
        await self._gate.wait()
        assert self.outcome is not None
        return self.outcome

    def abort(self, reason: str) -> bool:
        """See L{openclaw_tx.interfaces.Run.abort}."""
        if self.ended or self.settled or self.abort_reason or self.driver is None:
            return False
        self.abort_reason = reason
        self.driver.cancel()
        return True

    def steer(self, text: str, said: Carried | None = None) -> bool:
        """See L{openclaw_tx.interfaces.Run.steer}."""
        read = self.steering.put(text, _now_ms(self._clock), said.run_id if said is not None else "")
        if read and said is not None and self._carry is not None:
            self._carry(self, said)
        return read

    # -- for the engine

    def go_on(self) -> None:
        """
        @raise CancelledError: it was aborted from within what it has just told; what comes next must not begin.
        """
        if self.abort_reason:
            raise CancelledError

    def direct(self, media: Sequence[str], reply_to: str) -> None:
        """Note what a message says to channels: files to send, and what it is a reply to."""
        self.media += (each for each in media if each not in self.media)
        self.reply_to = reply_to or self.reply_to

    def spend(self, usage: Usage) -> None:
        """A model call was made for it."""
        self.usage = self.usage.plus(usage)

    def start(self, session_id: str) -> None:
        """It left its queues."""
        self._machine.start()
        self.session_id = session_id
        self.times.started = self._clock.seconds()
        self.started_at_ms = _now_ms(self._clock)
        self.emit([RunStarted(session_id=session_id)])

    def emit(self, events: Sequence[RunEvent]) -> None:
        """Write events to the journal and hand them to whoever watches; safe to call from within a watcher."""
        for event in events:
            if type(event) is TextDelta:
                if not self.times.first_text:
                    self.times.first_text = self._clock.seconds()
                self._speech.add(event.text, event.refusal)
                self.text_length += len(event.text)
            elif type(event) is MessageEnded:
                self._speech.close()
        self._undelivered.append(self.journal.append(events, int(self._clock.seconds() * 1000)))
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._undelivered:
                batch = self._undelivered.pop(0)
                for number, push in list(self._watchers.items()):
                    try:
                        push(batch)
                    except Exception:
                        # A broken watcher must not take the run, or the other watchers, with it.
                        self._log.failure("a watcher of run {run} failed", run=self.request.run_id)
                        self._watchers.pop(number, None)
                self._notify(self, batch)
        finally:
            self._delivering = False

    def conclude(
        self,
        status: Terminal,
        *,
        finish_reason: FinishReason = "stop",
        tool_calls: tuple[ToolCall, ...] = (),
        cut_calls: tuple[ToolCall, ...] = (),
        error: ErrorInfo | None = None,
    ) -> RunResult:
        """The result of a run that ends now with what it has said; changes nothing but L{settled}."""
        self.settled = True
        if self.driver is not None:
            self.driver.settle()
        answered, declined = self._speech.apart()
        return RunResult(
            run_id=self.request.run_id,
            session_key=self.request.session_key,
            agent_id=self.request.agent_id,
            status=status,
            payloads=self.payloads,
            tool_calls=tool_calls,
            finish_reason=finish_reason,
            refusal=bool(declined),
            usage=self.usage,
            provider=self.provider,
            model=self.model,
            session_id=self.session_id,
            error=error,
            abort_reason=self.abort_reason if status == "aborted" else "",
            queued_at_ms=self.queued_at_ms,
            started_at_ms=self.started_at_ms,
            ended_at_ms=_now_ms(self._clock),
            media=tuple(self.media),
            reply_to=self.reply_to,
            prompt_report=self.prompt_report,
            cut_calls=cut_calls,
            answered=answered if declined else "",
            declined=declined,
        )

    def finish(self, result: RunResult) -> None:
        """Write the terminal event and let everybody who waits go on."""
        assert result.status != "interrupted"
        self._machine.end(result.status)
        self.outcome = result
        self.times.ended = self._clock.seconds()
        self.emit([RunEnded(result=result)])
        self._watchers.clear()
        self._gate.open()

    def let_go(self) -> None:
        """It has ended: of what it was asked only who, where and how is of use. The rest may be megabytes of images."""
        self.request = replace(self.request, messages=(), extra_system="", tools=(), sampling=Sampling())

    def stored(self, result: RunResult | None = None) -> StoredRun:
        """The run as the ledger keeps it."""
        return StoredRun(
            run_id=self.request.run_id,
            session_key=self.request.session_key,
            agent_id=self.request.agent_id,
            status=result.status if result is not None else "running",
            surface=self.request.surface,
            principal_id=self.principal.id,
            fingerprint=self.request.fingerprint,
            queued_at_ms=self.queued_at_ms,
            started_at_ms=self.started_at_ms,
            ended_at_ms=result.ended_at_ms if result is not None else 0,
            partial="\n\n".join(self.payloads)[:MAX_PARTIAL] if result is None else "",
            result=result,
            idempotency=self.request.idempotency,
            trigger=self.request.trigger,
            channel=self.request.channel,
            stepped=self.stepped,
            carried=tuple(self.carried.values()),
            resumes=self.request.resumes,
            provider=self.provider,
            model=self.model,
        )


def _now_ms(clock: IReactorTime) -> int:
    return int(clock.seconds() * 1000)
