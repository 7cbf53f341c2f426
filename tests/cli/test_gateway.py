# -*- test-case-name: tests.cli.test_gateway -*-
"""C{openclaw-tx gateway call} and C{health}, on a gateway in memory."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.gateway import gateway
from tests.cli.doubles import MemoryPlace, ScriptedGateway


class VerbTestCase(SynchronousTestCase):
    """A gateway to talk to."""

    def setUp(self) -> None:
        """Let everybody in."""
        self.gateway = ScriptedGateway()
        self.place = MemoryPlace(state_dir=self.mktemp(), gateway=self.gateway)

    def invoke(self, *words: str) -> Result:
        """Run a verb of C{gateway}."""
        return CliRunner().invoke(gateway, words, obj=self.place)


class CallTests(VerbTestCase):
    """gateway call."""

    def test_json(self) -> None:
        """The payload alone; the params as given; with the scopes of an admin."""
        self.gateway.answers["sessions.list"] = {"count": 2}
        result = self.invoke("call", "sessions.list", "--params", '{"limit": 2}', "--json")
        self.assertEqual((result.exit_code, json.loads(result.stdout)), (0, {"count": 2}))
        self.assertEqual(self.gateway.requests[-1]["params"], {"limit": 2})
        self.assertIn("operator.admin", self.place.scopes[0])

    def test_text(self) -> None:
        """A line that says what was called, then the payload."""
        self.gateway.answers["health"] = {"ok": True}
        self.assertEqual(self.invoke("call", "health").stdout, 'Gateway call: health\n{\n  "ok": true\n}\n')

    def test_refused(self) -> None:
        """The gateway's words on standard error, exit code 1, nothing on standard output."""
        self.gateway.answers["nope"] = self.gateway.refusing("unknown method: nope")
        result = self.invoke("call", "nope", "--json")
        self.assertEqual((result.exit_code, result.stdout), (1, ""))
        self.assertEqual(result.stderr, "Error: Gateway call failed: unknown method: nope\n")

    def test_bad_params(self) -> None:
        """What is no JSON object is refused before anybody is asked."""
        for text, words in (("{", "not JSON"), ("[1]", "must be a JSON object")):
            result = self.invoke("call", "x", "--params", text)
            self.assertEqual(result.exit_code, 1)
            self.assertIn(words, result.stderr)
        self.assertEqual(self.gateway.requests, [])

    def run_agent(self, request: dict[str, Any]) -> None:
        """Say that a run began, then its result."""
        self.gateway.respond(request, {"status": "accepted", "runId": "r"})
        self.gateway.respond(request, {"status": "ok", "runId": "r"})

    def test_expect_final(self) -> None:
        """The first answer is the one, unless the result is waited for."""
        self.gateway.answers["agent"] = self.run_agent
        for option, status in (([], "accepted"), (["--expect-final"], "ok")):
            result = self.invoke("call", "agent", "--json", *option)
            self.assertEqual(json.loads(result.stdout)["status"], status)


class HealthTests(VerbTestCase):
    """gateway health."""

    def test_well(self) -> None:
        """OpenClaw's two lines, or the whole answer."""
        self.gateway.answers["health"] = {"ok": True}
        self.assertRegex(self.invoke("health").stdout, r"^Gateway Health\nOK \(\d+ms\)\n$")
        self.assertEqual(json.loads(self.invoke("health", "--json").stdout), {"ok": True})

    def test_not_well(self) -> None:
        """Exit code 1, and why."""
        self.gateway.answers["health"] = {"ok": False, "error": "the disk is full"}
        result = self.invoke("health")
        self.assertEqual((result.exit_code, result.stdout), (1, "Gateway Health\nnot well: the disk is full\n"))
        self.assertEqual(self.invoke("health", "--json").exit_code, 1)
