# -*- test-case-name: tests.workers.test_together -*-
"""Which runs a relay has: those that need nothing of the chief but its tools."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence

from openclaw_tx.errors import GatewayError, NotHere
from openclaw_tx.interfaces import Agents, Models, Run, RunEngine
from openclaw_tx.models.refs import LOCAL
from openclaw_tx.runs.engine import Engine
from openclaw_tx.values import Entry, Principal, RunRequest


class RelayedRuns:
    """Implements L{openclaw_tx.interfaces.RunEngine} in a relay.

    The chief has runs of sessions, those that are found again by a key, those of the model on this machine, of which
    there is one process, and the first of an agent, for which its workspace is made. When a relay's places are taken,
    the chief has the queue, the only one there is.
    """

    def __init__(
        self, admission: RunEngine, engine: Engine, agents: Agents, models: Models, began: Callable[[Run], None]
    ) -> None:
        """
        @param began: is told of each run.
        """
        self._admission = admission
        self._engine = engine
        self._agents = agents
        self._models = models
        self._began = began
        self._made: set[str] = set()
        """Workspaces that are there."""

    def start(self, request: RunRequest, principal: Principal) -> Run:
        """See L{openclaw_tx.interfaces.RunEngine.start}.

        @raise NotHere: the run is the chief's.
        """
        shared = not request.stateless or request.durable or request.idempotency or request.fingerprint
        if shared or self._engine.busy or self._local(request) or self._new(request):
            raise NotHere
        run = self._admission.start(request, principal)
        self._began(run)
        return run

    def get(self, run_id: str) -> Run | None:
        """See L{openclaw_tx.interfaces.RunEngine.get}."""
        return self._admission.get(run_id)

    def live(self) -> Iterable[Run]:
        """See L{openclaw_tx.interfaces.RunEngine.live}."""
        return self._admission.live()

    def subscribe(self, listener: Callable[[Run, Sequence[Entry]], None]) -> Callable[[], None]:
        """See L{openclaw_tx.interfaces.RunEngine.subscribe}."""
        return self._admission.subscribe(listener)

    def _local(self, request: RunRequest) -> bool:
        """Whether the model on this machine may be asked."""
        agent = self._agents.get(request.agent_id)
        refs = (request.model,) if request.model else agent.models if agent is not None else ()
        return any(self._is_local(ref) for ref in refs)

    def _new(self, request: RunRequest) -> bool:
        """Whether the agent's workspace has yet to be made."""
        agent = self._agents.get(request.agent_id)
        if agent is None or agent.workspace in self._made:
            return False
        if os.path.isdir(agent.workspace):
            self._made.add(agent.workspace)
            return False
        return True

    def _is_local(self, ref: str) -> bool:
        try:
            return self._models.info(ref).provider == LOCAL
        except GatewayError:
            return False  # the run will say so


__all__ = ["RelayedRuns"]
