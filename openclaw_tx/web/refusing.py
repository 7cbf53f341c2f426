# -*- test-case-name: tests.web.test_crowding -*-
# mypy: allow-untyped-calls
"""How a connection is refused, and let go: with a whole answer, in one write, that its client gets to see.

A load balancer sends what it has elsewhere on 503, and OpenAI's SDKs wait as C{Retry-After} says; a connection that is
just closed tells neither, and a browser shows an error of its own. So who finds no place is answered as soon as the
first bytes of a request are there, and not before: clients such as Go's take an answer to nothing for a fault of the
connection. The bytes are not parsed. They are looked at for one thing: a probe is answered however full it is, for a
supervisor or a load balancer that gets none would restart or leave out what is only busy.

The connection closes a second later, for to close at once would cost its client the answer. Few of these are open at a
time: when there are more, the oldest is cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from openclaw_tx.errors import GatewayError
from openclaw_tx.sending import close_now
from openclaw_tx.web.answering import HoldingChannel, Turning
from openclaw_tx.web.crowding import Crowd, Place, Refusal
from openclaw_tx.web.pace import PROBES, Pace
from openclaw_tx.wire.openai_chat_render import error_body

REFUSAL_SECONDS = 1.0
"""How long what a refused client still sends is read and thrown away: to close at once would cost it the answer."""

UNREAD_SECONDS = 10.0
"""An idle connection whose client has not read its last answer is not given up before."""


def refusal(status: bytes, message: str, code: str = "invalid_request", retry_after: int | None = None) -> bytes:
    """A whole answer to what is no request yet, the last one on its connection.

    @param retry_after: seconds.
    """
    info = GatewayError(code, message).info
    body = error_body(info)
    extra = b"" if retry_after is None else b"Retry-After: %d\r\n" % retry_after
    if info.should_retry is not None:
        extra += b"X-Should-Retry: true\r\n" if info.should_retry else b"X-Should-Retry: false\r\n"
    return (
        b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\n%s"
        b"Content-Length: %d\r\n\r\n%s" % (status, extra, len(body), body)
    )


BAD_REQUEST = refusal(b"400 Bad Request", "The request is not valid HTTP.")
TOO_SLOW = refusal(b"408 Request Timeout", "The head of the request did not arrive in time.", "body_timeout")
URI_TOO_LONG = refusal(b"414 URI Too Long", "The request line is longer than 16 KiB.")
HEAD_TOO_LARGE = refusal(
    b"431 Request Header Fields Too Large", "The head of the request is larger than 16 KiB or 100 fields."
)
FULL = refusal(
    b"503 Service Unavailable", "The gateway has too many connections; try again shortly.", "too_many_connections", 2
)
TOO_MANY_OF_ONE = refusal(
    b"429 Too Many Requests", "Too many connections from this address; close some.", "rate_limit_exceeded", 5
)
CROWDED: Mapping[Refusal, bytes] = {"total": FULL, "descriptors": FULL, "address": TOO_MANY_OF_ONE}
"""What a connection is told that gets no place."""


class Crowded(Turning, Protocol):
    """What the connection belongs to."""

    reactor: IReactorTime
    crowd: Crowd
    pace: Pace
    handed_over: bool


class RefusingChannel(HoldingChannel):
    """The side of a connection that may have to go.

    @ivar place: among all connections; None = it has none.
    """

    site: Crowded
    place: Place | None = None
    _head_since: float | None = None
    _leaving: IDelayedCall | None = None
    _knocking: Refusal | None = None
    """It has no place, and has said nothing yet: why it has none."""
    _probes = False
    """It has no place and asks a probe, which is its only request."""

    def come_in(self) -> None:
        """Take a place, or wait without one for what is asked."""
        transport: Any = self.transport
        host = getattr(transport.getPeer(), "host", None) or ""
        number = getattr(transport, "fileno", None)
        crowd = self.site.crowd
        found = crowd.enter(self, host, number() if number is not None else None, handed_over=self.site.handed_over)
        if isinstance(found, Place):
            self.place = found
            return
        self._knocking = found
        self._leaving = self.site.reactor.callLater(REFUSAL_SECONDS, self.loseConnection)
        crowd.knock(self, host)

    def knocked(self, data: bytes) -> None:
        """The first bytes on a connection without a place."""
        reason, self._knocking = self._knocking, None
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        assert reason is not None
        if data.startswith(PROBES):
            self._probes = True
            self.dataReceived(data)
        else:
            self.site.crowd.refused(reason)
            self.refuse(CROWDED[reason])
            self.site.crowd.see_off(self)

    def go_out(self) -> None:
        """The connection is over."""
        if self._leaving is not None and self._leaving.active():
            self._leaving.cancel()
        place, self.place = self.place, None
        if place is not None:
            place.leave()
            return
        self.site.crowd.gone(self)
        if self._knocking is not None:
            self.site.crowd.refused(self._knocking)
            self._knocking = None

    def give_up(self, idle: float) -> bool:
        """See L{openclaw_tx.web.crowding.Guest}. What was written still leaves, for a second at most."""
        if self in self.site.pace or (self._waitingForTransport and idle < UNREAD_SECONDS):
            return False
        if self._leaving is None:
            self._leaving = self.site.reactor.callLater(REFUSAL_SECONDS, self.abort)
            self.loseConnection()
        else:
            self.abort()
        return True

    def abort(self) -> None:
        """Cut the connection at once."""
        if self.transport is not None:
            cast(Any, self.transport).abortConnection()

    def drop(self) -> None:
        """See L{openclaw_tx.web.crowding.Guest}."""
        close_now(self.transport)

    def timeoutConnection(self) -> None:
        """Silence: close, with a word to whoever was about to ask something."""
        if self._head_since is not None:
            self.refuse(TOO_SLOW)
        super().timeoutConnection()

    def headerReceived(self, line: bytes) -> bool:
        """A field of the head."""
        try:
            return bool(super().headerReceived(line))
        except ValueError:  # a length of more digits than Python makes a number of
            self._respondToBadRequestAndDisconnect()
            return False

    def lineLengthExceeded(self, line: bytes) -> None:
        """A line without an end."""
        self.refuse(HEAD_TOO_LARGE if self._receivedHeaderSize else URI_TOO_LONG)

    def _respondToBadRequestAndDisconnect(self) -> None:
        """Bytes that are no HTTP, or too many of them."""
        if self._receivedHeaderSize > self.totalHeadersSize or self._receivedHeaderCount > self.maxHeaders:
            self.refuse(HEAD_TOO_LARGE)
        else:
            self.refuse(BAD_REQUEST)

    def refuse(self, answer: bytes) -> None:
        """Answer and close. Unlike Twisted's, the answer has a body, and is not put into another answer."""
        if self._leaving is not None:
            return
        begun = any(request.startedWriting for request in self.requests)
        if not begun:
            assert self.transport is not None
            self.write(answer)
        self._head_since = None
        self.setTimeout(None)
        self.rawDataReceived = lambda data: None  # type: ignore[method-assign]
        self.setRawMode()
        self._leaving = self.site.reactor.callLater(REFUSAL_SECONDS, self.loseConnection)
        if begun:
            self.loseConnection()


__all__ = ["REFUSAL_SECONDS", "TOO_SLOW", "RefusingChannel", "refusal"]
