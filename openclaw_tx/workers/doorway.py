# -*- test-case-name: tests.workers.test_doorway -*-
# mypy: allow-untyped-calls
"""The chief's socket: relays join the bus here, and bring the connections of clients.

Whoever comes has to show the key that the parent gave to its workers; the socket's directory lets nobody else near it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import msgspec

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    ISSLTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer, providedBy

from openclaw_tx.workers.framing import FrameReader, FramingError
from openclaw_tx.workers.messages import TAKEN, Join, Visit, relay_message

FIRST_SECONDS = 5.0
"""The first message must be here by then."""

MAX_FIRST = 4096
"""Bytes of the largest first message."""


@implementer(IHalfCloseableProtocol)
class Comer(Protocol):
    """Somebody at the socket, until the first message says who; then it is what its messages are for.

    As a transport it tells of the client, wherever its bytes come from.
    """

    factory: Doorway

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._reader = FrameReader(MAX_FIRST)
        self._inner: Any = None
        self._visit: Visit | None = None
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Wait for the first message."""
        self._timer = self._clock.callLater(FIRST_SECONDS, self._turn_away)

    def dataReceived(self, data: bytes) -> None:
        """Bytes of the first message, or of what it was for."""
        if self._inner is not None:
            self._inner.dataReceived(data)
            return
        self._reader.feed(data)
        try:
            message = self._reader.next()
            if message is None:
                return
            first = relay_message(message)
        except (FramingError, msgspec.MsgspecError):
            self._turn_away()
            return
        if not isinstance(first, Join | Visit) or not hmac.compare_digest(first.key, self.factory.key):
            self._turn_away()
            return
        self._calm()
        self._become(first, self._reader.rest)

    def readConnectionLost(self) -> None:
        """The other end sends nothing more."""
        closeable: Any = IHalfCloseableProtocol(self._inner, None)
        if closeable is not None:
            closeable.readConnectionLost()
        elif self.transport is not None:
            self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Nobody here closes one side only."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The other end is gone."""
        self._calm()
        if self._inner is not None:
            self._inner.connectionLost(reason)

    # -- as a transport

    def getPeer(self) -> IAddress:
        """The client."""
        assert self._visit is not None
        return address_of(self._visit.host, self._visit.port)

    def getHost(self) -> IAddress:
        """Where the client came to."""
        assert self._visit is not None
        return address_of(self._visit.own_host, self._visit.own_port)

    @property
    def protocol(self) -> Any:
        """Who its bytes are for; a WebSocket puts itself in place of the HTTP connection that it began as."""
        return self._inner

    @protocol.setter
    def protocol(self, protocol: Any) -> None:
        self._inner = protocol

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    # -- inside

    def _become(self, first: Join | Visit, rest: bytes) -> None:
        assert self.transport is not None
        if isinstance(first, Join):
            self._inner = self.factory.join(first)
            self._inner.makeConnection(self.transport)
        else:
            self._visit = first
            self.transport.write(TAKEN)
            client = self.getPeer()
            self._inner = self.factory.site.buildProtocol(client)
            secure = (ISSLTransport,) if first.secure else ()
            directlyProvides(self, *providedBy(self), *providedBy(self.transport), *secure)
            self._inner.makeConnection(self)
        if rest:
            self._inner.dataReceived(rest)

    def _turn_away(self) -> None:
        self._calm()
        self.factory.log.warn("somebody who is no worker came to the workers' socket")
        assert self.transport is not None
        self.transport.abortConnection()  # type: ignore[attr-defined]

    def _calm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()


class Doorway(Factory):
    """What listens on the chief's socket."""

    noisy = False

    def __init__(
        self, key: bytes, site: IProtocolFactory, join: Callable[[Join], IProtocol], clock: IReactorTime
    ) -> None:
        """
        @param site: serves the connections of clients.
        @param join: the bus of a relay that has come.
        """
        self.key = key
        self.site: Any = site
        self.join = join
        self.log = Logger()
        self._clock = clock

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Twisted's hook."""
        comer = Comer(self._clock)
        comer.factory = self
        return comer


def address_of(host: str, port: int) -> IAddress:
    """An address as Twisted has it."""
    if not host:
        return UNIXAddress(None)
    kind = IPv6Address if ip_address(host.partition("%")[0]).version == 6 else IPv4Address
    return kind("TCP", host, port)


__all__ = ["Comer", "Doorway", "address_of"]
