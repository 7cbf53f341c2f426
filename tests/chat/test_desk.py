# -*- test-case-name: tests.chat.test_desk -*-
"""L{openclaw_tx.chat.desk} and L{openclaw_tx.chat.orders}: commands and waiting messages, over the whole gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.chat.values import ChatMessage
from openclaw_tx.sessions.titles import GREETING
from openclaw_tx.testing import MemoryGateway, MemoryWebSocket
from openclaw_tx.values import Principal, RunRequest, SessionEntry, TextPart, UserMessage

KEY = "agent:main:main"
ADMIN = ("operator.admin", "operator.approvals")


class Chat(SynchronousTestCase):
    """A gateway and a chat client."""

    config: Mapping[str, Any] = {}

    def setUp(self) -> None:
        self.gateway = MemoryGateway(self.config)
        self.addCleanup(self.gateway.close)
        self.model = self.gateway.model
        self.client = self.connect()
        self.number = 0

    def connect(self, scopes: Sequence[str] = ("operator.read", "operator.write")) -> MemoryWebSocket:
        """A client with these scopes."""
        client = self.gateway.websocket()
        client.connect(scopes=scopes)
        return client

    def send(self, message: str, client: MemoryWebSocket | None = None, **more: Any) -> Any:
        """Send a message under a new key.

        @return: the answer.
        """
        self.number += 1
        params = {"sessionKey": "main", "message": message, "idempotencyKey": f"key-{self.number}", **more}
        return (client or self.client).request("chat.send", params)

    def chat(self, run_id: str = "", client: MemoryWebSocket | None = None) -> list[Any]:
        """C{chat} events of a run id, by default the newest."""
        self.gateway.flush()
        wanted = run_id or f"key-{self.number}"
        events = (event["payload"] for event in (client or self.client).events("chat"))
        return [payload for payload in events if payload["runId"] == wanted]

    def reply(self, message: str, client: MemoryWebSocket | None = None) -> str:
        """What a command answers."""
        answer = self.send(message, client)
        self.assertEqual(answer["payload"]["status"], "started", answer)
        [event] = self.chat(client=client)
        self.assertEqual(event["state"], "final", event)
        text: str = event["message"]["content"][0]["text"]
        return text

    def entry(self) -> SessionEntry | None:
        """The main session."""
        found: SessionEntry | None = self.successResultOf(
            Deferred.fromCoroutine(self.gateway.gateway._house.sessions.get(KEY))
        )
        return found

    def settings(self) -> Any:
        """What is set for the main session."""
        entry = self.entry()
        assert entry is not None
        return entry.settings

    def history(self) -> list[str]:
        """What the transcript says."""
        rows = self.client.request("chat.history", {"sessionKey": "main"})["payload"]["messages"]
        return [part.get("text", "") for row in rows for part in row["content"][:1]]

    def finish(self, text: str = "ok", number: int = -1) -> None:
        """An open model call says something and ends."""
        self.model.calls[number].text(text)
        self.model.calls[number].finish()
        self.gateway.flush()


class CommandTests(Chat):
    """Each command does what it says, and no model is asked."""

    def tearDown(self) -> None:
        self.assertEqual(self.model.calls, [])

    def test_help(self) -> None:
        """The useful ones, or all."""
        self.assertIn("/compact", self.reply("/help"))
        self.assertIn("/approve", self.reply("/commands"))

    def test_answer_is_kept(self) -> None:
        """Command and answer stand in the transcript, and a repeated key does nothing."""
        self.reply("/whoami")
        self.assertEqual((self.history()[0], len(self.history())), ("/whoami", 2))
        again = self.client.request(
            "chat.send", {"sessionKey": "main", "message": "/whoami", "idempotencyKey": f"key-{self.number}"}
        )
        self.assertEqual(again["payload"]["status"], "ok")
        other = self.client.request(
            "chat.send", {"sessionKey": "main", "message": "/help", "idempotencyKey": f"key-{self.number}"}
        )
        self.assertIn("used before", other["error"]["message"])
        self.assertEqual(len(self.history()), 2)

    def test_command_is_found(self) -> None:
        """A window finds the command it sent by its key, as any other message; it is no title of the session."""
        self.client.request("sessions.messages.subscribe", {"key": KEY})
        self.reply("/whoami")
        [asked, answered] = self.client.request("chat.history", {"sessionKey": "main"})["payload"]["messages"]
        self.assertEqual((asked["role"], asked["idempotencyKey"]), ("user", f"key-{self.number}:user"))
        told = [event["payload"]["message"] for event in self.client.events("session.message")]
        self.assertEqual(told, [asked, answered])
        entry = self.entry()
        assert entry is not None
        self.assertEqual(entry.title, "")

    def test_twice_at_once(self) -> None:
        """One that comes again, before the session of the first was looked up, is carried out once."""
        waiting: list[Deferred[None]] = []
        sessions = self.gateway.gateway._house.sessions
        get = sessions.get

        async def slow(key: str) -> SessionEntry | None:
            waiting.append(Deferred())
            await waiting[-1]
            return await get(key)

        self.patch(sessions, "get", slow)
        params = {"sessionKey": "main", "message": "/whoami", "idempotencyKey": "twice"}
        for id in "ab":
            self.client.send({"type": "req", "id": id, "method": "chat.send", "params": params})
        self.patch(sessions, "get", get)
        for gate in waiting:
            gate.callback(None)
        self.gateway.flush()
        answers = [self.client.response(id)["payload"]["status"] for id in "ab"]
        self.assertEqual((len(waiting), answers), (2, ["started", "started"]))
        self.assertEqual([event["state"] for event in self.chat("twice")], ["final"])
        self.assertEqual(len(self.history()), 2)

    def test_status(self) -> None:
        """Model, context, queue; also of a session that is not there yet."""
        text = self.reply("/status")
        self.assertIn("Model: scripted/model", text)
        self.assertIn("Queue: collect; 0 at work, 0 waiting", text)

    def test_think(self) -> None:
        """Shown, chosen, refused, taken back."""
        self.assertIn("default", self.reply("/think"))
        self.assertEqual(self.reply("/think high"), "Thinking level: high.")
        self.assertEqual(self.settings().thinking_level, "high")
        self.assertIn("no thinking level 'much'", self.reply("/think much"))
        self.reply("/think default")
        self.assertEqual(self.settings().thinking_level, "")

    def test_model(self) -> None:
        """Shown, chosen, refused, listed, taken back."""
        self.assertIn("scripted/model", self.reply("/model"))
        self.assertIn("scripted/model", self.reply("/model list"))
        self.assertIn("scripted/model", self.reply("/models"))
        self.assertIn("no models of nope", self.reply("/models nope"))
        self.reply("/model scripted/model")
        self.assertEqual(self.settings().model_ref, "scripted/model")
        self.assertIn("chosen here", self.reply("/status"))
        self.reply("/model default")
        self.assertEqual(self.settings().model_ref, "")
        self.send("/model nope/nope")
        [event] = self.chat()
        self.assertEqual(event["state"], "error")
        self.assertIn("Unknown model", event["errorMessage"])

    def test_switches(self) -> None:
        """Verbose and reasoning."""
        self.assertEqual(self.reply("/verbose on"), "Verbose: on.")
        self.assertEqual(self.reply("/reasoning stream"), "Reasoning: stream.")
        self.assertEqual((self.settings().verbose_level, self.settings().reasoning_level), ("on", "stream"))
        self.assertIn("Usage", self.reply("/verbose loud"))
        self.assertEqual(self.reply("/verbose"), "Verbose: on.")
        self.reply("/verbose default")
        self.assertEqual(self.settings().verbose_level, "")

    def test_queue(self) -> None:
        """Mode and options of the session."""
        self.assertIn("steer, debounce 2000 ms, cap 3, drop old", self.reply("/queue steer debounce:2s cap:3 drop:old"))
        self.assertIn("collect, debounce 1000 ms, cap 20", self.reply("/queue default"))
        self.assertIn("no queue option 'fast'", self.reply("/queue fast"))
        self.send("/queue cap:none")
        self.assertIn("no value for cap", self.chat()[0]["errorMessage"])

    def test_send(self) -> None:
        """Takes an admin."""
        refused = self.send("/send off")
        self.assertEqual(refused["error"]["message"], "missing scope: operator.admin")
        admin = self.connect(ADMIN)
        self.assertIn("deny", self.reply("/send off", admin))
        self.assertEqual(self.settings().send_policy, "deny")
        self.reply("/send inherit", admin)
        self.assertEqual(self.settings().send_policy, "")

    def test_approve(self) -> None:
        """Takes the scope of approvals; an unknown question is told as such."""
        self.assertEqual(self.send("/approve x deny")["error"]["message"], "missing scope: operator.approvals")
        admin = self.connect(ADMIN)
        self.assertIn("no question x", self.reply("/approve x deny", admin))
        self.assertIn("Usage", self.reply("/approve x perhaps", admin))

    def test_subagents(self) -> None:
        """None are at work."""
        self.assertIn("No sub-agents", self.reply("/subagents"))
        self.assertIn("Stopped 0 sub-agents", self.reply("/subagents stop"))

    def test_nothing_to_compact(self) -> None:
        """A session that is not there has nothing to summarise."""
        self.send("/compact")
        [event] = self.chat()
        self.assertEqual(event["state"], "error")


class TalkTests(Chat):
    """Commands that the agent hears of."""

    def test_new(self) -> None:
        """A new conversation begins with the message behind the command; the transcript is empty before it."""
        self.model.say("first")
        self.send("hello")
        session_id = self.client.request("chat.history", {"sessionKey": "main"})["payload"]["sessionId"]
        self.model.say("second")
        self.send("/new what now?")
        self.assertEqual([message.text for message in self.model.requests[-1].messages], ["what now?"])
        self.assertEqual(self.history(), ["what now?", "second"])
        after = self.client.request("chat.history", {"sessionKey": "main"})["payload"]["sessionId"]
        self.assertNotEqual(session_id, after)
        self.assertEqual(self.chat()[-1]["state"], "final")

    def test_new_alone(self) -> None:
        """Alone it makes the agent greet."""
        self.model.say("Hello!")
        self.send("/reset")
        self.assertEqual(self.model.requests[-1].messages[-1].text, GREETING)

    def test_new_with_model(self) -> None:
        """A model may come first; any other word is the message."""
        self.model.say("a")
        self.send("/new scripted/model hi there")
        self.assertEqual(self.model.requests[-1].messages[-1].text, "hi there")
        self.assertEqual(self.settings().model_ref, "scripted/model")
        self.model.say("b")
        self.send("/new hello there")
        self.assertEqual(self.model.requests[-1].messages[-1].text, "hello there")

    def test_new_while_at_work(self) -> None:
        """What is at work is aborted first, and what waits is forgotten."""
        self.send("one")
        self.send("two")
        self.model.say("fresh")
        self.send("/new three")
        self.assertTrue(self.model.calls[0].cancelled)
        self.assertEqual(self.chat("key-1")[-1]["state"], "aborted")
        self.assertEqual(self.chat("key-2")[-1]["state"], "aborted")
        self.assertEqual(self.history(), ["three", "fresh"])

    def test_for_one_message(self) -> None:
        """C{/think} before a message counts for it alone."""
        self.model.say("a")
        self.send("/think high why?")
        self.assertEqual(self.model.requests[-1].messages[-1].text, "why?")
        self.assertEqual(self.model.requests[-1].sampling.reasoning_effort, "high")
        self.model.say("b")
        self.send("and now?")
        self.assertIsNone(self.model.requests[-1].sampling.reasoning_effort)

    def test_repeated_while_the_agent_answers(self) -> None:
        """A command's key is its run's as soon as there is one."""
        self.send("/new hello")
        again = {"sessionKey": "main", "message": "/new hello", "idempotencyKey": f"key-{self.number}"}
        self.assertEqual(self.client.request("chat.send", again)["payload"]["status"], "in_flight")
        self.finish("Hi.")
        self.assertEqual(self.client.request("chat.send", again)["payload"]["status"], "ok")
        self.assertEqual((len(self.model.calls), self.history()), (1, ["hello", "Hi."]))

    def test_repeated_while_it_is_carried_out(self) -> None:
        """A client that sends a command once more before it was told that it is taken gets it done once."""
        for words in ("one", "two"):
            self.model.say(words * 100)
            self.send(words)
        said = UserMessage(content=(TextPart(text="/compact"),))
        message = ChatMessage(
            request=RunRequest(run_id="r", agent_id="main", session_key=KEY, messages=(said,)),
            text="/compact",
            principal=Principal(id="ana", method="token", scopes=frozenset({"operator.write"})),
        )
        desk = self.gateway.gateway._house.desk
        for _ in range(2):
            self.successResultOf(Deferred.fromCoroutine(desk.take(message)))
        self.finish("They said one and two.")
        self.assertEqual(len(self.model.calls), 3)

    def test_message_in_the_next_line(self) -> None:
        """What a command has behind its argument may begin a line of its own."""
        self.model.say("a")
        self.send("/think high\nwhy?\nbecause")
        self.assertEqual(self.model.requests[-1].messages[-1].text, "why?\nbecause")
        self.model.say("b")
        self.send("/model scripted/model\n\nand now?")
        self.assertEqual(self.model.requests[-1].messages[-1].text, "and now?")
        self.model.say("c")
        self.send("/new scripted/model\nhi there")
        self.assertEqual(self.model.requests[-1].messages[-1].text, "hi there")

    def test_plain_text_elsewhere(self) -> None:
        """Unknown words, and commands in other surfaces, are messages."""
        self.model.say("a")
        self.send("/nope")
        self.assertEqual(self.model.requests[-1].messages[-1].text, "/nope")
        self.model.say("b")
        self.client.request("agent", {"message": "/status", "idempotencyKey": "x", "sessionKey": "other"})
        self.assertEqual(self.model.requests[-1].messages[-1].text, "/status")
        self.model.say("c")
        self.gateway.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "/new"}]})
        self.assertEqual(self.model.requests[-1].messages[-1].text, "/new")

    def test_turned_off(self) -> None:
        """C{commands.text} false leaves all to the agent."""
        self.gateway.gateway.reload({**self.gateway.config, "commands": {"text": False}})
        self.model.say("a")
        self.send("/status")
        self.assertEqual(self.model.requests[-1].messages[-1].text, "/status")

    def test_status_after_a_turn(self) -> None:
        """The card shows what the session holds."""
        self.model.say("a")
        self.send("hi")
        self.assertIn("Last answer: 10 tokens in, 5 out", self.reply("/status"))


class QueueTests(Chat):
    """Messages while the agent is at work."""

    def test_collect(self) -> None:
        """All that waited makes one turn; each sender sees an end, and the transcript holds it all."""
        self.send("one")
        for text in ("two", "three"):
            self.assertEqual(self.send(text)["payload"]["status"], "started")
        self.assertEqual(self.send("two", idempotencyKey="key-2")["payload"]["status"], "in_flight")
        self.finish("first")
        self.assertEqual(len(self.model.calls), 1)
        self.gateway.advance(1)
        said = self.model.requests[-1].messages[-1].text
        self.assertIn("two", said)
        self.assertIn("three", said)
        self.finish("second")
        self.assertEqual(self.chat("key-2")[-1]["state"], "final")
        self.assertNotIn("message", self.chat("key-2")[-1])
        self.assertEqual(self.chat("key-3")[-1]["message"]["content"][0]["text"], "second")
        self.assertEqual(self.history()[-1], "second")

    def test_steer(self) -> None:
        """The run at work reads the message after its tools."""
        self.send("one")
        call = self.model.calls[0]
        self.send("and mind this", queueMode="steer")
        call.call_tool("session_status", {})
        call.finish()
        self.gateway.flush()
        self.assertEqual(self.model.requests[1].messages[-1].text, "and mind this")
        self.finish("done")
        self.assertEqual(self.chat("key-2")[-1]["state"], "final")
        self.assertIn("and mind this", self.history())

    def test_interrupt(self) -> None:
        """The run at work gives way."""
        self.reply("/queue interrupt")
        self.send("one")
        self.model.say("better")
        self.send("two")
        self.assertTrue(self.model.calls[0].cancelled)
        self.assertEqual(self.chat()[-1]["message"]["content"][0]["text"], "better")

    def test_interrupt_adds(self) -> None:
        """Who interrupts goes on with what he has said: the model reads it all."""
        self.reply("/queue interrupt")
        for text in ("a trip to Rome", "no, Paris"):
            self.send(text)
        self.model.say("Fine.")
        self.send("for two")
        asked = [message.text for message in self.model.requests[-1].messages if isinstance(message, UserMessage)]
        self.assertEqual(asked, ["/queue interrupt", "a trip to Rome", "no, Paris", "for two"])
        self.assertEqual(self.history()[2:], [*asked[1:], "Fine."])
        self.assertEqual([self.chat(f"key-{number}")[-1]["state"] for number in (2, 3, 4)], ["aborted"] * 2 + ["final"])

    def test_stop(self) -> None:
        """Stopping forgets what waits too."""
        self.send("one")
        self.send("two")
        answer = self.send("/stop")["payload"]
        self.assertEqual((answer["aborted"], answer["runIds"]), (True, ["key-1", "key-2"]))
        self.gateway.advance(5)
        self.assertEqual(len(self.model.calls), 1)

    def test_other_sessions(self) -> None:
        """What waits in one session keeps no other one."""
        self.send("one")
        self.send("two")
        self.model.say("quick")
        self.send("hi", sessionKey="other")
        self.assertEqual(self.chat()[-1]["state"], "final")

    def test_shutdown(self) -> None:
        """What waits when the gateway stops is carried out, if the grace is long enough."""
        self.send("one")
        self.send("two")
        self.gateway.gateway.stopService()
        self.finish("first")
        self.assertEqual(self.model.requests[-1].messages[-1].text, "two")
        self.finish("second")
        self.assertEqual(self.chat("key-1")[-1]["state"], "final")
        self.assertEqual(self.chat("key-2")[-1]["message"]["content"][0]["text"], "second")

    def test_shutdown_without_time(self) -> None:
        """Whoever waits in vain is told when the gateway stops, and the message is not in the transcript."""
        told: list[str] = []
        news = self.gateway.gateway._house.sessions.news
        news.subscribe(lambda change: told.extend(message.text for message in change.messages))
        self.send("one")
        self.send("two")
        stopped = self.gateway.gateway.stopService()
        self.gateway.advance(self.gateway.gateway.settings().gateway.shutdown_grace_seconds)
        event = self.chat("key-2")[-1]
        self.assertEqual((event["state"], event["stopReason"]), ("aborted", "shutdown"))
        self.assertEqual(len(self.model.calls), 1)
        self.assertEqual([text for text in dict.fromkeys(told) if text], ["one"])
        self.gateway.advance(5, 100)
        self.successResultOf(stopped)
