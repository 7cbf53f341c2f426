# -*- test-case-name: tests.sessions.test_titles -*-
"""What a list shows of a conversation: the beginning of its first question and of its last words. Pure.

Both are kept in the session's row, so that a list of a hundred sessions reads no transcript.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from openclaw_tx.values import AssistantMessage, Message, UserMessage

GREETING = "A new conversation has begun. Greet the user in one or two sentences and ask what to do."
"""What the agent is told when C{/new} comes alone. Nobody said it, so it is no title."""

TITLE = 60
"""Characters of a title."""

PREVIEW = 240
"""Characters of a preview."""

_READ = 4000
"""Characters of a message that are looked at: the rest could only be white space before the first word."""


def title_of(messages: Iterable[Message]) -> str:
    """The beginning of the first user message that says something of its own; "" = none does. A command, whose answer
    no model gave, says nothing of what the conversation is about."""
    following = (*messages, None)
    texts = (
        line_of(message.text)
        for message, after in pairwise(following)
        if isinstance(message, UserMessage)
        and not (isinstance(after, AssistantMessage) and after.stop_reason == "injected")
    )
    return cut(next((text for text in texts if text and text != GREETING), ""), TITLE)


def preview_of(messages: Sequence[Message]) -> str:
    """The beginning of what a user or the agent said last; never what a tool said."""
    said = (message.text for message in reversed(messages) if isinstance(message, UserMessage | AssistantMessage))
    return cut(next((text for text in map(line_of, said) if text), ""), PREVIEW)


def line_of(text: str) -> str:
    """A text in one line."""
    return " ".join(text[:_READ].split())


def cut(line: str, length: int) -> str:
    """At most C{length} characters; what is longer ends at a word, if there is one near, and with an ellipsis."""
    if len(line) <= length:
        return line
    head = line[: length - 1]
    if line[length - 1] != " ":
        word = head.rfind(" ")
        if word > length * 0.6:
            head = head[:word]
    return head.rstrip() + "…"


__all__ = ["GREETING", "PREVIEW", "TITLE", "cut", "line_of", "preview_of", "title_of"]
