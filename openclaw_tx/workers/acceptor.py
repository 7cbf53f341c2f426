# -*- test-case-name: tests.workers.test_acceptor -*-
# mypy: allow-untyped-calls
"""A listening socket that several processes share: each takes one connection at a time.

C{adoptStreamPort} takes all that wait, up to a hundred: with several processes on one socket whoever wakes first would
have them all. One at a time, and not the next one at once, the others get to wake as well.
"""

from __future__ import annotations

import errno
import socket
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IProtocolFactory, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

BREATH_SECONDS = 0.001
"""How long the next one is left to others. It bounds no rate: to answer a request takes longer."""

REST_SECONDS = 1.0
"""How long nothing is accepted once there are no more files to be had."""

_PASSING = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.ECONNABORTED, errno.EPERM})
"""Another process was faster, or the client has gone."""


@implementer(IReadDescriptor)
class Acceptor(Service):
    """Accepts from a socket that was made elsewhere."""

    def __init__(self, reactor: Any, listening: socket.socket, factory: IProtocolFactory) -> None:
        """
        @param reactor: provides IReactorFDSet, IReactorSocket and IReactorTime.
        @param listening: does not block; closed at the end.
        """
        self._reactor = reactor
        self._socket = listening
        self._factory = factory
        self._resting: IDelayedCall | None = None
        self._log = Logger()

    def startService(self) -> None:
        """Begin."""
        super().startService()
        self._reactor.addReader(self)

    def stopService(self) -> None:
        """Accept no more."""
        super().stopService()
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        self._reactor.removeReader(self)
        self._socket.close()

    # -- for the reactor

    def fileno(self) -> int:
        """Twisted's hook."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Twisted's hook."""
        return "accepting"

    def doRead(self) -> None:
        """Somebody waits."""
        try:
            client, _ = self._socket.accept()
        except OSError as error:
            if error.errno not in _PASSING:
                self._rest(error)
            return
        with client:
            try:
                client.setblocking(False)
                self._reactor.adoptStreamConnection(client.fileno(), self._socket.family, self._factory)
            except OSError as error:
                # It may have gone already: then it has no address any more.
                self._log.debug("a connection was gone at once: {error}", error=str(error))
        self._pause(BREATH_SECONDS)

    def connectionLost(self, reason: Failure) -> None:
        """The reactor is being stopped, or can not wait for the socket."""

    def _rest(self, error: OSError) -> None:
        self._log.error("no connections are accepted for a moment: {error}", error=str(error))
        self._pause(REST_SECONDS)

    def _pause(self, seconds: float) -> None:
        self._reactor.removeReader(self)
        self._resting = self._reactor.callLater(seconds, self._again)

    def _again(self) -> None:
        self._resting = None
        self._reactor.addReader(self)


__all__ = ["Acceptor"]
