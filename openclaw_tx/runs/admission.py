# -*- test-case-name: tests.runs.test_admission -*-
"""The engine as the surfaces see it: nobody starts a run out of his bounds or above his limits.

A surface may forget to ask whether a client may use an agent or session; here it is asked for every run there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from twisted.logger import Logger

from openclaw_tx.deferreds import spawn
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Authoriser, Meter, Run, RunEngine
from openclaw_tx.values import Entry, Principal, RunRequest, Target

ACTION = "agent"
"""Running an agent, by whichever route."""


class Admission:
    """Implements L{openclaw_tx.interfaces.RunEngine} over the engine."""

    def __init__(self, engine: RunEngine, authorise: Authoriser, meter: Meter) -> None:
        self._engine = engine
        self._authorise = authorise
        self._meter = meter
        self._log = Logger()

    def start(self, request: RunRequest, principal: Principal) -> Run:
        """See L{openclaw_tx.interfaces.RunEngine.start}. Joining a run that is there counts as nothing.

        @raise GatewayError: besides, C{rate_limit_exceeded}, and what the authoriser refuses with.
        """
        # A stateless run has no session that anybody could know of.
        key = None if request.stateless else request.session_key
        self._authorise(principal, ACTION, Target(agent_id=request.agent_id, session_key=key))
        if self._engine.get(request.run_id) is not None:
            return self._engine.start(request, principal)
        if request.surface != "http":
            # The guard has counted HTTP requests before their bodies were read.
            self._meter.request(principal)
        self._meter.enter(principal)
        try:
            run = self._engine.start(request, principal)
        except GatewayError:
            self._meter.leave(principal, 0)
            raise
        spawn(self._settle(run), self._log, f"usage of run {request.run_id}")
        return run

    def get(self, run_id: str) -> Run | None:
        """See L{openclaw_tx.interfaces.RunEngine.get}."""
        return self._engine.get(run_id)

    def live(self) -> Iterable[Run]:
        """See L{openclaw_tx.interfaces.RunEngine.live}."""
        return self._engine.live()

    def subscribe(self, listener: Callable[[Run, Sequence[Entry]], None]) -> Callable[[], None]:
        """See L{openclaw_tx.interfaces.RunEngine.subscribe}."""
        return self._engine.subscribe(listener)

    async def _settle(self, run: Run) -> None:
        """Once the run has ended, however it did: what it used counts."""
        usage = (await run.result()).usage
        self._meter.leave(run.principal, (usage.prompt_tokens or 0) + (usage.completion_tokens or 0))


__all__ = ["Admission"]
