# -*- test-case-name: tests.web.test_slots -*-
"""Admission of work that is no run: so much at a time, and none while the gateway shuts down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from openclaw_tx.errors import GatewayError
from openclaw_tx.web.health import Lifecycle


class Slots:
    """A number of places; who finds none is refused rather than kept waiting."""

    def __init__(self, lifecycle: Lifecycle, limit: int) -> None:
        """
        @param limit: how many may be taken at a time.
        """
        self.limit = limit
        self.taken = 0
        self._lifecycle = lifecycle

    @contextmanager
    def one(self) -> Iterator[None]:
        """Take a place for as long as the block lasts.

        @raise GatewayError: C{gateway_draining}, C{queue_full}.
        """
        if self._lifecycle.phase == "draining":
            raise GatewayError("gateway_draining", "The gateway is shutting down.", retry_after=5)
        if self.taken >= self.limit:
            raise GatewayError("queue_full", "Too many requests of this kind are at work.", retry_after=1)
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


__all__ = ["Slots"]
