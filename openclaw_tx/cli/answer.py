# -*- test-case-name: tests.cli.test_answer -*-
"""An agent's answer on the terminal, as it comes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence

import click

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters with which a text could take over a terminal: all controls but tab and newline."""

NO_REPLY = "No reply from agent."


class Answer:
    """Writes text to standard output, a blank line between two messages, and notes to standard error."""

    def __init__(self, write: Callable[[str], None], note: Callable[[str], None], is_terminal: bool) -> None:
        """
        @param write: takes text that goes out as it is, at once.
        @param note: takes a line that is not part of the answer.
        @param is_terminal: C{write} leads to a terminal, which control characters must not reach.
        """
        self._write = write
        self._note = note
        self._is_terminal = is_terminal
        self._said_anything = False
        self._at_line_start = True
        self._between = False

    def text(self, piece: str) -> None:
        """More of the current message."""
        if self._is_terminal:
            piece = CONTROLS.sub("", piece)
        if not piece:
            return
        if self._between:
            self._write("\n" if self._at_line_start else "\n\n")
            self._between = False
        self._write(piece)
        self._said_anything = True
        self._at_line_start = piece.endswith("\n")

    def message_ended(self) -> None:
        """What comes now belongs to the next message."""
        self._between = self._said_anything

    def tool(self, name: str) -> None:
        """The agent uses one of its tools."""
        self.end_line()
        self._note(f"[{CONTROLS.sub('', name)}]")

    def end_line(self) -> None:
        """Leave the cursor at the start of a line."""
        if not self._at_line_start:
            self._write("\n")
            self._at_line_start = True

    def end(self, payloads: Sequence[str]) -> None:
        """The run has ended well.

        @param payloads: the whole answer; shown only when nothing of it came before.
        """
        if not self._said_anything:
            for payload in payloads:
                self.text(payload)
                self.message_ended()
        self.end_line()
        if not self._said_anything:
            self._note(NO_REPLY)


def terminal_answer() -> Answer:
    """An L{Answer} on the real standard streams."""
    return Answer(lambda text: click.echo(text, nl=False), lambda line: click.echo(line, err=True), sys.stdout.isatty())


__all__ = ["NO_REPLY", "Answer", "terminal_answer"]
