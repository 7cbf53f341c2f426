# -*- test-case-name: tests.runs.test_durable -*-
"""Events that survive a crash: written down in groups, handed on only then.

A run is I{durable} when its request says so or when somebody watches it through L{DurableEvents.watch}; all others cost
nothing here. What the journals of durable runs hold is written every L{FLUSH_SECONDS} in one transaction for all of
them, and then given to the watchers. So no watcher ever knows of an event that a restart would forget, and the run
itself waits for nothing but its own beginning and end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from openclaw_tx.deferreds import Gate, spawn
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Push, Sessions
from openclaw_tx.runs.run import AgentRun
from openclaw_tx.values import Entry, KeptEvents, RunResult

FLUSH_SECONDS = 0.05
"""How long an event waits for others to be written with it, at most."""

RETRY_SECONDS = 1.0
"""Pause after the store has failed."""

MAX_UNWRITTEN = 1000
"""Ended runs that wait for the store to work again; beyond, the oldest are given up."""


class DurableEvents:
    """Writes the events of durable runs, one transaction at a time."""

    def __init__(
        self, sessions: Sessions, clock: IReactorTime, log: Logger, max_unwritten: int = MAX_UNWRITTEN
    ) -> None:
        self._max_unwritten = max_unwritten
        self._sessions = sessions
        self._clock = clock
        self._log = log
        self._dirty: dict[str, AgentRun] = {}
        """Runs with events that are not written."""
        self._results: dict[str, RunResult] = {}
        """How runs end whose terminal event is yet to come."""
        self._watchers: dict[str, dict[int, Push]] = {}
        self._next_watcher = 0
        self._flight: Gate | None = None
        """Opens when the transaction that is under way is over."""
        self._timer: IDelayedCall | None = None
        self._stopped = False

    def noticed(self, run: AgentRun) -> None:
        """The journal of a durable run has grown."""
        self._dirty[run.request.run_id] = run
        self._schedule(FLUSH_SECONDS)

    def watch(self, run: AgentRun, push: Push, after: int = 0) -> Callable[[], None]:
        """See L{openclaw_tx.runs.archive.Archive.watch}. Makes the run durable."""
        run.durable = True
        if run.durable_seq < run.journal.last_seq:
            self.noticed(run)
        past = run.journal.held_since(after, run.durable_seq)
        number = self._next_watcher
        self._next_watcher += 1
        run_id = run.request.run_id
        self._watchers.setdefault(run_id, {})[number] = push
        if past:
            push(past)

        def stop() -> None:
            watchers = self._watchers.get(run_id, {})
            watchers.pop(number, None)
            if not watchers:
                self._watchers.pop(run_id, None)

        return stop

    async def settle(self, run: AgentRun, result: RunResult | None = None) -> None:
        """Wait until the run, and all that is in its journal by now, is in the ledger.

        @param result: how it ends; the terminal event may come once this is noted.
        @raise GatewayError: C{storage_unavailable}: it is not, for now.
        """
        run_id, newest = run.request.run_id, run.journal.last_seq
        if result is not None:
            self._results[run_id] = result

        def noted() -> bool:
            # A result may be there that another waits for: a short run ends while its beginning is being written.
            return run.durable_seq >= newest and (result is None or run_id not in self._results)

        if noted():
            return
        self._dirty[run_id] = run
        try:
            if self._flight is not None:
                # It may have begun before there was all of this; any later one has it on board.
                await self._flight.wait()
            if not noted() and self._flight is None and run_id in self._dirty:
                self._take_off()
            if not noted() and self._flight is not None:
                await self._flight.wait()
            if not noted():
                raise GatewayError("storage_unavailable", "The run could not be noted in the ledger.", retry_after=1)
        finally:
            if result is not None:
                self._results.pop(run_id, None)

    async def stop(self) -> None:
        """Write what there is, once; then no more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flight is not None:
            await self._flight.wait()
        if self._dirty:
            await self._write()

    # -- inside

    def _schedule(self, seconds: float) -> None:
        if self._timer is None and self._flight is None and not self._stopped:
            self._timer = self._clock.callLater(seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        self._take_off()

    def _take_off(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._flight = Gate()
        spawn(self._fly(self._flight), self._log, "writing events of runs")

    async def _fly(self, landed: Gate) -> None:
        worked = False
        try:
            worked = await self._write()
        finally:
            self._flight = None
            if self._dirty:
                self._schedule(FLUSH_SECONDS if worked else RETRY_SECONDS)
            landed.open()

    async def _write(self) -> bool:
        """One transaction for all that is not written; what fails stays to be written.

        @return: whether it worked.
        """
        dirty, self._dirty = self._dirty, {}
        kept = [self._kept(run) for run in dirty.values()]
        try:
            await self._sessions.keep(kept)
        except CancelledError:
            self._again(dirty)
            raise
        except GatewayError as error:
            self._again(dirty)
            self._log.warn("events of runs could not be stored: {error}", error=error.info.message)
            return False
        except Exception:
            self._again(dirty)
            self._log.failure("events of runs could not be stored")
            return False
        for run, part in zip(dirty.values(), kept, strict=True):
            run.durable_seq = part.entries[-1].seq if part.entries else max(run.durable_seq, 0)
            if part.run is not None and part.run.result is not None:
                self._results.pop(part.run_id, None)
            if part.entries:
                self._deliver(run, part.entries)
        return True

    def _kept(self, run: AgentRun) -> KeptEvents:
        result = run.outcome or self._results.get(run.request.run_id)
        # A session run that has begun was in the ledger before it came here.
        begun = not run.request.stateless and run.started_at_ms > 0
        return KeptEvents(
            run_id=run.request.run_id,
            entries=tuple(run.journal.held_since(run.durable_seq)),
            first_held=run.journal.first_seq,
            run=run.stored(result) if result is not None or run.durable_seq < 0 else None,
            new=run.durable_seq < 0 and not begun,
        )

    def _deliver(self, run: AgentRun, entries: Sequence[Entry]) -> None:
        for number, push in list(self._watchers.get(run.request.run_id, {}).items()):
            try:
                push(entries)
            except Exception:
                self._log.failure("a watcher of the events of run {id} failed", id=run.request.run_id)
                self._watchers.get(run.request.run_id, {}).pop(number, None)

    def _again(self, failed: dict[str, AgentRun]) -> None:
        self._dirty = {**failed, **self._dirty}
        ended = [run for run in self._dirty.values() if run.outcome is not None]
        ended.sort(key=lambda run: run.outcome.ended_at_ms if run.outcome is not None else 0)
        for run in ended[: max(0, len(ended) - self._max_unwritten)]:
            del self._dirty[run.request.run_id]
            self._deliver(run, ())
            self._watchers.pop(run.request.run_id, None)


__all__ = ["FLUSH_SECONDS", "MAX_UNWRITTEN", "RETRY_SECONDS", "DurableEvents"]
