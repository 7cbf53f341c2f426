# -*- test-case-name: tests.test_gateway -*-
"""The composition root: builds the rooms and joins them. The only file that names concrete classes across rooms."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.agents.registry import ConfiguredAgents
from openclaw_tx.agents.repositories import Repositories
from openclaw_tx.agents.seeding import Seeding
from openclaw_tx.auth.actions import authorise, granted
from openclaw_tx.auth.device_auth import DeviceAuthenticator
from openclaw_tx.auth.device_book import DeviceBook
from openclaw_tx.auth.device_tokens import DeviceTokens
from openclaw_tx.auth.methods import GatewayAuthenticator
from openclaw_tx.auth.pairing import Pairing
from openclaw_tx.auth.pairing_records import PairingFiles
from openclaw_tx.auth.quotas import Quotas
from openclaw_tx.automation.building import Automation, build_automation
from openclaw_tx.automation.building import Parts as AutomationParts
from openclaw_tx.channels.desk import ChannelDesk
from openclaw_tx.channels.desk import Rooms as ChannelRooms
from openclaw_tx.channels.webhook import WebhookChannel
from openclaw_tx.chat.desk import ChatDesk
from openclaw_tx.chat.flow import ChatFlow
from openclaw_tx.chat.orders import Rooms as ChatRooms
from openclaw_tx.chat.talks import Talks
from openclaw_tx.config.live import LiveConfig
from openclaw_tx.config.settings import Settings
from openclaw_tx.deferreds import InThread
from openclaw_tx.interfaces import Authenticator, Fetcher, IChannel, ModelProvider, Poster, RunEngine, Tool, ToolSource
from openclaw_tx.mcp.factory import TransportFactory
from openclaw_tx.mcp.http import Doors
from openclaw_tx.mcp.servers import McpServers
from openclaw_tx.models.door import HttpFailure
from openclaw_tx.models.factory import HttpProviderFactory
from openclaw_tx.models.http import HttpDoor
from openclaw_tx.models.profile_files import ProfileFiles
from openclaw_tx.models.registry import ModelRegistry
from openclaw_tx.runs.admission import Admission
from openclaw_tx.runs.engine import Engine, Rooms
from openclaw_tx.runs.system_events import SystemEventQueue
from openclaw_tx.runs.usage import UsageLog
from openclaw_tx.sending import Turn
from openclaw_tx.sessions.lifecycle import StoreParts, build_sessions
from openclaw_tx.sessions.rules import rules_of
from openclaw_tx.sessions.sql import SqlSessions
from openclaw_tx.tally import CountedAuthenticator, Measured, Tally
from openclaw_tx.tools.approvals import PendingApprovals
from openclaw_tx.tools.approvals_file import ApprovalsFile
from openclaw_tx.tools.builtin import ToolParts, builtin_tools
from openclaw_tx.tools.command_sessions import CommandSessions
from openclaw_tx.tools.commands import Spawner
from openclaw_tx.tools.fetching import UrlFetcher
from openclaw_tx.tools.registry import ToolBox
from openclaw_tx.tools.schema import decode_arguments
from openclaw_tx.tools.untrusted import wrapped
from openclaw_tx.values import Principal
from openclaw_tx.web.health import Lifecycle
from openclaw_tx.web.metrics import Sources
from openclaw_tx.web.root import WebRooms
from openclaw_tx.workers.crew import Crew, CrewRooms
from openclaw_tx.ws import surface as ws
from openclaw_tx.ws.handshake import DeviceRooms
from openclaw_tx.ws.hello import Place
from openclaw_tx.ws.presence import own_row
from openclaw_tx.ws.rpc.inventory import ToolRooms

MCP_CONNECT_S = 30.0
MCP_SILENCE_S = 600.0
"""Seconds for a connection to an MCP server, and for the longest silence on one; its configuration may say less."""


class Materials(NamedTuple):
    """What a gateway is built from."""

    reactor: Any
    """IReactorTCP, IReactorTime, IReactorProcess and IReactorThreads."""
    settings: Settings
    models: Mapping[str, ModelProvider] | None
    """The embedder's own providers, by id."""
    tools: Iterable[Tool]
    """The embedder's own tools."""
    tool_sources: Sequence[ToolSource]
    """Tools that come and go, the embedder's as well."""
    store: StoreParts | None
    fetcher: Fetcher | None
    in_thread: InThread
    new_id: Callable[[], str]
    randomness: Callable[[], float]
    log_file: Callable[[], Path | None]
    """The log file of the moment; None = there is none."""
    channels: Sequence[IChannel] = ()
    """Channels besides the built-in ones."""
    poster: Poster | None = None
    crew: Crew = Crew()
    """The part of this process among several."""


class House(NamedTuple):
    """The rooms, joined."""

    tally: Tally
    models: ModelRegistry
    agents: ConfiguredAgents
    repositories: Repositories
    sessions: SqlSessions
    tools: ToolBox
    sources: Sequence[ToolSource]
    """Of tools that come and go."""
    mcp: McpServers
    events: SystemEventQueue
    engine: Engine
    guard: GatewayAuthenticator
    authenticator: Authenticator
    """C{guard}, counted."""
    quotas: Quotas
    admission: RunEngine
    fetcher: Fetcher
    automation: Automation
    desk: ChatDesk
    websockets: ws.WebSocketSurface
    approvals: PendingApprovals
    commands: CommandSessions
    book: DeviceBook
    channels: ChannelDesk
    webhook: WebhookChannel
    usage: UsageLog
    turn: Turn


def build(given: Materials, log: Logger) -> House:
    """Build all rooms; nothing is started.

    @raise ConfigError: the configuration can not be used.
    """
    reactor, settings, new_id, crew = given.reactor, given.settings, given.new_id, given.crew
    tally, turn = Tally(), Turn()
    models = ModelRegistry(
        settings,
        HttpProviderFactory(
            reactor, reactor, reactor, settings.state_dir, settings.environment, new_id, secrets.token_urlsafe, turn
        ),
        reactor,
        given.randomness,
        lambda: settings.environment,
        given.models,
        on_call=tally.provider_calls.add,
        profiles=ProfileFiles(settings.state_dir, given.in_thread, reactor),
    )
    repositories = Repositories(reactor, reactor, lambda: settings.environment)
    seeding = Seeding(str(settings.state_dir), repositories.create)
    agents = ConfiguredAgents(
        settings, settings.state_dir, settings.environment, models.default_ref, seeding.prepare, reactor.seconds
    )
    sessions = build_sessions(
        settings().session.store,
        str(settings.state_dir),
        given.store or StoreParts(reactor.seconds, turn.through(reactor.callFromThread), new_id=new_id),
        log,
        lambda: rules_of(settings()),
    )
    events = SystemEventQueue()
    fetcher = given.fetcher or UrlFetcher(reactor)
    automation = build_automation(
        AutomationParts(
            settings,
            agents,
            models,
            sessions,
            events,
            lambda: admission,
            reactor,
            given.in_thread,
            new_id,
            lambda: channels,
        )
    )
    approvals = PendingApprovals(reactor)
    approvals_file = ApprovalsFile(settings.state_dir, given.in_thread, lambda: int(reactor.seconds() * 1000), new_id)
    commands = CommandSessions(Spawner(reactor), reactor, settings, events, lambda: admission, new_id, sessions.news)
    parts = ToolParts(
        settings=settings,
        sessions=sessions,
        models=models,
        embedder=models,
        engine=lambda: admission,
        events=events,
        fetcher=fetcher,
        reactor=reactor,
        in_thread=given.in_thread,
        state_dir=settings.state_dir,
        environment=lambda: settings.environment,
        new_id=new_id,
        jobs=automation.cron,
        waker=automation.heartbeat,
        approvals=approvals,
        approvals_file=approvals_file,
        commands=commands,
        reports=automation.reports,
    )
    doors = Doors(_mcp_door(reactor), HttpFailure)
    ways = TransportFactory(reactor, doors, str(settings.state_dir), lambda: settings.environment)
    mcp = McpServers(settings, ways, reactor, lambda text, source: wrapped(text, source, new_id))
    own, sources = crew.tools([*builtin_tools(parts), *given.tools], [*given.tool_sources, mcp])
    tools = ToolBox(settings, own, sources)
    rooms = Rooms(agents, models, tools, sessions, decode_arguments, events)
    engine = Engine(rooms, crew.share(settings), reactor, new_id)
    engine.at_end(tally.watch)
    usage = UsageLog(sessions.usage)
    engine.at_end(usage.watch)
    guard = GatewayAuthenticator(reactor, settings, lambda: settings.environment, crew.entropy)
    book = DeviceBook(PairingFiles(settings.state_dir / "devices"), reactor, given.in_thread)
    devices = DeviceRooms(book, Pairing(book, new_id), DeviceTokens(book, secrets.token_bytes))
    authenticator = crew.authenticator(
        CountedAuthenticator(DeviceAuthenticator(guard, devices.tokens, settings), tally), guard
    )
    quotas = Quotas(reactor, guard.keys.limits)
    everywhere = Admission(crew.everywhere(engine), authorise, quotas, engine.at_end)
    admission = crew.admitted(everywhere, engine, agents, models)
    flow = ChatFlow(admission, settings, reactor)
    desk = ChatDesk(
        ChatRooms(admission, agents, models, sessions, engine.compactor, approvals, settings), flow, reactor
    )
    webhook = WebhookChannel(settings, given.poster or UrlFetcher(reactor), reactor, new_id)
    talks = Talks(desk, admission, sessions, settings)
    channels = ChannelDesk(ChannelRooms(agents, sessions, talks, settings, reactor), [webhook, *given.channels])
    websockets = ws.WebSocketSurface(
        ws.Rooms(
            engine=admission,
            agents=agents,
            models=models,
            sessions=sessions,
            authenticator=authenticator,
            authorise=authorise,
            granted=granted,
            is_local_direct=guard.is_local_direct,
            devices=devices,
            desk=desk,
            in_thread=given.in_thread,
            log_file=given.log_file,
            own_row=own_row(),
            approvals=approvals,
            approvals_file=approvals_file,
            tools=ToolRooms(tools, tools.everything),
            every_model=models.everything,
            news=sessions.news,
            usage=sessions.usage,
            live_config=LiveConfig(settings, given.in_thread, log),
            automation=automation,
            channels=channels,
            session_runs=engine.subscribe,
            background=sessions.runs,
        ),
        settings,
        reactor,
        Place(str(settings.loaded.path), str(settings.state_dir)),
        new_id,
        tally,
    )
    settings.subscribe_file(websockets.file_changed)
    return House(
        tally=tally,
        models=models,
        agents=agents,
        repositories=repositories,
        sessions=sessions,
        tools=tools,
        sources=sources,
        mcp=mcp,
        events=events,
        engine=engine,
        guard=guard,
        authenticator=authenticator,
        quotas=quotas,
        admission=admission,
        fetcher=fetcher,
        automation=automation,
        desk=desk,
        websockets=websockets,
        approvals=approvals,
        commands=commands,
        book=book,
        channels=channels,
        webhook=webhook,
        usage=usage,
        turn=turn,
    )


def web_rooms(given: Materials, house: House, lifecycle: Lifecycle, sources: Sources) -> WebRooms:
    """What the HTTP surface needs."""
    return WebRooms(
        settings=given.settings,
        engine=house.admission,
        agents=house.agents,
        models=house.models,
        embedder=house.models,
        tools=house.tools,
        authenticator=house.authenticator,
        authorise=authorise,
        lifecycle=lifecycle,
        clock=given.reactor,
        new_id=given.new_id,
        sessions=house.sessions,
        meter=house.quotas,
        sources=sources,
        fetcher=house.fetcher,
        in_thread=given.in_thread,
        hooks=house.automation.hooks,
        approvals=house.approvals,
        webhook=house.webhook,
        workers=given.crew.about,
        relays=given.crew.elsewhere is not None,
    )


def crew_rooms(house: House, clock: IReactorTime, counted: Callable[[], dict[str, Measured]]) -> CrewRooms:
    """What the processes of one gateway ask of each other.

    @param counted: what this one has counted.
    """

    def limited(principal: Principal) -> bool:
        key = house.guard.keys.limits(principal)
        return key is not None and (key.rpm, key.tpm, key.concurrency) != (None, None, None)

    return CrewRooms(
        agents=house.agents,
        authenticator=house.authenticator,
        limited=limited,
        tools=house.tools.everything,
        sources=house.sources,
        recover=lambda: house.sessions.recover(int(clock.seconds() * 1000)),
        measured=counted,
    )


def _mcp_door(reactor: Any) -> Callable[[str], HttpDoor]:
    """Opens the way to an MCP server: a connection pool of its own. Each request has a time limit besides."""
    return lambda url: HttpDoor(reactor, reactor, url, connect_timeout_s=MCP_CONNECT_S, idle_timeout_s=MCP_SILENCE_S)


__all__ = ["House", "Materials", "build", "crew_rooms", "web_rooms"]
