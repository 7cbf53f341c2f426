# -*- test-case-name: tests.runs.test_cut -*-
"""Answers that were cut short, and the calls in them."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.runs.cut import stopped_early, without_half_calls
from openclaw_tx.values import AssistantMessage, ModelReply, ToolCall, ToolChoice, ToolSpec, Usage, UserMessage
from tests.runs.rooms import Adder, Bench, RunCase

CLIENTS = ToolSpec(name="delete_all", description="d", parameters={"type": "object"})


def reply(reason: Any, *arguments: str, name: str = "f") -> ModelReply:
    """An answer with a call for each of the arguments."""
    calls = tuple(ToolCall(id=f"c{number}", name=name, arguments=text) for number, text in enumerate(arguments))
    return ModelReply("said", "", calls, reason, Usage(), "p", "m", opaque="kept")


class RuleTests(SynchronousTestCase):
    """What counts as cut."""

    def test_reasons(self) -> None:
        """The provider's two."""
        found = [
            reason for reason in ("stop", "length", "tool_calls", "content_filter") if stopped_early(reply(reason))
        ]
        self.assertEqual(found, ["length", "content_filter"])

    def test_half(self) -> None:
        """Anything but whole JSON in any of them takes all of them back, and what belongs to them."""
        for reason in ("length", "content_filter"):
            for arguments in (("",), (" ",), ('{"a',), ("[" * 5000,), ("{}", "{"), ("{", "{}")):
                cut = reply(reason, *arguments)
                left, half = without_half_calls(cut)
                self.assertEqual((left.text, left.tool_calls, left.opaque, half), ("said", (), "", cut.tool_calls))
            self.assertEqual(without_half_calls(reply(reason, "{}", name=""))[0].tool_calls, ())

    def test_whole(self) -> None:
        """The rest stays as it is: what is complete, and what the model itself ended."""
        for each in (reply("length"), reply("length", "{}", '{"a":1}'), reply("tool_calls", ""), reply("stop", "{")):
            self.assertEqual(without_half_calls(each), (each, ()))


class RunTests(RunCase):
    """What a run makes of them."""

    def setUp(self) -> None:
        self.adder = Adder()
        self.bench = Bench(self.adder)

    def cut(self, *calls: tuple[str, str], text: str = "", **fields: Any) -> Any:
        """A session's run whose model is stopped in these calls."""
        run = self.bench.session(tools=(CLIENTS,), **fields)
        model = self.bench.model.calls[-1]
        if text:
            model.text(text)
        for name, arguments in calls:
            model.call_tool(name, arguments)
        model.finish("length")
        return self.ended(run)

    def kept(self) -> list[Any]:
        """Answers in the transcript."""
        (messages,) = self.bench.sessions.transcripts.values()
        return [message for message in messages if isinstance(message, AssistantMessage)]

    def test_own_tool(self) -> None:
        """Not done, and not asked again."""
        for arguments in ("", '{"a": 1, "b"'):
            result = self.cut(("add", arguments))
            self.assertEqual((result.status, result.finish_reason, result.payloads), ("ok", "length", ()))
            self.assertEqual((result.tool_calls, result.cut_calls), ((), ()))
        self.assertEqual((self.adder.calls, len(self.bench.model.calls)), ([], 2))

    def test_beside_each_other(self) -> None:
        """A whole call of an own tool is not done beside a half one of the client's."""
        result = self.cut(("add", '{"a": 1, "b": 2}'), ("delete_all", "{"), text="so")
        self.assertEqual((result.payloads, result.tool_calls, self.adder.calls), (("so",), (), []))
        self.assertEqual([(call.name, call.arguments) for call in result.cut_calls], [("delete_all", "{")])
        (answer,) = self.kept()
        self.assertEqual((answer.text, answer.tool_calls, answer.stop_reason), ("so", (), "length"))

    def test_complete(self) -> None:
        """Calls that are complete are done, whoever ended the answer."""
        run = self.bench.session()
        self.bench.model.calls[0].call_tool("add", {"a": 1, "b": 2})
        self.bench.model.say("3")
        self.bench.model.calls[0].finish("length")
        self.assertEqual((self.ended(run).text, len(self.adder.calls)), ("3", 1))

    def test_forced(self) -> None:
        """Whether the model would have kept to the choice nobody knows."""
        for choice in (ToolChoice(mode="required"), ToolChoice(mode="named", name="delete_all")):
            self.assertEqual(self.cut(("delete_all", "{"), tool_choice=choice).status, "ok")

    def test_steered(self) -> None:
        """Where the client has read half a call the run ends: what came in between is in the record."""
        run = self.bench.session(tools=(CLIENTS,))
        self.bench.model.calls[0].call_tool("delete_all", "{")
        run.steer("wait")
        self.bench.model.calls[0].finish("length")
        self.assertEqual(self.ended(run).finish_reason, "length")
        (messages,) = self.bench.sessions.transcripts.values()
        self.assertEqual([each.text for each in messages if isinstance(each, UserMessage)], ["hello", "wait"])
