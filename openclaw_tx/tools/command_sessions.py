# -*- test-case-name: tests.tools.test_command_sessions -*-
"""The commands that are at work or have ended not long ago, each seen by the session that started it only.

Everything is bounded: commands at work, finished ones, the output of each and of all finished ones together. A finished
command is forgotten after C{tools.exec.cleanupMs}. When the gateway stops, so do they all; when a session is deleted,
those of the session.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from openclaw_tx.config.schema import Config
from openclaw_tx.interfaces import Run, RunEngine, SessionNews, SystemEvents
from openclaw_tx.tools.commands import ABORT_GRACE, TIMEOUT_GRACE, Command, Order, Spawner
from openclaw_tx.tools.output import readable
from openclaw_tx.values import Entry, RunEnded, SessionChange

MAX_RUNNING = 64
"""Commands at work, of all agents together; one more is refused."""
MAX_FINISHED = 256
"""Finished ones that are remembered; the oldest go."""
MAX_FINISHED_CHARS = 8_000_000
"""Characters of output of all finished ones together; the oldest go."""
CLOSE_SECONDS = 5.0
"""Longest wait for the ends of commands when the gateway stops: a process that the kernel holds does not end."""
NEWS_CHARS = 400
"""Characters of output in the news of a command's end."""


class Scope(NamedTuple):
    """Whose a command is."""

    agent_id: str
    session_key: str


class CommandSession:
    """A command that can be found again.

    @ivar background: the tool that started it waits for it no more.
    @ivar cursor: characters of its output that C{poll} has told.
    @ivar quiet: its end is no news.
    """

    def __init__(self, id: str, scope: Scope, command: Command) -> None:
        self.id = id
        self.scope = scope
        self.command = command
        self.background = False
        self.cursor = 0
        self.quiet = True
        self.run_id = ""
        self.timer: IDelayedCall | None = None

    @property
    def status(self) -> str:
        """C{running}, C{completed} or C{failed}."""
        ending = self.command.ending
        if ending is None:
            return "running"
        return "completed" if ending.ok else "failed"


class CommandSessions:
    """All of them.

    @ivar max_finished: see L{MAX_FINISHED}.
    @ivar max_finished_chars: see L{MAX_FINISHED_CHARS}.
    """

    def __init__(
        self,
        spawner: Spawner,
        clock: Any,
        settings: Callable[[], Config],
        events: SystemEvents,
        engine: Callable[[], RunEngine],
        new_id: Callable[[], str],
        news: SessionNews | None = None,
    ) -> None:
        """
        @param clock: IReactorTime.
        @param events: where the end of a background command is told.
        @param engine: knows when a run has ended.
        @param news: tells when a session is deleted.
        """
        self._spawner = spawner
        self._clock = clock
        self._settings = settings
        self._events = events
        self._engine = engine
        self._new_id = new_id
        self._known: dict[str, CommandSession] = {}
        """Running and finished, oldest first."""
        self._dying: set[Command] = set()
        """Commands whose group is not gone yet."""
        self._unsubscribe: Callable[[], None] | None = None
        self._closed = False
        self._log = Logger()
        self.max_finished = MAX_FINISHED
        self.max_finished_chars = MAX_FINISHED_CHARS
        if news is not None:
            news.subscribe(self._session_changed)

    def start(self, scope: Scope, order: Order, timeout_s: float) -> CommandSession:
        """
        @raise ValueError: there is no room; a sentence.
        @raise OSError: the system has none.
        """
        if self._closed:
            raise ValueError("the gateway is shutting down.")
        if sum(session.command.ending is None for session in self._known.values()) >= MAX_RUNNING:
            raise ValueError(f"{MAX_RUNNING} commands are running already; end one first.")
        command = self._spawner.start(order)
        session = CommandSession(self._fresh_id(), scope, command)
        self._known[session.id] = session
        self._dying.add(command)
        session.timer = self._clock.callLater(timeout_s, command.end, "timeout", TIMEOUT_GRACE)
        command.ended.wait().addCallback(lambda _: self._ended(session))
        command.gone.wait().addCallback(lambda _: self._dying.discard(command))
        return session

    def keep(self, session: CommandSession, *, notify: bool, run_id: str = "") -> None:
        """Let it go on in the background.

        @param notify: its end is news for the session.
        @param run_id: it ends with this run; "" = with nothing but itself.
        """
        session.background = True
        session.quiet = not notify
        if run_id:
            session.run_id = run_id
            if self._unsubscribe is None:
                self._unsubscribe = self._engine().subscribe(self._on_batch)

    def get(self, scope: Scope, id: str) -> CommandSession | None:
        """A background command by its id, if it is of that scope."""
        session = self._known.get(id)
        return session if session is not None and session.scope == scope and session.background else None

    def of(self, scope: Scope) -> Sequence[CommandSession]:
        """Background commands of a scope, oldest first."""
        return [session for session in self._known.values() if session.scope == scope and session.background]

    def forget(self, session: CommandSession) -> None:
        """Remove it; a running one is ended first."""
        session.quiet = True
        if session.command.ending is None:
            session.command.end("killed", ABORT_GRACE)
        self._drop(session)

    async def close(self) -> None:
        """End every command there is, and wait until all are gone: at most a few seconds."""
        self._closed = True
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        for session in list(self._known.values()):
            session.quiet = True
            self._drop(session)
        dying = list(self._dying)
        for command in dying:
            command.end("shutdown", ABORT_GRACE)
        waiting: Deferred[Any] = DeferredList(
            [gate.wait() for command in dying for gate in (command.gone, command.ended)], consumeErrors=True
        )
        if not waiting.called:
            waiting.addTimeout(CLOSE_SECONDS, self._clock)
        await waiting
        stuck = [command.pid for command in dying if not command.ended.opened]
        if stuck:
            self._log.warn("commands that do not end: processes {pids}", pids=stuck)

    # -- inside

    def _fresh_id(self) -> str:
        while True:
            id = self._new_id().replace("-", "")[-8:]
            if id not in self._known:
                return id

    def _ended(self, session: CommandSession) -> None:
        if session.timer is not None and session.timer.active():
            session.timer.cancel()
        session.timer = None
        if self._known.get(session.id) is not session:
            return
        if not session.background:
            self._drop(session)
            return
        if not session.quiet and not session.run_id:
            self._events.add(session.scope.session_key, news(session))
        # The newest to finish is the last to go.
        self._known[session.id] = self._known.pop(session.id)
        session.timer = self._clock.callLater(self._settings().tools.exec.cleanup_ms / 1000, self._drop, session)
        self._trim()

    def _session_changed(self, change: SessionChange) -> None:
        """Of a session that is deleted nobody could ever see its commands again: end them."""
        if change.reason != "delete":
            return
        for session in [found for found in self._known.values() if found.scope.session_key == change.key]:
            self.forget(session)

    def _trim(self) -> None:
        finished = [session for session in self._known.values() if session.command.ending is not None]
        chars = sum(len(session.command.output) for session in finished)
        for count, session in zip(range(len(finished), 0, -1), finished, strict=True):
            if count <= self.max_finished and chars <= self.max_finished_chars:
                break
            chars -= len(session.command.output)
            self._drop(session)

    def _drop(self, session: CommandSession) -> None:
        if session.timer is not None and session.timer.active() and session.command.ending is not None:
            session.timer.cancel()
        self._known.pop(session.id, None)

    def _on_batch(self, run: Run, entries: Sequence[Entry]) -> None:
        if type(entries[-1].event) is not RunEnded:
            return
        for session in [found for found in self._known.values() if found.run_id == run.request.run_id]:
            self.forget(session)
        if self._unsubscribe is not None and not any(session.run_id for session in self._known.values()):
            self._unsubscribe()
            self._unsubscribe = None


def news(session: CommandSession) -> str:
    """The end of a background command in one line, for the agent."""
    ending = session.command.ending
    assert ending is not None
    how = f"code {ending.exit_code}" if ending.signal is None else f"signal {ending.signal}"
    how = "timed out" if ending.reason == "timeout" else how
    said = " ".join(readable(session.command.output.tail(NEWS_CHARS)).split())
    shown = readable(session.command.order.shown[:200])
    return f"Exec {session.status} ({session.id}, {how}): {shown}" + (f" :: {said}" if said else "")


__all__ = ["MAX_FINISHED", "MAX_FINISHED_CHARS", "MAX_RUNNING", "CommandSession", "CommandSessions", "Scope", "news"]
