# -*- test-case-name: tests.wire.test_approvals -*-
"""Questions and answers on the wire."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Approval
from openclaw_tx.wire.approvals import allowed_decisions, decision_of, parse_answer, row

ASKED = Approval(id="q", command="rm x", created_at_ms=1, expires_at_ms=2)


class ApprovalsTests(SynchronousTestCase):
    """Pure."""

    def test_decisions(self) -> None:
        """Three answers, and nothing that looks like one."""
        for good in ("allow-once", "allow-always", "deny"):
            self.assertEqual(decision_of(good), good)
            self.assertEqual(parse_answer(f'{{"decision": "{good}"}}'.encode()), good)
        for bad in ("", "allow", "ALLOW-ONCE", "allow-once ", "approve"):
            self.assertEqual(self.assertRaises(GatewayError, decision_of, bad).info.param, "decision")
        for body in (b"", b"{}", b"[]", b'{"decision": 1}', b'{"decision": null}', b"x"):
            self.assertEqual(self.assertRaises(GatewayError, parse_answer, body).info.code, "invalid_request")

    def test_row(self) -> None:
        """What is not known is null; variables are shown only where there are some."""
        self.assertEqual(
            row(ASKED),
            {
                "id": "q",
                "request": {
                    "command": "rm x",
                    "cwd": None,
                    "host": "gateway",
                    "security": None,
                    "ask": None,
                    "agentId": None,
                    "resolvedPath": None,
                    "sessionKey": None,
                    "runId": None,
                    "warningText": None,
                    "allowedDecisions": ["allow-once", "allow-always", "deny"],
                },
                "createdAtMs": 1,
                "expiresAtMs": 2,
            },
        )
        found = row(Approval(id="q", command="x", created_at_ms=1, expires_at_ms=2, env=("A=b=c",)))["request"]
        self.assertEqual((found["envKeys"], found["env"]), (["A"], ["A=b=c"]))

    def test_not_for_ever(self) -> None:
        """An impossible answer is not offered."""
        asked = Approval(id="q", command="x", created_at_ms=1, expires_at_ms=2, can_always=False)
        self.assertEqual(allowed_decisions(asked), ["allow-once", "deny"])
