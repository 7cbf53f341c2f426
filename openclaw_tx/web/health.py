# -*- test-case-name: tests.web.test_health -*-
"""Probes, without authentication and without work (spec 1.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

from openclaw_tx.errors import GatewayError
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.guard import Guard
from openclaw_tx.web.resource import GatewayResource, NewId
from openclaw_tx.wire.openai_chat_render import encode


class Lifecycle(Protocol):
    """How the gateway is."""

    @property
    def phase(self) -> Literal["starting", "started", "draining"]: ...

    @property
    def uptime_ms(self) -> int: ...

    def failing(self) -> Sequence[str]:
        """Names of what keeps it from serving, e.g. C{sessions}; empty = nothing."""


class Probe(GatewayResource):
    """A probe: its reply is never cached."""

    def __init__(self, new_id: NewId, lifecycle: Lifecycle) -> None:
        super().__init__(new_id)
        self._lifecycle = lifecycle

    def _send(self, exchange: Exchange, reply: dict[str, object], *, good: bool) -> None:
        exchange.set_header("Cache-Control", "no-store")
        exchange.send_json(encode(reply), 200 if good else 503)


class Live(Probe):
    """The process answers."""

    async def respond(self, exchange: Exchange) -> None:
        """Always well."""
        self._send(exchange, {"ok": True, "status": "live"}, good=True)


class Ready(Probe):
    """It is sensible to send requests here. Whoever is authenticated, or on this machine, also learns what is wrong."""

    def __init__(
        self,
        new_id: NewId,
        lifecycle: Lifecycle,
        guard: Guard,
        workers: Callable[[], Mapping[str, object]] = dict,
    ) -> None:
        """
        @param workers: what is to be told of other processes besides.
        """
        super().__init__(new_id, lifecycle)
        self._workers = workers
        self._guard = guard

    async def respond(self, exchange: Exchange) -> None:
        """200 or 503."""
        failing = list(self._lifecycle.failing())
        if self._lifecycle.phase != "started":
            failing.insert(0, self._lifecycle.phase)
        reply: dict[str, object] = {"ready": not failing}
        if await self._trusts(exchange):
            reply |= {"failing": failing, "uptimeMs": self._lifecycle.uptime_ms, **self._workers()}
        self._send(exchange, reply, good=not failing)

    async def _trusts(self, exchange: Exchange) -> bool:
        if self._guard.authenticator.is_local_direct(exchange):
            return True
        if exchange.header("authorization") is None:
            return False
        try:
            await self._guard.admit(exchange, "health")
        except GatewayError:
            return False
        return True


class Startup(Probe):
    """It has come up, and is not going down."""

    async def respond(self, exchange: Exchange) -> None:
        """200 or 503."""
        phase = self._lifecycle.phase
        self._send(exchange, {"ok": phase == "started", "status": phase}, good=phase == "started")


__all__ = ["Lifecycle", "Live", "Ready", "Startup"]
