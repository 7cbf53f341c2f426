"""Small real implementations of the seams that the WebSocket surface stands on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from twisted.internet.task import Clock

from openclaw_tx.auth.actions import OPERATOR_SCOPES
from openclaw_tx.auth.failures import origin_not_allowed, proxy_attribution_required, rate_limited, unauthorized
from openclaw_tx.auth.limiter import FailureLimiter
from openclaw_tx.auth.peers import Client
from openclaw_tx.config.schema_gateway import RateLimit
from openclaw_tx.deferreds import Gate, sleep
from openclaw_tx.errors import ErrorInfo, GatewayError
from openclaw_tx.interfaces import Peer, Push
from openclaw_tx.runs.run import Times
from openclaw_tx.values import (
    Agent,
    Carried,
    Credentials,
    Entry,
    Message,
    ModelInfo,
    Principal,
    RunEnded,
    RunEvent,
    RunRequest,
    RunResult,
    RunStarted,
    RunStatus,
    SessionEntry,
    SessionFilter,
    SessionPage,
    StoredRun,
    TextDelta,
    TranscriptPage,
)

TOKEN = "lab-token"


class Turns(Clock):
    """A clock whose turns are those of a reactor: what is asked for in one happens in the next."""

    def turn(self) -> None:
        """Make the calls that are due now, and none that they ask for."""
        for call in [call for call in self.calls if call.getTime() <= self.seconds()]:
            if call in self.calls:
                self.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)


class Sessions:
    """Sessions in two dicts."""

    def __init__(self) -> None:
        self.entries: dict[str, SessionEntry] = {}
        self.messages: dict[str, list[Message]] = {}
        self.runs: dict[str, StoredRun] = {}
        self.broken = False
        self.asked = 0

    def add(self, key: str, updated_at_ms: int, messages: Sequence[Message] = (), **more: Any) -> None:
        """Put a session there."""
        agent_id = key.split(":")[1] if ":" in key else "main"
        self.entries[key] = SessionEntry(
            key=key,
            agent_id=agent_id,
            session_id=more.pop("session_id", f"id-{len(self.entries)}"),
            created_at_ms=updated_at_ms,
            updated_at_ms=updated_at_ms,
            **more,
        )
        self.messages[key] = list(messages)

    def _check(self) -> None:
        self.asked += 1
        if self.broken:
            raise GatewayError("storage_unavailable", "The store is away.")

    async def get_run(self, run_id: str) -> StoredRun | None:
        return self.runs.get(run_id)

    async def get(self, key: str) -> SessionEntry | None:
        return self.entries.get(key)

    async def transcript(self, key: str, limit: int) -> Sequence[Message]:
        return self.messages.get(key, [])[-limit:]

    async def page(self, key: str, limit: int, offset: int = 0) -> TranscriptPage:
        held = self.messages.get(key, [])
        numbers = range(len(held))[: max(0, len(held) - offset)][-limit:]
        found = tuple(held[number] for number in numbers)
        first = numbers[0] if numbers else max(0, len(held) - offset)
        return TranscriptPage(messages=found, positions=tuple(numbers), first=first, total=len(held))

    async def list(self, *, agent_id: str | None = None, limit: int = 100, search: str = "") -> Sequence[SessionEntry]:
        self._check()
        found = [
            entry
            for entry in self.entries.values()
            if agent_id in (None, entry.agent_id) and (search in entry.key or search in entry.session_id)
        ]
        return sorted(found, key=lambda entry: -entry.updated_at_ms)[:limit]

    async def patch(
        self, key: str, change: Callable[[SessionEntry], SessionEntry], *, agent_id: str = "", quiet: bool = False
    ) -> SessionEntry | None:
        self._check()
        entry = self.entries.get(key) or SessionEntry(
            key=key, agent_id=agent_id, session_id="new", created_at_ms=0, updated_at_ms=0
        )
        self.entries[key] = change(entry)
        return self.entries[key]

    async def select(self, wanted: SessionFilter, *, limit: int = 100, offset: int = 0) -> SessionPage:
        found = await self.list(agent_id=wanted.agent_id or None, limit=1000, search=wanted.search)
        found = [entry for entry in found if entry.key not in wanted.hidden]
        return SessionPage(entries=tuple(found[offset : offset + limit]), total=len(found))

    async def count(self, agent_id: str | None = None) -> int:
        self._check()
        return sum(agent_id in (None, entry.agent_id) for entry in self.entries.values())


class FakeRun:
    """A run that a test drives by hand."""

    def __init__(self, request: RunRequest, principal: Principal, engine: Engine) -> None:
        self.request = request
        self.principal = principal
        self.status: RunStatus = "queued"
        self.outcome: RunResult | None = None
        self.queued_at_ms = engine.now_ms()
        self.started_at_ms = 0
        self.times = Times(engine.now_ms() / 1000)
        self.abort_reason = ""
        self.reasons: list[str] = []
        """Why it was aborted, each time somebody wanted that."""
        self.steerable = False
        self.steered: list[str] = []
        self.verbose = False
        self.reasoning = "off"
        self.entries: list[Entry] = []
        self._engine = engine
        self._gate = Gate()

    def watch(self, push: Push, after: int = 0) -> Callable[[], None]:
        past = [entry for entry in self.entries if entry.seq > after]
        if past:
            push(past)
        return lambda: None

    async def result(self) -> RunResult:
        await self._gate.wait()
        assert self.outcome is not None
        return self.outcome

    def abort(self, reason: str) -> bool:
        self.reasons.append(reason)
        if self.outcome is not None:
            return False
        self.end("aborted", abort_reason=reason, error=ErrorInfo(code="run_aborted", message="The run was aborted."))
        return True

    def steer(self, text: str, said: Carried | None = None) -> bool:
        if self.steerable:
            self.steered.append(text)
        return self.steerable

    # what a test does with it

    def emit(self, *events: RunEvent) -> None:
        """One batch."""
        start = len(self.entries) + 1
        batch = [Entry(seq=start + i, ts_ms=self._engine.now_ms(), event=event) for i, event in enumerate(events)]
        self.entries += batch
        for listener in list(self._engine.listeners):
            listener(self, batch)

    def start(self) -> None:
        self.status = "running"
        self.started_at_ms = self._engine.now_ms()
        self.emit(RunStarted(session_id="s1"))

    def say(self, *pieces: str) -> None:
        """Text, all in one batch."""
        self.emit(*(TextDelta(text=piece) for piece in pieces))

    def end(self, status: Any = "ok", *payloads: str, **more: Any) -> None:
        self.status = status
        self.outcome = RunResult(
            run_id=self.request.run_id,
            session_key=self.request.session_key,
            agent_id=self.request.agent_id,
            status=status,
            payloads=payloads,
            queued_at_ms=self.queued_at_ms,
            started_at_ms=self.started_at_ms,
            ended_at_ms=self._engine.now_ms(),
            session_id="s1",
            provider="stub",
            model="stub-1",
            **more,
        )
        self.emit(RunEnded(result=self.outcome))
        self._gate.open()


class Engine:
    """Admits everything unless told otherwise."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.runs: dict[str, FakeRun] = {}
        self.listeners: list[Any] = []
        self.refuse: GatewayError | None = None

    def now_ms(self) -> int:
        return int(self.clock.seconds() * 1000)

    def start(self, request: RunRequest, principal: Principal) -> FakeRun:
        if self.refuse is not None:
            raise self.refuse
        assert request.run_id not in self.runs
        run = self.runs[request.run_id] = FakeRun(request, principal, self)
        return run

    def get(self, run_id: str) -> FakeRun | None:
        return self.runs.get(run_id)

    def live(self) -> Iterable[FakeRun]:
        return [run for run in self.runs.values() if run.outcome is None]

    def subscribe(self, listener: Any) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)


class Agents:
    """Two agents."""

    default_id = "main"

    def all(self) -> Sequence[Agent]:
        return [
            Agent(
                id=name,
                name=name.title() if name == "beta" else name,
                workspace="/ws",
                models=("stub/stub-1",),
                is_default=name == "main",
                timeout_s=600,
            )
            for name in ("main", "beta")
        ]

    def get(self, agent_id: str) -> Agent | None:
        return next((agent for agent in self.all() if agent.id == agent_id), None)


class Models:
    """One model."""

    def catalog(self) -> Sequence[ModelInfo]:
        return [ModelInfo(provider="stub", id="stub-1", name="Stub One", context_window=128000, max_tokens=4096)]

    def info(self, ref: str) -> ModelInfo:
        for info in self.catalog():
            if ref == info.ref:
                return info
        raise GatewayError("model_not_found", f"Unknown model: {ref}.")


class Authenticator:
    """One secret, in token or password mode; it is local when the peer is on loopback."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.secret = TOKEN
        self.prefix = ""
        """Session prefix of whoever is let in."""
        self.mode: Any = "token"
        self.delay = 0.0
        self.locked: float | None = None
        self.broken = False
        self.limiter = FailureLimiter(clock, RateLimit)

    async def authenticate(self, credentials: Credentials, peer: Peer) -> Principal:
        if self.broken:
            raise RuntimeError("no such thing")
        if self.locked is not None:
            raise rate_limited(self.locked)
        if self.delay:
            await sleep(self.clock, self.delay)
        if peer.header("x-forwarded-for") is not None:
            raise proxy_attribution_required()
        if self.mode != "none" and self.secret not in (credentials.token, credentials.password):
            missing = credentials.token is None and credentials.password is None
            what: Any = f"AUTH_{self.mode.upper()}_{'MISSING' if missing else 'MISMATCH'}"
            raise unauthorized(what)
        return Principal(
            id="shared-secret",
            method=self.mode,
            scopes=OPERATOR_SCOPES,
            ip=peer.address,
            credential=self.secret,
            session_prefix=self.prefix,
        )

    def is_valid(self, principal: Principal) -> bool:
        return principal.credential == self.secret

    def check_origin(self, peer: Peer) -> None:
        if peer.header("x-forwarded-for") is not None:
            raise proxy_attribution_required()
        if "evil" in (peer.header("origin") or ""):
            raise origin_not_allowed()

    def is_local_direct(self, peer: Peer) -> bool:
        return peer.address == "127.0.0.1"

    def client_of(self, peer: Peer) -> Client:
        local = self.is_local_direct(peer)
        return Client(peer.address, forwarded=False, loopback=local, local=local)

    def auth_mode(self) -> Any:
        return self.mode


class FakePeer:
    """A peer with given headers."""

    def __init__(self, address: str = "127.0.0.1", **headers: str) -> None:
        self.address = address
        self._headers = headers

    def header(self, name: str) -> str | None:
        return self._headers.get(name)


def decode(data: bytes) -> Any:
    """JSON."""
    return msgspec.json.decode(data)
