# -*- test-case-name: tests.agents.test_workspace -*-
"""Workspace files: what is read, when, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.agents.workspace import MAX_BYTES, STANDARD, Workspace, WorkspaceFile, clipped


class WorkspaceTests(SynchronousTestCase):
    """One directory."""

    def setUp(self) -> None:
        """An empty directory."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.workspace = Workspace(str(self.directory))

    def write(self, name: str, data: bytes | str) -> Path:
        """Put a file there."""
        path = self.directory / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def file(self, name: str) -> WorkspaceFile:
        """The file as the workspace now sees it."""
        self.workspace.refresh()
        return next(file for file in self.workspace.files if file.name == name)

    def test_no_directory(self) -> None:
        """A workspace that does not exist holds no files, missing or not."""
        workspace = Workspace(str(self.directory / "none"))
        workspace.refresh()
        self.assertEqual(workspace.files, ())

    def test_directory_appears(self) -> None:
        """A directory made later is seen, with its missing files."""
        workspace = Workspace(str(self.directory / "later"))
        before = workspace.refresh()
        (self.directory / "later").mkdir()
        self.assertGreater(workspace.refresh(), before)
        self.assertEqual([file.name for file in workspace.files], list(STANDARD))

    def test_order_and_missing(self) -> None:
        """Files come in the fixed order; standard ones that are missing are named, memory is only there if it is."""
        for name in ("memory.md", "USER.md", "AGENTS.md", "OTHER.md"):
            self.write(name, name)
        self.workspace.refresh()
        names = [file.name for file in self.workspace.files]
        self.assertEqual(names, [*STANDARD, "memory.md"])
        self.assertEqual(
            [file.name for file in self.workspace.files if not file.missing], ["AGENTS.md", "USER.md", "memory.md"]
        )
        self.assertEqual(self.file("SOUL.md").path, str(self.directory / "SOUL.md"))

    def test_unchanged_is_not_read_again(self) -> None:
        """Only a changed file is read: the text of an unchanged one is the very same object."""
        self.write("AGENTS.md", "one " * 100)
        self.write("USER.md", "ann")
        agents, version = self.file("AGENTS.md"), self.workspace.version
        self.assertEqual(self.workspace.refresh(), version)
        self.write("USER.md", "anna")
        self.assertGreater(self.workspace.refresh(), version)
        self.assertIs(self.file("AGENTS.md"), agents)
        self.assertEqual(self.file("USER.md").text, "anna")

    def test_same_size_other_time(self) -> None:
        """A change that keeps the size is seen by its time."""
        path = self.write("USER.md", "ann")
        self.assertEqual(self.file("USER.md").text, "ann")
        path.write_text("bob")
        os.utime(path, ns=(1, 1))
        self.assertEqual(self.file("USER.md").text, "bob")

    def test_touched(self) -> None:
        """A new time, or a new file with the old content, is no change."""
        path = self.write("USER.md", "ann")
        version, files = self.workspace.refresh(), self.workspace.files
        os.utime(path, ns=(1, 1))
        self.assertEqual(self.workspace.refresh(), version)
        path.unlink()
        self.write("USER.md", "ann")
        self.assertEqual(self.workspace.refresh(), version)
        self.assertIs(self.workspace.files, files)

    def test_comments_of_a_heartbeat(self) -> None:
        """HEARTBEAT.md with comments alone is empty; with anything else it is whole; others keep their headings."""
        self.write("HEARTBEAT.md", "# Look after:\n\n  # nothing\n")
        self.write("USER.md", "# Ann\n")
        self.assertEqual(self.file("HEARTBEAT.md").text, "")
        self.assertEqual(self.file("USER.md").text, "# Ann")
        self.write("HEARTBEAT.md", "# Look after:\n- the mail\n")
        self.assertEqual(self.file("HEARTBEAT.md").text, "# Look after:\n- the mail")

    def test_deleted_and_back(self) -> None:
        """A file may go and come back."""
        path = self.write("USER.md", "ann")
        self.assertEqual(self.file("USER.md").text, "ann")
        path.unlink()
        self.assertTrue(self.file("USER.md").missing)
        self.write("USER.md", "eve")
        self.assertEqual(self.file("USER.md").text, "eve")

    def test_undecodable(self) -> None:
        """Bytes that are not UTF-8 are replaced, a byte order mark is dropped."""
        self.write("USER.md", b"\xef\xbb\xbfa\xffb\n")
        self.assertEqual(
            self.file("USER.md"), WorkspaceFile("USER.md", str(self.directory / "USER.md"), "a\ufffdb", "")
        )

    def test_empty(self) -> None:
        """An empty file is there, and has nothing to show."""
        self.write("USER.md", " \n\n")
        self.assertEqual(self.file("USER.md").text, "")
        self.assertEqual(self.file("USER.md").problem, "")

    def test_too_large(self) -> None:
        """A file over the limit is refused; one that just fits is not."""
        self.write("USER.md", b"x" * (MAX_BYTES + 1))
        self.assertIn("larger than 2 MiB", self.file("USER.md").problem)
        self.write("USER.md", b"x" * MAX_BYTES)
        self.assertEqual(self.file("USER.md").problem, "")

    def test_link_out(self) -> None:
        """A link that leads out of the workspace is refused, also through a directory beside it."""
        secret = self.directory.parent / f"{self.directory.name}-secret"
        secret.write_text("secret")
        (self.directory / "USER.md").symlink_to(secret)
        (self.directory / "SOUL.md").symlink_to(f"../{secret.name}")
        for name in ("USER.md", "SOUL.md"):
            self.assertIn("outside", self.file(name).problem)
            self.assertEqual(self.file(name).text, "")

    def test_link_inside(self) -> None:
        """A link to a file within the workspace is read, also when the workspace itself is a link."""
        (self.directory / "docs").mkdir()
        (self.directory / "docs" / "me").write_text("ann")
        (self.directory / "USER.md").symlink_to("docs/me")
        self.assertEqual(self.file("USER.md").text, "ann")
        alias = self.directory.parent / f"{self.directory.name}-alias"
        alias.symlink_to(self.directory)
        workspace = Workspace(str(alias))
        workspace.refresh()
        self.assertIn("ann", [file.text for file in workspace.files])

    def test_no_file(self) -> None:
        """A directory or a pipe of that name is refused without waiting for a writer; a dangling link is missing."""
        (self.directory / "USER.md").mkdir()
        os.mkfifo(self.directory / "SOUL.md")
        (self.directory / "TOOLS.md").symlink_to("nowhere")
        (self.directory / "AGENTS.md").symlink_to("AGENTS.md")
        self.assertIn("regular", self.file("USER.md").problem)
        self.assertIn("regular", self.file("SOUL.md").problem)
        self.assertTrue(self.file("TOOLS.md").missing)
        self.assertTrue(self.file("AGENTS.md").missing)

    def test_one_file_two_names(self) -> None:
        """MEMORY.md and memory.md that are one file appear once."""
        self.write("MEMORY.md", "m")
        os.link(self.directory / "MEMORY.md", self.directory / "memory.md")
        self.workspace.refresh()
        self.assertEqual([file.name for file in self.workspace.files if file.text], ["MEMORY.md"])


class ClippedTests(SynchronousTestCase):
    """Files too long for the prompt."""

    def test_short(self) -> None:
        """What fits is left as it is."""
        self.assertEqual(clipped("x" * 10, 10), "x" * 10)

    def test_long(self) -> None:
        """The first 70 %, a marker with the number left out, the last 20 %."""
        text = "a" * 70 + "b" * 100 + "c" * 20
        cut = clipped(text, 100)
        self.assertTrue(cut.startswith("a" * 70 + "\n["))
        self.assertTrue(cut.endswith("]\n" + "c" * 20))
        self.assertIn("100 characters", cut)
        self.assertNotIn("b" * 10, cut)

    @given(st.text(max_size=300), st.integers(-5, 300))
    def test_bound(self, text: str, limit: int) -> None:
        """Whatever the text, it keeps its limit plus one short marker."""
        cut = clipped(text, limit)
        self.assertLessEqual(len(cut), max(0, limit) + 80)
        if limit <= 0 and text:
            self.assertEqual(cut, "")
