# -*- test-case-name: tests.runs.test_overflow -*-
"""Conversations that a model refuses as too long: before it has said anything, and in mid-turn."""

from __future__ import annotations

from openclaw_tx.runs import summaries
from openclaw_tx.testing import ModelCall
from openclaw_tx.values import AssistantMessage, Usage
from tests.runs.compacting import KEY, LONG, LONGER, TOO_LONG, Case
from tests.runs.rooms import Adder, user


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
