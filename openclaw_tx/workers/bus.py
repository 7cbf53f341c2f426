# -*- test-case-name: tests.workers.test_bus -*-
# mypy: allow-untyped-calls
"""One connection of the bus, at either end: whole messages in, and out as fast as the other end takes them.

What must arrive is always sent. What may be missed, because something later makes up for it, is left out once
L{MAX_WAITING} bytes wait: an end that is slow never makes the other one hold more, nor wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from openclaw_tx.workers.framing import FrameReader, FramingError, framed
from openclaw_tx.workers.messages import FromChief, FromRelay, encoded

MAX_WAITING = 4 * 1024 * 1024
"""Bytes that wait for the other end, from which on only what must arrive is sent."""

M = TypeVar("M")


@implementer(IPushProducer)
class Bus(Protocol, Generic[M]):
    """One end of a connection.

    @ivar connected_to: True from the connection's begin to its end.
    """

    def __init__(
        self,
        decode: Callable[[bytes], M],
        heard: Callable[[M], None],
        made: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        """
        @param decode: makes a message of bytes.
        @param heard: takes each message.
        @param made: is told when the connection is there.
        @param lost: is told when it is not any more.
        """
        self._decode = decode
        self._heard = heard
        self._made = made
        self._lost = lost
        self._reader = FrameReader()
        self._paused = False
        self._waiting = 0
        """Bytes written since the other end has stopped taking them."""
        self._log = Logger()
        self.connected_to = False

    # -- for whoever speaks

    def send(self, message: FromRelay | FromChief) -> None:
        """Send what must arrive.

        @raise TypeError: it can not be put into bytes.
        @raise FramingError: it is too long.
        """
        self._write(framed(encoded(message)))

    def offer(self, message: FromRelay | FromChief) -> bool:
        """Send what may be missed.

        @return: whether it was sent.
        """
        if self._paused and self._waiting >= MAX_WAITING:
            return False
        self.send(message)
        return True

    def close(self) -> None:
        """End it, once what was sent is on its way."""
        if self.connected_to:
            transport: Any = self.transport
            transport.unregisterProducer()
            transport.loseConnection()

    # -- Twisted's hooks

    def connectionMade(self) -> None:
        """Begin."""
        transport: Any = self.transport
        transport.registerProducer(self, True)
        self.connected_to = True
        self._made()

    def dataReceived(self, data: bytes) -> None:
        """Messages, or pieces of them. One that fails whoever takes it is lost, and not the others with it."""
        self._reader.feed(data)
        try:
            while (message := self._reader.next()) is not None:
                self._take(self._decode(message))
        except (FramingError, msgspec.MsgspecError):
            self._log.failure("a message between workers makes no sense")
            transport: Any = self.transport
            transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End."""
        self.connected_to = False
        self._lost()

    def pauseProducing(self) -> None:
        """The other end takes no more for now."""
        self._paused = True
        self._waiting = 0

    def resumeProducing(self) -> None:
        """It does again."""
        self._paused = False

    def stopProducing(self) -> None:
        """It never will."""

    def _take(self, message: M) -> None:
        try:
            self._heard(message)
        except Exception:
            self._log.failure("a message between workers can not be dealt with")

    def _write(self, data: bytes) -> None:
        if not self.connected_to:
            return
        if self._paused:
            self._waiting += len(data)
        assert self.transport is not None
        self.transport.write(data)


__all__ = ["MAX_WAITING", "Bus"]
