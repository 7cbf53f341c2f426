# -*- test-case-name: tests.workers.test_chief_tools -*-
"""Tools of a relay's runs, which the chief calls."""

from __future__ import annotations

from typing import Any

from openclaw_tx.values import ToolResult, ToolSpec
from openclaw_tx.workers.framing import MAX_FRAME
from tests.workers.pair import PairCase


class Echo:
    """A tool that tells where it was called, when the test says so."""

    spec = ToolSpec(name="echo", description="Says it again.", parameters={"type": "object", "properties": {}})

    def __init__(self) -> None:
        self.contexts: list[Any] = []
        self.failure = ""
        self.result: ToolResult | None = None

    async def call(self, arguments: Any, context: Any) -> ToolResult:
        """Say it again."""
        self.contexts.append(context)
        if self.failure:
            raise ValueError(self.failure)
        if self.result is not None:
            return self.result
        return ToolResult(text=f"echo {sorted(arguments)}", details={"run": context.run_id})


class Source:
    """Tools that come and go."""

    version = 0

    def __init__(self) -> None:
        self.present: list[Any] = []

    def tools(self) -> list[Any]:
        """Those of the moment."""
        return self.present


class ChiefToolsTests(PairCase):
    """Tools given to the gateway, built in, and of a source."""

    def test_tools(self) -> None:
        """A tool of a relay's run is called in the chief, with what it may know of the run."""
        tool = Echo()
        source = Source()
        pair = self.pair(tool_sources=[source])
        source.present, source.version = [tool], 1
        pair.advance(1.1)
        client = pair.chat("hi", stream=True)
        call = pair.model.calls[0]
        self.assertIn("echo", [spec.name for spec in call.request.tools])
        call.call_tool("echo", {"b": 1, "a": 2})
        call.finish()
        pair.settle()
        (run,) = pair.relay.engine.live()
        (context,) = tool.contexts
        self.assertEqual((context.run_id, context.stateless), (run.request.run_id, True))
        self.assertEqual((context.agent.id, context.principal.id), ("main", "shared-secret"))
        (line,) = pair.chief_crew.lines.values()
        self.assertEqual(line._calls, {})
        again = pair.model.calls[1]
        self.assertEqual(again.request.messages[-1].text, "echo ['a', 'b']")
        tool.failure = "no good"
        again.call_tool("echo", {"c": 1})
        again.finish()
        pair.settle()
        self.assertEqual(pair.model.calls[2].request.messages[-1].text, "echo failed: no good")
        self.assertEqual(len(self.flushLoggedErrors()), 2)
        pair.model.calls[2].text("done")
        pair.model.calls[2].finish()
        pair.settle()
        self.assertTrue(client.response.complete)

    def test_result_that_is_too_large(self) -> None:
        """A result that can not be sent is an error in words; one whose details can not comes without them."""
        source, tool = Source(), Echo()
        pair = self.pair(tool_sources=[source])
        source.present, source.version = [tool], 1
        pair.advance(1.1)
        pair.chat("hi", stream=True)
        for result, text in (
            (ToolResult(text="x" * (MAX_FRAME + 1)), "echo failed: its result is too large"),
            (ToolResult(text="x" * (MAX_FRAME + 1), details=object()), "echo failed: its result is too large"),
            (ToolResult(text="fine", details={"what": object()}), "fine"),
            (ToolResult(text="large", details={"number": 2**70}), "large"),
            (ToolResult(text="caf\udce9"), "caf\ufffd"),
        ):
            tool.result = result
            pair.model.calls[-1].call_tool("echo", {})
            pair.model.calls[-1].finish()
            pair.settle()
            self.assertEqual(pair.model.calls[-1].request.messages[-1].text, text)
        self.assertEqual(len(self.flushLoggedErrors()), 2)

    def test_numbers_that_are_too_large(self) -> None:
        """A call whose arguments can not be passed on is an error in words, and what can not be told of it is left out;
        the run goes on, and so does all else that the two processes have in common."""
        source, tool = Source(), Echo()
        pair = self.pair(tool_sources=[source])
        source.present, source.version = [tool], 1
        pair.advance(1.1)
        client = pair.chat("hi", stream=True)
        (run,) = pair.relay.engine.live()
        watching = pair.ask("GET", f"/v1/runs/{run.request.run_id}/events")
        pair.model.calls[0].call_tool("echo", {"number": 2**70})
        pair.model.calls[0].finish()
        pair.settle()
        said = pair.model.calls[1].request.messages[-1]
        self.assertEqual((said.is_error, said.text[:13]), (True, "echo failed: "))
        socket = pair.websocket()
        socket.connect()
        pair.settle()
        pair.advance(0.2)
        self.assertTrue(watching.response.complete)
        pair.model.calls[1].text("done")
        pair.model.calls[1].finish()
        pair.settle()
        self.assertTrue(client.response.complete)
        (line,) = pair.chief_crew.lines.values()
        self.assertFalse(line.gone.opened)
        shown = pair.ask("GET", f"/v1/runs/{run.request.run_id}").response.json
        self.assertEqual((shown["status"], shown["text"]), ("ok", "done"))
        socket.close()
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)

    def test_builtin_tool(self) -> None:
        """The chief's own tools are called there as well: a relay has nothing that they share."""
        pair = self.pair()
        pair.chat("hi", stream=True)
        pair.model.calls[0].call_tool("cron", {"action": "status"})
        pair.model.calls[0].finish()
        pair.settle()
        result = pair.model.calls[1].request.messages[-1]
        self.assertFalse(result.is_error, result.text)
