# -*- test-case-name: tests.runs.test_archive -*-
"""Every run that anybody may still ask for: live, remembered or in the ledger; its events once they are durable."""

from __future__ import annotations

from collections.abc import Callable

from openclaw_tx.interfaces import DistantRun, Push, Run, RunEngine, Sessions
from openclaw_tx.runs.run import AgentRun
from openclaw_tx.runs.stored import StoredView


class Archive:
    """The engine's memory and the ledger behind one door."""

    def __init__(self, engine: RunEngine, sessions: Sessions | None) -> None:
        """
        @param sessions: where the ledger is; None = there is only the engine's memory.
        """
        self._engine = engine
        self._sessions = sessions

    async def find(self, run_id: str, *, events: bool = False) -> Run | None:
        """A run by its id. One from the ledger has ended, unless it is another process's.

        @param events: the caller is going to watch it.
        @raise GatewayError: C{storage_unavailable}.
        """
        run = self._engine.get(run_id)
        distant: object = run
        if isinstance(distant, DistantRun):
            await distant.refresh()
        if run is not None or self._sessions is None:
            return run
        stored = await self._sessions.get_run(run_id)
        if stored is None:
            return None
        return StoredView(stored, await self._sessions.events(run_id) if events else ())

    async def look_up(self, run_id: str) -> None:
        """Take as long as L{find} takes for a run that is not in memory, so that time tells nobody anything."""
        if self._sessions is not None:
            await self._sessions.get_run(run_id)

    async def repeated(self, idempotency: str) -> Run | None:
        """The newest run of an idempotency digest, to be watched.

        @raise GatewayError: C{storage_unavailable}.
        """
        stored = await self._sessions.repeated(idempotency) if self._sessions is not None else None
        if stored is None or self._sessions is None:
            return None
        return self._engine.get(stored.run_id) or StoredView(stored, await self._sessions.events(stored.run_id))

    async def keep(self, run: Run) -> None:
        """Wait until the ledger knows of a run that is C{durable}.

        @raise GatewayError: C{storage_unavailable}.
        """
        if isinstance(run, AgentRun) and run.keeper is not None:
            await run.keeper.settle(run)

    def watch(self, run: Run, push: Push, after: int = 0) -> Callable[[], None]:
        """As L{Run.watch}, but each entry comes only once it is durable, and a hole is no error: what is not held any
        more is left out. An empty batch means that no more will come although the run has not ended.

        @param run: as L{find} gave it, for whoever is going to watch.
        """
        if isinstance(run, AgentRun) and run.keeper is not None:
            return run.keeper.watch(run, push, after)
        distant: object = run
        if isinstance(distant, DistantRun):
            return distant.follow(push, after)
        if not isinstance(run, StoredView):
            return run.watch(push, after)
        stop = run.tell(push, after)
        if run.outcome is None:
            push(())
        return stop


__all__ = ["Archive"]
