# -*- test-case-name: tests.sessions.test_migrations -*-
"""Tables of the store, for SQLite and PostgreSQL. Column types are kept to those that the drivers take and give without
conversion."""

from __future__ import annotations

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
    TextClause,
    text,
)

metadata = MetaData()


def _index(name: str, column: str, rows: TextClause) -> Index:
    """An index of just the rows that are looked for by it: each other one would have a page of it written in vain."""
    return Index(name, column, sqlite_where=rows, postgresql_where=rows)


PINNED = text("pinned_at_ms > 0")
"""Condition on sessions, literal so that the index of the same words serves it."""

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
    Column("interacted_at_ms", BigInteger, nullable=False, server_default="0"),
    Column("title", Text, nullable=False, server_default=""),
    Column("preview", Text, nullable=False, server_default=""),
    Column("mark_position", Integer),
    Column("last_run", Text, nullable=False, server_default=""),
    Column("pinned_at_ms", BigInteger, nullable=False, server_default="0"),
    Index("sessions_by_age", "updated_at_ms"),
    _index("sessions_by_parent", "spawned_by", text("spawned_by IS NOT NULL")),
    _index("sessions_by_pin", "pinned_at_ms", PINNED),
)
"""One row a session: L{openclaw_tx.values.SessionEntry}, C{extra}, C{settings} and C{last_run} as JSON, where its
transcript goes on, where its newest mark of a compaction stands, and once more the C{spawned_by} and C{pinned_at} of
its settings."""

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

BACKGROUND = text("run_trigger IN ('cron', 'hook', 'agent', 'subagent')")
"""Runs that no person waits for."""

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
    Column("run_trigger", Text, nullable=False, server_default="user"),
    Column("channel", Text, nullable=False, server_default=""),
    Column("provider", Text, nullable=False, server_default=""),
    Column("model", Text, nullable=False, server_default=""),
    _index("runs_by_end", "ended_at_ms", ENDED),
    _index("runs_by_idempotency", "idempotency", text("idempotency IS NOT NULL")),
    _index("live_runs", "run_id", LIVE),
    _index("background_runs", "queued_at_ms", BACKGROUND),
)
"""The ledger: L{openclaw_tx.values.StoredRun}, C{pending} and C{result} as JSON, and the process it runs in.

C{session_id} is empty for stateless runs, C{idempotency} for those that came without a key, C{provider} and C{model}
until one has answered.
"""

usage = Table(
    "usage",
    metadata,
    Column("hour", Integer, primary_key=True),
    Column("agent_id", Text, primary_key=True),
    Column("provider", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("runs", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("lone_runs", BigInteger, nullable=False, server_default="0"),
    Column("lone_input_tokens", BigInteger, nullable=False, server_default="0"),
    Column("lone_output_tokens", BigInteger, nullable=False, server_default="0"),
    Column("lone_cached_tokens", BigInteger, nullable=False, server_default="0"),
)
"""What runs took, also those that left nothing else behind: L{openclaw_tx.values.UsageRow}."""

run_events = Table(
    "run_events",
    metadata,
    Column("run_id", Text, ForeignKey(runs.c.run_id, ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("body", Text, nullable=False),
)
"""Events of durable runs: each row a list of L{openclaw_tx.values.Entry} as JSON, the first of them number C{seq}."""

run_steps = Table(
    "run_steps",
    metadata,
    Column("run_id", Text, ForeignKey(runs.c.run_id, ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("told", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)
"""What turns that are at work have come to, one message (L{openclaw_tx.values.Step}) a row, as JSON. C{told}: how many
characters of what the run has said are in the rows up to this one."""

archives = Table(
    "archives",
    metadata,
    Column("path", Text, primary_key=True),
    Column("archived_at_ms", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
)
"""Files that hold transcripts of sessions that are no more; those that are not here are somebody else's."""
