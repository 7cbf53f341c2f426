# -*- test-case-name: tests.ws.test_hub -*-
"""All ready connections, and what they are told: run events, tick, health, shutdown (spec 2.7).

Each batch of a run is rendered once; what differs for a connection is its frame number and whether it may read the
run. With nobody connected nothing is rendered at all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from openclaw_tx.auth.actions import may
from openclaw_tx.auth.sight import run_target
from openclaw_tx.chat.values import Notice
from openclaw_tx.deferreds import spawn
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Authoriser, Run, RunEngine
from openclaw_tx.values import Entry, Principal, RunEnded, Target
from openclaw_tx.wire.events import Event
from openclaw_tx.wire.frames import encode, event_body
from openclaw_tx.ws.connection import CREDENTIALS_CHANGED, Connection
from openclaw_tx.ws.fanout import Audience, Fanout
from openclaw_tx.ws.render import Rendered, RunRenderer, render_notice
from openclaw_tx.ws.slices import Slices
from openclaw_tx.ws.subscriptions import Subscriptions
from openclaw_tx.ws.timers import Alarm, Timers

EVENTS = (
    "connect.challenge",
    "agent",
    "chat",
    "tick",
    "health",
    "shutdown",
    "sessions.changed",
    "session.message",
    "config.changed",
    "exec.approval.requested",
    "exec.approval.resolved",
    "presence",
    "device.pair.requested",
    "device.pair.resolved",
    "node.pair.requested",
    "node.pair.resolved",
    "node.invoke.request",
    "heartbeat",
    "cron",
)
"""Every event this surface sends, for C{features.events}."""
HEALTH_SECONDS = 60.0
"""Pause between two health events."""
ROUNDING = 0.001
"""Seconds by which sums of times may be off."""
MAX_WAITING = 10_000
"""Entries of runs that wait for a round before they are rendered all the same."""

HealthFor = Callable[[Connection], Awaitable[tuple[Any, tuple[int, int]]]]
"""Makes the health payload that a connection may see, and the state version that goes with it."""


class Hub:
    """Fan-out to WebSocket clients.

    @ivar subscriptions: who wants to hear of sessions.
    """

    def __init__(
        self,
        engine: RunEngine,
        authorise: Authoriser,
        timers: Timers,
        slices: Slices,
        tick_seconds: Callable[[], float],
        health: HealthFor,
        now_ms: Callable[[], int],
    ) -> None:
        """
        @param tick_seconds: pause between two C{tick} events, asked each time.
        """
        self._engine = engine
        self._authorise = authorise
        self._timers = timers
        self._slices = slices
        self._tick_seconds = tick_seconds
        self._health = health
        self._now_ms = now_ms
        self._log = Logger()
        self.subscriptions = Subscriptions()
        self._fanout = Fanout(slices, self._collect)
        self._runs: dict[str, _Stream] = {}
        self._fresh: dict[str, _Stream] = {}
        self._waiting = 0
        self._unsubscribe: Callable[[], None] | None = None
        self._tick: Alarm | None = None
        self._chat: Alarm | None = None
        self._next_health: Alarm | None = None
        self._asking: set[Deferred[Any]] = set()

    def __len__(self) -> int:
        """Connections that are ready."""
        return len(self._fanout)

    # -- connections come and go

    def joined(self, connection: Connection) -> None:
        """Start telling C{connection}. Protocol 3 clients get the health at once, as they always did."""
        self._fanout.join(connection)
        if self._unsubscribe is None:
            self._unsubscribe = self._engine.subscribe(self._on_batch)
        if self._tick is None:
            self._tick = self._timers.after(self._tick_seconds(), self._on_tick)
            self._next_health = self._timers.after(HEALTH_SECONDS, self._on_health)
        if connection.protocol == 3:
            self._ask(self._health_for(connection))

    def left(self, connection: Connection) -> None:
        """Stop telling it; with the last one, stop listening."""
        audience = self._fanout.leave(connection)
        if audience is not None:
            for stream in self._runs.values():
                stream.readers.pop(audience, None)
        self.subscriptions.forget(connection.number)
        if not self._fanout:
            self._rest()

    def catch_up(self, connection: Connection) -> None:
        """Tell C{connection} now what it would be told in its turn."""
        self._fanout.catch_up(connection)

    def revalidate(self) -> None:
        """The configuration changed: close connections whose credential is no longer good."""
        if self._fanout:
            self._slices.add(self._revalidating())

    def broadcast(self, name: str, payload: Any, may: Callable[[Principal], bool]) -> None:
        """Tell an event to everybody who may hear of it."""
        self._post(name, payload, lambda audience: may(audience.principal), droppable=False)

    def tell(self, event: str, payload: Any, action: str, target: Target, *, droppable: bool = True) -> None:
        """Send an event to every connection that may do C{action} to C{target}."""
        self._post(event, payload, lambda audience: self._may(audience, action, target), droppable=droppable)

    def tell_if(
        self,
        event: str,
        payload: Any,
        wants: Callable[[Connection], bool],
        state_version: tuple[int, int] | None = None,
        *,
        droppable: bool = True,
    ) -> None:
        """Send an event to every connection that C{wants} it.

        @param droppable: a slow client may miss it.
        """
        self._post(event, payload, None, wants, state_version, droppable=droppable)

    def devices(self) -> frozenset[str]:
        """Ids of the paired devices that are connected."""
        return frozenset(one.principal.device_id for one in self._fanout) - {""}

    def hang_up(self, device_id: str) -> None:
        """Close the connections of a device that is no longer paired."""
        for connection in self._fanout:
            if connection.principal.device_id == device_id:
                connection.close(*CREDENTIALS_CHANGED)

    def shutdown(self, reason: str) -> None:
        """Tell everybody that the gateway stops, and close with 1012."""
        self._post("shutdown", {"reason": reason, "restartExpectedMs": None}, droppable=False)
        self._fanout.tell_all()
        for connection in self._fanout:
            connection.close(1012, "service restart")

    def publish(self, event: str, payload: Any, target: Target) -> None:
        """Tell everybody who may watch runs of C{target} something that is no run's event."""
        self._post(event, payload, lambda audience: may(audience.principal, "runs.events", target), droppable=False)

    def _post(
        self,
        name: str,
        payload: Any,
        hears: Callable[[Audience], bool] | None = None,
        wants: Callable[[Connection], bool] | None = None,
        state_version: tuple[int, int] | None = None,
        *,
        droppable: bool,
    ) -> None:
        if self._fanout:
            self._collect()
            self._fanout.post(Event(event_body(name, encode(payload), state_version), droppable), hears, wants)

    def _may(self, audience: Audience, action: str, target: Target) -> bool:
        try:
            self._authorise(audience.principal, action, target)
        except GatewayError:
            return False
        return True

    def _rest(self) -> None:
        """Nobody is connected: hold nothing, do nothing."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        for alarm in (self._tick, self._chat, self._next_health):
            if alarm is not None:
                alarm.cancel()
        self._tick = self._chat = self._next_health = None
        self._runs.clear()
        self._fresh.clear()
        self._waiting = 0
        self._fanout.clear()
        self._slices.stop()
        for deferred in list(self._asking):
            deferred.cancel()

    # -- events of runs

    def _on_batch(self, run: Run, entries: Sequence[Entry]) -> None:
        """Keep it until the next round: what a run says meanwhile makes one event then."""
        run_id = run.request.run_id
        stream = self._runs.get(run_id)
        if stream is None:
            stream = self._runs[run_id] = _Stream(run, entries[0].seq)
        stream.fresh += entries
        self._fresh[run_id] = stream
        if type(entries[-1].event) is RunEnded:
            self._runs.pop(run_id, None)
        self._waiting += len(entries)
        if self._waiting >= MAX_WAITING:
            self._collect()
        self._fanout.wake()

    def _collect(self) -> None:
        """Post what runs have said."""
        if not self._fresh:
            return
        fresh, self._fresh, self._waiting = self._fresh, {}, 0
        now = self._timers.seconds()
        for run_id, stream in fresh.items():
            entries, stream.fresh = stream.fresh, []
            self._send(stream, stream.renderer.render(entries, now))
            if run_id in self._runs and stream.renderer.chat_due is not None and self._chat is None and self._fanout:
                self._chat = self._timers.after(stream.renderer.chat_due - now, self._on_chat)

    def _on_chat(self) -> None:
        """The pause of at least one run is over."""
        self._chat = None
        self._collect()
        now = self._timers.seconds()
        later: list[float] = []
        for stream in list(self._runs.values()):
            due = stream.renderer.chat_due
            if due is not None and due <= now + ROUNDING:
                self._send(stream, stream.renderer.flush_chat(now))
            elif due is not None:
                later.append(due)
        if later and self._chat is None and self._fanout:
            self._chat = self._timers.after(min(later) - now, self._on_chat)

    def _send(self, stream: _Stream, events: Iterable[Rendered]) -> None:
        def hears(audience: Audience) -> bool:
            known = stream.readers.get(audience)
            if known is None:
                known = stream.readers[audience] = self._may(audience, "runs.events", stream.target)
            return known

        def hears_tools(audience: Audience) -> bool:
            return (audience.tools or stream.verbose) and hears(audience)

        for event in events:
            self._fanout.post(Event(event.body, event.droppable), hears_tools if event.tool else hears)

    # -- events of messages that are no runs

    def notice(self, notice: Notice) -> None:
        """Tell who may read it how a message came out."""
        if not self._fanout:
            return
        target = Target(agent_id=notice.agent_id, session_key=notice.session_key, owner_id=notice.owner_id)
        event = render_notice(notice, self._now_ms())
        self._collect()
        self._fanout.post(
            Event(event.body, event.droppable), lambda audience: may(audience.principal, "runs.events", target)
        )

    # -- by the clock

    def _on_tick(self) -> None:
        self.revalidate()
        self._post("tick", {"ts": self._now_ms()}, droppable=True)
        if self._fanout:
            self._tick = self._timers.after(self._tick_seconds(), self._on_tick)

    def _revalidating(self) -> Iterator[None]:
        for connection in self._fanout:
            connection.revalidate()
            yield

    def _on_health(self) -> None:
        self._next_health = self._timers.after(HEALTH_SECONDS, self._on_health)
        self._ask(self._health_for_all())

    def _ask(self, asking: Coroutine[Deferred[Any], Any, None]) -> None:
        asked = spawn(asking, self._log, "health event")
        if not asked.called:
            self._asking.add(asked)
            asked.addBoth(lambda _: self._asking.discard(asked))

    async def _health_for(self, connection: Connection) -> None:
        payload, version = await self._health(connection)
        connection.event(event_body("health", encode(payload), version))

    async def _health_for_all(self) -> None:
        for audience, connection in self._fanout.audiences().items():
            payload, version = await self._health(connection)
            self._post("health", payload, audience.__eq__, None, version, droppable=False)


class _Stream:
    """A live run as the hub follows it.

    @ivar fresh: entries that have not been rendered.
    @ivar readers: whether an audience may read the run.
    """

    __slots__ = ("_run", "fresh", "readers", "renderer", "target")

    def __init__(self, run: Run, first: int) -> None:
        """
        @param first: journal number of the first entry that will be rendered; what came before is caught up with.
        """
        self._run = run
        self.renderer = RunRenderer(run)
        self.fresh: list[Entry] = []
        self.readers: dict[Audience, bool] = {}
        self.target = run_target(run)
        if first > 1:
            self._catch_up(run, first)

    @property
    def verbose(self) -> bool:
        """Everybody is told of tools."""
        return self._run.verbose

    def _catch_up(self, run: Run, first: int) -> None:
        past: list[Entry] = []
        try:
            run.watch(past.extend)()
        except GatewayError:
            return  # the beginning is no longer held: the text starts here
        self.renderer.catch_up([entry for entry in past if entry.seq < first])
