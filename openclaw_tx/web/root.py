# -*- test-case-name: tests.web.test_root,tests.web.test_models,tests.web.test_runs,tests.web.test_approvals -*-
# mypy: allow-untyped-calls
"""Every URL of the gateway, on one screen. Paths match exactly: a trailing slash is another path (spec 1.0)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, cast

from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request

from openclaw_tx.automation.hooks import HookDesk
from openclaw_tx.channels.webhook import WebhookChannel
from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import InThread, in_reactor_thread
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import (
    Agents,
    Approvals,
    Authenticator,
    Authoriser,
    Embedder,
    Fetcher,
    Meter,
    Models,
    RunEngine,
    Sessions,
    Tools,
)
from openclaw_tx.runs.archive import Archive
from openclaw_tx.runs.attendance import Attendance
from openclaw_tx.tally import Tally
from openclaw_tx.web.approvals import RunApproval
from openclaw_tx.web.capabilities import Capabilities
from openclaw_tx.web.channels import PATH as WEBHOOK
from openclaw_tx.web.channels import WebhookIn
from openclaw_tx.web.chat import ChatCompletions
from openclaw_tx.web.control_ui import BOOTSTRAP, ROUTE, ControlUi
from openclaw_tx.web.cors import Cors
from openclaw_tx.web.elsewhere import HandOver, served_here
from openclaw_tx.web.embeddings import EmbeddingsEndpoint
from openclaw_tx.web.guard import Guard
from openclaw_tx.web.health import Lifecycle, Live, Ready, Startup
from openclaw_tx.web.hooks import Hooks
from openclaw_tx.web.metrics import Sources
from openclaw_tx.web.models import ModelDetail, ModelList
from openclaw_tx.web.openapi import OpenApi
from openclaw_tx.web.reading import BodyReader
from openclaw_tx.web.resource import GatewayResource, NewId, NotFound
from openclaw_tx.web.responses import Responses
from openclaw_tx.web.runs import OneRun, RunCollection, RunEvents
from openclaw_tx.web.scraping import Metrics
from openclaw_tx.web.site import GatewayChannel, GatewaySite
from openclaw_tx.web.starting import Starter
from openclaw_tx.web.tools import ToolsInvoke
from openclaw_tx.web.visit import note, route_of

Path = tuple[bytes, ...]
"""Decoded path segments below the mount point; C{(b"",)} is its root."""


class WebRooms(NamedTuple):
    """What the HTTP surface needs, by seam."""

    settings: Callable[[], Config]
    engine: RunEngine
    agents: Agents
    models: Models
    embedder: Embedder
    tools: Tools
    authenticator: Authenticator
    authorise: Authoriser
    lifecycle: Lifecycle
    clock: IReactorTime
    new_id: NewId
    """Makes UUIDs in text form."""
    sessions: Sessions | None = None
    """Where earlier responses are; None = none can be continued."""
    meter: Meter | None = None
    """Counts requests against the limits of keys; None = there are none."""
    sources: Sources | None = None
    """What C{/metrics} shows; None = only what happens in this tree."""
    fetcher: Fetcher | None = None
    """Gets what a request names by URL; None = nothing is ever fetched."""
    in_thread: InThread = in_reactor_thread
    """For large bodies."""
    hooks: HookDesk | None = None
    """Takes what other services bring; None = they are not served."""
    approvals: Approvals | None = None
    """Questions that runs wait with; None = nobody is ever asked."""
    webhook: WebhookChannel | None = None
    """Takes what services say; None = they are not served."""
    workers: Callable[[], Mapping[str, object]] = dict
    """What a readiness probe tells of other processes."""
    relays: bool = False
    """What needs more than the engine is another process's."""


class Root(Resource):
    """The tree. It works under a L{GatewaySite} and, mounted at any prefix, under any other Twisted site."""

    def __init__(self, rooms: WebRooms, websocket: IResource | None = None) -> None:
        """
        @param websocket: takes WebSocket upgrades; None = there are none.
        """
        super().__init__()
        new_id, settings = rooms.new_id, rooms.settings
        guard = Guard(rooms.authenticator, rooms.authorise, rooms.meter)
        self._cors = Cors(lambda: settings().gateway.http.cors, new_id)
        sources = rooms.sources or Sources(Tally(), rooms.engine, rooms.lifecycle)
        self._tally, self._clock = sources.tally, rooms.clock
        archive, attendance = Archive(rooms.engine, rooms.sessions), Attendance(rooms.clock)
        starter = Starter(rooms.engine, rooms.agents, archive, attendance, settings, rooms.clock)
        reader = BodyReader(rooms.in_thread)
        self._hooks = Hooks(rooms.hooks, settings, rooms.clock, new_id, reader) if rooms.hooks is not None else None
        self._webhook = WebhookIn(new_id, rooms.webhook, settings, rooms.clock, reader) if rooms.webhook else None
        live, startup = Live(new_id, rooms.lifecycle), Startup(new_id, rooms.lifecycle)
        ready = Ready(new_id, rooms.lifecycle, guard, rooms.workers)
        self._control_ui = ControlUi(
            guard, new_id, lambda: settings().gateway.control_ui, rooms.agents, rooms.in_thread
        )
        self.table: Mapping[Path, IResource] = {
            (b"",): self._control_ui.front,
            (b"openapi.json",): OpenApi(new_id, self.routes),
            (b"health",): live,
            (b"healthz",): live,
            (b"ready",): ready,
            (b"readyz",): ready,
            (b"startup",): startup,
            (b"startupz",): startup,
            (b"metrics",): Metrics(guard, new_id, settings, sources),
            (BOOTSTRAP,): self._control_ui.bootstrap(),
            (b"v1", b"chat", b"completions"): ChatCompletions(
                guard, new_id, settings, starter, rooms.agents, rooms.clock, rooms.fetcher, reader
            ),
            (b"v1", b"responses"): Responses(
                guard,
                new_id,
                settings,
                starter,
                archive,
                rooms.agents,
                rooms.clock,
                rooms.sessions,
                rooms.fetcher,
                reader,
            ),
            (b"v1", b"runs"): RunCollection(
                guard, new_id, settings, starter, rooms.agents, rooms.clock, rooms.fetcher, reader, archive
            ),
            (b"v1", b"models"): ModelList(guard, new_id, settings, rooms.agents),
            (b"v1", b"embeddings"): EmbeddingsEndpoint(
                guard, new_id, settings, rooms.agents, rooms.embedder, rooms.lifecycle
            ),
            (b"v1", b"capabilities"): Capabilities(
                guard, new_id, settings, rooms.agents, rooms.models, rooms.tools, self.routes
            ),
            (b"tools", b"invoke"): ToolsInvoke(
                guard, new_id, settings, rooms.agents, rooms.models, rooms.tools, rooms.clock, rooms.lifecycle
            ),
        }
        self._model_detail: IResource = ModelDetail(guard, new_id, settings, rooms.agents)
        self._one_run = OneRun(guard, new_id, settings, archive)
        self._run_events = RunEvents(guard, new_id, settings, archive, attendance, rooms.clock)
        self._run_approval = RunApproval(guard, new_id, settings, archive, rooms.approvals)
        self._hand_over = HandOver() if rooms.relays else None
        self._settings = settings
        self._not_found = NotFound(new_id)
        self._no_upgrade = NoUpgrade(new_id)
        self._websocket = Upgrade(websocket) if websocket is not None else self._no_upgrade

    def routes(self) -> Iterator[tuple[str, IResource]]:
        """Every path below the mount point, ids in braces, and its resource."""
        for path, resource in self.table.items():
            yield f"/{b'/'.join(path).decode('ascii')}", resource
        yield "/v1/models/{id}", self._model_detail
        yield "/v1/runs/{id}", self._one_run
        yield "/v1/runs/{id}/events", self._run_events
        yield "/v1/runs/{id}/approvals/{approvalId}", self._run_approval

    def find(self, path: Path) -> IResource:
        """The resource at a path."""
        if self._webhook is not None and path[:2] == WEBHOOK and len(path) == 3:
            return self._webhook
        if path[:2] == (b"v1", b"models") and len(path) > 2:
            return self._model_detail
        if path[:2] == (b"v1", b"runs") and all(path[2:3]):
            if len(path) == 3:
                return self._one_run
            if len(path) == 4 and path[3] == b"events":
                return self._run_events
            if len(path) == 5 and path[3] == b"approvals" and path[4]:
                return self._run_approval
        return self.table.get(path, self._not_found)

    def getChildWithDefault(self, path: bytes, request: Request) -> IResource:
        """Twisted's hook: takes all that is left of the path."""
        assert request.prepath is not None and request.postpath is not None
        whole = (path, *request.postpath)
        if self._hand_over is not None and not served_here(request, whole, self._settings()):
            return self._hand_over
        hook = self._hooks.at(whole) if self._hooks is not None else None
        if hook is not None and self._hooks is not None:
            note(request, self._tally, self._hooks.route, self._clock)
            request.prepath.extend(request.postpath)
            request.postpath.clear()
            return hook
        page = self._page(request, whole, tuple(request.prepath[:-1]))
        note(request, self._tally, ROUTE if page is not None else self._route(whole), self._clock)
        resource = self._upgrade(request, whole) or page or self._cors.around(request, path, self.find(whole))
        if resource is self._model_detail:
            request.prepath.append(request.postpath.pop(0))
        else:
            request.prepath.extend(request.postpath)
            request.postpath.clear()
        return resource

    def render(self, request: Request) -> object:
        """The mount point itself, without a slash."""
        assert request.prepath is not None
        note(request, self._tally, self._route((b"",)), self._clock)
        resource = self._upgrade(request, (b"",)) or self._page(request, (b"",), tuple(request.prepath))
        return (resource or self.find((b"",))).render(request)

    def _page(self, request: Request, path: Path, mount: Path) -> IResource | None:
        """What the page for people has at a path that is nobody else's."""
        if path[0] and path in self.table and path != (BOOTSTRAP,):
            return None
        return self._control_ui.find(request, path, mount)

    def _route(self, path: Path) -> str:
        """What counts call a path."""
        return route_of(path, listed=path in self.table, known=self.find(path) is not self._not_found)

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
        """Twisted's hook. A connection whose upgrade is refused stays what it was."""
        site, channel = request.site, request.channel
        answer = self._websocket.render(request)
        if answer == NOT_DONE_YET and isinstance(site, GatewaySite):
            site.channels.discard(cast(GatewayChannel, channel))
            cast(GatewayChannel, channel).let_go()
        return answer


class NoUpgrade(GatewayResource):
    """An upgrade in the wrong place."""

    def refusal(self) -> GatewayError:
        """400, whatever the method."""
        return GatewayError("invalid_request", "WebSocket upgrades are not served below /v1.")


__all__ = ["Root", "WebRooms"]
