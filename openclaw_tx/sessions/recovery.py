# -*- test-case-name: tests.sessions.test_sql -*-
"""What a process is to leave when it dies, and what becomes of what others have left."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from openclaw_tx.sessions import entries, run_events, run_steps
from openclaw_tx.sessions.ends import note_end
from openclaw_tx.sessions.interrupted import INTERRUPTED, result_of
from openclaw_tx.sessions.ledger import last_run, noted, spoken
from openclaw_tx.sessions.owners import Owners
from openclaw_tx.sessions.records import run_of
from openclaw_tx.sessions.worker import Connection, GroupCommit
from openclaw_tx.values import AssistantMessage, Step, StoredRun

UNTOLD_AT_ONCE = 1000
"""Ends of sub-agents that are looked at at once."""


class Recovery:
    """The part of L{openclaw_tx.sessions.sql.SqlSessions} that is about processes that die."""

    def __init__(self, jobs: GroupCommit, owners: Owners) -> None:
        self._jobs = jobs
        self._owners = owners

    async def step(self, run: StoredRun, steps: Sequence[Step], told: int) -> None:
        """See L{openclaw_tx.interfaces.Sessions.step}. Of a run that is not at work nothing is written."""
        steps = tuple(steps)

        def step(connection: Connection) -> None:
            if noted(connection, run):
                run_steps.write(connection, run.run_id, steps, told)

        await self._jobs.submit(step, synced=False)

    async def recover(self, now_ms: int) -> Sequence[StoredRun]:
        """See L{openclaw_tx.interfaces.Sessions.recover}: runs of processes that live no more, each of them once.

        Runs of this process and of others that still live are left alone, so it may be called at any time.
        """

        def recover(connection: Connection) -> Sequence[StoredRun]:
            rows = connection.run(connection.statements.live_runs_of_others, the_owner=self._owners.me).fetchall()
            lives = {owner: self._owners.lives(owner) for owner in {row[4] for row in rows}}
            left = [(run_of(row, connection.report), row[2]) for row in rows if not lives[row[4]]]
            return [_interrupt(connection, run, session_id, now_ms) for run, session_id in left]

        return await self._jobs.submit(recover)

    async def untold(self, prefix: str) -> Sequence[StoredRun]:
        """See L{openclaw_tx.interfaces.Sessions.untold}."""

        def untold(connection: Connection) -> Sequence[StoredRun]:
            statement, me = connection.statements.untold_children, self._owners.me
            rows = connection.run(statement, the_owner=me, the_prefix=prefix, the_limit=UNTOLD_AT_ONCE).fetchall()
            lives = {owner: self._owners.lives(owner) for owner in {row[4] for row in rows}}
            return [run_of(row, connection.report) for row in rows if not lives[row[4]]]

        return await self._jobs.submit(untold, writes=False)


def _interrupt(connection: Connection, run: StoredRun, session_id: str | None, now_ms: int) -> StoredRun:
    """End a run that its process did not live to end, and close its turn."""
    found = entries.find(connection, run.session_key) if session_id is not None else None
    events, done = run_events.read(connection, run.run_id), run_steps.read(connection, run.run_id)
    result = result_of(run, events, session_id, now_ms)
    ended = replace(
        run, status="interrupted", ended_at_ms=now_ms, pending=(), partial=result.text, result=result, stepped=True
    )
    if found is not None and found.entry.session_id == session_id:
        closing = AssistantMessage(
            text=run_steps.unheld_text(run.partial, events, done.told) if done.told else result.text,
            stop_reason="interrupted",
            provider=result.provider,
            model=result.model,
            error_message=INTERRUPTED,
            timestamp_ms=now_ms,
        )
        entry = replace(
            found.entry,
            aborted_last_run=True,
            last_run=last_run(ended),
            updated_at_ms=max(found.entry.updated_at_ms, now_ms),
            interacted_at_ms=spoken(found.entry, run, now_ms),
        )
        entries.append(connection, entry, found.position, (*run.pending, *done.messages, closing))
    note_end(connection, ended)
    return replace(ended, stepped=False)


__all__ = ["UNTOLD_AT_ONCE", "Recovery"]
