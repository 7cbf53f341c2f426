# -*- test-case-name: tests.test_agent_turns -*-
"""Whole conversations through the whole gateway: many turns, tools, aborts, summaries, on every surface."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.interfaces import OnEvents
from openclaw_tx.runs import summaries
from openclaw_tx.testing import MemoryGateway, ScriptedModel
from openclaw_tx.values import (
    AssistantMessage,
    CompactionMessage,
    ModelReply,
    ModelRequest,
    ToolResult,
    ToolResultMessage,
    ToolSpec,
    Usage,
    UserMessage,
)

CHAT = "/v1/chat/completions"
SESSION = {"x-openclaw-session-key": "work"}
KEY = "agent:main:work"


class Clockwork:
    """A tool that waits until the test lets it go on, or is stopped."""

    spec = ToolSpec(
        name="clockwork",
        description="Waits.",
        parameters={"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": False},
    )
    concurrent = True

    def __init__(self) -> None:
        self.waiting: list[Deferred[str]] = []
        self.stopped = 0

    async def call(self, arguments: Mapping[str, Any], context: Any) -> ToolResult:
        """What the test says."""
        gate: Deferred[str] = Deferred(lambda _: self._stop())
        self.waiting.append(gate)
        return ToolResult(text=await gate)

    def _stop(self) -> None:
        self.stopped += 1


class Case(SynchronousTestCase):
    """A gateway with one more tool."""

    config: dict[str, Any] = {
        "gateway": {"http": {"endpoints": {"responses": {"enabled": True}}}},
        "tools": {"deny": ["agents_list"]},
    }

    def gateway(self, model: ScriptedModel | None = None, **config: Any) -> MemoryGateway:
        """One that is stopped after the test."""
        memory = MemoryGateway({**self.config, **config}, tools=[self.tool], model=model)
        self.addCleanup(memory.close)
        return memory

    def setUp(self) -> None:
        self.tool = Clockwork()

    def transcript(self, memory: MemoryGateway, key: str = KEY) -> Sequence[Any]:
        """All that is stored of a session."""
        sessions = memory.gateway._house.sessions
        return self.successResultOf(Deferred.fromCoroutine(sessions.transcript(key, 10_000)))


class SurfaceTests(Case):
    """Text between tool rounds, on every surface."""

    def setUp(self) -> None:
        super().setUp()
        self.memory = self.gateway()
        model = self.memory.model
        model.call_tool("session_status", {}, text="Let me look.")
        model.say("All ", "is well.")

    def test_chat_stream(self) -> None:
        """One answer to the client, both texts in it, apart from each other, and nothing of the tool."""
        stream = self.memory.post(CHAT, {"messages": [{"role": "user", "content": "How is it?"}], "stream": True})
        chunks = [event for event in stream.events() if event != "[DONE]"]
        text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
        self.assertEqual(text, "Let me look.\n\nAll is well.")
        self.assertEqual(len([chunk for chunk in chunks if chunk["choices"][0]["finish_reason"]]), 1)
        self.assertNotIn("session_status", stream.text())

    def test_whole_answer(self) -> None:
        """The same in one piece, and the usage of both calls."""
        answer = self.memory.post(CHAT, {"messages": [{"role": "user", "content": "How is it?"}]}).json()
        self.assertEqual(answer["choices"][0]["message"]["content"], "Let me look.\n\nAll is well.")
        self.assertEqual(answer["usage"]["total_tokens"], 30)

    def test_responses(self) -> None:
        """One message of both texts, as in a chat completion."""
        answer = self.memory.post("/v1/responses", {"model": "openclaw", "input": "How is it?"}).json()
        texts = [part["text"] for item in answer["output"] if item["type"] == "message" for part in item["content"]]
        self.assertEqual(texts, ["Let me look.\n\nAll is well."])

    def test_websocket(self) -> None:
        """The cumulative text begins anew after the tool, whose events come in between."""
        client = self.memory.websocket()
        client.connect()
        client.request("agent", {"message": "How is it?", "agentId": "main", "idempotencyKey": "k"})
        told = [
            (event["payload"]["stream"], event["payload"]["data"].get("text"))
            for event in client.events("agent")
            if event["payload"]["stream"] in ("assistant", "tool")
        ]
        self.assertEqual(
            told,
            [("assistant", "Let me look."), ("tool", None), ("tool", None), ("assistant", "All is well.")],
        )
        client.close()


class TurnTests(Case):
    """Turns of one session."""

    def test_many_turns_with_tools(self) -> None:
        """Each turn reads all before it, its tools included, and every call has its result."""
        memory = self.gateway()
        for number in range(5):
            memory.model.call_tools(("clockwork", {"n": number}), ("session_status", {}), ("nope", {}))
            memory.model.say(f"answer {number}")
            answer = memory.post(CHAT, {"messages": [{"role": "user", "content": f"q{number}"}]}, headers=SESSION)
            self.tool.waiting[-1].callback(f"tick {number}")
            memory.flush()
            self.assertEqual(answer.json()["choices"][0]["message"]["content"], f"answer {number}")
        last = memory.model.requests[-1].messages
        self.assertEqual(len(last), 5 * 6 - 1)
        for number in range(5):
            question, call, tick, status, unknown = last[number * 6 : number * 6 + 5]
            self.assertEqual((question.text, tick.text), (f"q{number}", f"tick {number}"))  # type: ignore[union-attr]
            self.assertEqual([each.id for each in call.tool_calls], [m.tool_call_id for m in (tick, status, unknown)])  # type: ignore[union-attr]
            self.assertTrue(unknown.is_error)  # type: ignore[union-attr]

    def test_abort_in_tools(self) -> None:
        """A client that hangs up stops all tools at work; the next turn finds a whole transcript."""
        memory = self.gateway()
        memory.model.call_tools(("clockwork", {"n": 1}), ("clockwork", {"n": 2}))
        hasty = memory.post(CHAT, {"messages": [{"role": "user", "content": "wait"}], "stream": True}, headers=SESSION)
        self.assertEqual(len(self.tool.waiting), 2)
        hasty.disconnect()
        memory.flush()
        self.assertEqual(self.tool.stopped, 2)
        memory.model.say("here again")
        answer = memory.post(CHAT, {"messages": [{"role": "user", "content": "and now?"}]}, headers=SESSION)
        self.assertEqual(answer.code, 200)
        kinds = [type(message) for message in memory.model.requests[-1].messages]
        self.assertEqual(
            kinds[:4], [UserMessage, AssistantMessage, ToolResultMessage, ToolResultMessage], self.transcript(memory)
        )
        self.assertEqual(memory.model.requests[-1].messages[-1].text, "and now?")

    def test_outage_after_a_tool(self) -> None:
        """A provider that fails when a tool has run: the client is told not to repeat that blindly, whether it streams
        or not; the transcript keeps call and result, and the next turn reads them."""
        for stream in (False, True):
            memory = self.gateway()
            memory.model.call_tool("clockwork", {}, text="Let me look.")
            memory.model.fail("provider_timeout", "nothing came")
            body = {"messages": [{"role": "user", "content": "How is it?"}], "stream": stream}
            answer = memory.post(CHAT, body, headers=SESSION)
            self.tool.waiting[-1].callback("tick")
            memory.flush()
            if stream:
                self.assertEqual((answer.code, answer.events()[-1]), (200, "[DONE]"))
                error = answer.events()[-2]["error"]
            else:
                self.assertEqual((answer.code, answer.headers["x-should-retry"]), (504, "false"))
                self.assertNotIn("retry-after", answer.headers)
                error = answer.json()["error"]
            self.assertEqual(error["code"], "provider_timeout")
            memory.model.say("better now")
            memory.post(CHAT, {"messages": [{"role": "user", "content": "and now?"}]}, headers=SESSION)
            kinds = [type(message) for message in memory.model.requests[-1].messages]
            self.assertEqual(kinds, [UserMessage, AssistantMessage, ToolResultMessage, UserMessage])

    def test_news_do_not_double_a_conversation(self) -> None:
        """A client that resends its history in a session that was told news adds nothing twice."""
        memory = self.gateway()
        told: list[dict[str, str]] = []
        for number in range(3):
            memory.gateway._house.events.add(KEY, f"news {number}")
            memory.model.say(f"answer {number}")
            told.append({"role": "user", "content": f"q{number}"})
            answer = memory.post(CHAT, {"messages": told}, headers=SESSION).json()
            told.append(answer["choices"][0]["message"])
        texts = [message.text for message in memory.model.requests[-1].messages]
        expected = []
        for number in range(3):
            expected += [f"System: news {number}", f"q{number}", f"answer {number}"]
        self.assertEqual(texts, expected[:-1])

    def test_session_model(self) -> None:
        """A thinking level that the agent method set is the session's for all surfaces."""
        memory = self.gateway(ScriptedModel(reasoning=True))
        client = memory.websocket()
        client.connect()
        for _ in range(2):
            memory.model.say("x")
        params = {"message": "hi", "sessionKey": KEY, "idempotencyKey": "k", "thinking": "high"}
        client.request("agent", params)
        memory.post(CHAT, {"messages": [{"role": "user", "content": "more"}]}, headers=SESSION)
        efforts = [request.sampling.reasoning_effort for request in memory.model.requests]
        self.assertEqual(efforts, ["high", "high"])
        client.close()

    def test_directives(self) -> None:
        """Directives leave what clients see, and are fields of the run."""
        memory = self.gateway()
        memory.model.say("[[reply_to", "_current]] Here:\n", "MEDIA:./a.png")
        stream = memory.post(CHAT, {"messages": [{"role": "user", "content": "hi"}], "stream": True})
        chunks = [event for event in stream.events() if event != "[DONE]"]
        text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
        self.assertEqual(text, "Here:\n")
        run = memory.get(f"/v1/runs/{stream.headers['x-openclaw-run-id']}").json()
        self.assertEqual((run["media"], run["reply_to"]), (["./a.png"], "current"))

    def test_verbose_and_reasoning(self) -> None:
        """With the defaults on, clients without the capability see tools, and what the model thinks."""
        memory = self.gateway(
            agents={"defaults": {"model": "scripted/model", "verboseDefault": "on", "reasoningDefault": "stream"}}
        )
        client = memory.websocket()
        client.connect(caps=[])
        memory.model.call_tool("session_status", {})
        memory.post(CHAT, {"messages": [{"role": "user", "content": "hi"}], "stream": True})
        call = memory.model.calls[-1]
        call.reasoning("hm")
        call.text("x")
        call.finish()
        memory.flush()
        streams = [event["payload"]["stream"] for event in client.events("agent")]
        self.assertEqual(streams.count("tool"), 2)
        self.assertEqual(streams.count("thinking"), 1)
        client.close()


class Talker(ScriptedModel):
    """Answers every question with its own words, and summarises when it is asked to; it refuses what is too long for
    its window, by its own count."""

    def __init__(self, context_window: int) -> None:
        super().__init__(context_window=context_window)
        self.window = context_window
        self.summaries = 0
        self.largest = 0

    async def stream(self, model: str, request: ModelRequest, on_events: OnEvents) -> ModelReply:
        """See L{openclaw_tx.interfaces.ModelProvider.stream}."""
        size = sum(len(getattr(message, "text", "")) for message in request.messages) // 4
        usage = Usage(prompt_tokens=size, completion_tokens=10)
        self.largest = max(self.largest, size)
        if size > self.window:
            self.fail("context_length_exceeded", "too long")
        elif request.system == summaries.SYSTEM:
            self.summaries += 1
            self.say(f"Summary {self.summaries}.", usage=usage)
        elif isinstance(request.messages[-1], UserMessage) and request.messages[-1].text.startswith("look"):
            self.call_tool("session_status", {})
        else:
            self.say(f"Answer to {request.messages[-1].text[:20]}. " + "word " * 40, usage=usage)
        reply = await super().stream(model, request, on_events)
        self.calls.clear()
        return reply


class LongTests(Case):
    """A session that outlives the model's window many times over."""

    def test_thousand_turns(self) -> None:
        """1,000 turns, some with tools, in a window of 4,000 tokens: each is answered, nothing is lost from the
        transcript, and no call was ever too long."""
        model = Talker(4000)
        memory = self.gateway(
            model,
            agents={
                "defaults": {
                    "model": model.ref,
                    "minContextTokens": 0,
                    "compaction": {"memoryFlush": {"enabled": False}},
                }
            },
        )
        for number in range(1000):
            question = f"{'look' if number % 10 == 0 else 'tell'} {number}"
            body = {"messages": [{"role": "user", "content": question}]}
            answer = memory.post(CHAT, body, headers=SESSION)
            self.assertEqual(answer.code, 200, answer.text())
            memory.clock.advance(1)
        stored = self.transcript(memory)
        asked = [message.text for message in stored if isinstance(message, UserMessage)]
        self.assertEqual(asked[-900:], [f"{'look' if n % 10 == 0 else 'tell'} {n}" for n in range(100, 1000)])
        marks = [message for message in stored if isinstance(message, CompactionMessage)]
        self.assertGreater(model.summaries, 10)
        self.assertGreater(len(marks), 10)
        self.assertLess(model.largest, 4000)
        calls = [call.id for message in stored if isinstance(message, AssistantMessage) for call in message.tool_calls]
        results = [message.tool_call_id for message in stored if isinstance(message, ToolResultMessage)]
        self.assertEqual(calls, results)
        client = memory.websocket()
        client.connect()
        history = client.request("chat.history", {"sessionKey": KEY, "limit": 1000})
        self.assertTrue(history["ok"])
        self.assertNotIn("Summary", json.dumps(history["payload"]["messages"]))
        client.close()
