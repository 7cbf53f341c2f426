# -*- test-case-name: tests.web.test_metrics -*-
# mypy: allow-untyped-calls
"""C{GET /metrics}: what was counted (L{openclaw_tx.web.metrics}), for whoever may know it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from openclaw_tx.config.schema import Config
from openclaw_tx.values import Principal
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.guard import Endpoint, Guard
from openclaw_tx.web.metrics import Sources, exposition, registry
from openclaw_tx.web.resource import NewId

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

TEXT = b"text/plain; version=0.0.4; charset=utf-8"


class Metrics(Endpoint):
    """The resource."""

    methods = (b"GET", b"HEAD")
    action = "metrics.read"
    config_key = "gateway.http.endpoints.metrics.enabled"

    def __init__(self, guard: Guard, new_id: NewId, settings: Callable[[], Config], sources: Sources) -> None:
        """
        @param settings: gives the configuration of the moment.
        """
        super().__init__(guard, new_id)
        self._settings = settings
        self._sources = sources
        self._registry: CollectorRegistry | None = None

    def enabled(self) -> bool:
        """On unless configured otherwise."""
        return self._settings().gateway.http.endpoints.metrics.enabled

    async def serve(self, exchange: Exchange, principal: Principal) -> None:
        """Send all numbers of the moment, without agents that do not exist for the principal."""
        exchange.set_header("Cache-Control", "no-store")
        exchange.send(exposition(self._registry_for(principal)), TEXT)

    def _registry_for(self, principal: Principal) -> CollectorRegistry:
        if principal.agents:
            return registry(self._sources, principal.agents)
        if self._registry is None:
            self._registry = registry(self._sources)
        return self._registry


__all__ = ["Metrics"]
