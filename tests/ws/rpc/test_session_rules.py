# -*- test-case-name: tests.ws.rpc.test_session_rules -*-
"""What a session lets be said in it, when it begins anew by itself, and whose it is."""

from __future__ import annotations

from tests.sessions.helpers import user
from tests.ws.rpc.sessions import RunCase
from tests.ws.rpc.test_sessions import ADMIN


class PolicyTests(RunCase):
    """C{session.sendPolicy} for chat clients."""

    CONFIG = {
        "session": {"sendPolicy": {"default": "allow", "rules": [{"action": "deny", "match": {"keyPrefix": "quiet"}}]}},
        "gateway": {"http": {"endpoints": {"chatCompletions": {"enabled": True}}}},
    }
    BLOCKED = ("INVALID_REQUEST", "send blocked by session policy")

    def test_blocked(self) -> None:
        """C{agent} and C{chat.send} are refused before anything begins; HTTP is not concerned."""
        for method, params in (
            ("chat.send", {"sessionKey": "quiet-one", "message": "x", "idempotencyKey": "a"}),
            ("agent", {"sessionKey": "quiet-one", "message": "x", "idempotencyKey": "b"}),
        ):
            self.assertEqual(self.refusal(method, **params), self.BLOCKED)
        self.assertIsNone(self.do(self.store.get("agent:main:quiet-one")))
        self.assertEqual(self.memory.model.calls, [])
        self.send("x", "agent:main:loud")
        self.answer("y")
        headers = {"x-openclaw-session-key": "quiet-one"}
        body = {"model": "openclaw", "messages": [{"role": "user", "content": "x"}], "stream": True}
        self.memory.post("/v1/chat/completions", body, headers=headers)
        self.assertEqual(len(self.memory.model.calls), 2)

    def test_session_decides(self) -> None:
        """What C{sessions.patch} sets comes first, both ways."""
        self.call("sessions.patch", key="quiet-one", sendPolicy="allow")
        self.send("x", "quiet-one")
        self.answer("y")
        self.call("sessions.patch", key="loud", sendPolicy="deny")
        refusal = self.refusal("chat.send", sessionKey="loud", message="x", idempotencyKey="a")
        self.assertEqual(refusal, self.BLOCKED)
        self.call("sessions.patch", key="loud", sendPolicy=None)
        self.send("z", "loud")
        self.answer("y")


class DailyTests(RunCase):
    """C{session.reset}, from configuration to conversation."""

    CONFIG = {"agents": {"defaults": {"userTimezone": "UTC"}}}

    def test_daily(self) -> None:
        """A chat session begins anew after four o'clock; one of the HTTP API never does."""
        self.say("one")
        self.memory.advance(24 * 3600)
        self.say("two")
        self.assertEqual(self.texts(), ["two", "re two"])
        body = {"model": "openclaw", "user": "joe", "messages": [{"role": "user", "content": "x"}], "stream": True}
        for _ in range(2):
            self.memory.post("/v1/chat/completions", body)
            self.answer("y")
            self.memory.advance(24 * 3600)
        self.assertEqual(self.texts("agent:main:openai-user:joe"), ["x", "y", "x", "y"])


class CommonWordTests(RunCase):
    """Sessions called C{global} or C{unknown}, where C{session.scope} is not global."""

    CONFIG = {"agents": {"list": [{"id": "main"}, {"id": "beta"}]}}

    def chat(self, name: str, agent: str, text: str) -> None:
        """A whole turn over HTTP."""
        body = {"model": f"openclaw:{agent}", "messages": [{"role": "user", "content": text}]}
        self.memory.post("/v1/chat/completions", body, headers={"x-openclaw-session-key": name})
        self.answer(f"re {text}")

    def test_each_agent_has_its_own(self) -> None:
        """Over HTTP and WebSocket alike, so that no agent reads what was said to another."""
        for name in ("global", "unknown"):
            self.chat(name, "main", "I am main")
            self.chat(name, "beta", "I am beta")
            self.call("chat.send", sessionKey=name, agentId="beta", message="again", idempotencyKey=f"a {name}")
            self.answer("yes")
            self.call("agent", sessionKey=name, agentId="main", message="here", idempotencyKey=f"b {name}")
            self.answer("yes")
            self.assertEqual(self.texts(f"agent:main:{name}"), ["I am main", "re I am main", "here", "yes"])
            self.assertEqual(self.texts(f"agent:beta:{name}"), ["I am beta", "re I am beta", "again", "yes"])
            self.assertIsNone(self.do(self.store.get(name)))
            for agent in ("main", "beta"):
                wanted = f"agent:{agent}:{name}"
                place = {"key": name, "agentId": agent}
                history = self.call("chat.history", sessionKey=name, agentId=agent)
                self.assertEqual((history["sessionKey"], len(history["messages"])), (wanted, 4))
                self.assertEqual(self.call("sessions.messages.subscribe", **place)["key"], wanted)
                self.assertEqual(self.call("sessions.resolve", **place)["key"], wanted)
                self.assertEqual(self.call("sessions.patch", label=f"{agent} {name}", **place)["key"], wanted)
        keys = {row["key"] for row in self.call("sessions.list")["sessions"]}
        self.assertEqual(
            keys, {f"agent:{agent}:{name}" for agent in ("main", "beta") for name in ("global", "unknown")}
        )

    def test_one_from_before(self) -> None:
        """A session that is stored without an agent can still be looked at, and cleared away."""
        self.add("global", user("old"))
        self.assertEqual(self.call("sessions.describe", key="global")["session"]["key"], "global")
        session_id = self.do(self.store.get("global")).session_id
        self.call("agent", sessionId=session_id, message="more", idempotencyKey="a")
        self.answer("yes")
        self.assertEqual(self.texts("global"), ["old", "more", "yes"])
        self.assertEqual(self.call("sessions.reset", key="global")["key"], "global")
        self.assertTrue(self.call("sessions.delete", key="global")["deleted"])
        self.assertIsNone(self.do(self.store.get("global")))


class ScopeTests(RunCase):
    """C{session.scope}: global."""

    CONFIG = {"session": {"scope": "global"}}

    def test_one_session(self) -> None:
        """Main sessions of all agents, and requests that name none, are one; those with a name are their own."""
        self.assertEqual(self.call("agents.list")["scope"], "global")
        self.send("one", "main")
        self.answer("a")
        self.call("agent", message="two", agentId="beta", idempotencyKey="k2")
        self.answer("b")
        self.call("agent", message="three", idempotencyKey="k3")
        self.answer("c")
        self.send("four", "agent:main:named")
        self.answer("d")
        running = self.memory.gateway.run_agent("five", session_key="main")
        self.memory.flush()
        self.answer("e")
        self.successResultOf(running)
        self.assertEqual(self.texts("global"), ["one", "a", "two", "b", "three", "c", "five", "e"])
        self.assertEqual(self.texts("agent:main:named"), ["four", "d"])
        self.assertIsNone(self.do(self.store.get("agent:main:main")))

    def test_hello(self) -> None:
        """Clients are told which session is the main one."""
        client = self.memory.websocket()
        hello = client.connect(ADMIN)
        defaults = hello["snapshot"]["sessionDefaults"]
        self.assertEqual((defaults["scope"], defaults["mainSessionKey"]), ("global", "global"))

    def test_keys_with_a_prefix(self) -> None:
        """Keep a main session of their own."""
        client = self.holder("acme")
        self.call("chat.send", client, sessionKey="main", message="x", idempotencyKey="a")
        self.answer("y")
        self.assertEqual(self.texts("agent:main:acme:main"), ["x", "y"])
