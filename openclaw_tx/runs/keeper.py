# -*- test-case-name: tests.runs.test_durable -*-
"""What makes a run's events durable, as the run knows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from openclaw_tx.interfaces import Push

if TYPE_CHECKING:
    from openclaw_tx.runs.run import AgentRun


class Keeper(Protocol):
    """Makes events durable: L{openclaw_tx.runs.durable}."""

    def watch(self, run: AgentRun, push: Push, after: int = 0) -> Callable[[], None]:
        """See L{openclaw_tx.runs.archive.Archive.watch}."""

    async def settle(self, run: AgentRun) -> None:
        """Wait until all there is of the run is in the ledger.

        @raise GatewayError: C{storage_unavailable}.
        """


__all__ = ["Keeper"]
