# -*- test-case-name: tests.workers.test_distant -*-
"""The runs of all relays, beside those of the chief's own engine: what its surfaces see."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from twisted.logger import Logger

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Run, RunEngine
from openclaw_tx.runs.ended import KEEP_BYTES, KEEP_RUNS, KEEP_SECONDS
from openclaw_tx.runs.listeners import RunListeners
from openclaw_tx.values import Entry, Principal, RunRequest
from openclaw_tx.workers.distant import RelayRun

RunListener = Callable[[Run, Sequence[Entry]], None]


class Fleet:
    """Implements L{openclaw_tx.interfaces.RunEngine}: runs are started here, and known wherever they are.

    Runs of relays that have ended are remembered as L{openclaw_tx.runs.ended} says of one's own.
    """

    def __init__(
        self, engine: RunEngine, listen: Callable[[], Callable[[], None]], seconds: Callable[[], float]
    ) -> None:
        """
        @param listen: has relays tell what their runs say, until what it gives back is called.
        """
        self._engine = engine
        self._listen = listen
        self._seconds = seconds
        self._live: OrderedDict[str, RelayRun] = OrderedDict()
        self._ended: OrderedDict[str, RelayRun] = OrderedDict()
        self._bytes = 0
        self._listeners = RunListeners(Logger())

    # -- the seam

    def start(self, request: RunRequest, principal: Principal) -> Run:
        """See L{openclaw_tx.interfaces.RunEngine.start}."""
        if self._distant(request.run_id) is not None:
            raise GatewayError("idempotency_key_conflict", "This run id was used before for another request.")
        return self._engine.start(request, principal)

    def get(self, run_id: str) -> Run | None:
        """See L{openclaw_tx.interfaces.RunEngine.get}."""
        return self._engine.get(run_id) or self._distant(run_id)

    def live(self) -> Iterable[Run]:
        """See L{openclaw_tx.interfaces.RunEngine.live}."""
        return [*self._engine.live(), *self._live.values()]

    def subscribe(self, listener: RunListener) -> Callable[[], None]:
        """See L{openclaw_tx.interfaces.RunEngine.subscribe}."""
        stops = [self._engine.subscribe(listener), self._listeners.add(listener), self._listen()]

        def stop() -> None:
            for each in stops:
                each()

        return stop

    # -- for the lines to relays

    def began(self, run: RelayRun) -> None:
        """A relay has a run."""
        run_id = run.request.run_id
        old = self._ended.pop(run_id, None)
        if old is not None:
            self._bytes -= old.held
        self._live[run_id] = run

    def said(self, run: RelayRun, entries: Sequence[Entry]) -> None:
        """It has told something new. What a relay's old connection leaves behind says nothing of a run that is told of
        over a new one."""
        run_id = run.request.run_id
        if self._live.get(run_id) is not run:
            return
        if run.outcome is not None:
            del self._live[run_id]
            self._remember(run)
        if entries:
            self._listeners.tell(run, entries)

    def _distant(self, run_id: str) -> RelayRun | None:
        return self._live.get(run_id) or self._ended.get(run_id)

    def _remember(self, run: RelayRun) -> None:
        self._ended[run.request.run_id] = run
        self._bytes += run.held
        oldest_ms = self._seconds() * 1000 - KEEP_SECONDS * 1000
        while self._ended:
            oldest = next(iter(self._ended.values()))
            assert oldest.outcome is not None
            young = oldest.outcome.ended_at_ms >= oldest_ms
            if young and len(self._ended) <= KEEP_RUNS and self._bytes <= KEEP_BYTES:
                return
            del self._ended[oldest.request.run_id]
            self._bytes -= oldest.held


__all__ = ["Fleet"]
