# -*- test-case-name: tests.test_long_memory -*-
"""A thousand turns: what was said in the third is forgotten by summaries, written down in time, found at the end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from openclaw_tx.interfaces import OnEvents
from openclaw_tx.runs import summaries
from openclaw_tx.runs.upkeep import FLUSH
from openclaw_tx.testing import MemoryGateway, ScriptedModel
from openclaw_tx.values import (
    AssistantMessage,
    CompactionMessage,
    ModelReply,
    ModelRequest,
    ToolResultMessage,
    Usage,
    UserMessage,
)
from tests.support.scenarios import Scenario

TURNS = 1000
FACT = "My boat is called Marlene and lies in berth 42."
QUESTION = "What is my boat called, and where does it lie?"


class Forgetful(ScriptedModel):
    """Knows only what stands in its window. Its summaries leave facts out; when it is told that it will forget, it
    writes down the facts that it can see; what it does not know it looks up.

    @ivar flushes: how often it was told so.
    @ivar written: how often it wrote.
    @ivar largest: tokens of the largest request, by its own count.
    """

    def __init__(self) -> None:
        super().__init__(context_window=4000)
        self.flushes = self.written = self.summaries = self.largest = 0

    async def stream(self, model: str, request: ModelRequest, on_events: OnEvents) -> ModelReply:
        """See L{openclaw_tx.interfaces.ModelProvider.stream}."""
        size = sum(len(getattr(message, "text", "")) for message in request.messages) // 4
        self.largest = max(self.largest, size)
        self._answer(request, Usage(prompt_tokens=size, completion_tokens=50))
        reply = await super().stream(model, request, on_events)
        self.calls.clear()
        return reply

    def _answer(self, request: ModelRequest, usage: Usage) -> None:
        """Queue what is said to a request."""
        last = request.messages[-1]
        if request.system == summaries.SYSTEM:
            self.summaries += 1
            self.say(f"They talked, for the {self.summaries}. time.", usage=usage)
        elif isinstance(last, ToolResultMessage):
            self._after_tool(last, usage)
        elif last.text == FLUSH:
            self.flushes += 1
            facts = [each.text for each in request.messages if isinstance(each, UserMessage) and "Marlene" in each.text]
            if facts:
                self.call_tool("write", {"path": "memory/2023-11-14.md", "content": f"# Boat\n{facts[0]}\n"})
            else:
                self.say("NO_REPLY", usage=usage)
        elif last.text == QUESTION:
            assert not any("Marlene" in getattr(each, "text", "") for each in request.messages), "it still knows"
            self.call_tool("memory_search", {"query": QUESTION})
        elif isinstance(last, UserMessage) and last.text.startswith("look"):
            self.call_tool("session_status", {})
        else:
            self.say(f"Answer to {last.text[:20]}. " + "word " * 40, usage=usage)

    def _after_tool(self, result: ToolResultMessage, usage: Usage) -> None:
        if result.tool_name == "write":
            assert not result.is_error, result.text
            self.written += 1
            self.say("NO_REPLY", usage=usage)
        elif result.tool_name == "memory_search":
            found = json.loads(result.text)["results"]
            self.say(f"I have noted: {found[0]['snippet']}" if found else "I do not know.", usage=usage)
        else:
            self.say("It is late. " + "word " * 40, usage=usage)


class LongMemoryTests(Scenario):
    """One session, in a window of 4,000 tokens."""

    model: Forgetful
    config: Mapping[str, Any] = {"agents": {"defaults": {"minContextTokens": 0}}}

    def build(self, **parts: Any) -> MemoryGateway:
        """With the forgetful model."""
        return super().build(model=Forgetful(), **parts)

    def test_a_fact_is_recalled(self) -> None:
        """Planted in turn 3, flushed to a file in a turn that nobody saw, summarised away; turn 1,000 finds it."""
        for number in range(1, TURNS):
            question = FACT if number == 3 else f"{'look' if number % 10 == 0 else 'tell'} {number}"
            answer = self.post(question)
            self.assertEqual(answer.code, 200, answer.text())
            self.machine.advance(1)
        self.assertEqual(self.model.written, 1)
        answer = self.post(QUESTION).json()["choices"][0]["message"]["content"]
        self.assertIn("Marlene", answer)
        self.assertIn("berth 42", answer)
        self.assertGreater(self.model.flushes, 10)
        self.assertLess(self.model.largest, 4000)
        self.whole()

    def whole(self) -> None:
        """The store has every message, each turn once, and nothing of the turns that nobody saw."""
        stored = self.transcript()
        marks = [message for message in stored if isinstance(message, CompactionMessage)]
        asked = [message.text for message in stored if isinstance(message, UserMessage)]
        answered = [message for message in stored if isinstance(message, AssistantMessage) and not message.tool_calls]
        self.assertEqual((len(asked), len(answered)), (TURNS, TURNS))
        self.assertEqual((asked[2], asked[500], asked[-1]), (FACT, "tell 501", QUESTION))
        self.assertGreater(len(marks), 10)
        self.assertNotIn(FLUSH, asked)
        names = {
            call.name for message in stored if isinstance(message, AssistantMessage) for call in message.tool_calls
        }
        self.assertEqual(names, {"session_status", "memory_search"})
        self.assertEqual((self.workspace / "memory" / "2023-11-14.md").read_text(), f"# Boat\n{FACT}\n")
        self.assert_whole()
