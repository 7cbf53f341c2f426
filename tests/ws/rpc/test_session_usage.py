# -*- test-case-name: tests.ws.rpc.test_session_usage -*-
"""L{openclaw_tx.ws.rpc.session_usage} and what it is made of: through a whole gateway."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from twisted.internet.defer import CancelledError, Deferred

from openclaw_tx.auth.actions import READ
from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import in_reactor_thread
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import (
    AssistantMessage,
    Principal,
    SessionEntry,
    SessionFilter,
    SessionPage,
    SessionTally,
    Tallies,
    TextPart,
    Usage,
    UsageRow,
    UserMessage,
)
from openclaw_tx.ws.methods import Call
from openclaw_tx.ws.rpc import session_usage, usage_report
from openclaw_tx.ws.rpc.session_usage import SessionsUsageParams, SessionUsageMethods, logs_of, points_of
from openclaw_tx.ws.rpc.usage_counts import Waits
from tests.ws.rpc.test_usage import KEYS, PRICES, TODAY, UsageCase

MAIN = "agent:main:main"


class SessionUsageCase(UsageCase):
    """A gateway whose sessions are asked about."""

    config: Any = {**PRICES, **KEYS}

    def turn(
        self, key: str = MAIN, prompt: int = 1000, cached: int = 0, agent_id: str = "main", tool: str = ""
    ) -> None:
        """A run in a session, over HTTP; it takes a hundred tokens of answer, or two of these after a tool."""
        took = Usage(prompt_tokens=prompt, completion_tokens=100, cached_tokens=cached)
        if tool:
            self.memory.model.call_tool(tool, {})
        self.memory.model.say("hello", usage=took)
        body = {"model": f"openclaw:{agent_id}", "messages": [{"role": "user", "content": "hi"}]}
        answer = self.memory.post("/v1/chat/completions", body, headers={"x-openclaw-session-key": key})
        self.assertEqual(answer.code, 200)
        self.memory.advance(1.5)

    def answer(self, method: str = "sessions.usage", **params: Any) -> Any:
        """The payload."""
        answer = self.client.request(method, params)
        self.assertTrue(answer["ok"], answer)
        return answer["payload"]

    def refusal(self, method: str = "sessions.usage", **params: Any) -> str:
        """Why it is refused."""
        answer = self.client.request(method, params)
        self.assertFalse(answer["ok"], answer)
        self.assertEqual(answer["error"]["code"], "INVALID_REQUEST")
        return str(answer["error"]["message"])

    def connect(self, token: str) -> None:
        """Come with another credential."""
        self.client = self.memory.websocket()
        self.client.connect(token=token)


class SessionsUsageTests(SessionUsageCase):
    """C{sessions.usage}."""

    def test_row(self) -> None:
        """A session with what happened in it: tokens, dollars, messages, tools, by day, quarter and model."""
        self.turn(cached=400)
        self.turn(tool="session_status")
        found = self.answer(limit=10, startDate="2023-11-10", endDate=TODAY)
        (row,) = found["sessions"]
        self.assertEqual((row["key"], row["agentId"], row["scope"], row["label"]), (MAIN, "main", "instance", "hi"))
        self.assertEqual((row["modelProvider"], row["model"], row["hasContextWeight"]), ("scripted", "model", True))
        usage = row["usage"]
        self.assertEqual(usage["sessionId"], row["sessionId"])
        self.assertEqual(usage["messageCounts"]["total"], 5)
        self.assertEqual(
            usage["messageCounts"],
            {"total": 5, "user": 2, "assistant": 3, "toolCalls": 1, "toolResults": 1, "errors": 0},
        )
        self.assertEqual(
            usage["toolUsage"],
            {"totalCalls": 1, "uniqueTools": 1, "tools": [{"name": "session_status", "count": 1}]},
        )
        # 600 + 1000 fresh ones, and the 10 and 5 of the model's call of a tool.
        self.assertEqual((usage["input"], usage["cacheRead"], usage["output"]), (1610, 400, 205))
        self.assertEqual(usage["totalTokens"], 2215)
        self.assertEqual((usage["inputCost"], usage["outputCost"], usage["totalCost"]), (0.00161, 0.00205, 0.00386))
        self.assertEqual(usage["activityDates"], [TODAY])
        (day,) = usage["dailyBreakdown"]
        self.assertEqual((day["date"], day["tokens"], day["cost"], day["cacheRead"]), (TODAY, 2215, 0.00386, 400))
        (messages,) = usage["utcQuarterHourMessageCounts"]
        self.assertEqual((messages["date"], messages["quarterIndex"], messages["total"]), (TODAY, 22 * 4, 5))
        (tokens,) = usage["utcQuarterHourTokenUsage"]
        self.assertEqual((tokens["quarterIndex"], tokens["totalTokens"]), (22 * 4, 2215))
        (model,) = usage["modelUsage"]
        self.assertEqual((model["provider"], model["model"], model["count"]), ("scripted", "model", 3))
        self.assertEqual(usage["dailyModelUsage"][0]["count"], 3)
        self.assertEqual(usage["latency"]["count"], 3)
        self.assertEqual(usage["lastActivity"] - usage["firstActivity"], usage["durationMs"])
        self.assertEqual((found["startDate"], found["endDate"]), ("2023-11-10", TODAY))
        self.assertEqual(found["cacheStatus"]["status"], "fresh")

    def test_sums(self) -> None:
        """All sessions together, newest first; by agent, model, provider, day and who started them."""
        self.turn()
        self.turn("agent:beta:main", prompt=50, agent_id="beta")
        found = self.answer(agentScope="all")
        self.assertEqual([row["agentId"] for row in found["sessions"]], ["beta", "main"])
        self.assertEqual(found["totals"]["totalTokens"], 1250)
        sums = found["aggregates"]
        self.assertEqual((sums["sessionCount"], sums["messages"]["total"]), (2, 4))
        self.assertEqual([row["agentId"] for row in sums["byAgent"]], ["main", "beta"])
        self.assertEqual(sums["byModel"][0]["totals"], found["totals"])
        self.assertEqual(sums["byProvider"], [{"provider": "scripted", "count": 2, "totals": found["totals"]}])
        self.assertEqual(sums["costDaily"], [{"date": TODAY, **found["totals"]}])
        self.assertEqual(sums["daily"][0]["messages"], 4)
        (creator,) = sums["byCreator"]
        self.assertEqual((creator["totals"], creator["sessionCount"]), (found["totals"], 2))
        self.assertEqual(creator["sessionActivity"], [{"dates": [TODAY], "sessionCount": 2}])
        self.assertEqual(found["creatorOptions"], [{"key": '["unknown"]'}])

    def test_used_meanwhile(self) -> None:
        """A session that moves to the next page while they are read counts once."""
        self.turn()
        self.turn("agent:main:other")
        sessions = self.memory.gateway._house.sessions
        select = sessions.select

        async def moved(wanted: SessionFilter, *, limit: int, offset: int) -> SessionPage:
            page = await select(wanted, limit=limit, offset=max(0, offset - 1))
            return replace(page, total=page.total + 1)

        self.patch(session_usage, "PAGE", 1)
        self.patch(sessions, "select", moved)
        found = self.answer()
        self.assertEqual((len(found["sessions"]), found["totals"]["totalTokens"]), (2, 2200))

    def test_same_sums(self) -> None:
        """Runs without a session count as well: the sums are those of C{usage.cost}."""
        self.turn(cached=300)
        self.run_agent(prompt=20)
        self.run_agent("beta", cached=500)
        found, cost = self.answer(), self.cost()["totals"]
        self.assertEqual({**found["totals"], "runs": 3}, cost)
        self.assertEqual(len(found["sessions"]), 1)
        self.assertEqual(found["aggregates"]["costDaily"][0], {"date": TODAY, **found["totals"]})
        self.assertEqual(found["aggregates"]["modelDaily"][0]["count"], 3)
        self.assertEqual([row["agentId"] for row in found["aggregates"]["byAgent"]], ["main", "beta"])
        self.assertEqual(
            found["aggregates"]["byCreator"][0]["totals"],
            found["sessions"][0]["usage"] and {name: found["sessions"][0]["usage"][name] for name in found["totals"]},
        )
        for name in ("beta", " BETA"):
            self.assertEqual(self.answer(agentId=name)["totals"]["cacheRead"], 500)
        self.assertEqual(self.answer(key=MAIN)["totals"]["input"], 700)

    def test_days(self) -> None:
        """Only what happened in the days that are asked for, by the midnight of the zone."""
        self.turn()
        self.memory.advance(2 * 3600)  # 00:13 of the next day
        self.turn(prompt=7)
        self.run_agent(prompt=3)
        found = self.answer(startDate=TODAY, endDate=TODAY)
        self.assertEqual((found["totals"]["input"], found["sessions"][0]["usage"]["input"]), (1000, 1000))
        self.assertEqual(self.answer(days=1)["totals"]["input"], 10)
        found = self.answer(days=1, mode="specific", timeZone="America/New_York")
        self.assertEqual(found["totals"]["input"], 1010)
        found = self.answer(range="all")
        self.assertEqual((found["startDate"], found["totals"]["input"]), ("1970-01-01", 1010))
        self.assertEqual([day["date"] for day in found["aggregates"]["daily"]], [TODAY, "2023-11-15"])
        self.assertEqual(self.answer(startDate="2023-01-01", endDate="2023-01-02")["sessions"], [])
        self.assertEqual(self.answer(startDate="2024-01-01", endDate="2024-01-02")["sessions"], [])
        found = self.answer(days=1, mode="specific", utcOffset="UTC+5:30")
        self.assertEqual(found["totals"]["input"], 1010)

    def test_one_session(self) -> None:
        """By key, in short as well; one in which nothing happened in these days has an empty row."""
        self.turn()
        self.turn("other")
        (row,) = self.answer(key="other")["sessions"]
        self.assertEqual((row["key"], "contextWeight" in row), ("agent:main:other", False))
        (row,) = self.answer(key=MAIN, startDate="2023-01-01", endDate="2023-01-02")["sessions"]
        self.assertEqual((row["usage"]["totalTokens"], row["usage"]["activityDates"]), (0, []))
        self.assertNotIn("firstActivity", row["usage"])

    def test_weight(self) -> None:
        """What the prompt of its next run would be made of; paths are for administrators."""
        self.turn()
        self.turn(agent_id="beta", key="agent:beta:main")
        rows = self.answer(includeContextWeight=True)["sessions"]
        for row in rows:
            weight = row["contextWeight"]
            self.assertEqual((weight["source"], weight["sessionKey"]), ("estimate", row["key"]))
            self.assertEqual((weight["sessionId"], weight["model"]), (row["sessionId"], "model"))
            self.assertGreater(weight["systemPrompt"]["chars"], 0)
            self.assertTrue(weight["tools"]["entries"])
        self.assertNotIn(self.memory._directory, str(rows))
        self.client = self.memory.websocket()
        self.client.connect(scopes=["operator.admin"])
        weight = self.answer(key=MAIN, includeContextWeight=True)["sessions"][0]["contextWeight"]
        self.assertTrue(weight["workspaceDir"].startswith(self.memory._directory))

    def test_no_weight(self) -> None:
        """Of a session whose model is gone it can not be told."""
        self.turn()
        entries = self.memory.gateway._house.sessions

        def change(entry: SessionEntry) -> SessionEntry:
            return replace(entry, settings=replace(entry.settings, provider_override="old", model_override="gone"))

        self.successResultOf(Deferred.fromCoroutine(entries.patch(MAIN, change)))
        (row,) = self.answer(includeContextWeight=True)["sessions"]
        self.assertEqual((row["hasContextWeight"], row["contextWeight"]), (False, None))

    def test_family(self) -> None:
        """A key's earlier sessions are not counted; that is said."""
        self.turn()
        for asked in ({"groupBy": "family"}, {"includeHistorical": True}):
            (row,) = self.answer(**asked)["sessions"]
            self.assertEqual((row["scope"], row["sessionFamilyKey"]), ("family", MAIN))
            self.assertEqual(row["includedSessionIds"], [row["sessionId"]])

    def test_creator(self) -> None:
        """It is not known who started a session."""
        self.turn()
        self.assertEqual(len(self.answer(creatorKey='["unknown"]')["sessions"]), 1)
        found = self.answer(creatorKey='["human","x"]')
        self.assertEqual((found["sessions"], found["totals"]["totalTokens"]), ([], 0))

    def test_limit(self) -> None:
        """Rows are bounded, in number and bytes; the sums are of all."""
        for name in "abc":
            self.turn(name)
        found = self.answer(limit=1)
        self.assertEqual(
            ([row["key"] for row in found["sessions"]], found["totals"]["input"]), (["agent:main:c"], 3000)
        )
        self.patch(usage_report, "MAX_BYTES", 4000)
        found = self.answer(limit=1000)
        self.assertEqual((len(found["sessions"]), found["aggregates"]["sessionCount"]), (2, 3))

    def test_partial(self) -> None:
        """While transcripts are not read to their ends it is said how many, and the next request goes on."""
        for name in "abc":
            self.turn(name)
        self.patch(session_usage, "MAX_READ", 1)
        states = [self.answer()["cacheStatus"] for _ in range(7)]
        self.assertEqual((states[0]["status"], states[0]["pendingFiles"]), ("partial", 3))
        self.assertEqual((states[-1]["status"], states[-1]["cachedFiles"]), ("fresh", 3))
        self.patch(session_usage, "MAX_READ", 10**6)
        self.patch(session_usage, "MAX_SESSIONS", 2)
        self.patch(session_usage, "PAGE", 2)
        found = self.answer()
        self.assertEqual((found["cacheStatus"]["pendingFiles"], len(found["sessions"])), (1, 2))

    def test_pages(self) -> None:
        """More sessions than are asked for at a time."""
        self.patch(session_usage, "PAGE", 2)
        self.patch(session_usage, "AT_ONCE", 2)
        for name in "abcde":
            self.turn(name)
        self.assertEqual(len(self.answer()["sessions"]), 5)

    def test_refused(self) -> None:
        """What does not go together, and what there is not: each refusal names the param."""
        self.turn()
        for params, told in (
            ({"agentScope": "all", "key": MAIN}, "agentScope=all"),
            ({"agentScope": "all", "agentId": "main"}, "agentScope=all"),
            ({"agentId": "nope"}, "nope"),
            ({"key": "nope"}, "Invalid session key: nope"),
            ({"key": "agent:nope:main"}, "nope"),
            ({"key": ""}, "key"),
            ({"limit": 0}, "limit"),
            ({"groupBy": "week"}, "groupBy"),
            ({"startDate": "2023-02-30"}, "startDate is no day"),
            ({"startDate": "2023-11-15", "endDate": TODAY}, "startDate is after endDate"),
            ({"endDate": "1969-12-31"}, "endDate"),
            ({"mode": "specific", "timeZone": "Nowhere/City"}, "timeZone"),
            ({"sessionKey": MAIN}, "sessionKey"),
        ):
            self.assertIn(told, self.refusal(**params))

    def test_keys(self) -> None:
        """A key sees its agents, one with a prefix its sessions, and not what ran without one."""
        self.turn()
        self.turn("agent:beta:main", prompt=5, agent_id="beta")
        self.run_agent("beta", prompt=3)
        self.run_agent(prompt=2)
        self.connect("b" * 32)
        found = self.answer()
        self.assertEqual(([row["agentId"] for row in found["sessions"]], found["totals"]["input"]), (["beta"], 8))
        self.assertIn("main", self.refusal(agentId="main"))
        self.assertIn("main", self.refusal(key=MAIN))
        self.connect("s" * 32)
        found = self.answer()
        self.assertEqual((found["sessions"], found["totals"]["totalTokens"]), ([], 0))
        for method in ("sessions.usage", "sessions.usage.timeseries", "sessions.usage.logs"):
            self.assertIn("Invalid session key", self.refusal(method, key=MAIN))

    def test_advertised(self) -> None:
        """Clients are told that the methods are there."""
        self.client = self.memory.websocket()
        hello = self.client.connect()
        offered = set(hello["features"]["methods"])
        self.assertLessEqual({"sessions.usage", "sessions.usage.timeseries", "sessions.usage.logs"}, offered)


class OneSessionTests(SessionUsageCase):
    """C{sessions.usage.timeseries} and C{sessions.usage.logs}."""

    def test_timeseries(self) -> None:
        """A point a call, and what all took so far."""
        self.turn(cached=400)
        self.memory.advance(60)
        self.turn()
        found = self.answer("sessions.usage.timeseries", key=MAIN)
        first, second = found["points"]
        self.assertEqual(
            (first["input"], first["cacheRead"], first["output"], first["totalTokens"]), (600, 400, 100, 1100)
        )
        self.assertEqual((first["cost"], first["cumulativeCost"]), (0.0018, 0.0018))
        self.assertEqual((second["cumulativeTokens"], second["cumulativeCost"]), (2200, 0.0038))
        self.assertGreaterEqual(second["timestamp"] - first["timestamp"], 60_000)
        self.assertEqual(found["sessionId"], self.answer(key=MAIN)["sessions"][0]["sessionId"])

    def test_many_points(self) -> None:
        """Many calls are put together; nothing of them is lost."""
        took = Usage(prompt_tokens=1, completion_tokens=1)
        calls = [AssistantMessage(text="a", usage=took, timestamp_ms=number) for number in range(1, 1002)]
        points = points_of(calls, {})
        self.assertEqual((len(points), points[-1]["cumulativeTokens"], points[-1]["timestamp"]), (167, 2002, 1001))
        self.assertEqual(points_of([], {}), [])

    def test_logs(self) -> None:
        """Messages with what each took; tools by name."""
        self.turn(tool="session_status")
        logs = self.answer("sessions.usage.logs", key="main")["logs"]
        self.assertEqual([row["role"] for row in logs], ["user", "assistant", "toolResult", "assistant"])
        self.assertEqual([row["content"].split("\n")[0] for row in logs[:2]], ["hi", "[Tool: session_status]"])
        self.assertTrue(logs[2]["content"].startswith("[Tool: session_status]\n[Tool Result]\n"))
        self.assertEqual((logs[3]["content"], logs[3]["tokens"], logs[3]["cost"]), ("hello", 1100, 0.002))
        self.assertNotIn("tokens", logs[0])
        self.assertEqual(logs[0]["timestamp"], 1_700_000_000_000)
        self.assertEqual(
            [row["content"] for row in self.answer("sessions.usage.logs", key=MAIN, limit=1)["logs"]], ["hello"]
        )

    def test_long_logs(self) -> None:
        """Long messages are cut, and what says nothing is left out."""
        messages = [UserMessage(content=(TextPart(text="x" * 5000),)), AssistantMessage(text=" ")]
        (row,) = logs_of(messages, {}, 10)
        self.assertEqual(row["content"], "x" * 2000 + "…")

    def test_refused(self) -> None:
        """Without a session there is nothing to tell."""
        for method in ("sessions.usage.timeseries", "sessions.usage.logs"):
            self.assertIn("key", self.refusal(method))
            self.assertIn("Invalid session key: nope", self.refusal(method, key="nope"))
        self.turn()
        self.assertIn("limit", self.refusal("sessions.usage.logs", key=MAIN, limit=0))


class SlowStore:
    """A store that reads for as long as it likes."""

    def __init__(self) -> None:
        self.reading: list[Deferred[Any]] = []

    async def tallies(self, session_ids: Any, first_ms: int, end_ms: int, max_bytes: int) -> Tallies:
        """When the test says so."""
        self.reading.append(Deferred())
        await self.reading[-1]
        return Tallies(tallies=tuple(SessionTally(session_id=each) for each in session_ids), read_bytes=0)

    async def usage(self, first_hour: int, end_hour: int, agent_id: str = "") -> list[UsageRow]:
        """None."""
        return []


class TurnsTests(SessionUsageCase):
    """Reports are made one after the other."""

    def setUp(self) -> None:
        """Two clients ask."""
        super().setUp()
        self.turn()
        house = self.memory.gateway._house
        self.store: Any = SlowStore()
        methods = SessionUsageMethods(
            self.store, house.agents, house.models, house.sessions, Config, in_reactor_thread, self.memory.clock
        )
        caller: Any = type("Caller", (), {"principal": Principal(id="p", method="token", scopes=frozenset({READ}))})
        self.asked = [Deferred.fromCoroutine(methods.usage(Call(caller, "r", SessionsUsageParams()))) for _ in range(3)]

    def test_in_turn(self) -> None:
        """The second is read for when the first is done."""
        self.assertEqual(len(self.store.reading), 1)
        self.store.reading[0].callback(None)
        self.successResultOf(self.asked[0])
        self.assertEqual(len(self.store.reading), 2)
        self.store.reading[1].callback(None)
        self.store.reading[2].callback(None)
        self.successResultOf(self.asked[2])

    def test_gone(self) -> None:
        """Who leaves, waiting or at work, and what goes wrong hold up nobody."""
        self.asked[1].cancel()
        self.failureResultOf(self.asked[1], CancelledError)
        self.asked[0].cancel()
        self.failureResultOf(self.asked[0], CancelledError)
        self.store.reading[1].errback(GatewayError("storage_unavailable", "no"))
        self.failureResultOf(self.asked[2], GatewayError)


class WaitsTests(SessionUsageCase):
    """L{Waits}."""

    def test_nobody(self) -> None:
        """Who never waited has no figures."""
        self.assertIsNone(Waits().stats())
