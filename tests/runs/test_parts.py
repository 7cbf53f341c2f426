# -*- test-case-name: tests.runs.test_parts -*-
"""The engine's parts against simple models: machine, journal, think filter, context, watching."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.runs.context import CUT_OFF, FAILED, STOPPED, model_messages, summary_message
from openclaw_tx.runs.journal import ENTRY_BYTES, Journal
from openclaw_tx.runs.machine import IllegalTransition, RunMachine
from openclaw_tx.runs.reply import ReplyFilter
from openclaw_tx.sessions.conversation import unheld
from openclaw_tx.values import (
    AssistantMessage,
    CompactionMessage,
    Entry,
    ImagePart,
    Message,
    MessageEnded,
    ReasoningDelta,
    RunEnded,
    RunResult,
    TextDelta,
    TextPart,
    ToolCall,
    ToolCallDelta,
    ToolEnded,
    ToolResultMessage,
    UserMessage,
)
from tests.runs.rooms import Bench, user


class MachineTests(SynchronousTestCase):
    """States of a run."""

    def test_paths(self) -> None:
        """Every legal path ends in a final state."""
        for steps in (["ok"], ["error"], ["aborted"]):
            machine = RunMachine()
            machine.start()
            machine.end(steps[0])  # type: ignore[arg-type]
            self.assertTrue(machine.ended)
            self.assertRaises(IllegalTransition, machine.end, "error")
            self.assertRaises(IllegalTransition, machine.start)

    def test_no_answer_without_work(self) -> None:
        """A queued run can fail or be aborted, never succeed."""
        self.assertRaises(IllegalTransition, RunMachine().end, "ok")


class JournalTests(SynchronousTestCase):
    """The numbered, bounded log."""

    @given(st.lists(st.lists(st.text(max_size=5), max_size=4), max_size=20), st.integers(0, 60))
    def test_since(self, batches: list[list[str]], after: int) -> None:
        """Whatever the batches, C{since} gives exactly what was numbered higher."""
        journal = Journal()
        everything: list[Any] = []
        for batch in batches:
            everything.extend(journal.append([TextDelta(text=text) for text in batch], 0))
        self.assertEqual([entry.seq for entry in everything], list(range(1, len(everything) + 1)))
        self.assertEqual(list(journal.since(after)), [entry for entry in everything if entry.seq > after])

    def test_gap(self) -> None:
        """Over its limit the oldest entries go; asking for them is an explicit gap, never silence."""
        journal = Journal(limit=3 * (ENTRY_BYTES + 1))
        for number in range(10):
            journal.append([TextDelta(text=str(number))], 0)
        self.assertEqual([entry.seq for entry in journal.since(7)], [8, 9, 10])
        self.assertEqual(self.assertRaises(GatewayError, journal.since, 6).info.code, "replay_gap")

    def test_held(self) -> None:
        """What is held is told by what it takes: an entry, and the texts in it; what goes takes nothing any more."""
        journal = Journal(limit=5000)
        usage = RunResult(run_id="r", session_key="k", agent_id="main", status="ok", payloads=("x" * 70, "y" * 30))
        taken = 0
        for event, size in (
            (TextDelta(text="x" * 100), 100),
            (ReasoningDelta(text="x" * 200), 200),
            (ToolCallDelta(index=0, id="c", name="f", arguments="x" * 300), 300),
            (ToolEnded(call_id="c", name="f", text="x" * 400, is_error=False), 400),
            (MessageEnded(), 0),
            (RunEnded(result=usage), 100),
        ):
            journal.append([event], 0)
            taken += ENTRY_BYTES + size
            self.assertEqual(journal.held, taken, event)
        journal.append([TextDelta(text="x" * (5000 - taken - ENTRY_BYTES))], 0)
        self.assertEqual((journal.held, journal.first_seq), (5000, 1))
        journal.append([TextDelta(text="")], 0)
        self.assertEqual((journal.held, journal.first_seq), (5000 - 100, 2))

    def test_usual_bound(self) -> None:
        """4 MiB."""
        journal = Journal()
        for _ in range(5):
            journal.append([TextDelta(text="x" * (1024 * 1024 - ENTRY_BYTES))], 0)
        self.assertEqual((journal.first_seq, journal.last_seq, journal.held), (2, 5, 4 * 1024 * 1024))

    def test_numbered_elsewhere(self) -> None:
        """What follows is added; behind a hole nothing from before is held."""
        journal = Journal()
        entries = [Entry(seq=seq, ts_ms=0, event=TextDelta(text="x")) for seq in range(1, 10)]
        journal.take(entries[:2])
        journal.take(entries[2:4])
        self.assertEqual(journal.since(0), entries[:4])
        journal.take(entries[6:8])
        self.assertEqual((journal.first_seq, journal.last_seq, journal.held), (7, 8, 2 * (ENTRY_BYTES + 1)))
        self.assertEqual(journal.held_since(0), entries[6:8])
        journal.take(entries[8:])
        self.assertEqual(journal.since(7), entries[7:])

    def test_up_to(self) -> None:
        """Of what is held, no more than was asked for."""
        journal = Journal()
        entries = journal.append([TextDelta(text=str(number)) for number in range(4)], 0)
        for last in range(6):
            self.assertEqual(journal.held_since(1, last), entries[1:last] if last else [], last)

    def test_newest_is_always_held(self) -> None:
        """One entry larger than the limit is still there for a watcher."""
        journal = Journal(limit=10)
        journal.append([TextDelta(text="x" * 1000)], 0)
        self.assertEqual(len(journal.since(0)), 1)


class ReplyFilterTests(SynchronousTestCase):
    """Thinking, answer and silence, whatever the split."""

    @given(st.data())
    def test_split_anywhere(self, data: st.DataObject) -> None:
        """The same text gives the same answer and thinking at every split."""
        text, answer, thought = data.draw(
            st.sampled_from(
                [
                    ("<think>a</think>b", "b", "a"),
                    (" \n<thinking>a<b></thinking>\n\nb <think>c", "b <think>c", "a<b>"),
                    ("<think>never closed</thin", "", "never closed</thin"),
                    ("<thin air", "<thin air", ""),
                    ("plain <think>x</think>", "plain <think>x</think>", ""),
                    ("<", "<", ""),
                    ("NO_REPLY", "", ""),
                    ("<think>a</think>\nNO_REPLY\n", "", "a"),
                    ("NO_REPLY is a token", "NO_REPLY is a token", ""),
                    ("NO", "NO", ""),
                    ("[[reply_to_current]] NO_REPLY", "", ""),
                    ("<think>[[reply_to_current]]</think> [[reply_to:1]] yes", "yes", "[[reply_to_current]]"),
                    ("[1, 2]", "[1, 2]", ""),
                    ("[", "[", ""),
                    ("MEDIA:/a/b", "", ""),
                    ("", "", ""),
                ]
            )
        )
        self.assertEqual(self._filtered(ReplyFilter(), text, data), [answer, thought])

    @given(st.data())
    def test_data(self, data: st.DataObject) -> None:
        """In an answer that is data nothing is a directive or silence; thinking before it is still thinking."""
        text = data.draw(
            st.text("[]: \nMEDIA/NO_REPLYreply_to<`").filter(lambda text: not text.lstrip().startswith("<"))
        )
        self.assertEqual(self._filtered(ReplyFilter(directed=False), text, data), [text, ""])
        thought = self._filtered(ReplyFilter(directed=False), f"<think>[[x]]</think>{text}", data)
        self.assertEqual(thought, [text.lstrip(), "[[x]]"])

    def _filtered(self, filter_: ReplyFilter, text: str, data: st.DataObject) -> list[str]:
        """Answer and thinking, with the text cut anywhere."""
        got = ["", ""]
        rest = text
        while rest:
            size = data.draw(st.integers(1, len(rest)))
            for index, piece in enumerate(filter_.feed(rest[:size])):
                got[index] += piece
            rest = rest[size:]
        for index, piece in enumerate(filter_.finish()):
            got[index] += piece
        return got


ENDS: dict[str, list[Message]] = {
    "answered": [AssistantMessage(text="yes", stop_reason="stop")],
    "refused": [AssistantMessage(stop_reason="error")],
    "silent": [AssistantMessage(stop_reason="stop"), AssistantMessage(stop_reason="error")],
    "outage": [AssistantMessage(stop_reason="error", unanswered=True)],
    "aborted": [AssistantMessage(stop_reason="aborted", unanswered=True)],
}
"""What ends a turn in the transcript."""


class ContextTests(SynchronousTestCase):
    """What the model gets to read."""

    def test_failed_turns_are_left_out(self) -> None:
        """A turn that failed before a word was said is not shown; one with partial text or tools is."""
        failed = AssistantMessage(stop_reason="error")
        partial = AssistantMessage(text="half", stop_reason="aborted")
        call = AssistantMessage(tool_calls=(ToolCall(id="1", name="x", arguments="{}"),), stop_reason="tool_calls")
        result = ToolResultMessage(tool_call_id="1", text="r")
        history = [user("a"), failed, user("b"), partial, user("c"), call, result, failed]
        shown = model_messages(history, [user("d")])
        self.assertEqual(shown, (user("b"), partial, user("c"), call, result, user("d")))

    def test_a_failed_turn_takes_its_own_question_alone(self) -> None:
        """Before it stand a summary, questions that were answered with silence, and results that a call was given."""
        failed = AssistantMessage(stop_reason="error")
        mark = CompactionMessage(summary="It was about cats.")
        (summary, question) = model_messages([mark, user("a"), failed], [user("b")])
        self.assertEqual((summary, question), (summary_message(mark), user("b")))
        silent = AssistantMessage(stop_reason="stop")
        shown = model_messages([user("a"), silent, user("b"), silent, user("c"), failed], [user("d")])
        self.assertEqual(shown, (user("a"), user("b"), user("d")))

    def test_open_questions(self) -> None:
        """What got no answer through no fault of its own is shown, and that it got none; but not beside itself."""
        failed = AssistantMessage(stop_reason="error", unanswered=True)
        stopped = AssistantMessage(stop_reason="aborted", unanswered=True)
        shown = model_messages([user("a"), failed, user("b"), stopped], [user("try again")])
        self.assertEqual([message.text for message in shown], ["a", FAILED, "b", STOPPED, "try again"])
        shown = model_messages([user("a"), failed, user(" a\n"), stopped], [user("System: news"), user("a")])
        self.assertEqual(shown, (user("System: news"), user("a")))
        nothing = AssistantMessage(stop_reason="stop")
        shown = model_messages([user("a"), nothing, failed, user("b"), nothing], [user("c")])
        self.assertEqual([message.text for message in shown], ["a", FAILED, "b", "c"])
        answer = AssistantMessage(text="yes")
        shown = model_messages([user("a"), failed, user("b"), answer], [user("a")])
        self.assertEqual([message.text for message in shown], ["a", FAILED, "b", "yes", "a"])

    def test_asked_again_in_part(self) -> None:
        """Of a turn of several messages only what is asked again is left out: the session holds the others, so who
        resends them gets them read in their old place."""
        failed = AssistantMessage(stop_reason="error", unanswered=True)
        first = [user("a"), user("b"), failed]
        self.assertEqual(model_messages(first, unheld(first, [user("a"), user("b")])), (user("a"), user("b")))
        second = [*first, user("b"), failed]
        self.assertEqual(model_messages(second, unheld(second, [user("a"), user("b")])), (user("a"), user("b")))
        self.assertEqual(model_messages(first, [user("b"), user("a"), user("b")]), (user("b"), user("a"), user("b")))

    @given(
        st.lists(st.tuples(st.booleans(), st.integers(1, 2), st.sampled_from(sorted(ENDS)), st.booleans()), max_size=6)
    )
    def test_clients_that_send_all(self, turns: list[tuple[bool, int, str, bool]]) -> None:
        """Whatever became of the turns before, and whether the client sends a failed turn again, goes on behind it or
        forgets it: all that it sends is read, in its order and once."""
        history: list[Message] = []
        known: list[Message] = []
        failed: list[Message] = []
        for number, (repeats, asks, end, forgets) in enumerate(turns):
            sent = failed if failed and repeats else [*known, *(user(f"{number}.{each}") for each in range(asks))]
            added = unheld(history, sent)
            shown = [message.text for message in model_messages(history, added)]
            wanted = [message.text for message in sent]
            self.assertEqual([text for text in shown if text in wanted], wanted)
            history += [*added, *ENDS[end]]
            failed = [] if end == "answered" else sent
            if not (failed and forgets):
                known = [*sent, *([] if failed else ENDS[end])]

    def test_open_question_in_a_turn(self) -> None:
        """What was said to a run at work is open when the run fails; what it did stays in any case."""
        call = AssistantMessage(tool_calls=(ToolCall(id="1", name="x", arguments="{}"),), stop_reason="tool_calls")
        result = ToolResultMessage(tool_call_id="1", text="r")
        failed = AssistantMessage(stop_reason="error", unanswered=True)
        shown = model_messages([user("a"), call, result, user("b"), failed], [user("c")])
        self.assertEqual([message.text for message in shown], ["a", "", "r", "b", FAILED, "c"])
        shown = model_messages([user("a"), call, result, user("b"), failed], [user("b")])
        self.assertEqual(shown, (user("a"), call, result, user("b")))
        self.assertEqual(model_messages([user("a"), call, result, failed], [user("c")])[-1:], (user("c"),))

    def test_turns_that_a_crash_ended(self) -> None:
        """They are shown: what was asked may have been done in part."""
        cut = AssistantMessage(stop_reason="interrupted")
        question, note, again = model_messages([user("a"), cut], [user("a")])
        self.assertEqual((question, again), (user("a"), user("a")))
        assert isinstance(note, AssistantMessage)
        self.assertEqual(note.text, CUT_OFF)

    def test_what_a_crash_cut_off_says_so(self) -> None:
        """Also where something had been said: the model must not take it for all there was to be."""
        cut = AssistantMessage(text="I do the first.", stop_reason="interrupted")
        _, said, _ = model_messages([user("a"), cut], [user("go on")])
        self.assertEqual(said.text, f"I do the first.\n\n{CUT_OFF}")

    def test_result_without_a_call(self) -> None:
        """A tool result that answers no known call is told as text, since it may be what is to be answered."""
        result = ToolResultMessage(tool_call_id="call_1", tool_name="get_weather", text="sunny")
        (shown,) = model_messages([], [result])
        assert isinstance(shown, UserMessage)
        self.assertEqual(shown.text, "Result of the tool get_weather:\nsunny")

    def test_results_of_the_last_turn(self) -> None:
        """A client's result follows the call that an earlier turn ended with; a missing one is made up."""
        calls = tuple(ToolCall(id=call_id, name="x", arguments="{}") for call_id in ("1", "2"))
        call = AssistantMessage(tool_calls=calls, stop_reason="tool_calls")
        result = ToolResultMessage(tool_call_id="2", text="r")
        shown = model_messages([user("a"), call], [result])
        self.assertEqual(shown[:2], (user("a"), call))
        self.assertEqual([message.tool_call_id for message in shown[2:]], ["1", "2"])  # type: ignore[union-attr]

    def test_images_of_the_active_turn_only(self) -> None:
        """Images of earlier turns are left out, those of this one stay."""
        image = UserMessage(content=(ImagePart(data="aGk=", mime_type="image/png"), TextPart(text="look")))
        alone = UserMessage(content=(ImagePart(data="aGk=", mime_type="image/png"),))
        shown = model_messages([image, alone], [image])
        self.assertEqual(shown, (user("look"), user("[image]"), image))

    def test_images_of_earlier_results(self) -> None:
        """They are left out as well; what else a result said stays."""
        call = AssistantMessage(tool_calls=(ToolCall(id="1", name="x", arguments="{}"),), stop_reason="tool_calls")
        image = ImagePart(data="aGk=", mime_type="image/png")
        for said, left in (("a cat", "a cat"), ("", "[image]")):
            result = ToolResultMessage(tool_call_id="1", text=said, images=(image,))
            shown = model_messages([user("look"), call, result], [user("and now?")])[2]
            assert isinstance(shown, ToolResultMessage)
            self.assertEqual((shown.text, shown.images), (left, ()))


class WatchTests(SynchronousTestCase):
    """Late watchers, leaving watchers, watchers that act."""

    def setUp(self) -> None:
        """A run in the middle of its answer."""
        self.bench = Bench()
        self.run_ = self.bench.start()
        self.call = self.bench.model.calls[0]
        self.call.text("a", "b")

    def end(self) -> None:
        """Let it end."""
        self.call.text("c")
        self.call.finish()

    def test_late_watcher(self) -> None:
        """A watcher that comes late gets the past, then what comes, each entry once and in order."""
        late: list[int] = []
        resumed: list[int] = []
        self.run_.watch(lambda batch: late.extend(entry.seq for entry in batch))
        self.run_.watch(lambda batch: resumed.extend(entry.seq for entry in batch), after=3)
        self.end()
        after_end: list[int] = []
        self.run_.watch(lambda batch: after_end.extend(entry.seq for entry in batch))
        everything = [entry.seq for _, entry in self.bench.entries]
        self.assertEqual((late, after_end, resumed), (everything, everything, everything[3:]))

    def test_stop(self) -> None:
        """A watcher that left hears nothing more; leaving twice is fine."""
        seen: list[int] = []
        stop = self.run_.watch(lambda batch: seen.extend(entry.seq for entry in batch))
        before = list(seen)
        stop()
        stop()
        self.end()
        self.assertEqual(seen, before)

    def test_abort_from_within_a_watcher(self) -> None:
        """A watcher may abort the run: everybody still sees the batch first, then the end, in order."""
        first: list[int] = []
        second: list[int] = []

        def aborter(batch: Any) -> None:
            first.extend(entry.seq for entry in batch)
            if len(first) > 4:
                self.run_.abort("slow_consumer")

        self.run_.watch(aborter)
        self.run_.watch(lambda batch: second.extend(entry.seq for entry in batch))
        self.call.text("more")
        self.assertEqual(self.run_.status, "aborted")
        self.assertEqual(first, second)
        self.assertEqual(first, sorted(set(first)))

    def test_watch_from_within_a_watcher(self) -> None:
        """A watcher added while a batch is handed out gets each entry once."""
        inner: list[int] = []

        def adder(batch: Any) -> None:
            if not inner:
                self.run_.watch(lambda more: inner.extend(entry.seq for entry in more))

        self.run_.watch(adder, after=self.run_.journal.last_seq)
        self.end()
        self.assertEqual(inner, list(range(1, self.run_.journal.last_seq + 1)))

    def test_waiting_for_the_result(self) -> None:
        """Giving up the wait touches neither the run nor another waiter."""
        impatient = Deferred.fromCoroutine(self.run_.result())
        patient = Deferred.fromCoroutine(self.run_.result())
        impatient.cancel()
        self.failureResultOf(impatient, CancelledError)
        self.end()
        self.assertEqual(self.successResultOf(patient).text, "abc")
