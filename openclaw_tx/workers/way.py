# -*- test-case-name: tests.workers.test_splice -*-
# mypy: allow-untyped-calls
"""The way to the chief's socket."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol

from openclaw_tx.workers.splice import Connect


class _One(Factory):
    """Makes the one protocol that there is already."""

    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Twisted's hook."""
        return self._protocol


def way(reactor: Any, path: str) -> Connect:
    """
    @param reactor: provides IReactorUNIX.
    """
    endpoint = UNIXClientEndpoint(reactor, path)

    def connect(protocol: Protocol) -> Deferred[Any]:
        connected: Deferred[Any] = endpoint.connect(_One(protocol))
        return connected

    return connect


__all__ = ["way"]
