# -*- test-case-name: tests.test_bodies -*-
"""What goes out in requests of our own."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer


@implementer(IBodyProducer)
class RequestBody:
    """A body that goes out in one write; treq's own would feed it through the global reactor."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Write all of it: fired at once."""
        consumer.write(self._body)
        return succeed(None)

    def stopProducing(self) -> None:
        """Nothing is left to stop."""

    pauseProducing = resumeProducing = stopProducing


__all__ = ["RequestBody"]
