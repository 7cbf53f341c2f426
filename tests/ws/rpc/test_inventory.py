# -*- test-case-name: tests.ws.rpc.test_inventory -*-
"""What there is, through a whole gateway: C{tools.*}, C{commands.list}, C{channels.status}, C{send},
C{poll}, C{chat.startup}, C{chat.metadata}, C{agent.identity.get} and C{models.list}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openclaw_tx.chat.commands import COMMANDS
from openclaw_tx.interfaces import ToolContext
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.testing.websocket import MemoryWebSocket
from openclaw_tx.values import ToolResult, ToolSpec
from tests.ws.rpc.test_config import AskingCase


class Weather:
    """A tool of an embedding program."""

    spec = ToolSpec(name="weather", description="Tell the weather.\nMore of it.", parameters={"type": "object"})

    async def call(self, arguments: Mapping[str, Any], context: ToolContext) -> ToolResult:
        """Rain."""
        return ToolResult(text="rain")


class InventoryCase(AskingCase):
    """A gateway and a client that may read."""

    config: Any = None

    def setUp(self) -> None:
        """Connected."""
        self.memory = MemoryGateway(self.config, tools=[Weather()])
        self.addCleanup(self.memory.close)
        self.client = self.connect()

    def connect(self, *scopes: str) -> MemoryWebSocket:
        """A client."""
        client = self.memory.websocket()
        client.connect(scopes=scopes or ("operator.read",))
        return client


class ToolTests(InventoryCase):
    """C{tools.catalog} and C{tools.effective}."""

    config = {
        "agents": {"list": [{"id": "main"}, {"id": "beta", "tools": {"profile": "minimal"}}]},
        "tools": {"deny": ["process"]},
    }

    def test_catalog(self) -> None:
        """All tools by group, whatever the policy; the profiles that let each pass."""
        found = self.ok("tools.catalog")
        groups = {group["id"]: group for group in found["groups"]}
        rows = {row["id"]: row for group in groups.values() for row in group["tools"]}
        self.assertIn("process", rows)
        self.assertEqual(groups["plugins"]["source"], "plugin")
        self.assertEqual(
            groups["plugins"]["tools"],
            [
                {
                    "id": "weather",
                    "label": "weather",
                    "description": "Tell the weather.",
                    "source": "plugin",
                    "defaultProfiles": ["full"],
                }
            ],
        )
        self.assertEqual(rows["session_status"]["defaultProfiles"], ["minimal", "coding", "messaging", "full"])
        self.assertEqual([profile["id"] for profile in found["profiles"]], ["minimal", "coding", "messaging", "full"])
        own = self.ok("tools.catalog", includePlugins=False, agentId="beta")
        self.assertNotIn("plugins", {group["id"] for group in own["groups"]})
        self.assertIn("unknown agent", self.no("tools.catalog", agentId="nope")["message"])

    def test_effective(self) -> None:
        """What a run would get."""
        found = self.ok("tools.effective", sessionKey="agent:beta:main")
        self.assertEqual((found["agentId"], found["profile"]), ("beta", "minimal"))
        self.assertEqual([row["id"] for group in found["groups"] for row in group["tools"]], ["session_status"])
        found = self.ok("tools.effective", sessionKey="main")
        names = {row["id"]: row for group in found["groups"] for row in group["tools"]}
        self.assertNotIn("process", names)
        self.assertEqual(names["weather"]["rawDescription"], "Tell the weather.\nMore of it.")
        self.assertEqual(self.ok("tools.effective", sessionKey="agent:beta:cron:job")["agentId"], "beta")


class CommandTests(InventoryCase):
    """C{commands.list}."""

    def test_all(self) -> None:
        """Every command of chat, with its names and arguments."""
        rows = {row["name"]: row for row in self.ok("commands.list")["commands"]}
        self.assertEqual(list(rows), [spec.name for spec in COMMANDS])
        self.assertEqual(rows["think"]["textAliases"], ["/think", "/thinking", "/t"])
        (argument,) = rows["verbose"]["args"]
        self.assertEqual(
            ([choice["value"] for choice in argument["choices"]], argument["required"]),
            (["on", "off", "default"], False),
        )
        self.assertTrue(rows["approve"]["args"][0]["required"])
        self.assertFalse(rows["help"]["acceptsArgs"])
        rows = self.ok("commands.list", agentId="beta", scope="text", includeArgs=False)["commands"]
        self.assertFalse([row for row in rows if "args" in row])

    def test_native(self) -> None:
        """Channels would have those."""
        self.assertEqual(self.ok("commands.list", scope="native"), {"commands": []})


class NoCommandTests(InventoryCase):
    """With C{commands.text} off."""

    config = {"commands": {"text": False}}

    def test_none(self) -> None:
        """A slash is text."""
        self.assertEqual(self.ok("commands.list"), {"commands": []})
        self.assertEqual(self.ok("chat.metadata")["commands"], [])


class ChannelTests(InventoryCase):
    """None but the clients of the gateway's own port; tests.channels has the others."""

    def test_status(self) -> None:
        """Those alone."""
        found = self.ok("channels.status", probe=True, timeoutMs=100)
        self.assertEqual((found["channelOrder"], list(found["channelAccounts"])), (["webchat"], ["webchat"]))

    def test_send(self) -> None:
        """So nothing goes out; params are checked all the same."""
        self.client = self.connect("operator.write")
        for method, params in (
            ("send", {"to": "+1", "message": "hi", "idempotencyKey": "k"}),
            ("poll", {"to": "+1", "question": "?", "options": ["a", "b"], "idempotencyKey": "k"}),
        ):
            error = self.no(method, **params)
            self.assertEqual(error["code"], "UNAVAILABLE")
            self.assertIn("no channel", error["message"])
        self.assertEqual(self.no("send", message="hi")["code"], "INVALID_REQUEST")
        self.assertEqual(
            self.no("poll", to="x", question="?", options=["a"], idempotencyKey="k")["code"], "INVALID_REQUEST"
        )


class StartupTests(InventoryCase):
    """C{chat.startup} and C{chat.metadata}."""

    def test_new(self) -> None:
        """A session that is not there yet: no messages, but all one needs to begin."""
        found = self.ok("chat.startup", sessionKey="agent:beta:main")
        self.assertEqual((found["messages"], found["metadata"]["agentId"]), ([], "beta"))
        self.assertNotIn("sessionInfo", found)
        self.assertEqual(found["defaults"]["model"], "model")
        self.assertEqual([row["id"] for row in found["metadata"]["models"]], ["model"])

    def test_known(self) -> None:
        """The conversation, its row, and what is at work in it."""
        self.client = self.connect("operator.write", "operator.read")
        self.memory.model.say("hello")
        self.ok("chat.send", sessionKey="main", message="hi", idempotencyKey="one")
        self.memory.advance(0.5)
        found = self.ok("chat.startup", sessionKey="main", limit=10)
        self.assertEqual([row["role"] for row in found["messages"]], ["user", "assistant"])
        self.assertEqual((found["sessionInfo"]["key"], found["sessionInfo"]["derivedTitle"]), ("agent:main:main", "hi"))
        self.assertEqual(found["sessionInfo"]["activeRunIds"], [])

    def test_metadata(self) -> None:
        """Models and commands of an agent."""
        found = self.ok("chat.metadata", sessionKey="agent:beta:x")
        self.assertEqual(found["agentId"], "beta")
        self.assertIn("stop", {row["name"] for row in found["commands"]})
        self.assertIn("unknown agent", self.no("chat.metadata", agentId="nope")["message"])


class IdentityTests(InventoryCase):
    """C{agent.identity.get}."""

    config = {"agents": {"list": [{"id": "main"}, {"id": "beta", "identity": {"name": "Betty", "emoji": "B"}}]}}

    def test_identity(self) -> None:
        """As configured; of the default agent unless another is named."""
        self.assertEqual(
            self.ok("agent.identity.get"),
            {"agentId": "main", "name": "main", "nameSource": "default", "avatarStatus": "none"},
        )
        betty = {"agentId": "beta", "name": "Betty", "nameSource": "config", "avatarStatus": "none", "emoji": "B"}
        self.assertEqual(self.ok("agent.identity.get", agentId="Beta"), betty)
        self.assertEqual(self.ok("agent.identity.get", sessionKey="agent:beta:x"), betty)
        self.no("agent.identity.get", agentId="main", sessionKey="agent:beta:x")
        self.no("agent.identity.get", agentId="nope")
        (_, row) = self.ok("agents.list")["agents"]
        self.assertEqual(row["identity"], {"name": "Betty", "emoji": "B"})


class ModelTests(InventoryCase):
    """C{models.list} in all its views."""

    config = {
        "agents": {
            "defaults": {"models": {"p/one": {}, "scripted/model": {"alias": "M"}}},
            "list": [{"id": "main"}, {"id": "beta", "model": {"primary": "p/one", "fallbacks": ["scripted/model"]}}],
        },
        "models": {
            "providers": {
                "p": {"baseUrl": "http://127.0.0.1:9/v1", "apiKey": "k", "models": [{"id": "one"}, {"id": "two"}]}
            }
        },
    }

    def test_views(self) -> None:
        """Those that may be used, those that agents name, those that are written down, all."""
        refs = {
            view: [f"{row['provider']}/{row['id']}" for row in self.ok("models.list", view=view)["models"]]
            for view in ("default", "configured", "provider-config", "all")
        }
        self.assertEqual(set(refs["default"]), {"p/one", "scripted/model"})
        self.assertEqual(refs["configured"], ["scripted/model", "p/one"])
        self.assertEqual(set(refs["provider-config"]), {"p/one", "p/two"})
        self.assertEqual(set(refs["all"]), {"p/one", "p/two", "scripted/model"})

    def test_views_of_an_agent(self) -> None:
        """The same models, its own choices first: what a chat window offers is what can be chosen there."""
        for view in ("default", "configured"):
            rows = self.ok("models.list", view=view, agentId="beta")["models"]
            self.assertEqual([row["id"] for row in rows], ["one", "model"], view)
        rows = self.ok("models.list", view="all", sessionKey="agent:beta:x")["models"]
        self.assertEqual({row["id"] for row in rows}, {"one", "two", "model"})

    def test_tags(self) -> None:
        """Whose choice they are."""
        rows = {row["id"]: row for row in self.ok("models.list", agentId="beta")["models"]}
        self.assertEqual((rows["one"]["tags"], rows["model"]["tags"]), (["default"], ["fallback#1"]))
        self.assertTrue(rows["one"]["available"])


class FreeChoiceTests(InventoryCase):
    """C{models.list} where no list says which models may be used."""

    config = {
        "agents": {"defaults": {"model": "p/one"}, "list": [{"id": "main"}, {"id": "beta", "model": "p/three"}]},
        "models": {
            "providers": {
                "p": {
                    "baseUrl": "http://127.0.0.1:9/v1",
                    "apiKey": "k",
                    "models": [{"id": "one"}, {"id": "two"}, {"id": "three"}],
                }
            }
        },
    }

    def test_every_model_is_offered(self) -> None:
        """A chat window offers each model that is written down: each of them may be chosen."""
        for params, expected in (
            ({"agentId": "main"}, ["one", "two", "three"]),
            ({"sessionKey": "agent:beta:x"}, ["three", "one", "two"]),
            ({}, ["one", "three", "two"]),
        ):
            rows = self.ok("models.list", view="configured", **params)["models"]
            self.assertEqual([row["id"] for row in rows], expected, params)
