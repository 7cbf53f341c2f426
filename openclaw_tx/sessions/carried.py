# -*- test-case-name: tests.sessions.test_carried -*-
"""Messages that runs carry, as rows of the ledger: so their keys are known again as those of runs are.

Such a row is written with its carrier's, and ends with it. It has no session, for the turn is the carrier's alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from openclaw_tx.sessions.ends import note_end
from openclaw_tx.sessions.records import run_columns, run_of
from openclaw_tx.sessions.worker import Connection
from openclaw_tx.values import StoredRun

_LIVE = ("queued", "running")


def note(connection: Connection, carrier: StoredRun, owner: str) -> None:
    """Write down what a run carries: live or ended, as it is itself. A row of the same id that is not older than the
    message is another run's, and stays as it is."""
    statements = connection.statements
    for run in _rows(carrier):
        row = connection.run(statements.run, the_run=run.run_id).fetchone()
        known = run_of(row, connection.report) if row is not None else None
        if known is not None and known.status in _LIVE:
            if run.result is not None and row[2] is None and row[4] == owner:
                note_end(connection, run)
            continue
        if known is not None:
            if known.status == "ok" or known.ended_at_ms > run.queued_at_ms:
                continue
            connection.run(statements.delete_run, the_run=run.run_id)
        columns = run_columns(run, session_id=None, owner=owner, pending=())
        connection.run(statements.add_run, **columns)


def forget(connection: Connection, carrier: StoredRun) -> None:
    """Undo L{note} of a run that was not begun."""
    connection.run_many(
        connection.statements.delete_stateless_run, [{"the_run": said.run_id} for said in carrier.carried]
    )


def _rows(carrier: StoredRun) -> Iterator[StoredRun]:
    for said in carrier.carried:
        yield replace(
            carrier,
            run_id=said.run_id,
            fingerprint=said.fingerprint,
            queued_at_ms=said.queued_at_ms,
            partial="",
            pending=(),
            result=carrier.result.for_carried(said) if carrier.result is not None else None,
            idempotency="",
            trigger="user",
            carried=(),
            stepped=False,
        )


__all__ = ["forget", "note"]
