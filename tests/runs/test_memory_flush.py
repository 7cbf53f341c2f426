# -*- test-case-name: tests.runs.test_memory_flush -*-
"""The turn before a compaction, in which an agent may write down what it wants to keep."""

from __future__ import annotations

from typing import Any

from openclaw_tx.config.schema_agents import AgentDefaults, Compaction, MemoryFlush
from openclaw_tx.runs import summaries
from openclaw_tx.runs.upkeep import FLUSH
from openclaw_tx.values import TextDelta, ToolResult, ToolSpec, Usage
from tests.runs.compacting import KEY, LONGER, Case
from tests.runs.rooms import Bench


class Writer:
    """A tool by whose name an agent can write."""

    spec = ToolSpec(name="write", description="", parameters={"type": "object"})

    def __init__(self) -> None:
        self.calls: list[Any] = []

    async def call(self, arguments: Any, context: Any) -> ToolResult:
        """Notes who writes what."""
        self.calls.append((arguments, context.session_key))
        return ToolResult(text="written")


class FlushTests(Case):
    """The silent turn in which an agent writes down what lasts."""

    compaction = Compaction()

    def setUp(self) -> None:
        self.writer = Writer()
        self.tools = (self.writer,)
        super().setUp()

    def test_flush(self) -> None:
        """Near the threshold the agent writes, once; nobody sees it, the transcript does not hold it, its tokens
        count."""
        self.chat(2)
        self.model.call_tool("write", {"path": "MEMORY.md"})
        self.model.say("NO_REPLY", usage=Usage(prompt_tokens=1, completion_tokens=1))
        self.model.say("They talked.", usage=Usage())
        self.model.say("answer", usage=Usage(prompt_tokens=5, completion_tokens=5))
        run = self.bench.session(LONGER)
        result = self.ended(run)
        self.assertEqual((result.payloads, self.writer.calls), (("answer",), [({"path": "MEMORY.md"}, KEY)]))
        self.assertEqual(result.usage, Usage(prompt_tokens=16, completion_tokens=11))
        self.assertEqual(self.model.requests[2].messages[-1].text, FLUSH)
        events = self.bench.events(run.request.run_id)
        self.assertEqual([event.text for event in events if isinstance(event, TextDelta)], ["answer"])
        self.assertNotIn("ToolStarted", [type(event).__name__ for event in events])
        self.assertFalse(any(FLUSH in getattr(message, "text", "") for message in self.transcript()))
        self.assertEqual(self.bench.sessions.entries[KEY].settings.memory_flush_compaction_count, 0)
        self.assertEqual(self.bench.sessions.entries[KEY].settings.compaction_count, 1)

    def test_once_between_two_compactions(self) -> None:
        """In the soft zone it happens, and not again before the next compaction."""
        self.chat(2)
        self.model.say("NO_REPLY", usage=Usage())
        self.model.say("answer", usage=Usage())
        self.ended(self.bench.session("word " * 500))
        self.assertEqual([request.messages[-1].text == FLUSH for request in self.model.requests[2:]], [True, False])
        self.assertEqual(self.marks(), [])
        self.model.say("answer", usage=Usage())
        self.ended(self.bench.session("short"))
        self.assertNotEqual(self.model.requests[-1].messages[-1].text, FLUSH)
        self.assertEqual(len(self.model.requests), 5)

    def test_failure_is_only_logged(self) -> None:
        """A flush that fails changes nothing for the turn."""
        self.chat(2)
        self.model.fail("provider_error", "busy")
        self.model.say("They talked.", usage=Usage())
        self.model.say("answer", usage=Usage())
        self.assertEqual(self.ended(self.bench.session(LONGER)).text, "answer")

    def test_own_prompt(self) -> None:
        """The configuration's words are used."""
        own = Compaction(memory_flush=MemoryFlush(prompt="Note it."))
        self.bench.config = Bench(defaults=AgentDefaults(compaction=own)).config
        self.chat(2)
        run = self.bench.session(LONGER)
        self.assertEqual(self.model.requests[-1].messages[-1].text, "Note it.")
        run.abort("test")
        self.assertTrue(self.model.calls[-1].cancelled)

    def test_not_for_those_who_can_not_write(self) -> None:
        """Without a tool to write with, for sub-agents, at heartbeats, or switched off, there is none."""
        off = Bench(defaults=AgentDefaults(compaction=Compaction(memory_flush=MemoryFlush(enabled=False)))).config
        fields: list[Any] = [{"spawned_by": "agent:main:boss"}, {"trigger": "heartbeat"}, {}, {}]
        for number, more in enumerate(fields):
            self.setUp()
            self.chat(2)
            if number == 2:
                self.bench.tools.denied.add("write")
            if number == 3:
                self.bench.config = off
            run = self.bench.session(LONGER, **more)
            self.assertEqual(self.model.requests[-1].system, summaries.SYSTEM)
            run.abort("test")
