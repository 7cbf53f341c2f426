# -*- test-case-name: tests.wire.test_approvals -*-
"""Questions for a person's word, and answers, as both surfaces write them. Pure (spec 2.10, docs/approvals.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Approval, Decision
from openclaw_tx.wire.openai_chat import decode_object
from openclaw_tx.wire.openai_chat_render import encode
from openclaw_tx.wire.openai_fields import optional_string

DECISIONS: tuple[Decision, ...] = get_args(Decision)


def decision_of(text: str) -> Decision:
    """
    @raise GatewayError: C{invalid_request}: there is no such answer.
    """
    for decision in DECISIONS:
        if decision == text:
            return decision
    raise GatewayError(
        "invalid_request", "invalid decision: it must be allow-once, allow-always or deny", param="decision"
    )


def allowed_decisions(approval: Approval) -> Sequence[Decision]:
    """The answers that a question may get."""
    return [decision for decision in DECISIONS if approval.can_always or decision != "allow-always"]


def row(approval: Approval) -> dict[str, Any]:
    """A question as events and lists show it."""
    return {
        "id": approval.id,
        "request": request_of(approval),
        "createdAtMs": approval.created_at_ms,
        "expiresAtMs": approval.expires_at_ms,
    }


def request_of(approval: Approval) -> dict[str, Any]:
    """What is asked; null where nothing is known."""
    found: dict[str, Any] = {
        "command": approval.command,
        "cwd": approval.cwd or None,
        "host": approval.host,
        "security": approval.security or None,
        "ask": approval.ask or None,
        "agentId": approval.agent_id or None,
        "resolvedPath": approval.resolved_path or None,
        "sessionKey": approval.session_key or None,
        "runId": approval.run_id or None,
        "warningText": approval.reason or None,
        "allowedDecisions": allowed_decisions(approval),
    }
    if approval.env:
        found["envKeys"] = [variable.partition("=")[0] for variable in approval.env]
        found["env"] = list(approval.env)
    return found


def parse_answer(body: bytes) -> Decision:
    """The body of C{POST /v1/runs/<id>/approvals/<id>}.

    @raise GatewayError: C{invalid_request}.
    """
    return decision_of(optional_string(decode_object(body), "decision") or "")


def answer_body(approval: Approval, decision: Decision) -> bytes:
    """What it is answered with."""
    return encode(
        {
            "id": approval.id,
            "object": "run.approval",
            "run_id": approval.run_id,
            "command": approval.command,
            "decision": decision,
        }
    )


__all__ = ["DECISIONS", "allowed_decisions", "answer_body", "decision_of", "parse_answer", "request_of", "row"]
