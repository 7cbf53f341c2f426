# -*- test-case-name: tests.runs.test_steps -*-
"""What a run's tools do is written down as they do it."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from twisted.internet.defer import Deferred

from openclaw_tx.runs import steps
from openclaw_tx.runs.steps import INTERRUPTED, MAX_STEPS, NOT_KEPT
from openclaw_tx.values import AssistantMessage, ImagePart, Message, ToolResult, ToolResultMessage, ToolSpec
from tests.runs.rooms import Adder, Bench, Lookup, RunCase


class Camera:
    """A tool whose result is of any size."""

    spec = ToolSpec(name="camera", description="Takes a picture.", parameters={"type": "object"})

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def call(self, arguments: Any, context: Any) -> ToolResult:
        """The picture, with the next of its texts."""
        image = ImagePart(data="AAAA", mime_type="image/png")
        return ToolResult(text=self.texts.pop(0), images=(image,), details={"raw": "A"})


class StepsTests(RunCase):
    """L{steps.Steps} under the engine."""

    def setUp(self) -> None:
        """One tool that waits, one that looks, one that gives much."""
        self.adder, self.look, self.camera = Adder(), Lookup(), Camera()
        self.bench = Bench(self.adder, self.look, self.camera)
        self.model = self.bench.model
        self.sessions = self.bench.sessions

    def noted(self, run: Any) -> list[Message]:
        """The steps of a run in their order."""
        found = self.sessions.steps.get(run.request.run_id, {})
        self.assertEqual(sorted(found), list(range(len(found))))
        return [found[number] for number in sorted(found)]

    def texts(self, run: Any) -> list[str]:
        """What they say."""
        return [each.text for each in self.noted(run) if not hasattr(each, "summary")]

    def test_before_and_after(self) -> None:
        """A call is written down before it begins, with a result that says that nobody knows; its end follows."""
        run = self.bench.session()
        asked = self.model.calls[0]
        asked.text("I add. ")
        asked.call_tool("add", {"a": 1, "b": 2, "wait": True})
        asked.call_tool("add", {"a": 3, "b": 4})
        asked.finish()
        said, first, second = self.noted(run)
        assert isinstance(said, AssistantMessage) and isinstance(first, ToolResultMessage)
        self.assertEqual((said.text, len(said.tool_calls)), ("I add. ", 2))
        self.assertEqual((first.text, first.tool_call_id, first.is_error), (INTERRUPTED, said.tool_calls[0].id, True))
        self.assertEqual(second, replace(first, tool_call_id=said.tool_calls[1].id))
        self.assertEqual(self.sessions.told[run.request.run_id], len("I add. "))
        self.adder.waiting[0].callback(None)
        self.assertEqual(self.texts(run), ["I add. ", "3", "7"])
        self.model.calls[1].text("done")
        self.model.calls[1].finish()
        self.assertEqual((self.ended(run).status, self.sessions.runs[run.request.run_id].stepped), ("ok", True))
        kept = [replace(each, details=None) if isinstance(each, ToolResultMessage) else each for each in self.said()]
        self.assertEqual(kept[1:4], self.noted(run))

    def said(self) -> list[Message]:
        """The transcript."""
        return self.sessions.transcripts["agent:main:alice"]

    def test_no_tools(self) -> None:
        """A run that calls none writes nothing."""
        self.model.say("done")
        run = self.bench.session()
        self.assertEqual((self.ended(run).status, self.sessions.steps, run.stepped), ("ok", {}, False))

    def test_stateless(self) -> None:
        """A run that leaves nothing behind leaves no steps."""
        self.model.call_tools(("add", {"a": 1, "b": 2}))
        self.model.say("done")
        self.assertEqual((self.ended(self.bench.start()).status, self.sessions.steps), ("ok", {}))

    def test_rounds(self) -> None:
        """Each message is written once; what was said to the agent meanwhile stands between."""
        self.model.call_tools(("add", {"a": 1, "b": 2, "wait": True}))
        self.model.call_tools(("add", {"a": 3, "b": 4}))
        self.model.say("done")
        run = self.bench.session()
        run.steer("hurry")
        self.adder.waiting[0].callback(None)
        self.assertEqual(self.texts(run), ["", "3", "hurry", "", "7"])

    def test_together(self) -> None:
        """Results come as they do and stand at their calls."""
        self.model.call_tools(("look", {"what": "a"}), ("look", {"what": "b"}))
        self.model.say("done")
        run = self.bench.session()
        self.look.gates["b"].callback("B")
        self.assertEqual(self.texts(run), ["", INTERRUPTED, "B"])
        self.look.gates["a"].callback("A")
        self.assertEqual(self.texts(run), ["", "A", "B"])

    def test_clients_calls(self) -> None:
        """Calls of the client's own tools get no result here: the client has it."""
        spec = ToolSpec(name="theirs", description="", parameters={"type": "object"})
        self.model.call_tools(("theirs", {}), ("add", {"a": 1, "b": 2}))
        run = self.bench.session(tools=(spec,))
        found = [each.tool_call_id for each in self.noted(run) if isinstance(each, ToolResultMessage)]
        self.assertEqual(found, [self.said()[1].tool_calls[1].id])  # type: ignore[union-attr]

    def test_bounded(self) -> None:
        """Pictures and details are left out; when a run has said too much, only what was called is written."""
        self.patch(steps, "MAX_STEPS", 100)
        self.camera.texts = ["", "x" * 50, "y" * 90]
        for _ in range(3):
            self.model.call_tools(("camera", {"note": "z" * 8}))
        self.model.say("done")
        run = self.bench.session()
        results = [each for each in self.noted(run) if isinstance(each, ToolResultMessage)]
        self.assertEqual([each.text for each in results], ["[image]", "x" * 50, NOT_KEPT])
        self.assertEqual([(each.images, each.details) for each in results], [((), None)] * 3)
        asked = [each for each in self.noted(run) if isinstance(each, AssistantMessage)]
        self.assertEqual([each.tool_calls[0].arguments for each in asked], ['{"note": "zzzzzzzz"}'] * 2 + ["{}"])
        self.assertGreater(MAX_STEPS, 1_000_000)

    def test_store_in_trouble(self) -> None:
        """A tool works all the same; the next call writes down what was missed."""
        self.model.call_tools(("add", {"a": 1, "b": 2, "wait": True}))
        self.model.call_tools(("add", {"a": 3, "b": 4, "wait": True}))
        self.model.call_tools(("add", {"a": 5, "b": 6}))
        self.model.say("done")
        run = self.bench.session()
        self.sessions.broken = True
        self.adder.waiting[0].callback(None)
        self.assertEqual(self.texts(run), ["", INTERRUPTED])
        self.sessions.broken = False
        self.adder.waiting[1].callback(None)
        self.assertEqual(self.texts(run), ["", "3", "", "7", "", "11"])
        self.assertEqual(self.ended(run).status, "ok")

    def test_aborted_while_it_is_written(self) -> None:
        """The calls have results in the transcript, and no tool was called."""
        waiting: list[Deferred[None]] = []

        async def step(*_: Any) -> None:
            waiting.append(Deferred())
            await waiting[0]

        self.sessions.step = step  # type: ignore[method-assign]
        self.model.call_tools(("add", {"a": 1, "b": 2}))
        run = self.bench.session()
        run.abort("rpc")
        self.assertEqual((self.ended(run).status, self.adder.calls), ("aborted", []))
        _, said, result, _ = self.said()
        assert isinstance(said, AssistantMessage) and isinstance(result, ToolResultMessage)
        self.assertEqual(result.tool_call_id, said.tool_calls[0].id)
