# -*- test-case-name: tests.sessions.test_usage -*-
"""What runs took, by the hour: what jobs of the writer thread do with it."""

from __future__ import annotations

from collections.abc import Sequence

from openclaw_tx.sessions.worker import Connection, GroupCommit
from openclaw_tx.values import UsageRow

HOUR_MS = 3600 * 1000

KEEP_HOURS = 400 * 24
"""How long it is known what runs took."""


class SqlUsage:
    """Implements L{openclaw_tx.interfaces.UsageStore}, beside the sessions."""

    def __init__(self, jobs: GroupCommit) -> None:
        self._jobs = jobs

    async def add_usage(self, rows: Sequence[UsageRow]) -> None:
        """See L{openclaw_tx.interfaces.UsageStore.add_usage}."""
        rows = tuple(rows)
        await self._jobs.submit(lambda connection: add(connection, rows))

    async def usage(self, first_hour: int, end_hour: int, agent_id: str = "") -> Sequence[UsageRow]:
        """See L{openclaw_tx.interfaces.UsageStore.usage}."""
        return await self._jobs.submit(
            lambda connection: read(connection, first_hour, end_hour, agent_id), writes=False
        )

    async def prune(self, now_ms: int) -> None:
        """Forget what is older than L{KEEP_HOURS}."""
        first_hour = now_ms // HOUR_MS - KEEP_HOURS
        await self._jobs.submit(
            lambda connection: connection.run(connection.statements.delete_old_usage, the_hour=first_hour)
        )


def add(connection: Connection, rows: Sequence[UsageRow]) -> None:
    """See L{openclaw_tx.interfaces.UsageStore.add_usage}."""
    for row in rows:
        counts = {
            "runs": row.runs,
            "input_tokens": row.input_tokens,
            "output_tokens": row.output_tokens,
            "cached_tokens": row.cached_tokens,
        }
        grown = connection.run(
            connection.statements.grow_usage,
            the_hour=row.hour,
            the_agent=row.agent_id,
            the_provider=row.provider,
            the_model=row.model,
            **counts,
        )
        if not grown.rowcount:
            connection.run(
                connection.statements.add_usage,
                hour=row.hour,
                agent_id=row.agent_id,
                provider=row.provider,
                model=row.model,
                **counts,
            )


def read(connection: Connection, first_hour: int, end_hour: int, agent_id: str) -> list[UsageRow]:
    """See L{openclaw_tx.interfaces.UsageStore.usage}."""
    statement = connection.statements.usage
    rows = connection.run(statement, the_hour=first_hour, end_hour=end_hour, the_agent=agent_id)
    return [UsageRow(**dict(zip(UsageRow.__struct_fields__, row, strict=True))) for row in rows]


__all__ = ["HOUR_MS", "KEEP_HOURS", "SqlUsage"]
