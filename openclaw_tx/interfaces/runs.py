"""Runs and the engine that has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from openclaw_tx.values import Carried, Compacted, Entry, Principal, RunRequest, RunResult, RunState, RunStatus

Push = Callable[[Sequence[Entry]], None]
"""Takes the entries of one batch (all that one reactor turn brought). Must not raise and must not block."""


class RunTimes(Protocol):
    """When a run got where, in seconds of the clock; 0.0 = it did not yet, or nobody knows."""

    queued: float
    started: float
    called: float
    """Its first model call was made."""
    first_text: float
    ended: float


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

    @property
    def state(self) -> RunState:
        """All that is known of it at this moment."""

    @property
    def times(self) -> RunTimes: ...

    def watch(self, push: Push, after: int = 0) -> Callable[[], None]:
        """Hand C{push} all entries with C{seq > after}: the past at once (before this returns), then live ones.

        @return: stops watching; may be called at any time, also from within C{push}.
        @raise GatewayError: C{replay_gap}, the entries after C{after} are no longer held.
        """

    async def result(self) -> RunResult:
        """The result, when the run has ended. Cancelling the wait does not touch the run."""

    def abort(self, reason: str) -> bool:
        """Cancel the run. False when it had already ended."""

    def steer(self, text: str, said: Carried | None = None) -> bool:
        """Have the model read a user's message before its next call: after the tools that it has called now, or before
        the run would end.

        @param said: the message has a key of its own: L{RunEngine.get} finds it by that from now on.
        @return: False when it will not be read: the run is not at work, has too many waiting, or looks no more.
        """

    @property
    def verbose(self) -> bool:
        """Chat clients are told of its tool calls; known once it is at work."""

    @property
    def reasoning(self) -> str:
        """Chat clients are told what the model thinks: C{off}, C{on} (a message's thoughts at its end) or C{stream}."""


class RunEngine(Protocol):
    """The only way to run an agent."""

    def start(self, request: RunRequest, principal: Principal) -> Run:
        """Admit a run and start it; the same run id with the same fingerprint joins the run already there, unless that
        L{came to nothing<openclaw_tx.values.RunResult.came_to_nothing>}: then it starts anew.

        @raise GatewayError: C{queue_full}, C{gateway_draining}, C{idempotency_key_conflict}, C{invalid_request}.
        """

    def get(self, run_id: str) -> Run | None:
        """A run that is live or ended not long ago (10 minutes, 1,000 runs), or a message that such a run carries, as a
        run that ends as that one does."""

    def live(self) -> Iterable[Run]:
        """Runs that have not ended, oldest first."""

    def subscribe(self, listener: Callable[[Run, Sequence[Entry]], None]) -> Callable[[], None]:
        """Hand C{listener} every batch of every run from now on.

        @return: ends the subscription.
        """


class Compactor(Protocol):
    """Summarises sessions when somebody asks for it."""

    async def compact(self, session_key: str, instructions: str = "") -> Compacted:
        """Have the model summarise the older part of a session, when the runs before it are done. Cancelling it
        changes nothing.

        @param instructions: what the summary is to heed.
        @raise GatewayError: C{session_not_found}, C{queue_full}, C{gateway_draining}, or as
            L{openclaw_tx.interfaces.Models.stream}.
        """


class SystemEvents(Protocol):
    """News for agents, which a session's next run is told of before its message. Kept in memory."""

    def add(self, session_key: str, text: str) -> None:
        """Note one; of too many in one session the oldest go."""

    def take(self, session_key: str) -> Sequence[str]:
        """Those of a session, oldest first; they are gone then."""

    def peek(self, session_key: str) -> Sequence[str]:
        """Those of a session, oldest first."""
