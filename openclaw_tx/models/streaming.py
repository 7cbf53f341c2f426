# -*- test-case-name: tests.models.test_http -*-
"""The door to model servers: kept connections, and one way from what a read brings to whoever wants it.

For each request there is a timer and a Deferred or two, for each read of an answer one call. What one exchange does is
in L{openclaw_tx.models.exchange}; here is who makes connections, keeps them for the next request, and ends them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperlink import DecodedURL

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTCP, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers

from openclaw_tx.deferreds import Gate
from openclaw_tx.models.connections import endpoint_for, parse_base_url
from openclaw_tx.models.door import IDLE_CONNECTION_S, MAX_IDLE_CONNECTIONS, Answer, HttpFailure
from openclaw_tx.models.exchange import Exchange
from openclaw_tx.models.idle import IdleTimer
from openclaw_tx.sending import Turn, send_now

_OURS = (b"host", b"content-length", b"connection", b"transfer-encoding")
"""Headers that only the connection can know."""

MAX_HEADS = 256
"""Request heads that are remembered; all are forgotten when there would be more."""


class StreamingDoor:
    """A L{openclaw_tx.models.door.Door} for requests that are made all the time.

    @ivar turn: what is caused by a read leaves at its end.
    """

    def __init__(
        self,
        reactor: IReactorTCP,
        clock: IReactorTime,
        base_url: str,
        *,
        connect_timeout_s: float,
        idle_timeout_s: float,
        turn: Turn,
    ) -> None:
        """
        @param base_url: e.g. C{https://api.openai.com/v1}; must not hold a user or password.
        @param idle_timeout_s: longest silence, re-armed by each piece of the answer.
        @raise ValueError: C{base_url} can not be used; the message does not repeat it.
        """
        url = parse_base_url(base_url)
        self.base_url = url.replace(path=[part for part in url.path if part])
        self.last_heard = 0.0
        self.turn = turn
        self._clock = clock
        self._idle_s = idle_timeout_s
        self._connections = _Connections(endpoint_for(reactor, url, connect_timeout_s), clock, self)
        self._heads: dict[tuple[str, int, int], tuple[object, object, bytes]] = {}

    def url(self, *path: str) -> DecodedURL:
        """See L{Door.url}."""
        return self.base_url.child(*path)

    async def send(
        self,
        method: str,
        url: DecodedURL,
        headers: Headers,
        body: bytes = b"",
        *,
        more: Mapping[str, str] | None = None,
        repeat: bool = True,
    ) -> Answer:
        """See L{Door.send}."""
        fields = "".join(f"{name}: {value}\r\n" for name, value in (more or {}).items())
        if body or method == "POST":
            fields += f"Content-Length: {len(body)}\r\n"
        request = b"%s%s\r\n%s" % (self._head(method, url, headers), fields.encode("latin-1"), body)
        try:
            return await self._exchange(request)
        except HttpFailure as failure:
            if not (repeat and failure.was_stale):
                raise
        self._connections.drop_idle()
        return await self._exchange(request)

    async def close(self) -> None:
        """See L{Door.close}."""
        await self._connections.close()

    async def _exchange(self, request: bytes) -> Answer:
        idle = IdleTimer(self._clock, self._idle_s)
        exchange = Exchange(self, idle)
        idle.start(exchange.silent)
        connection = self._connections.kept()
        if connection is not None:
            connection.ask(exchange, request)
        else:
            exchange.connecting(self._connections.make(), request)
        await exchange.head
        return exchange

    def _head(self, method: str, url: DecodedURL, headers: Headers) -> bytes:
        """Request line and headers. They are those of a model, and so the same objects again and again."""
        key = (method, id(url), id(headers))
        known = self._heads.get(key)
        if known is None:
            if len(self._heads) >= MAX_HEADS:
                self._heads.clear()
            known = self._heads[key] = (url, headers, _head(method, url, headers))
        return known[2]


class _Connections:
    """The connections to one server.

    @ivar live: those that are open.
    """

    def __init__(self, endpoint: IStreamClientEndpoint, clock: IReactorTime, door: StreamingDoor) -> None:
        self.live: set[_Connection] = set()
        self._endpoint = endpoint
        self._clock = clock
        self._factory = _Factory(self, door.turn)
        self._idle: list[_Connection] = []
        """Those that wait for a request, the one used last at the end."""
        self._sweep: IDelayedCall | None = None
        self._closed: Gate | None = None

    def kept(self) -> _Connection | None:
        """One that is open already."""
        return self._idle.pop() if self._idle else None

    def make(self) -> Deferred[Any]:
        """A new one."""
        made: Deferred[Any] = self._endpoint.connect(self._factory)
        return made

    def keep(self, connection: _Connection) -> None:
        """It is free for another request."""
        if self._closed is not None:
            connection.cut()
            return
        connection.free_since = self._clock.seconds()
        self._idle.append(connection)
        if len(self._idle) > MAX_IDLE_CONNECTIONS:
            self._idle.pop(0).cut()
        if self._sweep is None:
            self._sweep = self._clock.callLater(IDLE_CONNECTION_S, self._drop_old)

    def gone(self, connection: _Connection) -> None:
        """It has ended."""
        self.live.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if not self._idle:
            self._stop_sweeping()
        if self._closed is not None and not self.live:
            self._closed.open()

    def drop_idle(self) -> None:
        """Close those that wait."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.cut()
        self._stop_sweeping()

    async def close(self) -> None:
        """Abort all and wait until they are gone."""
        self._idle = []
        self._stop_sweeping()
        if self.live:
            self._closed = Gate()
            for connection in list(self.live):
                connection.cut()
            await self._closed.wait()

    def _drop_old(self) -> None:
        self._sweep = None
        now = self._clock.seconds()
        while self._idle and now - self._idle[0].free_since >= IDLE_CONNECTION_S:
            self._idle.pop(0).cut()
        if self._idle:
            wait = IDLE_CONNECTION_S - (now - self._idle[0].free_since)
            self._sweep = self._clock.callLater(wait, self._drop_old)

    def _stop_sweeping(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None


class _Factory(Factory):
    noisy = False

    def __init__(self, owner: _Connections, turn: Turn) -> None:
        self._owner = owner
        self._turn = turn

    def buildProtocol(self, addr: object) -> _Connection:
        return _Connection(self._owner, self._turn)


class _Connection(Protocol):
    """A connection, and the exchange that has it at the moment.

    @ivar free_since: when it began to wait for a request, in seconds of the clock.
    """

    transport: Any
    free_since = 0.0

    def __init__(self, owner: _Connections, turn: Turn) -> None:
        self._owner = owner
        self._turn = turn
        self._exchange: Exchange | None = None
        self._used = False

    def ask(self, exchange: Exchange, request: bytes) -> None:
        """Send a request."""
        exchange.begins(self, reused=self._used)
        self._exchange, self._used = exchange, True
        send_now(self.transport, request)

    def free(self) -> None:
        """The exchange is over; there may be another."""
        self._exchange = None
        self._owner.keep(self)

    def cut(self) -> None:
        """Close it now; nobody wants to hear any more of it."""
        self._exchange = None
        self.transport.abortConnection()

    def pause(self) -> None:
        """Nobody takes what comes."""
        self.transport.pauseProducing()

    def resume(self) -> None:
        """Somebody does."""
        self.transport.resumeProducing()

    def connectionMade(self) -> None:
        self._owner.live.add(self)
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:
        if self._exchange is None:  # it speaks without having been asked, or after it was cut
            self.cut()
            return
        self._turn.begin()
        try:
            self._exchange.received(data)
        finally:
            self._turn.end()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._owner.gone(self)
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        self._turn.begin()
        try:
            exchange.lost(reason)
        finally:
            self._turn.end()


def _head(method: str, url: DecodedURL, headers: Headers) -> bytes:
    """Request line and headers but for those that say how long the body is."""
    encoded = url.to_uri()
    target = encoded.replace(scheme="", host="", port=None, fragment="", rooted=True).to_text() or "/"
    host = encoded.host if ":" not in encoded.host else f"[{encoded.host}]"
    port = f":{url.port}" if url.port not in (None, {"http": 80, "https": 443}.get(url.scheme)) else ""
    lines = [f"{method} {target} HTTP/1.1".encode("ascii"), f"Host: {host}{port}".encode("ascii")]
    for name, values in headers.getAllRawHeaders():
        if name.lower() not in _OURS:
            lines += (name + b": " + value for value in values)
    return b"\r\n".join(lines) + b"\r\n"


__all__ = ["StreamingDoor"]
