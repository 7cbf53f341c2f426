# -*- test-case-name: tests.wire.test_history -*-
"""Conversations in the order that vendors insist on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.values import AssistantMessage, Spoken, ToolCall, UserMessage
from openclaw_tx.wire.history import NO_RESULT, CallIds, Exchange, as_object, exchanges, plain
from tests.wire.vendors import PICTURE, call, called, result, user

ONE, TWO = call(call_id="1"), call("t", "2")

MESSAGES = st.lists(
    st.sampled_from(
        [user("u"), AssistantMessage(), AssistantMessage(text="a"), called(ONE), called(ONE, TWO), called(ONE, ONE)]
        + [result("r", name) for name in "123"]
    ),
    max_size=8,
)


def told(*messages: Spoken) -> list[str]:
    """Who says what."""
    found: list[str] = []
    for item in exchanges(messages):
        if isinstance(item, UserMessage):
            found.append(f"user {plain(item.content)}")
        else:
            found.append(f"assistant {item.message.text}")
            found += [f"{result.tool_call_id} {result.text}" for result in item.results]
    return found


class ExchangesTests(SynchronousTestCase):
    """L{exchanges}."""

    def test_results_follow_their_calls(self) -> None:
        """In the order of the calls, whatever the order in which they came."""
        self.assertEqual(
            told(user("u"), called(ONE, TWO, text="x"), result("two", "2"), result("one", "1"), user("v")),
            ["user u", "assistant x", "1 one", "2 two", "user v"],
        )

    def test_mended(self) -> None:
        """A stand-in for a result that is missing, words for one that nobody asked for, which waits for its turn;
        empty answers are gone."""
        self.assertEqual(
            told(result("r", "0"), AssistantMessage(), called(ONE, TWO), result("odd", "9"), result("two", "2")),
            [
                "user Result of the tool 0:\nr",
                "assistant ",
                f"1 {NO_RESULT}",
                "2 two",
                "user Result of the tool 9:\nodd",
            ],
        )

    def test_many(self) -> None:
        """Thousands of calls in one answer, with ids of their own or all the same, take no more time than in many."""
        for ids in ([str(number) for number in range(10_000)], ["1"] * 10_000):
            calls = [call("t", name) for name in ids]
            results = [result(f"r{number}", name) for number, name in enumerate(ids)]
            (item,) = exchanges([called(*calls), *results])
            assert isinstance(item, Exchange)
            self.assertEqual([found.text for found in item.results], [f"r{number}" for number in range(10_000)])
            names = CallIds("[0-9a-f]{1,64}", 32)
            self.assertEqual(len({names.of(each) for each in calls}), 10_000)

    def test_images_of_strays(self) -> None:
        """They are not lost."""
        [item] = exchanges([result("r", "0", PICTURE)])
        assert isinstance(item, UserMessage)
        self.assertIn(PICTURE, item.content)

    @given(MESSAGES)
    def test_nothing_is_lost(self, messages: list[Spoken]) -> None:
        """Every result is somewhere, every call has one, and answers keep their order."""
        items = list(exchanges(messages))
        answers = [item.message for item in items if isinstance(item, Exchange)]
        self.assertEqual(answers, [m for m in messages if isinstance(m, AssistantMessage) and (m.text or m.tool_calls)])
        for item in items:
            if isinstance(item, Exchange):
                self.assertEqual(len(item.results), len(item.message.tool_calls))
        kept = sum(r.text == "r" for item in items if isinstance(item, Exchange) for r in item.results)
        words = sum(isinstance(item, UserMessage) and "Result of" in item.text for item in items)
        self.assertEqual(kept + words, sum(getattr(m, "text", "") == "r" for m in messages))


class PartsTests(SynchronousTestCase):
    """The smaller helpers."""

    def test_arguments(self) -> None:
        """An object, whatever the model wrote."""
        for text, wanted in (
            ("", {}),
            ('{"a":1}', {"a": 1}),
            ("[1]", {"input": [1]}),
            ("{", {"input": "{"}),
            ("[" * 5000, {"input": "[" * 5000}),
            ('{"a":' * 300 + "1" + "}" * 300, {"input": '{"a":' * 300 + "1" + "}" * 300}),
        ):
            self.assertEqual(as_object(text), wanted)

    @given(st.lists(st.text(max_size=4), max_size=9))
    def test_ids(self, given_ids: list[str]) -> None:
        """Nine letters or digits, none twice, the same ones every time; good ones stay."""
        calls = [ToolCall(id=name, name="f", arguments="{}") for name in (*given_ids, "abcDEF123")]

        def named() -> list[str]:
            ids = CallIds(r"[A-Za-z0-9]{9}", 9)
            return [ids.of(one) for one in calls]

        found = named()
        self.assertEqual(found, named())
        self.assertEqual(len(set(found)), len(calls))
        for name in found:
            self.assertRegex(name, r"^[A-Za-z0-9]{9}$")
        self.assertEqual(found[-1], "abcDEF123")
