# -*- test-case-name: tests.test_worker -*-
# mypy: allow-untyped-calls
"""One of the processes of C{twistd openclaw --workers N}: started by the parent, ended by it, and never by hand."""

from __future__ import annotations

import os
import platform
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, IReadDescriptor
from twisted.logger import ILogObserver, LogEvent, Logger, globalLogBeginner
from zope.interface import implementer

from openclaw_tx import service
from openclaw_tx.deferreds import Gate
from openclaw_tx.errors import ConfigError
from openclaw_tx.steady import keep_steady
from openclaw_tx.workers.instructions import Instructions, Word, encoded, instructions

if TYPE_CHECKING:
    from openclaw_tx.config.load import Loaded
    from openclaw_tx.gateway import Gateway

OUT = 1
"""The parent reads this descriptor."""


def main() -> None:
    """Serve until the parent says otherwise, or is gone."""
    line = sys.stdin.buffer.readline()
    if not line:
        return
    told = instructions(line)
    import_module(told.reactor).install()
    from twisted.internet import reactor

    # Ctrl-C reaches all processes of a terminal at once; when it is time to end, the parent says so.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log = Logger(namespace="openclaw_tx")
    loaded: list[Callable[[], Loaded]] = []
    globalLogBeginner.beginLoggingTo([Telling(loaded, tell)], redirectStandardIO=False)
    try:
        top = workers_service(told, reactor, dict(os.environ), log, loaded)
        top.privilegedStartService()
        top.startService()
    except ConfigError as error:
        raise SystemExit(error.told) from None
    any_reactor: Any = reactor
    any_reactor.addSystemEventTrigger("before", "shutdown", top.stopService)
    any_reactor.run()


def workers_service(
    told: Instructions, reactor: Any, environ: dict[str, str], log: Logger, settings: list[Callable[[], Loaded]]
) -> service.Service:
    """All that this worker runs.

    @param settings: gets the configuration of the moment, for what is logged.
    @raise ConfigError: the configuration can not be used.
    """
    from openclaw_tx.config.watching import ConfigWatcher
    from openclaw_tx.web.listener import behind_tls
    from openclaw_tx.workers.acceptor import Acceptor
    from openclaw_tx.workers.chief import ChiefCrew
    from openclaw_tx.workers.doorway import Doorway
    from openclaw_tx.workers.relay import RelayCrew
    from openclaw_tx.workers.way import way

    start = msgspec.convert(told.start, service.Start)
    read = service.loader(start, environ)
    loaded = read()
    file = service.log_file(loaded, reactor, lambda: gateway.settings.loaded)
    top = service.Service(lambda: started(gateway, told, log), drain=lambda: drained(gateway, released, reactor))
    released = Gate()
    crew: ChiefCrew | RelayCrew
    if told.door is not None:
        crew = ChiefCrew(told.key, told.count, reactor)
    else:
        crew = RelayCrew(told.key, told.worker, told.count, os.getpid(), way(reactor, told.chief), reactor)
    gateway = service.build_gateway(start, reactor, loaded, log, file, crew)
    settings.append(lambda: gateway.settings.loaded)
    site = gateway.site()
    factory = site if start.endpoints else behind_tls(site, loaded, reactor, platform.node())
    # Stopped in this order, as with one process; but relays come to the chief as long as there is anything to serve.
    for descriptor in told.ports:
        Acceptor(reactor, socket.socket(fileno=descriptor), factory).setServiceParent(top)
    ConfigWatcher(gateway.settings, read, reactor).setServiceParent(top)
    gateway.setServiceParent(top)
    if isinstance(crew, ChiefCrew):
        assert told.door is not None
        door = Doorway(told.key, gateway.site(handed_over=True), crew.arrived, reactor)
        Acceptor(reactor, socket.socket(fileno=told.door), door).setServiceParent(top)
    ParentWatch(reactor, released.open).setServiceParent(top)
    reactor.callWhenRunning(service.end_cleanly, reactor, log, gateway.engine.hurry)
    reactor.callWhenRunning(service.freeze)
    reactor.callWhenRunning(keep_steady, reactor)
    return top


def started(gateway: Gateway, told: Instructions, log: Logger) -> None:
    """Say so, to the parent and in the log."""
    if told.worker == 0:
        log.info("{line}", line=service.summary(gateway))
    tell(Word(ready=True))


def tell(word: Word) -> None:
    """Tell the parent, if it is still there."""
    line = encoded(word)
    with suppress(OSError):
        while line:
            line = line[os.write(OUT, line) :]


async def drained(gateway: Gateway, released: Gate, clock: IReactorTime, tell: Callable[[Word], None] = tell) -> None:
    """Wait for what is under way here, then for the other workers: until the last one is so far, whoever comes, to
    whichever of them, is told that all are ending.

    @param released: opens when the parent says that they are.
    @param tell: tells the parent.
    """
    await gateway.drain()
    tell(Word(drained=True))
    longest = clock.callLater(gateway.settings().gateway.shutdown_grace_seconds + 1, released.open)
    await released.wait()
    if longest.active():
        longest.cancel()


@implementer(ILogObserver)
class Telling:
    """A log observer: the parent writes the log, in one place and one form."""

    def __init__(self, settings: list[Callable[[], Loaded]], tell: Callable[[Word], None]) -> None:
        """
        @param settings: gives the configuration of the moment, once there is one.
        @param tell: tells the parent.
        """
        self._settings = settings
        self._say = tell
        self._sieve: Callable[[LogEvent], None] | None = None

    def __call__(self, event: LogEvent) -> None:
        """Tell it."""
        from openclaw_tx.logs import Sieve

        if self._sieve is None and self._settings:
            self._sieve = Sieve(self._tell, self._settings[0])
        (self._sieve or self._tell)(event)

    def _tell(self, event: LogEvent) -> None:
        from openclaw_tx.logs import json_line

        self._say(Word(log=msgspec.json.decode(json_line(event))))


@implementer(IReadDescriptor)
class ParentWatch(Service):
    """Ends this process when the parent is gone: nobody would, otherwise."""

    def __init__(
        self, reactor: Any, told: Callable[[], None], read: Callable[[], bytes] = lambda: os.read(0, 4096)
    ) -> None:
        """
        @param told: is called when the parent says something, which can be one thing only: that all are drained; and
            when it is gone.
        @param read: reads what the parent says.
        """
        self._reactor = reactor
        self._told = told
        self._read = read

    def startService(self) -> None:
        """Begin to watch."""
        super().startService()
        self._reactor.addReader(self)

    def stopService(self) -> Deferred[None] | None:
        """Watch no more."""
        self._reactor.removeReader(self)
        super().stopService()
        return None

    def fileno(self) -> int:
        """Twisted's hook: the standard input."""
        return 0

    def logPrefix(self) -> str:
        """Twisted's hook."""
        return "parent"

    def doRead(self) -> None:
        """The parent says something, or nothing more: it is gone."""
        if self._read():
            self._told()
        else:
            self.connectionLost(None)

    def connectionLost(self, reason: object) -> None:
        """The other end is closed; some reactors say so in this way."""
        self._told()
        if self.running:
            self._reactor.removeReader(self)
            self._reactor.stop()


if __name__ == "__main__":
    main()
