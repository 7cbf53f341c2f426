# -*- test-case-name: tests.sessions.test_sql -*-
"""Noting that a run has ended."""

from __future__ import annotations

from collections.abc import Sequence

from openclaw_tx.sessions import run_steps
from openclaw_tx.sessions.records import encoded
from openclaw_tx.sessions.worker import Connection
from openclaw_tx.values import StoredRun


def note_end(connection: Connection, run: StoredRun) -> Sequence[str | None]:
    """Note the end of a run that is live.

    @return: its session's id, or None for a stateless one; empty = there is no such run.
    """
    if run.stepped:
        run_steps.forget(connection, run.run_id)
    rows = connection.run(
        connection.statements.end_run,
        the_run=run.run_id,
        status=run.status,
        started_at_ms=run.started_at_ms,
        ended_at_ms=run.ended_at_ms,
        # The result says it all, and a stateless run's partial text was for the case of a crash only.
        partial=run.partial if run.status == "interrupted" else "",
        result=encoded(run.result) if run.result is not None else None,
    )
    return [row[0] for row in rows.fetchall()]


__all__ = ["note_end"]
