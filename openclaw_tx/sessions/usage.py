# -*- test-case-name: tests.sessions.test_usage,tests.sessions.test_tallies -*-
"""What runs took, by the hour: what jobs of the writer thread do with it."""

from __future__ import annotations

from collections.abc import Sequence

from openclaw_tx.sessions.tallies import Tallying
from openclaw_tx.sessions.worker import Connection, GroupCommit, Job
from openclaw_tx.values import QUARTER_MS, SessionTally, Tallies, UsageRow

HOUR_MS = 3600 * 1000

KEEP_HOURS = 400 * 24
"""How long it is known what runs took."""

READ_AT_ONCE = 1024 * 1024
"""Bytes of transcripts that one job reads, about: others get their turn in between."""

SESSIONS_AT_ONCE = 200
"""Sessions that it looks at."""


COUNTS = UsageRow.__struct_fields__[4:]
"""What is added up of a row; before stand hour, agent and model."""


class SqlUsage:
    """Implements L{openclaw_tx.interfaces.UsageStore}, beside the sessions."""

    def __init__(self, jobs: GroupCommit) -> None:
        self._jobs = jobs
        self._tallying = Tallying()

    async def add_usage(self, rows: Sequence[UsageRow]) -> None:
        """See L{openclaw_tx.interfaces.UsageStore.add_usage}."""
        rows = tuple(rows)
        await self._jobs.submit(lambda connection: add(connection, rows))

    async def usage(self, first_hour: int, end_hour: int, agent_id: str = "") -> Sequence[UsageRow]:
        """See L{openclaw_tx.interfaces.UsageStore.usage}."""
        return await self._jobs.submit(
            lambda connection: read(connection, first_hour, end_hour, agent_id), writes=False
        )

    async def tallies(self, session_ids: Sequence[str], first_ms: int, end_ms: int, max_bytes: int) -> Tallies:
        """See L{openclaw_tx.interfaces.UsageStore.tallies}."""
        ids, first, end = tuple(session_ids), first_ms // QUARTER_MS, -(-end_ms // QUARTER_MS)
        found: list[SessionTally] = []
        read = 0
        while len(found) < len(ids):
            some = ids[len(found) : len(found) + SESSIONS_AT_ONCE]
            left = max(0, min(READ_AT_ONCE, max_bytes - read))
            done = await self._jobs.submit(_tallying(self._tallying, some, first, end, left), writes=False)
            found += done.tallies
            read += done.read_bytes
        return Tallies(tallies=tuple(found), read_bytes=read)

    async def prune(self, now_ms: int) -> None:
        """Forget what is older than L{KEEP_HOURS}."""
        first_hour = now_ms // HOUR_MS - KEEP_HOURS
        await self._jobs.submit(
            lambda connection: connection.run(connection.statements.delete_old_usage, the_hour=first_hour)
        )


def _tallying(tallying: Tallying, ids: Sequence[str], first: int, end: int, max_bytes: int) -> Job[Tallies]:
    return lambda connection: tallying.some(connection, ids, first, end, max_bytes, last=max_bytes == 0)


def add(connection: Connection, rows: Sequence[UsageRow]) -> None:
    """See L{openclaw_tx.interfaces.UsageStore.add_usage}."""
    for row in rows:
        counts = {name: getattr(row, name) for name in COUNTS}
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
