# -*- test-case-name: tests.sessions.test_conversation -*-
"""What a client resends, and repair of tool calls: examples, and properties against simple models."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.sessions.conversation import MAX_COMPARED, MISSING_RESULT, repaired, unheld
from openclaw_tx.values import (
    AssistantMessage,
    CompactionMessage,
    ImagePart,
    Message,
    TextPart,
    ToolCall,
    ToolResultMessage,
    UserMessage,
)
from tests.sessions.helpers import answer, result, user

HISTORY: list[Message] = [user("one"), answer("ONE"), user("two"), answer("TWO")]
NEW = user("three")


def dialogue(words: list[str]) -> list[Message]:
    """Questions and answers by turns, an answer for each question."""
    return [message for word in words for message in (user(word), answer(f"on {word}"))]


class UnheldTests(SynchronousTestCase):
    """L{unheld} by example."""

    def check(self, messages: list[Message], *expected: Message, history: list[Message] = HISTORY) -> None:
        """These of the client's messages are new."""
        self.assertEqual(unheld(history, messages), expected)

    def test_all_of_it_resent(self) -> None:
        """The usual client."""
        self.check([*HISTORY, NEW], NEW)

    def test_only_the_new_one(self) -> None:
        """A client that leaves the history to the session."""
        self.check([NEW], NEW)

    def test_sliding_window(self) -> None:
        """A client that resends the newest messages, also from an answer on."""
        self.check([*HISTORY[2:], NEW], NEW)
        self.check([*HISTORY[1:], NEW], NEW)
        self.check([*HISTORY[3:], NEW], NEW)

    def test_fresh_session(self) -> None:
        """A history that the session never saw is all new."""
        self.check([*HISTORY, NEW], *HISTORY, NEW, history=[])

    def test_other_conversation(self) -> None:
        """So is one that has nothing in common with it."""
        other: list[Message] = [user("x"), answer("ONE"), user("y"), answer("TWO")]
        self.check([*other, NEW], *other, NEW)

    def test_client_knows_more(self) -> None:
        """Turns that took place elsewhere follow what is held."""
        self.check([*HISTORY, user("else"), answer("WHERE"), NEW], user("else"), answer("WHERE"), NEW)
        self.check([*HISTORY[2:], user("else"), answer("WHERE"), NEW], user("else"), answer("WHERE"), NEW)

    def test_same_question_again(self) -> None:
        """The current message is new whatever it says."""
        self.check([*HISTORY, user("two")], user("two"))
        self.check([user("two")], user("two"))

    def test_branch(self) -> None:
        """The client went back and asks something else."""
        self.check([*HISTORY[:2], NEW], NEW)

    def test_edited_question(self) -> None:
        """The edited turn is added, question and answer; the turns behind it are held."""
        self.check([user("ONE!"), *HISTORY[1:], NEW], user("ONE!"), answer("ONE"), NEW)

    def test_edited_in_the_middle(self) -> None:
        """What stands around it is held."""
        long = dialogue(["a", "b", "c", "d"])
        self.check([*long[:4], user("C!"), *long[5:], NEW], user("C!"), answer("on c"), NEW, history=long)

    def test_held_elsewhere(self) -> None:
        """What stands first for the client and was added behind the rest is not added with each message again."""
        edited: list[Message] = [user("one!"), *HISTORY[1:]]
        summed: list[Message] = [user("[So far: one.]"), answer("Yes."), *HISTORY[2:]]
        moved: list[Message] = [*HISTORY[2:], *HISTORY[:2]]
        for known in (edited, summed, moved, [answer("Hello"), *HISTORY], [*HISTORY[:2], user("x"), *HISTORY[2:]]):
            stored = list(HISTORY)
            for text in ("three", "four", "five"):
                new = unheld(stored, [*known, user(text)])
                if text != "three":
                    self.assertEqual(new, (user(text),))
                stored += [*new, answer(f"on {text}")]
                known += [user(text), answer(f"on {text}")]

    def test_left_out_messages(self) -> None:
        """A client that drops turns here and there repeats nothing."""
        long = dialogue(["a", "b", "c", "d"])
        self.check([*long[:2], *long[4:6], NEW], NEW, history=long)

    def test_white_space(self) -> None:
        """It never counts."""
        self.check([user(" one\n"), answer("O N E"), user("two"), answer("TWO"), NEW], NEW)

    def test_answers_in_other_words(self) -> None:
        """An answer to the same message is the same answer: shorter, longer, or reworded."""
        self.check([user("one"), answer("ON"), user("two"), answer("TWO, as I said"), NEW], NEW)

    def test_tools_of_the_agent_are_hidden(self) -> None:
        """The client saw one answer where the session holds two with a tool in between."""
        history: list[Message] = [user("one"), answer("Look:", "own"), result("own"), answer("ONE")]
        self.check([user("one"), answer("Look:\n\nONE"), NEW], NEW, history=history)
        self.check([answer("Look:\n\nONE"), NEW], NEW, history=history)

    def test_tools_of_the_client(self) -> None:
        """Results of calls the session holds are new; call and question are not."""
        history: list[Message] = [user("one"), answer("", "a", "b")]
        results = [result("a"), result("b")]
        self.check([*history, *results], *results, history=history)
        whole = [*history, *results, answer("ONE")]
        self.check([*whole, NEW], NEW, history=whole)

    def test_other_tool_call(self) -> None:
        """An answer that calls something else is another answer."""
        history: list[Message] = [user("one"), answer("", "a"), result("a"), answer("ONE")]
        sent = [user("one"), answer("", "b"), result("b")]
        self.check([*sent, NEW], answer("", "b"), result("b"), NEW, history=history)

    def test_images_do_not_count(self) -> None:
        """Earlier images may have been left out on the way."""
        picture = UserMessage(content=(TextPart(text="one"), ImagePart(data="AAAA", mime_type="image/png")))
        self.check([user("one"), answer("ONE"), NEW], NEW, history=[picture, answer("ONE")])

    def test_failed_turn(self) -> None:
        """A turn that came to nothing left an empty answer that no client knows of."""
        failed = AssistantMessage(stop_reason="error", error_message="no")
        history: list[Message] = [user("one"), failed, user("one"), answer("ONE")]
        self.check([user("one"), answer("ONE"), NEW], NEW, history=history)
        self.check([user("one"), user("one")], user("one"), user("one"), history=history[:2])

    def test_question_of_a_failed_turn(self) -> None:
        """The model does not read it in the history; a client that resends it wants it read."""
        for reason in ("error", "aborted"):
            history: list[Message] = [*HISTORY, user("long"), AssistantMessage(stop_reason=reason)]
            self.check([*HISTORY, user("long"), NEW], user("long"), NEW, history=history)
            self.check([user("long"), NEW], user("long"), NEW, history=history)
            self.check([*HISTORY, NEW], NEW, history=history)
            history += [user("long"), NEW, answer("THREE")]
            self.check([*HISTORY, user("long"), NEW, answer("THREE"), user("four")], user("four"), history=history)

    def test_question_of_a_turn_that_failed_for_silence(self) -> None:
        """The answer without words, for which the turn failed, is none: the model reads neither."""
        silent, failed = AssistantMessage(stop_reason="stop"), AssistantMessage(stop_reason="error")
        history: list[Message] = [*HISTORY, user("long"), silent, failed]
        self.check([*HISTORY, user("long"), NEW], user("long"), NEW, history=history)

    def test_turns_that_failed_later(self) -> None:
        """What had been said or done in a turn is read, and with it the question."""
        for said in ([answer("half")], [answer("", "own"), result("own")]):
            history: list[Message] = [*HISTORY, user("long"), *said, AssistantMessage(stop_reason="error")]
            self.check([*HISTORY, user("long"), NEW], NEW, history=history)

    def test_failed_after_a_mark(self) -> None:
        """What a mark in the turn keeps of it is no more read than the rest of a failed turn."""
        mark = CompactionMessage(summary="On ONE and TWO.", kept=1)
        history: list[Message] = [*HISTORY, user("long"), mark, AssistantMessage(stop_reason="error")]
        self.check([*HISTORY, user("long"), NEW], user("long"), NEW, history=history)

    def test_greeting(self) -> None:
        """A conversation may begin with an answer."""
        history: list[Message] = [answer("Hello"), user("one"), answer("ONE")]
        self.check([*history, NEW], NEW, history=history)

    def test_nothing(self) -> None:
        """No messages, no news."""
        self.check([])

    def test_very_long_conversations(self) -> None:
        """Thousands of equal messages on both sides are compared in bounded time; what is far back counts as held."""
        same: list[Message] = [user("a")] * (MAX_COMPARED * 2)
        self.assertEqual(unheld(same[:MAX_COMPARED], [*same, NEW]), (NEW,))
        others: list[Message] = [user("b"), *[user("a")] * MAX_COMPARED]
        self.assertEqual(unheld(same[:MAX_COMPARED], [user("c"), *others, NEW])[-1], NEW)


WORDS = st.lists(st.sampled_from("abcd"), max_size=6)
UNIQUE = st.lists(st.integers(0, 10**6).map(str), unique=True, max_size=12)


class UnheldPropertiesTests(SynchronousTestCase):
    """L{unheld} in general."""

    @given(WORDS)
    def test_resending_everything_adds_one(self, words: list[str]) -> None:
        """However often the conversation repeats itself."""
        history = dialogue(words)
        self.assertEqual(unheld(history, [*history, NEW]), (NEW,))

    @given(WORDS, st.integers(0, 12))
    def test_any_window_adds_one(self, words: list[str], start: int) -> None:
        """Every end of the history is held."""
        history = dialogue(words)
        self.assertEqual(unheld(history, [*history[start:], NEW]), (NEW,))

    @given(UNIQUE, st.integers(0, 12), st.integers(0, 12))
    def test_window_and_more(self, words: list[str], cut: int, start: int) -> None:
        """Against the model "what is behind the overlap is new", with messages that can be told apart."""
        history, more = dialogue(words[:cut]), dialogue(words[cut:])
        window = history[2 * start :]
        self.assertEqual(unheld(history, [*window, *more, NEW]), (*more, NEW))

    @given(UNIQUE, st.data())
    def test_any_selection_is_held(self, words: list[str], data: st.DataObject) -> None:
        """Turns picked from the history in order add nothing."""
        picked = [word for word in words if data.draw(st.booleans())]
        self.assertEqual(unheld(dialogue(words), [*dialogue(picked), NEW]), (NEW,))

    @settings(max_examples=200)
    @given(WORDS, WORDS)
    def test_result_is_part_of_what_was_sent(self, held: list[str], sent: list[str]) -> None:
        """In order, nothing twice, the last one last; and no user message is lost: held or new."""
        history, messages = dialogue(held), [*dialogue(sent), NEW]
        new = unheld(history, messages)
        self.assertEqual(new[-1], NEW)
        rest = iter(messages)
        self.assertTrue(all(any(message is other for other in rest) for message in new))
        asked = Counter(message.text for message in messages if isinstance(message, UserMessage))
        kept = Counter(message.text for message in (*history, *new) if isinstance(message, UserMessage))
        self.assertEqual(asked - kept, Counter())

    @given(st.lists(WORDS, max_size=5))
    def test_history_never_doubles(self, turns: list[str]) -> None:
        """A client that resends all it knows, over many turns, ends with exactly its own conversation stored."""
        stored: list[Message] = []
        known: list[Message] = []
        for words in turns:
            text = "".join(words)
            known.append(user(text))
            stored.extend(unheld(stored, known))
            known.append(answer(f"on {text}"))
            stored.append(answer(f"on {text}"))
        self.assertEqual(stored, known)


class RepairedTests(SynchronousTestCase):
    """L{repaired}."""

    def test_whole_conversation_stays(self) -> None:
        """Nothing is touched where nothing is wrong."""
        whole = (user("a"), answer("", "x", "y"), result("x"), result("y"), answer("b"), user("c"))
        self.assertEqual(repaired(whole), whole)

    def test_orphans_are_dropped(self) -> None:
        """A result of no call, or before its call."""
        self.assertEqual(repaired([result("x"), user("a"), answer("b"), result("y")]), (user("a"), answer("b")))

    def test_duplicates_are_dropped(self) -> None:
        """The first result counts."""
        whole = [answer("", "x"), result("x", "first"), result("x", "second")]
        self.assertEqual(repaired(whole), tuple(whole[:2]))

    def test_missing_results_are_made_up(self) -> None:
        """As errors, for the tool that was called."""
        call, made_up, said = repaired([answer("", "x"), user("never mind")])
        assert isinstance(made_up, ToolResultMessage)
        self.assertEqual((call, said), (answer("", "x"), user("never mind")))
        self.assertEqual(
            (made_up.tool_call_id, made_up.tool_name, made_up.text, made_up.is_error),
            ("x", "tool_x", MISSING_RESULT, True),
        )

    def test_displaced_results_are_moved(self) -> None:
        """To their call and in the order of calls."""
        self.assertEqual(
            repaired([answer("", "x", "y"), user("a"), result("y"), answer("b"), result("x")]),
            (answer("", "x", "y"), result("x"), result("y"), user("a"), answer("b")),
        )

    def test_ids_may_be_used_again(self) -> None:
        """Some models count their calls from 0 in each turn."""
        whole = (answer("", "0"), result("0", "a"), answer("", "0"), result("0", "b"))
        self.assertEqual(repaired(whole), whole)

    def test_same_id_twice_in_one_message(self) -> None:
        """Each call gets a result of its own."""
        twice = answer("", "0", "0")
        self.assertEqual(
            repaired([twice, result("0", "a"), result("0", "b")]), (twice, result("0", "a"), result("0", "b"))
        )

    @given(
        st.lists(
            st.builds(user, st.just("u"))
            | st.builds(result, st.sampled_from("xyz"))
            | st.lists(st.sampled_from("xyz"), max_size=3).map(lambda calls: answer("a", *calls)),
            max_size=12,
        )
    )
    def test_always_well_formed(self, messages: list[Message]) -> None:
        """Whatever comes in: each call is followed by its result; all else is kept in order; repair is idempotent."""
        whole = repaired(messages)
        self.assertEqual(repaired(whole), whole)
        self.assertEqual(
            [message for message in whole if not isinstance(message, ToolResultMessage)],
            [message for message in messages if not isinstance(message, ToolResultMessage)],
        )
        expected: list[ToolCall] = []
        for message in whole:
            if isinstance(message, ToolResultMessage):
                self.assertEqual(message.tool_call_id, expected.pop(0).id)
            else:
                self.assertEqual(expected, [])
                expected = list(message.tool_calls) if isinstance(message, AssistantMessage) else []
        self.assertEqual(expected, [])
