# -*- test-case-name: tests.sessions.test_sql -*-
"""The session store on a SQL database: each method of the seam is one job of the writer thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from twisted.internet.defer import CancelledError

from openclaw_tx.sessions import entries, reading, run_events, transfer
from openclaw_tx.sessions.archives import Archives
from openclaw_tx.sessions.background import SqlBackground
from openclaw_tx.sessions.beginnings import Beginnings
from openclaw_tx.sessions.ledger import Ledger, Turn, TurnEnd
from openclaw_tx.sessions.news import News, told_before
from openclaw_tx.sessions.owners import Owners
from openclaw_tx.sessions.recovery import Recovery
from openclaw_tx.sessions.rules import Rules
from openclaw_tx.sessions.usage import SqlUsage
from openclaw_tx.sessions.worker import Connection, GroupCommit
from openclaw_tx.values import (
    CompactionMessage,
    Entry,
    KeptEvents,
    Message,
    Removed,
    SessionChange,
    SessionEntry,
    SessionFilter,
    SessionPage,
    Spoken,
    StoredRun,
    TranscriptPage,
)

KEEP_RUNS_MS = 24 * 3600 * 1000
"""How long the ledger remembers runs that ended."""

KEEP_LEFTOVERS_MS = 24 * 3600 * 1000
"""How long a session that was made for one request is kept after its last use (decision D34)."""


class SqlSessions(Recovery):
    """Implements L{openclaw_tx.interfaces.Sessions}.

    Every method may raise C{storage_unavailable}: then nothing was written, and the next call tries anew. A method
    that returned has made its changes durable; L{begin} and L{step} alone so that they outlive the process, but perhaps
    not a loss of power in the moment after. A cancelled caller just stops waiting: its changes are written all the
    same, except that a cancelled L{begin} is undone.

    Of a session's transcript the newest 4,000 messages or 32 MiB of JSON are ever loaded, whichever is less
    (L{reading.HISTORY_MESSAGES}, L{reading.HISTORY_BYTES}); a listing gives 10,000 sessions at most.

    @ivar news: L{openclaw_tx.interfaces.SessionNews}.
    @ivar usage: L{openclaw_tx.interfaces.UsageStore}.
    @ivar runs: L{openclaw_tx.interfaces.BackgroundRuns}.
    """

    def __init__(
        self,
        jobs: GroupCommit,
        owners: Owners,
        new_id: Callable[[], str],
        seconds: Callable[[], float],
        rules: Callable[[], Rules] = Rules,
        archives: Archives | None = None,
    ) -> None:
        """
        @param jobs: where the database is.
        @param owners: this process and others that use the database.
        @param new_id: makes session ids.
        @param seconds: the time.
        @param rules: what the configuration says of sessions at the moment.
        @param archives: takes transcripts of sessions that end; None = they are not kept.
        """
        super().__init__(jobs, owners)
        self._seconds = seconds
        self.news = News()
        self.usage = SqlUsage(jobs)
        self.runs = SqlBackground(jobs)
        self._rules = rules
        self._beginnings = Beginnings(new_id, archives)
        self._ledger = Ledger(owners, self._beginnings)

    def _now_ms(self) -> int:
        return int(self._seconds() * 1000)

    @property
    def healthy(self) -> bool:
        """Whether the database is open and its last transaction went well."""
        return self._jobs.healthy

    async def open(self) -> None:
        """Open the database now rather than with the first use.

        @raise ConfigError: it belongs to another program or to a newer version of this one.
        @raise GatewayError: C{storage_unavailable}; later calls try again by themselves.
        """
        await self._jobs.submit(_nothing, writes=False)

    async def begin(self, run: StoredRun, messages: Sequence[Spoken]) -> Turn:
        """See L{openclaw_tx.interfaces.Sessions.begin}.

        A conversation that is over by the rules of resets is archived, and the run starts a new one.

        @raise GatewayError: C{idempotency_key_conflict}: a run of this id ended well or is live in another process.
            C{invalid_request}: the session's policy lets no chat client speak there.
        """
        messages, rules, now_ms = tuple(messages), self._rules(), self._now_ms()
        begun: list[Turn] = []

        def begin(connection: Connection) -> Turn:
            begun.append(self._ledger.begin(connection, run, messages, rules, now_ms))
            return begun[0]

        def undo(connection: Connection) -> None:
            if begun:
                self._ledger.forget(connection, run, begun[0])

        try:
            # That the process dies is what the ledger is for; the turn itself is on the disk when it ends.
            turn = await self._jobs.submit(begin, synced=False)
        except CancelledError:
            undone = self._jobs.submit(undo)
            undone.addCallback(lambda _: self.news.renewed(begun[0]) if begun else None)  # that is not undone
            undone.addErrback(lambda _: None)  # Trouble with the database is reported where it is met.
            raise
        self.news.begun(run, turn)
        return turn

    async def commit(
        self,
        run: StoredRun,
        added: Sequence[Message],
        *,
        model_provider: str,
        model: str,
        context_tokens: int | None,
        begun: Sequence[Message] = (),
    ) -> None:
        """See L{openclaw_tx.interfaces.Sessions.commit}.

        A second commit of a run changes nothing. The turn of a session that was deleted while the run was at work is
        not stored; the run's end is.
        """
        given, told = tuple(added), told_before(run, begun, added)
        end = TurnEnd(
            run=run, added=given, told=told, model_provider=model_provider, model=model, context_tokens=context_tokens
        )
        self.news.tell(await self._jobs.submit(lambda connection: self._ledger.commit(connection, end)))

    async def checkpoint(self, runs: Sequence[StoredRun], ended: Sequence[str]) -> None:
        """See L{openclaw_tx.interfaces.Sessions.checkpoint}; of a stateless run only its partial text is kept."""
        runs, ended = tuple(runs), tuple(ended)
        await self._jobs.submit(lambda connection: self._ledger.checkpoint(connection, runs, ended))

    async def prune(self, now_ms: int) -> None:
        """Forget runs that ended a day ago or are beyond the newest 50,000, sessions of single requests (D34), those of
        sub-agents whose time is over, which are archived, and old archives."""
        before = now_ms - KEEP_RUNS_MS
        while await self._jobs.submit(lambda connection: self._ledger.prune(connection, before)):
            pass
        await self._jobs.submit(run_events.trim)
        await self.usage.prune(now_ms)
        key: str | None = ""
        while key is not None:
            key = self.news.pruned(await self._jobs.submit(_pruning(now_ms - KEEP_LEFTOVERS_MS, key)))
        kept_ms = self._rules().subagents_ms
        key = "" if kept_ms else None
        while key is not None:
            key = self.news.pruned(await self._jobs.submit(self._pruning_children(now_ms - kept_ms, key, now_ms)))
        await self._jobs.submit(lambda connection: self._beginnings.prune_archives(connection, now_ms))

    def _pruning_children(self, before_ms: int, key: str, now_ms: int) -> Callable[[Connection], entries.Pruned]:
        return lambda connection: self._beginnings.prune_children(connection, before_ms, key, now_ms)

    async def get_run(self, run_id: str) -> StoredRun | None:
        """See L{openclaw_tx.interfaces.Sessions.get_run}."""
        return await self._jobs.submit(lambda connection: self._ledger.get(connection, run_id), writes=False)

    async def keep(self, kept: Sequence[KeptEvents]) -> None:
        """See L{openclaw_tx.interfaces.Sessions.keep}.

        Events of ended runs take L{run_events.MAX_BYTES} at most, and go with the run.
        """
        kept = tuple(kept)
        await self._jobs.submit(lambda connection: self._ledger.keep(connection, kept))

    async def events(self, run_id: str) -> Sequence[Entry]:
        """See L{openclaw_tx.interfaces.Sessions.events}."""
        return await self._jobs.submit(lambda connection: run_events.read(connection, run_id), writes=False)

    async def repeated(self, idempotency: str) -> StoredRun | None:
        """See L{openclaw_tx.interfaces.Sessions.repeated}."""
        return await self._jobs.submit(lambda connection: self._ledger.of_key(connection, idempotency), writes=False)

    async def get(self, key: str) -> SessionEntry | None:
        """See L{openclaw_tx.interfaces.Sessions.get}."""
        found = await self._jobs.submit(lambda connection: entries.find(connection, key), writes=False)
        return found.entry if found is not None else None

    async def transcript(self, key: str, limit: int) -> Sequence[Message]:
        """See L{openclaw_tx.interfaces.Sessions.transcript}."""

        def read(connection: Connection) -> Sequence[Message]:
            found = entries.find(connection, key)
            return reading.history(connection, found.entry.session_id, limit) if found is not None else []

        return await self._jobs.submit(read, writes=False)

    async def page(self, key: str, limit: int, offset: int = 0) -> TranscriptPage:
        """See L{openclaw_tx.interfaces.Sessions.page}."""
        return await self._jobs.submit(lambda connection: reading.page(connection, key, limit, offset), writes=False)

    async def select(self, wanted: SessionFilter, *, limit: int = 100, offset: int = 0) -> SessionPage:
        """See L{openclaw_tx.interfaces.Sessions.select}."""
        return await self._jobs.submit(
            lambda connection: entries.select(connection, wanted, limit, offset), writes=False
        )

    async def list(self, *, agent_id: str | None = None, limit: int = 100, search: str = "") -> Sequence[SessionEntry]:
        """See L{openclaw_tx.interfaces.Sessions.list}; C{search} is looked for in keys and labels."""
        return await self._jobs.submit(
            lambda connection: entries.listing(connection, agent_id, limit, search), writes=False
        )

    async def count(self, agent_id: str | None = None) -> int:
        """See L{openclaw_tx.interfaces.Sessions.count}."""
        return await self._jobs.submit(lambda connection: entries.count(connection, agent_id), writes=False)

    async def delete(self, key: str, *, delete_transcript: bool = True, session_id: str = "") -> Removed | None:
        """See L{openclaw_tx.interfaces.Sessions.delete}."""
        now_ms = self._now_ms()
        removed = await self._jobs.submit(
            lambda connection: self._beginnings.delete(connection, key, delete_transcript, now_ms, session_id)
        )
        if removed is not None:
            self.news.tell(SessionChange(key=key, agent_id=removed.agent_id, reason="delete"))
        return removed

    async def patch(
        self, key: str, change: Callable[[SessionEntry], SessionEntry], *, agent_id: str = "", quiet: bool = False
    ) -> SessionEntry | None:
        """See L{openclaw_tx.interfaces.Sessions.patch}."""

        def patch(connection: Connection) -> SessionEntry | None:
            now = self._now_ms()
            self._beginnings.made(connection, key, agent_id, now)
            return entries.patch(connection, key, change, now, quiet)

        return self.news.changed("patch", await self._jobs.submit(patch))

    async def reset(self, key: str, *, session_id: str = "") -> SessionEntry | None:
        """See L{openclaw_tx.interfaces.Sessions.reset}."""
        entry = await self._jobs.submit(
            lambda connection: self._beginnings.reset(connection, key, self._now_ms(), session_id)
        )
        return self.news.changed("reset", entry)

    async def append(
        self, key: str, messages: Sequence[Message], *, agent_id: str = "", run_id: str = ""
    ) -> SessionEntry | None:
        """See L{openclaw_tx.interfaces.Sessions.append}."""
        messages = tuple(messages)

        def append(connection: Connection) -> SessionChange | None:
            now = self._now_ms()
            made = self._beginnings.made(connection, key, agent_id, now)
            if made is None:
                return None
            entry = replace(made.entry, updated_at_ms=max(made.entry.updated_at_ms, now))
            return SessionChange(
                key=entry.key,
                agent_id=entry.agent_id,
                reason="inject",
                entry=entries.append(connection, entry, made.position, messages),
                messages=messages,
                position=made.position,
                run_id=run_id,
            )

        change = await self._jobs.submit(append)
        if change is None:
            return None
        self.news.tell(change)
        return change.entry

    async def compact(self, key: str, session_id: str, mark: CompactionMessage) -> bool:
        """See L{openclaw_tx.interfaces.Sessions.compact}."""
        done = await self._jobs.submit(lambda connection: entries.compact(connection, key, session_id, mark))
        if done and self.news:
            self.news.changed("compact", await self.get(key))
        return done

    async def by_session_id(self, session_id: str) -> SessionEntry | None:
        """See L{openclaw_tx.interfaces.Sessions.by_session_id}."""
        return await self._jobs.submit(lambda connection: entries.by_session_id(connection, session_id), writes=False)

    async def by_label(self, label: str, agent_id: str | None = None) -> SessionEntry | None:
        """See L{openclaw_tx.interfaces.Sessions.by_label}."""
        return await self._jobs.submit(lambda connection: entries.by_label(connection, label, agent_id), writes=False)

    async def spawned(self, key: str) -> Sequence[SessionEntry]:
        """See L{openclaw_tx.interfaces.Sessions.spawned}."""
        return await self._jobs.submit(lambda connection: entries.spawned(connection, key), writes=False)

    async def put(
        self, entry: SessionEntry, messages: Sequence[Message], *, replace: bool = False, dry_run: bool = False
    ) -> transfer.Outcome:
        """Put a whole session in, for imports: see L{transfer.put}.

        @raise UnicodeEncodeError: a text holds half a surrogate pair.
        """
        given, now_ms = transfer.package(entry, messages), self._now_ms()
        return await self._jobs.submit(
            lambda connection: transfer.put(
                connection, self._beginnings, given, replace=replace, dry_run=dry_run, now_ms=now_ms
            ),
            writes=not dry_run,
        )

    async def keys(self, agent_id: str = "", after: str = "") -> Sequence[str]:
        """Keys of sessions in their order, some of them: those that sort behind C{after}; "" as agent = of all."""
        return await self._jobs.submit(
            lambda connection: [found.entry.key for found in entries.pages(connection, agent_id, after)], writes=False
        )

    async def whole(self, key: str) -> tuple[SessionEntry, Sequence[Message]] | None:
        """A session with its whole transcript, however long that is."""
        return await self._jobs.submit(lambda connection: transfer.whole(connection, key), writes=False)

    async def close(self) -> None:
        """See L{openclaw_tx.interfaces.Sessions.close}."""
        await self._jobs.close()
        self._owners.release()


def _nothing(connection: Connection) -> None:
    """A job that only needs the database to be there."""


def _pruning(before_ms: int, key: str) -> Callable[[Connection], entries.Pruned]:
    return lambda connection: entries.prune_leftovers(connection, before_ms, key)
