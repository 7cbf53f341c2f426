# -*- test-case-name: tests.runs.test_thinking -*-
"""Keeps a model's C{<think>} block out of its answer (spec 3.4), without I/O and split-safe."""

from __future__ import annotations

_TAGS = ("<think>", "<thinking>")


class ThinkFilter:
    """Splits the text of one assistant message into thinking and answer.

    Only a block that opens the message counts: later tags are text, as in an answer about HTML.

    @ivar passing: True once all further text is answer; callers may then skip L{feed}.
    """

    __slots__ = ("_close", "_held", "_trim", "passing")

    def __init__(self) -> None:
        self.passing = False
        self._held = ""
        self._close = ""
        self._trim = False

    def feed(self, text: str) -> tuple[str, str]:
        """
        @return: answer and thinking that are certain by now; either may be empty.
        """
        if self.passing:
            return text, ""
        self._held += text
        if self._close:
            return self._inside()
        if self._trim:
            return self._after(), ""
        start = self._held.lstrip()
        for tag in _TAGS:
            if start.startswith(tag):
                self._close = f"</{tag[1:]}"
                self._held = start[len(tag) :]
                return self._inside()
        if any(tag.startswith(start) for tag in _TAGS):
            return "", ""
        return self._pass(self._held), ""

    def finish(self) -> tuple[str, str]:
        """The message is over: what was held back, as (answer, thinking)."""
        held, self._held = self._held, ""
        if self._trim:
            return "", ""
        return ("", held) if self._close else (held, "")

    def _inside(self) -> tuple[str, str]:
        thought, closing, rest = self._held.partition(self._close)
        if closing:
            self._close, self._trim, self._held = "", True, rest
            return self._after(), thought
        keep = _partial_suffix(self._held, self._close)
        thought = self._held[: len(self._held) - keep]
        self._held = self._held[len(self._held) - keep :]
        return "", thought

    def _after(self) -> str:
        """The block is closed: the answer begins with the first character that is not white space."""
        answer = self._held.lstrip()
        return self._pass(answer) if answer else ""

    def _pass(self, text: str) -> str:
        self.passing = True
        self._held = ""
        return text


def _partial_suffix(text: str, tag: str) -> int:
    """Length of the longest end of C{text} that may be the beginning of C{tag}."""
    for length in range(min(len(text), len(tag) - 1), 0, -1):
        if text.endswith(tag[:length]):
            return length
    return 0
