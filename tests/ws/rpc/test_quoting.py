# -*- test-case-name: tests.ws.rpc.test_quoting -*-
"""What messages refer to, and how they are taken: params of C{chat.send}, through a whole gateway."""

from __future__ import annotations

from typing import Any

from openclaw_tx.values import TextPart, UserMessage
from tests.sessions.helpers import answer, user
from tests.ws.rpc.test_sessions import SessionsCase

KEY = "agent:main:main"
DAY = 24 * 3600


class SendCase(SessionsCase):
    """Messages to the main session."""

    sent = 0

    def asked(self, message: str, **params: Any) -> dict[str, Any]:
        """Params of a message."""
        self.sent += 1
        return {"sessionKey": "main", "message": message, "idempotencyKey": f"run-{self.sent}", **params}

    def send(self, message: str, **params: Any) -> str:
        """What the model reads of a message."""
        self.memory.model.say("fine")
        self.call("chat.send", **self.asked(message, **params))
        self.memory.advance(1)
        newest = self.memory.model.requests[-1].messages[-1]
        assert isinstance(newest, UserMessage)
        return newest.text


class ReplyTests(SendCase):
    """C{replyToId}."""

    def ids(self) -> list[str]:
        """Of the messages of the session."""
        return [row["__openclaw"]["id"] for row in self.call("chat.history", sessionKey="main")["messages"]]

    def test_quoted(self) -> None:
        """The agent is told who said what."""
        self.add(KEY, user("What is it?"), answer("A door.\n\nOr a window."))
        asked, said = self.ids()
        self.assertEqual(
            self.send("Which one?", replyToId=said),
            "> [In reply to the assistant:]\n> A door.\n>\n> Or a window.\n\nWhich one?",
        )
        self.assertEqual(self.send("A garden", replyToId=asked), "> [In reply to the user:]\n> What is it?\n\nA garden")
        self.assertEqual(self.send("Go on"), "Go on")

    def test_kept(self) -> None:
        """It stands in the transcript so; a long one is shortened."""
        self.add(KEY, answer("x" * 5000))
        self.send("Which one?", replyToId=self.ids()[0])
        text = self.call("chat.history", sessionKey="main")["messages"][1]["content"][0]["text"]
        self.assertEqual(text, "> [In reply to the assistant:]\n> " + "x" * 2000 + "…\n\nWhich one?")

    def test_images(self) -> None:
        """They come along."""
        self.add(KEY, answer("Show me."))
        gif = [{"content": "data:image/gif;base64,R0lGODlh"}]
        self.send("", replyToId=self.ids()[0], attachments=gif)
        newest = self.memory.model.requests[-1].messages[-1]
        assert isinstance(newest, UserMessage)
        self.assertEqual(newest.content[0], TextPart(text="> [In reply to the assistant:]\n> Show me."))
        self.assertEqual(len(newest.content), 2)

    def test_refused(self) -> None:
        """A message that is not there, and commands."""
        self.add(KEY, answer("Yes."))
        self.assertIn("replyToId is none of", self.refusal("chat.send", **self.asked("x", replyToId="nope"))[1])
        refused = self.refusal("chat.send", **self.asked("/status", replyToId=self.ids()[0]))
        self.assertIn("can not be used with commands", refused[1])
        self.assertEqual(self.memory.model.calls, [])


class ContextTests(SendCase):
    """C{workContext}."""

    def test_told(self) -> None:
        """Below the message, each in one line; what is empty is not told."""
        seen = {"page": "files", "title": "", "file": "notes/a.md", "selection": "one\n two"}
        self.assertEqual(
            self.send("What is this?", workContext=seen),
            "What is this?\n\n[The user is looking at:]\npage: files\nfile: notes/a.md\nselection: one two",
        )

    def test_refused(self) -> None:
        """Of another shape, or with a command."""
        for seen, said in (({}, "page"), ({"page": "x", "url": "y"}, "unexpected property 'url'")):
            self.assertIn(said, self.refusal("chat.send", **self.asked("hi", workContext=seen))[1])
        refused = self.refusal("chat.send", **self.asked("/status", workContext={"page": "x"}))
        self.assertIn("can not be used with commands", refused[1])


class VerbatimTests(SendCase):
    """C{suppressCommandInterpretation}."""

    def test_commands(self) -> None:
        """The agent reads them."""
        for text in ("/status", "/new", "stop"):
            self.assertEqual(self.send(text, suppressCommandInterpretation=True), text)

    def test_otherwise(self) -> None:
        """They are carried out."""
        self.call("chat.send", **self.asked("/status"))
        self.memory.advance(1)
        self.assertEqual(self.memory.model.calls, [])


class ResumedTests(SendCase):
    """C{__controlUiReconnectResume}: the Control UI sends it with the first message after its connection was lost."""

    def begin(self) -> str:
        """A conversation whose time is over since; its id."""
        self.send("hello")
        self.memory.advance(2 * DAY, 4)
        return str(self.call("sessions.describe", key=KEY)["session"]["sessionId"])

    def test_goes_on(self) -> None:
        """In the conversation that the user sees."""
        begun = self.begin()
        self.send("again", sessionId=begun, __controlUiReconnectResume=True)
        self.assertEqual(self.call("sessions.describe", key=KEY)["session"]["sessionId"], begun)
        self.assertEqual(len(self.memory.model.requests[-1].messages), 3)

    def test_otherwise(self) -> None:
        """Without it, or without the conversation's id, another one begins."""
        begun = self.begin()
        self.send("again", __controlUiReconnectResume=True)
        self.assertNotEqual(self.call("sessions.describe", key=KEY)["session"]["sessionId"], begun)

    def test_repeated(self) -> None:
        """Who repeats the message without it, repeats the message."""
        self.memory.model.say("fine")
        asked = self.asked("hello")
        self.call("chat.send", **asked, __controlUiReconnectResume=True)
        self.memory.advance(1)
        self.assertEqual(self.call("chat.send", **asked)["status"], "ok")


class AgentTests(SendCase):
    """The same for C{agent}, and how much of its prompt it gets."""

    def run_agent(self, **params: Any) -> Any:
        """A run's prompt."""
        self.sent += 1
        self.memory.model.say("fine")
        self.call("agent", message="hi", idempotencyKey=f"agent-{self.sent}", **params)
        self.memory.advance(1)
        return self.memory.model.requests[-1].system

    def test_prompt(self) -> None:
        """All, what sub-agents get, or next to nothing."""
        full, minimal, none = (
            len(self.run_agent(agentId="main", promptMode=mode)) for mode in ("full", "minimal", "none")
        )
        self.assertGreater(full, minimal)
        self.assertGreater(minimal, none)
        self.assertIn("at /promptMode", self.refusal("agent", message="x", idempotencyKey="k", promptMode="short")[1])

    def test_conversation(self) -> None:
        """Only in the one that was meant, however old it is."""
        asked = {"message": "x", "sessionKey": "main", "idempotencyKey": "k"}
        refused = self.refusal("agent", **asked, expectedExistingSessionId="nope")
        self.assertIn("expectedExistingSessionId is not", refused[1])
        self.send("hello")
        begun = self.call("sessions.describe", key=KEY)["session"]["sessionId"]
        self.memory.advance(2 * DAY, 4)
        self.run_agent(sessionKey="main", expectedExistingSessionId=begun)
        self.assertEqual(self.call("sessions.describe", key=KEY)["session"]["sessionId"], begun)
        self.run_agent(sessionKey="main")
        self.assertNotEqual(self.call("sessions.describe", key=KEY)["session"]["sessionId"], begun)
        self.assertIn("is not", self.refusal("agent", **asked, expectedExistingSessionId=begun)[1])
