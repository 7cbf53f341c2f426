# -*- test-case-name: tests.runs.test_compactor -*-
"""Conversations that outgrow the model: before a turn, after a refusal, in mid-turn, and because somebody asked."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from twisted.internet.defer import CancelledError, Deferred

from openclaw_tx.config.schema_agents import AgentDefaults, Compaction, MemoryFlush
from openclaw_tx.errors import GatewayError
from openclaw_tx.runs import summaries
from openclaw_tx.runs.compaction import size
from openclaw_tx.runs.context import FAILED, SUMMARY_HEADING, since_mark
from openclaw_tx.runs.upkeep import FLUSH
from openclaw_tx.testing import ModelCall, ScriptedModel
from openclaw_tx.values import (
    AssistantMessage,
    Compacting,
    CompactionMessage,
    RunEnded,
    TextDelta,
    ToolResult,
    ToolSpec,
    Usage,
    UserMessage,
)
from tests.runs.rooms import Adder, Bench, RunCase, user

KEY = "agent:main:alice"
LONG = "word " * 400
"""Some 500 tokens."""
LONGER = "word " * 900
TOO_LONG = "context_length_exceeded"


class Writer:
    """A tool by whose name an agent can write."""

    spec = ToolSpec(name="write", description="", parameters={"type": "object"})

    def __init__(self) -> None:
        self.calls: list[Any] = []

    async def call(self, arguments: Any, context: Any) -> ToolResult:
        """Notes who writes what."""
        self.calls.append((arguments, context.session_key))
        return ToolResult(text="written")


class Case(RunCase):
    """A session in a window of 4,000 tokens: 2,000 are in reserve, 1,000 are kept."""

    compaction = Compaction(memory_flush=MemoryFlush(enabled=False))
    tools: tuple[Any, ...] = ()

    def setUp(self) -> None:
        defaults = AgentDefaults(compaction=self.compaction)
        self.bench = Bench(*self.tools, defaults=defaults, model=ScriptedModel(context_window=4000))
        self.model = self.bench.model
        self.said = 0

    def chat(self, turns: int, text: str = LONG) -> None:
        """Turns of some 500 tokens."""
        for _ in range(turns):
            self.said += 1
            self.model.say(f"answer {self.said}", usage=Usage())
            self.bench.clock.advance(1)
            result = self.ended(self.bench.session(f"question {self.said} {text}"))
            self.assertEqual(result.status, "ok", result.error)

    def transcript(self) -> list[Any]:
        """The session's."""
        return self.bench.sessions.transcripts[KEY]

    def marks(self) -> list[CompactionMessage]:
        """Marks in it."""
        return [message for message in self.transcript() if isinstance(message, CompactionMessage)]

    def compactings(self, run: Any) -> list[tuple[str, str, bool, bool]]:
        """What a run's watchers were told of compactions."""
        events = self.bench.events(run.request.run_id)
        return [(each.phase, each.reason, each.ok, each.will_retry) for each in events if isinstance(each, Compacting)]


class ThresholdTests(Case):
    """Before a turn."""

    def test_before_the_turn_that_needs_it(self) -> None:
        """The turn that begins above the threshold begins with a summary; the ones before it were not delayed."""
        self.chat(3)
        self.assertEqual(len(self.model.calls), 3)
        self.model.say("They talked.", usage=Usage(prompt_tokens=900, completion_tokens=10))
        self.model.say("answer", usage=Usage(prompt_tokens=100, completion_tokens=2))
        run = self.bench.session(f"last {LONG}")
        result = self.ended(run)
        self.assertEqual((result.status, result.payloads), ("ok", ("answer",)))
        self.assertEqual(
            self.compactings(run), [("start", "threshold", True, False), ("end", "threshold", True, False)]
        )
        asked, answered = self.model.requests[3:]
        self.assertEqual((asked.system, asked.tools, asked.session), (summaries.SYSTEM, (), KEY))
        self.assertIn("question 1", asked.messages[0].text)
        self.assertNotIn("last", asked.messages[0].text)
        self.assertEqual(result.usage, Usage(prompt_tokens=1000, completion_tokens=12))
        texts = [message.text for message in answered.messages]
        self.assertTrue(texts[0].startswith(f"{SUMMARY_HEADING}\n\nThey talked."))
        self.assertIn("question 3", texts[1])
        self.assertIn("last", texts[-1])

    def test_the_transcript_stays_whole(self) -> None:
        """A mark is added, nothing is taken away, and the next turn reads what the mark keeps."""
        self.chat(3)
        before = list(self.transcript())
        self.model.say("They talked.", usage=Usage())
        self.chat(1)
        self.assertEqual(self.transcript()[: len(before)], before)
        (mark,) = self.marks()
        self.assertEqual(self.transcript().index(mark), len(before))
        self.assertEqual(mark.kept, 2)
        self.assertGreater(mark.tokens_before, 2000)
        self.chat(1)
        first, second, *_ = self.model.requests[-1].messages
        self.assertIn("They talked.", first.text)
        self.assertIn("question 3", second.text)
        self.assertEqual(self.bench.sessions.entries[KEY].settings.compaction_count, 1)

    def test_no_shorter(self) -> None:
        """A summary that is as long as what it sums up is not used; the next turn tries again."""
        self.chat(3)
        self.model.say(LONGER + LONGER, usage=Usage(prompt_tokens=900, completion_tokens=900))
        self.model.say("answer", usage=Usage())
        run = self.bench.session(f"last {LONG}")
        result = self.ended(run)
        self.assertEqual(result.payloads, ("answer",))
        self.assertEqual(
            self.compactings(run), [("start", "threshold", True, False), ("end", "threshold", False, False)]
        )
        self.assertEqual((self.marks(), result.usage.prompt_tokens), ([], 900))
        self.assertIn("question 1", self.model.requests[-1].messages[0].text)
        for summary in ("They began.", "They talked."):  # by now it takes two pieces
            self.model.say(summary, usage=Usage())
        self.chat(1)
        self.assertEqual([mark.summary for mark in self.marks()], ["They talked."])

    def test_again_and_again(self) -> None:
        """Each summary carries on the one before; a mark may stand among what the next one keeps."""
        for number in range(12):
            over = self.bench.sessions.transcripts.get(KEY, [])
            if size(since_mark([*over, user(f"question {LONG}")])) > 2000:
                self.model.say(f"summary {len(self.marks())}", usage=Usage())
            self.chat(1)
            self.assertEqual(self.said, number + 1)
        asked = [request for request in self.model.requests if request.system == summaries.SYSTEM]
        self.assertGreater(len(asked), 2)
        for number in range(len(asked) - 1):
            self.assertIn(f"<summary-so-far>\nsummary {number}\n", asked[number + 1].messages[0].text)

    def test_failure_is_not_the_turns(self) -> None:
        """When there is no summary the turn goes on with all it has."""
        self.chat(3)
        self.model.fail("provider_error", "busy")
        self.model.say("answer", usage=Usage())
        run = self.bench.session(LONG)
        self.assertEqual(self.ended(run).text, "answer")
        self.assertEqual(self.compactings(run)[1], ("end", "threshold", False, False))
        self.assertEqual((self.marks(), len(self.model.requests[-1].messages)), ([], 7))

    def test_abort(self) -> None:
        """An abort ends a summary that is being written, and nothing is stored of it."""
        self.chat(3)
        run = self.bench.session(LONG)
        self.assertTrue(run.abort("rpc"))
        self.assertTrue(self.model.calls[-1].cancelled)
        self.assertEqual(self.ended(run).status, "aborted")
        self.assertEqual(self.marks(), [])
        self.assertIsInstance(self.bench.events(run.request.run_id)[-1], RunEnded)

    def test_not_worth_it(self) -> None:
        """Where the prompt alone fills the window, not every turn ends in a summary of the one before."""
        for _ in range(6):
            self.model.say("x", usage=Usage(prompt_tokens=3000, completion_tokens=1))
            self.bench.clock.advance(1)
            run = self.bench.session("word " * 150)
            self.assertEqual((self.ended(run).status, self.compactings(run)), ("ok", []))
        self.assertEqual(len(self.model.calls), 6)

    def test_off(self) -> None:
        """Switched off, nothing is summarised, not even when the provider refuses."""
        self.bench.config = Bench(defaults=AgentDefaults(compaction=Compaction(enabled=False))).config
        self.chat(5)
        self.model.fail(TOO_LONG, "too long")
        self.assertEqual(self.ended(self.bench.session(LONG)).error.code, TOO_LONG)
        self.assertEqual(self.marks(), [])

    def test_another_model_summarises(self) -> None:
        """compaction.model is asked first."""
        self.chat(3)
        own = Compaction(model="scripted/model", memory_flush=MemoryFlush(enabled=False))
        self.bench.config = Bench(defaults=AgentDefaults(compaction=own)).config
        self.model.say("They talked.", usage=Usage())
        self.chat(1)
        self.assertEqual(len(self.marks()), 1)

    def test_stateless_runs_are_left_alone(self) -> None:
        """A client that sends a long conversation itself is not charged for a summary with each call."""
        self.model.say("answer")
        run = self.bench.start(messages=tuple(user(LONG) for _ in range(7)))
        self.assertEqual(self.ended(run).text, "answer")
        self.assertEqual(len(self.model.calls), 1)


class OverflowTests(Case):
    """After the provider refused."""

    tools = (Adder(),)

    def test_retried_once(self) -> None:
        """Summarised, asked again: the answer comes, and the session is shorter from now on."""
        self.chat(2)
        self.model.fail(TOO_LONG, "too long")
        self.model.say("They talked.", usage=Usage())
        self.model.say("answer", usage=Usage())
        run = self.bench.session("last")
        self.assertEqual(self.ended(run).text, "answer")
        self.assertEqual(self.compactings(run), [("start", "overflow", True, False), ("end", "overflow", True, True)])
        self.assertEqual(len(self.marks()), 1)
        texts = [message.text for message in self.model.requests[-1].messages]
        self.assertIn("They talked.", texts[0])
        self.assertEqual(texts[-1], "last")

    def test_second_overflow(self) -> None:
        """A second refusal is the run's error, with the provider's words."""
        self.chat(2)
        self.model.fail(TOO_LONG, "too long")
        self.model.say("They talked.", usage=Usage())
        self.model.fail(TOO_LONG, "still too long")
        result = self.ended(self.bench.session("last"))
        self.assertEqual((result.error.code, result.error.message), (TOO_LONG, "still too long"))
        self.assertEqual(len(self.model.calls), 5)

    def test_failure_after_it(self) -> None:
        """A turn that was shortened to its own question and refused is left out of the next one; the summary is not."""
        self.chat(1)
        self.model.fail(TOO_LONG, "too long")
        self.model.say("They talked.", usage=Usage())
        self.model.fail("provider_rejected", "400")
        self.assertEqual(self.ended(self.bench.session(LONGER)).status, "error")
        self.assertEqual(self.marks()[0].kept, 0)
        self.model.say("answer", usage=Usage())
        self.ended(self.bench.session("again"))
        first, *rest = [message.text for message in self.model.requests[-1].messages]
        self.assertIn("They talked.", first)
        self.assertEqual(rest, ["again"])

    def test_nothing_to_cut(self) -> None:
        """One message that is too long is refused; nothing is asked twice."""
        self.model.fail(TOO_LONG, "too long")
        result = self.ended(self.bench.session(LONG))
        self.assertEqual((result.error.code, len(self.model.calls)), (TOO_LONG, 1))

    def test_not_after_words(self) -> None:
        """Once something was handed on, nothing is begun anew (T21)."""
        self.chat(2)
        self.model.fail(TOO_LONG, "too long", after="half an ans")
        result = self.ended(self.bench.session("last"))
        self.assertEqual((result.error.code, result.text), (TOO_LONG, "half an ans"))
        self.assertEqual(self.marks(), [])

    def test_stateless(self) -> None:
        """A stateless run is shortened in memory; the newest message stays as it is."""
        self.model.fail(TOO_LONG, "too long")
        self.model.say("They talked.", usage=Usage())
        self.model.say("answer", usage=Usage())
        told = (user("first"), AssistantMessage(text="one"), user("second"), AssistantMessage(text="two"), user("now"))
        run = self.bench.start(messages=told)
        self.assertEqual(self.ended(run).text, "answer")
        texts = [message.text for message in self.model.requests[-1].messages]
        self.assertIn("They talked.", texts[0])
        self.assertEqual(texts[-1], "now")
        self.assertLess(len(texts), 5)
        self.assertEqual((self.bench.sessions.transcripts, self.bench.sessions.entries), ({}, {}))

    def test_in_mid_turn(self) -> None:
        """A turn whose tools fill the window is shortened itself: what was asked stays, word for word."""
        self.adds(6)
        self.model.fail(TOO_LONG, "too long")
        for _ in range(2):
            self.model.say("They added.", usage=Usage())
        self.model.say("done", usage=Usage())
        run = self.bench.session("Add these, please.")
        self.assertEqual(self.ended(run).payloads[-1], "done")
        first, *rest = self.model.requests[-1].messages
        self.assertIn("They added.", first.text)
        self.assertIn("Add these, please.", first.text)
        self.assertLess(len(rest), 8)
        self.assertIsInstance(rest[0], AssistantMessage)
        (mark,) = self.marks()
        place = self.transcript().index(mark)
        self.assertEqual(self.transcript()[place - mark.kept : place], list(rest))
        self.assertEqual(self.bench.sessions.entries[KEY].settings.compaction_count, 1)
        self.chat(1, "short")
        self.assertIn("They added.", self.model.requests[-1].messages[0].text)
        self.assertEqual(self.model.requests[-1].messages[-1].text, "question 1 short")

    def test_before_it_is_refused(self) -> None:
        """A turn that has outgrown the window is shortened before the model is asked: some would cut it silently."""
        self.adds(8)
        for _ in range(3):
            self.model.say("They added.", usage=Usage())
        self.model.say("done", usage=Usage())
        run = self.bench.session("Add.")
        self.ended(run)
        self.assertEqual(self.compactings(run)[-1], ("end", "overflow", True, True))
        self.assertEqual(self.model.requests[8].system, summaries.SYSTEM)

    def test_twice_in_a_turn(self) -> None:
        """A long turn is shortened as often as its tools fill the window, once for each answer of the model."""
        steps = iter(["add"] * 6 + ["refuse"] + ["add"] * 5 + ["refuse", "done"])

        def play(call: ModelCall) -> None:
            step = "summary" if call.request.system == summaries.SYSTEM else next(steps)
            if step == "refuse":
                call.fail(TOO_LONG, "too long")
                return
            call.text({"summary": "They added.", "add": LONG}.get(step, step))
            if step == "add":
                call.call_tool("add", {"a": len(self.model.calls), "b": 1})
            call.finish(usage=Usage())

        self.model._plays.extend([play] * 60)
        run = self.bench.session("Add these, please.")
        result = self.ended(run)
        self.assertEqual((result.status, result.payloads[-1]), ("ok", "done"), result.error)
        self.assertGreater(len(self.marks()), 1)
        first, *rest = self.model.requests[-1].messages
        self.assertIn("Add these, please.", first.text)
        self.assertLess(len(rest), 12)

    def adds(self, rounds: int) -> None:
        """The model adds so many times, and says much with each."""
        for number in range(rounds):

            def play(call: ModelCall, number: int = number) -> None:
                call.text(LONG)
                call.call_tool("add", {"a": number, "b": 1})
                call.finish(usage=Usage())

            self.model._plays.append(play)


class SummaryTests(Case):
    """How a summary comes about."""

    def test_in_pieces(self) -> None:
        """What is itself larger than the window is summarised piece by piece; each call carries on the one before."""
        self.bench.sessions.transcripts[KEY] = [
            message for number in range(20) for message in (user(f"q{number} {LONG}"), AssistantMessage(text="a"))
        ]
        for number in range(8):
            self.model.say(f"<think>hm</think>summary {number}", usage=Usage())
        self.model._plays.append(lambda call: None)
        run = self.bench.session("now")
        asked = [request for request in self.model.requests if request.system == summaries.SYSTEM]
        self.assertGreater(len(asked), 1)
        self.assertLessEqual(len(asked), summaries.MAX_PIECES)
        self.assertIn("<summary-so-far>\nsummary 0\n", asked[1].messages[0].text)
        run.abort("test")

    def test_piece_too_large(self) -> None:
        """A provider that counts more tokens than we thought gets smaller pieces."""
        self.chat(3)
        self.model.fail(TOO_LONG, "too long")
        for _ in range(2):
            self.model.say("They talked.", usage=Usage())
        self.model._plays.append(lambda call: None)
        run = self.bench.session(LONG)
        sizes = [len(request.messages[0].text) for request in self.model.requests if request.system == summaries.SYSTEM]
        self.assertGreater(sizes[0], sizes[1])
        run.abort("test")

    def test_empty_summary(self) -> None:
        """A model that says nothing has made no summary."""
        self.chat(3)
        self.model.say("", usage=Usage())
        self.model.say("answer", usage=Usage())
        self.assertEqual(self.ended(self.bench.session(LONG)).text, "answer")
        self.assertEqual(self.marks(), [])


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


class ManualTests(Case):
    """Because somebody asked."""

    def compact(self, instructions: str = "") -> Any:
        """Ask for it."""
        return Deferred.fromCoroutine(self.bench.engine.compactor.compact(KEY, instructions))

    def test_compact(self) -> None:
        """It is done at once, with the instructions, and tells what came of it."""
        self.chat(2)
        self.model.say("They talked.", usage=Usage(prompt_tokens=9, completion_tokens=3))
        done = self.successResultOf(self.compact("names only"))
        self.assertEqual((done.compacted, done.summary), (True, "They talked."))
        self.assertEqual(done.usage, Usage(prompt_tokens=9, completion_tokens=3))
        self.assertLess(done.tokens_after, done.tokens_before)
        self.assertIn("names only", self.model.requests[-1].messages[0].text)
        (mark,) = self.marks()
        self.assertEqual(mark.kept, done.kept)

    def test_in_its_lane(self) -> None:
        """It waits for the session's run, and the next run waits for it."""
        self.chat(2)
        first = self.bench.session("first")
        waiting = self.compact()
        second = self.bench.session("second")
        self.assertNoResult(waiting)
        self.model.calls[2].text("one")
        self.model.calls[2].finish(usage=Usage())
        self.assertEqual((first.status, second.status), ("ok", "queued"))
        self.model.calls[3].text("They talked.")
        self.model.calls[3].finish(usage=Usage())
        self.assertTrue(self.successResultOf(waiting).compacted)
        self.assertIn("They talked.", self.model.requests[4].messages[0].text)
        second.abort("test")

    def test_nothing_to_do(self) -> None:
        """A session of one message has nothing to summarise; one that there is not is refused."""
        error = self.failureResultOf(self.compact(), GatewayError).value
        self.assertEqual(error.info.code, "session_not_found")
        self.bench.sessions.transcripts[KEY] = [user("x")]
        self.chat(0)
        self.bench.session("x").abort("test")
        self.bench.sessions.transcripts[KEY] = [user("x")]
        done = self.successResultOf(self.compact())
        self.assertEqual((done.compacted, done.reason), (False, "nothing to compact"))

    def test_begun_anew(self) -> None:
        """A session that was reset meanwhile is left alone."""
        self.chat(2)
        waiting = self.compact()
        entry = self.bench.sessions.entries[KEY]
        self.bench.sessions.entries[KEY] = replace(entry, session_id="s2")
        self.model.calls[2].text("They talked.")
        self.model.calls[2].finish()
        self.assertFalse(self.successResultOf(waiting).compacted)
        self.assertEqual(self.marks(), [])

    def test_cancelled(self) -> None:
        """Giving it up ends the model's call and frees the lane, at work and in the queue."""
        self.chat(2)
        at_work, queued = self.compact(), self.compact()
        queued.cancel()
        at_work.cancel()
        for each in (queued, at_work):
            self.failureResultOf(each, CancelledError)
        self.assertTrue(self.model.calls[2].cancelled)
        self.chat(1, "short")

    def test_shutdown(self) -> None:
        """A gateway that stops gives it up, and takes no more."""
        self.chat(2)
        waiting = self.compact()
        self.successResultOf(Deferred.fromCoroutine(self.bench.engine.drain(5)))
        for each in (waiting, self.compact()):
            error = self.failureResultOf(each, GatewayError).value
            self.assertEqual(error.info.code, "gateway_draining")


class NewsTests(Case):
    """System events."""

    def test_told_before_the_message(self) -> None:
        """The news stand before the client's message, once, and in the transcript."""
        self.bench.news.add(KEY, "The build has ended.")
        self.bench.news.add(KEY, "It is late.")
        self.chat(2, "short")
        first, second = self.model.requests
        self.assertEqual(
            [message.text for message in first.messages],
            ["System: The build has ended.\nSystem: It is late.", "question 1 short"],
        )
        self.assertEqual(len(second.messages), 4)
        self.assertEqual(len(self.transcript()), 5)

    def test_not_for_others(self) -> None:
        """Neither other sessions nor stateless runs are told."""
        self.bench.news.add(KEY, "The build has ended.")
        self.model.say("x")
        self.model.say("x")
        self.ended(self.bench.session("hi", key="agent:main:bob"))
        self.ended(self.bench.start("hi", session_key=KEY))
        self.assertEqual([len(request.messages) for request in self.model.requests], [1, 1])
        self.assertEqual(len(self.bench.news.peek(KEY)), 1)

    def test_put_back(self) -> None:
        """A turn whose model never heard of them leaves them to its successor, in its place."""
        self.bench.news.add(KEY, "The build has ended.")
        self.ended(self.bench.session("hi", model="scripted/gone"))
        self.assertEqual(self.bench.news.peek(KEY), ("The build has ended.",))
        texts = [message.text for message in self.transcript() if isinstance(message, UserMessage)]
        self.assertEqual(texts, ["hi"])
        self.model.say("x")
        self.ended(self.bench.session("again"))
        told = [message.text for message in self.model.requests[0].messages]
        self.assertEqual(told, ["hi", FAILED, "System: The build has ended.", "again"])

    def test_put_back_after_a_failure(self) -> None:
        """So does one in which the model was asked in vain, but none in which a word was said."""
        for after, left in (("", 1), ("We", 0)):
            self.bench.news.add(KEY, "The build has ended.")
            self.model.fail("provider_rate_limit", "429", after=after)
            brought = (user("one"), AssistantMessage(text="two"), user("hi"))
            self.ended(self.bench.session("hi", messages=brought))
            self.assertEqual(len(self.bench.news.peek(KEY)), left)
            self.model.say("x")
            self.ended(self.bench.session("again"))
            told = [message.text for message in self.model.requests[-1].messages].count("System: The build has ended.")
            self.assertEqual(told, 2 - left)
        self.assertEqual(self.bench.news.peek(KEY), ())

    def test_put_back_when_nothing_came_of_it(self) -> None:
        """Neither a turn that failed before a word nor one that was aborted so has told them: the next one does."""
        self.bench.news.add(KEY, "The build has ended.")
        self.model.fail("provider_error", "500")
        self.ended(self.bench.session("hi"))
        aborted = self.bench.session("hi")
        aborted.abort("stop")
        self.ended(aborted)
        self.model.say("x")
        self.ended(self.bench.session("again"))
        told = [[message.text for message in request.messages] for request in self.model.requests]
        self.assertEqual([each.count("System: The build has ended.") for each in told], [1, 1, 1])

    def test_told_though_the_turn_failed(self) -> None:
        """Of a turn that failed when something had been said the model knows."""
        self.bench.news.add(KEY, "The build has ended.")
        run = self.bench.session("hi")
        self.model.calls[0].text("It")
        run.abort("stop")
        self.ended(run)
        self.assertEqual(self.bench.news.peek(KEY), ())
