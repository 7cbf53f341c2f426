# -*- test-case-name: tests.testing.test_gateway -*-
# mypy: allow-untyped-calls
"""Connections without sockets: real protocols at both ends, bytes carried by hand."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.test.iosim import FakeTransport, IOPump, connect
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

CLIENT = IPv4Address("TCP", "127.0.0.1", 40000)
SERVER = IPv4Address("TCP", "127.0.0.1", 18789)


@implementer(IStreamClientEndpoint, IAgentEndpointFactory)
class MemoryEndpoint:
    """Leads to a server's factory; hand it to an C{Agent} or connect a client's factory yourself."""

    def __init__(self, server: IProtocolFactory, clock: Any = None) -> None:
        """
        @param clock: the reactor of the server; what it does in its next turn is done as bytes are carried.
        """
        self._server = server
        self._clock = clock
        self._pumps: list[IOPump] = []

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        """Connect at once."""
        server = self._server.buildProtocol(CLIENT)
        client = protocolFactory.buildProtocol(SERVER)
        ends = (
            FakeTransport(server, True, hostAddress=SERVER, peerAddress=CLIENT),
            FakeTransport(client, False, hostAddress=CLIENT, peerAddress=SERVER),
        )
        self._pumps.append(connect(server, ends[0], client, ends[1], greet=True, clock=self._clock))
        return succeed(client)

    def endpointForURI(self, uri: object) -> MemoryEndpoint:
        """Every address leads to the one server."""
        return self

    def flush(self) -> bool:
        """Carry bytes until nothing moves.

        @return: whether anything did.
        """
        carried = moved = sum(bool(pump.pump()) for pump in self._pumps) > 0
        while moved:
            moved = sum(bool(pump.pump()) for pump in self._pumps) > 0
        self._pumps = [pump for pump in self._pumps if not (pump.clientIO.disconnected and pump.serverIO.disconnected)]
        return carried

    def disconnect(self) -> None:
        """Cut every connection, as a network that fails does."""
        for pump in self._pumps:
            pump.clientIO.abortConnection()
        self.flush()
