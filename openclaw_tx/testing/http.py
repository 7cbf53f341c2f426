# -*- test-case-name: tests.testing.test_gateway -*-
# mypy: allow-untyped-calls
"""An HTTP answer that a test reads while it is still coming."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, FileBodyProducer
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer, IResponse

from openclaw_tx.testing.network import MemoryEndpoint


class MemoryResponse:
    """What a client has seen so far of the answer to one request.

    @ivar code: the status; 0 until it came. That of a wrong secret comes only when time has passed.
    @ivar headers: by lower-case name, the first value each.
    @ivar finished: True once the answer is complete.
    @ivar failure: why it can not become complete, e.g. the connection was cut.
    """

    def __init__(self, answered: Deferred[IResponse], endpoint: MemoryEndpoint) -> None:
        self.code = 0
        self.headers: dict[str, str] = {}
        self.finished = False
        self.failure: Failure | None = None
        self._endpoint = endpoint
        self._body: list[bytes] = []
        answered.addCallbacks(self._started, self._failed)

    @property
    def body(self) -> bytes:
        """The bytes so far."""
        return b"".join(self._body)

    def text(self) -> str:
        """The body so far."""
        return self.body.decode("utf-8")

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """Payloads of the C{data:} lines so far, decoded; C{[DONE]} stays a string."""
        lines = [line[6:] for line in self.text().split("\n") if line.startswith("data: ")]
        return [line if line == "[DONE]" else json.loads(line) for line in lines]

    def disconnect(self) -> None:
        """Hang up, as a client that closes its window does."""
        self._endpoint.disconnect()

    def _started(self, response: IResponse) -> None:
        self.code = response.code
        for name, values in response.headers.getAllRawHeaders():
            self.headers[name.decode("ascii").lower()] = values[0].decode("utf-8", "replace")
        response.deliverBody(_Body(self))

    def _failed(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            self.failure = _without_frames(failure)

    def received(self, data: bytes) -> None:
        """More of the body."""
        self._body.append(data)

    def ended(self, reason: Failure) -> None:
        """No more of it."""
        from twisted.web.client import ResponseDone
        from twisted.web.http import PotentialDataLoss

        self.finished = isinstance(reason.value, ResponseDone | PotentialDataLoss)
        if not self.finished:
            self.failure = _without_frames(reason)


def _without_frames(failure: Failure) -> Failure:
    """A failure, and those that it consists of, that holds nobody who saw it."""
    for part in (failure, *getattr(failure.value, "reasons", ())):
        part.cleanFailure()
    return failure


class _Body(Protocol):
    def __init__(self, response: MemoryResponse) -> None:
        self._response = response

    def dataReceived(self, data: bytes) -> None:
        self._response.received(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._response.ended(reason)


class SyncBody(FileBodyProducer):
    """A body that is sent at once, without a reactor's help."""

    def __init__(self, body: bytes) -> None:
        self._bytes = body
        self.length = len(body)

    def startProducing(self, consumer: Any) -> Deferred[None]:
        """Write all of it."""
        consumer.write(self._bytes)
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done

    def stopProducing(self) -> None:
        """Nothing is held."""

    def pauseProducing(self) -> None:
        """Nothing is held."""

    def resumeProducing(self) -> None:
        """Nothing is held."""


def body_producer(data: Any) -> IBodyProducer:
    """What treq sends as a body: bytes, a form, or an open file, read at once and without a reactor.

    @param data: as treq takes it; a producer of your own goes as it is.
    """
    if IBodyProducer.providedBy(data):
        return data
    found = data.read() if hasattr(data, "read") else data
    return SyncBody(found.encode("utf-8") if isinstance(found, str) else found)


def send(
    reactor: Any, endpoint: MemoryEndpoint, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
) -> MemoryResponse:
    """Send one request on a connection of its own."""
    agent = Agent.usingEndpointFactory(reactor, endpoint)
    answered = agent.request(
        method.encode("ascii"),
        b"http://localhost:18789" + path.encode("utf-8"),
        Headers({name: [value] for name, value in headers.items()}),
        SyncBody(body) if body is not None else None,
    )
    response = MemoryResponse(answered, endpoint)
    endpoint.flush()
    return response
