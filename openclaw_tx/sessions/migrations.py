# -*- test-case-name: tests.sessions.test_migrations -*-
"""Opening the SQLite file: checked, of the right version, and never lost.

A fresh file gets the tables of L{openclaw_tx.sessions.schema}. An older one is copied aside and led up step by step,
each step in a transaction of its own. A damaged one is moved aside and a fresh one takes its place.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing

from openclaw_tx.config.replacing import make_directory
from openclaw_tx.errors import ConfigError
from openclaw_tx.sessions.records import messages_of
from openclaw_tx.sessions.statements import compiled
from openclaw_tx.sessions.titles import preview_of, title_of

APPLICATION_ID = 0x4F43_4C57
"""C{PRAGMA application_id} of our files ("OCLW")."""

CHECKED_BYTES = 64 * 1024 * 1024
"""Files up to this size are read through when opened; larger ones only after an error told of damage."""

MEMORY = ":memory:"
"""Path of a database that lives as long as its connection."""

Report = Callable[[str], None]
"""Takes a warning for the operator; called in the writer thread."""

Upgrade = Callable[[sqlite3.Connection], None]


def _add_run_events(connection: sqlite3.Connection) -> None:
    """Version 2: idempotency keys, and events that outlive the process."""
    connection.execute("ALTER TABLE runs ADD COLUMN idempotency TEXT")
    connection.execute("CREATE INDEX runs_by_idempotency ON runs (idempotency)")
    connection.execute(
        "CREATE TABLE run_events (run_id TEXT NOT NULL, seq INTEGER NOT NULL, size INTEGER NOT NULL, "
        "body TEXT NOT NULL, PRIMARY KEY (run_id, seq), "
        "FOREIGN KEY(run_id) REFERENCES runs (run_id) ON DELETE CASCADE)"
    )


def _add_settings(connection: sqlite3.Connection) -> None:
    """Version 3: what is set for a session, and which session spawned it."""
    connection.execute("ALTER TABLE sessions ADD COLUMN settings TEXT DEFAULT '{}' NOT NULL")
    connection.execute("ALTER TABLE sessions ADD COLUMN spawned_by TEXT")
    connection.execute("CREATE INDEX sessions_by_parent ON sessions (spawned_by)")


def _add_titles(connection: sqlite3.Connection) -> None:
    """Version 4: when somebody last spoke, titles and previews, where marks stand, archives, what started a run."""
    for column in (
        "interacted_at_ms BIGINT DEFAULT '0' NOT NULL",
        "title TEXT DEFAULT '' NOT NULL",
        "preview TEXT DEFAULT '' NOT NULL",
        "mark_position INTEGER",
    ):
        connection.execute(f"ALTER TABLE sessions ADD COLUMN {column}")
    connection.execute("ALTER TABLE runs ADD COLUMN run_trigger TEXT DEFAULT 'user' NOT NULL")
    connection.execute("ALTER TABLE runs ADD COLUMN channel TEXT DEFAULT '' NOT NULL")
    connection.execute(
        "CREATE TABLE archives (path TEXT NOT NULL, archived_at_ms BIGINT NOT NULL, size BIGINT NOT NULL, "
        "PRIMARY KEY (path))"
    )
    connection.execute(
        "UPDATE sessions SET interacted_at_ms = updated_at_ms, mark_position = (SELECT max(position) FROM messages "
        'WHERE messages.session_id = sessions.session_id AND body LIKE \'{"type":"compaction"%\')'
    )
    for (session_id,) in connection.execute("SELECT session_id FROM sessions").fetchall():
        bodies = "SELECT body FROM messages WHERE session_id = ? ORDER BY position"
        first = messages_of((row[0] for row in connection.execute(f"{bodies} LIMIT 20", (session_id,))), _ignore)
        last = messages_of((row[0] for row in connection.execute(f"{bodies} DESC LIMIT 20", (session_id,))), _ignore)
        connection.execute(
            "UPDATE sessions SET title = ?, preview = ? WHERE session_id = ?",
            (title_of(first), preview_of(last[::-1]), session_id),
        )


def _add_usage(connection: sqlite3.Connection) -> None:
    """Version 5: what runs took, by the hour."""
    connection.execute(
        "CREATE TABLE usage (hour INTEGER NOT NULL, agent_id TEXT NOT NULL, provider TEXT NOT NULL, "
        "model TEXT NOT NULL, runs BIGINT NOT NULL, input_tokens BIGINT NOT NULL, output_tokens BIGINT NOT NULL, "
        "cached_tokens BIGINT NOT NULL, PRIMARY KEY (hour, agent_id, provider, model))"
    )


def _narrow_indices(connection: sqlite3.Connection) -> None:
    """Version 6: indices of the rows that are looked for by them."""
    for name, table, column, rows in (
        ("sessions_by_parent", "sessions", "spawned_by", "spawned_by IS NOT NULL"),
        ("runs_by_end", "runs", "ended_at_ms", "status NOT IN ('queued', 'running')"),
        ("runs_by_idempotency", "runs", "idempotency", "idempotency IS NOT NULL"),
    ):
        connection.execute(f"DROP INDEX {name}")
        connection.execute(f"CREATE INDEX {name} ON {table} ({column}) WHERE {rows}")


def _add_last_runs_and_pins(connection: sqlite3.Connection) -> None:
    """Version 7: how the last run of a session came out, and sessions that are pinned."""
    connection.execute("ALTER TABLE sessions ADD COLUMN last_run TEXT DEFAULT '' NOT NULL")
    connection.execute("ALTER TABLE sessions ADD COLUMN pinned_at_ms BIGINT DEFAULT '0' NOT NULL")
    connection.execute("CREATE INDEX sessions_by_pin ON sessions (pinned_at_ms) WHERE pinned_at_ms > 0")


def _tell_lone_runs_apart(connection: sqlite3.Connection) -> None:
    """Version 8: what runs without a session took (of those that were before it is not known); an index of runs in
    the background."""
    for column in ("lone_runs", "lone_input_tokens", "lone_output_tokens", "lone_cached_tokens"):
        connection.execute(f"ALTER TABLE usage ADD COLUMN {column} BIGINT DEFAULT '0' NOT NULL")
    connection.execute(
        "CREATE INDEX background_runs ON runs (queued_at_ms) WHERE run_trigger IN ('cron', 'hook', 'agent', 'subagent')"
    )


def _add_models_of_runs(connection: sqlite3.Connection) -> None:
    """Version 9: which model answered a run, for one that is cut off."""
    for column in ("provider", "model"):
        connection.execute(f"ALTER TABLE runs ADD COLUMN {column} TEXT DEFAULT '' NOT NULL")


def _add_run_steps(connection: sqlite3.Connection) -> None:
    """Version 10: what turns that are at work have come to."""
    connection.execute(
        "CREATE TABLE run_steps (run_id TEXT NOT NULL, number INTEGER NOT NULL, told BIGINT NOT NULL, "
        "body TEXT NOT NULL, PRIMARY KEY (run_id, number), "
        "FOREIGN KEY(run_id) REFERENCES runs (run_id) ON DELETE CASCADE)"
    )


def _ignore(text: str) -> None:
    """What can not be read is reported where it is read for good."""


UPGRADES: tuple[Upgrade, ...] = (
    _add_run_events,
    _add_settings,
    _add_titles,
    _add_usage,
    _narrow_indices,
    _add_last_runs_and_pins,
    _tell_lone_runs_apart,
    _add_models_of_runs,
    _add_run_steps,
)
"""Step number n (from 0) leads from version n + 1 to n + 2. Steps are never changed once released."""


class Damaged(Exception):
    """The file is a database no longer."""


def open_database(
    path: str,
    *,
    busy_ms: int,
    seconds: Callable[[], float],
    report: Report,
    thorough: bool = False,
    upgrades: Sequence[Upgrade] = UPGRADES,
) -> sqlite3.Connection:
    """Open, check and, if need be, create or upgrade the database; a damaged one is moved aside.

    @param path: of the file, or L{MEMORY}. Directories that are missing are made, for the owner only.
    @param busy_ms: how long a statement waits for another process.
    @param seconds: the time, for names of copies.
    @param thorough: read a large file through as well.
    @raise ConfigError: the file belongs to another program, or to a newer version of this one.
    @raise sqlite3.Error: it can not be opened now.
    @raise OSError: the same.
    """
    try:
        return _open(path, busy_ms, seconds, report, thorough, upgrades)
    except (sqlite3.DatabaseError, Damaged) as error:
        if path == MEMORY or not is_damage(error):
            raise
        moved = _move_aside(path, seconds())
        report(f"The session database {path} is damaged ({error}). It was moved to {moved}; a new, empty one is used.")
    return _open(path, busy_ms, seconds, report, False, upgrades)


def is_damage(error: Exception) -> bool:
    """Whether an error tells that the file itself is broken, not that it can not be reached."""
    if isinstance(error, Damaged):
        return True
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _open(
    path: str,
    busy_ms: int,
    seconds: Callable[[], float],
    report: Report,
    thorough: bool,
    upgrades: Sequence[Upgrade],
) -> sqlite3.Connection:
    if path != MEMORY:
        _make_file(path)
    # One thread at a time uses it: the writer's. Transactions are ours alone: no implicit BEGIN.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout = {busy_ms}")
        _check(connection, path, thorough)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_size_limit = {CHECKED_BYTES}")
        # SQLite's own knows the letters of ASCII alone.
        connection.create_function("lower", 1, _lower, deterministic=True)
        _bring_up_to_date(connection, path, seconds, report, upgrades)
    except BaseException:
        connection.close()
        raise
    return connection


def _lower(text: str) -> str:
    return text.lower()


def _make_file(path: str) -> None:
    """Make the file, readable by its owner only; SQLite gives its side files the same mode."""
    make_directory(os.path.dirname(path))
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    if os.stat(path).st_mode & 0o077:
        os.chmod(path, 0o600)


def _check(connection: sqlite3.Connection, path: str, thorough: bool) -> None:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application_id != APPLICATION_ID:
        raise ConfigError([("session.store", f"{path} is a database of another program")])
    if path != MEMORY and (thorough or os.path.getsize(path) <= CHECKED_BYTES):
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise Damaged(verdict.replace("\n", " "))


def _bring_up_to_date(
    connection: sqlite3.Connection,
    path: str,
    seconds: Callable[[], float],
    report: Report,
    upgrades: Sequence[Upgrade],
) -> None:
    newest = 1 + len(upgrades)
    version = _version(connection)
    if version > newest:
        raise ConfigError([("session.store", f"{path} was written by a newer version of this program")])
    if version == 0:
        _step(connection, 0, compiled().version, _create)
        version = _version(connection)
    if version == newest:
        return
    copy = _free_name(f"{path}.backup-v{version}-{_stamp(seconds())}")
    if path != MEMORY:
        # Made with the right mode before anything is in it.
        os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(copy)) as target:
            connection.backup(target)
    for number in range(version, newest):
        _step(connection, number, number + 1, upgrades[number - 1])
    report(f"The session database {path} was upgraded from version {version} to {newest}; a copy is at {copy}.")


def _step(connection: sqlite3.Connection, before: int, after: int, change: Upgrade) -> None:
    """Lead the file from one version to the next, unless another process was faster."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version(connection) == before:
            change(connection)
            connection.execute(f"PRAGMA user_version = {after}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    for statement in compiled().creation:
        connection.execute(statement)


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    assert isinstance(version, int)
    return version


def _move_aside(path: str, now: float) -> str:
    """Rename the file and its side files.

    @return: the new path.
    """
    moved = _free_name(f"{path}.corrupt-{_stamp(now)}")
    os.rename(path, moved)
    for suffix in ("-wal", "-shm"):
        try:
            os.rename(path + suffix, moved + suffix)
        except FileNotFoundError:
            pass
    return moved


def _free_name(path: str) -> str:
    """C{path}, or with a number behind it when that exists."""
    name, number = path, 2
    while os.path.lexists(name):
        name, number = f"{path}-{number}", number + 1
    return name


def _stamp(now: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
