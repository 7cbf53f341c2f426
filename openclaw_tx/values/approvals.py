"""A person's word on what an agent wants to do."""

from __future__ import annotations

from typing import Any, Literal

from openclaw_tx.values.value import Value

Decision = Literal["allow-once", "allow-always", "deny"]


class Approval(Value, frozen=True, omit_defaults=True):
    """A command that waits for a person's word. Field names are those of C{exec.approval.requested} (spec 2.10)."""

    id: str
    command: str
    """As the agent wrote it."""
    created_at_ms: int
    expires_at_ms: int
    """From then on it counts as denied."""
    agent_id: str = ""
    session_key: str = ""
    run_id: str = ""
    """"" = no run of this gateway asks; a client does."""
    cwd: str = ""
    host: str = "gateway"
    security: str = ""
    ask: str = ""
    resolved_path: str = ""
    """Absolute path of the program; "" = there are several, or it was not found."""
    owner_id: str = ""
    """L{Principal.id} of whoever started the run."""
    env: tuple[str, ...] = ()
    """C{NAME=value} of each variable that the agent sets for it, cut when long."""
    reason: str = ""
    """Why somebody is asked."""
    can_always: bool = True
    """C{allow-always} is a possible answer: its programs can be told, and none of them runs others."""


class ApprovalEnd(Value, frozen=True, omit_defaults=True):
    """How one came out."""

    id: str
    decision: Decision
    resolved_by: str = ""
    """L{Principal.id}; "" when nobody answered."""
    expired: bool = False
    at_ms: int = 0


class ApprovalsSnapshot(Value, frozen=True):
    """The file C{exec-approvals.json} as it stands; the keys are those of C{exec.approvals.get}."""

    path: str
    exists: bool
    hash: str
    """SHA-256 of its bytes, in hex; that of none when there is no file."""
    file: dict[str, Any]
    """What is in it."""


__all__ = ["Approval", "ApprovalEnd", "ApprovalsSnapshot", "Decision"]
