# -*- test-case-name: tests.sessions.test_lifecycle -*-
"""Where the store is, and its life beside the gateway: opened, kept tidy, closed."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple
from urllib.parse import unquote

from twisted.application.internet import TimerService
from twisted.application.service import IService
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.deferreds import spawn
from openclaw_tx.errors import ConfigError, GatewayError
from openclaw_tx.ids import new_uuid
from openclaw_tx.sessions.archives import Archives
from openclaw_tx.sessions.database import SqliteDatabase
from openclaw_tx.sessions.owners import LockedOwners, Owners, SoleOwner
from openclaw_tx.sessions.rules import Rules
from openclaw_tx.sessions.sql import SqlSessions
from openclaw_tx.sessions.threads import InlineWorker, ThreadWorker, Worker
from openclaw_tx.sessions.worker import BUSY_MS, GroupCommit
from openclaw_tx.values import StoredRun

MEMORY = ":memory:"
"""A store that lives as long as the process."""

FILE = os.path.join("gateway", "openclaw.sqlite")
"""Where the store is, below the state directory."""

TIDY_SECONDS = 600
"""How often crashed runs of other processes are looked for and old rows are dropped."""


def store_path(store: str, state_dir: str, log: Logger) -> str:
    """The file that C{session.store} names, or L{MEMORY}.

    A setting without C{://} is OpenClaw's path of C{sessions.json}, which is not how this gateway keeps sessions: it
    is left aside with a warning.

    @param store: the setting: "" or C{sqlite:///path}, C{sqlite:////absolute/path}, C{sqlite://} for memory.
    @param state_dir: relative paths are below it.
    @raise ConfigError: another database, or a URL that is not understood.
    """
    scheme, separator, rest = store.strip().partition("://")
    if not separator:
        if scheme:
            log.warn("session.store names a file of OpenClaw; sessions are kept in {file}", file=FILE)
        return os.path.join(os.path.abspath(state_dir), FILE)
    if scheme.startswith("postgres"):
        raise ConfigError([("session.store", "PostgreSQL is not there yet; leave it empty for SQLite")])
    if scheme != "sqlite" or "?" in rest or (rest and not rest.startswith("/")):
        raise ConfigError([("session.store", "expected nothing, or a URL like sqlite:////var/lib/openclaw.sqlite")])
    path = unquote(rest[1:])
    if path in ("", MEMORY):
        return MEMORY
    return os.path.join(os.path.abspath(state_dir), os.path.expanduser(path))


class StoreParts(NamedTuple):
    """What a store needs of its surroundings."""

    seconds: Callable[[], float]
    """The time; C{reactor.seconds}."""
    call_from_thread: Callable[..., object]
    """C{reactor.callFromThread}."""
    create_worker: Callable[[], Worker] = ThreadWorker
    """Makes the worker that does all work with the database."""
    new_id: Callable[[], str] = new_uuid
    """Makes session ids, and the name of this process among those that use the store."""
    busy_ms: int = BUSY_MS
    """How long a transaction waits for another process."""


def inline_parts(seconds: Callable[[], float], new_id: Callable[[], str]) -> StoreParts:
    """Parts of a store that does everything in the caller's thread, at once: for tests of applications."""

    def call(function: Callable[..., object], *arguments: object, **keywords: object) -> None:
        function(*arguments, **keywords)

    return StoreParts(seconds, call, InlineWorker, new_id)


def build_sessions(
    store: str, state_dir: str, parts: StoreParts, log: Logger, rules: Callable[[], Rules] = Rules
) -> SqlSessions:
    """Make a store that opens its database with the first use. Transcripts of a store in memory end with it; those of
    all others are archived below C{agents} of the state directory.

    @param store: as L{store_path}.
    @param state_dir: the gateway's state directory.
    @param rules: what the configuration says of sessions at the moment.
    @raise ConfigError: as L{store_path}.
    """
    path = store_path(store, state_dir, log)
    me = parts.new_id()
    owners: Owners = SoleOwner(me) if path == MEMORY else LockedOwners(f"{path}.owners", me)

    def report(text: str) -> None:
        parts.call_from_thread(log.warn, "{text}", text=text)

    database = SqliteDatabase(path, owners, seconds=parts.seconds, report=report, busy_ms=parts.busy_ms)
    archives = Archives(os.path.join(os.path.abspath(state_dir), "agents")) if path != MEMORY else None
    jobs = GroupCommit(database, parts.create_worker(), parts.call_from_thread)
    return SqlSessions(jobs, owners, parts.new_id, parts.seconds, rules, archives)


async def open_sessions(store: str, state_dir: str, parts: StoreParts, log: Logger) -> SqlSessions:
    """Make a store and open its database.

    When that can not be opened at the moment (locked, disk full, no permission) it is logged and the store is given
    back all the same: each call tries anew, and stateless runs need none.

    @param store: as L{store_path}.
    @param state_dir: the gateway's state directory.
    @raise ConfigError: as L{store_path}, or the file belongs to another program or a newer version of this one.
    """
    sessions = build_sessions(store, state_dir, parts, log)
    try:
        await sessions.open()
    except GatewayError as error:
        log.error("Sessions can not be stored at the moment: {error}", error=error.info.message)
    except ConfigError:
        await sessions.close()
        raise
    return sessions


def tidying(
    sessions: SqlSessions,
    clock: IReactorTime,
    log: Logger,
    recovered: Callable[[], Awaitable[None]] | None = None,
    cut_off: Callable[[Sequence[StoredRun]], None] | None = None,
) -> IService:
    """A service that closes the turns of crashed processes and prunes, at its start and every ten minutes.

    Runs that a crash cut off are logged, each once.

    @param recovered: called when turns were closed, before anything is pruned.
    @param cut_off: told of the runs that were.
    """

    async def tidy() -> None:
        now_ms = int(clock.seconds() * 1000)
        try:
            found = await sessions.recover(now_ms)
            for run in found:
                log.warn("run {id} of session {key} was interrupted by a crash", id=run.run_id, key=run.session_key)
            if cut_off is not None:
                cut_off(found)
            if recovered is not None:
                await recovered()
            await sessions.prune(now_ms)
        except GatewayError as error:
            log.warn("the session store could not be tidied: {error}", error=error.info.message)
        except ConfigError as error:
            log.error("the session store can not be used: {error}", error=str(error))

    service = TimerService(  # type: ignore[no-untyped-call]
        TIDY_SECONDS, lambda: spawn(tidy(), log, "tidying the session store")
    )
    service.clock = clock
    return service


__all__ = ["StoreParts", "build_sessions", "inline_parts", "open_sessions", "store_path", "tidying"]
