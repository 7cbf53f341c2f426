# -*- test-case-name: tests.runs.test_engine -*-
"""The engine: admission, lanes, cancel in every window, durability, joining, drain."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema_agents import AgentDefaults
from openclaw_tx.errors import GatewayError
from openclaw_tx.runs.context import FAILED, STOPPED
from openclaw_tx.runs.notes import CHECKPOINT_RUNS
from openclaw_tx.values import (
    AssistantMessage,
    ModelAnswered,
    Principal,
    RunEnded,
    RunStarted,
    TextDelta,
    ToolCallDelta,
    ToolChoice,
    ToolEnded,
    ToolResultMessage,
    ToolSpec,
    ToolStarted,
    Usage,
    UserMessage,
)
from tests.runs.rooms import Adder, Bench

WEATHER = ToolSpec(name="get_weather", description="", parameters={"type": "object"})


class EngineTests(SynchronousTestCase):
    """Each test starts runs on a fresh engine and reads what its journal tells."""

    def setUp(self) -> None:
        """An engine whose adder waits when asked to."""
        self.adder = Adder()
        self.bench = Bench(self.adder)
        self.engine = self.bench.engine
        self.model = self.bench.model

    def tearDown(self) -> None:
        """Nothing may be left: no run, no delayed call."""
        self.assertEqual(list(self.engine.live()), [])
        self.assertEqual(self.bench.clock.getDelayedCalls(), [])

    def ended(self, run: Any) -> Any:
        """The result of a run, which must be there; its journal must hold exactly one terminal event, the last."""
        result = self.successResultOf(Deferred.fromCoroutine(run.result()))
        terminal = [event for event in self.bench.events(run.request.run_id) if isinstance(event, RunEnded)]
        self.assertEqual(terminal, [RunEnded(result=result)])
        self.assertIs(self.bench.events(run.request.run_id)[-1], terminal[0])
        return result

    def test_plain_answer(self) -> None:
        """A run tells that it started, that the model answered, the deltas, and its end, numbered without holes."""
        self.model.say("Hel", "lo")
        run = self.bench.start()
        result = self.ended(run)
        self.assertEqual((result.status, result.text, result.finish_reason), ("ok", "Hello", "stop"))
        self.assertEqual(result.usage, Usage(prompt_tokens=10, completion_tokens=5))
        kinds = [type(event).__name__ for event in self.bench.events("run-1")]
        self.assertEqual(kinds, ["RunStarted", "ModelAnswered", "TextDelta", "TextDelta", "MessageEnded", "RunEnded"])
        self.assertEqual([entry.seq for _, entry in self.bench.entries], list(range(1, len(kinds) + 1)))

    def test_what_is_remembered(self) -> None:
        """Of a run that has ended, for as long as it can be asked for, not what it was asked: that may be large."""
        self.model.say("Hello")
        run = self.bench.start(extra_system="Be brief.", tools=(WEATHER,))
        self.ended(run)
        known = self.engine.get("run-1")
        assert known is not None
        request = known.request
        self.assertEqual((request.messages, request.extra_system, request.tools), ((), "", ()))
        self.assertEqual((request.run_id, request.agent_id), ("run-1", "main"))

    def test_stateless_run_stores_nothing(self) -> None:
        """The store never hears of a short stateless run."""
        self.model.say("hi")
        self.ended(self.bench.start())
        self.assertEqual((self.bench.sessions.transcripts, self.bench.sessions.runs), ({}, {}))

    def test_session_history_reaches_the_next_call(self) -> None:
        """The second model call of a session holds the first exchange."""
        self.model.say("one")
        self.model.say("two")
        self.ended(self.bench.session("first"))
        self.ended(self.bench.session("second"))
        texts = [message.text for message in self.model.requests[1].messages]
        self.assertEqual(texts, ["first", "one", "second"])

    def test_final_only_when_durable(self) -> None:
        """The terminal event waits for the store's commit."""
        self.bench.sessions.hold = []
        self.model.say("kept")
        run = self.bench.session()
        self.assertIsNone(run.outcome)
        self.assertNotIn(RunEnded, [type(event) for event in self.bench.events("run-1")])
        self.assertFalse(run.abort("too late"))
        self.bench.sessions.hold.pop().callback(None)
        self.assertEqual(self.ended(run).status, "ok")

    def test_commit_failure_is_an_error(self) -> None:
        """An answer that could not be stored is not reported as final."""
        run = self.bench.session()
        self.bench.sessions.broken = True
        self.model.calls[0].text("lost")
        self.model.calls[0].finish()
        result = self.ended(run)
        self.assertEqual((result.status, result.error.code), ("error", "storage_unavailable"))

    def test_same_session_runs_one_after_the_other(self) -> None:
        """Two runs of a session never overlap; other sessions go on meanwhile."""
        first = self.bench.session("a")
        second = self.bench.session("b")
        other = self.bench.session("c", key="agent:main:bob")
        self.assertEqual([run.status for run in (first, second, other)], ["running", "queued", "running"])
        self.model.calls[0].text("1")
        self.model.calls[0].finish()
        self.assertEqual(second.status, "running")
        for call, text in ((self.model.calls[1], "x"), (self.model.calls[2], "2")):
            call.text(text)
            call.finish()
        self.assertEqual([self.ended(run).text for run in (first, second, other)], ["1", "2", "x"])

    def test_global_cap(self) -> None:
        """No more than maxConcurrent runs are at work; the others wait in order."""
        self.bench.config = Bench(defaults=AgentDefaults(max_concurrent=2)).config
        runs = [self.bench.start(str(number)) for number in range(4)]
        self.assertEqual([run.status for run in runs], ["running", "running", "queued", "queued"])
        for number in range(4):
            self.model.calls[number].text("x")
            self.model.calls[number].finish()
        self.assertEqual([call.request.messages[0].text for call in self.model.calls], ["0", "1", "2", "3"])

    def test_cap_raised_while_waiting(self) -> None:
        """A higher cap in the configuration lets waiting runs in at once."""
        self.bench.config = Bench(defaults=AgentDefaults(max_concurrent=1)).config
        runs = [self.bench.start() for _ in range(2)]
        self.bench.config = Bench(defaults=AgentDefaults(max_concurrent=2)).config
        self.engine.config_changed()
        self.assertEqual([run.status for run in runs], ["running", "running"])
        for run in runs:
            run.abort("test")

    def test_many_that_fail_at_once(self) -> None:
        """Runs that come to nothing as soon as they have a place do not keep it, however many of them wait."""
        self.bench.config = Bench(defaults=AgentDefaults(max_concurrent=1)).config
        first = self.bench.start()
        others = [self.bench.start(model="nobody/knows") for _ in range(500)]
        first.abort("test")
        self.assertEqual({self.ended(run).error.code for run in others[::100]}, {"model_not_found"})
        self.model.say("room again")
        self.assertEqual(self.ended(self.bench.start()).status, "ok")

    def test_queue_full(self) -> None:
        """Over the bound a run is refused at once, with a hint when to come back, and nothing is left of it."""
        self.bench.config = Bench(defaults=AgentDefaults(max_concurrent=1, max_queued=1)).config
        runs = [self.bench.start(), self.bench.start()]
        error = self.assertRaises(GatewayError, self.bench.start)
        self.assertEqual((error.info.code, error.info.retry_after, error.info.should_retry), ("queue_full", 1, True))
        for run in reversed(runs):
            run.abort("test")
        self.model.say("room again")
        self.assertEqual(self.ended(self.bench.start()).status, "ok")

    def test_queue_full_of_another(self) -> None:
        """A key that has filled the queue does not keep out one that waits with less; places go round between them."""
        self.bench.config = Bench(defaults=AgentDefaults(max_concurrent=1, max_queued=4)).config
        one, other = (Principal(id=name, method="key", scopes=frozenset()) for name in ("greedy", "modest"))
        greedy = [self.bench.start(principal=one) for _ in range(5)]
        self.assertRaises(GatewayError, self.bench.start, principal=one)
        modest = [self.bench.start(principal=other) for _ in range(2)]
        self.assertRaises(GatewayError, self.bench.start, principal=other)
        greedy[0].abort("test")
        self.assertEqual(greedy[1].status, "running")
        greedy[1].abort("test")
        self.assertEqual([run.status for run in modest], ["running", "queued"])
        for run in reversed([*greedy[2:], *modest]):
            run.abort("test")

    def test_session_queue_full(self) -> None:
        """One session can not fill the gateway with waiting runs."""
        self.bench.config = Bench(defaults=AgentDefaults(max_queued_per_session=1)).config
        runs = [self.bench.session(), self.bench.session()]
        self.assertEqual(self.assertRaises(GatewayError, self.bench.session).info.code, "queue_full")
        for run in reversed(runs):
            run.abort("test")

    def test_abort_while_queued(self) -> None:
        """A queued run leaves its lane; the model never hears of it."""
        first = self.bench.session("a")
        second = self.bench.session("b")
        self.assertTrue(second.abort("rpc"))
        result = self.ended(second)
        self.assertEqual((result.status, result.abort_reason, result.error.code), ("aborted", "rpc", "run_aborted"))
        self.assertEqual(len(self.model.calls), 1)
        first.abort("rpc")

    def test_abort_before_first_token(self) -> None:
        """The model call is cancelled."""
        run = self.bench.start()
        self.assertTrue(run.abort("disconnect"))
        self.assertTrue(self.model.calls[0].cancelled)
        self.assertEqual(self.ended(run).payloads, ())

    def test_abort_mid_stream_keeps_partial(self) -> None:
        """The partial text is in the result and, marked aborted, in the transcript."""
        run = self.bench.session()
        self.model.calls[0].text("half an ans")
        run.abort("rpc")
        self.assertEqual(self.ended(run).text, "half an ans")
        last = self.bench.sessions.transcripts["agent:main:alice"][-1]
        assert isinstance(last, AssistantMessage)
        self.assertEqual((last.text, last.stop_reason), ("half an ans", "aborted"))
        self.assertFalse(run.abort("again"))

    def test_abort_in_tool(self) -> None:
        """The tool is cancelled, and the transcript holds a result for its call."""
        self.model.call_tool("add", {"wait": True, "a": 1, "b": 2})
        run = self.bench.session()
        run.abort("rpc")
        self.assertEqual(self.adder.cancelled, 1)
        self.assertEqual(self.ended(run).status, "aborted")
        results = [m for m in self.bench.sessions.transcripts["agent:main:alice"] if isinstance(m, ToolResultMessage)]
        self.assertEqual([result.is_error for result in results], [True])

    def test_timeout(self) -> None:
        """A run over its time ends as an error that must not be retried, and its model call is cancelled."""
        run = self.bench.start(timeout_s=5)
        self.bench.clock.advance(4.9)
        self.assertIsNone(run.outcome)
        self.bench.clock.advance(0.2)
        result = self.ended(run)
        self.assertEqual((result.error.code, result.error.should_retry), ("run_timeout", False))
        self.assertTrue(self.model.calls[0].cancelled)

    def test_timeout_does_not_run_in_the_queue(self) -> None:
        """The clock of a run starts when it leaves its queues (spec 3.7)."""
        first = self.bench.session("a", timeout_s=0)
        second = self.bench.session("b", timeout_s=5)
        self.bench.clock.advance(60)
        self.assertEqual(second.status, "queued")
        first.abort("test")
        self.assertEqual(second.status, "running")
        second.abort("test")

    def test_join(self) -> None:
        """The same run id and fingerprint is the same run, while it lives and afterwards."""
        request = self.bench.request(fingerprint="f")
        run = self.engine.start(request, run_principal())
        self.assertIs(self.engine.start(request, run_principal()), run)
        self.model.calls[0].text("x")
        self.model.calls[0].finish()
        self.assertIs(self.engine.start(request, run_principal()), run)
        self.assertEqual(len(self.model.calls), 1)

    def test_conflict(self) -> None:
        """Another body, or another caller, under a known run id is refused and learns nothing."""
        request = self.bench.request(fingerprint="f")
        run = self.engine.start(request, run_principal())
        other = self.bench.request(run_id=request.run_id, fingerprint="g")
        for attempt in ((other, run_principal()), (request, run_principal("somebody"))):
            error = self.assertRaises(GatewayError, self.engine.start, *attempt)
            self.assertEqual((error.info.code, error.info.should_retry), ("idempotency_key_conflict", False))
        run.abort("test")

    def test_forgets_ended_runs(self) -> None:
        """Ten minutes after its end a run is forgotten."""
        self.model.say("x")
        run = self.bench.start()
        self.bench.clock.advance(599)
        self.successResultOf(Deferred.fromCoroutine(self.engine.checkpoint()))
        self.assertIs(self.engine.get("run-1"), run)
        self.bench.clock.advance(2)
        self.successResultOf(Deferred.fromCoroutine(self.engine.checkpoint()))
        self.assertIsNone(self.engine.get("run-1"))

    def test_remembers_at_most_a_thousand(self) -> None:
        """The number of remembered runs is bounded; the oldest go."""
        for _ in range(1002):
            self.model.say("x")
            self.bench.start()
        self.assertIsNone(self.engine.get("run-2"))
        self.assertIsNotNone(self.engine.get("run-3"))

    def test_checkpoint(self) -> None:
        """A run older than a second is written down with its partial text; a stateless one is forgotten at its end."""
        run = self.bench.start()
        self.model.calls[0].text("so far")
        self.bench.clock.advance(0.5)
        self.successResultOf(Deferred.fromCoroutine(self.engine.checkpoint()))
        self.assertEqual(self.bench.sessions.runs, {})
        self.bench.clock.advance(1)
        self.successResultOf(Deferred.fromCoroutine(self.engine.checkpoint()))
        self.assertEqual(self.bench.sessions.runs["run-1"].partial, "so far")
        self.model.calls[0].finish()
        self.ended(run)
        self.successResultOf(Deferred.fromCoroutine(self.engine.checkpoint()))
        self.assertEqual(self.bench.sessions.runs, {})

    def test_checkpoint_of_many(self) -> None:
        """One writes down a bounded number of runs; those that were written longest ago are next."""
        self.bench.config = Bench(defaults=AgentDefaults(max_concurrent=CHECKPOINT_RUNS + 10)).config
        runs = [self.bench.start() for _ in range(CHECKPOINT_RUNS + 10)]
        self.bench.clock.advance(2)
        for noted in (CHECKPOINT_RUNS, CHECKPOINT_RUNS + 10):
            self.successResultOf(Deferred.fromCoroutine(self.engine.checkpoint()))
            self.assertEqual(len(self.bench.sessions.runs), noted)
            self.bench.clock.advance(1)
        for run in runs:
            run.abort("test")

    def test_checkpoint_survives_a_broken_store(self) -> None:
        """What could not be forgotten is tried again; runs go on."""
        run = self.bench.start()
        self.bench.clock.advance(2)
        self.successResultOf(Deferred.fromCoroutine(self.engine.checkpoint()))
        run.abort("test")
        self.bench.sessions.broken = True
        self.successResultOf(Deferred.fromCoroutine(self.engine.checkpoint()))
        self.bench.sessions.broken = False
        self.successResultOf(Deferred.fromCoroutine(self.engine.checkpoint()))
        self.assertEqual(self.bench.sessions.forgotten, ["run-1"])

    def test_drain(self) -> None:
        """New work is refused, live runs get the grace, then they are aborted as a shutdown."""
        run = self.bench.start()
        drained = Deferred.fromCoroutine(self.engine.drain(5))
        error = self.assertRaises(GatewayError, self.bench.start)
        self.assertEqual((error.info.code, error.info.should_retry), ("gateway_draining", True))
        self.bench.clock.advance(4)
        self.assertIsNone(run.outcome)
        self.bench.clock.advance(1)
        self.successResultOf(drained)
        result = self.ended(run)
        self.assertEqual((result.abort_reason, result.error.code), ("shutdown", "gateway_restarting"))

    def test_drain_ends_with_the_last_run(self) -> None:
        """A drain does not sit out its grace when nothing is left to do."""
        self.bench.start()
        drained = Deferred.fromCoroutine(self.engine.drain(5))
        self.model.calls[0].text("x")
        self.model.calls[0].finish()
        self.successResultOf(drained)

    def test_unknown_agent(self) -> None:
        """An agent that is not configured is refused, naming it."""
        error = self.assertRaises(GatewayError, self.bench.start, agent_id="nope")
        self.assertEqual(error.info.message, "Unknown agent 'nope'.")

    def test_provider_error(self) -> None:
        """A provider's failure is the run's, with its code; the turn is kept as failed and not shown to the model."""
        self.model.fail("provider_rate_limit", "429 slow down")
        self.model.say("fine")
        self.assertEqual(self.ended(self.bench.session("ask")).error.code, "provider_rate_limit")
        self.ended(self.bench.session("ask"))
        self.assertEqual([message.text for message in self.model.requests[1].messages], ["ask"])
        kinds = [type(message) for message in self.bench.sessions.transcripts["agent:main:alice"]]
        self.assertEqual(kinds, [UserMessage, AssistantMessage] * 2)

    def test_try_again(self) -> None:
        """After an outage, and after an abort, the model knows what is to be tried again."""
        self.model.fail("provider_overloaded", "529 busy")
        self.ended(self.bench.session("Name three fruits."))
        stopped = self.bench.session("And three trees.")
        stopped.abort("stop")
        self.ended(stopped)
        self.model.say("fine")
        self.ended(self.bench.session("Try again."))
        told = [message.text for message in self.model.requests[-1].messages]
        self.assertEqual(told, ["Name three fruits.", FAILED, "And three trees.", STOPPED, "Try again."])

    def test_try_again_with_another_model(self) -> None:
        """A model that is gone says nothing against what it was asked, either."""
        self.model.fail("model_not_found", "no such model any more")
        self.ended(self.bench.session("Name three fruits."))
        self.model.say("fine")
        self.ended(self.bench.session("Try again."))
        told = [message.text for message in self.model.requests[-1].messages]
        self.assertEqual(told, ["Name three fruits.", FAILED, "Try again."])

    def test_what_a_provider_refused(self) -> None:
        """Or it would be refused again with all that follows; nor is an unanswered heartbeat worth a word."""
        self.model.fail("provider_rejected", "400 flagged")
        self.ended(self.bench.session("Something bad."))
        self.model.fail("provider_error", "500")
        self.ended(self.bench.session("Is all well?", trigger="heartbeat"))
        self.model.say("fine")
        self.ended(self.bench.session("Something else."))
        self.assertEqual([message.text for message in self.model.requests[-1].messages], ["Something else."])

    def test_bug_in_a_room(self) -> None:
        """An unexpected exception is logged once and reaches the client as a neutral error."""
        self.model.stream = lambda *_: 1 / 0  # type: ignore[method-assign,assignment]
        result = self.ended(self.bench.start())
        self.assertEqual((result.error.code, result.error.message), ("run_failed", "internal error"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_broken_watcher(self) -> None:
        """A watcher that raises is dropped; the run and the other watchers do not notice."""
        run = self.bench.start()
        seen: list[Any] = []
        run.watch(lambda batch: 1 / 0 if batch[-1].seq > 2 else None)  # type: ignore[func-returns-value]
        run.watch(seen.extend)
        self.model.calls[0].text("a")
        self.model.calls[0].text("b")
        self.model.calls[0].finish()
        self.assertEqual(self.ended(run).text, "ab")
        self.assertEqual([entry.seq for entry in seen], [1, 2, 3, 4, 5, 6])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class ToolLoopTests(SynchronousTestCase):
    """Model, tools, model again."""

    def setUp(self) -> None:
        """An engine with an adder."""
        self.bench = Bench(Adder(), defaults=AgentDefaults(max_tool_rounds=3))
        self.model = self.bench.model

    def run_once(self, **fields: Any) -> Any:
        """Start a run that is scripted to its end."""
        run = self.bench.start(**fields)
        return self.successResultOf(Deferred.fromCoroutine(run.result()))

    def test_round_trip(self) -> None:
        """The result of a tool is in the next model call, usage is summed, both texts are payloads."""
        self.model.call_tool("add", {"a": 1, "b": 2}, text="Let me see.")
        self.model.say("It is 3.")
        result = self.run_once()
        self.assertEqual(result.payloads, ("Let me see.", "It is 3."))
        self.assertEqual(result.usage, Usage(prompt_tokens=20, completion_tokens=10))
        self.assertEqual(result.finish_reason, "stop")
        answer = self.model.requests[1].messages[-1]
        assert isinstance(answer, ToolResultMessage)
        self.assertEqual((answer.text, answer.is_error), ("3", False))
        kinds = [type(event) for event in self.bench.events("run-1")]
        self.assertLess(kinds.index(ToolStarted), kinds.index(ToolEnded))
        self.assertNotIn(ToolCallDelta, kinds)
        rounds = [event.round for event in self.bench.events("run-1") if isinstance(event, ModelAnswered)]
        self.assertEqual(rounds, [1, 2])

    def test_errors_are_results(self) -> None:
        """Unknown tool, broken arguments and a raising tool go back to the model; the run goes on."""
        for name, arguments in (("nope", "{}"), ("add", "{not json"), ("add", "[]"), ("add", '{"a": 1}')):
            bench = Bench(Adder())
            bench.model.call_tool(name, arguments)
            bench.model.say("sorry")
            run = bench.start()
            self.assertEqual(self.successResultOf(Deferred.fromCoroutine(run.result())).text, "sorry")
            answer = bench.model.requests[1].messages[-1]
            assert isinstance(answer, ToolResultMessage)
            self.assertTrue(answer.is_error, answer)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_iteration_cap(self) -> None:
        """A model that never stops calling tools is stopped, and told apart from an answer."""
        for _ in range(3):
            self.model.call_tool("add", {"a": 1, "b": 1})
        result = self.run_once()
        self.assertEqual((result.error.code, result.error.should_retry), ("run_failed", False))
        self.assertEqual(len(self.model.calls), 3)

    def test_failure_after_a_tool_is_not_retried(self) -> None:
        """After an effect, also an error that is retried otherwise says: do not."""
        self.model.call_tool("add", {"a": 1, "b": 1})
        self.model.fail("provider_error")
        self.assertIs(self.run_once().error.should_retry, False)

    def test_client_tool_ends_the_run(self) -> None:
        """A call of the client's tool is shown and ends the run with it pending."""
        self.model.call_tool("get_weather", {"city": "Paris"})
        result = self.run_once(tools=(WEATHER,))
        self.assertEqual(result.finish_reason, "tool_calls")
        self.assertEqual(
            [(call.name, call.arguments) for call in result.tool_calls], [("get_weather", '{"city": "Paris"}')]
        )
        shown = [event for event in self.bench.events("run-1") if isinstance(event, ToolCallDelta)]
        self.assertEqual([(event.index, event.name) for event in shown], [(0, "get_weather")])

    def test_mixed_calls(self) -> None:
        """Own tools of the same message run; client calls are shown under indexes that count only them."""
        run = self.bench.start(tools=(WEATHER,))
        call = self.model.calls[0]
        call.call_tool("add", {"a": 1, "b": 1})
        call.call_tool("get_weather", {})
        call.finish()
        result = self.successResultOf(Deferred.fromCoroutine(run.result()))
        self.assertEqual([call.name for call in result.tool_calls], ["get_weather"])
        shown = [event.index for event in self.bench.events("run-1") if isinstance(event, ToolCallDelta)]
        self.assertEqual(shown, [0])
        self.assertIn(ToolEnded, [type(event) for event in self.bench.events("run-1")])

    def test_name_clash(self) -> None:
        """A client tool named like one of the agent's is refused, naming the field."""
        clash = ToolSpec(name="add", description="", parameters={})
        result = self.run_once(tools=(WEATHER, clash))
        self.assertEqual((result.error.code, result.error.param), ("tool_name_conflict", "tools[1].function.name"))

    def _ended(self, run: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(run.result()))

    def test_forced_choice(self) -> None:
        """required and named are verified; prose is withheld while they are in force."""
        for choice in (ToolChoice(mode="required"), ToolChoice(mode="named", name="get_weather")):
            bench = Bench()
            bench.model.say("I would rather talk.")
            result = self._ended(bench.start(tools=(WEATHER,), tool_choice=choice))
            self.assertEqual(result.error.code, "tool_choice_unmet")
            self.assertNotIn(TextDelta, [type(event) for event in bench.events("run-1")])

    def test_forced_after_own_tools(self) -> None:
        """What is required stays so until the client's tool is called: the agent's own may be used before."""
        for mode, name in (("required", ""), ("named", "get_weather")):
            choice = ToolChoice(mode=mode, name=name)  # type: ignore[arg-type]
            bench = Bench(Adder())
            for number in range(2):
                bench.model.call_tool("add", {"a": number, "b": 1})
            bench.model.call_tool("get_weather", {"city": "Paris"})
            result = self._ended(bench.start(tools=(WEATHER,), tool_choice=choice))
            self.assertEqual((result.status, [call.name for call in result.tool_calls]), ("ok", ["get_weather"]))
            self.assertEqual([request.tool_choice for request in bench.model.requests], [choice] * 3)

    def test_forced_without_end(self) -> None:
        """A model that only ever calls the agent's tools is stopped like any other."""
        bench = Bench(Adder(), defaults=AgentDefaults(max_tool_rounds=3))
        for number in range(3):
            bench.model.call_tool("add", {"a": number, "b": 1})
        result = self._ended(bench.start(tools=(WEATHER,), tool_choice=ToolChoice(mode="required")))
        self.assertEqual((result.error.code, len(bench.model.calls)), ("run_failed", 3))

    def test_named_narrows(self) -> None:
        """Of the client's tools only the named one is offered; another that the model thinks of is not there."""
        other = ToolSpec(name="other", description="", parameters={})
        self.model.call_tool("other", {})
        self.model.call_tool("get_weather", {})
        choice = ToolChoice(mode="named", name="get_weather")
        result = self.run_once(tools=(other, WEATHER), tool_choice=choice)
        self.assertEqual([call.name for call in result.tool_calls], ["get_weather"])
        for request in self.model.requests:
            self.assertEqual([spec.name for spec in request.tools], ["add", "get_weather"])

    def test_choice_none(self) -> None:
        """With tool_choice none the client's tools are not offered."""
        self.model.say("x")
        self.run_once(tools=(WEATHER,), tool_choice=ToolChoice(mode="none"))
        self.assertEqual([spec.name for spec in self.model.requests[0].tools], ["add"])

    def test_empty_answer(self) -> None:
        """A model that says nothing is an error of its own, never invented prose (T22)."""
        self.model.say("")
        self.assertEqual(self.run_once().error.code, "empty_response")

    def test_silent_reply(self) -> None:
        """A model that answers with the silent token succeeds without a payload, and nothing of it is shown."""
        self.model.say("NO_", "REPLY")
        result = self.run_once()
        self.assertEqual((result.status, result.payloads), ("ok", ()))
        self.assertNotIn(TextDelta, [type(event) for event in self.bench.events("run-1")])

    def test_reasoning_only_answer(self) -> None:
        """Text that came only as reasoning surfaces as the answer (T23)."""
        run = self.bench.start()
        self.model.calls[0].reasoning("forty-two")
        self.model.calls[0].finish()
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(run.result())).text, "forty-two")

    def test_think_block_stays_inside(self) -> None:
        """A leading think block is reasoning, whatever the split (T23)."""
        self.model.say("<thi", "nk>hm", "m</th", "ink>\n4", "2")
        result = self.run_once()
        self.assertEqual(result.text, "42")

    def test_length(self) -> None:
        """The provider's finish reason is passed on."""
        self.model.say("cut", reason="length")
        self.assertEqual(self.run_once().finish_reason, "length")

    def test_started_first(self) -> None:
        """The first event of any run is its start, with its session id."""
        self.model.say("x")
        self.run_once()
        self.assertEqual(self.bench.events("run-1")[0], RunStarted(session_id="run-1"))


def run_principal(id: str = "shared-secret") -> Principal:
    """A principal by id."""
    return Principal(id=id, method="token", scopes=frozenset())
