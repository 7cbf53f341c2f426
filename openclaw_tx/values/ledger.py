"""What is stored of a run."""

from __future__ import annotations

from openclaw_tx.values.conversation import Message
from openclaw_tx.values.events import Entry
from openclaw_tx.values.runs import Carried, RunResult, RunStatus, Trigger
from openclaw_tx.values.value import Value


class StoredRun(Value, frozen=True, omit_defaults=True):
    """A run as the store remembers it."""

    run_id: str
    session_key: str
    agent_id: str
    status: RunStatus
    surface: str
    principal_id: str
    fingerprint: str
    queued_at_ms: int
    started_at_ms: int = 0
    ended_at_ms: int = 0
    partial: str = ""
    """What it had said when last written down (bounded by the writer)."""
    pending: tuple[Message, ...] = ()
    """Input of the turn; it joins the transcript when the turn is committed or recovered."""
    result: RunResult | None = None
    idempotency: str = ""
    """As in L{RunRequest}."""
    trigger: Trigger = "user"
    channel: str = ""
    carried: tuple[Carried, ...] = ()
    """Messages that it reads besides its own. To be written down with it, as rows of their own; not read back."""
    resumes: bool = False
    """As in L{RunRequest}; not remembered."""
    provider: str = ""
    """Of the model that answered last; "" = none has yet."""
    model: str = ""
    stepped: bool = False
    """Steps of its turn were written down (L{openclaw_tx.values.Step}); they go with its end."""


class KeptEvents(Value, frozen=True):
    """Events of one run that are to be written down."""

    run_id: str
    entries: tuple[Entry, ...]
    """With consecutive numbers; what was written from the first of them on is replaced."""
    first_held: int
    """Number of the oldest event that is still worth keeping; older ones go."""
    run: StoredRun | None = None
    """The run itself, when the ledger may not have it yet, or not its end."""
    new: bool = False
    """The ledger is to add the run if it has it not. Otherwise that means that the run was deleted, and stays so."""
