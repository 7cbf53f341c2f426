# -*- test-case-name: tests.tools.test_replacing -*-
"""One passage for another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools.replacing import NotReplaced, replaced

TEXT = st.text(alphabet="ab \n", max_size=12)


class ReplacedTests(SynchronousTestCase):
    """The passage must be there exactly once."""

    def refused(self, why: str, text: str, old: str, new: str = "x") -> None:
        """A passage that is not replaced."""
        self.assertIn(why, str(self.assertRaises(NotReplaced, replaced, text, old, new)))

    def test_once(self) -> None:
        """The rest stays."""
        self.assertEqual(replaced("a b c", "b", "B"), "a B c")
        self.assertEqual(replaced("a\nb\nc\n", "a\nb", ""), "\nc\n")

    def test_not_there(self) -> None:
        """Also what is almost there is not, but the model is told where."""
        self.refused("not in the file. Read it again", "abc", "d")
        self.refused("at line 2 differs from it only in white space", "x\n  if a:\n\tb\n", "if a:\n    b")
        self.refused("not in the file.", "a\n\n\nb", "  \t")

    def test_several(self) -> None:
        """How often it is there, and where; overlapping ones count."""
        self.refused("3 times (lines 1, 2, 4)", "a\na\n\na", "a")
        self.refused("2 times (lines 1, 1)", "aaa", "aa")
        self.refused("more than 1000 times (lines 1, 2, 3, 4, 5, ...)", "a\n" * 5000, "a")

    def test_nonsense(self) -> None:
        """An empty passage, and a change that is none."""
        self.refused("oldText is empty", "abc", "")
        self.refused("nothing would change", "abc", "b", "b")
        self.refused("nothing would change", "a\r\nb", "a\nb", "a\r\nb")

    def test_line_endings(self) -> None:
        """They do not matter to find it, and stay: new lines get those of the text."""
        self.assertEqual(replaced("a\r\nb\r\nc\r\n", "a\nb", "x\ny\nz"), "x\r\ny\r\nz\r\nc\r\n")
        self.assertEqual(replaced("a\r\nb\r\n", "a", "x\ny"), "x\r\ny\r\nb\r\n")
        self.assertEqual(replaced("a\nb\n", "a\r\nb", "x\r\ny"), "x\ny\n")
        self.assertEqual(replaced("a\nb\nc\nd\r\n", "c\nd", "x\ny"), "a\nb\nx\ny\r\n")
        self.assertEqual(replaced("a\r\n\r\nb", "\n\n", "\n"), "a\r\nb")

    def test_mark(self) -> None:
        """A byte order mark stays, whether the model knows of it or not."""
        self.assertEqual(replaced("\ufeffa b", "a", "c"), "\ufeffc b")
        self.assertEqual(replaced("\ufeffa b", "\ufeffa", "\ufeffc"), "\ufeffc b")

    @given(TEXT, TEXT.filter(bool), TEXT, TEXT, st.booleans())
    def test_any(self, before: str, old: str, after: str, new: str, windows: bool) -> None:
        """It is done where Python's own replace has one place for it, and only there; line endings are the text's."""
        plain = before + old + after
        text = plain.replace("\n", "\r\n") if windows else plain
        once = plain.find(old) == plain.rfind(old)
        if once and old != new:
            expected = plain.replace(old, new)
            self.assertEqual(replaced(text, old, new), expected.replace("\n", "\r\n") if "\r\n" in text else expected)
        else:
            self.assertRaises(NotReplaced, replaced, text, old, new)
