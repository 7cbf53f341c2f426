# -*- test-case-name: tests.auth.test_failures -*-
"""Texts and details as OpenClaw's clients know them from the wire."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth import ws_message
from openclaw_tx.auth.failures import REFUSALS, origin_not_allowed, rate_limited, unauthorized
from openclaw_tx.errors import GatewayError


class WireTests(SynchronousTestCase):
    """Against recorded traffic."""

    def test_recorded_texts(self) -> None:
        """The messages and details of a real gateway, word for word."""
        for code, reason, step, text in [
            (
                "AUTH_TOKEN_MISMATCH",
                "token_mismatch",
                "update_auth_credentials",
                "unauthorized: gateway token mismatch (use this gateway's gateway.auth.token or pair the device)",
            ),
            (
                "AUTH_TOKEN_MISSING",
                "token_missing",
                "update_auth_configuration",
                "unauthorized: gateway token missing (use this gateway's gateway.auth.token or pair the device)",
            ),
            (
                "AUTH_PASSWORD_MISMATCH",
                "password_mismatch",
                "update_auth_credentials",
                "unauthorized: gateway password mismatch (use this gateway's gateway.auth.password)",
            ),
            (
                "AUTH_PASSWORD_MISSING",
                "password_missing",
                "update_auth_configuration",
                "unauthorized: gateway password missing (use this gateway's gateway.auth.password)",
            ),
        ]:
            error = unauthorized(code)  # type: ignore[arg-type]
            self.assertEqual(ws_message(error), text)
            self.assertEqual(error.info.kind.ws, "INVALID_REQUEST")
            self.assertEqual(
                error.info.details,
                {
                    "code": code,
                    "authReason": reason,
                    "canRetryWithDeviceToken": False,
                    "recommendedNextStep": step,
                },
            )

    def test_rate_limited(self) -> None:
        """The lockout, with whole seconds, at least one."""
        error = rate_limited(19.461)
        self.assertEqual(error.info.retry_after, 20)
        self.assertEqual(rate_limited(0.0).info.retry_after, 1)
        self.assertEqual(ws_message(error), "unauthorized: too many failed authentication attempts (retry later)")
        self.assertEqual((error.info.details or {})["recommendedNextStep"], "wait_then_retry")

    def test_other_errors(self) -> None:
        """An error that is no refusal of authentication keeps its message."""
        self.assertEqual(ws_message(GatewayError("internal_error", "oh")), "oh")
        self.assertTrue(ws_message(origin_not_allowed()).startswith("origin not allowed (open the Control UI"))

    def test_fits_a_close_reason(self) -> None:
        """A close frame's reason holds 123 bytes."""
        for code, refusal in REFUSALS.items():
            self.assertLessEqual(len(refusal.text.encode()), 123, code)
