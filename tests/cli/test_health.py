# -*- test-case-name: tests.cli.test_health -*-
"""What C{openclaw-tx health} prints."""

from __future__ import annotations

import json

from click.testing import CliRunner

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.health import render
from openclaw_tx.cli.main import main

PAYLOAD = {
    "ok": True,
    "agents": [
        {"agentId": "main", "name": "Ada", "isDefault": True, "sessions": {"count": 1}},
        {"agentId": "beta", "name": "beta", "isDefault": False, "sessions": {"count": 2}},
    ],
}


class RenderTests(SynchronousTestCase):
    """The answer for the terminal."""

    def test_text(self) -> None:
        """Where it is, its version, who answers there."""
        self.assertEqual(
            render(PAYLOAD, {"server": {"version": "1.0"}}, "ws://x/", False),
            "ws://x/ is up (version 1.0)\n  agent main (Ada, default): 1 session\n  agent beta: 2 sessions",
        )

    def test_steering(self) -> None:
        """A name does not steer the terminal."""
        payload = {"agents": [{"agentId": "main", "name": "A\x1b[2J"}]}
        self.assertIn(r"agent main (A\x1b[2J)", render(payload, {}, "ws://x/", False))

    def test_json(self) -> None:
        """The gateway's own answer, whole."""
        self.assertEqual(json.loads(render(PAYLOAD, {}, "ws://x/", True)), PAYLOAD)

    def test_little_known(self) -> None:
        """A gateway that says little is up all the same."""
        for payload in ({}, {"agents": [{}]}, None, {"agents": None}):
            self.assertIn("ws://x/ is up", render(payload, {}, "ws://x/", False))

    def test_url_without_secret(self) -> None:
        """--url needs a secret of its own."""
        result = CliRunner().invoke(main, ["health", "--url", "wss://x"], env={"HOME": self.mktemp()})
        self.assertEqual(result.exit_code, 1)
        self.assertIn("--token or --password", result.stderr)
