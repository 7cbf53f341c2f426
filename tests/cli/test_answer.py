# -*- test-case-name: tests.cli.test_answer -*-
"""The answer on the terminal."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.answer import NO_REPLY, Answer


class AnswerTests(SynchronousTestCase):
    """What reaches the screen."""

    def setUp(self) -> None:
        """A terminal."""
        self.written: list[str] = []
        self.notes: list[str] = []
        self.answer = Answer(self.written.append, self.notes.append, is_terminal=True)

    def shown(self) -> str:
        """All text so far."""
        return "".join(self.written)

    def test_pieces(self) -> None:
        """Each piece goes out at once; the end adds the newline that is missing, and repeats nothing."""
        self.answer.text("Hel")
        self.assertEqual(self.written, ["Hel"])
        self.answer.text("lo")
        self.answer.end(["Hello"])
        self.assertEqual(self.shown(), "Hello\n")

    def test_newline_is_there(self) -> None:
        """An answer that ends with a newline gets no second one."""
        self.answer.text("Hello\n")
        self.answer.end(["Hello\n"])
        self.assertEqual(self.shown(), "Hello\n")

    def test_messages(self) -> None:
        """A blank line stands between two messages, none before the first or after the last."""
        self.answer.message_ended()
        self.answer.text("one")
        self.answer.message_ended()
        self.answer.text("two\n")
        self.answer.message_ended()
        self.answer.text("three")
        self.answer.message_ended()
        self.answer.end([])
        self.assertEqual(self.shown(), "one\n\ntwo\n\nthree\n")

    def test_nothing_streamed(self) -> None:
        """Without events the payloads are shown."""
        self.answer.end(["one", "two"])
        self.assertEqual(self.shown(), "one\n\ntwo\n")

    def test_no_reply(self) -> None:
        """An agent that said nothing is reported beside the answer, which stays empty."""
        self.answer.end([])
        self.assertEqual((self.shown(), self.notes), ("", [NO_REPLY]))

    def test_tool(self) -> None:
        """A tool is a note on a line of its own."""
        self.answer.text("Let me see")
        self.answer.tool("session_status")
        self.assertEqual((self.shown(), self.notes), ("Let me see\n", ["[session_status]"]))

    def test_control_characters(self) -> None:
        """A model cannot steer the terminal: controls are dropped, tabs and newlines stay."""
        self.answer.text("\x1b]0;title\x07a\tb\n\x9b2Jc\x08\r")
        self.answer.tool("x\x1b[2J")
        self.assertEqual(self.shown(), "]0;titlea\tb\n2Jc\n")
        self.assertEqual(self.notes, ["[x[2J]"])

    def test_file(self) -> None:
        """Into a file or pipe the text goes as it is."""
        answer = Answer(self.written.append, self.notes.append, is_terminal=False)
        answer.text("\x1b[1m")
        self.assertEqual(self.shown(), "\x1b[1m")
