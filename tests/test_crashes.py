# -*- test-case-name: tests.test_crashes -*-
"""The gateway is killed in the middle of its work, and started again: the whole of it in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.runs.context import CUT_OFF
from openclaw_tx.runs.steps import INTERRUPTED
from openclaw_tx.testing import MemoryGateway, ScriptedModel
from openclaw_tx.values import AssistantMessage, Message, ToolResult, ToolResultMessage, ToolSpec, UserMessage

KEY = "agent:main:work"


class Lever:
    """A tool whose second call takes for ever."""

    spec = ToolSpec(name="pull", description="Pulls a lever.", parameters={"type": "object"})

    def __init__(self) -> None:
        self.calls = 0

    async def call(self, arguments: Mapping[str, Any], context: Any) -> ToolResult:
        """Pull it."""
        self.calls += 1
        if self.calls == 2:
            await Deferred()
        return ToolResult(text=f"pulled {self.calls}")


class Crashes(SynchronousTestCase):
    """Gateways one after the other on one state."""

    def setUp(self) -> None:
        """The first."""
        self.memory = MemoryGateway(tools=[Lever()])
        self.addCleanup(self.memory.close)

    def kill(self, model: ScriptedModel | None = None) -> MemoryGateway:
        """Kill the gateway and start another.

        @param model: what it has as its model.
        """
        self.memory = MemoryGateway(tools=[Lever()], model=model, after=self.memory)
        self.addCleanup(self.memory.close)
        return self.memory

    def ask(self, text: str, key: str = KEY) -> None:
        """Somebody says something."""
        self.memory.gateway.run_agent(text, session_key=key)
        self.memory.flush()

    def read(self) -> list[Message]:
        """What the model was asked last, from the newest call on."""
        return list(self.memory.model.calls[-1].request.messages)


class ToolTests(Crashes):
    """What tools have done is known after a crash."""

    def test_done_and_begun(self) -> None:
        """Said, done, begun; killed. The agent reads what it did, what nobody knows the end of, and that it was cut
        off."""
        self.memory.model.call_tool("pull", {}, text="I do the first. ")
        self.memory.model.call_tool("pull", {})
        self.ask("both, please")
        self.kill()
        self.ask("go on")
        asked, first, done, second, begun, note, again = self.read()
        assert isinstance(first, AssistantMessage) and isinstance(second, AssistantMessage)
        assert isinstance(done, ToolResultMessage) and isinstance(begun, ToolResultMessage)
        assert isinstance(asked, UserMessage) and isinstance(note, AssistantMessage) and isinstance(again, UserMessage)
        self.assertEqual((asked.text, first.text, note.text), ("both, please", "I do the first. ", CUT_OFF))
        self.assertEqual((done.text, done.tool_call_id), ("pulled 1", first.tool_calls[0].id))
        self.assertEqual((begun.text, begun.tool_call_id), (INTERRUPTED, second.tool_calls[0].id))
        self.assertEqual(again.text, "go on")

    def test_said_and_cut_off(self) -> None:
        """What was said after the tools follows them, once."""
        self.memory.model.call_tool("pull", {}, text="I do it. ")
        self.ask("please")
        self.memory.model.calls[-1].text("Now I")
        self.memory.advance(2, 4)
        self.kill()
        self.ask("go on")
        self.assertEqual([each.text for each in self.read()][1:4], ["I do it. ", "pulled 1", f"Now I\n\n{CUT_OFF}"])  # type: ignore[union-attr]

    def test_nothing_is_left(self) -> None:
        """A turn that ends is stored as it always was."""
        self.memory.model.call_tool("pull", {})
        self.memory.model.say("done")
        self.ask("please")
        self.kill()
        self.ask("more")
        self.assertEqual([each.text for each in self.read()], ["please", "", "pulled 1", "done", "more"])  # type: ignore[union-attr]
