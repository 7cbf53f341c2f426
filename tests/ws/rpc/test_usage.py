# -*- test-case-name: tests.ws.rpc.test_usage -*-
"""L{openclaw_tx.ws.rpc.usage}: through a whole gateway."""

from __future__ import annotations

import os
import time
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.keys import hash_of
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.values import Usage
from openclaw_tx.ws.rpc.usage_days import DaysParams, days_of

TODAY = "2023-11-14"
"""By the clock of the test, at 22:13 UTC."""
PRICES = {
    "models": {
        "providers": {
            "scripted": {
                "baseUrl": "http://127.0.0.1:9/v1",
                "models": [{"id": "model", "cost": {"input": 1, "output": 10, "cacheRead": 0.5}}],
            }
        }
    }
}
KEYS = {
    "gateway": {
        "auth": {
            "keys": [
                {"label": "beta", "hash": hash_of("b" * 32), "agents": ["beta"], "sessionPrefix": ""},
                {"label": "bound", "hash": hash_of("s" * 32), "sessionPrefix": "x:"},
            ]
        }
    }
}


class UsageCase(SynchronousTestCase):
    """A gateway whose model tells what it takes."""

    config: Any = {**PRICES, **KEYS}

    def setUp(self) -> None:
        """Connected."""
        self.memory = MemoryGateway(self.config)
        self.addCleanup(self.memory.close)
        self.client = self.memory.websocket()
        self.client.connect()

    def run_agent(self, agent_id: str = "main", prompt: int = 1000, answer: int = 100, cached: int = 0) -> None:
        """A stateless run over HTTP."""
        self.memory.model.say("hi", usage=Usage(prompt_tokens=prompt, completion_tokens=answer, cached_tokens=cached))
        body = {"model": f"openclaw:{agent_id}", "messages": [{"role": "user", "content": "hi"}]}
        self.assertEqual(self.memory.post("/v1/chat/completions", body).code, 200)
        self.memory.advance(1.5)

    def cost(self, **params: Any) -> Any:
        """The answer."""
        answer = self.client.request("usage.cost", params)
        self.assertTrue(answer["ok"], answer)
        return answer["payload"]


class CostTests(UsageCase):
    """C{usage.cost}."""

    def test_days(self) -> None:
        """Thirty days up to today, each with a row; runs without a session count as well."""
        self.run_agent(cached=400)
        self.run_agent("beta")
        found = self.cost()
        self.assertEqual((found["days"], len(found["daily"]), found["daily"][-1]["date"]), (30, 30, TODAY))
        today = found["daily"][-1]
        self.assertEqual(
            {key: today[key] for key in ("input", "output", "cacheRead", "cacheWrite", "totalTokens", "runs")},
            {"input": 1600, "output": 200, "cacheRead": 400, "cacheWrite": 0, "totalTokens": 2200, "runs": 2},
        )
        self.assertEqual(
            (today["inputCost"], today["outputCost"], today["cacheReadCost"], today["totalCost"]),
            (0.0016, 0.002, 0.0002, 0.0038),
        )
        self.assertEqual({**found["totals"], "date": TODAY}, today)
        self.assertEqual(found["totals"]["missingCostEntries"], 0)
        (model,) = found["byModel"]
        self.assertEqual((model["provider"], model["model"], model["totalTokens"]), ("scripted", "model", 2200))
        self.assertEqual(found["daily"][0]["totalTokens"], 0)

    def test_killed(self) -> None:
        """A second after its end what a run took outlives the process."""
        self.run_agent()
        self.memory = MemoryGateway(self.config, after=self.memory)
        self.addCleanup(self.memory.close)
        self.client = self.memory.websocket()
        self.client.connect()
        self.assertEqual(self.cost()["totals"]["totalTokens"], 1100)

    def test_no_price(self) -> None:
        """Runs of models without a price are counted as such."""
        bare = MemoryGateway()
        self.addCleanup(bare.close)
        self.memory = bare
        self.client = bare.websocket()
        self.client.connect()
        self.run_agent()
        totals = self.cost()["totals"]
        self.assertEqual((totals["totalCost"], totals["missingCostEntries"], totals["totalTokens"]), (0, 1, 1100))

    def test_agent(self) -> None:
        """One agent's, an unknown one's, and what does not go together."""
        self.run_agent()
        self.run_agent("beta", prompt=5)
        for name in ("beta", "Beta "):
            self.assertEqual(self.cost(agentId=name)["totals"]["input"], 5)
        self.assertEqual(self.cost(agentScope="all")["totals"]["runs"], 2)
        for params in ({"agentId": "nope"}, {"agentId": "beta", "agentScope": "all"}):
            self.assertEqual(self.client.request("usage.cost", params)["error"]["code"], "INVALID_REQUEST")

    def test_later(self) -> None:
        """The day is that of the run's end, in the zone that is asked for."""
        self.run_agent()
        self.memory.advance(2 * 3600)  # 00:13 of the next day
        self.run_agent()
        days = {row["date"]: row["runs"] for row in self.cost(days=2)["daily"]}
        self.assertEqual(days, {TODAY: 1, "2023-11-15": 1})
        found = self.cost(days=1, mode="specific", timeZone="America/New_York")
        self.assertEqual([(row["date"], row["runs"]) for row in found["daily"]], [(TODAY, 2)])
        found = self.cost(days=1, mode="specific", utcOffset="UTC+2")
        self.assertEqual([(row["date"], row["runs"]) for row in found["daily"]], [("2023-11-15", 2)])
        found = self.cost(startDate=TODAY, endDate=TODAY)
        self.assertEqual([(row["date"], row["runs"]) for row in found["daily"]], [(TODAY, 1)])
        self.assertEqual(self.cost(range="7d")["days"], 7)
        self.cost(mode="gateway")

    def test_summer(self) -> None:
        """The machine's midnight is that of the day, whatever the time of the year is when somebody asks."""
        self.addCleanup(self.set_zone, os.environ.get("TZ"))
        self.set_zone("Europe/Berlin")
        for day in ("2023-07-01", "2023-12-01"):
            about = DaysParams(start_date=day, end_date=day, mode="gateway")
            named = replace(about, mode="specific", time_zone="Europe/Berlin")
            here, there = (days_of("usage.cost", params, 1_700_000_000.0) for params in (about, named))
            self.assertEqual((here.start_ms, here.end_ms), (there.start_ms, there.end_ms))
            for at in range(here.start_ms // 1000 - 7200, here.end_ms // 1000 + 7200, 1800):
                self.assertEqual(
                    datetime.fromtimestamp(at, here.zone).date(), datetime.fromtimestamp(at, there.zone).date()
                )

    def set_zone(self, name: str | None) -> None:
        """Move this machine."""
        if name is None:
            os.environ.pop("TZ", None)
        else:
            os.environ["TZ"] = name
        time.tzset()

    def test_midnight_within_an_hour(self) -> None:
        """The last half hour of a day belongs to it, where midnight is not at a whole hour of UTC."""
        self.run_agent()
        found = self.cost(days=1, mode="specific", utcOffset="UTC+1:30")
        self.assertEqual((found["daily"][0]["date"], found["totals"]["runs"]), (TODAY, 1))

    def test_bad_days(self) -> None:
        """Days that are none, too many, or the wrong way round."""
        for params in (
            {"startDate": "2023-02-30"},
            {"startDate": "2000-01-01"},
            {"startDate": "2023-11-15", "endDate": "2023-11-14"},
            {"startDate": "yesterday"},
            {"days": 0},
            {"mode": "specific"},
            {"mode": "specific", "timeZone": "../etc/passwd"},
            {"mode": "specific", "utcOffset": "UTC+99"},
        ):
            self.assertEqual(self.client.request("usage.cost", params)["error"]["code"], "INVALID_REQUEST", params)

    def test_keys(self) -> None:
        """A key sees the counts of its agents; one that is bound to sessions none, for they are not counted."""
        self.run_agent()
        self.run_agent("beta", prompt=5)
        self.client = self.memory.websocket()
        self.client.connect(token="b" * 32)
        self.assertEqual(self.cost()["totals"]["input"], 5)
        self.client = self.memory.websocket()
        self.client.connect(token="s" * 32)
        self.assertEqual(self.client.request("usage.cost")["error"]["code"], "FORBIDDEN")


class StatusTests(UsageCase):
    """C{usage.status}."""

    def test_providers(self) -> None:
        """Those that are configured; no quota is known."""
        found = self.client.request("usage.status")["payload"]
        self.assertEqual(found["providers"], [{"provider": "scripted", "displayName": "scripted", "windows": []}])
