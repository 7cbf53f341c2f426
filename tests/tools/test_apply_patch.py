# -*- test-case-name: tests.tools.test_apply_patch -*-
"""C{apply_patch}."""

from __future__ import annotations

import stat

from openclaw_tx.interfaces import ConditionalTool
from openclaw_tx.tools.builtin.apply_patch import ApplyPatch
from openclaw_tx.tools.file_tool import MAX_FILE_BYTES
from openclaw_tx.values import ToolResult
from tests.tools.doubles import AGENT
from tests.tools.file_case import FileToolCase
from tests.tools.test_patch import patch


class ApplyPatchTests(FileToolCase):
    """What becomes of the files."""

    kind = ApplyPatch

    def apply(self, *lines: str) -> ToolResult:
        """A patch that can be applied."""
        return self.done(input=patch(*lines))

    def unfit(self, why: str, *lines: str) -> None:
        """A patch that can not be applied, and changes nothing."""
        before = self.contents()
        self.refused(why, input=patch(*lines))
        self.assertEqual(self.contents(), before)

    def contents(self) -> dict[str, str]:
        """All files of the workspace."""
        return {str(path.relative_to(self.root)): path.read_text() for path in self.root.rglob("*") if path.is_file()}

    def test_all(self) -> None:
        """Every kind of operation at once; a file that moves keeps its permissions."""
        self.put("a", "1\n2\n")
        self.put("old", "x\n").chmod(0o755)
        self.put("gone", "")
        result = self.apply(
            *("*** Add File: sub/new", "+hello"),
            *("*** Update File: a", " 1", "-2", "+3"),
            *("*** Update File: old", "*** Move to: sub/moved", "-x", "+y"),
            "*** Delete File: gone",
        )
        self.assertEqual(self.contents(), {"a": "1\n3\n", "sub/new": "hello\n", "sub/moved": "y\n"})
        self.assertEqual(stat.S_IMODE((self.root / "sub/moved").stat().st_mode), 0o755)
        self.assertEqual(
            result.details["summary"],
            {"added": ["sub/new", "sub/moved"], "modified": ["a"], "deleted": ["old", "gone"]},
        )
        self.assertEqual(result.text, "Done:\nA sub/new\nA sub/moved\nM a\nD old\nD gone")

    def test_all_or_nothing(self) -> None:
        """When one passage of one file does not fit, or one file can not be written, nothing is."""
        self.put("a", "1\n")
        self.put("b", "1\n")
        self.put("d/x", "")
        first = ("*** Update File: a", "-1", "+2")
        self.unfit("passage 1 of 1", *first, "*** Update File: b", "-9", "+2")
        self.unfit("There is no file c", *first, "*** Update File: c", "-9", "+2")
        self.unfit("There is no file", *first, "*** Delete File: c")
        self.unfit("There is no file", *first, "*** Delete File: c/d/e")
        self.unfit("is a directory", *first, "*** Delete File: d")
        self.unfit("is there already", *first, "*** Add File: b", "+x")
        self.unfit("is there already", *first, "*** Update File: b", "*** Move to: d/x")
        self.unfit("Line 4", *first[:2], "what?")

    def test_same_file_twice(self) -> None:
        """Two names of one file are one file."""
        self.put("d/a", "1\n2\n")
        (self.root / "link").symlink_to("d/a")
        self.apply("*** Update File: link", "-1", "+one", "*** Update File: d/../d/./a", "-2", "+two")
        self.assertEqual((self.root / "d/a").read_text(), "one\ntwo\n")
        self.unfit("changed by somebody else", "*** Add File: new/x", "+1", "*** Add File: new/./x", "+2")

    def test_bytes(self) -> None:
        """What is no UTF-8 stays; what is no text is refused."""
        file = self.put("a", b"\xff\r\nx\r\n")
        self.apply("*** Update File: a", "-x", "+y")
        self.assertEqual(file.read_bytes(), b"\xff\r\ny\r\n")
        file.write_bytes(b"\0\nx\n")
        self.unfit("not a text file", "*** Update File: a", "-x", "+y")
        file.open("r+b").truncate(MAX_FILE_BYTES + 1)
        self.refused("larger than", input=patch("*** Update File: a", "-x", "+y"))

    def test_confined(self) -> None:
        """To the workspace, also where the other file tools are not; only both settings together free it."""
        (self.root / "link").symlink_to(self.place)
        escapes = (
            ("*** Add File: ../x", "+x"),
            (f"*** Add File: {self.place}/x", "+x"),
            ("*** Add File: link/x", "+x"),
            ("*** Add File: new/../../x", "+x"),
            ("*** Delete File: ../secret",),
            ("*** Update File: link/secret", "-outside", "+x"),
        )
        self.put("mine", "")
        for lines in (*escapes, ("*** Update File: mine", "*** Move to: ../x")):
            self.unfit("outside of the workspace", *lines)
        self.configure(tools={"fs": {"workspaceOnly": False}})
        for lines in escapes:
            self.refused("outside of the workspace", input=patch(*lines))
        self.configure(tools={"exec": {"applyPatch": {"workspaceOnly": False}}})
        self.unfit("outside of the workspace", *escapes[0])
        self.configure(tools={"fs": {"workspaceOnly": False}, "exec": {"applyPatch": {"workspaceOnly": False}}})
        self.done(input=patch(*escapes[0]))
        self.assertEqual((self.place / "x").read_text(), "x\n")

    def test_offered(self) -> None:
        """Unless it is switched off, and to the models of the list, by ref or bare id."""
        assert isinstance(self.tool, ConditionalTool)
        self.assertTrue(self.tool.offered(AGENT, "openai/gpt-5"))
        self.configure(tools={"exec": {"applyPatch": {"enabled": False}}})
        self.assertFalse(self.tool.offered(AGENT, "openai/gpt-5"))
        self.configure(tools={"exec": {"applyPatch": {"allowModels": ["GPT-5", "q/m/1"]}}})
        for ref, offered in (("openai/gpt-5", True), ("openai/gpt-5.2", False), ("q/m/1", True), ("p/m/1", False)):
            self.assertEqual(self.tool.offered(AGENT, ref), offered, ref)
