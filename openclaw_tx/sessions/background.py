# -*- test-case-name: tests.sessions.test_background -*-
"""Runs that no person waits for: what jobs of the writer thread find in the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from openclaw_tx.sessions.records import run_of
from openclaw_tx.sessions.worker import Connection, GroupCommit
from openclaw_tx.values import BackgroundRun

MAX_BYTES = 16 * 1024 * 1024
"""Characters of questions and answers that one list is read from; older runs are left out."""

PENDING, RESULT = 13, 14
"""Columns of what a live run was asked, and of the answer."""

BESIDE = 3
"""Columns that are the session's."""


class SqlBackground:
    """Implements L{openclaw_tx.interfaces.BackgroundRuns}, beside the sessions."""

    def __init__(self, jobs: GroupCommit) -> None:
        self._jobs = jobs

    async def background(self, limit: int) -> Sequence[BackgroundRun]:
        """See L{openclaw_tx.interfaces.BackgroundRuns.background}."""
        return await self._jobs.submit(lambda connection: read(connection, limit), writes=False)


def read(connection: Connection, limit: int) -> list[BackgroundRun]:
    """See L{openclaw_tx.interfaces.BackgroundRuns.background}."""
    found = []
    room = MAX_BYTES
    for row in connection.run(connection.statements.background_runs, the_limit=limit):
        room -= len(row[PENDING] or "") + len(row[RESULT] or "")
        if room < 0:
            break
        label, title, spawned_by = row[-BESIDE:]
        run = run_of(row[:-BESIDE], connection.report)
        found.append(BackgroundRun(run=run, label=label or "", title=title or "", spawned_by=spawned_by or ""))
    return found


__all__ = ["SqlBackground"]
