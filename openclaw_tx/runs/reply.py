# -*- test-case-name: tests.runs.test_parts -*-
"""Tells a model's answer from its thinking and from a silent reply (spec 3.4, 3.10), split-safe and without I/O."""

from __future__ import annotations

_TAGS = ("<think>", "<thinking>")

SILENT_TOKEN = "NO_REPLY"
"""An answer that is exactly this is not shown to anybody."""


class ReplyFilter:
    """Takes the text of one assistant message piece by piece.

    A C{<think>} block counts only where it opens the message: later tags are text, as in an answer about HTML.

    @ivar passing: True once all further text is answer; callers may then skip L{feed}.
    @ivar silent: True once the message has turned out to be the silent token.
    """

    __slots__ = ("_close", "_held", "_thought", "passing", "silent")

    def __init__(self) -> None:
        self.passing = False
        self.silent = False
        self._held = ""
        self._close = ""
        self._thought = False

    def feed(self, text: str) -> tuple[str, str]:
        """
        @return: answer and thinking that are certain by now; either may be empty.
        """
        if self.passing:
            return text, ""
        self._held += text
        if self._close:
            return self._inside()
        if not self._thought:
            start = self._held.lstrip()
            for tag in _TAGS:
                if start.startswith(tag):
                    self._close = f"</{tag[1:]}"
                    self._held = start[len(tag) :]
                    return self._inside()
            if any(tag.startswith(start) for tag in _TAGS):
                return "", ""
        return self._answer(), ""

    def finish(self) -> tuple[str, str]:
        """The message is over: what was held back, as (answer, thinking)."""
        held, self._held = self._held, ""
        if self._close:
            return "", held
        if held.strip() == SILENT_TOKEN:
            self.silent = True
            return "", ""
        return (held.lstrip() if self._thought else held), ""

    def _inside(self) -> tuple[str, str]:
        thought, closing, rest = self._held.partition(self._close)
        if closing:
            self._close, self._thought, self._held = "", True, rest
            return self._answer(), thought
        keep = _partial_suffix(self._held, self._close)
        thought = self._held[: len(self._held) - keep]
        self._held = self._held[len(self._held) - keep :]
        return "", thought

    def _answer(self) -> str:
        """What follows thinking begins with the first character that is not white space."""
        answer = self._held.lstrip() if self._thought else self._held
        if SILENT_TOKEN.startswith(answer.strip()):
            return ""
        self.passing = True
        self._held = ""
        return answer


def _partial_suffix(text: str, tag: str) -> int:
    """Length of the longest end of C{text} that may be the beginning of C{tag}."""
    for length in range(min(len(text), len(tag) - 1), 0, -1):
        if text.endswith(tag[:length]):
            return length
    return 0
