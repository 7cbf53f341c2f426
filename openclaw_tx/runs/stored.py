# -*- test-case-name: tests.runs.test_archive -*-
"""A run that only the ledger remembers, as if it were still here. Pure, but for what it was made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Push
from openclaw_tx.runs.times import Times
from openclaw_tx.values import (
    Carried,
    Entry,
    MessageEnded,
    ModelAnswered,
    Principal,
    RunEnded,
    RunEvent,
    RunRequest,
    RunResult,
    RunStarted,
    RunState,
    RunStatus,
    StoredRun,
    TextDelta,
)


class StoredView:
    """A run (L{openclaw_tx.interfaces.Run}) from the ledger. It has ended, unless another process is at work on it.

    @ivar entries: the events that are known, oldest first; the last is the terminal one if the run has ended.
    """

    def __init__(self, stored: StoredRun, kept: Sequence[Entry]) -> None:
        """
        @param kept: the events that the ledger holds; empty = none were kept, or nobody wants them.
        """
        self.request = RunRequest(
            run_id=stored.run_id,
            agent_id=stored.agent_id,
            session_key=stored.session_key,
            messages=(),
            fingerprint=stored.fingerprint,
            idempotency=stored.idempotency,
        )
        self.principal = Principal(id=stored.principal_id, method="none", scopes=frozenset())
        self.outcome = stored.result
        self.status: RunStatus = stored.status
        self.queued_at_ms = stored.queued_at_ms
        self.started_at_ms = stored.started_at_ms
        self.verbose = False
        self.reasoning = "off"
        self.entries = list(kept)
        self._partial = stored.partial
        self._model = stored.provider, stored.model
        if self.outcome is not None:
            if not self.entries:
                self.entries = condensed(self.outcome)
            elif not isinstance(self.entries[-1].event, RunEnded):
                # The process did not live to write it down. Its number is the one it would have had.
                last = self.entries[-1].seq + 1
                self.entries.append(Entry(seq=last, ts_ms=stored.ended_at_ms, event=RunEnded(result=self.outcome)))

    @property
    def times(self) -> Times:
        """See L{openclaw_tx.interfaces.Run.times}; the ledger knows milliseconds, and not all of them."""
        times = Times(self.queued_at_ms / 1000)
        times.started = self.started_at_ms / 1000
        times.ended = self.outcome.ended_at_ms / 1000 if self.outcome is not None else 0.0
        return times

    @property
    def state(self) -> RunState:
        """See L{openclaw_tx.interfaces.Run.state}."""
        last_seq = self.entries[-1].seq if self.entries else 0
        if self.outcome is not None:
            return RunState.of(self.outcome, last_seq)
        return RunState(
            run_id=self.request.run_id,
            session_key=self.request.session_key,
            agent_id=self.request.agent_id,
            status=self.status,
            payloads=(self._partial,) if self._partial else (),
            provider=self._model[0],
            model=self._model[1],
            queued_at_ms=self.queued_at_ms,
            started_at_ms=self.started_at_ms,
            last_seq=last_seq,
        )

    def watch(self, push: Push, after: int = 0) -> Callable[[], None]:
        """See L{openclaw_tx.interfaces.Run.watch}.

        @raise GatewayError: besides, C{storage_unavailable}: another process is at work on the run.
        """
        if self.outcome is None:
            raise elsewhere()
        if self.entries[0].seq > after + 1:
            raise GatewayError("replay_gap", "Events of this run are no longer held.")
        return self.tell(push, after)

    def tell(self, push: Push, after: int) -> Callable[[], None]:
        """Hand over what is known, holes or not."""
        past = [entry for entry in self.entries if entry.seq > after]
        if past:
            push(past)
        return _nothing

    async def result(self) -> RunResult:
        """See L{openclaw_tx.interfaces.Run.result}.

        @raise GatewayError: C{storage_unavailable}, as L{watch}.
        """
        if self.outcome is None:
            raise elsewhere()
        return self.outcome

    def abort(self, reason: str) -> bool:
        """Too late, or too far away."""
        return False

    def steer(self, text: str, said: Carried | None = None) -> bool:
        """Too late, or too far away."""
        return False


def condensed(result: RunResult) -> list[Entry]:
    """The shortest story that ends with C{result}."""
    events: list[RunEvent] = [RunStarted(session_id=result.session_id)]
    if result.model:
        events.append(ModelAnswered(provider=result.provider, model=result.model, round=1))
    if result.refusal:
        events += [TextDelta(text=result.content)] if result.content else []
        events += (TextDelta(text=result.refused, refusal=True), MessageEnded())
    else:
        for text in result.payloads:
            events += (TextDelta(text=text), MessageEnded())
    events.append(RunEnded(result=result))
    return [Entry(seq=seq, ts_ms=result.ended_at_ms, event=event) for seq, event in enumerate(events, 1)]


def elsewhere() -> GatewayError:
    """What is said of a run that the ledger takes for live, but that is not here."""
    return GatewayError("storage_unavailable", "Another process of this gateway is at work on this run.", retry_after=1)


def _nothing() -> None:
    """There was nothing to stop."""


__all__ = ["StoredView", "condensed", "elsewhere"]
