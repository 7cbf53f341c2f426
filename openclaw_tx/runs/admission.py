# -*- test-case-name: tests.runs.test_admission -*-
"""The engine as the surfaces see it: nobody starts a run out of his bounds or above his limits.

A surface may forget to ask whether a client may use an agent or session; here it is asked for every run there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Authoriser, Meter, Run, RunEngine
from openclaw_tx.values import Entry, Principal, RunEnded, RunRequest, Target

Subscribe = Callable[[Callable[[Run, Sequence[Entry]], None]], Callable[[], None]]

ACTION = "agent"
"""Running an agent, by whichever route."""


class Admission:
    """Implements L{openclaw_tx.interfaces.RunEngine} over the engine."""

    def __init__(
        self, engine: RunEngine, authorise: Authoriser, meter: Meter, subscribe: Subscribe | None = None
    ) -> None:
        """
        @param subscribe: as C{engine.subscribe}, or to the ends of runs alone, to what starts runs here: C{engine} may
            show others as well.
        """
        self._engine = engine
        self._authorise = authorise
        self._meter = meter
        self._entered: set[str] = set()
        """Ids of the runs that are to be settled."""
        (subscribe or engine.subscribe)(self._heard)

    def start(self, request: RunRequest, principal: Principal) -> Run:
        """See L{openclaw_tx.interfaces.RunEngine.start}. Joining a run that is there counts as nothing; starting one
        anew counts.

        @raise GatewayError: besides, C{rate_limit_exceeded}, and what the authoriser refuses with.
        """
        # A stateless run has no session that anybody could know of.
        key = None if request.stateless else request.session_key
        self._authorise(principal, ACTION, Target(agent_id=request.agent_id, session_key=key))
        known = self._engine.get(request.run_id)
        if known is not None and not (known.outcome is not None and known.outcome.came_to_nothing):
            return self._engine.start(request, principal)
        if request.surface != "http":
            # The guard has counted HTTP requests before their bodies were read.
            self._meter.request(principal)
        self._meter.enter(principal)
        self._entered.add(request.run_id)
        try:
            return self._engine.start(request, principal)
        except GatewayError:
            self._entered.discard(request.run_id)
            self._meter.leave(principal, 0)
            raise

    def get(self, run_id: str) -> Run | None:
        """See L{openclaw_tx.interfaces.RunEngine.get}."""
        return self._engine.get(run_id)

    def live(self) -> Iterable[Run]:
        """See L{openclaw_tx.interfaces.RunEngine.live}."""
        return self._engine.live()

    def subscribe(self, listener: Callable[[Run, Sequence[Entry]], None]) -> Callable[[], None]:
        """See L{openclaw_tx.interfaces.RunEngine.subscribe}."""
        return self._engine.subscribe(listener)

    def _heard(self, run: Run, batch: Sequence[Entry]) -> None:
        """Once a run has ended, however it did: what it used counts."""
        event = batch[-1].event
        if type(event) is not RunEnded or run.request.run_id not in self._entered:
            return
        self._entered.discard(run.request.run_id)
        usage = event.result.usage
        self._meter.leave(run.principal, (usage.prompt_tokens or 0) + (usage.completion_tokens or 0))


__all__ = ["Admission"]
