# -*- test-case-name: tests.ws.test_session_events -*-
"""L{openclaw_tx.ws.session_events}, L{openclaw_tx.ws.subscriptions} and L{openclaw_tx.ws.rpc.following}: through a
whole gateway."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.keys import hash_of
from openclaw_tx.errors import GatewayError
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.testing.gateway import TOKEN
from openclaw_tx.testing.websocket import MemoryWebSocket
from openclaw_tx.ws.subscriptions import MAX_KEYS, Subscriptions

KEYS = {"gateway": {"auth": {"keys": [{"label": "beta", "hash": hash_of("b" * 32), "agents": ["beta"]}]}}}


class EventCase(SynchronousTestCase):
    """A gateway and a client that acts."""

    def setUp(self) -> None:
        """Connected."""
        self.memory = MemoryGateway(KEYS)
        self.addCleanup(self.memory.close)
        self.actor = self.connect(("operator.admin",))
        self.sent = 0

    def connect(self, scopes: Any = ("operator.read",), token: str = TOKEN) -> MemoryWebSocket:
        """A client."""
        client = self.memory.websocket()
        client.connect(scopes=scopes, token=token)
        return client

    def ok(self, client: MemoryWebSocket, method: str, **params: Any) -> Any:
        """The payload of an answer."""
        answer = client.request(method, params)
        self.assertTrue(answer["ok"], answer)
        return answer["payload"]

    def say(self, key: str = "main", text: str = "hi", answer: str = "hello") -> None:
        """A turn, stored."""
        self.sent += 1
        self.memory.model.say(answer)
        self.ok(self.actor, "chat.send", sessionKey=key, message=text, idempotencyKey=f"run-{self.sent}")
        self.memory.advance(0.5)

    def changes(self, client: MemoryWebSocket) -> list[Any]:
        """What it was told of sessions: why and which."""
        told = [event["payload"] for event in client.events("sessions.changed")]
        return [(one.get("phase") or one.get("reason"), one["sessionKey"]) for one in told]


class ChangedTests(EventCase):
    """C{sessions.changed}."""

    def test_turn(self) -> None:
        """Begun, its messages, its end; who asked for nothing hears nothing."""
        follower, other = self.connect(), self.connect()
        self.assertEqual(self.ok(follower, "sessions.subscribe"), {"subscribed": True})
        self.say()
        key = "agent:main:main"
        self.assertEqual(self.changes(follower), [("start", key), ("end", key)])
        start, end = [event["payload"] for event in follower.events("sessions.changed")]
        self.assertEqual((start["runId"], start["hasActiveRun"], start["activeRunIds"]), ("run-1", True, ["run-1"]))
        self.assertEqual((start["status"], start["endedAt"], start["lastRunError"]), ("running", None, None))
        self.assertEqual((end["runId"], end["hasActiveRun"], end["session"]["key"]), ("run-1", False, key))
        self.assertEqual((end["status"], end["lastRunId"], end["startedAt"]), ("done", "run-1", start["startedAt"]))
        self.assertEqual((end["session"]["status"], end["session"]["lastRunError"]), ("done", None))
        self.assertEqual(end["updatedAt"], end["session"]["updatedAt"])
        self.assertEqual((self.changes(other), other.events("session.message")), ([], []))
        names = [event["event"] for event in follower.events() if event["event"].startswith("session")]
        self.assertEqual(names, ["session.message", "sessions.changed", "session.message", "sessions.changed"])

    def test_numbers(self) -> None:
        """Each connection counts its events without holes."""
        follower = self.connect()
        self.ok(follower, "sessions.subscribe")
        self.say()
        numbers = [event["seq"] for event in follower.events() if "seq" in event]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))

    def test_other_changes(self) -> None:
        """Set, injected, begun anew, deleted."""
        follower = self.connect()
        self.say("x")
        self.ok(follower, "sessions.subscribe")
        for method, params in (
            ("sessions.patch", {"key": "x", "label": "L"}),
            ("chat.inject", {"sessionKey": "x", "message": "note"}),
            ("sessions.reset", {"key": "x"}),
            ("sessions.delete", {"key": "x"}),
        ):
            self.ok(self.actor, method, **params)
        reasons = [why for why, key in self.changes(follower) if key == "agent:main:x"]
        self.assertEqual(reasons, ["patch", "message", "reset", "delete"])
        self.assertEqual(follower.events("sessions.changed")[0]["payload"]["label"], "L")
        self.assertNotIn("session", follower.events("sessions.changed")[-1]["payload"])

    def test_begun_anew_by_itself(self) -> None:
        """The next morning there is another conversation: that is told before what is said in it."""
        follower = self.connect()
        self.say()
        old = self.ok(follower, "sessions.describe", key="main")["session"]["sessionId"]
        self.memory.advance(25 * 3600, 100)
        follower = self.connect()
        self.actor = self.connect(("operator.admin",))
        self.ok(follower, "sessions.subscribe")
        self.say()
        key = "agent:main:main"
        self.assertEqual(self.changes(follower), [("reset", key), ("start", key), ("end", key)])
        reset = follower.events("sessions.changed")[0]["payload"]
        self.assertNotEqual(reset["sessionId"], old)
        names = [event["event"] for event in follower.events() if event["event"].startswith("session")]
        self.assertEqual(names[:2], ["sessions.changed", "session.message"])

    def test_deleted_of_all(self) -> None:
        """The one conversation of all is told to be gone as what it was: of the agent that had begun it."""
        agents = {**self.memory.config["agents"], "list": [{"id": "ops"}]}
        self.memory.gateway.reload({**self.memory.config, "agents": agents, "session": {"scope": "global"}})
        follower = self.connect()
        self.ok(follower, "sessions.subscribe")
        self.say()
        for agent in ({}, {"agentId": "ops"}):
            described = self.ok(follower, "sessions.describe", key="global", **agent)["session"]
            self.assertEqual((described["key"], described["agentId"]), ("global", "ops"))
            self.assertEqual(self.ok(follower, "sessions.messages.subscribe", key="global", **agent)["key"], "global")
        self.ok(self.actor, "sessions.delete", key="global")
        told = [event["payload"] for event in follower.events("sessions.changed")]
        self.assertEqual({(one["sessionKey"], one["agentId"]) for one in told}, {("global", "ops")})
        self.assertEqual(told[-1]["reason"], "delete")

    def test_command(self) -> None:
        """A command and its answer name its run, the answer in both events, so that the TUI shows it once."""
        follower = self.connect()
        self.ok(follower, "sessions.messages.subscribe", key="main")
        self.ok(self.actor, "chat.send", sessionKey="main", message="/status", idempotencyKey="status-1")
        self.memory.advance(0.5)
        asked, told = [event["payload"] for event in follower.events("session.message")]
        (final,) = [event["payload"] for event in self.actor.events("chat")]
        self.assertEqual({asked["runId"], told["runId"], final["runId"]}, {"status-1"})
        self.assertEqual(asked["message"]["content"], [{"type": "text", "text": "/status"}])
        self.assertEqual(told["message"]["content"], final["message"]["content"])

    def test_failed(self) -> None:
        """A turn that failed."""
        follower = self.connect()
        self.ok(follower, "sessions.subscribe")
        self.memory.model.fail("provider_auth")
        self.ok(self.actor, "chat.send", sessionKey="main", message="hi", idempotencyKey="bad")
        self.memory.advance(0.5)
        self.assertEqual(self.changes(follower)[-1], ("error", "agent:main:main"))

    def test_stateless(self) -> None:
        """Runs without a session are none of its business."""
        follower = self.connect()
        self.ok(follower, "sessions.subscribe")
        self.memory.model.say("x")
        body = {"model": "openclaw", "messages": [{"role": "user", "content": "hi"}]}
        self.assertEqual(self.memory.post("/v1/chat/completions", body).code, 200)
        self.memory.advance(1)
        self.assertEqual(self.changes(follower), [])

    def test_bounds(self) -> None:
        """A key hears of the sessions that it may know of, and of no others."""
        bound = self.connect(token="b" * 32)
        self.ok(bound, "sessions.subscribe")
        self.say("agent:main:beta:x")
        self.say("agent:beta:other")
        self.assertEqual(self.changes(bound), [])
        self.say("agent:beta:beta:x")
        self.assertEqual({key for _, key in self.changes(bound)}, {"agent:beta:beta:x"})
        error = bound.request("sessions.messages.subscribe", {"key": "agent:main:main"})["error"]
        self.assertEqual(error["code"], "INVALID_REQUEST")
        answer = bound.request("sessions.describe", {"key": "agent:beta:other"})
        self.assertTrue(not answer["ok"] or answer["payload"] == {"session": None}, answer)

    def test_unsubscribe(self) -> None:
        """No more."""
        follower = self.connect()
        self.ok(follower, "sessions.subscribe")
        self.assertEqual(self.ok(follower, "sessions.unsubscribe"), {"subscribed": False})
        self.say()
        self.assertEqual(follower.events("sessions.changed"), [])

    def test_gone(self) -> None:
        """What a connection wanted goes with it."""
        follower = self.connect()
        self.ok(follower, "sessions.subscribe")
        self.ok(follower, "sessions.messages.subscribe", key="main")
        subscriptions = self.memory.gateway._house.websockets.hub.subscriptions
        self.assertTrue(subscriptions)
        follower.close()
        self.memory.advance(2)
        self.assertFalse(subscriptions)

    def test_with_a_list(self) -> None:
        """Params of a list bring the list, too."""
        self.say("one")
        self.say("two")
        found = self.ok(self.connect(), "sessions.subscribe", limit=1)
        self.assertEqual(found["list"]["totalCount"], 2)
        self.assertEqual([row["key"] for row in found["list"]["sessions"]], ["agent:main:two"])


class MessageTests(EventCase):
    """C{session.message}."""

    def test_messages(self) -> None:
        """Of one session, each once, as C{chat.history} shows them, numbered."""
        follower = self.connect()
        found = self.ok(follower, "sessions.messages.subscribe", key="Mine")
        self.assertEqual(found, {"subscribed": True, "key": "agent:main:mine"})
        self.say("mine", "first", "one")
        self.say("another")
        self.say("mine", "second", "two")
        told = [event["payload"] for event in follower.events("session.message")]
        self.assertEqual([one["messageSeq"] for one in told], [1, 2, 3, 4])
        self.assertEqual({one["sessionKey"] for one in told}, {"agent:main:mine"})
        history = self.ok(follower, "chat.history", sessionKey="mine")["messages"]
        shown = [{key: value for key, value in one["message"].items() if key != "__openclaw"} for one in told]
        self.assertEqual(shown, [{key: value for key, value in row.items() if key != "__openclaw"} for row in history])
        self.assertEqual([one["messageId"] for one in told], [row["__openclaw"]["id"] for row in history])
        self.assertEqual(follower.events("sessions.changed"), [])
        self.assertEqual(
            self.ok(follower, "sessions.messages.unsubscribe", key="mine"),
            {"subscribed": False, "key": "agent:main:mine"},
        )
        self.say("mine")
        self.assertEqual(len(follower.events("session.message")), 4)

    def test_asked(self) -> None:
        """What was asked is told before it is answered, and once; who comes meanwhile finds it in the history."""
        follower = self.connect()
        self.ok(follower, "sessions.messages.subscribe", key="main")
        self.ok(self.actor, "chat.send", sessionKey="main", message="Why?", idempotencyKey="r")
        self.memory.advance(0.5)
        (asked,) = [event["payload"] for event in follower.events("session.message")]
        self.assertEqual((asked["message"]["content"][0]["text"], asked["messageId"]), ("Why?", "r:user"))
        self.assertEqual((asked["messageSeq"], asked["hasActiveRun"], asked["runId"]), (1, True, "r"))
        late = self.connect()
        page = self.ok(late, "chat.startup", sessionKey="main")
        (row,) = page["messages"]
        self.assertEqual((row, page["totalMessages"], page["hasMore"]), (asked["message"], 0, False))
        self.assertEqual(self.ok(late, "chat.history", sessionKey="main", offset=1)["messages"], [])
        self.memory.model.calls[-1].text("Because.")
        self.memory.model.calls[-1].finish()
        self.memory.advance(0.5)
        told = [event["payload"] for event in follower.events("session.message")]
        self.assertEqual([one["message"]["role"] for one in told], ["user", "assistant"])
        page = self.ok(late, "chat.history", sessionKey="main")
        self.assertEqual(page["messages"], [one["message"] for one in told])
        self.assertEqual(page["totalMessages"], 2)

    def test_asked_over_http(self) -> None:
        """Whoever asked."""
        follower = self.connect()
        self.ok(follower, "sessions.subscribe")
        said = [{"role": "user", "content": "hi"}]
        self.memory.post("/v1/chat/completions", {"model": "openclaw", "user": "ann", "messages": said})
        self.memory.advance(0.5)
        (asked,) = [event["payload"] for event in follower.events("session.message")]
        self.assertEqual(asked["sessionKey"], "agent:main:openai-user:ann")
        history = self.ok(follower, "chat.history", sessionKey=asked["sessionKey"])["messages"]
        self.assertEqual(history, [asked["message"]])
        self.memory.model.calls[-1].text("hello")
        self.memory.model.calls[-1].finish()
        self.memory.advance(0.5)
        self.assertEqual(len(follower.events("session.message")), 2)
        after = self.ok(follower, "chat.history", sessionKey=asked["sessionKey"])["messages"]
        self.assertEqual(after[0]["__openclaw"]["id"], asked["messageId"])

    def test_news(self) -> None:
        """News that came before the message are told with the answer; the message is not told twice."""
        follower = self.connect()
        self.ok(follower, "sessions.messages.subscribe", key="main")
        self.ok(self.actor, "system-event", text="The lights went out.")
        self.say("main", "Did you notice?", "Yes.")
        texts = [event["payload"]["message"]["content"][0]["text"] for event in follower.events("session.message")]
        self.assertEqual((len(texts), texts[0], texts[2]), (3, "Did you notice?", "Yes."))
        self.assertIn("lights", texts[1])

    def test_heartbeat(self) -> None:
        """Most leave nothing behind, so what one was asked is told with what came of it."""
        follower = self.connect()
        self.ok(follower, "sessions.messages.subscribe", key="main")
        self.ok(self.actor, "wake", mode="now", text="Look around.")
        self.memory.advance(5)
        self.assertEqual(len(self.memory.model.calls), 1)
        self.assertEqual(follower.events("session.message"), [])
        self.assertEqual(self.ok(follower, "chat.history", sessionKey="main")["messages"], [])
        self.memory.model.calls[-1].text("The oven is on!")
        self.memory.model.calls[-1].finish()
        self.memory.advance(5)
        told = [event["payload"]["message"] for event in follower.events("session.message")]
        self.assertEqual(told, self.ok(follower, "chat.history", sessionKey="main")["messages"])
        self.assertEqual([one["role"] for one in told], ["user", "user", "assistant"])

    def test_aborted_while_it_waits(self) -> None:
        """A run that never came to its turn has asked nothing."""
        follower = self.connect()
        self.ok(follower, "sessions.messages.subscribe", key="main")
        self.ok(self.actor, "agent", sessionKey="main", message="first", idempotencyKey="1")
        self.ok(self.actor, "agent", sessionKey="main", message="second", idempotencyKey="2")
        self.memory.advance(0.5)
        self.assertEqual(len(follower.events("session.message")), 1)
        self.ok(self.actor, "chat.abort", sessionKey="main", runId="2")
        self.memory.advance(0.5)
        self.assertEqual(len(follower.events("session.message")), 1)
        self.ok(self.actor, "chat.abort", sessionKey="main", preserveSideRuns=True)
        self.memory.advance(0.5)
        told = [event["payload"] for event in follower.events("session.message")]
        self.assertEqual([(one["runId"], one["message"]["role"]) for one in told], [("1", "user"), ("1", "assistant")])

    def test_with_approvals(self) -> None:
        """Approvals have events of their own, which take a scope of their own."""
        answer = self.connect().request("sessions.messages.subscribe", {"key": "x", "includeApprovals": True})
        self.assertEqual(answer["error"]["message"], "missing scope: operator.approvals")


class DescribeTests(EventCase):
    """C{sessions.describe}."""

    def test_row(self) -> None:
        """As in lists, with the runs at work."""
        self.say(text="what was said first", answer="what was said last")
        found = self.ok(self.actor, "sessions.describe", key="main", includeDerivedTitles=True, includeLastMessage=True)
        row = found["session"]
        self.assertEqual(
            (row["derivedTitle"], row["lastMessagePreview"]), ("what was said first", "what was said last")
        )
        self.assertEqual((row["hasActiveRun"], row["activeRunIds"]), (False, []))
        self.ok(self.actor, "chat.send", sessionKey="main", message="hi", idempotencyKey="busy")
        row = self.ok(self.actor, "sessions.describe", key="main")["session"]
        self.assertEqual((row["hasActiveRun"], row["activeRunIds"]), (True, ["busy"]))
        self.memory.model.calls[-1].finish()
        self.memory.advance(0.5)

    def test_missing(self) -> None:
        """Null; an unknown agent is an error."""
        self.assertEqual(self.ok(self.actor, "sessions.describe", key="nope"), {"session": None})
        self.assertFalse(self.actor.request("sessions.describe", {"key": "x", "agentId": "nope"})["ok"])


class SubscriptionsTests(SynchronousTestCase):
    """L{Subscriptions}."""

    def test_bound(self) -> None:
        """A connection follows so many sessions and no more; one that it follows already is no more."""
        subscriptions = Subscriptions()
        for number in range(MAX_KEYS):
            subscriptions.follow(1, f"k{number}")
        subscriptions.follow(1, "k0")
        self.assertRaises(GatewayError, subscriptions.follow, 1, "one more")
        subscriptions.leave(1, "k0")
        subscriptions.follow(1, "one more")
        self.assertTrue(subscriptions.hears(1, "one more"))
        self.assertFalse(subscriptions.hears(1, "k0") or subscriptions.hears(2, "k1"))
