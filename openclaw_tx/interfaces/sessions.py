"""What is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from openclaw_tx.values import Entry, KeptEvents, Message, SessionEntry, StoredRun


class TurnStart(Protocol):
    """What L{Sessions.begin} gives back."""

    @property
    def added(self) -> Sequence[Message]:
        """The part of the client's messages that the session did not hold yet (design decision 14)."""

    @property
    def entry(self) -> SessionEntry: ...

    @property
    def history(self) -> Sequence[Message]:
        """The transcript before this turn, oldest first."""


class Sessions(Protocol):
    """Sessions, transcripts and the ledger of runs. What a method returned for is durable."""

    async def begin(self, run: StoredRun, messages: Sequence[Message]) -> TurnStart:
        """Open (creating if need be) the session of C{run}, read its history, and note the run as running together
        with those of the client's C{messages} that the session does not hold yet."""

    async def commit(
        self, run: StoredRun, added: Sequence[Message], *, model_provider: str, model: str, context_tokens: int | None
    ) -> None:
        """In one transaction: append C{added} (input and answers of the turn) to the transcript, update the entry,
        write the run's end (C{run.result})."""

    async def checkpoint(self, runs: Sequence[StoredRun], ended: Sequence[str]) -> None:
        """Write down live runs with their partial text, and forget the C{ended} ids of stateless ones."""

    async def recover(self, now_ms: int) -> Sequence[StoredRun]:
        """After a crash: mark runs left running as interrupted, close their turns in the transcript with what they
        had said, and return them."""

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

    async def list(self, *, agent_id: str | None = None, limit: int = 100, search: str = "") -> Sequence[SessionEntry]:
        """Newest first."""

    async def count(self, agent_id: str | None = None) -> int: ...

    async def delete(self, key: str) -> bool: ...

    async def close(self) -> None:
        """Finish what was asked, then release the database."""
