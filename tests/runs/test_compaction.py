# -*- test-case-name: tests.runs.test_compaction -*-
"""The planner: what fits, where to cut, and what a summary is made from."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema_agents import Compaction, MemoryFlush
from openclaw_tx.runs import compaction, summaries
from openclaw_tx.values import (
    AssistantMessage,
    CompactionMessage,
    ImagePart,
    Message,
    ToolCall,
    ToolResultMessage,
    Usage,
    UserMessage,
)
from tests.runs.rooms import user


def call(number: int, text: str = "") -> AssistantMessage:
    """An answer that calls one tool."""
    return AssistantMessage(text=text, tool_calls=(ToolCall(id=str(number), name="x", arguments="{}"),))


def result(number: int, text: str = "r") -> ToolResultMessage:
    """Its result."""
    return ToolResultMessage(tool_call_id=str(number), tool_name="x", text=text)


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    """Turns with tools, perhaps behind a mark."""
    messages: list[Message] = []
    if draw(st.booleans()):
        messages.append(CompactionMessage(summary="s" * draw(st.integers(0, 400))))
    for number in range(draw(st.integers(0, 6))):
        messages.append(user("u" * draw(st.integers(0, 400))))
        for round_ in range(draw(st.integers(0, 2))):
            many = draw(st.integers(1, 3))
            ids = [number * 100 + round_ * 10 + each for each in range(many)]
            calls = tuple(ToolCall(id=str(each), name="x", arguments="{}") for each in ids)
            messages.append(AssistantMessage(tool_calls=calls))
            messages += (result(each, "r" * draw(st.integers(0, 400))) for each in ids)
        messages.append(AssistantMessage(text="a" * draw(st.integers(0, 400))))
    return messages


class LimitsTests(SynchronousTestCase):
    """What a window leaves."""

    def test_large(self) -> None:
        """The floor counts from 64,000 tokens on."""
        limits = compaction.limits(Compaction(), 200_000)
        self.assertEqual((limits.reserve, limits.threshold, limits.keep), (20_000, 180_000, 20_000))
        self.assertEqual(limits.flush, 176_000)
        limits = compaction.limits(Compaction(), 63_999)
        self.assertEqual(limits.reserve, 16_384)

    def test_small(self) -> None:
        """Of a small window the reserve takes half, and what is kept half of the rest."""
        for window in (8_000, 16_000):
            limits = compaction.limits(Compaction(), window)
            self.assertEqual((limits.reserve, limits.threshold), (window // 2, window // 2))
            self.assertEqual(limits.keep, window // 4)
            self.assertLess(limits.keep, limits.flush)
            self.assertLess(limits.flush, limits.threshold)

    def test_configured(self) -> None:
        """The keys do what they say."""
        settings = Compaction(
            reserve_tokens=1000,
            reserve_tokens_floor=3000,
            keep_recent_tokens=500,
            memory_flush=MemoryFlush(soft_threshold_tokens=100),
        )
        limits = compaction.limits(settings, 100_000)
        self.assertEqual((limits.reserve, limits.keep, limits.flush), (3000, 500, 96_900))
        self.assertEqual(compaction.limits(settings, 50_000).reserve, 1000)


class SizeTests(SynchronousTestCase):
    """How large a conversation is."""

    def test_estimate(self) -> None:
        """Four characters a token, three bytes of other scripts, a flat price for images."""
        self.assertEqual(compaction.text_tokens("a" * 400), 100)
        self.assertEqual(compaction.text_tokens("字" * 100), 100)
        image = UserMessage(content=(ImagePart(data="A" * 10**6, mime_type="image/png"),))
        self.assertLess(compaction.message_tokens(image), 2000)

    def test_counted(self) -> None:
        """The provider's count of the newest answer, and an estimate of what came after it."""
        usage = Usage(prompt_tokens=5000, completion_tokens=100)
        answer = AssistantMessage(text="a", usage=usage)
        self.assertEqual(compaction.size([user("x"), answer]), 5100)
        self.assertEqual(compaction.size([user("x"), answer, user("a" * 400)]), 5204)

    def test_count_too_low(self) -> None:
        """A count that leaves out what was cached does not hide a full window."""
        answer = AssistantMessage(text="a", usage=Usage(prompt_tokens=3, completion_tokens=1))
        self.assertGreater(compaction.size([user("a" * 40_000), answer]), 4000)

    def test_count_from_before_a_mark(self) -> None:
        """What was counted before the conversation was shortened does not hold any more."""
        usage = Usage(prompt_tokens=50_000, completion_tokens=1)
        before = AssistantMessage(text="a", usage=usage, timestamp_ms=5)
        mark = CompactionMessage(summary="s", timestamp_ms=6)
        self.assertLess(compaction.size([mark, before, user("x")]), 100)
        after = AssistantMessage(text="a", usage=Usage(prompt_tokens=700, completion_tokens=1), timestamp_ms=7)
        self.assertEqual(compaction.size([mark, before, user("x"), after]), 701)


class CutTests(SynchronousTestCase):
    """Where to cut."""

    @given(conversations(), st.integers(0, 600))
    def test_cut(self, messages: list[Message], keep: int) -> None:
        """Enough is kept, calls stay with their results, and something other than a mark is cut off."""
        place = compaction.cut(messages, keep)
        if not place:
            return
        cut, kept = messages[:place], messages[place:]
        self.assertNotIsInstance(kept[0], ToolResultMessage)
        self.assertGreaterEqual(sum(map(compaction.message_tokens, kept)), keep)
        self.assertTrue(any(not isinstance(message, CompactionMessage) for message in cut))
        called = {each.id for message in cut if isinstance(message, AssistantMessage) for each in message.tool_calls}
        answered = {message.tool_call_id for message in cut if isinstance(message, ToolResultMessage)}
        self.assertEqual(called, answered)

    @given(conversations(), st.integers(1, 600))
    def test_tightest(self, messages: list[Message], keep: int) -> None:
        """Something is cut off wherever there is more than one piece to cut."""
        said = [message for message in messages if not isinstance(message, CompactionMessage)]
        pieces = sum(not isinstance(message, ToolResultMessage) for message in said)
        self.assertEqual(bool(compaction.tightest_cut(messages, keep)), pieces > 1)

    def test_nothing(self) -> None:
        """Nothing is cut off what is short, or of what is not there."""
        self.assertEqual(compaction.cut([], 10), 0)
        self.assertEqual(compaction.cut([user("a"), user("b")], 1000), 0)

    @given(conversations(), st.integers(0, 12), st.integers(0, 3))
    def test_raw_count(self, messages: list[Message], kept: int, behind: int) -> None:
        """A mark that counts so many keeps just those messages, whatever marks and notes stand among them."""
        said = [message for message in messages if not isinstance(message, CompactionMessage)]
        said = [
            UserMessage(content=message.content, timestamp_ms=number) if isinstance(message, UserMessage) else message
            for number, message in enumerate(said)
        ]
        kept = min(kept, len(said))
        own = said[len(said) - kept :]
        mark = CompactionMessage(summary="old")
        stored: list[Message] = [*said[: len(said) - kept // 2], mark, *said[len(said) - kept // 2 :]]
        stored += [user("injected")] * behind
        count = compaction.raw_count(stored, own)
        tail = [message for message in stored[len(stored) - count :] if not isinstance(message, CompactionMessage)]
        self.assertEqual(tail[: len(own)], own)


class SummaryTests(SynchronousTestCase):
    """What a summary is made from."""

    def test_pieces(self) -> None:
        """Every message is told, in order, in pieces that fit."""
        messages = [user("first"), call(1, "Let me see."), result(1, "42"), AssistantMessage(text="It is 42.")]
        (piece,) = summaries.pieces(messages, 10_000)
        self.assertEqual(
            piece,
            "User: first\n\nAssistant: Let me see.\nAssistant calls x: {}\n\nResult of x: 42\n\nAssistant: It is 42.",
        )
        many = [user(f"message {number} " + "x" * 100) for number in range(20)]
        pieces = summaries.pieces(many, 500)
        self.assertLessEqual(max(map(len, pieces)), 500)
        self.assertEqual("\n\n".join(pieces).count("message"), 20)

    @given(conversations(), st.integers(300, 3000))
    def test_bounded(self, messages: list[Message], room: int) -> None:
        """However long it is, there are only so many pieces, none of them larger than the room."""
        pieces = summaries.pieces(messages * 30, room)
        self.assertLessEqual(len(pieces), summaries.MAX_PIECES)
        self.assertTrue(all(len(piece) <= room for piece in pieces))

    def test_long_messages(self) -> None:
        """Of long messages beginning and end are told; of results less than of words."""
        text = "a" * 30_000 + "z" * 30_000
        (piece,) = summaries.pieces([user(text), result(1, text)], 100_000)
        told, of_tool = piece.split("\n\n")
        self.assertTrue(told.startswith("User: aaa") and told.endswith("zzz"))
        self.assertLess(len(of_tool) * 3, len(told))
        self.assertLess(told.count("a"), 3 * told.count("z"))
        self.assertGreater(told.count("a"), 2 * told.count("z"))

    def test_question(self) -> None:
        """The summary so far and the instructions are in it."""
        asked = summaries.question("so far", "piece", "names only")
        for words in ("so far", "piece", "names only", summaries.ASK):
            self.assertIn(words, asked)
