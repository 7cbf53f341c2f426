# -*- test-case-name: tests.ws.rpc.test_session_patch -*-
"""Sessions whose settings and looks are changed, over real connections with the real engine."""

from __future__ import annotations

from typing import Any

from openclaw_tx.values import SessionSettings
from tests.sessions.helpers import user
from tests.ws.rpc.sessions import KEY
from tests.ws.rpc.test_sessions import ADMIN, SessionsCase


class PatchTests(SessionsCase):
    """C{sessions.patch}."""

    CONFIG = {"agents": {"list": [{"id": "main"}, {"id": "beta", "model": "elsewhere/m"}]}}

    def settings(self, key: str = KEY) -> SessionSettings:
        """What is set for a session."""
        found: SessionSettings = self.do(self.store.get(key)).settings
        return found

    def test_every_field(self) -> None:
        """Each is stored in its word; null clears each; what is left out stays."""
        given: dict[str, Any] = {
            "thinkingLevel": "HIGH",
            "verboseLevel": "full",
            "reasoningLevel": "stream",
            "responseUsage": "tokens",
            "elevatedLevel": "ask",
            "execHost": "node",
            "execSecurity": "allowlist",
            "execAsk": "on-miss",
            "execNode": "mac",
            "sendPolicy": "deny",
            "groupActivation": "always",
            "queueMode": "steer",
            "queueDebounceMs": 0,
            "queueCap": 3,
            "queueDrop": "old",
        }
        answer_ = self.call("sessions.patch", key="Work", label=" Lab ", **given)
        self.assertEqual((answer_["ok"], answer_["path"], answer_["key"]), (True, "(database)", KEY))
        entry = answer_["entry"]
        self.assertEqual({name: entry[name] for name in given}, {**given, "thinkingLevel": "high"})
        self.assertEqual(entry["label"], "Lab")
        self.assertEqual(entry["sessionId"], self.do(self.store.get(KEY)).session_id)
        for name in given:
            self.call("sessions.patch", key=KEY, **{name: None})
        self.assertEqual(self.settings(), SessionSettings())
        self.assertEqual(self.do(self.store.get(KEY)).label, "Lab")
        self.assertNotIn("label", self.call("sessions.patch", key=KEY, label=None)["entry"])

    def test_model(self) -> None:
        """One that is configured; the agent's own needs no override; null takes it back."""
        self.assertIn("nope/nope", self.refusal("sessions.patch", key=KEY, model="nope/nope")[1])
        self.assertIsNone(self.do(self.store.get(KEY)))
        own = self.memory.model.ref
        found = self.call("sessions.patch", key=KEY, model=own)
        self.assertNotIn("modelOverride", found["entry"])
        other = self.memory.websocket()
        other.connect(ADMIN, protocol=3)
        self.assertNotIn("resolved", self.call("sessions.patch", other, key=KEY, model=None))

    def test_model_of_another(self) -> None:
        """A choice that is not the agent's own is kept, and told in full to newer clients."""
        provider, _, model = self.memory.model.ref.partition("/")
        found = self.call("sessions.patch", key="agent:beta:x", model=f"{provider}/{model}")
        self.assertEqual((found["entry"]["providerOverride"], found["entry"]["modelOverride"]), (provider, model))
        self.assertEqual(found["resolved"], {"modelProvider": provider, "model": model})
        self.assertEqual(self.settings("agent:beta:x").model_ref, self.memory.model.ref)
        found = self.call("sessions.patch", key="agent:beta:x", model=None)
        self.assertNotIn("modelOverride", found["entry"])

    def test_off_is_nothing(self) -> None:
        """Thinking, reasoning and the line about usage are off when nobody set them."""
        for name in ("thinkingLevel", "reasoningLevel", "responseUsage"):
            self.assertNotIn(name, self.call("sessions.patch", key=KEY, **{name: "off"})["entry"])
        self.assertEqual(self.call("sessions.patch", key=KEY, verboseLevel="off")["entry"]["verboseLevel"], "off")

    def test_words(self) -> None:
        """Others are refused with those that there are, and no session is made."""
        for name, value, message in (
            ("thinkingLevel", "max", "invalid thinkingLevel (use off|minimal|low|medium|high|xhigh)"),
            ("reasoningLevel", "x", 'invalid reasoningLevel (use "on"|"off"|"stream")'),
            ("elevatedLevel", "x", 'invalid elevatedLevel (use "on"|"off"|"ask"|"full")'),
            ("execHost", "x", 'invalid execHost (use "sandbox"|"gateway"|"node")'),
            ("execAsk", "x", 'invalid execAsk (use "off"|"on-miss"|"always")'),
            ("sendPolicy", "x", 'invalid sendPolicy (use "allow"|"deny")'),
            ("groupActivation", "x", 'invalid groupActivation (use "mention"|"always")'),
            ("queueMode", "x", 'invalid queueMode (use "collect"|"followup"|"interrupt"|"steer")'),
        ):
            refusal = self.refusal("sessions.patch", key=KEY, **{name: value})
            self.assertEqual(refusal, ("INVALID_REQUEST", message))
        for params in ({"label": ""}, {"label": " "}, {"queueCap": 0}, {"nope": 1}, {"label": "x" * 513}):
            self.assertEqual(self.refusal("sessions.patch", key=KEY, **params)[0], "INVALID_REQUEST")
        self.assertIsNone(self.do(self.store.get(KEY)))

    def test_label_in_use(self) -> None:
        """Labels are unique."""
        self.call("sessions.patch", key=KEY, label="Lab")
        refusal = self.refusal("sessions.patch", key="other", label="Lab")
        self.assertEqual(refusal, ("INVALID_REQUEST", "label already in use: Lab"))
        self.call("sessions.patch", key="agent:beta:other", label="Lab")

    def test_spawned_by(self) -> None:
        """Of sub-agents only, and once."""
        self.assertIn("only supported", self.refusal("sessions.patch", key=KEY, spawnedBy="agent:main:main")[1])
        child = "agent:main:subagent:1"
        self.assertEqual(
            self.refusal("sessions.patch", key=child, label="x"), ("INVALID_REQUEST", f"No session found: {child}")
        )
        self.add(child, user("task"))
        self.call("sessions.patch", key=child, spawnedBy=None)
        self.call("sessions.patch", key=child, spawnedBy="agent:main:main")
        self.call("sessions.patch", key=child, spawnedBy="agent:main:main")
        self.assertIn("cannot be changed", self.refusal("sessions.patch", key=child, spawnedBy="agent:main:x")[1])
        self.assertIn("cannot be cleared", self.refusal("sessions.patch", key=child, spawnedBy=None)[1])

    def test_scopes(self) -> None:
        """Who may write may name a session and choose what answers; the rest takes an administrator."""
        client = self.holder("key")
        self.call("sessions.patch", client, key=KEY, label="Lab", thinkingLevel="low", model=None)
        code, message = self.refusal("sessions.patch", client, key=KEY, sendPolicy="deny", label="x")
        self.assertEqual((code, message), ("FORBIDDEN", "missing scope: operator.admin"))
        self.assertEqual(self.do(self.store.get(KEY)).label, "Lab")

    def test_bounds_of_keys(self) -> None:
        """A key changes sessions within its bounds; others, and other agents, are not there."""
        client = self.holder("acme")
        self.assertEqual(self.call("sessions.patch", client, key="mine", label="x")["key"], "agent:main:acme:mine")
        self.assertEqual(self.refusal("sessions.patch", client, key=KEY, label="x")[1], "No such session.")
        self.assertIsNone(self.do(self.store.get(KEY)))
        self.refusal("sessions.patch", client, key="agent:beta:acme:x", label="x")

    def test_keys_and_agents(self) -> None:
        """Of an agent that is not there nothing is made; keys that keep their case are found."""
        self.assertIn("unknown agent id", self.refusal("sessions.patch", key="agent:gone:x", label="x")[1])
        self.assertIn("does not match", self.refusal("sessions.patch", key=KEY, agentId="beta", label="x")[1])
        self.assertEqual(self.call("sessions.patch", key="x", agentId="beta", label="y")["key"], "agent:beta:x")
        self.add("agent:main:Header", user("x"))
        self.assertEqual(self.call("sessions.patch", key="agent:main:Header", label="H")["key"], "agent:main:Header")
        self.add("agent:gone:x", user("x"))
        self.call("sessions.patch", key="agent:gone:x", label="still")
        self.refusal("sessions.patch", key="agent:main", label="x")

    def test_expected_session(self) -> None:
        """A change that was meant for a conversation that is over is refused."""
        self.add(KEY, user("x"))
        old = self.do(self.store.get(KEY)).session_id
        self.call("sessions.patch", key=KEY, label="a", expectedSessionId=old)
        self.call("sessions.reset", key=KEY)
        self.assertIn("begun anew", self.refusal("sessions.patch", key=KEY, label="b", expectedSessionId=old)[1])
        now = self.do(self.store.get(KEY)).session_id
        self.assertIn("begun anew", self.refusal("sessions.reset", key=KEY, expectedSessionId=old)[1])
        self.assertEqual(self.do(self.store.get(KEY)).session_id, now)
        self.call("sessions.reset", key=KEY, expectedSessionId=now)
        self.assertNotEqual(self.do(self.store.get(KEY)).session_id, now)
        self.assertIn("is no more", self.refusal("sessions.reset", key="nope", expectedSessionId=old)[1])


class LookTests(SessionsCase):
    """How clients show a session."""

    def row(self, key: str = KEY) -> Any:
        """As lists have it."""
        return self.call("sessions.describe", key=key)["session"]

    def test_looks(self) -> None:
        """Told in the row; null or nothing takes each back."""
        self.call("sessions.patch", key=KEY, icon=" 👩‍🚀 ", color="Blue", category=" Work ", pinned=True)
        row = self.row()
        self.assertEqual((row["icon"], row["color"], row["category"]), ("👩‍🚀", "blue", "Work"))
        self.assertEqual((row["pinned"], row["pinnedAt"]), (True, self.now_ms))
        self.memory.advance(1)
        self.call("sessions.patch", key=KEY, pinned=True)
        self.assertEqual(self.row()["pinnedAt"], row["pinnedAt"])
        self.call("sessions.patch", key=KEY, icon="", color="", category=None, pinned=False)
        row = self.row()
        self.assertFalse({"icon", "color", "category", "pinnedAt"} & set(row))
        self.assertFalse(row["pinned"])
        self.call("sessions.patch", key=KEY, icon="kanban", color="red")
        self.call("sessions.patch", key=KEY, icon=None, color=None)
        self.assertFalse({"icon", "color"} & set(self.row()))

    def test_refused(self) -> None:
        """What no client could show, and children."""
        self.add("agent:main:subagent:1", user("task"))
        for params, said in (
            ({"icon": "A"}, "icon must be a single emoji"),
            ({"icon": "🚀 now"}, "icon must be"),
            ({"icon": "é"}, "icon must be"),
            ({"icon": "<svg/>"}, "icon must be"),
            ({"icon": "🚀" * 17}, "icon must be"),
            ({"color": "black"}, "color must be one of: red"),
            ({"category": " "}, "invalid category: empty"),
            ({"key": "agent:main:subagent:1", "pinned": True}, "pin its parent"),
            ({"pinned": None}, "at /pinned"),
            ({"archived": True}, "unexpected property 'archived'"),
            ({"fastMode": True}, "unexpected property 'fastMode'"),
        ):
            self.assertIn(said, self.refusal("sessions.patch", **{"key": KEY, **params})[1])

    def test_no_use(self) -> None:
        """That is no use of a session: it keeps its place in lists. Other changes are."""
        self.add(KEY, user("hi"))
        before = self.row()["updatedAt"]
        self.memory.advance(5)
        self.call("sessions.patch", key=KEY, color="red", unread=True)
        self.assertEqual(self.row()["updatedAt"], before)
        self.call("sessions.patch", key=KEY, color="blue", label="Named")
        self.assertEqual(self.row()["updatedAt"], self.now_ms)

    def test_scope(self) -> None:
        """It takes no administrator."""
        self.call("sessions.patch", self.holder("key"), key=KEY, pinned=True, unread=True, icon="🚀")

    def test_unread(self) -> None:
        """Until it is read, and again when something is said or somebody wants it."""
        self.call("sessions.patch", key=KEY, label="new")
        self.assertFalse(self.row()["unread"])
        self.memory.advance(1)
        self.memory.model.say("hello")
        self.call("chat.send", sessionKey=KEY, message="hi", idempotencyKey="r")
        self.memory.advance(1)
        self.assertTrue(self.row()["unread"])
        self.call("sessions.patch", key=KEY, unread=False)
        row = self.row()
        self.assertEqual((row["unread"], row["lastReadAt"]), (False, self.now_ms))
        self.call("sessions.patch", key=KEY, unread=True)
        row = self.row()
        self.assertEqual((row["unread"], row["markedUnreadAt"]), (True, self.now_ms))

    def test_read_meanwhile(self) -> None:
        """Who shows a session takes back only the mark that it has seen."""
        self.call("sessions.patch", key=KEY, unread=True)
        seen = self.row()["markedUnreadAt"]
        self.call("sessions.patch", key=KEY, unread=True)
        self.call("sessions.patch", key=KEY, unread=False, expectedMarkedUnreadAt=seen)
        newer = self.row()["markedUnreadAt"]
        self.assertGreater(newer, seen)
        self.call("sessions.patch", key=KEY, unread=False, expectedMarkedUnreadAt=None)
        self.assertTrue(self.row()["unread"])
        self.call("sessions.patch", key=KEY, unread=False, expectedMarkedUnreadAt=newer)
        self.assertFalse(self.row()["unread"])
        self.call("sessions.patch", key=KEY, unread=False, expectedMarkedUnreadAt=None)
        for more in ({}, {"unread": True}, {"unread": False, "pinned": True}):
            refused = self.refusal("sessions.patch", key=KEY, expectedMarkedUnreadAt=None, **more)
            self.assertIn("requires unread=false", refused[1])

    def test_told(self) -> None:
        """What was taken back is told as nothing, or clients would go on showing it."""
        follower = self.memory.websocket()
        follower.connect(ADMIN)
        self.call("sessions.subscribe", follower)
        self.call("sessions.patch", key=KEY, icon="🚀", label="L", pinned=True)
        self.call("sessions.patch", key=KEY, icon=None, label=None, pinned=False)
        told, last = [event["payload"] for event in follower.events("sessions.changed")]
        self.assertEqual((told["icon"], told["label"], told["pinned"]), ("🚀", "L", True))
        names = ("icon", "label", "pinnedAt", "displayName", "markedUnreadAt")
        self.assertEqual([last[name] for name in names], [None] * 5)
        self.assertFalse(last["session"]["pinned"])
