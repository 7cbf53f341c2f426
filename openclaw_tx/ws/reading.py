# -*- test-case-name: tests.ws.test_conformance -*-
"""Reading a WebSocket within bounds: floods of small frames take turns with everybody else, a message is not made of
any number of pieces, and pongs do not pile up before a client that does not read.

Mixed into a protocol of autobahn's, whose hooks these are, hence the camelCase.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

MAX_FRAGMENTS = 16_384
"""Frames of one message; a message of the largest size may come in pieces of 1600 bytes."""
STEPS = 32
"""Heads and payloads of frames between two looks at the clock."""
TURN_SECONDS = 0.005
"""How long what one read brought may keep the reactor before others get their turn."""


class BoundedReading:
    """Goes before autobahn's protocol among the bases."""

    transport: Any
    factory: Any
    failedByMe: Any
    _outbox: Any
    _steps = STEPS
    _began = 0.0
    _turn: IDelayedCall | None = None
    _fragments = 0
    _unanswered: bytes | None = None

    def _dataReceived(self, data: bytes) -> None:
        """Bytes came."""
        self._began = self.factory.reactor.seconds()
        self._base._dataReceived(data)

    def processData(self) -> bool:
        """Take the head or the payload of one frame, unless it is the turn of others.

        @return: whether there is more to take now.
        """
        if self._turn is not None:
            return False
        self._steps -= 1
        if self._steps < 0:
            self._steps = STEPS
            if self.factory.reactor.seconds() - self._began > TURN_SECONDS:
                self.transport.pauseProducing()
                self._turn = self.factory.reactor.callLater(0, self._read_on)
                return False
        more: bool = self._base.processData()
        return more

    def onMessageBegin(self, isBinary: bool) -> None:
        """A message begins."""
        self._fragments = 0
        self._base.onMessageBegin(isBinary)

    def onMessageFrameBegin(self, length: int) -> None:
        """A frame of a message begins; too many are as bad as too large."""
        self._fragments += 1
        self._base.onMessageFrameBegin(length)
        if self._fragments == MAX_FRAGMENTS + 1:
            self._base._fail_connection(1009, "")

    def onPing(self, payload: bytes) -> None:
        """Answer, or, for a client that does not read, answer the newest ping once it does (RFC 6455, 5.5.3)."""
        if self._outbox is None or self._outbox.willing:
            self._base.onPing(payload)
            return
        if self._unanswered is None:
            self._outbox.finish(self._answer)
        self._unanswered = payload

    def dropConnection(self, abort: bool = False) -> None:
        """Close the transport. Who was refused is to read why, so what is on its way to him is not thrown away."""
        self._base.dropConnection(abort and not self.failedByMe)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Nobody is read any more."""
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self._base.connectionLost(reason)

    @property
    def _base(self) -> Any:
        return super()

    def _read_on(self) -> None:
        self._turn = None
        self._began = self.factory.reactor.seconds()
        self.transport.resumeProducing()
        protocol: Any = self
        protocol.consumeData()

    def _answer(self) -> None:
        payload, self._unanswered = self._unanswered, None
        protocol: Any = self
        protocol.sendPong(payload)


__all__ = ["MAX_FRAGMENTS", "BoundedReading"]
