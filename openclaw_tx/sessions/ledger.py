# -*- test-case-name: tests.sessions.test_sql -*-
"""The ledger of runs, and turns from begin to end: what jobs of the writer thread do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from openclaw_tx.errors import GatewayError
from openclaw_tx.sessions import carried, entries, reading, run_events
from openclaw_tx.sessions.beginnings import Beginnings
from openclaw_tx.sessions.conversation import unheld
from openclaw_tx.sessions.ends import note_end
from openclaw_tx.sessions.entries import Found
from openclaw_tx.sessions.owners import Owners
from openclaw_tx.sessions.records import clean, run_columns, run_of
from openclaw_tx.sessions.resets import SPOKEN
from openclaw_tx.sessions.rules import Rules
from openclaw_tx.sessions.titles import cut, line_of
from openclaw_tx.sessions.worker import Connection
from openclaw_tx.values import (
    KeptEvents,
    LastRun,
    Message,
    SessionChange,
    SessionEntry,
    Spoken,
    StoredRun,
    Value,
)

MAX_RUNS = 50_000
"""Ended runs that are kept at most."""

MAX_ERROR = 160
"""Characters of what a session's row says of a run that failed."""

_LIVE = ("queued", "running")


class Turn(Value, frozen=True):
    """Implements L{openclaw_tx.interfaces.TurnStart}."""

    entry: SessionEntry
    history: tuple[Message, ...]
    added: tuple[Message, ...]
    noted: bool
    """The run was in the ledger before its turn came."""
    made: bool
    """The session was made for it."""
    position: int
    """Where C{added} will stand, if nobody puts anything in before."""
    renewed: bool = False
    """Its session has begun anew with it."""


class TurnEnd(Value, frozen=True):
    """What L{openclaw_tx.interfaces.Sessions.commit} is given."""

    run: StoredRun
    added: tuple[Message, ...]
    model_provider: str
    model: str
    context_tokens: int | None
    told: frozenset[int]
    """Which of C{added} were told when the run began."""


class Ledger:
    """Runs of this process and of others."""

    def __init__(self, owners: Owners, beginnings: Beginnings) -> None:
        self._owners = owners
        self._beginnings = beginnings
        self._grown = 0
        """Characters of events written since they were last trimmed."""

    def begin(
        self, connection: Connection, run: StoredRun, messages: Sequence[Spoken], rules: Rules, now_ms: int
    ) -> Turn:
        """See L{openclaw_tx.interfaces.Sessions.begin}.

        @raise GatewayError: C{idempotency_key_conflict}: a run of this id ended well, or is live in another process.
            C{invalid_request}: the session's policy lets no chat client speak there.
        """
        known = connection.run(connection.statements.run, the_run=run.run_id).fetchone()
        # A durable run is noted before its turn comes.
        noted = known is not None and known[5] in _LIVE and known[4] == self._owners.me and known[2] is None
        if known is not None and not noted:
            self._replace(connection, run_of(known, connection.report), known[4])
        before = entries.find(connection, run.session_key)
        rules.admit(before.entry if before is not None else None, run)
        found = before
        if before is not None and rules.begins_anew(before.entry, run, now_ms):
            found = self._beginnings.renew(connection, before, now_ms)
        if found is None:
            found = self._make(connection, run)
        history = reading.context(connection, found)
        added = unheld(reading.held(connection, found, messages, history), messages)
        columns = run_columns(run, session_id=found.entry.session_id, owner=self._owners.me, pending=added)
        if noted:
            connection.run(connection.statements.claim_run, the_run=run.run_id, **columns)
        else:
            connection.run(connection.statements.add_run, **columns)
        carried.note(connection, run, self._owners.me)
        return Turn(
            entry=found.entry,
            history=tuple(history),
            added=added,
            noted=noted,
            made=before is None,
            position=found.position,
            renewed=before is not None and found is not before,
        )

    def forget(self, connection: Connection, run: StoredRun, turn: Turn) -> None:
        """Undo L{begin}: nobody learnt that the run was begun. A session that it made goes, if nobody has used it."""
        state = connection.run(connection.statements.run_state, the_run=run.run_id).fetchone()
        if state is None or state[0] not in _LIVE:
            return
        if turn.noted:
            columns = run_columns(run, session_id=None, owner=self._owners.me, pending=())
            connection.run(connection.statements.claim_run, the_run=run.run_id, **columns)
        else:
            connection.run(connection.statements.delete_run, the_run=run.run_id)
        carried.forget(connection, run)
        unused = entries.find(connection, run.session_key) == Found(turn.entry, 0)
        if turn.made and unused and not entries.is_busy(connection, state[1]):
            entries.remove(connection, state[1])

    def commit(self, connection: Connection, end: TurnEnd) -> SessionChange | None:
        """See L{openclaw_tx.interfaces.Sessions.commit}.

        @return: what has become of the session; None = nothing.

        A run that has ended stays as it is. The turn of a session that was deleted in the meantime is not stored, the
        run's end is. A run that was never begun (the database was replaced in between) is stored whole.
        """
        run, statements = end.run, connection.statements
        ended = note_end(connection, run)
        if not ended and connection.run(statements.run_state, the_run=run.run_id).fetchone() is not None:
            return None
        carried.note(connection, run, self._owners.me)
        session_id = ended[0] if ended else None
        if session_id is None:
            made = entries.find(connection, run.session_key) or self._make(connection, run)
            change = self._append(connection, end, made)
            columns = run_columns(run, session_id=made.entry.session_id, owner=self._owners.me, pending=())
            connection.run(statements.delete_run, the_run=run.run_id)
            connection.run(statements.add_run, **{**columns, "partial": ""})
            return change
        found = entries.find(connection, run.session_key)
        held = found is not None and found.entry.session_id == session_id
        return self._append(connection, end, found) if found is not None and held else None

    def checkpoint(self, connection: Connection, runs: Sequence[StoredRun], ended: Sequence[str]) -> None:
        """See L{openclaw_tx.interfaces.Sessions.checkpoint}."""
        statements = connection.statements
        for run in runs:
            carried.note(connection, run, self._owners.me)
            if noted(connection, run):
                continue
            if connection.run(statements.run_state, the_run=run.run_id).fetchone() is None:
                columns = run_columns(run, session_id=None, owner=self._owners.me, pending=())
                connection.run(statements.add_run, **columns)
        connection.run_many(statements.delete_stateless_run, [{"the_run": run_id} for run_id in ended])

    def keep(self, connection: Connection, kept: Sequence[KeptEvents]) -> None:
        """See L{openclaw_tx.interfaces.Sessions.keep}."""
        for part in kept:
            if self._note(connection, part):
                self._grown += run_events.replace(connection, part)
        if self._grown >= run_events.TRIM_BYTES:
            self._grown = 0
            run_events.trim(connection)

    def of_key(self, connection: Connection, idempotency: str) -> StoredRun | None:
        """See L{openclaw_tx.interfaces.Sessions.repeated}."""
        row = connection.run(connection.statements.run_of_key, the_key=idempotency).fetchone()
        return run_of(row, connection.report) if row is not None else None

    def get(self, connection: Connection, run_id: str) -> StoredRun | None:
        """See L{openclaw_tx.interfaces.Sessions.get_run}."""
        row = connection.run(connection.statements.run, the_run=run_id).fetchone()
        return run_of(row, connection.report) if row is not None else None

    def prune(self, connection: Connection, before_ms: int) -> bool:
        """Remove ended runs that are old or too many, some of them.

        @param before_ms: those that ended before this time go.
        @return: whether there may be more.
        """
        statements = connection.statements
        row = connection.run(statements.end_of_run_number, the_number=MAX_RUNS).fetchone()
        before = max(before_ms, row[0] + 1) if row is not None else before_ms
        limit = entries.PRUNED_AT_ONCE
        return connection.run(statements.delete_old_runs, before=before, the_limit=limit).rowcount == limit

    def _replace(self, connection: Connection, known: StoredRun, owner: str) -> None:
        """Make room for a run whose id was used before and came to nothing."""
        if known.status == "ok" or (known.status in _LIVE and owner != self._owners.me):
            raise GatewayError("idempotency_key_conflict", "This run id was used before.")
        connection.run(connection.statements.delete_run, the_run=known.run_id)

    def _note(self, connection: Connection, part: KeptEvents) -> bool:
        """
        @return: whether the run is in the ledger.
        """
        state = connection.run(connection.statements.run_state, the_run=part.run_id).fetchone()
        if part.run is None or (state is None and not part.new):
            return state is not None
        run = clean(part.run)
        if state is None:
            columns = run_columns(run, session_id=None, owner=self._owners.me, pending=())
            connection.run(connection.statements.add_run, **columns)
        elif run.result is not None and state[0] in _LIVE and state[1] is None:
            note_end(connection, run)
        return True

    def _make(self, connection: Connection, run: StoredRun) -> Found:
        """The run's session, which is not there yet."""
        return self._beginnings.make(connection, run.session_key, run.agent_id, run.started_at_ms or run.queued_at_ms)

    def _append(self, connection: Connection, end: TurnEnd, found: Found) -> SessionChange:
        usage = end.run.result.usage if end.run.result is not None else None
        old = found.entry
        entry = msgspec.structs.replace(
            old,
            updated_at_ms=max(old.updated_at_ms, end.run.ended_at_ms),
            aborted_last_run=end.run.status in ("aborted", "interrupted"),
            last_run=last_run(end.run),
            model_provider=end.model_provider or old.model_provider,
            model=end.model or old.model,
            input_tokens=_known(usage.prompt_tokens if usage else None, old.input_tokens),
            output_tokens=_known(usage.completion_tokens if usage else None, old.output_tokens),
            total_tokens=_known(end.context_tokens, old.total_tokens),
            interacted_at_ms=spoken(old, end.run, end.run.ended_at_ms),
        )
        return SessionChange(
            key=entry.key,
            agent_id=entry.agent_id,
            reason="run",
            entry=entries.append(connection, entry, found.position, end.added),
            messages=end.added,
            position=found.position,
            told=end.told,
            run_id=end.run.run_id,
            ok=end.run.status in ("ok", "aborted"),
        )


def _known(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value


def spoken(entry: SessionEntry, run: StoredRun, at_ms: int) -> int:
    """When somebody last spoke in a session, after a run at this time."""
    return max(entry.interacted_at_ms, at_ms) if run.trigger in SPOKEN else entry.interacted_at_ms


def noted(connection: Connection, run: StoredRun) -> bool:
    """Note how far a run is.

    @return: False = the ledger knows of no such run that is live.
    """
    noted = connection.run(
        connection.statements.note_run,
        the_run=run.run_id,
        status=run.status,
        started_at_ms=run.started_at_ms,
        partial=run.partial,
        provider=run.provider,
        model=run.model,
    )
    return noted.rowcount > 0


def last_run(run: StoredRun) -> LastRun:
    """What a session's row says of a run that has ended."""
    error = run.result.error if run.result is not None else None
    status: Literal["done", "failed", "killed", "timeout"] = "failed"
    if run.status == "ok":
        status = "done"
    elif run.status == "aborted":
        status = "killed"
    elif error is not None and error.code == "run_timeout":
        status = "timeout"
    told = error is not None and status in ("failed", "timeout")
    return LastRun(
        run_id=run.run_id,
        status=status,
        started_at_ms=run.started_at_ms,
        ended_at_ms=run.ended_at_ms,
        error=cut(line_of(error.message), MAX_ERROR) if told and error is not None else "",
    )
