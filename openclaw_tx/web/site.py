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
from twisted.web.resource import IResource
from twisted.web.server import Site
from zope.interface import implementer

from openclaw_tx.interfaces import Elsewhere, Taken
from openclaw_tx.sending import Turn
from openclaw_tx.web.crowding import Crowd
from openclaw_tx.web.head import is_well_framed, origin_form
from openclaw_tx.web.intake import IntakeChannel
from openclaw_tx.web.pace import Pace
from openclaw_tx.web.refusing import TOO_SLOW
from openclaw_tx.web.request import BoundedRequest
from openclaw_tx.web.visit import visited

IDLE_SECONDS = 60.0
"""A connection without a request is closed after so long."""

PROBE_SECONDS = 0.5
"""After a client has closed its side: when to write once more to learn whether it has gone altogether."""

HEAD_SECONDS = 30.0
"""The head of a request must be complete so long after its first byte."""

AT_ONCE = 16
"""Requests of one connection that are answered before others get their turn."""


@implementer(IHalfCloseableProtocol)
class GatewayChannel(IntakeChannel):
    """One HTTP/1 connection, known to its site."""

    maxHeaders = 100
    site: GatewaySite
    _read_closed = _said_all = False
    _probe: IDelayedCall | None = None
    _turn: IDelayedCall | None = None
    _served = 0
    _taken: Taken | None = None

    def connectionMade(self) -> None:
        """Let the site know, and take a place."""
        self.site.channels.add(self)
        super().connectionMade()
        self.come_in()

    def dataReceived(self, data: bytes) -> None:
        """Serve it when it is its turn, unless it is another process's."""
        if self._taken is not None:
            self._taken.received(data)
        elif self._knocking is not None:
            self.knocked(data)
        else:
            self.site.pace.received(self, data)

    def serve(self, data: bytes) -> None:
        """Take what has come; what that causes to be written leaves together. A head must not take for ever: neither
        silence nor a trickle keeps the connection."""
        if self._taken is not None:  # it was given away while this waited
            self._taken.received(data)
            return
        self._served = 0
        turn = self.site.turn
        turn.begin()
        try:
            if self._is_late(data):
                self.refuse(TOO_SLOW)
                return
            super().dataReceived(data)
            if self.requests:
                self.requests[-1].read_on()
        finally:
            turn.end()

    def _is_late(self, data: bytes) -> bool:
        """Whether a head is still coming that should have come long ago."""
        if self._head_since is not None:
            return self.site.reactor.seconds() - self._head_since > HEAD_SECONDS
        if self.line_mode and data.strip(b"\r\n"):
            self._head_since = self.site.reactor.seconds()
        return False

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Let the site know, then whoever is being served. A request that has not begun never will."""
        self.site.pace.forget(self)
        self.site.channels.discard(self)
        self.go_out()
        for call in (self._probe, self._turn):
            if call is not None and call.active():
                call.cancel()
        self._probe = self._turn = None
        if self._taken is not None:
            self._taken.lost()
        super().connectionLost(reason)
        self.let_go()

    def let_go(self) -> None:
        """Forget whom it has served: they refer to it. It is over, or a WebSocket's from now on."""
        self.requests.clear()
        self.unregisterProducer()

    def lineReceived(self, line: bytes) -> None:
        """A line of the head. None begins with a blank: some would read a folded line otherwise than we."""
        if line[:1] in (b" ", b"\t"):
            self._respondToBadRequestAndDisconnect()
        else:
            super().lineReceived(line)

    def allHeadersReceived(self) -> None:
        """The head is complete; is it one that can be read in one way only?"""
        self._head_since = None
        headers = self.requests[-1].requestHeaders
        if self.place is not None:
            self.place.busy()
        elif self._probes:
            headers.setRawHeaders(b"connection", [b"close"])
        hosts, encodings = headers.getRawHeaders(b"host") or [], headers.getRawHeaders(b"transfer-encoding") or []
        target = origin_form(self._command, self._path)
        if target is None or not is_well_framed(self._version, hosts, encodings):
            self._respondToBadRequestAndDisconnect()
            self.length = None  # it is not handed on
            return
        self._path, authority = target
        if authority is not None:
            headers.setRawHeaders(b"host", [authority])
        super().allHeadersReceived()

    def checkPersistence(self, request: http.Request, version: bytes) -> bool:
        """Whether another request may follow; the client is told when none may."""
        if self.site.draining:
            request.setHeader(b"Connection", b"close")
            return False
        return bool(super().checkPersistence(request, version))

    def readConnectionLost(self) -> None:
        """The client has closed its side. One that only does not send any more still gets its answer; one that has
        gone altogether shows when it is written to, and for sure when it is written to a second time. What it has said
        before comes first, in its turn."""
        self._said_all = self in self.site.pace
        if self._said_all:
            return
        self._read_closed = True
        if self._taken is not None:
            self._taken.half_closed()
            return
        if self._leaving is not None:
            self.loseConnection()
            return
        if not self.requests:
            self._leave_if_done()
            return
        self.requests[0].half_closed()
        if self._probe is None:
            self._probe = self.site.reactor.callLater(PROBE_SECONDS, self._probe_again)

    def writeConnectionLost(self) -> None:
        """Nothing to do: nobody here closes one side only."""

    def requestDone(self, request: http.Request) -> None:
        """An answer is complete: on to the next request, if there can be one. Whoever sends many at once waits for
        others in between."""
        self._served += 1
        if self._served < AT_ONCE or not (self._dataBuffer or self._buffer):
            self._done(request)
        else:
            self._turn = self.site.reactor.callLater(0, self._next_turn, request)

    def rawDataReceived(self, data: bytes) -> None:
        """Bytes of a body, or of the next request."""
        if self._taken is not None:
            self._taken.received(data)
        else:
            super().rawDataReceived(data)

    def give_away(self, first: bytes) -> None:
        """This is another process's connection from now on.

        @param first: the request to begin with, as far as it has come.
        """
        assert self.site.elsewhere is not None
        self.site.channels.discard(self)
        self.setTimeout(None)
        if self._probe is not None:
            self._probe.cancel()
            self._probe = None
        self.requests.clear()
        later = b"".join(self._dataBuffer) + self.site.pace.forget(self)
        self._dataBuffer.clear()
        self.read_on()
        self.flush()
        cast(Any, self._networkProducer).unregisterProducer()
        self._taken = self.site.elsewhere.take(self.transport, first + later)
        if self._read_closed:
            self._taken.half_closed()

    @property
    def is_costly(self) -> bool:
        """Whether a head is expected, or the chunks of a body."""
        return self._taken is None and (bool(self.line_mode) or self.length is None)

    def all_taken(self) -> None:
        """Read on, unless a request does not want that. Nothing more may be to come."""
        if self._said_all:
            self.readConnectionLost()
            return
        self.read_on()
        self._leave_if_done()

    def _probe_again(self) -> None:
        self._probe = None
        if self.requests:
            self.requests[0].half_closed()

    def _next_turn(self, request: http.Request) -> None:
        self._turn = None
        self._served = 0
        self._done(request)

    def _done(self, request: http.Request) -> None:
        super().requestDone(request)
        if self.place is not None and not self.requests:
            self.place.idle()
        if not self._busyReceiving:  # else there may be more in this read
            self._leave_if_done()

    def _leave_if_done(self) -> None:
        if self._read_closed and not self.requests and self._taken is None and self not in self.site.pace:
            self.loseConnection()


class GatewaySite(Site):
    """The HTTP listener: L{BoundedRequest}s on HTTP/1.1, no access log unless asked for, connections that can be told
    to end.

    @ivar channels: live connections; a connection that became a WebSocket is not among them.
    @ivar pace: requests that wait for their turn.
    @ivar draining: each request is the last one of its connection.
    """

    noisy = False
    protocol = GatewayChannel  # type: ignore[assignment]

    def __init__(
        self,
        root: IResource,
        reactor: IReactorTime,
        access_log: Callable[[], bool] = lambda: False,
        turn: Turn | None = None,
        elsewhere: Elsewhere | None = None,
        crowd: Crowd | None = None,
        *,
        handed_over: bool = False,
    ) -> None:
        """
        @param access_log: whether to log a line for each request, asked each time.
        @param turn: what a read causes leaves at its end; None = the site has turns of its own.
        @param elsewhere: serves what is not served here; None = there is nothing of the kind.
        @param crowd: bounds connections, those of other sites with them; None = there is no limit.
        @param handed_over: its connections were accepted by other processes.
        """
        super().__init__(root, BoundedRequest, reactor=reactor, timeout=IDLE_SECONDS, parsePOSTFormSubmission=False)
        self.channels: set[GatewayChannel] = set()
        self.draining = False
        self.turn = turn or Turn()
        self._date = (-1, "")
        self.pace = Pace(reactor)
        self.elsewhere = elsewhere
        self.crowd = Crowd(reactor) if crowd is None else crowd  # one that is empty is false
        self.handed_over = handed_over
        self._access_log = access_log
        self._logger = Logger()

    def date(self) -> str:
        """The time of day as a header tells it (RFC 9110, 6.6.1), written out once a second."""
        now = int(self.reactor.seconds())
        if now != self._date[0]:
            self._date = (now, http.datetimeToString(now).decode("ascii"))
        return self._date[1]

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
            self._logger.info(
                "{method} {path} {status} {size} bytes {ms} ms",
                method=request.method.decode("latin-1"),
                path=request.path.decode("latin-1"),
                status=request.code,
                size=request.sentLength,
                ms=round(visit.milliseconds) if visit is not None else 0,
                request=request.fields.get("X-Request-Id", "") if isinstance(request, BoundedRequest) else "",
            )

    def drain(self) -> None:
        """Close each connection after one more answer: an idle client that is cut can not tell whether it was heard."""
        self.draining = True
        for channel in self.channels:
            if channel.requests:  # else it would not even read another one
                channel.persistent = 0

    def wind_down(self) -> None:
        """Close idle connections now, and the others after their answer."""
        self.drain()
        for channel in [each for each in self.channels if not each.requests]:
            channel.loseConnection()

    def cut(self) -> None:
        """Cut every connection."""
        for channel in list(self.channels):
            channel.abort()


__all__ = ["GatewayChannel", "GatewaySite"]
