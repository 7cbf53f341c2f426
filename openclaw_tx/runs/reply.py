# -*- test-case-name: tests.runs.test_parts -*-
"""Tells a model's answer from its thinking, from directives for channels and from a silent reply (spec 3.4, 3.10),
split-safe and without I/O."""

from __future__ import annotations

from openclaw_tx.agents.sections import SILENT_TOKEN
from openclaw_tx.runs.directives import DirectiveFilter

_TAGS = ("<think>", "<thinking>")


class ReplyFilter:
    """Takes the text of one assistant message piece by piece.

    A C{<think>} block counts only where it opens the message: later tags are text, as in an answer about HTML.

    @ivar passing: True while text without C{[} and line breaks is answer as it is; callers may then skip L{feed}.
    @ivar silent: True once the message has turned out to be the silent token.
    """

    __slots__ = (
        "_answering",
        "_close",
        "_directed",
        "_directives",
        "_held",
        "_lead",
        "_open",
        "_thought",
        "passing",
        "silent",
    )

    def __init__(self, *, directed: bool = True) -> None:
        """
        @param directed: False = only thinking is told from the answer, which is data and stays as it is: directives and
            the silent token would be part of it.
        """
        self._directed = directed
        self.passing = False
        self.silent = False
        self._directives = DirectiveFilter()
        self._held = ""
        self._close = ""
        self._thought = False
        self._answering = False
        """The thinking is over, or there is none."""
        self._lead = ""
        """Beginning of the answer, while it may be the silent token."""
        self._open = False
        """It is not."""

    @property
    def media(self) -> list[str]:
        """What the answer's media lines named."""
        return self._directives.media

    @property
    def reply_to(self) -> str:
        """Message that the answer is a reply to, as it says: an id, C{current}, or ""."""
        return self._directives.reply_to

    def feed(self, text: str) -> tuple[str, str]:
        """
        @return: answer and thinking that are certain by now; either may be empty.
        """
        thought = ""
        if not self._answering:
            text, thought = self._opening(text)
        return self._answer(text) if self._answering else "", thought

    def finish(self) -> tuple[str, str]:
        """The message is over: what was held back, as (answer, thinking)."""
        held, self._held = self._held, ""
        if self._close:
            return "", held
        answer = self._lead + (self._directives.feed(held) + self._directives.finish() if self._directed else held)
        self._lead = ""
        if self._directed and not self._open and answer.strip() == SILENT_TOKEN:
            self.silent = True
            return "", ""
        return (answer.lstrip() if self._thought and not self._open else answer), ""

    def _opening(self, text: str) -> tuple[str, str]:
        """
        @return: what is answer by now, and what is thinking.
        """
        self._held += text
        if self._close:
            return self._inside()
        start = self._held.lstrip()
        for tag in _TAGS:
            if start.startswith(tag):
                self._close = f"</{tag[1:]}"
                self._held = start[len(tag) :]
                return self._inside()
        if any(tag.startswith(start) for tag in _TAGS):
            return "", ""
        self._answering = True
        held, self._held = self._held, ""
        return held, ""

    def _inside(self) -> tuple[str, str]:
        thought, closing, rest = self._held.partition(self._close)
        if closing:
            self._close, self._thought, self._held = "", True, ""
            self._answering = True
            return rest, thought
        keep = _partial_suffix(self._held, self._close)
        thought = self._held[: len(self._held) - keep]
        self._held = self._held[len(self._held) - keep :]
        return "", thought

    def _answer(self, text: str) -> str:
        """What follows thinking begins with the first character that is not white space."""
        text = self._directives.feed(text) if self._directed else text
        if not self._open:
            self._lead += text
            answer = self._lead.lstrip() if self._thought else self._lead
            begun = answer.strip()
            if not begun or (self._directed and SILENT_TOKEN.startswith(begun)):
                return ""
            self._open = True
            self._lead, text = "", answer
        self.passing = self._directives.idle or not self._directed
        return text


def _partial_suffix(text: str, tag: str) -> int:
    """Length of the longest end of C{text} that may be the beginning of C{tag}."""
    for length in range(min(len(text), len(tag) - 1), 0, -1):
        if text.endswith(tag[:length]):
            return length
    return 0


__all__ = ["ReplyFilter"]
