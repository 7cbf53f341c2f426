"""What is remembered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from openclaw_tx.values import (
    BackgroundRun,
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
    Step,
    StoredRun,
    Tallies,
    TranscriptPage,
    UsageRow,
)


class TurnStart(Protocol):
    """What L{Sessions.begin} gives back."""

    @property
    def added(self) -> Sequence[Message]:
        """The part of the client's messages that the session did not hold yet (design decision 14)."""

    @property
    def entry(self) -> SessionEntry: ...

    @property
    def history(self) -> Sequence[Message]:
        """The transcript before this turn, oldest first. After a compaction it begins with the newest mark, and the
        messages that the mark keeps follow it."""


class Sessions(Protocol):
    """Sessions, transcripts and the ledger of runs. What a method returned for is durable."""

    async def begin(self, run: StoredRun, messages: Sequence[Spoken]) -> TurnStart:
        """Open (creating if need be) the session of C{run}, read its history, and note the run as running together
        with those of the client's C{messages} that the session does not hold yet.

        @raise GatewayError: C{invalid_request}: C{session.sendPolicy} lets no chat client speak in this session.
        """

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
        """In one transaction: append C{added} (input and answers of the turn) to the transcript, update the entry,
        write the run's end (C{run.result}).

        @param begun: what L{begin} gave back as added: the very messages that are among C{added}.
        """

    async def checkpoint(self, runs: Sequence[StoredRun], ended: Sequence[str]) -> None:
        """Write down live runs with their partial text, and forget the C{ended} ids of stateless ones."""

    async def step(self, run: StoredRun, steps: Sequence[Step], told: int) -> None:
        """Write down what the turn of a session's run that is at work has come to; a step takes the place of one with
        the same number. It outlives the process, but perhaps not a loss of power in the moment after.

        @param told: characters of what the run has said (its texts joined by blank lines) that are in the steps so far.
        """

    async def recover(self, now_ms: int) -> Sequence[StoredRun]:
        """After a crash: mark runs left running as interrupted, close their turns in the transcript with what they
        had done and said, and return them."""

    async def untold(self, prefix: str) -> Sequence[StoredRun]:
        """Runs of sub-agents that have ended, of processes that live no more: those for which there is no run with the
        id C{prefix} and theirs, that tells of the end. The oldest first; a thousand at most."""

    async def get_run(self, run_id: str) -> StoredRun | None: ...

    async def keep(self, kept: Sequence[KeptEvents]) -> None:
        """Write down events of runs, and the runs themselves where they are given: one the ledger does not know is
        added; the end of one is noted unless that is for L{commit} to do."""

    async def events(self, run_id: str) -> Sequence[Entry]:
        """The events of a run that were kept, oldest first; their numbers have no holes."""

    async def repeated(self, idempotency: str) -> StoredRun | None:
        """The newest run of an idempotency digest."""

    async def get(self, key: str) -> SessionEntry | None: ...

    async def transcript(self, key: str, limit: int) -> Sequence[Message]:
        """The newest C{limit} messages, oldest first; empty for an unknown key."""

    async def page(self, key: str, limit: int, offset: int = 0) -> TranscriptPage:
        """The newest C{limit} messages but for C{offset} newer ones; empty for an unknown key."""

    async def list(self, *, agent_id: str | None = None, limit: int = 100, search: str = "") -> Sequence[SessionEntry]:
        """Newest first.

        @param search: part of a key, a label or a title, in any case; or a whole session id.
        """

    async def count(self, agent_id: str | None = None) -> int: ...

    async def select(self, wanted: SessionFilter, *, limit: int = 100, offset: int = 0) -> SessionPage:
        """Newest first, and how many there are in all.

        @param offset: how many of them to leave out.
        """

    async def delete(self, key: str, *, delete_transcript: bool = True, session_id: str = "") -> Removed | None:
        """Remove a session; its transcript is kept as a file of OpenClaw's form.

        @param delete_transcript: the file is an archive, which goes some day; False = it stays.
        @param session_id: only this conversation; "" = whichever it is.
        @return: None = there is none.
        @raise GatewayError: C{storage_unavailable}: the file can not be written; the session is still there.
            C{invalid_request}: another conversation has begun.
        """

    async def patch(
        self, key: str, change: Callable[[SessionEntry], SessionEntry], *, agent_id: str = "", quiet: bool = False
    ) -> SessionEntry | None:
        """Change a session's label, settings or extra fields; the rest stays as it is.

        @param change: a pure function; called in another thread. What it raises is raised here, and nothing changes.
        @param agent_id: make the session for this agent when there is none; "" = then None is given back.
        @param quiet: it was not used thereby: its place in lists stays.
        @raise GatewayError: C{invalid_request}: another session of the agent has that label. Those of sub-agents may
            share one.
        """

    async def reset(self, key: str, *, session_id: str = "") -> SessionEntry | None:
        """Begin the session anew: another session id, an empty transcript, no token counts. The old transcript is
        kept as a file of OpenClaw's form; label, settings but for the counts of compactions, and extra stay. A run that
        is at work in the session goes on, but its turn is not stored.

        @param session_id: only this conversation; "" = whichever it is.
        @return: the new entry; None = there is no such session.
        @raise GatewayError: C{storage_unavailable}: the file can not be written; nothing has changed.
            C{invalid_request}: another conversation has begun.
        """

    async def append(
        self, key: str, messages: Sequence[Message], *, agent_id: str = "", run_id: str = ""
    ) -> SessionEntry | None:
        """Put messages into a transcript outside of any run.

        @param agent_id: as for L{patch}.
        @param run_id: what they answer, for clients that show an answer once however they hear of it.
        """

    async def compact(self, key: str, session_id: str, mark: CompactionMessage) -> bool:
        """Put a mark into a transcript and count the compaction; the size of the context is not known then (0).

        @return: False = the session has gone or begun anew meanwhile; nothing was written.
        """

    async def by_session_id(self, session_id: str) -> SessionEntry | None: ...

    async def by_label(self, label: str, agent_id: str | None = None) -> SessionEntry | None: ...

    async def spawned(self, key: str) -> Sequence[SessionEntry]:
        """Sessions that runs of this session started."""

    async def close(self) -> None:
        """Finish what was asked, then release the database."""


class SessionNews(Protocol):
    """Tells what becomes of sessions."""

    def subscribe(self, listener: Callable[[SessionChange], None]) -> None:
        """Call C{listener} with every change that this process made, once it is durable, for the store's life."""


class UsageStore(Protocol):
    """What runs took, kept for a year and a month."""

    async def add_usage(self, rows: Sequence[UsageRow]) -> None:
        """Add to what is known of their hours.

        @raise GatewayError: C{storage_unavailable}; nothing was added.
        """

    async def usage(self, first_hour: int, end_hour: int, agent_id: str = "") -> Sequence[UsageRow]:
        """Those from C{first_hour} to before C{end_hour}, oldest first.

        @param agent_id: "" = of all agents.
        """

    async def tallies(self, session_ids: Sequence[str], first_ms: int, end_ms: int, max_bytes: int) -> Tallies:
        """What happened in sessions from C{first_ms} to before C{end_ms}, to quarters of an hour.

        @param max_bytes: read about so much of transcripts at most; sessions for which that was not enough are told as
            far as they are known, and not C{whole}. What was read is remembered for the next time.
        """


class BackgroundRuns(Protocol):
    """Runs that no person waits for, kept for a day."""

    async def background(self, limit: int) -> Sequence[BackgroundRun]:
        """The newest C{limit} of them that have been begun, newest first; live ones with what was last noted."""
