# -*- test-case-name: tests.tools.test_fetching -*-
# mypy: allow-untyped-calls
"""The one way to fetch a URL that somebody else chose (asks section 3, spec 1.1 Images).

A name is resolved once, all its addresses must be public (L{openclaw_tx.tools.addresses}), and the connection goes to
just these, with the name in C{Host} and in TLS: a second look at DNS could give something else. Redirects start over.
Size, time and number of redirects are bounded; no cookies, no credentials, no compression, no connection kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote, urljoin, urlsplit

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
from openclaw_tx.errors import FetchFailed
from openclaw_tx.tools.addresses import Resolve, literal, not_public, system_resolver
from openclaw_tx.values import Fetched, FetchLimits

HEAD_BYTES = 256 * 1024
"""What a connection may bring besides the body."""

MAX_ADDRESSES = 4
"""Addresses of one name that are tried."""

_NAME = re.compile(r"[a-z0-9_.-]{1,253}")
_KEPT = "/%:@!$&'()*+,;=~-._"
"""Characters of a path that stay as they are."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})

Connector = Callable[[str, int], IStreamClientEndpoint]
"""Makes an endpoint for an IP address and a port."""

ContextFor = Callable[[str], Any]
"""Makes an C{IOpenSSLClientConnectionCreator} for a host name: what to send as SNI and what to verify."""


class UrlFetcher:
    """Implements L{openclaw_tx.interfaces.Fetcher}."""

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

    async def fetch(self, url: str, limits: FetchLimits, headers: Mapping[str, str] | None = None) -> Fetched:
        """See L{openclaw_tx.interfaces.Fetcher.fetch}."""

        def too_long(failure: object, seconds: float) -> NoReturn:
            raise FetchFailed(f"it took longer than {seconds:g} s")

        work = Deferred.fromCoroutine(self._follow(url, limits, headers or {}))
        return await work.addTimeout(limits.timeout_s, self._clock, too_long)

    async def _follow(self, url: str, limits: FetchLimits, headers: Mapping[str, str]) -> Fetched:
        for _ in range(limits.max_redirects + 1):
            target = checked_url(url, limits.hosts)
            addresses = await self._addresses(target)
            place = _Place(addresses, self._connect, self._context_for, 2 * limits.max_bytes + HEAD_BYTES)
            try:
                answer = await self._ask(target, place, limits, headers)
            finally:
                place.hang_up()
            if isinstance(answer, Fetched):
                return answer
            url = urljoin(target.url, answer)
        raise FetchFailed(f"more than {limits.max_redirects} redirects")

    async def _addresses(self, target: Target) -> list[str]:
        """Where to connect to: every address of the name is public, or there are none."""
        found = literal(target.host)
        addresses = [found] if found else await self._resolve(target.host)
        if not addresses:
            raise FetchFailed("the name has no address")
        for address in addresses:
            reason = not_public(address)
            if reason:
                raise FetchFailed(f"{address} is {reason}")
        # IPv4 first: it is reachable from more places.
        return sorted(addresses, key=lambda address: ":" in address)[:MAX_ADDRESSES]

    async def _ask(
        self, target: Target, place: _Place, limits: FetchLimits, headers: Mapping[str, str]
    ) -> Fetched | str:
        """One request.

        @return: what came, or where it has moved to.
        """
        pool = HTTPConnectionPool(self._clock, persistent=False)
        agent = Agent.usingEndpointFactory(self._reactor, place, pool)
        sent = Headers({"user-agent": [f"openclaw_tx/{__version__}"], "accept-encoding": ["identity"]})
        for name, value in headers.items():
            sent.setRawHeaders(name, [value])
        try:
            response: Any = await agent.request(b"GET", target.url.encode("ascii"), sent)
        except (CancelledError, FetchFailed):
            raise
        except Exception as error:
            if any(reason.check(CancelledError) for reason in getattr(error, "reasons", ())):
                raise CancelledError() from None  # Agent hides it
            raise FetchFailed(f"no answer ({type(error).__name__})") from None
        where = response.headers.getRawHeaders("location")
        if response.code in REDIRECTS and where:
            return str(where[0])
        if isinstance(response.length, int) and response.length > limits.max_bytes:
            raise FetchFailed(f"larger than {limits.max_bytes} bytes")
        done: Deferred[bytes] = Deferred()
        response.deliverBody(_Body(limits.max_bytes, done))
        kind = (response.headers.getRawHeaders("content-type") or [""])[0]
        return Fetched(
            url=target.url,
            status=response.code,
            content_type=kind.partition(";")[0].strip().lower(),
            body=await done,
        )

    def _tcp(self, address: str, port: int) -> IStreamClientEndpoint:
        kind = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
        return kind(self._reactor, address, port)


class Target(NamedTuple):
    """A URL that may be asked for, as far as its text tells."""

    url: str
    """Rebuilt from its parts, plain ASCII, so that whoever reads it next sees the same host as we did."""
    host: str
    """A name in ASCII, or an address without brackets."""


def checked_url(text: str, hosts: Sequence[str] = ()) -> Target:
    """Check a URL.

    @param hosts: see L{FetchLimits.hosts}.
    @raise FetchFailed: it is none, is not of the web, carries a user, or its host is not allowed.
    """
    if any(char <= " " or char in "\\\x7f" for char in text):
        raise FetchFailed("not a URL (a character that URLs do not have)")
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").rstrip("."), parts.port
        if ":" not in host:
            if "[" in parts.netloc:
                raise ValueError("an address of the future")
            host = host.encode("idna").decode("ascii").lower()
    except (ValueError, UnicodeError):
        raise FetchFailed("not a URL") from None
    if parts.scheme not in ("http", "https"):
        raise FetchFailed("not a URL of the web")
    if parts.username is not None or parts.password is not None:
        raise FetchFailed("a URL with a user in it")
    address = literal(host)
    if port == 0 or not (address or _NAME.fullmatch(host)):
        raise FetchFailed("a URL without a usable host or port")
    if not address and ("." not in host or host.endswith((".localhost", ".local", ".internal"))):
        raise FetchFailed("a name of the local network")
    if hosts and not any(_matches(host, pattern.lower()) for pattern in hosts):
        raise FetchFailed(f"{host} is not in the list of hosts allowed")
    shown = f"[{host}]" if ":" in host else host
    place = f"{shown}:{port}" if port is not None else shown
    path = quote(parts.path or "/", safe=_KEPT)
    query = f"?{quote(parts.query, safe=_KEPT + '?')}" if parts.query else ""
    return Target(url=f"{parts.scheme}://{place}{path}{query}", host=address or host)


def _matches(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and host != pattern[2:]
    return host == pattern


@implementer(IAgentEndpointFactory, IStreamClientEndpoint)
class _Place:
    """The checked addresses of one host: tried in turn, whatever the name means by now."""

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

    def __init__(self, limit: int, done: Deferred[bytes]) -> None:
        self._left = limit
        self._limit = limit
        self._done = done
        self._parts: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            self._finish(FetchFailed(f"larger than {self._limit} bytes"))
        else:
            self._parts.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if reason.check(ResponseDone, PotentialDataLoss):
            self._finish(None)
        else:
            self._finish(FetchFailed("the connection broke off"))

    def _finish(self, failure: FetchFailed | None) -> None:
        if self._done.called:
            return
        if failure is None:
            self._done.callback(b"".join(self._parts))
        else:
            self._parts.clear()
            self._done.errback(failure)


__all__ = ["UrlFetcher", "checked_url"]
