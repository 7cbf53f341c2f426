"""Small real rooms for tests of the surfaces: everything in memory, nothing mocked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Literal

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from openclaw_tx.deferreds import Gate
from openclaw_tx.errors import ErrorInfo, GatewayError
from openclaw_tx.interfaces import OnEvents, Peer, Push, Run, Tool
from openclaw_tx.runs.run import Times
from openclaw_tx.values import (
    Agent,
    Carried,
    Credentials,
    Embeddings,
    Entry,
    FinishReason,
    MessageEnded,
    ModelAnswered,
    ModelInfo,
    ModelReply,
    ModelRequest,
    Principal,
    PromptReport,
    RunEnded,
    RunEvent,
    RunRequest,
    RunResult,
    RunStarted,
    RunStatus,
    TextDelta,
    ToolCall,
    ToolSpec,
    Usage,
)

OWNER = Principal(id="shared-secret", method="token", scopes=frozenset({"operator.admin"}))
ANSWERED = ModelAnswered(provider="scripted", model="model", round=1)
USAGE = Usage(prompt_tokens=11, completion_tokens=7)


def no_report(agent: Agent, request: RunRequest, model: ModelInfo) -> PromptReport:
    """The report of a prompt that nothing is known of."""
    return PromptReport(
        mode=request.prompt_mode,
        model=model.ref,
        context_window=model.context_window,
        workspace=agent.workspace,
        file_limit=0,
        total_limit=0,
        chars=0,
        sections=(),
    )


Listener = Callable[[Run, Sequence[Entry]], None]


class ScriptedRun:
    """A run (L{openclaw_tx.interfaces.Run}) whose events a test writes."""

    listeners: Sequence[Listener] = ()
    """Hear every batch after the watchers."""

    def __init__(self, request: RunRequest, principal: Principal, clock: IReactorTime) -> None:
        self.request = request
        self.principal = principal
        self.outcome: RunResult | None = None
        self.queued_at_ms = self.started_at_ms = int(clock.seconds() * 1000)
        self.times = Times(clock.seconds())
        self.abort_reasons: list[str] = []
        self.verbose = False
        self.reasoning = "off"
        self.watchers = 0
        self._entries: list[Entry] = []
        self._pushes: dict[int, Push] = {}
        self._texts: list[str] = []
        self._open_text = ""
        self._gate = Gate()

    @property
    def status(self) -> RunStatus:
        """Running until it has ended."""
        return "running" if self.outcome is None else self.outcome.status

    def watch(self, push: Push, after: int = 0) -> Callable[[], None]:
        """The past, then what comes."""
        number = self.watchers
        self.watchers += 1
        self._pushes[number] = push
        past = self._entries[after:]
        if past:
            push(past)
        return lambda: self._pushes.pop(number, None) and None

    @property
    def watched(self) -> bool:
        """Whether anybody is watching."""
        return bool(self._pushes)

    async def result(self) -> RunResult:
        """Waits for the end."""
        await self._gate.wait()
        assert self.outcome is not None
        return self.outcome

    def steer(self, text: str, said: Carried | None = None) -> bool:
        """Nobody steers here."""
        return False

    def abort(self, reason: str) -> bool:
        """Ends it at once."""
        if self.outcome is not None:
            return False
        self.abort_reasons.append(reason)
        code = "gateway_restarting" if reason == "shutdown" else "run_aborted"
        error = GatewayError(code, f"The run was aborted ({reason}).").info
        self.end(status="aborted", error=error, abort_reason=reason)
        return True

    # -- for tests

    def emit(self, *events: RunEvent) -> None:
        """One batch."""
        batch = []
        for event in events:
            if isinstance(event, TextDelta):
                self._open_text += event.text
            elif isinstance(event, MessageEnded):
                self._close()
            entry = Entry(seq=len(self._entries) + 1, ts_ms=0, event=event)
            self._entries.append(entry)
            batch.append(entry)
        for push in list(self._pushes.values()):
            push(batch)
        for listener in self.listeners:
            listener(self, batch)

    def say(self, *pieces: str) -> None:
        """The model answers: one batch with a delta for each piece."""
        self.emit(ANSWERED, *(TextDelta(text=piece) for piece in pieces))

    def end(
        self,
        *,
        status: Literal["ok", "error", "aborted", "interrupted"] = "ok",
        error: ErrorInfo | None = None,
        finish_reason: FinishReason = "stop",
        tool_calls: tuple[ToolCall, ...] = (),
        usage: Usage = USAGE,
        abort_reason: str = "",
    ) -> None:
        """The one terminal event."""
        self._close()
        self.outcome = RunResult(
            run_id=self.request.run_id,
            session_key=self.request.session_key,
            agent_id=self.request.agent_id,
            status=status,
            payloads=tuple(self._texts),
            tool_calls=tool_calls,
            finish_reason=finish_reason,
            usage=usage,
            provider="scripted",
            model="model",
            error=error,
            abort_reason=abort_reason,
        )
        self.emit(RunEnded(result=self.outcome))
        self._pushes.clear()
        self._gate.open()

    def fail(self, code: str, message: str = "it broke", *, should_retry: bool | None = None) -> None:
        """Ends with an error."""
        self.end(status="error", error=GatewayError(code, message, should_retry=should_retry).info)

    def _close(self) -> None:
        if self._open_text.strip():
            self._texts.append(self._open_text)
        self._open_text = ""


def answer(run: ScriptedRun) -> None:
    """What a run does by default: it answers C{pong} in two pieces."""
    run.emit(RunStarted(session_id="s"))
    run.say("po", "ng")
    run.emit(MessageEnded())
    run.end()


class ScriptedEngine:
    """An engine (L{openclaw_tx.interfaces.RunEngine}) whose runs do what C{script} says.

    @ivar runs: every run that was started.
    """

    def __init__(self, clock: IReactorTime, script: Callable[[ScriptedRun], None] = answer) -> None:
        self.script = script
        self.runs: list[ScriptedRun] = []
        self.refuse: GatewayError | None = None
        self._clock = clock
        self.listeners: list[Listener] = []

    def start(self, request: RunRequest, principal: Principal) -> ScriptedRun:
        """Start one."""
        if self.refuse is not None:
            raise self.refuse
        run = ScriptedRun(request, principal, self._clock)
        run.listeners = self.listeners
        self.runs.append(run)
        self.script(run)
        return run

    def get(self, run_id: str) -> ScriptedRun | None:
        """By id."""
        return next((run for run in self.runs if run.request.run_id == run_id), None)

    def live(self) -> Iterable[ScriptedRun]:
        """Those that have not ended."""
        return [run for run in self.runs if run.outcome is None]

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Tell C{listener} of every batch."""
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)


class FixedAgents:
    """Agents (L{openclaw_tx.interfaces.Agents}) with the given ids."""

    def __init__(self, *ids: str, default: str = "") -> None:
        self.default_id = default or ids[0]
        self._agents = [
            Agent(
                id=agent_id,
                name=agent_id,
                workspace="/nowhere",
                models=("scripted/model",),
                is_default=agent_id == self.default_id,
                timeout_s=600,
            )
            for agent_id in ids
        ]

    def all(self) -> Sequence[Agent]:
        """All of them."""
        return self._agents

    def get(self, agent_id: str) -> Agent | None:
        """By id."""
        return next((agent for agent in self._agents if agent.id == agent_id), None)

    def system_prompt(self, agent: Agent, request: RunRequest, model: ModelInfo, tools: Sequence[ToolSpec]) -> str:
        """None."""
        return ""

    def prompt_report(
        self, agent: Agent, request: RunRequest, model: ModelInfo, tools: Sequence[ToolSpec]
    ) -> PromptReport:
        """Next to nothing."""
        return no_report(agent, request, model)


class FixedModels:
    """One model that embeds (L{openclaw_tx.interfaces.Models} without runs, L{openclaw_tx.interfaces.Embedder}).

    @ivar asked: what was asked for: texts, dimensions, agent and model.
    @ivar script: answers, or None for three numbers a text.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[str, ...], int | None, str, str]] = []
        self.script: Callable[[], Awaitable[Embeddings]] | None = None

    def catalog(self) -> Sequence[ModelInfo]:
        """Just it."""
        return [self.info("scripted/model")]

    def info(self, ref: str) -> ModelInfo:
        """It, and nothing else."""
        if ref != "scripted/model":
            raise GatewayError("model_not_found", f"Unknown model: {ref}")
        return ModelInfo(provider="scripted", id="model", name="model", context_window=1000, max_tokens=100)

    async def stream(self, refs: Sequence[str], request: ModelRequest, on_events: OnEvents) -> ModelReply:
        """Runs are scripted here; nobody asks a model."""
        raise NotImplementedError

    async def embed(
        self, texts: Sequence[str], dimensions: int | None = None, *, agent_id: str = "", model: str = ""
    ) -> Embeddings:
        """Three numbers a text: its length, its place, and a fraction that float32 has not."""
        self.asked.append((tuple(texts), dimensions, agent_id, model))
        if self.script is not None:
            return await self.script()
        vectors = tuple((float(len(text)), float(place), 0.1) for place, text in enumerate(texts))
        return Embeddings(vectors=vectors, usage=Usage(prompt_tokens=7), provider="scripted", model="model")


class FixedTools:
    """Tools (L{openclaw_tx.interfaces.Tools}) that every agent may use.

    @ivar tools: all of them.
    """

    def __init__(self, *tools: Tool) -> None:
        self.tools: Sequence[Tool] = tools

    def allowed(self, agent: Agent, model_ref: str, *, subagent: bool = False) -> Sequence[Tool]:
        """All of them."""
        return self.tools


class OneSecret:
    """An authenticator (L{openclaw_tx.interfaces.Authenticator}) that knows one secret.

    @ivar hold: when set, every call waits for the Deferred that it adds to the list.
    """

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.hold: list[Deferred[None]] | None = None
        self.calls = 0
        self.local_direct = False

    async def authenticate(self, credentials: Credentials, peer: Peer) -> Principal:
        """Compare."""
        self.calls += 1
        if self.hold is not None:
            waiting: Deferred[None] = Deferred()
            self.hold.append(waiting)
            await waiting
        if credentials.token != self.secret:
            raise GatewayError("invalid_api_key", "Unauthorized")
        return Principal(id="shared-secret", method="token", scopes=OWNER.scopes, credential=self.secret)

    def is_valid(self, principal: Principal) -> bool:
        """Until the secret changes."""
        return principal.credential == self.secret

    def check_origin(self, peer: Peer) -> None:
        """Every origin is welcome."""

    def is_local_direct(self, peer: Peer) -> bool:
        """As set."""
        return self.local_direct


class Phases:
    """A lifecycle (L{openclaw_tx.web.health.Lifecycle}) that a test moves."""

    def __init__(self) -> None:
        self.phase: Literal["starting", "started", "draining"] = "started"
        self.uptime_ms = 1234
        self.trouble: list[str] = []

    def failing(self) -> Sequence[str]:
        """As set."""
        return self.trouble
