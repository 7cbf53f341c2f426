# -*- test-case-name: tests.ws.rpc.test_startup -*-
"""What a chat window is told as it opens."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.testing import MemoryGateway, MemoryWebSocket

KEY = "agent:main:x"


class Case(SynchronousTestCase):
    """A whole gateway and a client that may write."""

    def setUp(self) -> None:
        self.gateway = MemoryGateway()
        self.addCleanup(self.gateway.close)
        self.client = self.connect()

    def connect(self, *scopes: str) -> MemoryWebSocket:
        """A client with these scopes, or those to read and write."""
        client = self.gateway.websocket()
        client.connect(scopes or ("operator.read", "operator.write"), client=_PROGRAM)
        return client

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The payload of an answer."""
        answer = self.client.request(method, params)
        assert answer["ok"], answer
        return dict(answer["payload"])

    def startup(self, **params: Any) -> dict[str, Any]:
        """The payload of C{chat.startup}."""
        return self.ask("chat.startup", sessionKey=KEY, **params)

    def talk(self, text: str, reply: str) -> None:
        """A turn."""
        self.gateway.model.say(reply)
        self.ask("chat.send", sessionKey=KEY, message=text, idempotencyKey=text)
        self.gateway.advance(0.2)


_PROGRAM = {"id": "cli", "version": "1", "platform": "test", "mode": "cli"}


class StartupTests(Case):
    """C{chat.startup}."""

    def test_new_session(self) -> None:
        """A session that is not there yet has no row, and nothing in it."""
        told = self.startup()
        self.assertEqual(told["messages"], [])
        self.assertNotIn("sessionInfo", told)
        self.assertNotIn("inFlightRun", told)

    def test_as_other_methods_tell(self) -> None:
        """History, row, agents and models are those that other methods tell of."""
        self.talk("hello", "hi")
        told = self.startup()
        self.assertEqual(told["messages"], self.ask("chat.history", sessionKey=KEY)["messages"])
        self.assertEqual(len(told["messages"]), 2)
        described = self.ask("sessions.describe", key=KEY, includeDerivedTitles=True)
        self.assertEqual(told["sessionInfo"], described["session"])
        self.assertEqual(told["metadata"], self.ask("chat.metadata", agentId="main"))

    def test_max_bytes(self) -> None:
        """The newest messages that fit."""
        self.talk("a" * 100, "b" * 100)
        self.assertEqual(len(self.startup(maxBytes=10_000)["messages"]), 2)
        told = self.startup(maxBytes=450)
        self.assertEqual([message["role"] for message in told["messages"]], ["assistant"])

    def test_run_at_work(self) -> None:
        """Who opens the window in mid-answer sees what was said, and what to abort."""
        self.ask("chat.send", sessionKey=KEY, message="hello", idempotencyKey="r1")
        self.gateway.model.calls[0].text("so ", "far")
        told = self.startup()
        self.assertEqual((told["inFlightRun"]["runId"], told["inFlightRun"]["text"]), ("r1", "so far"))
        other = self.ask("chat.startup", sessionKey="agent:main:other")
        self.assertNotIn("inFlightRun", other)
        self.gateway.model.calls[0].finish()
        self.gateway.advance(0.2)
        self.assertNotIn("inFlightRun", self.startup())

    def test_run_at_work_and_another(self) -> None:
        """What was said so far is told although another run of the session waits."""
        self.ask("chat.send", sessionKey=KEY, message="hello", idempotencyKey="r1")
        self.gateway.model.calls[0].text("so far")
        asked = {"sessionKey": KEY, "message": "more", "idempotencyKey": "r2"}
        self.client.send({"type": "req", "id": "2", "method": "agent", "params": asked})
        self.gateway.flush()
        self.assertEqual(self.client.response("2")["payload"]["status"], "accepted")
        self.assertEqual(self.startup()["inFlightRun"]["text"], "so far")

    def test_reading_is_enough(self) -> None:
        """It takes C{operator.read}, and no less."""
        self.assertTrue(self.connect("operator.read").request("chat.startup", {"sessionKey": "x"})["ok"])
        answer = self.connect("operator.approvals").request("chat.startup", {"sessionKey": "x"})
        self.assertEqual(answer["error"]["message"], "missing scope: operator.read")

    def test_unknown_agent(self) -> None:
        """Refused."""
        self.assertFalse(self.client.request("chat.startup", {"sessionKey": "agent:nope:x"})["ok"])


class FollowTests(Case):
    """C{sessions.messages.subscribe} as the Control UI asks for it."""

    def test_approvals(self) -> None:
        """Who may answer questions may ask to hear of them with a session's messages; others may not."""
        params = {"key": KEY, "includeApprovals": True}
        allowed = self.connect("operator.read", "operator.approvals").request("sessions.messages.subscribe", params)
        self.assertEqual(allowed["payload"], {"subscribed": True, "key": KEY})
        refused = self.client.request("sessions.messages.subscribe", params)
        self.assertEqual(refused["error"]["message"], "missing scope: operator.approvals")

    def test_messages_are_the_same(self) -> None:
        """What is told as it happens has the ids that it has in the history."""
        self.ask("sessions.messages.subscribe", key=KEY)
        self.talk("hello", "hi")
        told = [event["payload"]["message"]["__openclaw"]["id"] for event in self.client.events("session.message")]
        history = self.ask("chat.history", sessionKey=KEY)["messages"]
        self.assertEqual(told, [message["__openclaw"]["id"] for message in history])
        self.assertEqual(len(set(told)), 2)

    def test_models_of_a_session(self) -> None:
        """C{models.list} by a session's key is that of its agent."""
        listed = self.ask("models.list", sessionKey="agent:beta:x", view="configured")
        self.assertEqual(listed, self.ask("models.list", agentId="beta", view="configured"))


class SameConversationTests(Case):
    """C{sessionId} of C{chat.send}."""

    def test_begun_anew(self) -> None:
        """A window that shows another conversation than the session has now is told so; nothing runs."""
        self.talk("hello", "hi")
        known = self.ask("chat.history", sessionKey=KEY)["sessionId"]
        self.gateway.model.say("again")
        self.ask("chat.send", sessionKey=KEY, message="more", idempotencyKey="k2", sessionId=known)
        self.gateway.advance(0.2)
        params = {"sessionKey": KEY, "message": "more", "idempotencyKey": "k3", "sessionId": "another"}
        answer = self.client.request("chat.send", params)
        self.assertEqual(answer["error"]["message"], "session changed; reload the conversation")
        self.assertEqual(len(self.gateway.model.calls), 2)

    def test_no_more(self) -> None:
        """So is one that shows a conversation which somebody has deleted: it does not go on without what was said."""
        self.gateway.model.say("hi")
        self.ask("chat.send", sessionKey="trip", message="hello", idempotencyKey="k1")
        self.gateway.advance(0.2)
        known = self.ask("chat.history", sessionKey="trip")["sessionId"]
        self.assertTrue(self.connect("operator.admin").request("sessions.delete", {"key": "trip"})["ok"])
        params = {"sessionKey": "trip", "message": "more", "idempotencyKey": "k2", "sessionId": known}
        answer = self.client.request("chat.send", params)
        self.assertEqual(answer["error"]["message"], "session changed; reload the conversation")
        self.assertEqual(len(self.gateway.model.calls), 1)


class ReceiptTests(Case):
    """C{inputReceipts} of C{chat.history}: what a window asks that lost its connection in mid-send."""

    def receipts(self, *run_ids: str, key: str = KEY) -> Any:
        """What is said of messages."""
        return self.ask("chat.history", sessionKey=key, inputRunIds=list(run_ids))["inputReceipts"]

    def test_states(self) -> None:
        """Pending while its run is at work, consumed when it stands in the transcript, nothing when it never came."""
        self.ask("chat.send", sessionKey=KEY, message="hello", idempotencyKey="r1")
        self.assertEqual(self.receipts("r1", "r2"), [{"runId": "r1", "state": "pending"}])
        self.gateway.model.calls[0].text("hi")
        self.gateway.model.calls[0].finish()
        self.gateway.advance(0.2)
        (receipt,) = self.receipts("r1", "r2", "r1")
        self.assertEqual((receipt["runId"], receipt["state"]), ("r1", "consumed"))
        said, answer = self.ask("chat.history", sessionKey=KEY)["messages"]
        self.assertEqual(said["__openclaw"]["id"], receipt["consumedByEventId"])
        self.assertEqual(said["idempotencyKey"], "r1:user")
        self.assertNotEqual(answer["__openclaw"]["id"], said["__openclaw"]["id"])

    def test_of_this_session_only(self) -> None:
        """A message of another session is not known here."""
        self.talk("hello", "hi")
        self.assertEqual(self.receipts("hello", key="agent:main:other"), [])

    def test_bounds(self) -> None:
        """At most fifty."""
        answer = self.client.request("chat.history", {"sessionKey": KEY, "inputRunIds": ["r"] * 51})
        self.assertIn("inputRunIds", answer["error"]["message"])
        self.assertNotIn("inputReceipts", self.ask("chat.history", sessionKey=KEY))
