# -*- test-case-name: tests.ws.rpc.test_agent -*-
"""C{agent.wait}: wait for the end of a run, or of a chat message that one reads (spec 2.10, 3.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.actions import may
from openclaw_tx.auth.sight import sees_run
from openclaw_tx.chat.flow import ChatFlow
from openclaw_tx.chat.values import Notice
from openclaw_tx.deferreds import Gate
from openclaw_tx.interfaces import Run, RunEngine, Sessions
from openclaw_tx.values import Entry, Principal, RunResult, Target
from openclaw_tx.wire.frames import Natural, NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.results import remembered, waited, waited_in_vain
from openclaw_tx.ws.rpc.waiting import within

MAX_WAIT_MS = 2_147_483_647


class WaitParams(Params, frozen=True):
    """Params of C{agent.wait}."""

    run_id: NonEmpty
    timeout_ms: Natural = 30_000


class WaitMethods:
    """The family of C{agent.wait}."""

    def __init__(self, engine: RunEngine, sessions: Sessions, clock: IReactorTime, flow: ChatFlow) -> None:
        """
        @param flow: where chat messages wait.
        """
        self._engine = engine
        self._sessions = sessions
        self._clock = clock
        self._flow = flow
        self._known = flow.known

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [Method("agent.wait", "agent.wait", WaitParams, self.wait)]

    async def wait(self, call: Call[WaitParams]) -> Any:
        """Answer when the run has ended or the time is over; the run goes on either way. A run that nobody knows yet
        may still come."""
        run_id = call.params.run_id
        until = self._clock.seconds() + min(call.params.timeout_ms, MAX_WAIT_MS) / 1000
        run = self._visible(call.principal, run_id)
        if run is None:
            ended = self._unread(call.principal, run_id) or await self._stored(call.principal, run_id)
            if ended is not None:
                return waited(ended)
            run = await self._appear(call.principal, run_id, until)
        if run is None:
            ended = self._unread(call.principal, run_id)
            return waited(ended) if ended is not None else waited_in_vain(None, run_id, self._waits(call, run_id))
        outcome = run.outcome or await within(
            self._clock, until - self._clock.seconds(), Deferred.fromCoroutine(run.result())
        )
        return waited(outcome) if outcome is not None else waited_in_vain(run, run_id)

    def _visible(self, principal: Principal, run_id: str) -> Run | None:
        """A run, if the client may know of it: one that it may not is waited for like one that is not there."""
        run = self._engine.get(run_id)
        return run if run is not None and sees_run(principal, run) else None

    async def _stored(self, principal: Principal, run_id: str) -> RunResult | None:
        """How a run ended that only the store remembers."""
        stored = await self._sessions.get_run(run_id)
        if stored is None:
            return None
        target = Target(agent_id=stored.agent_id, session_key=stored.session_key, owner_id=stored.principal_id)
        return remembered(stored) if may(principal, "runs.read", target) else None

    def _unread(self, principal: Principal, run_id: str) -> RunResult | None:
        """How a chat message ended that no run has read."""
        unread = self._known.unread(run_id)
        return unread.result if unread is not None and may(principal, "runs.read", unread.target) else None

    def _waits(self, call: Call[WaitParams], run_id: str) -> bool:
        """Whether a chat message waits for its turn."""
        message = self._known.waiting(run_id)
        return message is not None and may(call.principal, "runs.read", message.target)

    async def _appear(self, principal: Principal, run_id: str, until: float) -> Run | None:
        """The run once it shows up; None when it has not by then, or when there will be none."""
        gate = Gate()

        def seen(run: Run, entries: Sequence[Entry]) -> None:
            if run.request.run_id == run_id and sees_run(principal, run):
                gate.open()

        def noticed(notice: Notice) -> None:
            # A chat message is read by another one's run, or by none.
            if notice.run_id == run_id and (self._visible(principal, run_id) or self._unread(principal, run_id)):
                gate.open()

        stops = [self._engine.subscribe(seen), self._flow.subscribe(noticed)]
        try:
            if self._visible(principal, run_id) is None:
                await within(self._clock, until - self._clock.seconds(), gate.wait())
        finally:
            for stop in stops:
                stop()
        return self._visible(principal, run_id)
