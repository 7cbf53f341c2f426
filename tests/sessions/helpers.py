# -*- test-case-name: tests.sessions -*-
"""Small things that tests of the store share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from itertools import count
from typing import Any

from msgspec.structs import replace

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.sessions.archives import Archives
from openclaw_tx.sessions.database import SqliteDatabase
from openclaw_tx.sessions.owners import LockedOwners, Owners, SoleOwner
from openclaw_tx.sessions.rules import Rules
from openclaw_tx.sessions.sql import SqlSessions
from openclaw_tx.sessions.threads import InlineWorker, Worker
from openclaw_tx.sessions.worker import GroupCommit
from openclaw_tx.values import (
    AssistantMessage,
    RunResult,
    StoredRun,
    TextPart,
    ToolCall,
    ToolResultMessage,
    Usage,
    UserMessage,
)

KEY = "agent:main:main"
NO_USAGE = Usage()


def user(text: str) -> UserMessage:
    """A user message."""
    return UserMessage(content=(TextPart(text=text),))


def answer(text: str, *calls: str) -> AssistantMessage:
    """An assistant message that calls tools by these ids."""
    return AssistantMessage(
        text=text,
        tool_calls=tuple(ToolCall(id=call, name=f"tool_{call}", arguments="{}") for call in calls),
        stop_reason="tool_calls" if calls else "stop",
    )


def result(call: str, text: str = "done") -> ToolResultMessage:
    """A tool's result."""
    return ToolResultMessage(tool_call_id=call, tool_name=f"tool_{call}", text=text)


def live(run_id: str, key: str = KEY, partial: str = "", at_ms: int = 1000) -> StoredRun:
    """A run at work."""
    return StoredRun(
        run_id=run_id,
        session_key=key,
        agent_id="main",
        status="running",
        surface="http",
        principal_id="local",
        fingerprint="f",
        queued_at_ms=at_ms,
        started_at_ms=at_ms,
        partial=partial,
    )


def replace_run(run: StoredRun, **fields: Any) -> StoredRun:
    """The run with other fields."""
    return replace(run, **fields)


def ended(
    run_id: str, key: str = KEY, status: Any = "ok", at_ms: int = 2000, usage: Usage = NO_USAGE, text: str = "answer"
) -> StoredRun:
    """A run with its result."""
    return StoredRun(
        run_id=run_id,
        session_key=key,
        agent_id="main",
        status=status,
        surface="http",
        principal_id="local",
        fingerprint="f",
        queued_at_ms=1000,
        started_at_ms=1000,
        ended_at_ms=at_ms,
        result=RunResult(
            run_id=run_id,
            session_key=key,
            agent_id="main",
            status=status,
            payloads=(text,),
            usage=usage,
            error=None if status == "ok" else GatewayError("run_failed", "It failed.").info,
            ended_at_ms=at_ms,
        ),
    )


def scratch(case: SynchronousTestCase) -> str:
    """A directory name of the test's own; what is made there goes with the test. The directory is yet to be made."""
    above = tempfile.mkdtemp(prefix="openclaw-sessions-")
    case.addCleanup(shutil.rmtree, above)
    return os.path.join(above, "state")


def at_once(function: Callable[..., object], *arguments: object, **keywords: object) -> None:
    """C{callFromThread} where there is no other thread."""
    function(*arguments, **keywords)


class ManualWorker:
    """A worker that works when the test says so: all that was asked for meanwhile is one batch."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []
        self.ended = False
        self.pauses: list[float] = []
        self.meanwhile: list[Callable[[], object]] = []
        """What others do in the next pauses, one each."""

    def do(self, work: Callable[[], None]) -> None:
        """Note it."""
        self.waiting.append(work)

    def pause(self, seconds: float) -> None:
        """Note it, and let others go on."""
        self.pauses.append(seconds)
        if self.meanwhile:
            self.meanwhile.pop(0)()

    def quit(self) -> None:
        """Note it."""
        self.ended = True

    def flush(self) -> None:
        """Do what was asked for."""
        while self.waiting:
            self.waiting.pop(0)()


class Stores:
    """Makes stores over one file, and keeps what they reported.

    @ivar reports: warnings for the operator.
    @ivar now: the time of its stores, in seconds.
    @ivar disk_now: the time of its databases, in seconds.
    @ivar rules: what the configuration says at the moment.
    """

    def __init__(self, path: str = ":memory:", archives: str = "") -> None:
        """
        @param archives: directory of archives; "" = none are kept.
        """
        self.path = path
        self.now = 1000.0
        self.disk_now = 1_000_000_000.0
        self.rules = Rules()
        self._archives = Archives(archives) if archives else None
        self.reports: list[str] = []
        self._numbers = count(1)

    def store(self, worker: Worker | None = None, busy_ms: int = 0, max_waiting: int = 10_000) -> SqlSessions:
        """Another store, as another process would open it; in the test's own thread."""
        process = os.getpid()
        name = f"owner{process}-{next(self._numbers)}"
        owners: Owners = SoleOwner(name) if self.path == ":memory:" else LockedOwners(f"{self.path}.owners", name)
        self.database = SqliteDatabase(
            self.path, owners, seconds=lambda: self.disk_now, report=self.reports.append, busy_ms=busy_ms
        )
        self.jobs = GroupCommit(self.database, worker or InlineWorker(), at_once, max_waiting)
        return SqlSessions(
            self.jobs,
            owners,
            lambda: f"session{process}-{next(self._numbers)}",
            lambda: self.now,
            lambda: self.rules,
            self._archives,
        )

    def again(self, worker: Worker) -> SqlSessions:
        """Another store of the same process on the same open database."""
        owners = SoleOwner("again")
        return SqlSessions(GroupCommit(self.database, worker, at_once), owners, lambda: "again", lambda: 1000.0)
