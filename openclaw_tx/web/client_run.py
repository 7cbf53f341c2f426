# -*- test-case-name: tests.web.test_starting -*-
"""A run as one of the clients that wait for it has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Push, Run, RunTimes
from openclaw_tx.runs.stored import StoredView, condensed
from openclaw_tx.values import Carried, Entry, Principal, RunEnded, RunRequest, RunResult, RunState, RunStatus


class ClientRun:
    """A run (L{openclaw_tx.interfaces.Run}) as one of its clients sees it: that this one hangs up is not its end."""

    __slots__ = ("_leave", "replayed", "request", "run")

    def __init__(self, run: Run, request: RunRequest, leave: Callable[[], None], *, replayed: bool) -> None:
        """
        @param request: what this client asked for.
        @param leave: this client is not there any more.
        @param replayed: an earlier request started the run.
        """
        self.run = run
        self.replayed = replayed
        self.request = run.request
        if isinstance(run, StoredView):
            # The ledger does not hold what was asked, but it was the same.
            known = run.request
            self.request = replace(request, run_id=known.run_id, session_key=known.session_key, agent_id=known.agent_id)
        self._leave = leave

    @property
    def principal(self) -> Principal:
        """See L{Run}."""
        return self.run.principal

    @property
    def status(self) -> RunStatus:
        """See L{Run}."""
        return self.run.status

    @property
    def outcome(self) -> RunResult | None:
        """See L{Run}."""
        return self.run.outcome

    @property
    def started_at_ms(self) -> int:
        """See L{Run}."""
        return self.run.started_at_ms

    @property
    def queued_at_ms(self) -> int:
        """See L{Run}."""
        return self.run.queued_at_ms

    @property
    def times(self) -> RunTimes:
        """See L{Run}."""
        return self.run.times

    @property
    def state(self) -> RunState:
        """See L{Run}."""
        return self.run.state

    @property
    def verbose(self) -> bool:
        """See L{Run}."""
        return self.run.verbose

    @property
    def reasoning(self) -> str:
        """See L{Run}."""
        return self.run.reasoning

    def steer(self, text: str, said: Carried | None = None) -> bool:
        """See L{Run.steer}."""
        return self.run.steer(text, said)

    def watch(self, push: Push, after: int = 0) -> Callable[[], None]:
        """See L{Run.watch}. The past of a run that has ended comes as it came at the time: its end by itself; and in
        short where it is not held any more."""
        if not self.replayed:
            return self.run.watch(push, after)

        def split(entries: Sequence[Entry]) -> None:
            last = entries[-1].event
            # One that a crash cut off is told as what it is from the first byte on: an error, and no answer.
            if len(entries) > 1 and type(last) is RunEnded and last.result.status != "interrupted":
                push(entries[:-1])
                entries = entries[-1:]
            push(entries)

        try:
            return self.run.watch(split, after)
        except GatewayError as error:
            if error.info.code != "replay_gap" or self.run.outcome is None:
                raise
            split(condensed(self.run.outcome))
            return _nothing

    async def result(self) -> RunResult:
        """See L{Run.result}."""
        return await self.run.result()

    def abort(self, reason: str) -> bool:
        """See L{Run.abort}. C{disconnect} means that this client has left: the run's policy says what follows."""
        if reason != "disconnect":
            return self.run.abort(reason)
        before = self.run.outcome
        self._leave()
        return before is None and self.run.outcome is not None


def _nothing() -> None:
    """It was never followed, so it is not left."""


__all__ = ["ClientRun"]
