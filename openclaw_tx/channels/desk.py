# -*- test-case-name: tests.channels.test_webhook -*-
"""Where messages of all channels are handed in, and answers find their way out."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.auth.actions import READ, WRITE, authorise
from openclaw_tx.channels.delivery import PendingDelivery
from openclaw_tx.channels.routing import agent_for
from openclaw_tx.channels.webchat import WEBCHAT, WebChat
from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import sleep
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Conversations, IChannel, Sessions
from openclaw_tx.sessions.keys import GLOBAL, main_key, peer_key
from openclaw_tx.values import (
    RESTARTED_TEXT,
    ChannelStatus,
    DeliveryRoute,
    InboundMessage,
    Outcome,
    Principal,
    Received,
    RunRequest,
    SessionEntry,
    StoredRun,
    Target,
    TextPart,
    UserMessage,
)

MAX_KNOWN = 10_000
"""Ids of messages that are remembered; the oldest go. Those that became runs the ledger knows for longer."""
MAX_WORK = 500
"""Answers that are waited for or on their way; more messages are refused with C{queue_full}."""
MAX_SENDER = 100
MAX_ROUTE = 256
CLOSE_SECONDS = 5.0
"""How long answers on their way may take when the gateway stops."""
LAST = "last"
PREFIX = "channel_"
"""Begins the ids of runs that messages become."""
_PRINCIPAL = re.compile(r"channel:([^:]+):(.*?):((?:dm|group|channel):.+)", re.DOTALL)


class Rooms(NamedTuple):
    """What channels need, by seam."""

    agents: Agents
    sessions: Sessions
    conversations: Conversations
    settings: Callable[[], Config]
    clock: IReactorTime


class ChannelDesk:
    """Implements L{openclaw_tx.interfaces.Channels}."""

    def __init__(self, rooms: Rooms, channels: Sequence[IChannel]) -> None:
        """
        @param channels: besides the built-in one.
        @raise ValueError: two have one name.
        """
        self._rooms = rooms
        self._channels: dict[str, IChannel] = {}
        for channel in (WebChat(), *channels):
            if channel.name in self._channels:
                raise ValueError(f"there are two channels named {channel.name!r}")
            self._channels[channel.name] = channel
        self._known: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._work: set[PendingDelivery] = set()
        self._log = Logger()

    def start(self) -> None:
        """Start all channels; one that can not be started is logged, and the others do."""
        for channel in self._channels.values():
            try:
                channel.start(self.receive)
            except Exception:
                self._log.failure("the channel {name} does not start", name=channel.name)

    async def close(self) -> None:
        """Let answers on their way go out within L{CLOSE_SECONDS}, then stop all channels."""
        waited = 0.0
        while self._work and waited < CLOSE_SECONDS:
            await sleep(self._rooms.clock, 0.1)
            waited += 0.1
        for pending in list(self._work):
            pending.call_off()
        self._rooms.conversations.close()
        for channel in self._channels.values():
            try:
                await channel.stop()
            except CancelledError:
                raise
            except Exception:
                self._log.failure("the channel {name} does not stop", name=channel.name)

    def cut_off(self, runs: Sequence[StoredRun]) -> None:
        """Tell those whose messages' runs have ended with the process: over a channel nobody can see it.

        @param runs: of all kinds.
        """
        for run in runs:
            route = _asked_from(run.principal_id)
            if run.run_id.startswith(PREFIX) and route is not None and len(self._work) < MAX_WORK:
                self._pend(self._tell_cut_off(route, run.run_id), run.run_id)

    # -- in

    async def receive(self, message: InboundMessage) -> Received:
        """See L{openclaw_tx.interfaces.Receive}.

        @raise GatewayError: C{queue_full}; C{invalid_request}: it can not be a message, or
            C{session.sendPolicy} lets nobody speak there; or as L{openclaw_tx.interfaces.RunEngine.start}.
        """
        run_id, known = run_id_of(message), (message.channel, message.account_id, message.id)
        if known in self._known:
            return Received(run_id=run_id, duplicate=True)
        self._check_room()
        self._known[known] = None
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        try:
            if await self._rooms.sessions.get_run(run_id) is not None:
                return Received(run_id=run_id, duplicate=True)
            await self._begin(message, run_id)
        except BaseException:
            self._known.pop(known, None)  # it was not taken: the next try is not a repetition
            raise
        return Received(run_id=run_id)

    async def _begin(self, message: InboundMessage, run_id: str) -> None:
        rooms, config = self._rooms, self._rooms.settings()
        channel = self._channels[message.channel]
        agent_id = agent_for(config.bindings, message, channel.status().default_account_id) or message.agent_id
        agent_id = agent_id or rooms.agents.default_id
        rules = config.session
        key = peer_key(agent_id, message, dm_scope=rules.dm_scope, links=rules.identity_links, scope=rules.scope)
        route = DeliveryRoute(channel=message.channel, to=message.peer.address, account_id=message.account_id)
        request = RunRequest(
            run_id=run_id,
            agent_id=agent_id,
            session_key=key,
            messages=(
                UserMessage(
                    content=(TextPart(text=_said(message)),),
                    timestamp_ms=int(rooms.clock.seconds() * 1000),
                    run_id=run_id,
                ),
            ),
            channel=message.channel,
            surface="channel",
            fingerprint=run_id,
        )
        principal = principal_of(message)
        authorise(principal, "channels.receive", Target(agent_id=agent_id, session_key=key))
        await self._remember(request, message, route)
        answer = self._follow(run_id, route)
        try:
            await rooms.conversations.take(request, message.text.strip(), principal)
        except BaseException:
            answer.call_off()
            raise

    async def _remember(self, request: RunRequest, message: InboundMessage, route: DeliveryRoute) -> None:
        """Keep with the session where it was last spoken to from, so that it is known after a restart as well."""
        fields = {"last_channel": route.channel, "last_to": route.to, "last_account_id": route.account_id}
        if request.session_key not in (main_key(request.agent_id), GLOBAL):
            fields["channel"] = route.channel
            fields["chat_type"] = "direct" if message.peer.kind == "dm" else message.peer.kind
        entry = await self._rooms.sessions.get(request.session_key)
        if entry is not None and all(getattr(entry.settings, name) == value for name, value in fields.items()):
            return

        def change(entry: SessionEntry) -> SessionEntry:
            return replace(entry, settings=replace(entry.settings, **fields))

        await self._rooms.sessions.patch(request.session_key, change, agent_id=request.agent_id)

    # -- out

    def status(self) -> Sequence[ChannelStatus]:
        """See L{openclaw_tx.interfaces.Channels.status}."""
        found = (channel.status() for channel in self._channels.values())
        return [channel for channel in found if channel.accounts]

    def route(
        self, entry: SessionEntry | None, *, channel: str = "", to: str = "", account_id: str = ""
    ) -> DeliveryRoute:
        """See L{openclaw_tx.interfaces.Channels.route}."""
        wanted, to = channel.strip().lower(), to.strip()
        last = entry.settings if entry is not None else None
        if wanted in ("", LAST, WEBCHAT):  # chat clients hear of answers anyway
            if last is None or last.last_channel in ("", WEBCHAT):
                raise GatewayError("invalid_request", "channel: nobody has spoken here over a channel; name one")
            wanted = last.last_channel
            to, account_id = to or last.last_to, account_id or last.last_account_id
        elif not to and last is not None and last.last_channel == wanted:
            to, account_id = last.last_to, account_id or last.last_account_id
        if wanted not in self._channels:
            raise GatewayError("no_channels", f"there is no channel {wanted[:64]!r}")
        if not to:
            raise GatewayError("invalid_request", "to: say who it is for", param="to")
        if len(to) > MAX_ROUTE or len(account_id) > MAX_ROUTE:
            raise GatewayError("invalid_request", f"to: longer than {MAX_ROUTE} characters", param="to")
        return DeliveryRoute(channel=wanted, to=to, account_id=account_id.strip())

    async def send(self, route: DeliveryRoute, text: str, media: Sequence[str] = (), *, delivery_id: str = "") -> str:
        """See L{openclaw_tx.interfaces.Channels.send}."""
        channel = self._channels.get(route.channel)
        if channel is None:
            raise GatewayError("no_channels", f"there is no channel {route.channel!r}")
        return await channel.send(route, text, media, delivery_id)

    def follow(self, run_id: str, route: DeliveryRoute) -> PendingDelivery:
        """See L{openclaw_tx.interfaces.Channels.follow}."""
        self._check_room()
        return self._follow(run_id, route)

    def _follow(self, run_id: str, route: DeliveryRoute) -> PendingDelivery:
        return self._pend(self._deliver(self._rooms.conversations.outcome(run_id), run_id, route), run_id)

    def _pend(self, delivering: Coroutine[Deferred[Any], Any, str], run_id: str) -> PendingDelivery:
        pending = PendingDelivery(delivering, self._log, f"answer of {run_id}")
        if not pending.ended:
            self._work.add(pending)
            pending.when_ended(lambda: self._work.discard(pending))
        return pending

    async def _deliver(self, outcome: Deferred[Outcome], run_id: str, route: DeliveryRoute) -> str:
        found = await outcome
        if not found.text and not found.media:
            return ""
        return await self.send(route, found.text, found.media, delivery_id=run_id)

    async def _tell_cut_off(self, route: DeliveryRoute, run_id: str) -> str:
        await sleep(self._rooms.clock, 0)  # until the channels have been started
        return await self.send(route, RESTARTED_TEXT, delivery_id=run_id)

    def _check_room(self) -> None:
        if len(self._work) >= MAX_WORK:
            raise GatewayError("queue_full", "Too many answers are on their way; try again shortly.", retry_after=5)


def run_id_of(message: InboundMessage) -> str:
    """The run that a message becomes: always the same one, so that a repeated message finds it after a restart."""
    named = "\0".join((message.channel, message.account_id, message.id))
    return f"{PREFIX}{hashlib.sha256(named.encode('utf-8', 'replace')).hexdigest()[:32]}"


def principal_of(message: InboundMessage) -> Principal:
    """As whom a message runs its agent: of everybody on channels each peer for itself, and no administrator. Runs of
    others are none of its business, and messages of different peers never make one turn."""
    named = f"channel:{message.channel}:{message.account_id}:{message.peer.address}"
    return Principal(id=named, method="local", scopes=frozenset({READ, WRITE}))


def _asked_from(principal_id: str) -> DeliveryRoute | None:
    """Where somebody is whom L{principal_of} has named; None = it was another one."""
    found = _PRINCIPAL.fullmatch(principal_id)
    return DeliveryRoute(channel=found[1], to=found[3], account_id=found[2]) if found is not None else None


def _said(message: InboundMessage) -> str:
    """What the agent reads: in a group with the name of who speaks."""
    sender = " ".join(message.sender.split())[:MAX_SENDER]
    text = message.text.strip()
    return f"{sender}: {text}" if sender and message.peer.kind != "dm" else text


__all__ = ["ChannelDesk", "Rooms", "principal_of", "run_id_of"]
