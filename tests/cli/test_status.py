# -*- test-case-name: tests.cli.test_status -*-
"""C{openclaw-tx status}."""

from __future__ import annotations

import json

from click.testing import CliRunner, Result

from twisted.internet.error import ConnectionRefusedError

from openclaw_tx.cli.status import status
from tests.cli.doubles import NO_SECRETS, MemoryPlace
from tests.cli.recorded import STATUS, STATUS_GATEWAY, STATUS_OS
from tests.cli.test_gateway_status import StatusTestCase

TOLD = {
    "runtimeVersion": "9.9",
    "heartbeat": {},
    "channelSummary": [],
    "queuedSystemEvents": [],
    "runs": {"running": 1, "queued": 2},
    "sessions": {
        "count": 3,
        "defaults": {"model": "m"},
        "recent": [{"key": "agent:main:main", "age": 120_000, "model": "m"}],
        "byAgent": [{"agentId": "main", "path": "p", "count": 3}],
    },
}


class StatusTests(StatusTestCase):
    """Everything at a glance."""

    def setUp(self) -> None:
        """A gateway that tells something."""
        super().setUp()
        self.gateway.answers["status"] = TOLD

    def invoke(self, *words: str) -> Result:
        """Run it."""
        place = MemoryPlace(state_dir=str(self.state), gateway=self.gateway)
        return CliRunner().invoke(status, words, obj=place, env={**NO_SECRETS, "HOME": str(self.state)})

    def test_json(self) -> None:
        """The gateway's own answer, and around it OpenClaw's keys with what this side knows."""
        report = json.loads(self.invoke("--json").stdout)
        self.assertLessEqual(STATUS, report.keys())
        self.assertEqual(report["gateway"].keys(), STATUS_GATEWAY)
        self.assertEqual(report["os"].keys(), STATUS_OS)
        self.assertEqual(report["agents"]["agents"][0]["sessionsCount"], 3)
        self.assertEqual((report["agents"]["defaultId"], report["agents"]["totalSessions"]), ("main", 3))
        self.assertTrue(report["gateway"]["reachable"])
        self.assertNotIn("securityAudit", report)

    def test_text(self) -> None:
        """The same for people."""
        text = self.invoke().stdout
        for words in ("gateway 9.9", "3 stored", "1 running · 2 waiting", "agent:main:main", "2m"):
            self.assertIn(words, text)

    def test_deep(self) -> None:
        """The health is looked at anew, the set-up audited; --all shows every finding."""
        report = json.loads(self.invoke("--deep", "--json").stdout)
        self.assertEqual(self.gateway.requests[-1]["params"], {"probe": True})
        self.assertEqual(report["health"], {"ok": True})
        self.assertGreater(report["securityAudit"]["summary"]["warn"], 0)
        self.assertIn("gateway.token_too_short", self.invoke("--all").stdout)

    def test_no_gateway(self) -> None:
        """What is configured is shown all the same; exit code 0, as OpenClaw has it."""
        self.gateway.refusal = ConnectionRefusedError()
        result = self.invoke()
        self.assertEqual(result.exit_code, 0)
        self.assertIn("unreachable: nothing listens", result.stdout)
        self.assertIn("doctor", result.stderr)
        report = json.loads(self.invoke("--json").stdout)
        self.assertIsNone(report["agents"]["agents"][0]["sessionsCount"])
