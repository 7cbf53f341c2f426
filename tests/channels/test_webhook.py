# -*- test-case-name: tests.channels.test_webhook -*-
"""Webhooks through a whole gateway: in, to an agent, and out."""

from __future__ import annotations

from tests.channels.gateways import OUT_SECRET, URL, WebhookCase


class ThroughTests(WebhookCase):
    """Messages and answers."""

    def test_answered(self) -> None:
        """What a service says goes to an agent, and the answer to the service, signed and named."""
        answer = self.say("Hello.")
        self.assertEqual(answer.code, 202, answer.text())
        run_id = answer.json()["runId"]
        self.assertEqual(answer.json(), {"ok": True, "runId": run_id})
        self.assertEqual(self.memory.model.calls[0].request.messages[-1].text, "Hello.")
        self.answer("Hi.")
        [posted] = self.poster.posted
        self.assertEqual(posted.json, {"id": run_id, "peer": {"kind": "dm", "id": "ann"}, "text": "Hi."})
        self.assertEqual((posted.url, posted.loopback), (URL, False))
        self.assertEqual(posted.headers["Idempotency-Key"], run_id)
        self.assertTrue(posted.is_signed(OUT_SECRET))
        self.assertFalse(posted.is_signed("a-secret-for-webhooks"))
