# -*- test-case-name: tests.ws.rpc.test_lanes -*-
"""C{diagnostics.lanes}, which the Control UI's page for debugging shows nothing without."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.testing import MemoryGateway


class LanesTests(SynchronousTestCase):
    """Who is at work and who waits."""

    def setUp(self) -> None:
        self.memory = MemoryGateway({"agents": {"defaults": {"maxConcurrent": 1}}, "cron": {"maxConcurrentRuns": 3}})
        self.addCleanup(self.memory.close)
        self.client = self.memory.websocket()
        self.client.connect(scopes=("operator.read", "operator.write"))

    def lanes(self) -> tuple[dict[str, tuple[int, int, int]], Any]:
        """Lane -> at work, waiting, places; and those of the sessions."""
        answer = self.client.request("diagnostics.lanes")["payload"]
        self.assertEqual(answer["ts"], int(self.memory.clock.seconds() * 1000))
        rows = {row["lane"]: (row["activeCount"], row["queuedCount"], row["maxConcurrent"]) for row in answer["lanes"]}
        return rows, answer["dynamic"]

    def test_idle(self) -> None:
        """The lanes with their places."""
        rows, sessions = self.lanes()
        self.assertEqual(rows, {"cron": (0, 0, 3), "main": (0, 0, 1), "nested": (0, 0, 4), "subagent": (0, 0, 8)})
        self.assertIsNone(sessions)

    def test_at_work(self) -> None:
        """One runs, one waits behind it in its session, one for a place."""
        for number, key in enumerate(("main", "main", "other")):
            params = {"message": "hi", "sessionKey": f"agent:main:{key}", "idempotencyKey": f"r{number}"}
            self.assertTrue(self.client.request("agent", params)["ok"])
        rows, sessions = self.lanes()
        self.assertEqual(rows["main"], (1, 2, 1))
        self.assertEqual(sessions, {"laneCount": 2, "activeCount": 2, "queuedCount": 1, "queuedLaneCount": 1})
