# -*- test-case-name: tests.workers -*-
# mypy: allow-untyped-calls
"""The process that has all that is shared: sessions, WebSockets, jobs, limits, tools, and sight of every run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import Gate, sleep, spawn
from openclaw_tx.interfaces import RunEngine, ToolSource
from openclaw_tx.runs.engine import Engine
from openclaw_tx.tally import Measured
from openclaw_tx.values import ToolSpec
from openclaw_tx.workers import messages
from openclaw_tx.workers.bus import Bus
from openclaw_tx.workers.crew import Crew, CrewRooms, common_entropy, shared
from openclaw_tx.workers.fleet import Fleet
from openclaw_tx.workers.line import Line

RECOVER_SECONDS = 0.5
"""After a relay's end: when its runs are closed in the ledger."""

LOOK_AT_TOOLS_SECONDS = 1.0
"""How often it is looked for tools that have come or gone."""


class ChiefCrew(Crew):
    """See the module.

    @ivar lines: to the relays that are connected, by number of the worker.
    """

    fleet: Fleet
    rooms: CrewRooms

    def __init__(self, key: bytes, count: int, clock: IReactorTime) -> None:
        """
        @param key: what all workers of this gateway have, and nobody else.
        @param count: how many they are, this one included.
        """
        self.lines: dict[int, Line] = {}
        self.clock = clock
        self._key = key
        self._count = self.members = count
        self._listening = 0
        self._past: dict[str, Measured] = {}
        self._draining: Gate | None = None
        self._work: set[Deferred[Any]] = set()
        self._log = Logger()

    # -- for the composition root

    def entropy(self, size: int) -> bytes:
        """See L{Crew.entropy}."""
        return common_entropy(self._key, size)

    def share(self, settings: Callable[[], Config]) -> Callable[[], Config]:
        """See L{Crew.share}."""
        return shared(settings, self._count, chief=True)

    def everywhere(self, engine: Engine) -> RunEngine:
        """See L{Crew.everywhere}."""
        self.fleet = Fleet(engine, self.listen, self.clock.seconds)
        return self.fleet

    def join(self, rooms: CrewRooms) -> None:
        """See L{Crew.join}."""
        self.rooms = rooms

    def services(self) -> list[IService]:
        """See L{Crew.services}."""
        return [_ToolWatch(lambda: self.rooms.sources, self._tell_tools, self.clock)]

    def others(self) -> Sequence[Mapping[str, Measured]]:
        """See L{Crew.others}. What a relay had counted that is gone stays counted."""
        return [self._past, *(line.measured for line in self.lines.values())]

    def count(self) -> int:
        """See L{Crew.count}."""
        return 1 + len(self.lines)

    def about(self) -> Mapping[str, object]:
        """See L{Crew.about}."""
        rows = [
            {"worker": line.worker, "pid": line.pid, "runs": len(line.live)} for _, line in sorted(self.lines.items())
        ]
        return {"workers": {"configured": self._count, "connected": self.count(), "relays": rows}}

    async def drained(self, seconds: float) -> None:
        """See L{Crew.drained}: relays need tools to the end of their runs."""
        self._draining = Gate()
        self.changed()
        timer = self.clock.callLater(seconds, self._draining.open)
        await self._draining.wait()
        if timer.active():
            timer.cancel()
        for work in [*self._work]:
            work.cancel()

    # -- for relays

    def arrived(self, joined: messages.Join) -> Bus[messages.FromRelay]:
        """A relay has come. One that came before under its number is gone, or will be."""
        line = Line(self, joined)
        old = self.lines.get(joined.worker)
        if old is not None:
            old.bus.close()
            self._left(old)
        self.lines[joined.worker] = line
        line.gone.wait().addCallback(lambda _: self._left(line))
        return line.bus

    def welcome(self, line: Line) -> None:
        """It can be spoken to."""
        line.bus.send(messages.Offered(specs=self._specs()))
        if self._listening:
            line.bus.send(messages.Listen(on=True))
        self._log.info("worker {worker} has joined, process {pid}", worker=line.worker, pid=line.pid)

    def listen(self) -> Callable[[], None]:
        """See L{openclaw_tx.workers.distant.Line.listen}."""
        self._listening += 1
        if self._listening == 1:
            self._tell(messages.Listen(on=True))
        over = False

        def stop() -> None:
            nonlocal over
            if over:
                return
            over = True
            self._listening -= 1
            if not self._listening:
                self._tell(messages.Listen(on=False))

        return stop

    def changed(self) -> None:
        """Something that is waited for may have come."""
        if self._draining is not None and all(line.done for line in self.lines.values()):
            self._draining.open()

    def _left(self, line: Line) -> None:
        if self.lines.get(line.worker) is not line:
            return
        del self.lines[line.worker]
        for name, measured in line.measured.items():
            if not measured.passing:
                self._past[name] = _sum(self._past.get(name), measured)
        if not line.done:
            self._log.error("worker {worker} is gone, process {pid}", worker=line.worker, pid=line.pid)
        if self._draining is None:
            # Otherwise the next start does it.
            self._do(self._recover(), "closing what a worker has left behind")
        self.changed()

    async def _recover(self) -> None:
        # Its socket may be closed a moment before it is known to be gone.
        await sleep(self.clock, RECOVER_SECONDS)
        await self.rooms.recover()

    def _do(self, work: Any, what: str) -> None:
        deferred = spawn(work, self._log, what)
        if not deferred.called:
            self._work.add(deferred)
            deferred.addBoth(lambda _: self._work.discard(deferred))

    def _tell_tools(self) -> None:
        self._tell(messages.Offered(specs=self._specs()))

    def _specs(self) -> tuple[ToolSpec, ...]:
        return tuple(tool.spec for source in self.rooms.sources for tool in source.tools())

    def _tell(self, message: messages.FromChief) -> None:
        for line in self.lines.values():
            line.bus.send(message)


class _ToolWatch(Service):
    """Looks for tools that have come or gone."""

    def __init__(
        self, sources: Callable[[], Sequence[ToolSource]], tell: Callable[[], None], clock: IReactorTime
    ) -> None:
        self._sources = sources
        self._tell = tell
        self._clock = clock
        self._versions: list[int] = []
        self._call: IDelayedCall | None = None

    def startService(self) -> None:
        """Begin."""
        super().startService()
        self._look()

    def stopService(self) -> Any:
        """End."""
        super().stopService()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _look(self) -> None:
        versions = [source.version for source in self._sources()]
        if versions != self._versions:
            self._versions = versions
            self._tell()
        self._call = self._clock.callLater(LOOK_AT_TOOLS_SECONDS, self._look)


def _sum(known: Measured | None, measured: Measured) -> Measured:
    """Both together."""
    if known is None:
        return measured
    values = dict(known.values)
    for labels, value in measured.values:
        values[labels] = values.get(labels, 0.0) + value
    counts = tuple(map(sum, zip(known.counts, measured.counts, strict=True))) if known.counts else measured.counts
    return Measured(values=tuple(values.items()), counts=counts, total=known.total + measured.total)


__all__ = ["ChiefCrew"]
