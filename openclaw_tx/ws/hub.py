# -*- test-case-name: tests.ws.test_hub -*-
"""All ready connections, and what they are told: run events, tick, health, shutdown (spec 2.7).

Each batch of a run is rendered once; what differs for a connection is its frame number and whether it may read the
run. With nobody connected nothing is rendered at all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
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
from openclaw_tx.wire.frames import encode, event_body
from openclaw_tx.ws.connection import CREDENTIALS_CHANGED, Connection
from openclaw_tx.ws.render import Rendered, RunRenderer, render_notice
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
TOOL_EVENTS = "tool-events"
"""Capability of clients that want tool events."""

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
        self._tick_seconds = tick_seconds
        self._health = health
        self._now_ms = now_ms
        self._log = Logger()
        self.subscriptions = Subscriptions()
        self._connections: dict[int, Connection] = {}
        self._runs: dict[str, _Stream] = {}
        self._unsubscribe: Callable[[], None] | None = None
        self._tick: Alarm | None = None
        self._chat: Alarm | None = None
        self._next_health: Alarm | None = None
        self._asking: set[Deferred[Any]] = set()

    def __len__(self) -> int:
        """Connections that are ready."""
        return len(self._connections)

    # -- connections come and go

    def joined(self, connection: Connection) -> None:
        """Start telling C{connection}. Protocol 3 clients get the health at once, as they always did."""
        self._connections[connection.number] = connection
        if self._unsubscribe is None:
            self._unsubscribe = self._engine.subscribe(self._on_batch)
        if self._tick is None:
            self._tick = self._timers.after(self._tick_seconds(), self._on_tick)
            self._next_health = self._timers.after(HEALTH_SECONDS, self._on_health)
        if connection.protocol == 3:
            self._tell_health([connection])

    def left(self, connection: Connection) -> None:
        """Stop telling it; with the last one, stop listening."""
        if self._connections.pop(connection.number, None) is None:
            return
        for stream in self._runs.values():
            stream.readers.pop(connection.number, None)
        self.subscriptions.forget(connection.number)
        if not self._connections:
            self._rest()

    def revalidate(self) -> None:
        """The configuration changed: close connections whose credential is no longer good."""
        for connection in list(self._connections.values()):
            connection.revalidate()

    def broadcast(self, name: str, payload: Any, may: Callable[[Principal], bool]) -> None:
        """Tell an event to everybody who may hear of it."""
        listeners = [each for each in self._connections.values() if may(each.principal)]
        if listeners:
            body = event_body(name, encode(payload))
            for connection in listeners:
                connection.event(body)

    def tell(self, event: str, payload: Any, action: str, target: Target, *, droppable: bool = True) -> None:
        """Send an event to every connection that may do C{action} to C{target}."""
        body = b""
        for connection in list(self._connections.values()):
            try:
                self._authorise(connection.principal, action, target)
            except GatewayError:
                continue
            body = body or event_body(event, encode(payload))
            connection.event(body, droppable)

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
        body = b""
        for connection in list(self._connections.values()):
            if wants(connection):
                body = body or event_body(event, encode(payload), state_version)
                connection.event(body, droppable)

    def devices(self) -> frozenset[str]:
        """Ids of the paired devices that are connected."""
        return frozenset(one.principal.device_id for one in self._connections.values()) - {""}

    def hang_up(self, device_id: str) -> None:
        """Close the connections of a device that is no longer paired."""
        for connection in list(self._connections.values()):
            if connection.principal.device_id == device_id:
                connection.close(*CREDENTIALS_CHANGED)

    def shutdown(self, reason: str) -> None:
        """Tell everybody that the gateway stops, and close with 1012."""
        payload = encode({"reason": reason, "restartExpectedMs": None})
        body = event_body("shutdown", payload)
        for connection in list(self._connections.values()):
            connection.event(body)
            connection.close(1012, "service restart")

    def publish(self, event: str, payload: Any, target: Target) -> None:
        """Tell everybody who may watch runs of C{target} something that is no run's event."""
        body = event_body(event, encode(payload))
        for connection in list(self._connections.values()):
            if may(connection.principal, "runs.events", target):
                connection.event(body)

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
        for deferred in list(self._asking):
            deferred.cancel()

    # -- events of runs

    def _on_batch(self, run: Run, entries: Sequence[Entry]) -> None:
        run_id = run.request.run_id
        stream = self._runs.get(run_id)
        if stream is None:
            stream = self._runs[run_id] = _Stream(run, entries[0].seq)
        now = self._timers.seconds()
        self._send(stream, stream.renderer.render(entries, now))
        if type(entries[-1].event) is RunEnded:
            self._runs.pop(run_id, None)
        elif stream.renderer.chat_due is not None and self._chat is None and self._connections:
            self._chat = self._timers.after(stream.renderer.chat_due - now, self._on_chat)

    def _on_chat(self) -> None:
        """The pause of at least one run is over."""
        self._chat = None
        now = self._timers.seconds()
        later: list[float] = []
        for stream in list(self._runs.values()):
            due = stream.renderer.chat_due
            if due is not None and due <= now + ROUNDING:
                self._send(stream, stream.renderer.flush_chat(now))
            elif due is not None:
                later.append(due)
        if later and self._connections:
            self._chat = self._timers.after(min(later) - now, self._on_chat)

    def _send(self, stream: _Stream, events: Iterable[Rendered]) -> None:
        for event in events:
            for connection in list(self._connections.values()):
                if event.tool and not stream.verbose and TOOL_EVENTS not in connection.caps:
                    continue
                if self._may_read(stream, connection):
                    connection.event(event.body, event.droppable)

    def _may_read(self, stream: _Stream, connection: Connection) -> bool:
        known = stream.readers.get(connection.number)
        if known is None:
            try:
                self._authorise(connection.principal, "runs.events", stream.target)
                known = True
            except GatewayError:
                known = False
            stream.readers[connection.number] = known
        return known

    # -- events of messages that are no runs

    def notice(self, notice: Notice) -> None:
        """Tell who may read it how a message came out."""
        if not self._connections:
            return
        target = Target(agent_id=notice.agent_id, session_key=notice.session_key, owner_id=notice.owner_id)
        event = render_notice(notice, self._now_ms())
        for connection in list(self._connections.values()):
            if may(connection.principal, "runs.events", target):
                connection.event(event.body, event.droppable)

    # -- by the clock

    def _on_tick(self) -> None:
        self.revalidate()
        body = event_body("tick", b'{"ts":%d}' % self._now_ms())
        for connection in list(self._connections.values()):
            connection.event(body, droppable=True)
        if self._connections:
            self._tick = self._timers.after(self._tick_seconds(), self._on_tick)

    def _on_health(self) -> None:
        self._next_health = self._timers.after(HEALTH_SECONDS, self._on_health)
        self._tell_health(list(self._connections.values()))

    def _tell_health(self, connections: Sequence[Connection]) -> None:
        asking = spawn(self._send_health(connections), self._log, "health event")
        if not asking.called:
            self._asking.add(asking)
            asking.addBoth(lambda _: self._asking.discard(asking))

    async def _send_health(self, connections: Sequence[Connection]) -> None:
        for connection in connections:
            payload, version = await self._health(connection)
            connection.event(event_body("health", encode(payload), version))


class _Stream:
    """A live run as the hub follows it.

    @ivar readers: connection number -> whether it may read the run.
    """

    __slots__ = ("_run", "readers", "renderer", "target")

    def __init__(self, run: Run, first: int) -> None:
        """
        @param first: journal number of the first entry that will be rendered; what came before is caught up with.
        """
        self._run = run
        self.renderer = RunRenderer(run)
        self.readers: dict[int, bool] = {}
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
