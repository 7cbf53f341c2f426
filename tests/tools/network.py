"""Servers in memory for tools that go out: names, addresses, and a site that says what a test tells it to."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.testing import MemoryReactorClock
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from openclaw_tx.testing.network import MemoryEndpoint
from openclaw_tx.tools.fetching import UrlFetcher
from openclaw_tx.tools.services import ServiceCall, ServiceClient, ServiceReply

PUBLIC = "93.184.216.34"

Reply = tuple[int, Mapping[str, str], bytes]


class Asked:
    """A request as the server saw it."""

    def __init__(self, request: Request) -> None:
        self.method = request.method.decode()
        self.uri = request.uri.decode()
        self.body: bytes = request.content.read() if request.content else b""
        self.headers = {
            name.decode().lower(): values[0].decode() for name, values in request.requestHeaders.getAllRawHeaders()
        }


class Script(Resource):
    """Answers every request with the next of its replies.

    @ivar replies: status, headers and body; None = never.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Asked] = []
        self.replies: list[Reply | None] = []
        self.hung_up = 0

    def render(self, request: Request) -> Any:
        """Answer."""
        self.asked.append(Asked(request))
        reply = self.replies.pop(0)
        if reply is None:
            request.notifyFinish().addErrback(lambda _: setattr(self, "hung_up", self.hung_up + 1))
            return NOT_DONE_YET
        request.setResponseCode(reply[0])
        for name, value in reply[1].items():
            request.setHeader(name, value)
        return reply[2]


class Upstream:
    """The world outside, on a clock.

    @ivar connected: address and port of each connection that was asked for.
    """

    def __init__(self) -> None:
        self.clock: Any = MemoryReactorClock()
        self.clock.advance(1_795_435_200)
        self.script = Script()
        self.endpoint = MemoryEndpoint(Site(self.script, reactor=self.clock))
        self.names: dict[str, Sequence[str]] = {"a.example": [PUBLIC]}
        self.connected: list[tuple[str, int]] = []
        self.down = False
        self.fetcher = UrlFetcher(self.clock, resolve=self.resolve, connect=self.connect)
        self.services = ServiceClient(self.clock, resolve=self.resolve, connect=self.connect)

    def resolve(self, name: str) -> Deferred[Sequence[str]]:
        """The name server; names that it was not told have a private address."""
        return succeed(self.names.get(name, ["10.0.0.9"]))

    def connect(self, address: str, port: int) -> IStreamClientEndpoint:
        """The network."""
        self.connected.append((address, port))
        return _Nobody() if self.down else self.endpoint

    def say(self, body: str | bytes, content_type: str = "text/html", status: int = 200, **headers: str) -> None:
        """Queue an answer."""
        data = body.encode("utf-8") if isinstance(body, str) else body
        self.script.replies.append((status, {"content-type": content_type, **headers}, data))

    def hang(self) -> None:
        """Queue an answer that never comes."""
        self.script.replies.append(None)

    def work(self, coroutine: Coroutine[Deferred[Any], Any, Any]) -> list[Any]:
        """Start something and carry its bytes; what it gave or failed with, once it has."""
        found: list[Any] = []
        self.working = Deferred.fromCoroutine(coroutine)
        self.working.addBoth(found.append)
        self.endpoint.flush()
        return found


class PlainServices:
    """Implements L{openclaw_tx.tools.services.Services} without TLS, which has tests of its own.

    @ivar bases: base URLs that were to be asked.
    """

    def __init__(self, services: ServiceClient) -> None:
        self.bases: list[str] = []
        self._services = services

    async def ask(self, call: ServiceCall, timeout_s: float) -> ServiceReply:
        """Ask over plain HTTP."""
        self.bases.append(call.base_url)
        plain = call.base_url.replace("https://", "http://", 1)
        return await self._services.ask(call._replace(base_url=plain), timeout_s)


class _Nobody:
    """Nobody there."""

    def connect(self, protocolFactory: object) -> Deferred[Any]:
        """Refuse."""
        return fail(ConnectionRefusedError())


def numbered() -> Callable[[], str]:
    """Makes ids C{id-1}, C{id-2}, ..."""
    made: list[str] = []

    def new_id() -> str:
        made.append("")
        return f"id-{len(made)}"

    return new_id


__all__ = ["PUBLIC", "PlainServices", "Upstream", "numbered"]
