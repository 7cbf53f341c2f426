# -*- test-case-name: tests.ws.rpc.test_chat -*-
"""chat.send, chat.abort and chat.history over real connections."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import READ, WRITE
from openclaw_tx.errors import ErrorInfo
from openclaw_tx.values import (
    AssistantMessage,
    CompactionMessage,
    ImagePart,
    Principal,
    RunRequest,
    TextPart,
    ToolCall,
    ToolResultMessage,
    Usage,
    UserMessage,
)
from openclaw_tx.ws.rpc.history import MAX_HISTORY_BYTES
from tests.ws.fakes import FakeRun
from tests.ws.harness import House, Line


class Case(SynchronousTestCase):
    """A ready connection."""

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(self.house.close)
        self.line: Line = self.house.ready()

    def run_(self, run_id: str, key: str = "agent:main:x", owner: str = "shared-secret") -> FakeRun:
        """A run that came from elsewhere."""
        request = RunRequest(run_id=run_id, agent_id="main", session_key=key, messages=(), surface="http")
        return self.house.engine.start(request, Principal(id=owner, method="token", scopes=frozenset()))

    def send(self, message: str = "hi", key: str = "k", **more: Any) -> Any:
        params = {"sessionKey": "x", "message": message, "idempotencyKey": key, **more}
        return self.line.call("chat.send", params)


class SendTests(Case):
    """chat.send."""

    def test_started(self) -> None:
        """Answered at once; events tell the rest, to everybody."""
        self.assertEqual(self.send(timeoutMs=1500)["payload"], {"runId": "k", "status": "started"})
        run = self.house.engine.runs["k"]
        self.assertEqual((run.request.session_key, run.request.timeout_s), ("agent:main:x", 1.5))
        run.say("yes")
        run.end("ok", "yes")
        self.assertEqual([event["payload"]["state"] for event in self.line.events("chat")], ["delta", "final"])

    def test_repeat(self) -> None:
        """In flight, then ok, or the error it ended with; other text under the same key is refused."""
        self.send()
        self.assertEqual(self.send()["payload"], {"runId": "k", "status": "in_flight"})
        self.assertEqual(self.send("other")["error"]["code"], "INVALID_REQUEST")
        self.house.engine.runs["k"].end("ok", "x")
        self.assertEqual(self.send()["payload"], {"runId": "k", "status": "ok"})
        self.send(key="bad")
        self.house.engine.runs["bad"].end("error", error=ErrorInfo(code="provider_error", message="broken"))
        self.assertEqual(self.send(key="bad")["error"]["message"], "broken")

    def test_stop_words(self) -> None:
        """A message that is only a stop word aborts the session's runs instead."""
        for number, word in enumerate(["/stop", " STOP ", "esc"]):
            run = self.run_(f"r{number}")
            answer = self.send(word, key=f"s{number}")
            self.assertEqual(answer["payload"], {"ok": True, "aborted": True, "runIds": [f"r{number}"]})
            assert run.outcome is not None
            self.assertEqual(run.outcome.abort_reason, "stop")
        self.assertEqual(self.send("stop it", key="s9")["payload"]["status"], "started")

    def test_text_is_cleaned(self) -> None:
        """NFC, and no control characters but line breaks and tabs."""
        self.send("e\u0301\x07\n\tx")
        (message,) = self.house.engine.runs["k"].request.messages
        self.assertEqual(message.text, "é\n\tx")

    def test_refused(self) -> None:
        """What can not be sent."""
        for message, more, reason in [
            ("", {}, "message or attachment required"),
            (" \n", {}, "message or attachment required"),
            ("a\0b", {}, "invalid chat.send params: message must not contain null bytes"),
            ("a", {"key": "k\n"}, "invalid chat.send params: idempotencyKey must not contain control characters"),
            ("stop", {"key": "k\0"}, "invalid chat.send params: idempotencyKey must not contain control characters"),
            ("a", {"queueMod": "steer"}, "invalid chat.send params: at root: unexpected property 'queueMod'"),
        ]:
            self.assertEqual(self.send(message, **more)["error"]["message"], reason)
        self.assertEqual(self.house.engine.runs, {})

    def test_blank_key(self) -> None:
        """A blank key is the default agent's main one, as everywhere: no session without a name comes of it."""
        self.send(key="k", sessionKey=" \t")
        self.assertEqual(self.house.engine.runs["k"].request.session_key, "agent:main:main")
        answer = self.line.call("chat.history", {"sessionKey": " "})
        self.assertEqual(answer["payload"]["sessionKey"], "agent:main:main")

    def test_sessions_of_the_gateway(self) -> None:
        """Nobody speaks in the sessions of jobs and sub-agents from outside."""
        for key in ("cron:1", "agent:main:subagent:1"):
            self.assertIn("namespace of the gateway's own", self.send(sessionKey=key)["error"]["message"])

    def test_image_only(self) -> None:
        """An image needs no words."""
        self.send("", attachments=[{"content": "data:image/gif;base64,R0lGODlh"}])
        (message,) = self.house.engine.runs["k"].request.messages
        self.assertEqual(message.content, (ImagePart(data="R0lGODlh", mime_type="image/gif"),))  # type: ignore[union-attr]


class AbortTests(Case):
    """chat.abort."""

    def test_session(self) -> None:
        """All runs of the session, from whatever surface, and no others; their events come before the answer."""
        first, second, other = self.run_("1"), self.run_("2"), self.run_("3", "agent:main:y")
        answer = self.line.call("chat.abort", {"sessionKey": "agent:main:x"})
        self.assertEqual(answer["payload"], {"ok": True, "aborted": True, "runIds": ["1", "2"]})
        self.assertEqual((first.status, second.status, other.status), ("aborted", "aborted", "queued"))
        states = [event["payload"].get("stopReason") for event in self.line.events("chat")]
        self.assertEqual(states, ["rpc", "rpc"])
        self.assertEqual(self.line.frames[-1], answer)

    def test_one_run(self) -> None:
        """By id; it must be of the session."""
        self.run_("1")
        self.run_("2")
        answer = self.line.call("chat.abort", {"sessionKey": "x", "runId": "2"})
        self.assertEqual(answer["payload"]["runIds"], ["2"])
        error = self.line.call("chat.abort", {"sessionKey": "y", "runId": "1"})["error"]
        self.assertEqual((error["code"], error["message"]), ("INVALID_REQUEST", "runId does not match sessionKey"))

    def test_nothing_to_abort(self) -> None:
        """No run, an unknown run, one that has ended."""
        nothing = {"ok": True, "aborted": False, "runIds": []}
        self.assertEqual(self.line.call("chat.abort", {"sessionKey": "x"})["payload"], nothing)
        self.assertEqual(self.line.call("chat.abort", {"sessionKey": "x", "runId": "zz"})["payload"], nothing)
        self.run_("1").end("ok")
        self.assertEqual(self.line.call("chat.abort", {"sessionKey": "x", "runId": "1"})["payload"], nothing)

    def test_somebody_elses(self) -> None:
        """Another principal's run takes an administrator; and then none of the session's runs is touched."""
        own, foreign = self.run_("1"), self.run_("2", owner="proxy:eve")
        line = self.house.ready(scopes=[WRITE])
        self.assertEqual(self.send(key="waits")["payload"]["status"], "started")
        error = line.call("chat.abort", {"sessionKey": "x"})["error"]
        self.assertEqual(error["message"], "missing scope: operator.admin")
        self.assertEqual((own.status, foreign.status), ("queued", "queued"))
        self.assertEqual(self.send(key="waits")["payload"]["status"], "in_flight")
        self.assertTrue(self.line.call("chat.abort", {"sessionKey": "x"})["payload"]["aborted"])

    def test_slow_to_end(self) -> None:
        """A run that takes its time to end is not waited for longer than a second."""
        run = self.run_("1")
        run.abort = lambda reason: True  # type: ignore[method-assign]
        id = self.line.ask("chat.abort", {"sessionKey": "x"})
        self.house.advance(0.9)
        self.assertEqual(self.line.answers(id), [])
        self.house.advance(0.2)
        self.assertEqual(self.line.answers(id)[0]["payload"]["runIds"], ["1"])

    def test_sessions_of_the_gateway(self) -> None:
        """Runs of jobs and sub-agents, too: clients show their sessions, with a button to stop them."""
        run = self.run_("1", key="agent:main:cron:job")
        answer = self.line.call("chat.abort", {"sessionKey": "agent:main:cron:job"})
        self.assertEqual(answer["payload"]["runIds"], ["1"])
        assert run.outcome is not None
        self.assertEqual(run.outcome.status, "aborted")


class HistoryTests(Case):
    """chat.history."""

    def history(self, **params: Any) -> Any:
        return self.line.call("chat.history", {"sessionKey": "x", **params})["payload"]

    def test_marks(self) -> None:
        """That a conversation was summarised is told, as OpenClaw tells it; the summary is the model's."""
        said = UserMessage(content=(TextPart(text="hi"),), timestamp_ms=1)
        self.house.sessions.add("agent:main:x", 1, [said, CompactionMessage(summary="They met.", kept=1)])
        rows = self.history()["messages"]
        self.assertEqual([row["role"] for row in rows], ["user", "system"])
        self.assertNotIn("They met.", str(rows))

    def test_sessions_of_the_gateway(self) -> None:
        """What jobs and sub-agents said can be read: their sessions stand in the list."""
        said = UserMessage(content=(TextPart(text="hi"),), timestamp_ms=1)
        for key in ("agent:main:cron:job", "agent:main:subagent:1"):
            self.house.sessions.add(key, 1, [said])
            self.assertEqual(self.history(sessionKey=key)["totalMessages"], 1)
            self.assertEqual(self.line.call("chat.startup", {"sessionKey": key})["payload"]["totalMessages"], 1)

    def test_messages(self) -> None:
        """As chat clients know them; images are named, not repeated."""
        self.house.sessions.add(
            "agent:main:x",
            1,
            [
                UserMessage(
                    content=(TextPart(text="hi"), ImagePart(data="AAAA", mime_type="image/png")), timestamp_ms=1
                ),
                AssistantMessage(
                    text="let me see",
                    tool_calls=(
                        ToolCall(id="c", name="clock", arguments='{"zone": "UTC"}'),
                        ToolCall(id="d", name="clock", arguments="{cut o"),
                    ),
                    provider="stub",
                    model="m",
                    usage=Usage(prompt_tokens=3, completion_tokens=2),
                    stop_reason="tool_calls",
                    timestamp_ms=2,
                ),
                ToolResultMessage(tool_call_id="c", tool_name="clock", text="noon", timestamp_ms=3),
                AssistantMessage(text="", stop_reason="error", error_message="broken", timestamp_ms=4),
            ],
            session_id="s-1",
        )
        answer = self.history()
        self.assertEqual(
            (answer["sessionKey"], answer["sessionId"], answer["thinkingLevel"]), ("agent:main:x", "s-1", "off")
        )
        user, assistant, tool, failed = answer["messages"]
        self.assertEqual(len({row["__openclaw"]["id"] for row in answer["messages"]}), 4)
        del user["__openclaw"]
        self.assertEqual(
            user,
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "hi"},
                    {"type": "image", "mimeType": "image/png", "bytes": 3, "omitted": True},
                ],
                "timestamp": 1,
            },
        )
        self.assertEqual(
            assistant["content"],
            [
                {"type": "text", "text": "let me see"},
                {"type": "toolCall", "id": "c", "name": "clock", "arguments": {"zone": "UTC"}},
                {"type": "toolCall", "id": "d", "name": "clock", "arguments": {}, "argumentsText": "{cut o"},
            ],
        )
        self.assertEqual(assistant["stopReason"], "toolUse")
        self.assertEqual(assistant["usage"], {"input": 3, "output": 2, "total": 5})
        self.assertEqual((tool["role"], tool["content"][0]["text"], tool["isError"]), ("toolResult", "noon", False))
        self.assertEqual((failed["content"], failed["errorMessage"]), ([], "broken"))

    def test_limit(self) -> None:
        """The newest so many."""
        messages = [UserMessage(content=(TextPart(text=str(number)),)) for number in range(5)]
        self.house.sessions.add("agent:main:x", 1, messages)
        texts = [message["content"][0]["text"] for message in self.history(limit=2)["messages"]]
        self.assertEqual(texts, ["3", "4"])
        for limit in (0, 1001):
            error = self.line.call("chat.history", {"sessionKey": "x", "limit": limit})["error"]
            self.assertTrue(error["message"].startswith("invalid chat.history params: at /limit: must be"))

    def test_bytes(self) -> None:
        """Older messages make room when it gets too much."""
        big = "x" * (MAX_HISTORY_BYTES // 2 - 1000)
        messages = [UserMessage(content=(TextPart(text=big + str(number)),)) for number in range(3)]
        self.house.sessions.add("agent:main:x", 1, messages)
        found = self.history()["messages"]
        self.assertEqual([message["content"][0]["text"][-1] for message in found], ["1", "2"])

    def test_unknown_session(self) -> None:
        """Has no messages, and is no error."""
        none = {"messages": [], "totalMessages": 0, "hasMore": False}
        self.assertEqual(self.history(), {"sessionKey": "agent:main:x", "thinkingLevel": "off", **none})

    def test_reader(self) -> None:
        """Reading takes the scope for it, sending another."""
        line = self.house.ready(scopes=[READ])
        self.assertTrue(line.call("chat.history", {"sessionKey": "x"})["ok"])
        error = line.call("chat.send", {"sessionKey": "x", "message": "x", "idempotencyKey": "k"})["error"]
        self.assertEqual(error["message"], "missing scope: operator.write")
