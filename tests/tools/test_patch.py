# -*- test-case-name: tests.tools.test_patch -*-
"""Patches read and applied, without files."""

from __future__ import annotations

import difflib
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools.patch import AddFile, BadPatch, DeleteFile, Hunk, Line, UpdateFile, parse
from openclaw_tx.tools.patching import DoesNotFit, applied, patched

LINES = st.lists(st.sampled_from("abcd"), max_size=12)


def patch(*lines: str) -> str:
    """Lines within the envelope."""
    return "\n".join(["*** Begin Patch", *lines, "*** End Patch"])


class ParseTests(SynchronousTestCase):
    """From text to operations."""

    def wrong(self, why: str, text: str) -> None:
        """A text that is no patch."""
        self.assertIn(why, str(self.assertRaises(BadPatch, parse, text)))

    def test_all(self) -> None:
        """Every kind of operation."""
        text = patch(
            "*** Add File: new.md",
            "+# New",
            "+",
            "*** Update File: src/old.py",
            "*** Move to: src/new.py",
            "@@ class A:",
            "@@ def f(self):",
            " stays",
            "-goes",
            "+comes",
            "*** End of File",
            "*** Delete File: gone.py",
        )
        lines = (Line(" ", "stays"), Line("-", "goes"), Line("+", "comes"))
        self.assertEqual(
            parse(text),
            [
                AddFile("new.md", "# New\n\n"),
                UpdateFile("src/old.py", "src/new.py", (Hunk(("class A:", "def f(self):"), lines, True),)),
                DeleteFile("gone.py"),
            ],
        )

    def test_lenient(self) -> None:
        """Carriage returns, blanks around, here-documents, code blocks, lost spaces, numbers of unified diffs."""
        plain = patch("*** Update File: a", "@@", " x", " ", "-y", "+z")
        expected = parse(plain)
        for text in (
            plain.replace("\n", "\r\n"),
            f"\n\n{plain}\n\n",
            f"<<'EOF'\n{plain}\nEOF",
            f"```\n{plain}\n```",
            plain.replace("\n \n", "\n\n"),
            plain.replace("@@", "@@ -1,3 +1,3 @@"),
            plain.replace("@@", "@@ -1 +1,3 @@ def f():"),
            plain.replace("@@\n", ""),
            patch("*** Update File: a", "@@", " x", " ", "-y", "+z", "", ""),
            patch("", "*** Update File: a", "@@", " x", " ", "-y", "+z", ""),
        ):
            self.assertEqual(parse(text), expected, text)

    def test_move_only(self) -> None:
        """A file may just get another name."""
        self.assertEqual(parse(patch("*** Update File: a", "*** Move to: b")), [UpdateFile("a", "b", ())])

    def test_wrong(self) -> None:
        """What is wrong, and in which line."""
        self.wrong("Line 1 of the patch: the patch must begin with", "--- a\n+++ b")
        self.wrong("Line 1 of the patch: the patch must begin with", "")
        self.wrong("Line 2 of the patch: the patch must end with", "*** Begin Patch\n*** Delete File: a\n")
        self.wrong("The patch is empty", patch())
        self.wrong("Line 2 of the patch: expected", patch("hello"))
        self.wrong("Line 2 of the patch: *** Delete File: names no file", patch("*** Delete File:  "))
        self.wrong("Line 3 of the patch: every line of a new file", patch("*** Add File: a", "text"))
        self.wrong("Line 4 of the patch: every line of a passage", patch("*** Update File: a", "@@", "text"))
        self.wrong("Line 3 of the patch: nothing is to change in a", patch("*** Update File: a"))
        self.wrong("Line 4 of the patch: a passage is empty", patch("*** Update File: a", "@@ x"))
        self.wrong("Line 3 of the patch: expected", patch("*** Delete File: a", "*** Move to: b"))
        self.wrong("Line 2 of the patch: expected", patch("*** Begin Patch"))

    @given(st.text(alphabet="*+- @\nabBeginEndPatchUpdateFile:"))
    def test_any_text(self, text: str) -> None:
        """Any text is a patch or is refused with a word about it."""
        for each in (text, patch(text), patch("*** Update File: a", text)):
            try:
                self.assertTrue(parse(each))
            except BadPatch as error:
                self.assertTrue(str(error))


class PatchedTests(SynchronousTestCase):
    """Passages in one text."""

    def patched(self, text: str, *lines: str) -> str:
        """A text after a patch."""
        (operation,) = parse(patch("*** Update File: f", *lines))
        assert isinstance(operation, UpdateFile)
        return patched(text, operation.hunks, "f")

    def wrong(self, why: str, text: str, *lines: str) -> None:
        """A patch that does not fit."""
        self.assertIn(why, str(self.assertRaises(DoesNotFit, self.patched, text, *lines)))

    def test_passages(self) -> None:
        """Several passages, one below the other."""
        self.assertEqual(
            self.patched("a\nb\nc\nd\ne\n", "@@", " a", "-b", "+B", "@@", "-d", "+D", "+D2", " e"),
            "a\nB\nc\nD\nD2\ne\n",
        )

    def test_above(self) -> None:
        """A line above chooses among equal passages."""
        text = "def f():\n    return 1\n\ndef g():\n    return 1\n"
        self.assertEqual(
            self.patched(text, "@@ def g():", "-    return 1", "+    return 2"),
            "def f():\n    return 1\n\ndef g():\n    return 2\n",
        )
        self.wrong("there is no line 'def h():'", text, "@@ def h():", "-    return 1")

    def test_only_new_lines(self) -> None:
        """Below the line above, or at the end."""
        self.assertEqual(self.patched("a\nb\n", "@@ a", "+x"), "a\nx\nb\n")
        self.assertEqual(self.patched("a\nb\n", "+x"), "a\nb\nx\n")
        self.assertEqual(self.patched("a\nb", "+x"), "a\nb\nx\n")
        self.assertEqual(self.patched("", "+x"), "x\n")

    def test_end_of_file(self) -> None:
        """The passage is the last one of the file, not the first that fits."""
        self.assertEqual(self.patched("a\nb\na\n", "-a", "+x", "*** End of File"), "a\nb\nx\n")
        self.wrong("does not end with these lines:\n  b", "a\nb\na\n", "-b", "*** End of File")

    def test_loosely(self) -> None:
        """White space and typography may differ; lines that stay stay as they are in the file."""
        text = "\tif a:  \n\t\tsay(\u201chi \u2014 you\u201d)\nend\n"
        self.assertEqual(self.patched(text, " if a:", '-say("hi - you")', "+\t\tpass"), "\tif a:  \n\t\tpass\nend\n")
        exact = "x  \nx\n"
        self.assertEqual(self.patched(exact, "-x", "+y"), "x  \ny\n")

    def test_line_endings(self) -> None:
        """They stay; new lines get those that most lines have."""
        self.assertEqual(self.patched("a\r\nb\r\n", " a", "+x", "-b", "+c"), "a\r\nx\r\nc\r\n")
        self.assertEqual(self.patched("\ufeffa\nb", "-a", "+x"), "\ufeffx\nb")
        self.assertEqual(self.patched("a", "-a"), "")

    def test_does_not_fit(self) -> None:
        """Which passage, and what was looked for."""
        self.wrong("f, passage 1 of 1: these lines are not in the file:\n  c", "a\nb\n", "-c")
        self.wrong("f, passage 2 of 2: these lines are not in the file below line 2:\n  a", "a\nb\n", "-b", "@@", "-a")
        self.wrong("(3 more)", "x\n", *[f"-{number}" for number in range(8)])
        self.wrong("not in the file", "", " ", "-a")

    def test_large(self) -> None:
        """A patch of 100,000 lines, and one that almost fits everywhere, take no time to speak of."""
        text = "".join(f"line {number}\n" for number in range(50_000))
        lines = [each for number in range(50_000) for each in (f"-line {number}", f"+LINE {number}")]
        begin = time.process_time()
        self.assertEqual(self.patched(text, *lines), text.upper())
        hunks = [each for number in range(0, 50_000, 5) for each in ("@@", f"-line {number}", f"+LINE {number}")]
        self.assertEqual(self.patched(text, *hunks).count("LINE"), 10_000)
        self.wrong("not in the file", "x\n" * 100_000, *["-x"] * 50_000, "-y")
        self.assertLess(time.process_time() - begin, 10)

    @settings(max_examples=200)
    @given(
        st.lists(st.sampled_from("abcd"), max_size=12), st.lists(st.sampled_from("abcd"), max_size=12), st.booleans()
    )
    def test_any_change(self, before: list[str], after: list[str], windows: bool) -> None:
        """A patch that shows the whole file makes of it what it says."""
        end = "\r\n" if windows else "\n"
        old, new = ("".join(line + end for line in lines) for lines in (before, after))
        lines = [f"{line[0]}{line[2:]}" for line in difflib.ndiff(before, after) if line[0] in " -+"]
        if before == after:
            return
        # A file without a line tells of no line endings.
        self.assertEqual(self.patched(old, *lines), new if before else new.replace("\r", ""))


class AppliedTests(SynchronousTestCase):
    """Several operations."""

    def wrong(self, why: str, texts: dict[str, str], *lines: str) -> None:
        """A patch that can not be applied."""
        self.assertIn(why, str(self.assertRaises(DoesNotFit, applied, parse(patch(*lines)), texts)))

    def test_all(self) -> None:
        """Every kind, one after the other on what the ones before have left."""
        lines = [
            *("*** Add File: n", "+1", "*** Update File: n", "-1", "+2"),
            *("*** Update File: a", "*** Move to: b", "-x", "+y", "*** Update File: b", "-y", "+z"),
            *("*** Delete File: c", "*** Add File: c", "+new"),
            "*** Delete File: d",
        ]
        self.assertEqual(
            applied(parse(patch(*lines)), {"a": "x\n"}), {"n": "2\n", "a": None, "b": "z\n", "c": "new\n", "d": None}
        )

    def test_conflicts(self) -> None:
        """What does not go with an earlier operation."""
        self.wrong("a is there already", {"a": ""}, "*** Add File: a", "+x")
        self.wrong("b is there already", {"a": "", "b": ""}, "*** Update File: a", "*** Move to: b")
        self.wrong("b is there already", {"a": ""}, "*** Add File: b", "*** Update File: a", "*** Move to: b")
        self.wrong("was deleted or moved", {"a": "x"}, "*** Delete File: a", "*** Update File: a", "-x")
        self.wrong("was deleted or moved", {"a": "x"}, "*** Delete File: a", "*** Delete File: a")
        self.wrong("There is no file a", {}, "*** Update File: a", "-x")
