# -*- test-case-name: tests.sessions.test_migrations -*-
"""Tables and statements of the store, written once for SQLite and PostgreSQL.

SQLAlchemy builds and compiles them where they are developed, not where they run: C{python -m
openclaw_tx.sessions.schema} writes C{statements.json}, which L{openclaw_tx.sessions.statements} reads. So the gateway
starts a tenth of a second sooner and is 14 MiB smaller. A test holds the file to this module. Column types are kept to
those that the drivers take and give without conversion.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    null,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql import ClauseElement

from openclaw_tx.sessions.statements import STATEMENTS_FILE, Compiled, Statement

SCHEMA_VERSION = 3
"""Version of the tables below; L{openclaw_tx.sessions.migrations} leads older files here."""

metadata = MetaData()

sessions = Table(
    "sessions",
    metadata,
    Column("key", Text, primary_key=True),
    Column("agent_id", Text, nullable=False),
    Column("session_id", Text, nullable=False, unique=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("aborted_last_run", Boolean, nullable=False),
    Column("model_provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("total_tokens", BigInteger, nullable=False),
    Column("label", Text, nullable=False),
    Column("extra", Text, nullable=False),
    Column("next_position", Integer, nullable=False),
    Column("settings", Text, nullable=False, server_default="{}"),
    Column("spawned_by", Text),
    Index("sessions_by_age", "updated_at_ms"),
    Index("sessions_by_parent", "spawned_by"),
)
"""One row a session: L{openclaw_tx.values.SessionEntry}, C{extra} and C{settings} as JSON, where its transcript goes
on, and once more the C{spawned_by} of its settings."""

messages = Table(
    "messages",
    metadata,
    Column("session_id", Text, ForeignKey(sessions.c.session_id, ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("body", Text, nullable=False),
)
"""Transcripts. C{body} is a L{openclaw_tx.values.Message} as JSON; positions count from 0."""

LIVE = text("status IN ('queued', 'running')")
"""Condition on runs, literal so that the index of the same words serves it."""

ENDED = text("status NOT IN ('queued', 'running')")
"""The opposite."""

runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("session_key", Text, nullable=False),
    Column("session_id", Text),
    Column("agent_id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("surface", Text, nullable=False),
    Column("principal_id", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("queued_at_ms", BigInteger, nullable=False),
    Column("started_at_ms", BigInteger, nullable=False),
    Column("ended_at_ms", BigInteger, nullable=False),
    Column("partial", Text, nullable=False),
    Column("pending", Text),
    Column("result", Text),
    Column("idempotency", Text),
    Index("runs_by_end", "ended_at_ms"),
    Index("runs_by_idempotency", "idempotency"),
    Index("live_runs", "run_id", sqlite_where=LIVE, postgresql_where=LIVE),
)
"""The ledger: L{openclaw_tx.values.StoredRun}, C{pending} and C{result} as JSON, and the process it runs in.

C{session_id} is empty for stateless runs, C{idempotency} for those that came without a key.
"""

run_events = Table(
    "run_events",
    metadata,
    Column("run_id", Text, ForeignKey(runs.c.run_id, ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("body", Text, nullable=False),
)
"""Events of durable runs: each row a list of L{openclaw_tx.values.Entry} as JSON, the first of them number C{seq}."""

_ENTRY = [column for column in sessions.c if column.name not in ("next_position", "spawned_by")]


class Statements:
    """Every statement that the store runs, compiled for one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        def ready(statement: ClauseElement) -> Statement:
            compiled = statement.compile(dialect=dialect)
            names = getattr(compiled, "positiontup", None)
            fixed = {name: value for name, value in compiled.params.items() if value is not None}
            return Statement(str(compiled), tuple(names) if names is not None else None, fixed)

        key, run_id = bindparam("the_key", type_=Text), bindparam("the_run", type_=Text)
        session_id, agent_id = bindparam("the_session", type_=Text), bindparam("the_agent", type_=Text)
        limit = bindparam("the_limit", type_=Integer)
        before, after = bindparam("before", type_=BigInteger), bindparam("after", type_=Text)

        # sessions
        self.entry = ready(select(*_ENTRY, sessions.c.next_position).where(sessions.c.key == key))
        pattern = bindparam("pattern", type_=Text)
        found = or_(
            func.lower(sessions.c.key).like(pattern, escape="\\"),
            func.lower(sessions.c.label).like(pattern, escape="\\"),
        )
        listing = select(*_ENTRY).order_by(sessions.c.updated_at_ms.desc(), sessions.c.key).limit(limit)
        self.entries = ready(listing)
        self.entries_found = ready(listing.where(found))
        self.entries_of_agent = ready(listing.where(sessions.c.agent_id == agent_id))
        self.entries_of_agent_found = ready(listing.where(sessions.c.agent_id == agent_id, found))
        self.count = ready(select(func.count()).select_from(sessions))
        self.count_of_agent = ready(select(func.count()).select_from(sessions).where(sessions.c.agent_id == agent_id))
        self.entry_of_session = ready(select(*_ENTRY).where(sessions.c.session_id == session_id))
        self.entry_of_label = ready(listing.where(sessions.c.label == bindparam("the_label", type_=Text)))
        self.entries_spawned = ready(listing.where(sessions.c.spawned_by == key))
        self.add_entry = ready(insert(sessions))
        self.patch_entry = ready(
            update(sessions)
            .where(sessions.c.key == key)
            .values({name: bindparam(name) for name in ("updated_at_ms", "label", "extra", "settings", "spawned_by")})
        )
        self.update_entry = ready(
            update(sessions)
            .where(sessions.c.session_id == session_id)
            .values(
                {
                    name: bindparam(name)
                    for name in (
                        "updated_at_ms",
                        "aborted_last_run",
                        "model_provider",
                        "model",
                        "input_tokens",
                        "output_tokens",
                        "total_tokens",
                        "next_position",
                    )
                }
            )
        )
        self.delete_session = ready(delete(sessions).where(sessions.c.session_id == session_id))
        self.old_keys = ready(
            select(sessions.c.key, sessions.c.session_id)
            .where(sessions.c.updated_at_ms < before, sessions.c.key.like("agent:%:open%:%"), sessions.c.key > after)
            .order_by(sessions.c.key)
            .limit(limit)
        )

        # messages
        self.newest_messages = ready(
            select(messages.c.body)
            .where(messages.c.session_id == session_id)
            .order_by(messages.c.position.desc())
            .limit(limit)
        )
        self.add_message = ready(insert(messages))

        # runs
        self.run = ready(select(runs).where(runs.c.run_id == run_id))
        self.run_state = ready(select(runs.c.status, runs.c.session_id).where(runs.c.run_id == run_id))
        self.add_run = ready(insert(runs))
        self.note_run = ready(
            update(runs)
            .where(runs.c.run_id == run_id, LIVE)
            .values({name: bindparam(name) for name in ("status", "started_at_ms", "partial")})
        )
        self.end_run = ready(
            update(runs)
            .where(runs.c.run_id == run_id, LIVE)
            .values(
                {
                    "pending": null(),
                    **{
                        name: bindparam(name)
                        for name in ("status", "started_at_ms", "ended_at_ms", "partial", "result")
                    },
                }
            )
        )
        self.claim_run = ready(
            update(runs)
            .where(runs.c.run_id == run_id)
            .values({name: bindparam(name) for name in ("session_id", "status", "started_at_ms", "pending")})
        )
        self.run_of_key = ready(
            select(runs)
            .where(runs.c.idempotency == bindparam("the_key", type_=Text))
            .order_by(runs.c.queued_at_ms.desc())
            .limit(1)
        )
        self.delete_run = ready(delete(runs).where(runs.c.run_id == run_id))
        self.delete_stateless_run = ready(delete(runs).where(runs.c.run_id == run_id, runs.c.session_id.is_(None)))
        self.live_runs_of_others = ready(
            select(runs)
            .where(LIVE, runs.c.owner != bindparam("the_owner", type_=Text))
            .order_by(runs.c.queued_at_ms, runs.c.run_id)
        )
        self.live_runs_of_session = ready(
            select(func.count()).select_from(runs).where(LIVE, runs.c.session_id == session_id)
        )
        self.delete_ended_runs_of_session = ready(delete(runs).where(runs.c.session_id == session_id, ENDED))
        self.empty_runs_of_session = ready(
            update(runs).where(runs.c.session_id == session_id).values(partial="", pending=null())
        )
        self.end_of_run_number = ready(
            select(runs.c.ended_at_ms)
            .where(ENDED)
            .order_by(runs.c.ended_at_ms.desc())
            .limit(1)
            .offset(bindparam("the_number", type_=Integer))
        )
        self.delete_old_runs = ready(
            delete(runs).where(
                runs.c.run_id.in_(
                    select(runs.c.run_id)
                    .where(ENDED, runs.c.ended_at_ms < before)
                    .order_by(runs.c.ended_at_ms)
                    .limit(limit)
                )
            )
        )

        # events of runs
        first = bindparam("the_seq", type_=Integer)
        events = run_events.c
        self.add_events = ready(insert(run_events))
        self.events = ready(select(events.body).where(events.run_id == run_id).order_by(events.seq))
        self.delete_events_from = ready(delete(run_events).where(events.run_id == run_id, events.seq >= first))
        others = run_events.alias()
        begin_of_rest = select(func.max(others.c.seq)).where(others.c.run_id == run_id, others.c.seq <= first)
        self.delete_events_before = ready(
            delete(run_events).where(events.run_id == run_id, events.seq < begin_of_rest.scalar_subquery())
        )
        self.event_sizes = ready(
            select(runs.c.run_id, func.sum(events.size))
            .where(runs.c.run_id == events.run_id, ENDED)
            .group_by(runs.c.run_id, runs.c.ended_at_ms)
            .order_by(runs.c.ended_at_ms.desc())
        )


def creation(dialect: Dialect) -> list[str]:
    """The statements that make the tables of L{SCHEMA_VERSION} in an empty database."""
    texts = []
    for table in metadata.sorted_tables:
        texts.append(str(CreateTable(table).compile(dialect=dialect)))
        texts.extend(
            str(CreateIndex(index).compile(dialect=dialect))
            for index in sorted(table.indexes, key=lambda i: str(i.name))
        )
    return texts


ENTRY_FIELDS = tuple(column.name for column in _ENTRY)
"""Columns of the C{entry} statements, in order."""

RUN_FIELDS = tuple(column.name for column in runs.c)
"""Columns of the C{run} statements, in order."""


def compiled() -> bytes:
    """C{statements.json}: the tables and statements for SQLite."""
    dialect = sqlite.dialect()
    content = Compiled(version=SCHEMA_VERSION, creation=creation(dialect), statements=vars(Statements(dialect)))
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"


if __name__ == "__main__":
    STATEMENTS_FILE.write_bytes(compiled())
