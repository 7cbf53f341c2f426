# -*- test-case-name: tests.web.test_root -*-
# mypy: allow-untyped-calls
"""Every URL of the gateway, on one screen. Paths match exactly: a trailing slash is another path (spec 1.0)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import NamedTuple, cast

from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import InThread, in_reactor_thread
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Authenticator, Authoriser, RunEngine
from openclaw_tx.web.chat import ChatCompletions
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.guard import Guard
from openclaw_tx.web.health import Lifecycle, Live, Ready, Startup
from openclaw_tx.web.models import ModelDetail, ModelList
from openclaw_tx.web.resource import GatewayResource, NewId, NotFound
from openclaw_tx.web.site import GatewayChannel, GatewaySite

Path = tuple[bytes, ...]
"""Decoded path segments below the mount point; C{(b"",)} is its root."""


class WebRooms(NamedTuple):
    """What the HTTP surface needs, by seam."""

    settings: Callable[[], Config]
    engine: RunEngine
    agents: Agents
    authenticator: Authenticator
    authorise: Authoriser
    lifecycle: Lifecycle
    clock: IReactorTime
    new_id: NewId
    """Makes UUIDs in text form."""
    in_thread: InThread = in_reactor_thread
    """For large bodies."""


class Root(Resource):
    """The tree. It works under a L{GatewaySite} and, mounted at any prefix, under any other Twisted site."""

    def __init__(self, rooms: WebRooms, websocket: IResource | None = None) -> None:
        """
        @param websocket: takes WebSocket upgrades; None = there are none.
        """
        super().__init__()
        new_id, settings = rooms.new_id, rooms.settings
        guard = Guard(rooms.authenticator, rooms.authorise)
        live, startup = Live(new_id, rooms.lifecycle), Startup(new_id, rooms.lifecycle)
        ready = Ready(new_id, rooms.lifecycle, guard)
        self.table: Mapping[Path, IResource] = {
            (b"",): Page(new_id),
            (b"health",): live,
            (b"healthz",): live,
            (b"ready",): ready,
            (b"readyz",): ready,
            (b"startup",): startup,
            (b"startupz",): startup,
            (b"v1", b"chat", b"completions"): ChatCompletions(
                guard, new_id, settings, rooms.engine, rooms.agents, rooms.clock, rooms.in_thread
            ),
            (b"v1", b"models"): ModelList(guard, new_id, settings, rooms.agents),
        }
        self._model_detail: IResource = ModelDetail(guard, new_id, settings, rooms.agents)
        self._not_found = NotFound(new_id)
        self._no_upgrade = NoUpgrade(new_id)
        self._websocket = Upgrade(websocket) if websocket is not None else self._no_upgrade

    def find(self, path: Path) -> IResource:
        """The resource at a path."""
        if path[:2] == (b"v1", b"models") and len(path) > 2:
            return self._model_detail
        return self.table.get(path, self._not_found)

    def getChildWithDefault(self, path: bytes, request: Request) -> IResource:
        """Twisted's hook: takes all that is left of the path."""
        assert request.prepath is not None and request.postpath is not None
        whole = (path, *request.postpath)
        resource = self._upgrade(request, whole) or self.find(whole)
        if resource is self._model_detail:
            request.prepath.append(request.postpath.pop(0))
        else:
            request.prepath.extend(request.postpath)
            request.postpath.clear()
        return resource

    def render(self, request: Request) -> object:
        """The mount point itself, without a slash."""
        resource = self._upgrade(request, (b"",)) or self.find((b"",))
        return resource.render(request)

    def _upgrade(self, request: Request, path: Path) -> IResource | None:
        """Where an upgrade goes; None when the request is not one. Any path takes them but those of the API."""
        upgrade = request.requestHeaders.getRawHeaders(b"Upgrade")
        if not upgrade or upgrade[0].strip().lower() != b"websocket":
            return None
        if path[0] == b"v1":
            return self._no_upgrade
        return self._websocket if request.method == b"GET" else None


class Upgrade(Resource):
    """Hands a connection over to the WebSocket surface; it is no HTTP connection any more."""

    isLeaf = True

    def __init__(self, websocket: IResource) -> None:
        super().__init__()
        self._websocket = websocket

    def render(self, request: Request) -> object:
        """Twisted's hook."""
        if isinstance(request.site, GatewaySite):
            request.site.channels.discard(cast(GatewayChannel, request.channel))
        return self._websocket.render(request)


class NoUpgrade(GatewayResource):
    """An upgrade in the wrong place."""

    def refusal(self) -> GatewayError:
        """400, whatever the method."""
        return GatewayError("invalid_request", "WebSocket upgrades are not served below /v1.")


class Page(GatewayResource):
    """A page for people who open the port in a browser; it holds no data."""

    def __init__(self, new_id: NewId) -> None:
        super().__init__(new_id)
        self._html = files("openclaw_tx").joinpath("console/index.html").read_bytes()

    async def respond(self, exchange: Exchange) -> None:
        """Send the page."""
        exchange.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        exchange.set_header("X-Frame-Options", "DENY")
        exchange.send(self._html, b"text/html; charset=utf-8")


__all__ = ["Root", "WebRooms"]
