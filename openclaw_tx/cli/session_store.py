# -*- test-case-name: tests.cli.test_sessions -*-
"""The session store in a command's own process: everything is done at once, no reactor runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, Logger, formatEvent
from twisted.python.failure import Failure
from zope.interface import implementer

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.config.load import Loaded
from openclaw_tx.errors import ConfigError, GatewayError
from openclaw_tx.ids import new_uuid
from openclaw_tx.sessions.lifecycle import MEMORY, StoreParts, build_sessions, store_path
from openclaw_tx.sessions.openclaw_files import Unreadable, Writer, candidates, orphans, stores
from openclaw_tx.sessions.sql import SqlSessions
from openclaw_tx.sessions.threads import InlineWorker

BUSY_MS = 10_000
"""How long a command waits for a gateway that holds the database."""

Do = Callable[[Coroutine[Any, Any, Any]], Any]


def database_of(loaded: Loaded) -> Path:
    """The file that the store is in, whether it exists or not.

    @raise CommandError: there is none: sessions are in the memory of the gateway.
    """
    try:
        path = store_path(loaded.config.session.store, str(loaded.state_dir), Logger(observer=_Told()))
    except ConfigError as error:
        raise CommandError(str(error)) from None
    if path == MEMORY:
        raise CommandError("session.store keeps sessions in the gateway's memory: there is no file to work on")
    return Path(path)


@contextmanager
def closing_store(loaded: Loaded, in_memory: bool = False) -> Iterator[tuple[SqlSessions, Do]]:
    """The store, and what gives the result of its coroutines.

    @param in_memory: an empty store instead, of which nothing is left.
    @raise CommandError: it can not be used, in words.
    """
    parts = StoreParts(time.time, _call, InlineWorker, new_uuid, busy_ms=BUSY_MS)
    url = "sqlite://" if in_memory else loaded.config.session.store
    store = build_sessions(url, str(loaded.state_dir), parts, Logger(observer=_Told()))
    try:
        yield store, _result
    except GatewayError as error:
        raise CommandError(error.info.message) from None
    except ConfigError as error:
        raise CommandError(str(error)) from None
    finally:
        _result(store.close())


def imported_from(
    store: SqlSessions, do: Do, origin: Path, agent_id: str, *, replace: bool, dry_run: bool
) -> dict[str, Any]:
    """Import what is at a place.

    @return: the report, as C{--json} prints it.
    """
    sessions: list[dict[str, Any]] = []
    faults: list[str] = []
    found = stores(origin, agent_id)
    for each in found:
        try:
            for candidate in candidates(each):
                sessions.append(_imported(store, do, candidate, replace, dry_run))
        except Unreadable as error:
            faults.append(str(error))
    counts = Counter(session["outcome"] for session in sessions)
    return {
        "source": str(origin),
        "dryRun": dry_run,
        "counts": dict(counts),
        "failed": counts["failed"] + len(faults),
        "orphans": sum(map(orphans, found)),
        "faults": faults,
        "sessions": sessions,
    }


def _imported(store: SqlSessions, do: Do, candidate: Any, replace: bool, dry_run: bool) -> dict[str, Any]:
    entry, faults = candidate.entry, list(candidate.faults)
    outcome = "failed"
    if entry is not None:
        try:
            outcome = do(store.put(entry, candidate.messages, replace=replace, dry_run=dry_run))
        except UnicodeEncodeError:
            faults.append("a text is no Unicode")
    return {
        "key": entry.key if entry is not None else candidate.key,
        "sessionId": entry.session_id if entry is not None else None,
        "outcome": outcome,
        "messages": len(candidate.messages),
        "leftOut": dict(candidate.left_out),
        "faults": faults,
    }


def exported_to(store: SqlSessions, do: Do, directory: Path, agent_id: str) -> int:
    """Export all sessions, or an agent's.

    @return: how many.
    @raise CommandError: they can not be written.
    """
    writer = Writer(directory)
    count, after = 0, ""
    try:
        while keys := do(store.keys(agent_id, after)):
            for key in keys:
                session = do(store.whole(key))
                if session is not None:
                    writer.add(*session)
                    count += 1
            after = keys[-1]
        writer.close()
    except (OSError, Unreadable) as error:
        raise CommandError(str(error)) from None
    return count


def _call(function: Callable[..., object], *arguments: object, **keywords: object) -> None:
    """C{callFromThread} where there is no other thread."""
    function(*arguments, **keywords)


def _result(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that has nothing to wait for."""
    results: list[Any] = []
    Deferred.fromCoroutine(coroutine).addBoth(results.append)
    (result,) = results
    if isinstance(result, Failure):
        assert result.value is not None
        raise result.value
    return result


@implementer(ILogObserver)
class _Told:
    """What the store reports goes to standard error."""

    def __call__(self, event: Any) -> None:
        click.echo(formatEvent(event), err=True)


__all__ = ["closing_store", "database_of", "exported_to", "imported_from"]
