# -*- test-case-name: tests.ws.rpc.test_catalog -*-
"""agents.list and models.list over real connections."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.ws.harness import House


class CatalogTests(SynchronousTestCase):
    """The lists."""

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(self.house.close)
        self.line = self.house.ready()

    def call(self, method: str, **params: Any) -> Any:
        return self.line.call(method, params)["payload"]

    def test_agents(self) -> None:
        """Who there is, and who answers by default; the January form is short."""
        row = {"id": "main", "kind": "agent", "model": {"primary": "stub/stub-1"}}
        found = self.call("agents.list")
        self.assertEqual((found["defaultId"], found["mainKey"], found["scope"]), ("main", "main", "per-sender"))
        self.assertEqual(found["agents"], [row, {**row, "id": "beta", "name": "Beta"}])
        old = self.house.ready(minProtocol=3, maxProtocol=3).call("agents.list")["payload"]
        self.assertEqual(old["agents"], [{"id": "main"}, {"id": "beta", "name": "Beta"}])

    def test_models(self) -> None:
        """All models, or those of an agent."""
        row = {
            "id": "stub-1",
            "name": "Stub One",
            "provider": "stub",
            "contextWindow": 128000,
            "reasoning": False,
            "input": ["text"],
            "tags": ["default"],
            "available": True,
        }
        self.assertEqual(self.call("models.list"), {"models": [row]})
        for name in ("beta", " Beta"):
            self.assertEqual(self.call("models.list", agentId=name, view="all"), {"models": [row]})
        self.assertEqual(self.call("models.list", provider="Stub", includeDetails=True), {"models": [row]})
        self.assertEqual(self.call("models.list", provider="other"), {"models": []})
        error = self.line.call("models.list", {"agentId": "zz"})["error"]
        self.assertEqual(error["message"], 'invalid models.list params: unknown agent id "zz"')
