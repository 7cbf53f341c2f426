# -*- test-case-name: tests.workers.test_splice -*-
# mypy: allow-untyped-calls
"""A client's connection that the chief serves: bytes pass in both directions, at the pace of whoever is slower.

Nothing is held here but what the client had sent when it was handed over, and what the two sockets have under way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol, IPushProducer, IReactorTime, ISSLTransport
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from openclaw_tx.deferreds import Gate, sleep, spawn
from openclaw_tx.errors import GatewayError
from openclaw_tx.wire.openai_chat_render import error_body
from openclaw_tx.workers.framing import framed
from openclaw_tx.workers.messages import TAKEN, Visit, encoded

PATIENCE = 10.0
"""Seconds that a client waits for a chief that is being started anew."""

PAUSE = 0.1
"""Seconds between two tries to reach it."""

_BODY = error_body(GatewayError("gateway_draining", "The gateway is being restarted.", retry_after=1).info)
NO_CHIEF = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\n"
    b"Retry-After: 1\r\nX-Should-Retry: true\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)
"""What a client is told that has waited in vain."""


class Connect(Protocol):
    """Opens the way to the chief."""

    def __call__(self, protocol: TwistedProtocol) -> Deferred[Any]:
        """Fires once C{protocol} is connected; fails with L{ConnectError}. Cancelling it gives up."""


class Handing:
    """Implements L{openclaw_tx.interfaces.Elsewhere}: hands connections over to the chief."""

    def __init__(self, connect: Connect, key: bytes, clock: IReactorTime) -> None:
        """
        @param key: shows the chief that it is one of its relays that comes.
        """
        self.connect = connect
        self.key = key
        self.clock = clock
        self._open: set[Splice] = set()
        self._empty: Gate | None = None

    def __len__(self) -> int:
        """Connections that are handed over at the moment."""
        return len(self._open)

    def take(self, client: Any, first: bytes) -> Splice:
        """See L{openclaw_tx.interfaces.Elsewhere.take}."""
        splice = Splice(client, first, self, self._closed)
        self._open.add(splice)
        splice.begin()
        return splice

    async def over(self, seconds: float) -> None:
        """Wait until none is left, C{seconds} at most; then cut what is left."""
        if self._open:
            self._empty = Gate()
            timer = self.clock.callLater(seconds, self._empty.open)
            await self._empty.wait()
            if timer.active():
                timer.cancel()
        for splice in list(self._open):
            splice.cut()

    def _closed(self, splice: Splice) -> None:
        self._open.discard(splice)
        if self._empty is not None and not self._open:
            self._empty.open()


class Splice:
    """One connection. Implements L{openclaw_tx.interfaces.Taken}."""

    def __init__(self, client: Any, first: bytes, handing: Handing, closed: Callable[[Splice], None]) -> None:
        """
        @param client: the client's transport.
        @param first: what is to be sent to the chief before anything else.
        @param closed: is told when both ends are closed.
        """
        self._client = client
        self._first: list[bytes] | None = [first]
        """What the client has said before the chief was reached; None = it was, or never will be."""
        self._handing = handing
        self._closed = closed
        self._chief: Any = None
        self._late: IDelayedCall | None = None
        """Until the chief has taken it: its socket is there also while it is not."""
        self._trying: Deferred[Any] | None = None
        self._half_closed = False
        self._client_lost = False
        self._refused = False
        self._log = Logger()

    def begin(self) -> None:
        """Go to the chief; meanwhile nothing is read from the client."""
        self._client.pauseProducing()
        self._trying = spawn(self._reach(), self._log, "handing a connection over")

    async def _reach(self) -> None:
        clock = self._handing.clock
        until = clock.seconds() + PATIENCE
        while True:
            try:
                await self._handing.connect(_ChiefSide(self))
                return
            except CancelledError:
                raise
            except (ConnectError, OSError):
                if clock.seconds() >= until:
                    self._in_vain()
                    return
            await sleep(clock, PAUSE)

    # -- the client's side

    def received(self, data: bytes) -> None:
        """See L{openclaw_tx.interfaces.Taken}. What comes when the chief has closed is for nobody: a TLS connection
        that still has something to write goes on reading."""
        if self._chief is not None:
            self._chief.write(data)
        elif self._first is not None:
            self._first.append(data)

    def half_closed(self) -> None:
        """See L{openclaw_tx.interfaces.Taken}."""
        self._half_closed = True
        if self._chief is not None and self._late is None:
            self._chief.unregisterProducer()
            self._chief.loseWriteConnection()

    def lost(self) -> None:
        """See L{openclaw_tx.interfaces.Taken}."""
        self._client_lost = True
        self._calm()
        if self._trying is not None:
            trying, self._trying = self._trying, None
            trying.cancel()
        if self._chief is None:
            self._closed(self)
            return
        self._chief.unregisterProducer()
        self._chief.abortConnection()

    # -- the chief's side

    def reached(self, chief: Any) -> None:
        """The chief is there."""
        self._trying = None
        if self._client_lost:
            chief.abortConnection()
            return
        self._chief = chief
        client = self._client
        peer, host = client.getPeer(), client.getHost()
        visit = Visit(
            key=self._handing.key,
            host=getattr(peer, "host", "") or "",
            port=getattr(peer, "port", 0) or 0,
            own_host=getattr(host, "host", "") or "",
            own_port=getattr(host, "port", 0) or 0,
            secure=ISSLTransport.providedBy(client),
        )
        self._late = self._handing.clock.callLater(PATIENCE, self._give_up)
        first, self._first = b"".join(self._first or ()), None
        chief.write(framed(encoded(visit)) + first)

    def taken(self) -> None:
        """The chief serves it."""
        self._calm()
        if self._client_lost:
            return
        self._chief.registerProducer(_Reading(self._client), True)
        self._client.registerProducer(_Reading(self._chief), True)
        self._client.resumeProducing()
        if self._half_closed:
            self.half_closed()

    def answered(self, data: bytes) -> None:
        """The chief has something for the client."""
        self._client.write(data)

    def chief_lost(self, reason: Failure) -> None:
        """The chief has closed, or has ended."""
        self._chief = None
        self._calm()
        if not self._client_lost and not self._refused:
            self._client.unregisterProducer()
            if reason.check(ConnectionDone):
                self._client.loseConnection()
            else:
                self._client.abortConnection()
        self._closed(self)

    def cut(self) -> None:
        """End it now."""
        self._client.abortConnection()

    def _in_vain(self) -> None:
        self._trying, self._first, self._refused = None, None, True
        self._client.write(NO_CHIEF)
        self._client.loseConnection()

    def _give_up(self) -> None:
        self._late = None
        self._in_vain()
        self._chief.abortConnection()

    def _calm(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


@implementer(IHalfCloseableProtocol)
class _ChiefSide(TwistedProtocol):
    """The connection to the chief."""

    def __init__(self, splice: Splice) -> None:
        self._splice = splice
        self._taken = False

    def connectionMade(self) -> None:
        self._splice.reached(self.transport)

    def dataReceived(self, data: bytes) -> None:
        if not self._taken:
            self._taken = True
            self._splice.taken()
            data = data[len(TAKEN) :]
        if data:
            self._splice.answered(data)

    def readConnectionLost(self) -> None:
        """The chief closes both sides, or none."""
        assert self.transport is not None
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """The client sends nothing more, and the chief knows."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._splice.chief_lost(reason)


@implementer(IPushProducer)
class _Reading:
    """One end as what produces for the other: it is read as fast as that can be written."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def pauseProducing(self) -> None:
        """The other end does not take more."""
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        """It does again."""
        self._transport.resumeProducing()

    def stopProducing(self) -> None:
        """It is gone; who it was closes this one, too."""


__all__ = ["NO_CHIEF", "PATIENCE", "Handing", "Splice"]
