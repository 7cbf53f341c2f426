# -*- test-case-name: tests.ws.rpc.test_health -*-
"""health and status over real connections."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx._version import __version__
from openclaw_tx.auth.actions import READ
from openclaw_tx.values import Principal, RunRequest
from tests.ws.harness import START, House

NOW = int(START * 1000)


class HealthTests(SynchronousTestCase):
    """health."""

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(self.house.close)
        self.line = self.house.ready(scopes=[READ])
        for number in range(7):
            self.house.sessions.add(f"agent:main:{number}", NOW - number)

    def health(self, **params: Any) -> Any:
        return self.line.call("health", params)["payload"]

    def test_report(self) -> None:
        """Agents and sessions as they are; nothing is claimed of channels and heartbeats."""
        report = self.health()
        self.assertEqual((report["ok"], report["ts"], report["defaultAgentId"]), (True, NOW, "main"))
        self.assertEqual((report["channels"], report["channelOrder"], report["heartbeatSeconds"]), ({}, [], 0))
        main, beta = report["agents"]
        self.assertEqual((main["sessions"]["count"], len(main["sessions"]["recent"])), (7, 5))
        self.assertEqual(main["sessions"]["recent"][1], {"key": "agent:main:1", "updatedAt": NOW - 1, "age": 1})
        self.assertEqual((beta["isDefault"], beta["sessions"]["count"]), (False, 0))
        self.assertEqual(report["sessions"]["count"], 7)

    def test_cached(self) -> None:
        """Asked again within a minute, the store is left alone, unless a probe is wanted."""
        self.health()
        asked = self.house.sessions.asked
        self.house.advance(59)
        self.assertEqual(self.health()["ts"], NOW)
        self.assertEqual(self.house.sessions.asked, asked)
        self.assertEqual(self.health(probe=True)["ts"], NOW + 59_000)

    def test_asked_together(self) -> None:
        """Two that ask at the same time share one look."""
        gate: Deferred[None] = Deferred()
        count = self.house.sessions.count

        async def slow(agent_id: str | None = None) -> int:
            await gate
            return await count(agent_id)

        self.house.sessions.count = slow  # type: ignore[method-assign]
        first, second = self.line.ask("health"), self.line.ask("health")
        self.assertEqual(self.line.answers(first) + self.line.answers(second), [])
        gate.callback(None)
        self.assertTrue(self.line.answers(first)[0]["ok"] and self.line.answers(second)[0]["ok"])
        self.assertEqual(self.house.sessions.asked, 4)

    def test_asked_together_and_left(self) -> None:
        """When the one that looks leaves, or fails, another one looks."""
        gates: list[Deferred[None]] = []
        count = self.house.sessions.count

        async def slow(agent_id: str | None = None) -> int:
            gate: Deferred[None] = Deferred()
            gates.append(gate)
            await gate
            return await count(agent_id)

        self.house.sessions.count = slow  # type: ignore[method-assign]
        other = self.house.ready(scopes=[READ])
        other.ask("health")
        id = self.line.ask("health")
        other.client.transport.loseConnection()
        other.pump.flush()
        self.assertEqual(len(gates), 2)
        gates[1].callback(None)
        gates[2].callback(None)
        self.assertTrue(self.line.answers(id)[0]["payload"]["ok"])

    def test_without_scope(self) -> None:
        """Who may not list sessions sees how many there are, not which."""
        report = self.house.ready(scopes=[]).call("health")["payload"]
        self.assertEqual(report["sessions"]["count"], 7)
        self.assertNotIn("agent:main:1", json.dumps(report))

    def test_store_is_away(self) -> None:
        """Then the gateway is not well, and says why."""
        self.house.sessions.broken = True
        self.assertEqual(self.health(), {"ok": False, "error": "The store is away."})


class StatusTests(SynchronousTestCase):
    """status."""

    def test_status(self) -> None:
        """Version, uptime, agents, runs and sessions of the moment."""
        house = House()
        self.addCleanup(house.close)
        house.sessions.add(
            "agent:main:a",
            NOW,
            model_provider="stub",
            model="stub-1",
            total_tokens=32_000,
            aborted_last_run=True,
            session_id="s",
        )
        owner = Principal(id="p", method="token", scopes=frozenset())
        for run_id in ("1", "2"):
            request = RunRequest(run_id=run_id, agent_id="main", session_key="agent:main:a", messages=())
            house.engine.start(request, owner)
        house.engine.runs["1"].start()
        house.advance(2)
        status = house.ready().call("status", {"includeChannelSummary": False})["payload"]
        self.assertEqual((status["runtimeVersion"], status["uptimeMs"]), (__version__, 2000))
        self.assertEqual([agent["agentId"] for agent in status["agents"]], ["main", "beta"])
        self.assertEqual(status["runs"], {"running": 1, "queued": 1})
        sessions = status["sessions"]
        self.assertEqual((sessions["count"], sessions["byAgent"][0]["count"]), (1, 1))
        self.assertEqual(sessions["byAgent"][0]["recent"], sessions["recent"])
        row = sessions["recent"][0]
        self.assertEqual((row["age"], row["remainingTokens"], row["percentUsed"]), (2000, 96_000, 25))
        self.assertEqual(row["flags"], ["aborted", "id:s"])

    def test_store_is_away(self) -> None:
        """Then there is no status, and it may be asked again."""
        house = House()
        self.addCleanup(house.close)
        house.sessions.broken = True
        error = house.ready().call("status")["error"]
        self.assertEqual((error["code"], error["retryable"]), ("UNAVAILABLE", True))
