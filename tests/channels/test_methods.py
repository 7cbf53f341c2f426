# -*- test-case-name: tests.channels.test_methods -*-
"""C{channels.status}, C{send} and C{deliver}, by WebSocket, through a whole gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import IChannel, Receive
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.testing.websocket import MemoryWebSocket
from openclaw_tx.values import AccountStatus, ChannelPeer, ChannelStatus, DeliveryRoute, InboundMessage
from openclaw_tx.ws.rpc import channels as methods
from tests.channels.gateways import OUT_SECRET, WebhookCase
from tests.sessions.helpers import ManualWorker


class SocketCase(WebhookCase):
    """A client beside the webhooks."""

    def setUp(self) -> None:
        """Connect it."""
        super().setUp()
        self.client = self.connect()

    def connect(self, *scopes: str) -> MemoryWebSocket:
        """A client."""
        client = self.memory.websocket()
        client.connect(scopes or ("operator.admin",))
        return client

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Its answer, whatever it is."""
        return self.client.request(method, params)

    def refused(self, method: str, **params: Any) -> tuple[str, str]:
        """Code and message of a refusal."""
        answer = self.ask(method, **params)
        self.assertFalse(answer["ok"], answer)
        return answer["error"]["code"], answer["error"]["message"]


class StatusTests(SocketCase):
    """C{channels.status}."""

    def test_all(self) -> None:
        """Every channel and account, truly."""
        found = self.ask("channels.status")["payload"]
        self.assertEqual(found["channelOrder"], ["webchat", "webhook"])
        self.assertEqual(found["channelDefaultAccountId"], {"webchat": "default", "webhook": "ops"})
        account = {"enabled": True, "configured": True, "running": True}
        self.assertEqual(
            found["channelAccounts"],
            {
                "webchat": [{"accountId": "default", **account}],
                "webhook": [{"accountId": "ops", **account}, {"accountId": "shop", **account}],
            },
        )
        self.assertNotIn("secret", str(found))

    def test_one(self) -> None:
        """With what happened to it."""
        self.poster.answers = [400]
        self.say("/whoami")
        self.memory.advance(1)
        found = self.ask("channels.status", channel="webhook")["payload"]
        self.assertEqual(found["channelOrder"], ["webhook"])
        row = found["channelAccounts"]["webhook"][0]
        self.assertEqual(row["lastError"], "outUrl answered 400")
        self.assertEqual(row["lastInboundAt"], 1_700_000_000_000)
        self.assertNotIn("lastOutboundAt", row)


class SendTests(SocketCase):
    """C{send}."""

    def test_sent(self) -> None:
        """It goes to whom it is for, signed, once for each key."""
        params = {"to": "group:room", "message": "News.", "mediaUrl": "https://x/y.png", "idempotencyKey": "k"}
        first, second = (self.ask("send", channel="webhook", **params)["payload"] for _ in range(2))
        [posted] = self.poster.posted
        self.assertEqual(first, {"runId": "k", "messageId": posted.json["id"], "channel": "webhook"})
        self.assertEqual(second, first)
        self.assertEqual(posted.json["peer"], {"kind": "group", "id": "room"})
        self.assertEqual((posted.json["text"], posted.json["media"]), ("News.", ["https://x/y.png"]))
        self.assertTrue(posted.is_signed(OUT_SECRET))
        self.assertIn("used before", self.refused("send", to="ann", message="Else.", idempotencyKey="k")[1])

    def test_account(self) -> None:
        """The one that is named; the only channel there is need not be."""
        self.ask("send", to="ann", accountId="shop", message="x", idempotencyKey="k")
        self.assertFalse(self.poster.posted[0].is_signed(OUT_SECRET))
        self.assertEqual(self.poster.posted[0].json["peer"], {"kind": "dm", "id": "ann"})

    def test_failed(self) -> None:
        """That it did not arrive is told; the key may be used again."""
        self.poster.answers = [403]
        params = {"to": "ann", "message": "x", "idempotencyKey": "k"}
        self.assertEqual(self.refused("send", **params), ("UNAVAILABLE", "The message could not be delivered."))
        self.assertTrue(self.ask("send", **params)["ok"])

    def begin(self, request_id: str, **changes: Any) -> None:
        """Ask for a message to be sent, and do not wait."""
        params = {"to": "ann", "message": "x", "idempotencyKey": "k", **changes}
        self.client.send({"type": "req", "id": request_id, "method": "send", "params": params})
        self.memory.flush()

    def test_repeated_on_the_way(self) -> None:
        """A key that is repeated while its message is on its way waits for the same message."""
        self.poster.held = Deferred()
        self.begin("1")
        self.begin("2")
        self.begin("3", message="else")
        self.assertIn("used before", self.client.response("3")["error"]["message"])
        self.poster.held.callback(None)
        self.memory.flush()
        first, second = (self.client.response(number)["payload"] for number in "12")
        self.assertEqual((first["messageId"], self.said), (second["messageId"], ["x"]))

    def test_hung_up_meanwhile(self) -> None:
        """Who hangs up while the message is on its way, and sends it once more under its key, sends it once."""
        self.poster.held = Deferred()
        self.begin("1")
        self.client.close()
        self.client = self.connect()
        self.begin("2")
        self.poster.held.callback(None)
        self.memory.flush()
        self.assertEqual(self.client.response("2")["payload"]["messageId"], self.poster.posted[0].json["id"])
        self.assertEqual(self.said, ["x"])

    def test_failed_after_hanging_up(self) -> None:
        """What did not arrive may be sent again, also when nobody heard of it."""
        self.poster.held, self.poster.answers = Deferred(), [403]
        self.begin("1")
        self.client.close()
        self.poster.held.callback(None)
        self.poster.held = None
        self.client = self.connect()
        self.assertTrue(self.ask("send", to="ann", message="x", idempotencyKey="k")["ok"])
        self.assertEqual(self.said, ["x", "x"])

    def test_too_many(self) -> None:
        """So many are on their way, and no more."""
        self.patch(methods, "MAX_SENDING", 2)
        self.poster.held = Deferred()
        for key in "abc":
            self.begin(key, idempotencyKey=key)
        self.assertEqual(self.client.response("c")["error"]["retryAfterMs"], 5000)
        self.poster.held.callback(None)

    def test_many_sent(self) -> None:
        """So many keys are remembered; the oldest is a new one again."""
        self.patch(methods, "MAX_SENT", 2)
        for key in ("a", "b", "c", "b", "a"):
            self.assertTrue(self.ask("send", to="ann", message=key, idempotencyKey=key)["ok"])
        self.assertEqual(self.said, ["a", "b", "c", "a"])

    def test_refused(self) -> None:
        """What can not be sent."""
        good = {"to": "ann", "message": "x", "idempotencyKey": "k"}
        for changes, code, words in (
            ({"channel": "telegram"}, "UNAVAILABLE", "telegram"),
            ({"channel": "webchat"}, "INVALID_REQUEST", "chat.send"),
            ({"accountId": "nobody"}, "INVALID_REQUEST", "nobody"),
            ({"message": " "}, "INVALID_REQUEST", "message"),
            ({"threadId": "7"}, "INVALID_REQUEST", "thread_id"),
            ({"to": "x" * 300}, "INVALID_REQUEST", "to"),
        ):
            found = self.refused("send", **{**good, **changes})
            self.assertEqual(found[0], code, found)
            self.assertIn(words, found[1])
        self.client = self.connect("operator.read")
        self.assertIn("operator.write", self.refused("send", **good)[1])
        self.assertEqual(self.poster.posted, [])

    def test_secrets_are_not_told(self) -> None:
        """C{config.get} shows none of them."""
        told = str(self.ask("config.get"))
        self.assertIn("https://service.example/in", told)
        self.assertNotIn("a-secret-for-webhooks", told)
        self.assertNotIn(OUT_SECRET, told)


class DeliverTests(SocketCase):
    """C{deliver: true}."""

    def agent(self, **params: Any) -> str:
        """Ask for a run.

        @return: the id of the request.
        """
        self.client.send({"type": "req", "id": "a", "method": "agent", "params": {"message": "Go.", **params}})
        self.memory.flush()
        return "a"

    def test_last(self) -> None:
        """The answer goes where the session was last spoken to from."""
        self.say("/whoami")
        self.memory.advance(1)
        request = self.agent(sessionKey="main", deliver=True, idempotencyKey="k")
        self.answer("Done.")
        self.assertEqual(self.said[1:], ["Done."])
        answer = self.client.response(request)
        self.assertEqual(answer["payload"]["delivery"], {"status": "sent", "messageId": "k"})

    def test_named(self) -> None:
        """Or where it is wanted."""
        self.agent(sessionKey="main", deliver=True, channel="webhook", to="group:room", idempotencyKey="k")
        self.answer("Done.")
        self.assertEqual(self.poster.posted[0].json["peer"], {"kind": "group", "id": "room"})

    def test_not_asked(self) -> None:
        """Without it nothing goes out."""
        self.agent(sessionKey="main", channel="webhook", to="ann", idempotencyKey="k")
        self.answer("Done.")
        self.assertEqual(self.poster.posted, [])

    def test_nothing_to_say(self) -> None:
        """Then nothing is sent."""
        request = self.agent(sessionKey="main", deliver=True, channel="webhook", to="ann", idempotencyKey="k")
        self.answer("NO_REPLY")
        self.assertEqual(self.client.response(request)["payload"]["delivery"], {"status": "nothing-to-say"})
        self.assertEqual(self.poster.posted, [])

    def test_nowhere(self) -> None:
        """Nobody has said where: nothing is started. If it does not matter, the run is."""
        found = self.refused("agent", message="Go.", sessionKey="main", deliver=True, idempotencyKey="k")
        self.assertIn("over a channel", found[1])
        self.assertEqual(self.memory.model.calls, [])
        self.agent(sessionKey="main", deliver=True, bestEffortDeliver=True, idempotencyKey="l")
        self.answer("Done.")
        self.assertTrue(self.client.response("a")["ok"])

    def test_failed(self) -> None:
        """What does not arrive is an error, unless it does not matter."""
        for best_effort in (False, True):
            self.poster.answers = [400]
            where = {"channel": "webhook", "to": "ann", "deliver": True, "bestEffortDeliver": best_effort}
            self.client = self.connect()
            self.agent(sessionKey="main", idempotencyKey=f"k{best_effort}", **where)
            self.answer("Done.")
            answer = self.client.response("a")
            self.assertEqual(answer["ok"], best_effort)
        self.assertEqual(answer["payload"]["delivery"]["status"], "failed")

    def test_client_gone(self) -> None:
        """The answer goes out whether or not the client is still there."""
        self.agent(sessionKey="main", deliver=True, channel="webhook", to="ann", idempotencyKey="k")
        self.client.close()
        self.answer("Done.")
        self.assertEqual(self.said, ["Done."])

    def test_chat(self) -> None:
        """C{chat.send} delivers as well, where somebody has spoken over a channel before."""
        params = {"sessionKey": "main", "message": "Hi.", "deliver": True}
        self.assertTrue(self.ask("chat.send", idempotencyKey="k", **params)["ok"])
        self.answer("Here alone.")
        self.say("/whoami")
        self.memory.advance(1)
        self.ask("chat.send", idempotencyKey="l", **params)
        self.answer("There, too.")
        self.assertEqual(self.said[1:], ["There, too."])

    def test_twice_at_once(self) -> None:
        """A request that comes again while it is looked at is the same: its answer goes out once."""
        self.say("/whoami")
        self.memory.advance(1)
        jobs, worker = self.memory.gateway._house.sessions._jobs, ManualWorker()
        for method in ("agent", "chat.send"):
            at_once, jobs._worker = jobs._worker, worker
            params = {"message": "Go.", "sessionKey": "main", "deliver": True, "idempotencyKey": method}
            for number in range(2):
                self.client.send({"type": "req", "id": f"{method}{number}", "method": method, "params": params})
            while worker.waiting:
                worker.flush()
                self.memory.flush()
            jobs._worker = at_once
            self.answer(method)
        self.assertEqual(self.said[1:], ["agent", "chat.send"])
        self.assertEqual(len(self.memory.model.calls), 2)


class Pigeons:
    """A channel of an embedder's own.

    @ivar sent: what it was to send.
    """

    name = "pigeon"

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.receive: Receive | None = None
        self.stopped = False

    def start(self, receive: Receive) -> None:
        """See L{IChannel.start}."""
        self.receive = receive

    async def stop(self) -> None:
        """See L{IChannel.stop}."""
        self.stopped = True

    async def send(self, route: DeliveryRoute, text: str, media: Sequence[str] = (), delivery_id: str = "") -> str:
        """See L{IChannel.send}."""
        if route.to == "dm:cat":
            raise GatewayError("delivery_failed", "eaten")
        self.sent.append((route.to, text))
        return "feather"

    def status(self) -> ChannelStatus:
        """See L{IChannel.status}."""
        account = AccountStatus(account_id="loft")
        return ChannelStatus(name=self.name, label="Pigeons", default_account_id="loft", accounts=(account,))


class OwnChannelTests(SocketCase):
    """A channel by argument."""

    def setUp(self) -> None:
        """With one."""
        self.pigeons: Any = Pigeons()
        channel: IChannel = self.pigeons
        bindings = [{"agentId": "beta", "match": {"channel": "pigeon", "guildId": "g"}}]
        self.memory = MemoryGateway({"bindings": bindings}, channels=[channel])
        self.client = self.connect()

    def test_both_ways(self) -> None:
        """It hears and says, and stops with the gateway."""
        peer = ChannelPeer(kind="dm", id="ann")
        for number, guild in enumerate(("", "g")):
            said = InboundMessage(
                channel="pigeon", account_id="loft", id=str(number), peer=peer, text="Coo.", guild_id=guild
            )
            self.memory.model.say(f"Coo {number}.")
            received = self.received(said)
            self.memory.advance(1)
            self.assertFalse(received.duplicate)
        self.assertEqual(self.pigeons.sent, [("dm:ann", "Coo 0."), ("dm:ann", "Coo 1.")])
        self.assertIsNotNone(self.entry("agent:beta:main"))
        self.assertEqual(self.ask("channels.status")["payload"]["channelOrder"], ["webchat", "pigeon"])
        self.assertEqual(self.ask("send", to="bob", message="x", idempotencyKey="k")["payload"]["messageId"], "feather")
        self.assertEqual(self.refused("send", to="dm:cat", message="x", idempotencyKey="l")[1], "eaten")
        self.memory.close()
        self.assertTrue(self.pigeons.stopped)

    def received(self, message: InboundMessage) -> Any:
        """What becomes of a message."""
        return self.successResultOf(Deferred.fromCoroutine(self.pigeons.receive(message)))
