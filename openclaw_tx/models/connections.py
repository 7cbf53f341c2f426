# -*- test-case-name: tests.models.test_http -*-
"""Connections to one model server: how they are made, and that to lose one is to abort it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hyperlink import DecodedURL

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IProtocolFactory, IReactorTCP, IStreamClientEndpoint
from twisted.internet.protocol import connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import URI
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from openclaw_tx.deferreds import Gate


class _Connection(ProtocolWrapper):
    """Stands between Agent's protocol and its transport."""

    owner: Connections

    def connectionMade(self) -> None:
        self.owner.live.add(self)

    def dataReceived(self, data: bytes) -> None:
        self.owner.read(super().dataReceived, data)

    def loseConnection(self) -> None:
        self.disconnecting = 1
        self.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        base: Any = super()
        base.connectionLost(reason)
        self.owner.gone(self)


@implementer(IAgentEndpointFactory, IStreamClientEndpoint)
class Connections:
    """Makes the connections to one server, and knows them all.

    @ivar live: those that are open.
    @ivar attempts: how often one was asked for; a request during which it stays the same reuses one.
    @ivar reading: True while the bytes of one read are being taken apart; see L{after_read}.
    """

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self.live: set[_Connection] = set()
        self.attempts = 0
        self.reading = False
        self._after_read: list[Callable[[], None]] = []
        self._endpoint = endpoint
        self._closed: Gate | None = None

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        return self

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        def build(factory: Any, inner: Any) -> _Connection:
            connection = _Connection(factory, inner)
            connection.owner = self
            return connection

        self.attempts += 1
        quiet: Any = protocolFactory
        quiet.noisy = False  # or it logs two lines for each connection
        wrapping: WrappingFactory[_Connection] = WrappingFactory(protocolFactory)  # type: ignore[no-untyped-call]
        wrapping.noisy = False
        wrapping.protocol = build
        made: Deferred[Any] = self._endpoint.connect(wrapping)
        return made.addCallback(lambda connection: connection.wrappedProtocol)

    def read(self, take: Callable[[bytes], None], data: bytes) -> None:
        """Take one read's bytes apart. HTTP gives a body out chunk by chunk; whoever wants all that one read brought
        at once (design: batches) waits for its end."""
        self.reading = True
        try:
            take(data)
        finally:
            self.reading = False
            waiting, self._after_read = self._after_read, []
            for call in waiting:
                call()

    def after_read(self, call: Callable[[], None]) -> None:
        """Call C{call}, which must not raise, when the read under way has been taken apart."""
        self._after_read.append(call)

    def gone(self, connection: _Connection) -> None:
        """A connection has ended."""
        self.live.discard(connection)
        if self._closed is not None and not self.live:
            self._closed.open()

    async def close(self) -> None:
        """Abort all connections and wait until they are gone."""
        if self.live:
            self._closed = Gate()
            for connection in list(self.live):
                connection.loseConnection()
            await self._closed.wait()


def parse_base_url(base_url: str) -> DecodedURL:
    """
    @raise ValueError: not a URL of a server; the message does not repeat it.
    """
    try:
        url = DecodedURL.from_text(base_url)
    except ValueError:
        raise ValueError("is not a URL") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("must begin with http:// or https:// and name a host")
    if any(url.userinfo):
        raise ValueError("must not hold a user or password; put the key into apiKey")
    return url


def endpoint_for(reactor: IReactorTCP, url: DecodedURL, timeout: float) -> IStreamClientEndpoint:
    """The way to a server; an address given as numbers needs no resolver."""
    endpoint: IStreamClientEndpoint
    port = url.port or 80
    if isIPAddress(url.host):
        endpoint = TCP4ClientEndpoint(reactor, url.host, port, timeout)
    elif isIPv6Address(url.host):
        endpoint = TCP6ClientEndpoint(reactor, url.host, port, timeout)  # type: ignore[no-untyped-call]
    else:
        endpoint = HostnameEndpoint(reactor, url.host, port, timeout)
    if url.scheme == "https":
        endpoint = wrapClientTLS(optionsForClientTLS(url.host), endpoint)
    return endpoint


@implementer(IAgent)
class NoGzip:
    """Takes back the offer of gzip that treq makes: a stream must not wait in anybody's compressor."""

    def __init__(self, agent: IAgent) -> None:
        self._agent = agent

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        if headers is not None:
            headers.removeHeader(b"accept-encoding")
        return self._agent.request(method, uri, headers, bodyProducer)


__all__ = ["Connections", "NoGzip", "endpoint_for", "parse_base_url"]
