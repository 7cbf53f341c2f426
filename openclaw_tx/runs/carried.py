# -*- test-case-name: tests.runs.test_carried -*-
"""Messages that the runs of others carry: merged into their turn, or taken in while they were at work.

Each has a run id of its own, under which its client asks for it again, waits for it and aborts it. What it finds then
is a run that ends as the one that carries it does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from openclaw_tx.interfaces import Push
from openclaw_tx.runs.run import AgentRun
from openclaw_tx.runs.stored import condensed
from openclaw_tx.runs.times import Times
from openclaw_tx.values import Carried, Entry, Principal, RunEnded, RunRequest, RunResult, RunState, RunStatus


class CarriedRun:
    """A carried message as a run (L{openclaw_tx.interfaces.Run}). It tells nothing but its end."""

    verbose = False
    reasoning = "off"

    def __init__(self, carrier: AgentRun, said: Carried) -> None:
        request = carrier.request
        self.request = RunRequest(
            run_id=said.run_id,
            agent_id=request.agent_id,
            session_key=request.session_key,
            messages=(),
            channel=request.channel,
            surface=request.surface,
            fingerprint=said.fingerprint,
        )
        self._carrier = carrier
        self._said = said

    @property
    def principal(self) -> Principal:
        """See L{openclaw_tx.interfaces.Run}."""
        return self._carrier.principal

    @property
    def status(self) -> RunStatus:
        """See L{openclaw_tx.interfaces.Run}."""
        return self._carrier.status

    @property
    def outcome(self) -> RunResult | None:
        """See L{openclaw_tx.interfaces.Run.outcome}."""
        outcome = self._carrier.outcome
        return outcome.for_carried(self._said) if outcome is not None else None

    @property
    def started_at_ms(self) -> int:
        """See L{openclaw_tx.interfaces.Run}."""
        return self._carrier.started_at_ms

    @property
    def queued_at_ms(self) -> int:
        """See L{openclaw_tx.interfaces.Run}."""
        return self._said.queued_at_ms

    @property
    def times(self) -> Times:
        """See L{openclaw_tx.interfaces.Run.times}."""
        times = Times(self.queued_at_ms / 1000)
        times.started, times.ended = self._carrier.times.started, self._carrier.times.ended
        return times

    @property
    def state(self) -> RunState:
        """See L{openclaw_tx.interfaces.Run.state}."""
        outcome = self.outcome
        if outcome is not None:
            return RunState.of(outcome, len(condensed(outcome)))
        return RunState(
            run_id=self._said.run_id,
            session_key=self.request.session_key,
            agent_id=self.request.agent_id,
            status=self.status,
            queued_at_ms=self.queued_at_ms,
            started_at_ms=self.started_at_ms,
        )

    def watch(self, push: Push, after: int = 0) -> Callable[[], None]:
        """See L{openclaw_tx.interfaces.Run.watch}."""

        def ended(entries: Sequence[Entry]) -> None:
            event = entries[-1].event
            if type(event) is RunEnded:
                told = [entry for entry in condensed(event.result.for_carried(self._said)) if entry.seq > after]
                if told:
                    push(told)

        # Of what the carrier has told, at most the last counts.
        return self._carrier.watch(ended, max(0, self._carrier.journal.last_seq - 1))

    async def result(self) -> RunResult:
        """See L{openclaw_tx.interfaces.Run.result}."""
        return (await self._carrier.result()).for_carried(self._said)

    def abort(self, reason: str) -> bool:
        """See L{openclaw_tx.interfaces.Run.abort}. What reads it is aborted, with all else that it reads."""
        return self._carrier.abort(reason)

    def steer(self, text: str, said: Carried | None = None) -> bool:
        """See L{openclaw_tx.interfaces.Run.steer}."""
        return self._carrier.steer(text, said)


class CarriedRuns:
    """Finds them, for as long as the runs that carry them are known. Bounded by these, and by what each takes in
    (L{openclaw_tx.runs.steering.MAX_CARRIED}, C{messages.queue.cap})."""

    def __init__(self) -> None:
        self._carriers: dict[str, AgentRun] = {}

    def add(self, carrier: AgentRun, said: Carried) -> None:
        """A run reads a message."""
        carrier.carried[said.run_id] = said
        self._carriers[said.run_id] = carrier

    def get(self, run_id: str) -> CarriedRun | None:
        """By the run id that the message came with."""
        carrier = self._carriers.get(run_id)
        return CarriedRun(carrier, carrier.carried[run_id]) if carrier is not None else None

    def drop(self, run_id: str) -> None:
        """Forget one: a run of its own has its id now."""
        carrier = self._carriers.pop(run_id, None)
        if carrier is not None:
            del carrier.carried[run_id]

    def forget(self, carrier: AgentRun) -> None:
        """Forget all that a run carries."""
        for run_id in carrier.carried:
            if self._carriers.get(run_id) is carrier:
                del self._carriers[run_id]


__all__ = ["CarriedRun", "CarriedRuns"]
