# -*- test-case-name: tests.cli.test_channels -*-
"""C{openclaw-tx channels} and C{message}: what they print; the way to a gateway is tested in tests.e2e."""

from __future__ import annotations

from typing import Any

from click.testing import CliRunner

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.channels import message, shown_list, shown_sent, shown_status

STATUS: dict[str, Any] = {
    "channelOrder": ["webchat", "webhook"],
    "channelAccounts": {
        "webchat": [{"accountId": "default", "running": True}],
        "webhook": [
            {"accountId": "ops", "running": True, "lastInboundAt": 1_700_000_000_000, "waiting": 2},
            {"accountId": "shop", "running": False, "lastError": "outUrl\x1b[2J answered 400"},
        ],
    },
}


class TextTests(SynchronousTestCase):
    """Pure parts."""

    def test_status(self) -> None:
        """A line for each account; nothing that a service says steers the terminal."""
        self.assertEqual(
            shown_status(STATUS).split("\n"),
            [
                "webchat  default  runs",
                "webhook  ops  runs  in 2023-11-14 22:13:20Z  2 waiting",
                "webhook  shop  off  failed: outUrl\\x1b[2J answered 400",
            ],
        )
        self.assertEqual(shown_status({"channelOrder": [], "channelAccounts": {}}), "No such channel.")

    def test_list(self) -> None:
        """A line for each channel."""
        self.assertEqual(shown_list(STATUS), "webchat  default\nwebhook  ops, shop")

    def test_sent(self) -> None:
        """With the message's id."""
        self.assertEqual(shown_sent({"channel": "webhook", "messageId": "m"}), "Sent over webhook: m")

    def test_nothing_to_say(self) -> None:
        """Is no message."""
        result = CliRunner().invoke(message, ["send", "--target", "ann"])
        self.assertEqual(result.exit_code, 2)
        self.assertIn("say something", result.output)
