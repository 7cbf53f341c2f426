# -*- test-case-name: tests.runs.test_tool_calls -*-
"""Tool calls of one message: together or in order, under the policy of the moment, each with a result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema_agents import AgentDefaults
from openclaw_tx.config.schema_tools import LoopDetection, ToolsSection
from openclaw_tx.runs.tool_calls import MAX_TOGETHER
from openclaw_tx.testing import ScriptedModel
from openclaw_tx.values import (
    AssistantMessage,
    ToolEnded,
    ToolResult,
    ToolResultMessage,
    ToolSpec,
    ToolStarted,
    Usage,
)
from tests.runs.rooms import Adder, Bench, Lookup, RunCase


class Case(RunCase):
    """Tools add (one after the other) and look (together)."""

    def setUp(self) -> None:
        self.look, self.adder = Lookup(), Adder()
        self.bench = Bench(self.look, self.adder)
        self.model = self.bench.model

    def looks(self, *what: str) -> Any:
        """A run whose model looks at all of these, then answers."""
        self.model.call_tools(*(("look", {"what": each}) for each in what))
        self.model.say("done")
        return self.bench.session()

    def results(self) -> list[ToolResultMessage]:
        """Tool results in the transcript."""
        messages = self.bench.sessions.transcripts["agent:main:alice"]
        return [message for message in messages if isinstance(message, ToolResultMessage)]

    def told(self, run: Any) -> list[str]:
        """Starts and ends of tools, as +id and -id."""
        signs = {ToolStarted: "+", ToolEnded: "-"}
        events = self.bench.events(run.request.run_id)
        return [signs[type(event)] + event.call_id for event in events if type(event) in signs]


class TextTests(Case):
    """What tools say."""

    def test_no_unicode(self) -> None:
        """Names of files that are no UTF-8 have halves of surrogate pairs in Python: a reader of JSON would choke."""
        run = self.looks("a")
        self.look.gates["a"].callback("caf\udce9 and \U0001f600")
        self.assertEqual(self.ended(run).status, "ok")
        self.assertEqual([result.text for result in self.results()], ["caf\ufffd and \U0001f600"])


class CancelledTests(Case):
    """Tools that give up."""

    def test_by_itself(self) -> None:
        """What a tool cancels of its own and does not catch is a failure of the tool, and nobody's abort."""
        run = self.looks("a", "b")
        for what in ("a", "b"):
            self.look.gates[what].cancel()
        result = self.ended(run)
        self.assertEqual((result.status, result.text), ("ok", "done"))
        self.assertEqual([each.text for each in self.results()], ["look failed: it was cancelled"] * 2)


class TogetherTests(Case):
    """Calls that only look."""

    def test_together(self) -> None:
        """All are begun at once; each end is told when it comes; the results stand in the order of the calls."""
        run = self.looks("a", "b", "c")
        self.assertEqual(sorted(self.look.gates), ["a", "b", "c"])
        for what in ("c", "a", "b"):
            self.look.gates[what].callback(f"seen {what}")
        self.assertEqual(self.ended(run).text, "done")
        self.assertEqual([result.text for result in self.results()], ["seen a", "seen b", "seen c"])
        self.assertEqual(self.told(run), ["+call_1", "+call_2", "+call_3", "-call_3", "-call_1", "-call_2"])

    def test_bounded(self) -> None:
        """Never more than eight at a time."""
        names = [str(number) for number in range(MAX_TOGETHER + 3)]
        run = self.looks(*names)
        self.assertEqual(len(self.look.gates), MAX_TOGETHER)
        for name in names:
            self.look.gates[name].callback(name)
            self.assertLessEqual(sum(not gate.called for gate in self.look.gates.values()), MAX_TOGETHER)
        self.assertEqual(self.ended(run).status, "ok")
        self.assertEqual([result.text for result in self.results()], names)

    def test_order_with_others(self) -> None:
        """A call that does something waits for those before it, and those behind wait for it."""
        self.model.call_tools(
            ("look", {"what": "a"}),
            ("look", {"what": "b"}),
            ("add", {"a": 1, "b": 1, "wait": True}),
            ("look", {"what": "c"}),
        )
        self.model.say("done")
        run = self.bench.session()
        self.look.gates["b"].callback("B")
        self.assertEqual(self.adder.calls, [])
        self.look.gates["a"].callback("A")
        self.assertEqual((len(self.adder.calls), sorted(self.look.gates)), (1, ["a", "b"]))
        self.adder.waiting[0].callback(None)
        self.look.gates["c"].callback("C")
        self.assertEqual(self.ended(run).text, "done")
        self.assertEqual([result.text for result in self.results()], ["A", "B", "2", "C"])

    def test_abort(self) -> None:
        """An abort cancels all that are at work; every call has a result, what was done keeps its own."""
        run = self.looks("a", "b", "c")
        self.look.gates["b"].callback("B")
        run.abort("rpc")
        self.assertEqual(self.look.cancelled, ["a", "c"])
        self.assertEqual(self.ended(run).status, "aborted")
        self.assertEqual([result.is_error for result in self.results()], [True, False, True])
        self.assertEqual(sorted(self.told(run)), sorted(f"{sign}call_{n}" for sign in "+-" for n in (1, 2, 3)))
        self.assertEqual(len(self.model.calls), 1)

    def test_one_fails(self) -> None:
        """A tool that raises is an error result; the others do not notice."""
        run = self.looks("a", "b")
        self.look.gates["a"].errback(ValueError("no such thing"))
        self.look.gates["b"].callback("B")
        self.assertEqual(self.ended(run).status, "ok")
        self.assertEqual((self.results()[1].text, self.results()[1].is_error), ("B", False))
        self.assertIn("no such thing", self.results()[0].text)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class PolicyTests(Case):
    """What is allowed at the moment of the call counts."""

    def test_taken_away(self) -> None:
        """A tool that the policy took away in mid-run is not called."""
        run = self.bench.session()
        call = self.model.calls[0]
        call.call_tool("add", {"a": 1, "b": 1})
        self.bench.tools.denied.add("add")
        self.model.say("ok")
        call.finish()
        self.assertEqual(self.ended(run).status, "ok")
        self.assertEqual(self.adder.calls, [])
        self.assertEqual(self.results()[0].text, "Tool add is not allowed any more")
        self.assertIsNone(self.ended(run).error)

    def test_fallback(self) -> None:
        """A tool that is denied to the model that answers is not called, though it was offered to another one; that one
        may call it again."""
        self.bench.tools.denied_to["scripted/other"] = {"add"}
        run = self.bench.session()
        for number, model in enumerate(("other", "model")):
            call = self.model.calls[number]
            call._model = ScriptedModel(model=model)
            call.call_tool("add", {"a": 1, "b": number}, f"call_{number}")
            call.finish()
        self.model.calls[2].text("ok")
        self.model.calls[2].finish()
        self.assertEqual(self.ended(run).status, "ok")
        self.assertEqual([result.is_error for result in self.results()], [True, False])
        self.assertEqual(self.results()[0].text, "Tool add is not allowed for scripted/other")

    def test_taken_away_between_calls(self) -> None:
        """Also between two calls of one message."""
        self.model.call_tools(("add", {"a": 1, "b": 1, "wait": True}), ("add", {"a": 2, "b": 2}))
        self.model.say("ok")
        run = self.bench.session()
        self.bench.tools.denied.add("add")
        self.adder.waiting[0].callback(None)
        self.assertEqual(self.ended(run).status, "ok")
        self.assertEqual((self.results()[0].text, self.results()[0].is_error), ("2", False))
        self.assertEqual(len(self.adder.calls), 1)


class Costly:
    """A tool that asks a model of its own, and says much."""

    spec = ToolSpec(name="costly", description="", parameters={"type": "object"})

    async def call(self, arguments: Mapping[str, Any], context: Any) -> ToolResult:
        """Says as many characters as it is asked to, the last of which is another one."""
        return ToolResult(
            text="x" * (arguments.get("size", 1) - 1) + ".", usage=Usage(prompt_tokens=100, completion_tokens=7)
        )


class Odd:
    """A tool that gives back what it was made with."""

    spec = ToolSpec(name="odd", description="", parameters={"type": "object"})

    def __init__(self, result: Any) -> None:
        self.result = result

    async def call(self, arguments: Mapping[str, Any], context: Any) -> Any:
        """That."""
        return self.result


class ResultTests(SynchronousTestCase):
    """What comes of a call."""

    def run_once(self, bench: Bench) -> Any:
        """A run to its end."""
        return self.successResultOf(Deferred.fromCoroutine(bench.session().result()))

    def test_usage(self) -> None:
        """Tokens that a tool has used are the run's."""
        bench = Bench(Costly())
        bench.model.call_tool("costly", {})
        bench.model.say("x")
        self.assertEqual(self.run_once(bench).usage, Usage(prompt_tokens=120, completion_tokens=17))

    def odd(self, result: Any) -> ToolResultMessage:
        """What the model reads when a tool gives this back; the run goes on."""
        bench = Bench(Odd(result))
        bench.model.call_tool("odd", {})
        bench.model.say("x")
        self.assertEqual(self.run_once(bench).status, "ok")
        read = bench.model.requests[1].messages[-1]
        assert isinstance(read, ToolResultMessage)
        return read

    def test_no_result(self) -> None:
        """What is no result is an error that names the type, to the model and in the log."""
        for given, word in ((None, "NoneType"), ("text", "str"), (ToolResult(text=b"x"), "bytes")):  # type: ignore[arg-type]
            read = self.odd(given)
            self.assertTrue(read.is_error)
            self.assertIn(word, read.text)
            self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)

    def test_half_pairs(self) -> None:
        """Half a surrogate pair, which can not be stored or sent, is U+FFFD."""
        read = self.odd(ToolResult(text="a\udcffb"))
        self.assertEqual((read.text, read.is_error), ("a\ufffdb", False))

    def test_size(self) -> None:
        """A result takes at most so much of the window, and says where how much is missing; its end is there, for that
        is where a command tells how it ended and a file how to go on."""
        bench = Bench(Costly(), defaults=AgentDefaults(context_tokens=10_000))
        bench.model.call_tool("costly", {"size": 20_000})
        bench.model.say("x")
        self.run_once(bench)
        result = bench.model.requests[1].messages[-1]
        assert isinstance(result, ToolResultMessage)
        self.assertEqual(result.text, "x" * 9000 + "\n[cut: 8000 characters]\n" + "x" * 2999 + ".")


class InVainTests(SynchronousTestCase):
    """Loop detection in a run."""

    def setUp(self) -> None:
        """A model that calls add with the same numbers, for ever; thresholds 2, 3 and 4."""
        self.adder = Adder()
        self.bench = Bench(self.adder)
        limits = LoopDetection(warning_threshold=2, critical_threshold=3, global_circuit_breaker_threshold=4)
        self.bench.config = replace(self.bench.config, tools=ToolsSection(loop_detection=limits))
        for _ in range(6):
            self.bench.model.call_tool("add", {"a": 1, "b": 1})

    def test_told_refused_ended(self) -> None:
        """The second result carries a note, the third call is not made, the fourth ends the run, naming the tool."""
        run = self.bench.session()
        result = self.successResultOf(Deferred.fromCoroutine(run.result()))
        self.assertEqual((result.error.code, result.error.should_retry), ("run_failed", False))
        self.assertIn("the tool add", result.error.message)
        self.assertEqual(len(self.adder.calls), 2)
        messages = self.bench.sessions.transcripts["agent:main:alice"]
        results = [message for message in messages if isinstance(message, ToolResultMessage)]
        self.assertEqual(results[0].text, "2")
        self.assertTrue(results[1].text.startswith("2\n\n[Note: this is call 2 of add"), results[1].text)
        self.assertTrue(results[2].is_error)
        calls = [m for m in messages if isinstance(m, AssistantMessage) and m.tool_calls]
        self.assertEqual((len(calls), len(results)), (4, 4))
        ends = [event for event in self.bench.events("run-1") if isinstance(event, ToolEnded)]
        self.assertEqual(len(ends), 4)

    def test_off(self) -> None:
        """Switched off, only the bound on model calls ends it, in words that name the key."""
        section = ToolsSection(loop_detection=LoopDetection(enabled=False))
        self.bench.config = replace(
            self.bench.config,
            tools=section,
            agents=replace(self.bench.config.agents, defaults=AgentDefaults(max_tool_rounds=5)),
        )
        result = self.successResultOf(Deferred.fromCoroutine(self.bench.session().result()))
        self.assertIn("maxToolRounds", result.error.message)
        self.assertEqual(len(self.adder.calls), 5)
