# -*- test-case-name: tests.ws.rpc.test_catalog -*-
"""agents.list, models.list and sessions.list over real connections."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.values import AssistantMessage, TextPart, ToolResultMessage, UserMessage
from tests.ws.harness import START, House

NOW = int(START * 1000)


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
        }
        self.assertEqual(self.call("models.list"), {"models": [row]})
        self.assertEqual(self.call("models.list", agentId="beta", view="all"), {"models": [row]})
        self.assertEqual(self.call("models.list", provider="Stub", includeDetails=True), {"models": [row]})
        self.assertEqual(self.call("models.list", provider="other"), {"models": []})
        error = self.line.call("models.list", {"agentId": "zz"})["error"]
        self.assertEqual(error["message"], 'invalid models.list params: unknown agent id "zz"')

    def sessions(self) -> None:
        add = self.house.sessions.add
        add("agent:main:main", NOW - 60_000, total_tokens=1000, model_provider="stub", model="stub-1")
        add("agent:beta:work", NOW, label="Work", aborted_last_run=True)
        add("agent:main:old", NOW - 3_600_000, model_provider="gone", model="m")
        add("global", NOW - 1)

    def keys(self, **params: Any) -> list[str]:
        return [row["key"] for row in self.call("sessions.list", **params)["sessions"]]

    def test_sessions(self) -> None:
        """Newest first, with what is known of each."""
        self.sessions()
        found = self.call("sessions.list")
        self.assertEqual((found["ts"], found["count"], found["hasMore"], found["limitApplied"]), (NOW, 4, False, 100))
        self.assertEqual(found["defaults"], {"modelProvider": "stub", "model": "stub-1", "contextTokens": 128000})
        work, everywhere, main, old = found["sessions"]
        self.assertEqual((work["key"], work["label"], work["abortedLastRun"]), ("agent:beta:work", "Work", True))
        self.assertEqual((everywhere["key"], everywhere["kind"]), ("global", "global"))
        self.assertEqual((main["contextTokens"], main["totalTokens"], main["kind"]), (128000, 1000, "direct"))
        self.assertNotIn("contextTokens", old, "its model is not configured any more")

    def test_filters(self) -> None:
        """Filters, then the limit."""
        self.sessions()
        self.assertEqual(self.keys(limit=1), ["agent:beta:work"])
        self.assertTrue(self.call("sessions.list", limit=1)["hasMore"])
        self.assertEqual(self.keys(agentId="beta"), ["agent:beta:work"])
        self.assertEqual(self.keys(search="main:m"), ["agent:main:main"])
        self.assertEqual(self.keys(label="Work"), ["agent:beta:work"])
        self.assertEqual(self.keys(activeMinutes=5, includeGlobal=False), ["agent:beta:work", "agent:main:main"])

    def test_quotes(self) -> None:
        """Titles and previews, when asked for; never from what a tool said."""
        self.house.sessions.add(
            "agent:main:x",
            NOW,
            [
                ToolResultMessage(tool_call_id="1", text="tool"),
                UserMessage(content=(TextPart(text="first\n  line " + "x" * 100),)),
                AssistantMessage(text="last"),
                AssistantMessage(text=" "),
            ],
        )
        self.house.sessions.add("agent:main:empty", NOW - 1)
        row, empty = self.call("sessions.list", includeDerivedTitles=True, includeLastMessage=True)["sessions"]
        self.assertEqual(row["lastMessagePreview"], "last")
        self.assertTrue(row["derivedTitle"].startswith("first line xxx"))
        self.assertEqual(len(row["derivedTitle"]), 80)
        self.assertNotIn("derivedTitle", empty)
        plain = self.call("sessions.list")["sessions"][0]
        self.assertNotIn("lastMessagePreview", plain)
