# -*- test-case-name: tests.runs.test_compactor -*-
"""Conversations that are summarised before a turn, how that is done, and how clients are told."""

from __future__ import annotations

from openclaw_tx.config.schema_agents import AgentDefaults, Compaction, MemoryFlush
from openclaw_tx.runs import summaries
from openclaw_tx.runs.compaction import size
from openclaw_tx.runs.context import FAILED, SUMMARY_HEADING, since_mark
from openclaw_tx.values import AssistantMessage, RunEnded, Usage, UserMessage
from tests.runs.compacting import KEY, LONG, LONGER, TOO_LONG, Case
from tests.runs.rooms import Bench, user


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
