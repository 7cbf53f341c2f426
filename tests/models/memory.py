"""A network in memory: the real HTTP client against the scripted model server, on one clock."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport, IOPump, connect
from twisted.web.server import Site

from openclaw_tx.models.door import Door
from openclaw_tx.models.http import HttpDoor
from openclaw_tx.models.streaming import StreamingDoor
from openclaw_tx.sending import Turn
from tests.support.upstream import Script, Upstream

T = TypeVar("T")
U = TypeVar("U", bound=Upstream)

URL = "http://127.0.0.1:9/v1"


class Memory:
    """A machine: its reactor, the model server on it, and the wires between.

    @ivar reactor: what the code under test gets as reactor and clock.
    @ivar upstream: the model server, which answers on every address.
    @ivar moved: how often anything was on its way so far.
    """

    def __init__(self, script: Script | None = None, reactor: MemoryReactorClock | None = None) -> None:
        self.reactor = reactor or MemoryReactorClock()
        self.upstream = Upstream(self.reactor, script)
        self._site: Site
        self.replace(lambda clock: self.upstream)
        self._pumps: list[IOPump] = []
        self._accepted = 0
        self.moved = 0

    def replace(self, make: Callable[[MemoryReactorClock], U]) -> U:
        """Put another model server in place of this one.

        @param make: makes it, given the clock.
        """
        made = make(self.reactor)
        self.upstream = made
        self._site = Site(made, reactor=self.reactor)
        return made

    @property
    def connections(self) -> int:
        """How many connections were asked for so far."""
        return len(self.reactor.tcpClients)

    @property
    def open_connections(self) -> int:
        """How many of those accepted are still there."""
        return sum(not pump.client.transport.disconnected for pump in self._pumps)

    def accept(self) -> None:
        """Let every connection attempt succeed, and everything that is on its way arrive."""
        while True:
            for _, port, factory, _, _ in self.reactor.tcpClients[self._accepted :]:
                self._accepted += 1
                self._connect(factory, port)
            moved = sum(bool(pump.pump()) for pump in self._pumps)
            self.moved += moved
            if not moved and self._accepted == self.connections:
                return

    def cut(self) -> None:
        """Every connection breaks."""
        for pump in self._pumps:
            pump.clientIO.abortConnection()
            pump.serverIO.abortConnection()
        self.accept()

    def advance(self, seconds: float, step: float = 0.1) -> None:
        """Let time pass, with the network working all along."""
        for _ in range(round(seconds / step)):
            self.reactor.advance(step)
            self.accept()

    def door(
        self, url: str = URL, *, connect_timeout_s: float = 10, idle_timeout_s: float = 20, treq: bool = False
    ) -> Door:
        """A door to the model server.

        @param treq: the one for what is asked for now and then.
        """
        reactor: Any = self.reactor
        if treq:
            return HttpDoor(reactor, reactor, url, connect_timeout_s=connect_timeout_s, idle_timeout_s=idle_timeout_s)
        return StreamingDoor(
            reactor, reactor, url, connect_timeout_s=connect_timeout_s, idle_timeout_s=idle_timeout_s, turn=Turn()
        )

    def _connect(self, factory: Any, port: int) -> None:
        client = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", port))
        server = self._site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 5000 + self._accepted))
        assert server is not None
        pump = connect(
            server, FakeTransport(server, isServer=True), client, FakeTransport(client, isServer=False), debug=False
        )
        self._pumps.append(pump)


def start(coroutine: Coroutine[Any, Any, T]) -> Deferred[T]:
    """Run a coroutine; its result or failure stays in the Deferred."""
    return Deferred.fromCoroutine(coroutine)


def outcome(deferred: Deferred[T]) -> list[T | Failure]:
    """What a Deferred has come to so far: nothing, a result, or a failure."""
    found: list[T | Failure] = []
    deferred.addBoth(found.append)
    return found
