# -*- test-case-name: tests.ws.test_hub -*-
"""All ready connections, and what they are told: run events, tick, health, shutdown (spec 2.7).

Each event is encoded once; what differs for a connection is its frame number and whether it may hear it. With nobody
connected nothing is encoded at all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from functools import partial
from operator import is_
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from openclaw_tx.auth.actions import may
from openclaw_tx.chat.values import Notice
from openclaw_tx.deferreds import spawn
from openclaw_tx.interfaces import Authoriser, RunEngine
from openclaw_tx.values import Principal, Target
from openclaw_tx.wire.events import Event
from openclaw_tx.wire.frames import encode, event_body
from openclaw_tx.ws.connection import CREDENTIALS_CHANGED, Connection
from openclaw_tx.ws.fanout import Audience, Fanout
from openclaw_tx.ws.render import render_notice
from openclaw_tx.ws.run_events import RunEvents
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
        self._runs = RunEvents(self._fanout, timers, authorise)
        self._unsubscribe: Callable[[], None] | None = None
        self._tick: Alarm | None = None
        self._next_health: Alarm | None = None
        self._asking: set[Deferred[Any]] = set()
        self._jobs: dict[str, Iterator[None]] = {}
        self._soon: dict[Callable[[], None], None] = {}
        self._stopping = False

    def __len__(self) -> int:
        """Connections that are ready."""
        return len(self._fanout)

    # -- connections come and go

    def joined(self, connection: Connection) -> None:
        """Start telling C{connection}. Protocol 3 clients get the health at once, as they always did."""
        self._fanout.join(connection)
        if self._unsubscribe is None:
            self._unsubscribe = self._engine.subscribe(self._runs.on_batch)
        if self._tick is None:
            self._tick = self._timers.after(self._tick_seconds(), self._on_tick)
            self._next_health = self._timers.after(HEALTH_SECONDS, self._on_health)
        if connection.protocol == 3:
            self._ask(self._health_for(connection))

    def left(self, connection: Connection) -> None:
        """Stop telling it; with the last one, stop listening."""
        audience = self._fanout.leave(connection)
        if audience is not None:
            self._runs.forget(audience)
        self.subscriptions.forget(connection.number)
        if not self._fanout:
            self._rest()

    def catch_up(self, connection: Connection) -> None:
        """Tell C{connection} now what it would be told in its turn."""
        self._fanout.catch_up(connection)

    def revalidate(self) -> None:
        """The configuration changed: close connections whose credential is no longer good."""
        self._begin("credentials", self._revalidate_all())

    def broadcast(self, name: str, payload: Any, may: Callable[[Principal], bool]) -> None:
        """Tell an event to everybody who may hear of it."""
        self._post(name, payload, lambda audience: may(audience.principal), droppable=False)

    def tell(self, event: str, payload: Any, action: str, target: Target, *, droppable: bool = True) -> None:
        """Send an event to every connection that may do C{action} to C{target}."""
        self._post(event, payload, lambda audience: audience.may(self._authorise, action, target), droppable=droppable)

    def tell_if(
        self,
        event: str,
        payload: Any,
        wants: Callable[[Connection], bool],
        state_version: tuple[int, int] | None = None,
        *,
        droppable: bool = True,
        topic: str = "",
        replaces: Sequence[str] = (),
    ) -> None:
        """Send an event to every connection that C{wants} it.

        @param droppable: a slow client may miss it.
        @param topic: see L{Fanout.post}.
        @param replaces: likewise.
        """
        self._post(event, payload, None, wants, state_version, topic, replaces, droppable=droppable)

    def devices(self) -> frozenset[str]:
        """Ids of the paired devices that are connected."""
        return frozenset(one.principal.device_id for one in self._fanout) - {""}

    def hang_up(self, device_id: str) -> None:
        """Close the connections of a device that is no longer paired."""
        for connection in self._fanout:
            if connection.principal.device_id == device_id:
                connection.close(*CREDENTIALS_CHANGED)

    def shutdown(self, reason: str) -> None:
        """Tell everybody that the gateway stops. Nobody is told of anything that comes after it."""
        self._post("shutdown", {"reason": reason, "restartExpectedMs": None}, droppable=False)
        self._stopping = True

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
        topic: str = "",
        replaces: Sequence[str] = (),
        *,
        droppable: bool,
    ) -> None:
        if self._fanout and not self._stopping:
            self._collect()
            event = Event(event_body(name, encode(payload), state_version), droppable)
            self._fanout.post(event, hears, wants, topic, replaces)

    def soon(self, tell: Callable[[], None]) -> None:
        """Call C{tell} when the next round begins, once, however often that is asked for until then."""
        if self._fanout:
            self._soon[tell] = None
            self._fanout.wake()

    def _collect(self) -> None:
        """Have everything posted that was held back until a round begins."""
        self._runs.collect()
        if self._soon:
            soon, self._soon = self._soon, {}
            for tell in soon:
                tell()

    def _rest(self) -> None:
        """Nobody is connected: hold nothing, do nothing."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        for alarm in (self._tick, self._next_health):
            if alarm is not None:
                alarm.cancel()
        self._tick = self._next_health = None
        self._runs.clear()
        self._soon.clear()
        self._fanout.clear()
        for job in self._jobs.values():
            self._slices.drop(job)
        self._jobs.clear()
        for deferred in list(self._asking):
            deferred.cancel()

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

    def _revalidate_all(self) -> Iterator[None]:
        known: dict[Principal, bool] = {}
        for connection in self._fanout:
            principal = connection.principal
            if principal not in known:
                known[principal] = connection.is_valid()
            if not known[principal]:
                connection.close(*CREDENTIALS_CHANGED)
            yield

    def _on_health(self) -> None:
        self._next_health = self._timers.after(HEALTH_SECONDS, self._on_health)
        self._begin("health", self._ask_for_all())

    def _ask(self, asking: Coroutine[Deferred[Any], Any, None]) -> None:
        asked = spawn(asking, self._log, "health event")
        if not asked.called:
            self._asking.add(asked)
            asked.addBoth(lambda _: self._asking.discard(asked))

    async def _health_for(self, connection: Connection) -> None:
        payload, version = await self._health(connection)
        connection.event(event_body("health", encode(payload), version))

    def _ask_for_all(self) -> Iterator[None]:
        for audience, connection in self._fanout.audiences().items():
            self._ask(self._health_of(audience, connection))
            yield

    async def _health_of(self, audience: Audience, connection: Connection) -> None:
        """Tell an audience the health that one of it may see."""
        payload, version = await self._health(connection)
        self._post("health", payload, partial(is_, audience), None, version, droppable=False)

    def _begin(self, name: str, job: Iterator[None]) -> None:
        """Do something for all connections; what is left of the same from before need not be done any more."""
        before = self._jobs.pop(name, None)
        if before is not None:
            self._slices.drop(before)
        if self._fanout:
            self._jobs[name] = job
            self._slices.add(job)
