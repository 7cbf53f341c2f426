# -*- test-case-name: tests.ws.rpc.test_wake -*-
"""L{openclaw_tx.ws.rpc.wake} in a whole gateway, and what C{health} and C{status} tell of heartbeats."""

from __future__ import annotations

from typing import Any

from openclaw_tx.testing.gateway import START
from tests.automation.test_scenario import Case

MAIN = "agent:main:main"


class WakeTests(Case):
    """C{wake} and C{system-event}."""

    def test_now(self) -> None:
        """As recorded: C{ok}, and a heartbeat in the main session; what the agent has to tell is told."""
        self.assertEqual(self.call("wake", {"mode": "now", "text": "hello"}), {"ok": True})
        self.memory.advance(0)
        (call,) = self.memory.model.calls
        self.assertIn("System: hello", "\n".join(message.text for message in call.request.messages))
        call.text("The build is red.")
        call.finish()
        self.memory.advance(0.5, 5)
        told = self.call("last-heartbeat")
        self.assertEqual(
            {key: told[key] for key in ("status", "agentId", "sessionKey", "reason", "preview", "silent")},
            {
                "status": "sent",
                "agentId": "main",
                "sessionKey": MAIN,
                "reason": "wake",
                "preview": "The build is red.",
                "silent": False,
            },
        )
        (event,) = self.socket.events("heartbeat")
        self.assertEqual(event["payload"], told)
        history = self.call("chat.history", {"sessionKey": "main"})["messages"]
        self.assertEqual(history[-1]["role"], "assistant")

    def test_later(self) -> None:
        """Noted for the next turn, in the session that is named."""
        for params in (
            {"text": "one"},
            {"text": "two", "agentId": "beta"},
            {"text": "three", "sessionKey": "agent:beta:work"},
            {"text": "four", "sessionKey": "work"},
        ):
            self.call("wake", {"mode": "next-heartbeat", **params})
        self.call("system-event", {"text": "five"})
        self.memory.advance(60)
        self.assertEqual(self.memory.model.calls, [])
        self.assertEqual(self.call("status")["queuedSystemEvents"], ["one", "five"])

    def test_one_conversation(self) -> None:
        """Where main sessions are one, it is told there, whichever agent it is for."""
        self.memory.gateway.reload({**self.memory.config, "session": {"scope": "global"}})
        for params in ({}, {"agentId": "beta"}, {"sessionKey": "global"}):
            self.call("wake", {"mode": "next-heartbeat", "text": f"news {params}", **params})
        self.call("system-event", {"text": "event"})
        self.assertEqual(len(self.call("status")["queuedSystemEvents"]), 4)
        self.call("wake", {"mode": "now", "text": "now"})
        self.memory.advance(0)
        (call,) = self.memory.model.calls
        self.assertEqual("\n".join(message.text for message in call.request.messages).count("System: "), 5)
        call.text("Seen.")
        call.finish()
        self.memory.advance(0.5, 5)
        self.assertEqual(self.call("last-heartbeat")["sessionKey"], "global")
        history = self.call("chat.history", {"sessionKey": "main"})
        self.assertEqual((history["sessionKey"], history["messages"][-1]["role"]), ("global", "assistant"))

    def test_presence(self) -> None:
        """A machine says of itself; everybody is told, and the agent only of what is news for it."""
        told = {"instanceId": "mac", "host": "desk", "lastInputSeconds": 5, "tags": ["a"]}
        self.call("system-event", {"text": " Node: desk", **told})
        row = self.seen("mac")
        self.assertEqual({**row, "ts": 0}, {**told, "text": "Node: desk", "ts": 0})
        self.assertIn(row, self.call("system-presence"))
        self.call("system-event", {"text": "Battery low", "instanceId": "mac"})
        self.assertEqual(self.call("status")["queuedSystemEvents"], ["Battery low"])
        self.assertEqual(self.seen("mac")["host"], "desk")

    def seen(self, instance: str) -> Any:
        """A row of the newest event C{presence}."""
        rows = self.socket.events("presence")[-1]["payload"]["presence"]
        return next(row for row in rows if row.get("instanceId") == instance)

    def test_refused(self) -> None:
        """Texts that are none, agents that are none, sessions of others."""
        for params, words in (
            ({"mode": "now"}, "text"),
            ({"mode": "now", "text": " "}, "text"),
            ({"mode": "soon", "text": "x"}, "mode"),
            ({"mode": "now", "text": "x", "agentId": "nobody"}, "Unknown agent"),
            ({"mode": "now", "text": "x", "sessionKey": "agent:nobody:main"}, "Unknown agent"),
            ({"mode": "now", "text": "x", "agentId": "main", "sessionKey": "agent:beta:main"}, "another agent"),
            ({"mode": "now", "text": "x", "sessionKey": "global"}, "another agent"),
        ):
            answer = self.socket.request("wake", params)
            self.assertEqual(answer["error"]["code"], "INVALID_REQUEST", params)
            self.assertIn(words, answer["error"]["message"])

    def test_scopes(self) -> None:
        """Who may write may wake; the rest is for administrators."""
        socket = self.memory.websocket()
        socket.connect(("operator.write",))
        self.assertTrue(socket.request("wake", {"mode": "next-heartbeat", "text": "x"})["ok"])
        for method, params in (("system-event", {"text": "x"}), ("set-heartbeats", {"enabled": False})):
            self.assertEqual(socket.request(method, params)["error"]["message"], "missing scope: operator.admin")


class HeartbeatTests(Case):
    """Heartbeats that the configuration gives."""

    config = {"agents": {"defaults": {"heartbeat": {"every": "30m"}}}}

    def test_told(self) -> None:
        """C{health} and C{status} tell the truth."""
        self.assertIsNone(self.call("last-heartbeat"))
        health, status = self.call("health", {"probe": True}), self.call("status")
        self.assertEqual(health["heartbeatSeconds"], 1800)
        for row in (health["agents"][0]["heartbeat"], status["heartbeat"]["agents"][1]):
            self.assertEqual((row["enabled"], row["every"], row["everyMs"]), (True, "30m", 1_800_000))

    def test_by_the_clock(self) -> None:
        """Both agents, every half hour; who has nothing to tell is silent."""
        for _ in range(2):
            self.memory.model.say("HEARTBEAT_OK")
        self.memory.advance(1800)
        self.memory.advance(5, 5)
        self.assertEqual(len(self.memory.model.calls), 2)
        told = [event["payload"] for event in self.socket.events("heartbeat")]
        self.assertEqual({each["agentId"] for each in told}, {"main", "beta"})
        self.assertEqual({(each["status"], each["silent"]) for each in told}, {("ok-token", True)})
        self.assertEqual([event for event in self.socket.events("chat") if event["payload"].get("message")], [])

    def test_leaves_nothing(self) -> None:
        """A heartbeat with nothing to report leaves no turn in the transcript; one that has something does."""

        def texts() -> list[str]:
            messages = self.call("chat.history", {"sessionKey": "main"})["messages"]
            return [part["text"] for message in messages for part in message["content"]]

        self.configure_main_only()
        self.memory.model.say("HEARTBEAT_OK")
        self.memory.advance(1800)
        self.memory.advance(5, 5)
        self.assertEqual((len(self.memory.model.calls), texts()), (1, []))
        self.memory.model.say("The build is red.")
        self.call("wake", {"mode": "now", "text": "Look at the build."})
        self.memory.advance(5, 5)
        self.assertEqual(texts()[-1], "The build is red.")
        self.assertNotIn("HEARTBEAT_OK", str(self.memory.model.requests[-1].messages[:-1]))
        self.assertEqual(len(self.memory.model.requests[-1].messages), 2)

    def test_news_stay(self) -> None:
        """News that a silent heartbeat was told stay in the transcript: later turns may want them."""
        self.memory.model.say("HEARTBEAT_OK")
        self.call("wake", {"mode": "now", "text": "The tests are green."})
        self.memory.advance(5, 5)
        messages = self.call("chat.history", {"sessionKey": "main"})["messages"]
        self.assertIn("The tests are green.", str(messages))

    def configure_main_only(self) -> None:
        """Only agent main has heartbeats."""
        agents = {**self.memory.config["agents"], "defaults": {"model": self.memory.model.ref}}
        agents["list"] = [{"id": "main", "heartbeat": {"every": "30m"}}, {"id": "beta"}]
        self.memory.gateway.reload({**self.memory.config, "agents": agents})

    def test_switch(self) -> None:
        """Off until they are switched on, or the process ends."""
        self.assertEqual(self.call("set-heartbeats", {"enabled": False}), {"ok": True, "enabled": False})
        self.memory.advance(7200, 20)
        self.assertEqual(self.memory.model.calls, [])
        self.call("set-heartbeats", {"enabled": True})
        self.memory.advance(1800)
        self.assertEqual(len(self.memory.model.calls), 2)


class NoHeartbeatTests(Case):
    """By default."""

    def test_told(self) -> None:
        """There are none, and that is what is told."""
        health = self.call("health", {"probe": True})
        self.assertEqual(health["heartbeatSeconds"], 0)
        self.assertEqual(health["agents"][0]["heartbeat"], {"enabled": False, "every": "disabled", "everyMs": None})
        self.assertEqual(health["ts"], int(START * 1000))
