# -*- test-case-name: tests.ws.rpc.test_session_talk -*-
"""L{openclaw_tx.ws.rpc.session_talk}: through a whole gateway."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from twisted.internet.defer import Deferred

from openclaw_tx.auth.keys import hash_of
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.values import SessionEntry
from tests.ws.rpc.test_config import AskingCase

KEYS = {
    "gateway": {
        "auth": {
            "keys": [
                {"label": "beta", "hash": hash_of("b" * 32), "agents": ["beta"], "sessionPrefix": ""},
                {"label": "bound", "hash": hash_of("s" * 32), "sessionPrefix": "x:"},
                {"label": "reader", "hash": hash_of("r" * 32), "scopes": ["operator.read"]},
            ]
        }
    }
}


class TalkCase(AskingCase):
    """A gateway and a client that may talk."""

    def setUp(self) -> None:
        """Connected."""
        self.memory = MemoryGateway(KEYS)
        self.addCleanup(self.memory.close)
        self.connect()

    def connect(self, token: str | None = None) -> None:
        """Come, perhaps with another credential."""
        self.client = self.memory.websocket()
        self.client.connect(token=token)

    def refusal(self, method: str, **params: Any) -> tuple[str, str]:
        """Code and message."""
        answer = self.client.request(method, params)
        self.assertFalse(answer["ok"], answer)
        return answer["error"]["code"], answer["error"]["message"]

    def said(self, key: str) -> list[str]:
        """What stands in a session's transcript."""
        messages = self.ok("chat.history", sessionKey=key)["messages"]
        return [message["content"][0]["text"] for message in messages if message["content"]]

    def hang(self) -> None:
        """The model does not answer for now."""
        self.memory.model._plays.append(lambda call: None)


class CreateTests(TalkCase):
    """C{sessions.create}."""

    def test_empty(self) -> None:
        """A session of its own, with what was set for it."""
        found = self.ok(
            "sessions.create",
            agentId="beta",
            label="Trip",
            displayName="My trip",
            thinkingLevel="low",
            model="scripted/model",
        )
        self.assertRegex(found["key"], r"^agent:beta:dashboard:[0-9a-f-]{36}$")
        self.assertIs(found["runStarted"], False)
        self.assertEqual((found["entry"]["label"], found["entry"]["displayName"]), ("Trip", "My trip"))
        self.assertEqual(found["entry"]["thinkingLevel"], "low")
        (row,) = self.ok("sessions.list")["sessions"]
        self.assertEqual((row["key"], row["sessionId"]), (found["key"], found["sessionId"]))
        self.assertNotEqual(self.ok("sessions.create")["key"], found["key"])

    def test_with_message(self) -> None:
        """A run is started there; its answer comes as of any other."""
        for name in ("message", "task"):
            self.memory.model.say("hello")
            found = self.ok("sessions.create", **{name: "hi"})
            self.assertIs(found["runStarted"], True)
            self.assertEqual(self.said(found["key"]), ["hi", "hello"])
            self.assertIn(found["runId"], {event["payload"]["runId"] for event in self.client.events("chat")})

    def test_repeated(self) -> None:
        """The same idempotency key finds the session and its run; nothing is said twice."""
        self.memory.model.say("hello")
        asked = {"message": "hi", "idempotencyKey": "k1"}
        first, second = self.ok("sessions.create", **asked), self.ok("sessions.create", **asked)
        self.assertEqual((first["key"], first["runId"]), (second["key"], second["runId"]))
        self.assertEqual(self.said(first["key"]), ["hi", "hello"])
        self.assertNotEqual(self.ok("sessions.create", idempotencyKey="k2")["key"], first["key"])

    def test_known(self) -> None:
        """A session that is there is taken; what it is called stays."""
        self.ok("sessions.create", key="trip", displayName="One")
        found = self.ok("sessions.create", key="trip", displayName="Two", parentSessionKey="main")
        self.assertEqual((found["key"], found["entry"]["displayName"]), ("agent:main:trip", "One"))
        self.assertNotIn("parentSessionKey", found["entry"])

    def test_parent(self) -> None:
        """Where it was begun from is kept with it."""
        found = self.ok("sessions.create", parentSessionKey="main", emitCommandHooks=True, succeedsParent=False)
        self.assertEqual(found["entry"]["parentSessionKey"], "agent:main:main")

    def test_not_sent(self) -> None:
        """The session is there all the same, and it is said why."""
        found = self.ok("sessions.create", message="a\0b")
        self.assertIs(found["runStarted"], False)
        self.assertEqual(found["runError"]["code"], "INVALID_REQUEST")
        self.assertIn("null bytes", found["runError"]["message"])
        self.assertEqual(self.said(found["key"]), [])

    def test_refused(self) -> None:
        """What there is not, and what this gateway does not have: each refusal names it."""
        self.ok("sessions.create", label="Taken")
        for params, told in (
            ({"agentId": "nope"}, "nope"),
            ({"key": "agent:nope:main"}, "nope"),
            ({"key": "subagent:x"}, "namespace of the gateway's own"),
            ({"label": "Taken"}, "label already in use"),
            ({"thinkingLevel": "loud"}, "thinkingLevel"),
            ({"model": "no/model"}, "no/model"),
            ({"parentSessionKey": "agent:nope:main"}, "nope"),
            ({"message": "a", "task": "b"}, "message and task"),
            ({"worktree": True}, "worktree"),
            ({"permissionMode": "full"}, "permissionMode"),
        ):
            self.assertIn(told, self.refusal("sessions.create", **params)[1])
        self.assertEqual(self.ok("sessions.list")["count"], 1)

    def test_bounds(self) -> None:
        """Keys stay among their agents and sessions; who only reads makes none."""
        self.connect("b" * 32)
        self.assertRegex(self.ok("sessions.create")["key"], "^agent:beta:dashboard:")
        self.assertIn("main", self.refusal("sessions.create", agentId="main")[1])
        self.connect("s" * 32)
        self.assertRegex(self.ok("sessions.create")["key"], "^agent:main:x:dashboard:")
        self.connect("r" * 32)
        self.assertEqual(self.refusal("sessions.create")[0], "FORBIDDEN")
        self.assertEqual(self.refusal("sessions.send", key="main", message="hi")[0], "FORBIDDEN")


class SendTests(TalkCase):
    """C{sessions.send}."""

    def test_send(self) -> None:
        """The same as C{chat.send}, with a key of its own if there is none."""
        key = self.ok("sessions.create")["key"]
        self.memory.model.say("hello")
        found = self.ok("sessions.send", key=key, message="hi")
        self.assertEqual(found["status"], "started")
        self.assertEqual(self.said(key), ["hi", "hello"])
        self.memory.model.say("again")
        for _ in range(2):
            found = self.ok("sessions.send", key=key, message="more", idempotencyKey="k")
            self.assertEqual(found["runId"], "k")
        self.assertEqual(self.said(key), ["hi", "hello", "more", "again"])

    def test_main(self) -> None:
        """An agent's main session is always there; others are not made."""
        self.memory.model.say("hello")
        self.ok("sessions.send", key="main", message="hi")
        self.assertEqual(self.said("main"), ["hi", "hello"])
        self.assertEqual(self.refusal("sessions.send", key="nope", message="hi")[1], "session not found: nope")
        self.assertIn("message", self.refusal("sessions.send", key="main")[1])


class AbortTests(TalkCase):
    """C{sessions.abort}."""

    def test_session(self) -> None:
        """Whatever runs there ends."""
        self.hang()
        run_id = self.ok("sessions.create", key="a", message="hi")["runId"]
        self.assertEqual(self.ok("sessions.abort", key="a"), {"ok": True, "abortedRunId": run_id, "status": "aborted"})
        self.assertEqual(
            self.ok("sessions.abort", key="a"), {"ok": True, "abortedRunId": None, "status": "no-active-run"}
        )

    def test_run(self) -> None:
        """One run, with or without its session."""
        for params in ({}, {"key": "a"}):
            self.hang()
            run_id = self.ok("sessions.create", key="a", message="hi")["runId"]
            self.assertEqual(self.ok("sessions.abort", runId=run_id, **params)["abortedRunId"], run_id)
        self.assertEqual(self.ok("sessions.abort", runId="nope")["status"], "no-active-run")
        self.hang()
        run_id = self.ok("sessions.create", key="a", message="hi")["runId"]
        self.assertIn("runId", self.refusal("sessions.abort", key="b", runId=run_id)[1])
        self.ok("sessions.abort", key="a")

    def test_waiting(self) -> None:
        """What waits in the session is said afterwards, unless it is to be forgotten."""
        for clear, said in ((False, ["hi", "next", "hello"]), (True, ["hi"])):
            key = f"session{clear}"
            self.hang()
            self.ok("sessions.create", key=key, message="hi")
            self.ok("chat.send", sessionKey=key, message="next", idempotencyKey=f"next{clear}", queueMode="followup")
            if not clear:
                self.memory.model.say("hello")
            self.ok("sessions.abort", key=key, clearQueued=clear)
            self.memory.advance(5)
            self.assertEqual(self.said(key), said)

    def test_waiting_run(self) -> None:
        """A message that waits is found by its run id, and is not said any more."""
        self.hang()
        first = self.ok("sessions.create", key="a", message="hi")["runId"]
        for run_id, params in (("r1", {}), ("r2", {"key": "a"})):
            self.ok("chat.send", sessionKey="a", message="next", idempotencyKey=run_id, queueMode="followup")
            refusal = self.refusal("sessions.abort", key="b", runId=run_id)
            self.assertEqual(refusal, ("INVALID_REQUEST", "runId does not match sessionKey"))
            found = self.ok("sessions.abort", runId=run_id, **params)
            self.assertEqual(found, {"ok": True, "abortedRunId": run_id, "status": "aborted"})
            self.assertEqual(self.ok("agent.wait", runId=run_id)["stopReason"], "rpc")
        self.ok("sessions.abort", runId=first)
        self.memory.advance(5)
        self.assertEqual(self.said("a"), ["hi"])

    def test_refused(self) -> None:
        """Neither, and what is out of bounds."""
        self.assertIn("key or runId", self.refusal("sessions.abort")[1])
        self.hang()
        run_id = self.ok("sessions.create", key="a", message="hi")["runId"]
        self.connect("b" * 32)
        self.assertEqual(self.ok("sessions.abort", runId=run_id)["status"], "no-active-run")
        self.assertIn("main", self.refusal("sessions.abort", key="agent:main:a")[1])
        self.connect()
        self.assertEqual(self.ok("sessions.abort", key="a")["status"], "aborted")


class CaseTests(TalkCase):
    """Keys that HTTP clients chose keep their case; chat clients name them as the list does."""

    key = "agent:main:Ada"

    def setUp(self) -> None:
        """One that an HTTP client has spoken in."""
        super().setUp()
        self.memory.model.say("Hello, Ada.")
        body = {"model": "openclaw", "messages": [{"role": "user", "content": "hi"}]}
        answer = self.memory.post("/v1/chat/completions", body, headers={"x-openclaw-session-key": "Ada"})
        self.assertEqual(answer.code, 200)
        self.memory.advance(1)

    def test_same_conversation(self) -> None:
        """It is read, followed and gone on with: there is no other one in lower case."""
        self.assertEqual([row["key"] for row in self.ok("sessions.list")["sessions"]], [self.key])
        self.assertEqual(self.said(self.key), ["hi", "Hello, Ada."])
        self.assertEqual(self.ok("chat.startup", sessionKey=self.key)["sessionInfo"]["key"], self.key)
        self.assertEqual(self.ok("sessions.messages.subscribe", key=self.key)["key"], self.key)
        self.assertEqual(self.ok("tools.effective", sessionKey=self.key)["agentId"], "main")
        for number, (method, name) in enumerate(
            (("chat.send", "sessionKey"), ("sessions.send", "key"), ("agent", "sessionKey"))
        ):
            self.memory.model.say("Yes.")
            self.ok(method, **{name: self.key, "message": f"m{number}", "idempotencyKey": f"k{number}"})
            self.memory.advance(1)
        session_id = self.ok("sessions.describe", key=self.key)["session"]["sessionId"]
        self.memory.model.say("Yes.")
        self.ok("agent", sessionId=session_id, message="m3", idempotencyKey="k3")
        self.memory.advance(1)
        self.assertEqual(self.said(self.key)[2::2], ["m0", "m1", "m2", "m3"])
        self.assertEqual([row["key"] for row in self.ok("sessions.list")["sessions"]], [self.key])
        told = [event["payload"]["sessionKey"] for event in self.client.events("session.message")]
        self.assertEqual(set(told), {self.key})

    def test_aborted(self) -> None:
        """Its runs are found."""
        for method, name in (("chat.abort", "sessionKey"), ("sessions.abort", "key")):
            self.hang()
            self.ok("chat.send", sessionKey=self.key, message="take your time", idempotencyKey=method)
            self.assertIn(method, str(self.ok(method, **{name: self.key})))

    def test_lower_case(self) -> None:
        """Where there is no such session a key is in lower case, as always."""
        self.assertEqual(self.ok("chat.history", sessionKey="agent:main:Bob")["sessionKey"], "agent:main:bob")


class RemovedAgentTests(TalkCase):
    """What was said to an agent that is no more."""

    def setUp(self) -> None:
        """It has answered once."""
        super().setUp()
        agents = self.memory.config["agents"]
        self.memory.gateway.reload(
            {**self.memory.config, "agents": {**agents, "list": [{"id": "main"}, {"id": "gone"}]}}
        )
        self.memory.model.say("Farewell.")
        self.ok("chat.send", sessionKey="agent:gone:x", message="hi", idempotencyKey="k")
        self.memory.advance(1)
        self.memory.gateway.reload({**self.memory.config, "agents": {**agents, "list": [{"id": "main"}]}})

    def test_read(self) -> None:
        """It stands in the list, and can be read; nobody can answer there any more."""
        key = "agent:gone:x"
        self.assertEqual([row["key"] for row in self.ok("sessions.list")["sessions"]], [key])
        self.assertEqual(self.said(key), ["hi", "Farewell."])
        started = self.ok("chat.startup", sessionKey=key)
        self.assertEqual((len(started["messages"]), started["metadata"]["agentId"]), (2, "main"))
        self.assertEqual(len(self.ok("sessions.usage.logs", key=key)["logs"]), 2)
        for method, name in (("chat.send", "sessionKey"), ("sessions.send", "key"), ("agent", "sessionKey")):
            refusal = self.refusal(method, **{name: key, "message": "hi", "idempotencyKey": method})
            self.assertIn('unknown agent id "gone"', refusal[1])

    def test_bounds(self) -> None:
        """A key that is for other agents knows nothing of it."""
        self.connect("b" * 32)
        self.assertIn('unknown agent id "gone"', self.refusal("chat.history", sessionKey="agent:gone:x")[1])


class BoundsTests(TalkCase):
    """Sessions out of the bounds of a key."""

    def test_nothing_is_told(self) -> None:
        """They look like those that are not there, whatever is set for them."""
        self.memory.model.say("hello")
        self.ok("chat.send", sessionKey="theirs", message="hi", idempotencyKey="k")
        self.memory.advance(1)

        def closed(entry: SessionEntry) -> SessionEntry:
            settings = replace(entry.settings, send_policy="deny", spawned_by="agent:main:main")
            return replace(entry, settings=settings)

        store = self.memory.gateway._house.sessions
        self.successResultOf(Deferred.fromCoroutine(store.patch("agent:main:theirs", closed)))
        self.connect("s" * 32)
        for method, name in (("agent", "sessionKey"), ("tools.effective", "sessionKey"), ("sessions.send", "key")):
            for number, key in enumerate(("agent:main:theirs", "agent:main:nobody")):
                said = {} if method == "tools.effective" else {"message": "x", "idempotencyKey": f"{method}{number}"}
                refusal = self.refusal(method, **{name: key}, **said)
                self.assertEqual(refusal, ("INVALID_REQUEST", "No such session."), (method, key))
