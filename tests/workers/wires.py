"""UNIX sockets in memory: both ends with back-pressure, producers and half-closing; bytes are carried by hand."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer, ITransport
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

FULL = 64 * 1024
"""What an end holds before it asks its producer to pause."""


@implementer(ITransport, IPushProducer)
class End:
    """One end of a connection.

    @ivar held_most: the most bytes that ever waited here.
    """

    def __init__(self) -> None:
        self.protocol: Any = None
        self.other: End = self
        self.out = b""
        self.producer: Any = None
        self.paused = False
        self.reading = True
        self.closing = False
        self.half_closing = False
        self.half_closed = False
        self.aborted = False
        self.lost = False
        self.held_most = 0

    @property
    def disconnecting(self) -> bool:
        """As Twisted calls it."""
        return self.closing

    def write(self, data: bytes) -> None:
        """Hold it until it is carried."""
        if self.lost or self.closing or self.half_closing:
            return
        self.out += data
        self.held_most = max(self.held_most, len(self.out))
        if len(self.out) > FULL and self.producer is not None and not self.paused:
            self.paused = True
            self.producer.pauseProducing()

    def writeSequence(self, data: Any) -> None:
        """Hold them."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close once all is carried."""
        self.closing = True
        self.reading = False

    def loseWriteConnection(self) -> None:
        """Close this direction once all is carried."""
        self.half_closing = True

    def abortConnection(self) -> None:
        """Close now."""
        self.aborted = self.closing = True
        self.reading = False
        self.out = b""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """One at a time."""
        assert self.producer is None, "two producers"
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        """None any more."""
        self.producer = None
        self.paused = False

    def pauseProducing(self) -> None:
        """Read no more."""
        self.reading = False

    def resumeProducing(self) -> None:
        """Read on."""
        self.reading = not self.closing

    def stopProducing(self) -> None:
        """Close."""
        self.loseConnection()

    def getPeer(self) -> UNIXAddress:
        """Nobody in particular."""
        return UNIXAddress(None)

    getHost = getPeer

    def carry(self) -> bool:
        """Carry what is here to the other end.

        @return: whether anything moved.
        """
        if self.lost:
            return False
        moved = False
        if self.out and self.other.reading and not self.other.lost:
            piece, self.out = self.out[:FULL], self.out[FULL:]
            self.other.protocol.dataReceived(piece)
            moved = True
        if not self.out and self.paused and self.producer is not None:
            self.paused = False
            self.producer.resumeProducing()
            moved = True
        if self.half_closing and not self.half_closed and not self.out and not self.other.lost:
            self.half_closed = moved = True
            closeable = IHalfCloseableProtocol(self.other.protocol, None)
            if closeable is not None:
                closeable.readConnectionLost()
            else:
                self.other.drop(ConnectionDone())
        if self.closing and (self.aborted or not self.out):
            self.drop(ConnectionLost() if self.aborted else ConnectionDone())
            self.other.drop(ConnectionDone())
            moved = True
        return moved

    def drop(self, reason: Exception) -> None:
        """The connection is gone."""
        if not self.lost:
            self.lost = True
            if self.producer is not None:
                self.producer.stopProducing()
            self.protocol.connectionLost(Failure(reason))


class Socket:
    """A socket that a factory listens on, and all connections to it.

    @ivar factory: None = nobody listens.
    """

    def __init__(self, factory: Factory | None = None) -> None:
        self.factory = factory
        self.ends: list[tuple[End, End]] = []

    def connect(self, protocol: Protocol) -> Deferred[Any]:
        """See L{openclaw_tx.workers.splice.Connect}."""
        if self.factory is None:
            return fail(ConnectionRefusedError())
        server: Any = self.factory.buildProtocol(UNIXAddress(None))
        near, far = End(), End()
        near.other, far.other = far, near
        near.protocol, far.protocol = protocol, server
        self.ends.append((near, far))
        server.makeConnection(far)
        protocol.makeConnection(near)
        return succeed(protocol)

    def carry(self) -> bool:
        """Carry everything until nothing moves.

        @return: whether anything did.
        """
        moved, again = False, True
        while again:
            again = False
            for near, far in list(self.ends):
                again = near.carry() or again
                again = far.carry() or again
            moved = moved or again
        self.ends = [(near, far) for near, far in self.ends if not (near.lost and far.lost)]
        return moved

    def cut(self) -> None:
        """The process that listens is killed, and its connections with it."""
        self.factory = None
        for near, far in list(self.ends):
            far.drop(ConnectionLost())
            near.drop(ConnectionDone())
        self.ends.clear()
