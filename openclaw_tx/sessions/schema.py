# -*- test-case-name: tests.sessions.test_migrations -*-
"""Statements of the store, written once for SQLite and PostgreSQL.

SQLAlchemy builds and compiles them where they are developed, not where they run: C{python -m
openclaw_tx.sessions.schema} writes C{statements.json}, which L{openclaw_tx.sessions.statements} reads. So the gateway
starts a tenth of a second sooner and is 14 MiB smaller. A test holds the file to this module.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import (
    BigInteger,
    Integer,
    Text,
    bindparam,
    delete,
    func,
    insert,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql import ClauseElement

from openclaw_tx.sessions.left_schema import LeftStatements
from openclaw_tx.sessions.records import PATCHED
from openclaw_tx.sessions.statements import STATEMENTS_FILE, Compiled, Statement
from openclaw_tx.sessions.tables import (
    BACKGROUND,
    ENDED,
    LIVE,
    PINNED,
    archives,
    messages,
    metadata,
    run_events,
    runs,
    sessions,
    usage,
)

SCHEMA_VERSION = 10
"""Version of the tables; L{openclaw_tx.sessions.migrations} leads older files here."""

_BESIDES = ("next_position", "spawned_by", "mark_position", "pinned_at_ms")
_ENTRY = [column for column in sessions.c if column.name not in _BESIDES]


class Statements(LeftStatements):
    """Every statement that the store runs, compiled for one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        def ready(statement: ClauseElement) -> Statement:
            compiled = statement.compile(dialect=dialect)
            names = getattr(compiled, "positiontup", None)
            fixed = {name: value for name, value in compiled.params.items() if value is not None}
            return Statement(str(compiled), tuple(names) if names is not None else None, fixed)

        super().__init__(ready)

        key, run_id = bindparam("the_key", type_=Text), bindparam("the_run", type_=Text)
        session_id, agent_id = bindparam("the_session", type_=Text), bindparam("the_agent", type_=Text)
        limit = bindparam("the_limit", type_=Integer)
        before, after = bindparam("before", type_=BigInteger), bindparam("after", type_=Text)

        # sessions
        self.entry = ready(
            select(*_ENTRY, sessions.c.next_position, sessions.c.mark_position).where(sessions.c.key == key)
        )
        pattern = bindparam("pattern", type_=Text)
        label, since = bindparam("the_label", type_=Text), bindparam("since", type_=BigInteger)
        listing = select(*_ENTRY).order_by(sessions.c.updated_at_ms.desc(), sessions.c.key).limit(limit)
        # A parameter that is empty asks for nothing, so that one statement serves all lists.
        fitting = (
            or_(agent_id == "", sessions.c.agent_id == agent_id),
            or_(label == "", sessions.c.label == label),
            or_(key == "", sessions.c.spawned_by == key),
            or_(
                pattern == "",
                func.lower(sessions.c.key).like(pattern, escape="\\"),
                func.lower(sessions.c.label).like(pattern, escape="\\"),
                func.lower(sessions.c.title).like(pattern, escape="\\"),
                sessions.c.session_id == bindparam("word", type_=Text),
            ),
            sessions.c.updated_at_ms >= since,
            sessions.c.key.notin_([bindparam("hidden_1", type_=Text), bindparam("hidden_2", type_=Text)]),
        )
        unpinned = or_(bindparam("with_pins", type_=Integer) == 1, sessions.c.pinned_at_ms == 0)
        self.entries = ready(listing.where(*fitting, unpinned).offset(bindparam("the_offset", type_=Integer)))
        self.pinned_entries = ready(
            select(*_ENTRY)
            .where(PINNED, *fitting)
            .order_by(sessions.c.pinned_at_ms.desc(), sessions.c.key)
            .limit(limit)
        )
        self.count_fitting = ready(select(func.count()).select_from(sessions).where(*fitting))
        self.count = ready(select(func.count()).select_from(sessions))
        self.count_of_agent = ready(select(func.count()).select_from(sessions).where(sessions.c.agent_id == agent_id))
        self.entry_of_session = ready(select(*_ENTRY).where(sessions.c.session_id == session_id))
        self.entry_of_label = ready(listing.where(sessions.c.label == label))
        self.entries_spawned = ready(listing.where(sessions.c.spawned_by == key))
        self.entries_after = ready(
            select(*_ENTRY, sessions.c.next_position, sessions.c.mark_position)
            .where(sessions.c.key > after, or_(agent_id == "", sessions.c.agent_id == agent_id))
            .order_by(sessions.c.key)
            .limit(limit)
        )
        self.add_entry = ready(insert(sessions))
        self.patch_entry = ready(
            update(sessions).where(sessions.c.key == key).values({name: bindparam(name) for name in PATCHED})
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
                        "interacted_at_ms",
                        "title",
                        "preview",
                        "last_run",
                        "next_position",
                    )
                }
            )
        )
        position = bindparam("the_position", type_=Integer)
        self.set_mark = ready(
            update(sessions).where(sessions.c.session_id == session_id).values(mark_position=position)
        )
        self.delete_session = ready(delete(sessions).where(sessions.c.session_id == session_id))
        self.old_keys = ready(
            select(sessions.c.key, sessions.c.session_id)
            .where(sessions.c.updated_at_ms < before, sessions.c.key.like("agent:%:open%:%"), sessions.c.key > after)
            .order_by(sessions.c.key)
            .limit(limit)
        )

        self.old_children = ready(
            select(sessions.c.key, sessions.c.session_id)
            .where(
                sessions.c.updated_at_ms < before,
                sessions.c.spawned_by.is_not(None),
                sessions.c.key.like("agent:%:subagent:%"),
                sessions.c.key > after,
            )
            .order_by(sessions.c.key)
            .limit(limit)
        )

        # messages
        newest = (
            select(messages.c.position, messages.c.body)
            .where(messages.c.session_id == session_id)
            .order_by(messages.c.position.desc())
            .limit(limit)
        )
        self.newest_messages = ready(newest)
        self.newest_messages_from = ready(newest.where(messages.c.position >= position))
        self.messages_from = ready(
            select(messages.c.body)
            .where(messages.c.session_id == session_id, messages.c.position >= position)
            .order_by(messages.c.position)
            .limit(limit)
        )
        self.newest_messages_before = ready(newest.where(messages.c.position < position))
        self.message = ready(
            select(messages.c.body).where(messages.c.session_id == session_id, messages.c.position == position)
        )
        self.all_messages = ready(
            select(messages.c.body).where(messages.c.session_id == session_id).order_by(messages.c.position)
        )
        self.add_message = ready(insert(messages))

        # runs
        self.run = ready(select(runs).where(runs.c.run_id == run_id))
        self.run_state = ready(select(runs.c.status, runs.c.session_id).where(runs.c.run_id == run_id))
        self.add_run = ready(insert(runs))
        self.note_run = ready(
            update(runs)
            .where(runs.c.run_id == run_id, LIVE)
            .values({name: bindparam(name) for name in ("status", "started_at_ms", "partial", "provider", "model")})
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
            .returning(runs.c.session_id)
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
        self.background_runs = ready(
            select(*runs.c, sessions.c.label, sessions.c.title, sessions.c.spawned_by)
            .select_from(runs.outerjoin(sessions, sessions.c.key == runs.c.session_key))
            .where(BACKGROUND)
            .order_by(runs.c.queued_at_ms.desc())
            .limit(limit)
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
        self.pending_of_session = ready(
            select(runs.c.pending)
            .where(LIVE, runs.c.session_id == session_id)
            .where(runs.c.pending.is_not(None), runs.c.run_trigger != "heartbeat")
            .order_by(runs.c.queued_at_ms, runs.c.run_id)
            .limit(limit)
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

        # usage
        of_row = [
            usage.c.hour == bindparam("the_hour", type_=Integer),
            usage.c.agent_id == agent_id,
            usage.c.provider == bindparam("the_provider", type_=Text),
            usage.c.model == bindparam("the_model", type_=Text),
        ]
        counts = [column.name for column in usage.c if not column.primary_key]
        self.grow_usage = ready(
            update(usage).where(*of_row).values({name: usage.c[name] + bindparam(name) for name in counts})
        )
        self.add_usage = ready(insert(usage))
        self.usage = ready(
            select(usage)
            .where(
                usage.c.hour >= bindparam("the_hour", type_=Integer),
                usage.c.hour < bindparam("end_hour", type_=Integer),
                or_(agent_id == "", usage.c.agent_id == agent_id),
            )
            .order_by(usage.c.hour, usage.c.agent_id, usage.c.provider, usage.c.model)
        )
        self.delete_old_usage = ready(delete(usage).where(usage.c.hour < bindparam("the_hour", type_=Integer)))

        # archives
        self.add_archive = ready(insert(archives))
        self.archives = ready(select(archives).order_by(archives.c.archived_at_ms.desc(), archives.c.path))
        self.forget_archive = ready(delete(archives).where(archives.c.path == bindparam("the_path", type_=Text)))


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
