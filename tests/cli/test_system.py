# -*- test-case-name: tests.cli.test_system -*-
"""C{openclaw-tx system}."""

from __future__ import annotations

import json

from click.testing import CliRunner, Result

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.system import system
from tests.cli.doubles import MemoryPlace, ScriptedGateway


class SystemTests(SynchronousTestCase):
    """On a gateway in memory."""

    def setUp(self) -> None:
        """A gateway that knows both methods."""
        self.gateway = ScriptedGateway()
        row = {"host": "vm\x1b[2J", "mode": "gateway", "version": "1", "reason": "self"}
        self.gateway.answers |= {"wake": {"ok": True}, "system-presence": [row, {"text": "hello"}]}

    def invoke(self, *words: str) -> Result:
        """Run a verb of C{system}."""
        return CliRunner().invoke(system, words, obj=MemoryPlace(state_dir=self.mktemp(), gateway=self.gateway))

    def test_event(self) -> None:
        """Mode and text, as OpenClaw's own command sends them; the answer is its word."""
        self.assertEqual(self.invoke("event", "--text", "hello", "--mode", "now").stdout, "ok\n")
        self.assertEqual(self.gateway.requests[-1]["params"], {"mode": "now", "text": "hello"})
        self.assertEqual(json.loads(self.invoke("event", "--text", "x", "--json").stdout), {"ok": True})
        self.assertEqual(self.gateway.requests[-1]["params"]["mode"], "next-heartbeat")

    def test_empty_event(self) -> None:
        """Nothing happened: nobody is told."""
        self.assertEqual(self.invoke("event", "--text", " ").exit_code, 1)
        self.assertEqual(self.gateway.requests, [])

    def test_presence(self) -> None:
        """A row each, which can not steer the terminal."""
        text = self.invoke("presence").stdout
        self.assertIn("vm\\x1b[2J", text)
        self.assertIn("hello", text)
        self.assertEqual(len(json.loads(self.invoke("presence", "--json").stdout)), 2)
