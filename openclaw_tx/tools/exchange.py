# -*- test-case-name: tests.tools.test_fetching -*-
# mypy: allow-untyped-calls
"""HTTP requests to addresses that are known already: bounded in bytes and time, hung up at the end whatever happens.

No cookies, no compression, no connection kept. Where a request may go at all is decided by whoever asks:
L{openclaw_tx.tools.fetching} for URLs of strangers, L{openclaw_tx.tools.services} for the operator's own servers.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from openclaw_tx._version import __version__
from openclaw_tx.bodies import RequestBody
from openclaw_tx.errors import FetchFailed
from openclaw_tx.tools.addresses import Resolve, system_resolver

HEAD_BYTES = 256 * 1024
"""What a connection may bring besides the body."""

MAX_ADDRESSES = 4
"""Addresses of one name that are tried."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})

T = TypeVar("T")

Connector = Callable[[str, int], IStreamClientEndpoint]
"""Makes an endpoint for an IP address and a port."""

ContextFor = Callable[[str], Any]
"""Makes an C{IOpenSSLClientConnectionCreator} for a host name: what to send as SNI and what to verify."""


class Answer(NamedTuple):
    """What came."""

    status: int
    headers: Headers
    body: bytes
    cut: bool
    """There was more than the limit."""

    def header(self, name: str, errors: str = "replace") -> str:
        """First value of a header; "" when it is absent.

        @param errors: what becomes of bytes that are no UTF-8, which servers may send (RFC 9110, 5.5).
        """
        return (self.headers.getRawHeaders(name.encode("ascii")) or [b""])[0].decode("utf-8", errors)

    @property
    def location(self) -> str:
        """Where a redirect leads to, with surrogates for bytes that are no UTF-8; "" when this is none."""
        return self.header("location", "surrogateescape") if self.status in REDIRECTS else ""


class HttpClient:
    """Base of what asks elsewhere: finds names, connects, asks."""

    def __init__(
        self,
        reactor: Any,
        *,
        resolve: Resolve | None = None,
        connect: Connector | None = None,
        context_for: ContextFor = optionsForClientTLS,
    ) -> None:
        """
        @param reactor: provides IReactorTCP, IReactorTime and a C{nameResolver}.
        @param resolve: finds the addresses of a name; None = the reactor's resolver.
        @param connect: reaches an address; None = TCP.
        """
        self._clock: IReactorTime = reactor
        self._reactor = reactor
        self._resolve = resolve or system_resolver(reactor)
        self._connect = connect or self._tcp
        self._context_for = context_for

    async def _in_time(self, work: Coroutine[Deferred[Any], Any, T], seconds: float) -> T:
        """
        @raise FetchFailed: it took too long; the work is cancelled.
        """

        def too_long(failure: object, limit: float) -> NoReturn:
            raise FetchFailed(f"it took longer than {limit:g} s")

        return await Deferred.fromCoroutine(work).addTimeout(seconds, self._clock, too_long)

    async def _exchange(
        self,
        addresses: Sequence[str],
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        max_bytes: int,
        body: bytes | None = None,
        cut: bool = False,
        to_redirects: bool = False,
    ) -> Answer:
        """Ask once, and hang up.

        @param addresses: where to connect to, whatever the name in C{url} means by now.
        @param url: plain ASCII.
        @param max_bytes: largest body of an answer.
        @param cut: take that much of a larger one, instead of failing.
        @param to_redirects: of an answer that leads elsewhere only the head is of interest.
        @raise FetchFailed: no answer, or one that is too large. Cancelling closes the connection.
        """
        # IPv4 first: it is reachable from more places.
        near = sorted(addresses, key=lambda address: ":" in address)[:MAX_ADDRESSES]
        place = _Place(near, self._connect, self._context_for, 2 * max_bytes + HEAD_BYTES)
        agent = Agent.usingEndpointFactory(self._reactor, place, HTTPConnectionPool(self._clock, persistent=False))
        sent = Headers({"user-agent": [f"openclaw_tx/{__version__}"], "accept-encoding": ["identity"]})
        for name, value in headers.items():
            sent.setRawHeaders(name, [value])
        try:
            producer = None if body is None else RequestBody(body)
            response: Any = await agent.request(method.encode("ascii"), url.encode("ascii"), sent, producer)
            if to_redirects and response.code in REDIRECTS and response.headers.hasHeader("location"):
                return Answer(response.code, response.headers, b"", False)
            if not cut and isinstance(response.length, int) and response.length > max_bytes:
                raise FetchFailed(f"larger than {max_bytes} bytes")
            done: Deferred[tuple[bytes, bool]] = Deferred()
            response.deliverBody(_Body(max_bytes, cut, done))
            return Answer(response.code, response.headers, *await done)
        except (CancelledError, FetchFailed):
            raise
        except Exception as error:
            if any(reason.check(CancelledError) for reason in getattr(error, "reasons", ())):
                raise CancelledError() from None  # Agent hides it
            raise FetchFailed(f"no answer ({type(error).__name__})") from None
        finally:
            place.hang_up()

    def _tcp(self, address: str, port: int) -> IStreamClientEndpoint:
        kind = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
        return kind(self._reactor, address, port)


@implementer(IAgentEndpointFactory, IStreamClientEndpoint)
class _Place:
    """The known addresses of one host: tried in turn, whatever its name means by now."""

    def __init__(self, addresses: Sequence[str], connect: Connector, context_for: ContextFor, limit: int) -> None:
        """
        @param limit: bytes that a connection may bring, heads and framing included.
        """
        self._limit = limit
        self._addresses = addresses
        self._connect = connect
        self._context_for = context_for
        self._connections: list[_Bounded] = []
        self._port = 0
        self._secure_as = ""

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Agent's hook."""
        self._port = uri.port
        self._secure_as = uri.host.decode("ascii") if uri.scheme == b"https" else ""
        return self

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """Connect to the first address that answers."""
        return Deferred.fromCoroutine(self._first(protocolFactory))

    async def _first(self, factory: IProtocolFactory) -> Any:
        failure: Exception = FetchFailed("no address to connect to")
        for address in self._addresses:
            endpoint = self._connect(address, self._port)
            if self._secure_as:
                endpoint = wrapClientTLS(self._context_for(self._secure_as), endpoint)
            try:
                bounded: Any = await endpoint.connect(_BoundedFactory(factory, self._limit))
            except CancelledError:
                raise
            except Exception as error:
                failure = error
                continue
            if bounded is not None:  # else it was lost at once
                self._connections.append(bounded)
                return bounded.wrappedProtocol
        raise failure

    def hang_up(self) -> None:
        """Cut what is still open: we are done, or were cancelled."""
        for connection in self._connections:
            connection.cut()
        self._connections.clear()


class _Bounded(ProtocolWrapper):
    """A connection that is cut when it brings too much, be it without end in the head of an answer."""

    left: int

    def dataReceived(self, data: bytes) -> None:
        self.left -= len(data)
        if self.left < 0:
            self.cut()
        else:
            super().dataReceived(data)

    def cut(self) -> None:
        """Close it now."""
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()


class _BoundedFactory(WrappingFactory[Any]):
    """Makes L{_Bounded} connections."""

    noisy = False

    def __init__(self, factory: IProtocolFactory, limit: int) -> None:
        super().__init__(factory)
        self._limit = limit

    def buildProtocol(self, addr: Any) -> Any:
        protocol = _Bounded(self, self.wrappedFactory.buildProtocol(addr))
        protocol.left = self._limit
        return protocol


class _Body(Protocol):
    """Collects a body up to a limit."""

    def __init__(self, limit: int, cut: bool, done: Deferred[tuple[bytes, bool]]) -> None:
        self._left = limit
        self._limit = limit
        self._cut = cut
        self._done = done
        self._parts: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        room = self._left
        self._left -= len(data)
        if self._left >= 0:
            self._parts.append(data)
        elif self._cut:
            if room > 0:
                self._parts.append(data[:room])
            self._finish(None)
        else:
            self._finish(FetchFailed(f"larger than {self._limit} bytes"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if reason.check(ResponseDone, PotentialDataLoss):
            self._finish(None)
        else:
            self._finish(FetchFailed("the connection broke off"))

    def _finish(self, failure: FetchFailed | None) -> None:
        if self._done.called:
            return
        if failure is None:
            self._done.callback((b"".join(self._parts), self._left < 0))
        else:
            self._parts.clear()
            self._done.errback(failure)


__all__ = ["Answer", "Connector", "ContextFor", "HttpClient"]
