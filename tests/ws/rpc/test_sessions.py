# -*- test-case-name: tests.ws.rpc.test_sessions -*-
"""Sessions listed, previewed and found, over real connections and a real store."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.keys import hash_of
from openclaw_tx.config.files import merge
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.testing.gateway import START
from openclaw_tx.values import CompactionMessage, Message, SessionSettings
from tests.sessions.helpers import answer, result, user

MINUTE = 60
ADMIN = ["operator.admin"]


class SessionsCase(SynchronousTestCase):
    """A gateway, and somebody who may do everything."""

    CONFIG: dict[str, Any] = {}

    def setUp(self) -> None:
        """Start it."""
        key = {"label": "laptop", "hash": hash_of("key"), "scopes": ["operator.read", "operator.write"]}
        bounded = {**key, "label": "acme", "hash": hash_of("acme"), "agents": ["main"]}
        config = {"gateway": {"auth": {"keys": [{**key, "sessionPrefix": ""}, bounded]}}}
        self.memory = MemoryGateway(merge(config, self.CONFIG))
        self.addCleanup(self.memory.close)
        self.store = self.memory.gateway._house.sessions
        self.client = self.memory.websocket()
        self.client.connect(ADMIN)

    def do(self, call: Any) -> Any:
        """The result of a coroutine."""
        return self.successResultOf(Deferred.fromCoroutine(call))

    def holder(self, secret: str, protocol: int = 4) -> Any:
        """A client with a key."""
        client = self.memory.websocket()
        client.connect([], protocol=protocol, token=secret)
        return client

    def call(self, method: str, client: Any = None, **params: Any) -> Any:
        """A good answer."""
        got = (client or self.client).request(method, params)
        self.assertTrue(got["ok"], got)
        return got["payload"]

    def refusal(self, method: str, client: Any = None, **params: Any) -> tuple[str, str]:
        """Code and message of a refusal."""
        got = (client or self.client).request(method, params)
        self.assertFalse(got["ok"], got)
        return got["error"]["code"], got["error"]["message"]

    def add(self, key: str, *messages: Message, agent_id: str = "", label: str = "", **settings: Any) -> None:
        """Put a session there."""
        agent_id = agent_id or (key.split(":")[1] if ":" in key else "main")
        self.do(self.store.append(key, messages, agent_id=agent_id))
        given = SessionSettings(**settings)
        self.do(self.store.patch(key, lambda entry: replace(entry, label=label, settings=given)))

    @property
    def now_ms(self) -> int:
        """The time."""
        return int(self.memory.clock.seconds() * 1000)


class ListTests(SessionsCase):
    """C{sessions.list}."""

    def fill(self) -> None:
        """Five sessions, the last one the newest."""
        self.add("agent:main:old", user("first words"), answer("last words"))
        self.memory.advance(2 * 3600)
        self.add("agent:main:main", user("hello"), thinking_level="high", send_policy="deny", display_name="Shown")
        self.memory.advance(MINUTE)
        self.add("global", user("everywhere"))
        self.add("unknown", user("nowhere"))
        self.memory.advance(MINUTE)
        self.add("agent:main:subagent:1", user("task"), spawned_by="agent:main:main")
        self.memory.advance(MINUTE)
        self.add("agent:beta:discord:group:7", user("hi"), label="Work")

    def keys(self, client: Any = None, **params: Any) -> list[str]:
        """Keys of the listed sessions."""
        return [row["key"] for row in self.call("sessions.list", client, **params)["sessions"]]

    def test_rows(self) -> None:
        """Newest first, with what is known of each; sessions of nobody are hidden."""
        self.fill()
        found = self.call("sessions.list")
        self.assertEqual((found["ts"], found["count"], found["totalCount"]), (self.now_ms, 4, 4))
        self.assertEqual((found["hasMore"], found["limitApplied"], found["path"]), (False, 100, "(database)"))
        self.assertNotIn("nextOffset", found)
        work, task, main, old = found["sessions"]
        self.assertEqual(
            {name: work[name] for name in ("key", "kind", "agentId", "label", "displayName")},
            {
                "key": "agent:beta:discord:group:7",
                "kind": "group",
                "agentId": "beta",
                "label": "Work",
                "displayName": "Work",
            },
        )
        self.assertEqual((task["kind"], task["spawnedBy"]), ("direct", "agent:main:main"))
        self.assertEqual((main["thinkingLevel"], main["sendPolicy"], main["displayName"]), ("high", "deny", "Shown"))
        self.assertEqual((old["createdAt"], old["abortedLastRun"]), (int(START * 1000), False))
        self.assertNotIn("model", old)
        self.assertNotIn("derivedTitle", old)

    def test_filters(self) -> None:
        """Each alone, and then the limit."""
        self.fill()
        work, task, main, old = (
            "agent:beta:discord:group:7",
            "agent:main:subagent:1",
            "agent:main:main",
            "agent:main:old",
        )
        for params, expected in (
            ({}, [work, task, main, old]),
            ({"includeGlobal": True}, [work, task, "global", main, old]),
            ({"includeGlobal": True, "includeUnknown": True}, [work, task, "global", "unknown", main, old]),
            ({"agentId": "beta"}, [work]),
            ({"agentId": "BETA"}, [work]),
            ({"label": "Work"}, [work]),
            ({"label": "work"}, []),
            ({"spawnedBy": main}, [task]),
            ({"activeMinutes": 2}, [work, task]),
            ({"search": "AGENT:MAIN:M"}, [main]),
            ({"search": "wor"}, [work, old]),
            ({"search": "first w"}, [old]),
            ({"archived": True}, []),
            ({"archived": "all"}, [work, task, main, old]),
            ({"configuredAgentsOnly": True}, [work, task, main, old]),
        ):
            self.assertEqual(self.keys(**params), expected, params)
        session_id = self.do(self.store.get(old)).session_id
        self.assertEqual(self.keys(search=session_id), [old])

    def test_long_ago(self) -> None:
        """Any number of minutes that a client can count to may be asked for: all sessions are newer than 1970."""
        self.fill()
        for minutes in (2 * 10**14, 2**53 - 1, 2e14):
            self.assertEqual(len(self.keys(activeMinutes=minutes)), 4)
            self.assertEqual(len(self.keys(activeMinutes=minutes, sortBy="activity")), 4)
        subscribed = self.call("sessions.subscribe", activeMinutes=2 * 10**14)
        self.assertEqual(subscribed["list"]["count"], 4)

    def test_beyond_all_bounds(self) -> None:
        """Larger ones are refused by name, by all who would look for them in the store."""
        for method, params in (
            ("sessions.list", {}),
            ("sessions.subscribe", {}),
            ("chat.history", {"sessionKey": "main"}),
            ("cron.list", {}),
        ):
            for name in ("offset",) if params or method == "cron.list" else ("offset", "activeMinutes", "limit"):
                words = f"invalid {method} params: at /{name}: must be <= "
                code, message = self.refusal(method, **params, **{name: 10**30})
                self.assertEqual((code, message[: len(words)]), ("INVALID_REQUEST", words))

    def test_pinned(self) -> None:
        """What is pinned comes first, on the first page; and what was pinned last before that."""
        self.fill()
        work, task, main, old = (
            "agent:beta:discord:group:7",
            "agent:main:subagent:1",
            "agent:main:main",
            "agent:main:old",
        )
        self.call("sessions.patch", key=old, pinned=True)
        self.assertEqual(self.keys(), [old, work, task, main])
        self.memory.advance(1)
        self.call("sessions.patch", key=main, pinned=True)
        self.assertEqual(self.keys(), [main, old, work, task])
        self.assertEqual([self.keys(limit=1, offset=each) for each in range(5)], [[main], [old], [work], [task], []])
        self.assertEqual(self.keys(limit=2, offset=1), [old, work])
        self.assertEqual(self.keys(limit=3, search="hello"), [main])
        self.assertEqual(self.keys(agentId="beta"), [work])
        self.assertEqual(self.keys(pinned=True), [main, old])
        self.assertEqual(self.keys(pinned=False), [work, task])
        self.assertEqual(self.call("sessions.list", pinned=True, limit=1)["totalCount"], 2)
        self.assertEqual(self.keys(sortBy="lastInteractionAt"), [work, task, main, old])
        # Of the newest ones the gateway reports, pins or not.
        recent = [row["key"] for row in self.call("status")["sessions"]["recent"]]
        self.assertEqual(recent[0], work)
        self.call("sessions.patch", key=old, pinned=False)
        self.assertEqual(self.keys(), [main, work, task, old])

    def test_groups(self) -> None:
        """Sessions that people have put together, and the rest."""
        self.fill()
        self.call("sessions.patch", key="agent:main:old", category="Home")
        self.assertEqual(self.keys(group="Home"), ["agent:main:old"])
        self.assertEqual(self.keys(group="home"), [])
        self.assertEqual(len(self.keys(group="")), 3)

    def test_kinds(self) -> None:
        """Those that people did not begin may be left out."""
        self.fill()
        self.add("agent:main:cron:tea", user("tea"))
        self.assertEqual(len(self.keys()), 5)
        self.assertNotIn("agent:main:subagent:1", self.keys(excludeSubagents=True))
        self.assertNotIn("agent:main:cron:tea", self.keys(excludeCron=True))
        self.assertEqual(len(self.keys(excludeSubagents=True, excludeCron=True, excludeSystem=True)), 3)
        self.assertEqual((self.keys(hasBoard=True), len(self.keys(hasBoard=False))), ([], 5))

    def test_activity_page(self) -> None:
        """As the Control UI's page of activity asks: what was last spoken in, of people whom there are none of."""
        self.fill()
        asked = {"archived": "all", "excludeSubagents": True, "sortBy": "activity", "includeGlobal": True}
        more = {"includeUnknown": True, "includePeople": True, "includeActivitySummary": True}
        answer = self.call("sessions.list", includeDerivedTitles=True, activeMinutes=10_080, **asked, **more)
        self.assertEqual(answer["people"], [])
        self.assertNotIn("agent:main:subagent:1", [row["key"] for row in answer["sessions"]])
        self.assertNotIn("people", self.call("sessions.list"))

    def test_at_work(self) -> None:
        """Sessions in which somebody is waited for."""
        self.fill()
        self.assertEqual(self.keys(activeOnly=True), [])
        self.call("chat.send", sessionKey="old", message="hi", idempotencyKey="r")
        self.assertEqual(self.keys(activeOnly=True, archived="all"), ["agent:main:old"])
        self.memory.model.calls[-1].text("well")
        self.memory.model.calls[-1].finish()
        self.memory.advance(1)
        self.assertEqual(self.keys(activeOnly=True), [])

    def test_sorted(self) -> None:
        """By when somebody last spoke: what is set for a session counts only as its use."""
        self.fill()
        self.memory.advance(1800)
        self.call("sessions.patch", key="agent:main:old", label="Renamed")
        self.assertEqual(self.keys()[0], "agent:main:old")
        for sort in ("lastInteractionAt", "activity"):
            self.assertEqual(self.keys(sortBy=sort)[-1], "agent:main:old")
        self.assertEqual(self.keys(activeMinutes=20), ["agent:main:old"])
        self.assertEqual(self.keys(activeMinutes=20, sortBy="activity"), [])
        self.assertEqual(len(self.keys(activeMinutes=60, sortBy="activity")), 3)

    def test_refused(self) -> None:
        """What this gateway does not know of sessions, by name."""
        for name, value in (("ownerFirst", True), ("projectId", "x"), ("requireLastInteraction", True)):
            self.assertIn(f"unexpected property '{name}'", self.refusal("sessions.list", **{name: value})[1])

    def test_pages(self) -> None:
        """A limit and an offset lead through the list."""
        for number in range(7):
            self.add(f"agent:main:s{number}")
            self.memory.advance(1)
        seen: list[str] = []
        offset = 0
        while True:
            page = self.call("sessions.list", limit=3, offset=offset)
            self.assertEqual(page["totalCount"], 7)
            seen += [row["key"] for row in page["sessions"]]
            if not page["hasMore"]:
                break
            offset = page["nextOffset"]
        self.assertEqual(seen, [f"agent:main:s{number}" for number in range(6, -1, -1)])
        self.assertEqual(self.call("sessions.list", limit=100_000)["limitApplied"], 1000)

    def test_titles_and_previews(self) -> None:
        """When asked for; never from what a tool said; a name comes before words."""
        words = "first\n  line " + "word " * 30
        self.add("agent:main:said", answer("hi"), user(words), answer("", "c"), result("c"), answer("last  words"))
        self.add("agent:main:empty")
        self.add("agent:main:named", user("x"), label="Name")
        self.add("agent:main:about", user("x"), subject="Subject")
        rows = self.call("sessions.list", includeDerivedTitles=True, includeLastMessage=True)["sessions"]
        said, empty, named, about = (
            next(row for row in rows if row["key"] == f"agent:main:{name}")
            for name in ("said", "empty", "named", "about")
        )
        self.assertEqual(said["lastMessagePreview"], "last words")
        self.assertTrue(said["derivedTitle"].startswith("first line word"))
        self.assertTrue(said["derivedTitle"].endswith("word…"))
        self.assertTrue(len(said["derivedTitle"]) <= 60)
        self.assertEqual([name for name in ("derivedTitle", "lastMessagePreview") if name in empty], [])
        self.assertEqual((named["derivedTitle"], about["derivedTitle"]), ("Name", "Subject"))

    def test_models(self) -> None:
        """The chosen one comes before the one used last; a window only for one that is configured."""
        ref = self.memory.model.ref
        provider, _, model = ref.partition("/")
        self.add("agent:main:chosen", user("x"), provider_override=provider, model_override=model)
        self.add("agent:main:gone", user("x"), provider_override="gone", model_override="m")
        gone, chosen = self.call("sessions.list")["sessions"]
        if gone["key"] == "agent:main:chosen":
            gone, chosen = chosen, gone
        self.assertEqual((chosen["modelProvider"], chosen["model"]), (provider, model))
        self.assertTrue(chosen["contextTokens"] > 0)
        self.assertEqual((chosen["modelOverride"], gone["modelOverride"]), (model, "m"))
        self.assertNotIn("contextTokens", gone)

    def test_bounds_of_keys(self) -> None:
        """A key sees the sessions within its bounds, and counts only these."""
        self.fill()
        self.add("agent:main:acme:one", user("x"))
        self.add("agent:beta:acme:two", user("x"))
        self.memory.advance(1)
        self.add("agent:main:acme:three", user("x"))
        client = self.holder("acme")
        page = self.call("sessions.list", client, limit=1)
        self.assertEqual([row["key"] for row in page["sessions"]], ["agent:main:acme:three"])
        self.assertEqual((page["totalCount"], page["hasMore"], page["nextOffset"]), (2, True, 1))
        self.assertEqual(self.keys(client, offset=1), ["agent:main:acme:one"])
        self.assertEqual(self.keys(client, search="first words"), [])

    def test_unknown_agents(self) -> None:
        """Sessions of agents that are gone can be left out."""
        self.add("agent:gone:main", user("x"))
        self.assertEqual(self.keys(), ["agent:gone:main"])
        self.assertEqual(self.keys(configuredAgentsOnly=True), [])

    def test_bad_params(self) -> None:
        """Are named."""
        for params in ({"limit": 0}, {"offset": -1}, {"activeMinutes": 0}, {"label": ""}, {"nope": 1}):
            code, message = self.refusal("sessions.list", **params)
            self.assertEqual(code, "INVALID_REQUEST")
            self.assertIn(next(iter(params)), message)


class PreviewTests(SessionsCase):
    """C{sessions.preview}."""

    def previews(self, keys: list[str], client: Any = None, **params: Any) -> list[tuple[str, list[tuple[str, str]]]]:
        """Status and lines of each."""
        found = self.call("sessions.preview", client, keys=keys, **params)
        self.assertEqual(found["ts"], self.now_ms)
        self.assertEqual([each["key"] for each in found["previews"]], keys[:64])
        return [
            (each["status"], [(item["role"], item["text"]) for item in each["items"]]) for each in found["previews"]
        ]

    def test_lines(self) -> None:
        """Who said what, in short; marks say nothing."""
        long = "word " * 100
        self.add("agent:main:a", user("ask"), answer("", "c"), result("c"), answer(f" {long}"), answer(" "))
        session_id = self.do(self.store.get("agent:main:a")).session_id
        self.do(self.store.compact("agent:main:a", session_id, CompactionMessage(summary="sum")))
        [(status, items)] = self.previews(["agent:main:a"])
        self.assertEqual(status, "ok")
        self.assertEqual(items[:3], [("user", "ask"), ("tool", "call tool_c"), ("tool", "done")])
        self.assertEqual((items[3][0], len(items[3][1])), ("assistant", 240))
        [(_, items)] = self.previews(["agent:main:a"], limit=2, maxChars=20)
        self.assertEqual(items, [("tool", "done"), ("assistant", "word word word word…")])

    def test_statuses(self) -> None:
        """Empty, missing, and short names; the first 64 keys are looked at."""
        self.add("agent:main:main")
        self.add("agent:main:Header", user("x"))
        self.assertEqual(
            self.previews(["agent:main:main", "main", "nope", "agent:main:Header", "agent:"]),
            [("empty", []), ("empty", []), ("missing", []), ("ok", [("user", "x")]), ("missing", [])],
        )
        self.assertEqual(len(self.previews([f"k{number}" for number in range(70)])), 64)

    def test_bounds_of_keys(self) -> None:
        """What lies beyond is missing."""
        self.add("agent:main:main", user("x"))
        self.add("agent:main:acme:one", user("y"))
        client = self.holder("acme")
        self.assertEqual(
            self.previews(["agent:main:main", "one", "agent:main:acme:one"], client),
            [("missing", []), ("ok", [("user", "y")]), ("ok", [("user", "y")])],
        )

    def test_bad_params(self) -> None:
        """No key, too short a text."""
        for params in ({"keys": []}, {"keys": ["a"], "maxChars": 19}, {"keys": ["a"], "limit": 0}):
            self.assertEqual(self.refusal("sessions.preview", **params)[0], "INVALID_REQUEST")


class ResolveTests(SessionsCase):
    """C{sessions.resolve}."""

    def test_found(self) -> None:
        """By each of the three, in both protocols."""
        self.add("agent:main:work", user("x"), label="Lab")
        session_id = self.do(self.store.get("agent:main:work")).session_id
        expected = {"ok": True, "key": "agent:main:work", "agentId": "main"}
        for params in ({"key": "agent:main:work"}, {"key": "WORK"}, {"sessionId": session_id}, {"label": "Lab"}):
            self.assertEqual(self.call("sessions.resolve", **params), expected, params)
        old = self.memory.websocket()
        old.connect(ADMIN, protocol=3)
        self.assertEqual(self.call("sessions.resolve", old, key="work"), {"ok": True, "key": "agent:main:work"})

    def test_not_found(self) -> None:
        """In the recorded words; or as an answer, when that is wanted."""
        self.assertEqual(self.refusal("sessions.resolve", key="nope"), ("INVALID_REQUEST", "No session found: nope"))
        self.assertEqual(
            self.refusal("sessions.resolve", label="lab1"),
            ("INVALID_REQUEST", "No session found with label: lab1"),
        )
        self.assertEqual(self.refusal("sessions.resolve", sessionId="s")[1], "No session found: s")
        self.assertEqual(self.call("sessions.resolve", key="nope", allowMissing=True), {"ok": False})

    def test_exactly_one(self) -> None:
        """Of the three."""
        for params in ({}, {"key": "a", "label": "b"}, {"agentId": "main"}):
            code, message = self.refusal("sessions.resolve", **params)
            self.assertEqual(code, "INVALID_REQUEST")
            self.assertIn("exactly one", message)

    def test_narrowed(self) -> None:
        """By agent and by parent; one label of two agents must be told apart."""
        self.add("agent:main:a", label="Lab")
        self.add("agent:beta:b", label="Lab")
        self.add("agent:main:subagent:c", label="Sub", spawned_by="agent:main:a")
        self.add("global", label="All")
        code, message = self.refusal("sessions.resolve", label="Lab")
        self.assertEqual(code, "INVALID_REQUEST")
        self.assertIn("Multiple sessions found with label: Lab", message)
        self.assertEqual(self.call("sessions.resolve", label="Lab", agentId="beta")["key"], "agent:beta:b")
        self.assertEqual(self.call("sessions.resolve", label="Sub", spawnedBy="agent:main:a")["agentId"], "main")
        self.refusal("sessions.resolve", label="Sub", spawnedBy="agent:main:b")
        self.refusal("sessions.resolve", key="agent:main:a", agentId="beta")
        self.refusal("sessions.resolve", label="All")
        self.assertEqual(self.call("sessions.resolve", label="All", includeGlobal=True)["key"], "global")
        self.assertEqual(self.call("sessions.resolve", key="global")["key"], "global")

    def test_bounds_of_keys(self) -> None:
        """What lies beyond is not there; two of one label may be one to a key."""
        self.add("agent:main:main", user("x"), label="Lab")
        self.add("agent:beta:b", label="Lab")
        self.add("agent:main:acme:one", label="Mine")
        client = self.holder("acme")
        session_id = self.do(self.store.get("agent:main:main")).session_id
        for params in ({"key": "agent:main:main"}, {"label": "Lab"}, {"sessionId": session_id}):
            self.assertIn("No session found", self.refusal("sessions.resolve", client, **params)[1])
        self.assertEqual(self.call("sessions.resolve", client, label="Mine")["key"], "agent:main:acme:one")
