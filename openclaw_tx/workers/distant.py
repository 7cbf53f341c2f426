# -*- test-case-name: tests.workers.test_distant -*-
"""A relay's run as the chief knows it: watched, waited for and aborted like one of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.logger import Logger

from openclaw_tx.deferreds import Gate
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Push
from openclaw_tx.runs.journal import Journal
from openclaw_tx.runs.times import Times
from openclaw_tx.values import (
    Carried,
    Entry,
    RunEnded,
    RunRequest,
    RunResult,
    RunStarted,
    RunState,
    RunStatus,
    TextDelta,
)
from openclaw_tx.workers.messages import Began, Ended, Told

JOURNAL_BYTES = 1024 * 1024
"""Bytes of a run's journal that the chief holds; who wants all of it follows the events, which are the relay's."""

INTERRUPTED = "The process that this run was in has ended."
"""What is told of a run whose relay is gone."""


class Line(Protocol):
    """The way to the relay that has the run."""

    def abort(self, run_id: str, reason: str) -> None:
        """Have it end a run."""

    async def look(self, run_id: str) -> RunState | None:
        """How a run stands; None = it could not be learnt."""

    def follow(self, run_id: str, push: Push, after: int) -> Callable[[], None]:
        """See L{openclaw_tx.interfaces.DistantRun.follow}."""

    def listen(self) -> Callable[[], None]:
        """Be told what all runs say from now on.

        @return: ends it.
        """


class RelayRun:
    """Implements L{openclaw_tx.interfaces.DistantRun} and L{openclaw_tx.interfaces.Run}. Its sessions end with it, so
    nothing is ever said into it."""

    _log = Logger()

    def __init__(self, began: Began, line: Line) -> None:
        self.request = RunRequest(
            run_id=began.run_id,
            agent_id=began.agent_id,
            session_key=began.session_key,
            messages=(),
            stateless=True,
            stream=began.stream,
            channel=began.channel,
            surface="http",
            traceparent=began.traceparent,
        )
        self.principal = began.principal
        self.queued_at_ms = began.queued_at_ms
        self.started_at_ms = 0
        self.outcome: RunResult | None = None
        self.times = Times(began.queued_at_ms / 1000)
        self.verbose = False
        self.reasoning = "off"
        self.journal = Journal(JOURNAL_BYTES)
        self._line = line
        self._gate = Gate()
        self._watchers: dict[int, tuple[Push, Callable[[], None]]] = {}
        self._next = 0
        self._seen: RunState | None = None
        self._followed = 0
        """Number of the newest entry that anybody was told as durable."""
        self._lost = False

    @property
    def status(self) -> RunStatus:
        """Where it stands."""
        if self.outcome is not None:
            return self.outcome.status
        return "running" if self.started_at_ms else "queued"

    @property
    def state(self) -> RunState:
        """See L{openclaw_tx.interfaces.Run.state}; as it was when last asked for."""
        if self.outcome is not None:
            return RunState.of(self.outcome, self.journal.last_seq)
        if self._seen is not None:
            return self._seen
        return RunState(
            run_id=self.request.run_id,
            session_key=self.request.session_key,
            agent_id=self.request.agent_id,
            status=self.status,
            queued_at_ms=self.queued_at_ms,
            started_at_ms=self.started_at_ms,
            last_seq=self.journal.last_seq,
        )

    @property
    def held(self) -> int:
        """Bytes that it takes, roughly."""
        return self.journal.held

    def watch(self, push: Push, after: int = 0) -> Callable[[], None]:
        """See L{openclaw_tx.interfaces.Run.watch}. What was said before anybody listened is not held here."""
        history = self.journal.since(after)
        number = self._next
        self._next += 1
        if self.outcome is None:
            self._watchers[number] = push, self._line.listen()
        if history:
            push(history)

        def stop() -> None:
            watcher = self._watchers.pop(number, None)
            if watcher is not None:
                watcher[1]()

        return stop

    def follow(self, push: Push, after: int = 0) -> Callable[[], None]:
        """See L{openclaw_tx.interfaces.DistantRun.follow}. When the relay is gone, the end comes from here."""
        if self._lost:
            push(self.journal.held_since(after))
            return _nothing

        newest = after

        def told(entries: Sequence[Entry]) -> None:
            nonlocal newest
            if not entries and self._lost:
                entries = self.journal.held_since(newest)
            elif entries:
                newest = entries[-1].seq
                self._followed = max(self._followed, newest)
            push(entries)

        return self._line.follow(self.request.run_id, told, after)

    async def refresh(self) -> None:
        """See L{openclaw_tx.interfaces.DistantRun.refresh}."""
        if self.outcome is None:
            seen = await self._line.look(self.request.run_id)
            if seen is not None and self.outcome is None:
                self._seen = seen
                self.started_at_ms = seen.started_at_ms

    async def result(self) -> RunResult:
        """See L{openclaw_tx.interfaces.Run.result}."""
        await self._gate.wait()
        assert self.outcome is not None
        return self.outcome

    def abort(self, reason: str) -> bool:
        """See L{openclaw_tx.interfaces.Run.abort}. It ends when its relay says so."""
        if self.outcome is not None:
            return False
        self._line.abort(self.request.run_id, reason)
        return True

    def steer(self, text: str, said: Carried | None = None) -> bool:
        """Nobody speaks into it."""
        return False

    # -- for the line

    def told(self, told: Told) -> Sequence[Entry]:
        """It has said more.

        @return: what is new of it.
        """
        self.verbose, self.reasoning = told.verbose, told.reasoning
        entries = [entry for entry in told.entries if entry.seq > self.journal.last_seq]
        for entry in entries:
            if type(entry.event) is RunStarted:
                self.started_at_ms = self.started_at_ms or entry.ts_ms
                self.times.started = entry.ts_ms / 1000
            elif type(entry.event) is TextDelta and not self.times.first_text:
                self.times.first_text = entry.ts_ms / 1000
        self._tell(entries)
        return entries

    def ended(self, ended: Ended) -> Sequence[Entry]:
        """It has ended.

        @return: its end; nothing when that was known.
        """
        if self.outcome is not None:
            return ()
        self.outcome = ended.result
        self.started_at_ms = ended.result.started_at_ms
        self.times.ended = ended.ts_ms / 1000
        end = [
            Entry(seq=max(ended.seq, self.journal.last_seq + 1), ts_ms=ended.ts_ms, event=RunEnded(result=ended.result))
        ]
        self._tell(end)
        for _, unlisten in list(self._watchers.values()):
            unlisten()
        self._watchers.clear()
        self._gate.open()
        return end

    def interrupted(self, now_ms: int) -> Sequence[Entry]:
        """Its relay is gone."""
        state = self.state
        result = RunResult(
            run_id=state.run_id,
            session_key=state.session_key,
            agent_id=state.agent_id,
            status="interrupted",
            payloads=state.payloads,
            usage=state.usage,
            provider=state.provider,
            model=state.model,
            error=GatewayError("run_interrupted", INTERRUPTED).info,
            queued_at_ms=self.queued_at_ms,
            started_at_ms=self.started_at_ms,
            ended_at_ms=now_ms,
        )
        self._lost = True
        last = max(self.journal.last_seq, state.last_seq, self._followed)
        return self.ended(Ended(run_id=state.run_id, seq=last + 1, ts_ms=now_ms, result=result))

    def _tell(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        self.journal.take(entries)
        for number, (push, unlisten) in list(self._watchers.items()):
            try:
                push(entries)
            except Exception:
                # A broken watcher must not take the other watchers, or other runs, with it.
                self._log.failure("a watcher of run {run} failed", run=self.request.run_id)
                if self._watchers.pop(number, None) is not None:
                    unlisten()


def _nothing() -> None:
    """There is nothing to stop."""


__all__ = ["RelayRun"]
