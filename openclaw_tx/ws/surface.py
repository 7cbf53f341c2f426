# -*- test-case-name: tests.ws.test_surface -*-
"""The WebSocket surface put together: what the gateway makes once and mounts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from openclaw_tx.auth.origins import trusts_page
from openclaw_tx.automation.building import Automation
from openclaw_tx.automation.rules import NO_HEARTBEATS, Heartbeats
from openclaw_tx.chat.desk import ChatDesk
from openclaw_tx.config.live import LiveConfig
from openclaw_tx.config.load import Loaded
from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import InThread
from openclaw_tx.ids import new_uuid
from openclaw_tx.interfaces import (
    Agents,
    Approvals,
    ApprovalsFile,
    Authenticator,
    Authoriser,
    BackgroundRuns,
    Channels,
    Models,
    Peer,
    Run,
    RunEngine,
    SessionNews,
    Sessions,
    UsageStore,
)
from openclaw_tx.tally import Tally
from openclaw_tx.values import Entry, ModelInfo, Principal
from openclaw_tx.ws.channel import ChannelFactory
from openclaw_tx.ws.connection import Connection, Desk, Watch
from openclaw_tx.ws.handshake import DeviceRooms, Granted, Handshake
from openclaw_tx.ws.hello import Hello, Place
from openclaw_tx.ws.hub import EVENTS, Hub
from openclaw_tx.ws.methods import Methods
from openclaw_tx.ws.nodes import Nodes
from openclaw_tx.ws.presence import Presence
from openclaw_tx.ws.resource import UpgradeResource
from openclaw_tx.ws.rpc.agent import AgentMethods
from openclaw_tx.ws.rpc.agent_wait import WaitMethods
from openclaw_tx.ws.rpc.agents import AgentFileMethods
from openclaw_tx.ws.rpc.approvals import ApprovalMethods, ApprovalNews
from openclaw_tx.ws.rpc.approvals_file import ApprovalsFileMethods
from openclaw_tx.ws.rpc.catalog import CatalogMethods
from openclaw_tx.ws.rpc.channels import ChannelMethods
from openclaw_tx.ws.rpc.chat import ChatMethods
from openclaw_tx.ws.rpc.config import ConfigMethods, reads_config
from openclaw_tx.ws.rpc.cron import CronMethods, cron_event, hears_jobs
from openclaw_tx.ws.rpc.devices import DeviceMethods, DeviceNews
from openclaw_tx.ws.rpc.finding import SessionFinder
from openclaw_tx.ws.rpc.following import FollowingMethods
from openclaw_tx.ws.rpc.health import Health, HealthMethods, StateVersion
from openclaw_tx.ws.rpc.host import HostMethods
from openclaw_tx.ws.rpc.inventory import InventoryMethods, ToolRooms
from openclaw_tx.ws.rpc.lanes import LaneMethods
from openclaw_tx.ws.rpc.logs import LogMethods
from openclaw_tx.ws.rpc.model_auth import Keys, ModelAuthMethods
from openclaw_tx.ws.rpc.nodes import NodeMethods, NodeNews
from openclaw_tx.ws.rpc.presence import PresenceMethods, PresenceWatch, sees_presence
from openclaw_tx.ws.rpc.session_changes import SessionChanges
from openclaw_tx.ws.rpc.session_talk import SessionTalk
from openclaw_tx.ws.rpc.session_usage import SessionUsageMethods
from openclaw_tx.ws.rpc.sessions import SessionMethods
from openclaw_tx.ws.rpc.skills import SkillMethods
from openclaw_tx.ws.rpc.startup import StartupMethods
from openclaw_tx.ws.rpc.tasks import TaskMethods
from openclaw_tx.ws.rpc.usage import UsageMethods
from openclaw_tx.ws.rpc.wake import WakeMethods, hears_heartbeats, heartbeat_event
from openclaw_tx.ws.session_events import SessionEvents
from openclaw_tx.ws.slices import Slices
from openclaw_tx.ws.timers import Timers


class Rooms(NamedTuple):
    """What the surface needs of the rooms below, by seam."""

    engine: RunEngine
    agents: Agents
    models: Models
    sessions: Sessions
    authenticator: Authenticator
    authorise: Authoriser
    granted: Granted
    is_local_direct: Callable[[Peer], bool]
    devices: DeviceRooms
    desk: ChatDesk
    in_thread: InThread
    log_file: Callable[[], Path | None]
    """The log file of the moment; None = there is none."""
    own_row: Mapping[str, str] = {}
    """What the gateway says of itself in lists of who is there."""
    automation: Automation | None = None
    """What starts runs by itself; None = nothing does."""
    approvals: Approvals | None = None
    """None = nobody is asked for their word here."""
    approvals_file: ApprovalsFile | None = None
    tools: ToolRooms | None = None
    """None = what tools there are is not told."""
    every_model: Callable[[], Sequence[ModelInfo]] | None = None
    """The models, those that may not be used as well; None = C{models} has them all."""
    news: SessionNews | None = None
    """None = nobody tells what becomes of sessions."""
    usage: UsageStore | None = None
    """None = nobody counts what runs take."""
    live_config: LiveConfig | None = None
    """None = the configuration is nobody's to see here."""
    channels: Channels | None = None
    """None = there are none."""
    session_runs: Callable[[Callable[[Run, Sequence[Entry]], None]], Callable[[], None]] | None = None
    """As C{engine.subscribe}, where the runs of sessions are; None = C{engine} has no others."""
    background: BackgroundRuns | None = None
    """None = nobody remembers what ran in the background."""


class Watches:
    """Several that watch connections."""

    def __init__(self, *watches: Watch) -> None:
        self._watches = watches

    def joined(self, connection: Connection) -> None:
        """See L{openclaw_tx.ws.connection.Watch}."""
        for watch in self._watches:
            watch.joined(connection)

    def left(self, connection: Connection) -> None:
        """See L{openclaw_tx.ws.connection.Watch}."""
        for watch in self._watches:
            watch.left(connection)


class WebSocketSurface:
    """Everything behind the upgrade.

    @ivar resource: takes every upgrade request, whatever its path.
    @ivar hub: the ready connections.
    @ivar factory: all connections.
    @ivar registry: what the methods do.
    """

    def __init__(
        self,
        rooms: Rooms,
        settings: Callable[[], Config],
        clock: IReactorTime,
        place: Place | None = None,
        new_id: Callable[[], str] = new_uuid,
        tally: Tally | None = None,
    ) -> None:
        """
        @param settings: the configuration of the moment.
        @param place: paths that administrators are told.
        @param new_id: makes UUIDs; nonces must be unguessable.
        @param tally: where connections and bytes are counted.
        """
        started = clock.seconds()
        self._clock = clock
        self._revalidation: IDelayedCall | None = None
        automation = rooms.automation
        heartbeats = Heartbeats(settings, automation.events) if automation is not None else NO_HEARTBEATS
        self._health = Health(rooms.agents, rooms.sessions, clock, heartbeats)
        self._timers = Timers(clock)
        self._slices = Slices(clock)

        def now_ms() -> int:
            return int(clock.seconds() * 1000)

        self._now_ms = now_ms

        def uptime_ms() -> int:
            return int((clock.seconds() - started) * 1000)

        def tick_seconds() -> float:
            return settings().gateway.tick_interval_ms / 1000

        def trusts(principal: Principal, client_id: str, *, local_direct: bool) -> bool:
            return trusts_page(principal, client_id, settings().gateway.control_ui, local_direct=local_direct)

        def scope() -> str:
            return settings().session.scope

        engine, agents, models, sessions = rooms.engine, rooms.agents, rooms.models, rooms.sessions
        authorise = rooms.authorise
        self.hub = Hub(engine, authorise, self._timers, self._slices, tick_seconds, self._health_of, now_ms)
        chat = ChatMethods(engine, agents, sessions, authorise, clock, rooms.desk, settings, rooms.channels)
        finder = SessionFinder(agents, sessions, scope)
        lists = SessionMethods(agents, models, sessions, engine, clock, finder)
        following = FollowingMethods(self.hub.subscriptions, lists, engine, agents, models, sessions, settings)
        families = [
            HealthMethods(self._health, engine, agents, models, sessions, uptime_ms, clock, heartbeats).methods(),
            CatalogMethods(agents, models, settings, rooms.every_model).methods(),
            lists.methods(),
            finder.methods(),
            following.methods(),
            chat.methods(),
            SessionTalk(chat, engine, agents, models, sessions, authorise, clock, settings, new_id).methods(),
            StartupMethods(chat, following, finder, agents, models, settings, engine).methods(),
            ChannelMethods(rooms.channels, agents, sessions, clock, scope).methods(),
            SessionChanges(
                engine,
                agents,
                models,
                sessions,
                authorise,
                clock,
                self.hub.publish,
                new_id,
                rooms.desk.flow.forget,
                scope,
            ).methods(),
            AgentMethods(engine, agents, models, sessions, authorise, clock, settings, rooms.channels).methods(),
            WaitMethods(engine, sessions, clock, rooms.desk.flow).methods(),
            LogMethods(rooms.log_file, rooms.in_thread).methods(),
            LaneMethods(engine, settings, clock).methods(),
            HostMethods(settings, uptime_ms, rooms.in_thread, place.state_dir if place is not None else "").methods(),
        ]
        rooms.desk.flow.subscribe(self.hub.notice)
        if rooms.approvals is not None:
            families.append(ApprovalMethods(rooms.approvals, agents, authorise, clock, new_id).methods())
            rooms.approvals.subscribe(ApprovalNews(self.hub).tell)
        if rooms.approvals_file is not None:
            families.append(ApprovalsFileMethods(rooms.approvals_file).methods())
        if rooms.tools is not None:
            families.append(InventoryMethods(rooms.tools, agents, sessions, settings).methods())
        if rooms.background is not None:
            families.append(TaskMethods(rooms.background, engine, agents, sessions, authorise, settings).methods())
        if isinstance(models, Keys):
            families.append(ModelAuthMethods(models, agents, clock).methods())
        families.append(SkillMethods(agents, settings, rooms.live_config, rooms.in_thread).methods())
        if rooms.usage is not None:
            families.append(UsageMethods(rooms.usage, agents, models, settings, rooms.in_thread, clock).methods())
            families.append(
                SessionUsageMethods(
                    rooms.usage, agents, models, sessions, settings, rooms.in_thread, clock, rooms.tools
                ).methods()
            )
        families.append(AgentFileMethods(agents, models, rooms.live_config, rooms.in_thread, clock).methods())
        if rooms.live_config is not None:
            families.append(ConfigMethods(rooms.live_config, settings, rooms.in_thread, clock).methods())
        devices = rooms.devices
        self.presence = Presence(rooms.own_row, now_ms)
        watch = PresenceWatch(self.presence, self.hub, lambda: self._health.version)
        nodes = Nodes(devices.book, devices.pairing, clock, new_id, NodeNews(self.hub).tell)
        devices.book.subscribe(DeviceNews(self.hub, now_ms).tell)
        families += [
            PresenceMethods(self.presence).methods(),
            DeviceMethods(devices, self.hub, clock).methods(),
            NodeMethods(nodes, devices).methods(),
        ]
        if automation is not None:
            families.append(CronMethods(automation.cron, agents).methods())
            families.append(WakeMethods(automation.heartbeat, agents, watch.report).methods())
            automation.cron.subscribe(lambda news: self.hub.broadcast("cron", cron_event(news), hears_jobs))
            automation.heartbeat.subscribe(
                lambda news: self.hub.broadcast("heartbeat", heartbeat_event(news), hears_heartbeats)
            )
        methods = Methods(families, authorise)
        if rooms.news is not None:
            told = SessionEvents(self.hub, engine, models, now_ms)
            rooms.news.subscribe(told.changed)
            (rooms.session_runs or engine.subscribe)(told.on_batch)
        counts = tally or Tally()
        desk = Desk(
            authenticator=rooms.authenticator,
            handshake=Handshake(
                rooms.authenticator, rooms.granted, rooms.is_local_direct, rooms.devices, now_ms, trusts
            ),
            methods=methods,
            hello=Hello(
                agents,
                lambda: methods.names,
                EVENTS,
                self._known_health,
                tick_seconds,
                uptime_ms,
                self._seen,
                place,
                scope,
            ),
            watch=Watches(self.hub, nodes, watch),
            now_ms=now_ms,
            new_id=new_id,
            ignored=lambda: counts.not_json(clock.seconds()),
            catch_up=self.hub.catch_up,
        )
        self.factory = ChannelFactory(desk, self._timers, self._slices, clock, tally=counts)
        self.resource = UpgradeResource(self.factory, rooms.authenticator)
        self.methods: Sequence[str] = methods.names
        self.registry = methods

    def __len__(self) -> int:
        """Connections, let in or not."""
        return len(self.factory)

    def config_changed(self) -> None:
        """Close connections whose credential was rotated; in the next turn, so that who rotated it still gets its
        answer. Requests are refused from now on."""
        if self._revalidation is None:
            self._revalidation = self._clock.callLater(0, self._revalidate)

    def _revalidate(self) -> None:
        self._revalidation = None
        self.hub.revalidate()

    def file_changed(self, loaded: Loaded) -> None:
        """Tell clients that the configuration file says something else; they may want to read it again."""
        payload = {"path": loaded.path.name, "hash": loaded.hash, "ts": self._now_ms()}
        self.hub.tell_if("config.changed", payload, lambda connection: reads_config(connection.principal))

    def drain(self) -> None:
        """Take nobody any more; who is there stays."""
        self.resource.draining = True

    def stop(self, reason: str = "gateway stopping") -> Deferred[None]:
        """Tell everybody, close with 1012, take nobody any more.

        @return: fires when all connections are gone, about a second later at most.
        """
        if self._revalidation is not None:
            self._revalidation.cancel()
            self._revalidation = None
        self.hub.shutdown(reason)
        gone = self.factory.stop(1012, "service restart")
        gone.addCallback(lambda _: self._slices.stop())
        return gone

    async def _health_of(self, connection: Connection) -> tuple[Any, StateVersion]:
        return await self._health.report(connection.principal), self._state_version()

    def _known_health(self, connection: Connection) -> tuple[Any, StateVersion]:
        return self._health.known(connection.principal), self._state_version()

    def _state_version(self) -> StateVersion:
        return self.presence.version, self._health.version

    def _seen(self, connection: Connection) -> Sequence[Any]:
        """Who is there, as far as a connection may know."""
        return self.presence.rows() if sees_presence(connection.principal) else ()
