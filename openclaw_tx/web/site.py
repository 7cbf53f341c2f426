# -*- test-case-name: tests.web.test_site -*-
# mypy: allow-untyped-calls
"""The HTTP listener: tracked HTTP/1.1 connections that carry bounded requests (spec 1.0, 9.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.http import HTTPChannel
from twisted.web.resource import IResource
from twisted.web.server import Site
from zope.interface import implementer

from openclaw_tx.errors import GatewayError
from openclaw_tx.web.pace import Pace
from openclaw_tx.web.request import BoundedRequest
from openclaw_tx.web.visit import visited
from openclaw_tx.wire.openai_chat_render import error_body

IDLE_SECONDS = 60.0
"""A connection without a request is closed after so long."""

PROBE_SECONDS = 0.5
"""After a client has closed its side: when to write once more to learn whether it has gone altogether."""

_BAD_BODY = error_body(GatewayError("invalid_request", "The request is not valid HTTP.").info)

BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_BAD_BODY), _BAD_BODY)
)


@implementer(IHalfCloseableProtocol)
class GatewayChannel(HTTPChannel):
    """One HTTP/1 connection, known to its site."""

    maxHeaders = 100
    site: GatewaySite
    _read_closed = False
    _probe: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Let the site know."""
        self.site.channels.add(self)
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        """Serve it when it is its turn."""
        self.site.pace.received(self, data)

    def serve(self, data: bytes) -> None:
        """Take what has come."""
        super().dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Let the site know, then whoever is being served. A request that has not begun never will."""
        self.site.pace.forget(self)
        self.site.channels.discard(self)
        if self._probe is not None:
            self._probe.cancel()
            self._probe = None
        super().connectionLost(reason)

    def readConnectionLost(self) -> None:
        """The client has closed its side. One that only does not send any more still gets its answer; one that has
        gone altogether shows when it is written to, and for sure when it is written to a second time."""
        self.site.pace.settle(self)
        self._read_closed = True
        if not self.requests:
            self.loseConnection()
            return
        self.requests[0].half_closed()
        if self._probe is None:
            self._probe = self.site.reactor.callLater(PROBE_SECONDS, self._probe_again)

    def writeConnectionLost(self) -> None:
        """Nothing to do: nobody here closes one side only."""

    def requestDone(self, request: http.Request) -> None:
        """An answer is complete: on to the next request, if there can be one."""
        super().requestDone(request)
        if self._read_closed and not self.requests:
            self.loseConnection()

    def lineLengthExceeded(self, line: bytes) -> None:
        """A header line without an end."""
        self._respondToBadRequestAndDisconnect()

    def hold(self) -> None:
        """Read no more for now."""
        self._networkProducer.pauseProducing()

    def release(self) -> None:
        """Read on."""
        self._networkProducer.resumeProducing()

    def abort(self) -> None:
        """Cut the connection at once."""
        if self.transport is not None:
            cast(Any, self.transport).abortConnection()

    def _probe_again(self) -> None:
        self._probe = None
        if self.requests:
            self.requests[0].half_closed()

    def _respondToBadRequestAndDisconnect(self) -> None:
        """Bytes that are no HTTP. Unlike Twisted's, the answer has a body, and is not put into another answer."""
        if not any(request.startedWriting for request in self.requests):
            assert self.transport is not None
            self.transport.write(BAD_REQUEST)
        self.loseConnection()


class GatewaySite(Site):
    """The HTTP listener: L{BoundedRequest}s on HTTP/1.1, no access log unless asked for, connections that can be told
    to end.

    @ivar channels: live connections; a connection that became a WebSocket is not among them.
    @ivar pace: requests that wait for their turn.
    """

    noisy = False
    protocol = GatewayChannel  # type: ignore[assignment]

    def __init__(self, root: IResource, reactor: IReactorTime, access_log: Callable[[], bool] = lambda: False) -> None:
        """
        @param access_log: whether to log a line for each request, asked each time.
        """
        super().__init__(root, BoundedRequest, reactor=reactor, timeout=IDLE_SECONDS, parsePOSTFormSubmission=False)
        self.channels: set[GatewayChannel] = set()
        self.pace = Pace(reactor)
        self._access_log = access_log
        self._logger = Logger()

    def startFactory(self) -> None:
        """Nothing to open: the access log goes to the program's log, and no clock ticks for it."""

    def stopFactory(self) -> None:
        """Nothing to close."""

    def acceptableProtocols(self) -> list[bytes]:
        """HTTP/1.1 is what the limits of this module are made for."""
        return [b"http/1.1"]

    def log(self, request: http.Request) -> None:
        """Note an answered request, if asked to; never its query, which may hold what it should not."""
        if self._access_log():
            visit = visited(request) if isinstance(request, BoundedRequest) else None
            request_id = request.responseHeaders.getRawHeaders(b"X-Request-Id", [b""])
            self._logger.info(
                "{method} {path} {status} {size} bytes {ms} ms",
                method=request.method.decode("latin-1"),
                path=request.path.decode("latin-1"),
                status=request.code,
                size=request.sentLength,
                ms=round(visit.milliseconds) if visit is not None else 0,
                request=request_id[0].decode("ascii", "replace"),
            )

    def wind_down(self) -> None:
        """Close idle connections now, and the others after their answer."""
        for channel in list(self.channels):
            channel.persistent = 0
            if not channel.requests:
                channel.loseConnection()

    def cut(self) -> None:
        """Cut every connection."""
        for channel in list(self.channels):
            channel.abort()


__all__ = ["GatewayChannel", "GatewaySite"]
