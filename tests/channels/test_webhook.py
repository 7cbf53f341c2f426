# -*- test-case-name: tests.channels.test_webhook -*-
"""Webhooks through a whole gateway: in, to an agent, and out."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import Deferred

from openclaw_tx.channels import desk, outbox
from openclaw_tx.chat.orders import GREETING
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.testing.gateway import TOKEN
from openclaw_tx.testing.http import MemoryResponse
from openclaw_tx.values import RESTARTED_TEXT, AccountStatus
from tests.channels.gateways import OUT_SECRET, SECRET, URL, WebhookCase


class ThroughTests(WebhookCase):
    """Messages and answers."""

    def test_answered(self) -> None:
        """What a service says goes to an agent, and the answer to the service, signed and named."""
        answer = self.say("Hello.")
        self.assertEqual(answer.code, 202, answer.text())
        run_id = answer.json()["runId"]
        self.assertEqual(answer.json(), {"ok": True, "runId": run_id})
        self.assertEqual(self.memory.model.calls[0].request.messages[-1].text, "Hello.")
        self.answer("Hi.")
        [posted] = self.poster.posted
        self.assertEqual(posted.json, {"id": run_id, "peer": {"kind": "dm", "id": "ann"}, "text": "Hi."})
        self.assertEqual((posted.url, posted.loopback), (URL, False))
        self.assertEqual(posted.headers["Idempotency-Key"], run_id)
        self.assertTrue(posted.is_signed(OUT_SECRET))
        self.assertFalse(posted.is_signed(SECRET))

    def test_hears_of_runs_while_somebody_waits(self) -> None:
        """And no longer: a stream has thousands of batches, and each is told to all who listen."""
        listeners = self.memory.gateway.engine._listeners._all
        before = len(listeners._all)
        for _ in range(3):
            self.say("Hello.")
            self.assertEqual(len(listeners._all), before + 1)
            self.answer("Hi.")
            self.assertEqual(len(listeners._all), before)

    def test_reaches_one_account(self) -> None:
        """Each account has an agent and a secret of its own; what is not configured apart is signed with it."""
        self.say("Hello.", name="shop")
        self.assertEqual(self.memory.model.calls[0].request.messages[-1].text, "Hello.")
        self.answer("Hi.")
        self.assertTrue(self.poster.posted[0].is_signed(SECRET[::-1]))
        self.assertIsNotNone(self.entry("agent:beta:main"))
        self.assertIsNone(self.entry("agent:main:main"))

    def test_group(self) -> None:
        """A group has a session of its own, and the agent is told who speaks; commands are understood all the same."""
        self.say("Hello.", "room", kind="group", sender="Ann\nB.")
        self.assertEqual(self.memory.model.calls[0].request.messages[-1].text, "Ann B.: Hello.")
        self.answer("Hi.")
        self.assertEqual(self.poster.posted[0].json["peer"], {"kind": "group", "id": "room"})
        entry = self.entry("agent:main:webhook:ops:group:room")
        assert entry is not None
        self.assertEqual((entry.settings.channel, entry.settings.chat_type), ("webhook", "group"))
        self.say("/whoami", "room", kind="group", sender="Ann")
        self.memory.advance(1)
        self.assertIn("channel:webhook:ops:group:room", self.said[-1])

    def test_silent(self) -> None:
        """C{NO_REPLY} says nothing."""
        self.say("Hello.")
        self.answer("NO_REPLY")
        self.assertEqual(self.poster.posted, [])

    def test_stopped(self) -> None:
        """The limit before the first word: somebody waits, so silence will not do."""
        self.memory.model.say("", reason="length")
        self.say("Hello.")
        self.memory.advance(1)
        self.assertEqual(self.said, ["I was stopped before I could say anything."])

    def test_failed(self) -> None:
        """That there is no answer is said in plain words, without those of the provider."""
        self.memory.model.fail("provider_auth", "the key sk-1 is wrong")
        self.say("Hello.")
        self.memory.advance(60, 60)
        [text] = self.said
        self.assertIn("did not work", text)
        self.assertNotIn("sk-1", text)

    def test_duplicates(self) -> None:
        """One id is answered once, however often and whenever it comes."""
        first, second = self.say("Hello.", id="same"), self.say("Hello.", id="same")
        self.answer("Hi.")
        third = self.say("Hello.", id="same")
        run_id = first.json()["runId"]
        for again in (second, third):
            self.assertEqual((again.code, again.json()), (202, {"ok": True, "runId": run_id, "duplicate": True}))
        self.assertEqual((len(self.memory.model.calls), self.said), (1, ["Hi."]))
        self.assertEqual(self.say("Hello.", id="same", name="shop").json()["ok"], True)
        self.assertEqual(len(self.memory.model.calls), 2)

    def test_forgotten_by_the_process(self) -> None:
        """What is not in memory any more, as after a restart, the ledger knows."""
        self.say("Hello.", id="same")
        self.answer("Hi.")
        self.memory.gateway._house.channels._known.clear()
        self.assertTrue(self.say("Hello.", id="same").json()["duplicate"])
        self.assertEqual(len(self.memory.model.calls), 1)

    def test_many_ids(self) -> None:
        """So many are remembered, and no more."""
        self.patch(desk, "MAX_KNOWN", 3)
        for number in range(6):
            self.say("/whoami", id=f"i{number}")
        self.assertEqual(len(self.memory.gateway._house.channels._known), 3)

    def test_route_is_kept(self) -> None:
        """The session knows where it was spoken to from, and so does the store."""
        self.say("Hello.")
        self.answer("Hi.")
        entry = self.entry("agent:main:main")
        assert entry is not None
        found = entry.settings
        self.assertEqual((found.last_channel, found.last_to, found.last_account_id), ("webhook", "dm:ann", "ops"))
        self.assertEqual(found.channel, "")


class ChatTests(WebhookCase):
    """It is chat like any other."""

    config = {"session": {"dmScope": "per-peer"}, "messages": {"queue": {"mode": "collect", "debounceMs": 0}}}

    def test_status(self) -> None:
        """A command is answered by the gateway."""
        self.say("/status")
        self.memory.advance(1)
        [text] = self.said
        self.assertIn("Session: agent:main:dm:ann", text)
        self.assertEqual(self.memory.model.calls, [])

    def test_who_speaks_behind_a_command(self) -> None:
        """In a group the agent is told who speaks, also where a message began with a command; it greets for itself."""
        for text, told in (("/new Hello.", "Ann: Hello."), ("/think high Why?", "Ann: Why?"), ("/new", GREETING)):
            self.say(text, "room", kind="group", sender="Ann")
            self.memory.advance(1)
            self.assertEqual(self.memory.model.calls[-1].request.messages[-1].text, told)
            self.answer("Hi.")

    def test_stop(self) -> None:
        """What one has at work is aborted, nobody else's; the aborted message is not answered."""
        self.say("Work.")
        self.say("Work.", "bob")
        self.say("/stop")
        self.memory.advance(1)
        self.assertEqual(self.said, ["Stopped."])
        ann, bob = self.memory.model.calls
        self.assertTrue(ann.done.called)
        self.assertFalse(bob.done.called)
        bob.text("Done.")
        bob.finish()
        self.memory.advance(1)
        self.say("stop", "bob")
        self.memory.advance(1)
        self.assertEqual(self.said, ["Stopped.", "Done.", "Nothing was at work."])

    def test_not_allowed(self) -> None:
        """Commands of administrators are not for everybody."""
        self.assertEqual(self.say("/send off").code, 202)
        self.memory.advance(1)
        self.assertEqual(self.said, ["You may not do that here."])

    def test_collected(self) -> None:
        """What comes while the agent is at work makes one turn, which is answered once."""
        for text in ("One.", "Two.", "Three."):
            self.say(text)
        self.answer("First.")
        self.assertEqual(len(self.memory.model.calls), 2)
        asked = self.memory.model.calls[-1].request.messages[-1].text
        self.assertIn("Two.", asked)
        self.assertIn("Three.", asked)
        self.answer("Rest.")
        self.assertEqual(self.said, ["First.", "Rest."])

    def test_policy(self) -> None:
        """C{session.sendPolicy} counts, and nothing is left waiting."""
        rules = [{"action": "deny", "match": {"channel": "webhook"}}]
        session = {"dmScope": "per-peer", "sendPolicy": {"rules": rules}}
        self.memory.gateway.reload({**self.memory.config, "session": session})
        answer = self.say("Hello.", id="x")
        self.assertEqual((answer.code, answer.json()["error"]["code"]), (400, "invalid_request"))
        self.assertEqual(self.memory.gateway._house.channels._work, set())
        self.memory.gateway.reload(self.memory.config)
        self.assertNotIn("duplicate", self.say("Hello.", id="x").json())

    def test_too_much(self) -> None:
        """There is a bound on answers that are waited for; what is refused may come again."""
        self.patch(desk, "MAX_WORK", 1)
        self.say("Work.")
        answer = self.say("Work.", "bob", id="x")
        self.assertEqual((answer.code, answer.json()["error"]["code"]), (429, "queue_full"))
        self.answer("Done.")
        self.assertEqual(self.say("Work.", "bob", id="x").json().get("duplicate"), None)


class BindingTests(WebhookCase):
    """Who answers."""

    config = {
        "bindings": [
            {
                "agentId": "main",
                "match": {"channel": "webhook", "accountId": "shop", "peer": {"kind": "dm", "id": "ann"}},
            },
            {"agentId": "beta", "match": {"channel": "webhook", "accountId": "*"}},
        ]
    }

    def test_bound(self) -> None:
        """Bindings come before the account's agent, the specific one first."""
        for peer, name in (("ann", "shop"), ("bob", "ops")):
            self.say("/status", peer, name=name)
            self.memory.advance(1)
        self.assertIn("agent:main:main", self.said[0])
        self.assertIn("agent:beta:main", self.said[1])


class RefusedTests(WebhookCase):
    """Who does not get in."""

    GOOD: ClassVar[dict[str, Any]] = {"id": "1", "peer": {"kind": "dm", "id": "ann"}, "text": "x"}

    def assertRefused(self, answer: MemoryResponse, status: int, code: str) -> None:
        """It was refused, and nothing was started."""
        self.assertEqual((answer.code, answer.json()["error"]["code"]), (status, code))
        self.assertEqual(self.memory.model.calls, [])

    def test_unsigned(self) -> None:
        """Nothing but the account's own signature counts, of now and of this body."""
        self.assertRefused(self.memory.post("/channels/webhook/ops", self.GOOD), 401, "invalid_api_key")
        for answer in (
            self.send(self.GOOD, secret=SECRET[::-1]),
            self.send(self.GOOD, secret=TOKEN),
            self.send(self.GOOD, age=301),
            self.send(self.GOOD, age=-301),
            self.send(self.GOOD, **{"X-OpenClaw-Signature": "sha256="}),
            self.send(self.GOOD, **{"X-OpenClaw-Timestamp": "soon"}),
        ):
            self.assertRefused(answer, 401, "invalid_api_key")
        self.assertEqual(self.send(self.GOOD, age=299).code, 202)

    def test_guessing(self) -> None:
        """Who guesses is locked out for a while."""
        for _ in range(20):
            self.send(self.GOOD, secret="wrong-wrong-wrong")
        self.assertRefused(self.send(self.GOOD), 429, "rate_limit_exceeded")
        self.memory.advance(61)
        self.assertEqual(self.send(self.GOOD).code, 202)

    def test_no_message(self) -> None:
        """A body that is none is refused by the name of what is wrong; it may be put right under the same id."""
        for change, words in (
            ({"text": " "}, "text"),
            ({"id": ""}, "id"),
            ({"id": "a b"}, "id"),
            ({"peer": {"kind": "crowd", "id": "x"}}, "kind"),
            ({"peer": {"kind": "dm", "id": "x" * 201}}, "peer"),
            ({"mood": "good"}, "mood"),
        ):
            answer = self.send({**self.GOOD, **change})
            self.assertRefused(answer, 400, "invalid_request")
            self.assertIn(words, answer.json()["error"]["message"])
        self.assertRefused(self.send(b"{"), 400, "invalid_request")
        self.assertEqual(self.send(self.GOOD).json()["ok"], True)

    def test_large(self) -> None:
        """C{maxBodyBytes} bounds the body."""
        self.assertRefused(self.send({**self.GOOD, "text": "x" * 3000}), 413, "payload_too_large")

    def test_not_there(self) -> None:
        """Unknown names, other paths and accounts that are switched off are not served."""
        self.assertRefused(self.send(self.GOOD, "nobody"), 404, "not_found")
        self.assertRefused(self.send(self.GOOD, "ops/x"), 404, "not_found")
        self.assertRefused(self.memory.get("/channels/webhook/ops"), 405, "method_not_allowed")
        channels = self.memory.config["channels"]
        off = {"webhook": {**channels["webhook"], "ops": {**channels["webhook"]["ops"], "enabled": False}}}
        self.memory.gateway.reload({**self.memory.config, "channels": off})
        self.assertRefused(self.send(self.GOOD), 404, "not_found")

    def test_counted(self) -> None:
        """However many names are tried, the metrics have one line for them."""
        for name in ("ops", "nope"):
            self.send(self.GOOD, name)
        text = self.memory.get("/metrics").text()
        self.assertIn('route="/channels/webhook/*"', text)
        self.assertNotIn("nope", text)


class OutTests(WebhookCase):
    """What goes wrong on the way out."""

    def status(self) -> AccountStatus:
        """How C{ops} stands."""
        return self.memory.gateway._house.webhook.status().accounts[0]

    def test_again(self) -> None:
        """A message is tried again after a while, as the same one, and with a signature of then."""
        self.poster.answers = [503, "no answer", 429]
        self.say("Hello.")
        self.answer("Hi.")
        self.assertEqual((len(self.poster.posted), self.status().last_error), (2, "no answer"))
        self.memory.advance(3)
        self.assertEqual(len(self.poster.posted), 2)
        self.memory.advance(1)
        self.memory.advance(16)
        self.assertEqual(len(self.poster.posted), 4)
        first, *_, last = self.poster.posted
        self.assertEqual((first.body, first.headers["Idempotency-Key"]), (last.body, last.headers["Idempotency-Key"]))
        self.assertNotEqual(first.headers["X-OpenClaw-Timestamp"], last.headers["X-OpenClaw-Timestamp"])
        self.assertTrue(last.is_signed(OUT_SECRET))
        self.assertEqual((self.status().last_error, self.status().waiting), ("", 0))
        self.assertGreater(self.status().last_outbound_at_ms, self.status().last_inbound_at_ms)

    def test_given_up(self) -> None:
        """After three more tries it is; the next message goes out."""
        self.poster.answers = [500] * 4
        self.say("Hello.")
        self.answer("Hi.")
        self.memory.advance(30, 30)
        self.assertEqual((len(self.poster.posted), self.status().last_error), (4, "outUrl answered 500"))
        self.say("Hello?")
        self.answer("Hi!")
        self.assertEqual((self.said[-1], self.status().last_error), ("Hi!", ""))

    def test_refused(self) -> None:
        """What the service refuses is not tried again."""
        self.poster.answers = [400]
        self.say("Hello.")
        self.answer("Hi.")
        self.memory.advance(60)
        self.assertEqual((len(self.poster.posted), self.status().last_error), (1, "outUrl answered 400"))

    def test_in_order(self) -> None:
        """One after the other; so many wait, and no more."""
        self.patch(outbox, "MAX_WAITING", 2)
        self.poster.held = Deferred()
        for peer in ("ann", "bob", "cid"):
            self.say("/whoami", peer)
            self.memory.advance(1)
        self.assertEqual((len(self.poster.posted), self.status().waiting), (1, 2))
        self.assertIn("one was refused", self.status().last_error)
        held, self.poster.held = self.poster.held, None
        held.callback(None)
        self.assertEqual([posted.json["peer"]["id"] for posted in self.poster.posted], ["ann", "bob"])

    def test_stopping(self) -> None:
        """What is on its way when the gateway stops is given a moment, then given up; nothing is left behind."""
        self.poster.held = Deferred()
        self.say("/whoami")
        self.assertEqual(len(self.poster.posted), 1)  # closing the gateway checks the rest

    def test_restarted(self) -> None:
        """Who waits for the agent when the gateway stops is told, those whose message waited in line as well."""
        for text in ("One.", "Two.", "/whoami"):
            self.say(text)
        stopping = self.memory.gateway.stopService()
        self.memory.advance(100, 200)
        self.assertTrue(stopping.called)
        self.assertEqual(["restarted" in text for text in self.said], [False, True, True])

    def test_killed(self) -> None:
        """Who waited for the agent when the gateway was killed is told by the next one, once; clients of the gateway's
        own port can see it."""
        self.say("One.")
        self.say("Two.", "room:dm:x", kind="group", name="shop")
        self.memory.gateway.run_agent("Three.", session_key="agent:main:own").addErrback(lambda _: None)
        for _ in range(2):
            self.memory = MemoryGateway(self.memory.config, poster=self.poster, after=self.memory)
            self.addCleanup(self.memory.close)
            self.memory.advance(1)
        told = {posted.json["peer"]["id"]: posted.json["text"] for posted in self.poster.posted}
        self.assertEqual(told, dict.fromkeys(["ann", "room:dm:x"], RESTARTED_TEXT))
        self.assertEqual(len(self.poster.posted), 2)

    def test_nowhere(self) -> None:
        """An account without C{outUrl} only listens."""
        config = {"webhook": {"ops": {"secret": SECRET}}}
        self.memory.gateway.reload({**self.memory.config, "channels": config})
        self.assertEqual(self.say("Hello.").code, 202)
        self.answer("Hi.")
        self.assertEqual(self.poster.posted, [])
