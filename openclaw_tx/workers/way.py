# -*- test-case-name: tests.workers.test_splice -*-
# mypy: allow-untyped-calls
"""The way to the chief's socket."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol

from openclaw_tx.workers.splice import Connect


def way(reactor: Any, path: str) -> Connect:
    """
    @param reactor: provides IReactorUNIX.
    """
    endpoint = UNIXClientEndpoint(reactor, path)

    def connect(protocol: Protocol) -> Deferred[Any]:
        return connectProtocol(endpoint, protocol)

    return connect


__all__ = ["way"]
