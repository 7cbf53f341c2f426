"""The seams between rooms: C{typing.Protocol} only, no code.

A room above the ground floor talks to another one only through these. Implementations: L{openclaw_tx.runs},
L{openclaw_tx.models}, L{openclaw_tx.tools}, L{openclaw_tx.sessions}, L{openclaw_tx.agents}, L{openclaw_tx.auth};
embedders may hand in their own models and tools.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.values import (
    Agent,
    Credentials,
    Entry,
    Message,
    ModelEvent,
    ModelInfo,
    ModelReply,
    ModelRequest,
    Principal,
    RunRequest,
    RunResult,
    RunStatus,
    SessionEntry,
    StoredRun,
    Target,
    ToolResult,
    ToolSpec,
    Usage,
)

Push = Callable[[Sequence[Entry]], None]
"""Takes the entries of one batch (all that one reactor turn brought). Must not raise and must not block."""

OnEvents = Callable[[Sequence[ModelEvent]], None]
"""Takes the events that one read from the provider brought, in order."""


class Run(Protocol):
    """One agent turn, queued, running or ended."""

    @property
    def request(self) -> RunRequest: ...

    @property
    def principal(self) -> Principal: ...

    @property
    def status(self) -> RunStatus: ...

    @property
    def outcome(self) -> RunResult | None:
        """The result once there is one."""

    @property
    def started_at_ms(self) -> int: ...

    @property
    def queued_at_ms(self) -> int: ...

    def watch(self, push: Push, after: int = 0) -> Callable[[], None]:
        """Hand C{push} all entries with C{seq > after}: the past at once (before this returns), then live ones.

        @return: stops watching; may be called at any time, also from within C{push}.
        @raise GatewayError: C{replay_gap}, the entries after C{after} are no longer held.
        """

    async def result(self) -> RunResult:
        """The result, when the run has ended. Cancelling the wait does not touch the run."""

    def abort(self, reason: str) -> bool:
        """Cancel the run. False when it had already ended."""


class RunEngine(Protocol):
    """The only way to run an agent."""

    def start(self, request: RunRequest, principal: Principal) -> Run:
        """Admit a run and start it; the same run id with the same fingerprint joins the run already there.

        @raise GatewayError: C{queue_full}, C{gateway_draining}, C{idempotency_key_conflict}, C{invalid_request}.
        """

    def get(self, run_id: str) -> Run | None:
        """A run that is live or ended not long ago (10 minutes, 1,000 runs)."""

    def live(self) -> Iterable[Run]:
        """Runs that have not ended, oldest first."""

    def subscribe(self, listener: Callable[[Run, Sequence[Entry]], None]) -> Callable[[], None]:
        """Hand C{listener} every batch of every run from now on.

        @return: ends the subscription.
        """


class Agents(Protocol):
    """Who answers: read from the configuration of the moment."""

    @property
    def default_id(self) -> str: ...

    def all(self) -> Sequence[Agent]:
        """Configured agents in the order of the file; never empty."""

    def get(self, agent_id: str) -> Agent | None: ...

    def system_prompt(self, agent: Agent, request: RunRequest, model: ModelInfo, tools: Sequence[ToolSpec]) -> str:
        """The system prompt of a run (spec 3.3). Cached by content; reads workspace files at most once a change."""


class Models(Protocol):
    """Every configured model behind one door."""

    def catalog(self) -> Sequence[ModelInfo]:
        """All models of all configured providers."""

    def info(self, ref: str) -> ModelInfo:
        """What is known of a ref or alias.

        @raise GatewayError: C{model_not_found}.
        """

    async def stream(self, refs: Sequence[str], request: ModelRequest, on_events: OnEvents) -> ModelReply:
        """Call the first model of C{refs} that can answer.

        Retries and failover happen only before the first event was handed on. The first batch handed on starts with
        L{openclaw_tx.values.ModelAnswered} (C{round} 0; the caller numbers it).

        @raise GatewayError: a C{provider_*} code, C{model_not_found}, C{local_model_not_installed},
            C{context_length_exceeded}.
        """


class ModelProvider(Protocol):
    """One provider: what an adapter or an embedder's own model implements."""

    def models(self) -> Sequence[ModelInfo]: ...

    async def stream(self, model: str, request: ModelRequest, on_events: OnEvents) -> ModelReply:
        """One attempt at one model; no retries here. Cancelling closes the provider's connection within a second.

        @param model: the provider's own id of the model.
        @raise GatewayError: as L{Models.stream}.
        """

    async def close(self) -> None:
        """Release connections and processes."""


class ToolContext(Protocol):
    """What a tool may know of the run that calls it."""

    @property
    def agent(self) -> Agent: ...

    @property
    def session_key(self) -> str: ...

    @property
    def run_id(self) -> str: ...

    @property
    def model(self) -> str:
        """The model ref of the run."""

    @property
    def usage(self) -> Usage:
        """What the run has used so far."""

    @property
    def clock(self) -> IReactorTime: ...


class Tool(Protocol):
    """Something an agent can do."""

    @property
    def spec(self) -> ToolSpec: ...

    async def call(self, arguments: Mapping[str, Any], context: ToolContext) -> ToolResult:
        """Do it. Arguments have been validated against the spec's schema. An exception becomes an error result;
        cancelling must stop the work within a second."""


class Tools(Protocol):
    """The tools an agent may use under the policy of the moment."""

    def allowed(self, agent: Agent, model_ref: str) -> Sequence[Tool]:
        """Tools left by the narrowing chain (spec 7.2), in a stable order."""


class TurnStart(Protocol):
    """What L{Sessions.begin} gives back."""

    @property
    def added(self) -> Sequence[Message]:
        """The part of the client's messages that the session did not hold yet (design decision 14)."""

    @property
    def entry(self) -> SessionEntry: ...

    @property
    def history(self) -> Sequence[Message]:
        """The transcript before this turn, oldest first."""


class Sessions(Protocol):
    """Sessions, transcripts and the ledger of runs. What a method returned for is durable."""

    async def begin(self, run: StoredRun, messages: Sequence[Message]) -> TurnStart:
        """Open (creating if need be) the session of C{run}, read its history, and note the run as running together
        with those of the client's C{messages} that the session does not hold yet."""

    async def commit(
        self, run: StoredRun, added: Sequence[Message], *, model_provider: str, model: str, context_tokens: int | None
    ) -> None:
        """In one transaction: append C{added} (input and answers of the turn) to the transcript, update the entry,
        write the run's end (C{run.result})."""

    async def checkpoint(self, runs: Sequence[StoredRun], ended: Sequence[str]) -> None:
        """Write down live runs with their partial text, and forget the C{ended} ids of stateless ones."""

    async def recover(self, now_ms: int) -> Sequence[StoredRun]:
        """After a crash: mark runs left running as interrupted, close their turns in the transcript with what they
        had said, and return them."""

    async def get_run(self, run_id: str) -> StoredRun | None: ...

    async def get(self, key: str) -> SessionEntry | None: ...

    async def transcript(self, key: str, limit: int) -> Sequence[Message]:
        """The newest C{limit} messages, oldest first; empty for an unknown key."""

    async def list(self, *, agent_id: str | None = None, limit: int = 100, search: str = "") -> Sequence[SessionEntry]:
        """Newest first."""

    async def count(self, agent_id: str | None = None) -> int: ...

    async def delete(self, key: str) -> bool: ...

    async def close(self) -> None:
        """Finish what was asked, then release the database."""


class Peer(Protocol):
    """The other end of a request or WebSocket upgrade, as far as authentication needs it."""

    @property
    def address(self) -> str:
        """IP address of the transport's peer; "" when it has none (a UNIX socket, a test)."""

    def header(self, name: str) -> str | None:
        """First value of a header, trimmed; names are case-insensitive. Repeated lines of C{X-Forwarded-For} are
        one list (RFC 9110 5.3): joined by commas in their order."""


class Authenticator(Protocol):
    """Who is asking, from credentials and peer; secrets are resolved at each call."""

    async def authenticate(self, credentials: Credentials, peer: Peer) -> Principal:
        """
        @raise GatewayError: C{invalid_api_key} (after the limiter's delay), C{rate_limit_exceeded} with
            C{retry_after}, C{proxy_attribution_required}. C{details["code"]} is the WebSocket detail code
            (spec 2.2 item 7).
        """

    def is_valid(self, principal: Principal) -> bool:
        """False once the credential behind C{principal} was rotated or revoked."""

    def check_origin(self, peer: Peer) -> None:
        """Refuse a browser's upgrade from a foreign page (spec 9.3); no Origin header passes.

        @raise GatewayError: C{origin_not_allowed}, C{proxy_attribution_required}.
        """

    def is_local_direct(self, peer: Peer) -> bool:
        """True for a client on this machine that came without a proxy (spec 9.2): what D12's scope rule asks."""


class Authoriser(Protocol):
    """Decides for both surfaces, by action name."""

    def __call__(self, principal: Principal, action: str, target: Target = ...) -> None:
        """
        @raise GatewayError: C{insufficient_scope}.
        @raise KeyError: the action is not in the table: a programming error.
        """
