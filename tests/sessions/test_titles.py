# -*- test-case-name: tests.sessions.test_titles -*-
"""Titles and previews."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.sessions.titles import GREETING, PREVIEW, cut, preview_of, title_of
from openclaw_tx.values import AssistantMessage, CompactionMessage, ImagePart, UserMessage
from tests.sessions.helpers import answer, result, user


class TitleTests(SynchronousTestCase):
    """What a list shows."""

    def test_title(self) -> None:
        """The first user message that says something, in one line."""
        picture = UserMessage(content=(ImagePart(data="aGk=", mime_type="image/png"),))
        messages = [answer("hello"), picture, user("  \n"), user(" first\n\tline "), user("second")]
        self.assertEqual(title_of(messages), "first line")
        self.assertEqual(title_of([answer("hello"), picture]), "")
        self.assertEqual(title_of([user(GREETING), answer("Hello."), user("What now?")]), "What now?")
        note = AssistantMessage(text="Thinking: high.", stop_reason="injected")
        self.assertEqual(title_of([user("/think high"), note, user("What now?")]), "What now?")
        self.assertEqual(title_of([user("/think high"), note]), "")

    def test_preview(self) -> None:
        """What was said last, by whomever; tools and marks say nothing."""
        messages = [user("a"), answer("b"), answer(" ", "call"), result("call"), CompactionMessage(summary="sum")]
        self.assertEqual(preview_of(messages), "b")
        self.assertEqual(preview_of([user("a")]), "a")
        self.assertEqual(preview_of([result("call")]), "")
        self.assertEqual(preview_of([answer("x" * 1000)]), "x" * (PREVIEW - 1) + "…")

    def test_cut(self) -> None:
        """At a word, when one ends near; never longer than allowed."""
        for line, length, expected in (
            ("short", 10, "short"),
            ("exactly 10", 10, "exactly 10"),
            ("one two three", 10, "one two…"),
            ("one two three", 8, "one two…"),
            ("antidisestablishment", 10, "antidises…"),
            ("a bbbbbbbbbbbbbbbbbb", 10, "a bbbbbbb…"),
        ):
            self.assertEqual(cut(line, length), expected)

    @given(st.text(), st.integers(2, 80))
    def test_cut_any(self, line: str, length: int) -> None:
        """Within its length, and the beginning of the line."""
        short = cut(line, length)
        assert len(short) <= length
        assert short == line or (short.endswith("…") and line.startswith(short[:-1]))
