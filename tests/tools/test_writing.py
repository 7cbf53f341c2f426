# -*- test-case-name: tests.tools.test_writing -*-
"""Files are changed whole, and together or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools.confined import FileMissing, FileRefused, Files
from openclaw_tx.tools.writing import MAX_FILES, Change, change


class ChangeTests(SynchronousTestCase):
    """Changes of a workspace."""

    def setUp(self) -> None:
        """One file."""
        self.place = Path(self.mktemp()).absolute()
        self.root = self.place / "w"
        self.root.mkdir(parents=True)
        self.one = self.root / "one"
        self.one.write_text("old")
        self.files = Files(str(self.root))

    def change(self, *changes: Change) -> None:
        """Make changes; nothing else is left in the workspace."""
        try:
            change(self.files, changes)
        finally:
            self.assertEqual([name for name in self.names() if "openclaw" in name], [])

    def names(self) -> list[str]:
        """Every file there is."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*"))

    def refused(self, why: str, *changes: Change) -> None:
        """Changes that can not be made, and leave the file as it was."""
        before = self.names()
        with self.assertRaises(FileRefused) as refused:
            self.change(*changes)
        self.assertIn(why, str(refused.exception))
        self.assertEqual((self.one.read_text(), self.names()), ("old", before))

    def test_new_file(self) -> None:
        """With its directories, and the usual permissions."""
        self.change(Change("a/b/new", b"text"))
        self.assertEqual((self.root / "a/b/new").read_bytes(), b"text")
        umask = os.umask(0)
        os.umask(umask)
        self.assertEqual(stat.S_IMODE((self.root / "a/b/new").stat().st_mode), 0o666 & ~umask)

    def test_new_workspace(self) -> None:
        """A workspace that is not there yet is made."""
        self.files = Files(str(self.place / "later" / "w"))
        change(self.files, [Change("x", b"1")])
        self.assertEqual((self.place / "later/w/x").read_bytes(), b"1")

    def test_replaced(self) -> None:
        """Another file in the same place, of the same permissions; who reads the old one goes on reading it."""
        self.one.chmod(0o750)
        with self.one.open() as reader:
            self.change(Change("one", b"new"))
            self.assertEqual(reader.read(), "old")
        self.assertEqual(self.one.read_text(), "new")
        self.assertEqual(stat.S_IMODE(self.one.stat().st_mode), 0o750)

    def test_no_set_user_id(self) -> None:
        """A program that runs as its owner does not do so with other content."""
        self.one.chmod(0o4755)
        self.change(Change("one", b"new"))
        self.assertEqual(stat.S_IMODE(self.one.stat().st_mode), 0o755)

    def test_hard_link(self) -> None:
        """The other name of a file keeps the old content: it may be outside."""
        os.link(self.one, self.place / "other")
        self.change(Change("one", b"new"))
        self.assertEqual((self.place / "other").read_text(), "old")

    def test_through_a_link(self) -> None:
        """A link within is written through, and stays; one that leads out is refused, dangling or not."""
        (self.root / "link").symlink_to("one")
        (self.root / "later").symlink_to("two")
        self.change(Change("link", b"new"), Change("later", b"2"))
        self.assertTrue((self.root / "link").is_symlink())
        self.assertEqual((self.one.read_text(), (self.root / "two").read_text()), ("new", "2"))
        self.one.write_text("old")
        (self.root / "out").symlink_to(self.place / "x")
        (self.root / "dir").symlink_to(self.place)
        self.refused("outside", Change("out", b"no"))
        self.refused("outside", Change("dir/x", b"no"))
        self.assertFalse((self.place / "x").exists())

    def test_removed(self) -> None:
        """A file goes; what is not there can not."""
        self.change(Change("one", None))
        self.assertEqual(self.names(), [])
        self.assertRaises(FileMissing, change, self.files, [Change("one", None)])
        self.assertRaises(FileMissing, change, self.files, [Change("a/one", None)])

    def test_no_files(self) -> None:
        """Directories and pipes are neither replaced nor removed."""
        (self.root / "dir").mkdir()
        os.mkfifo(self.root / "pipe")
        for data in (b"", None):
            self.refused("is a directory", Change("dir", data))
            self.refused("is a directory", Change(".", data))
            self.refused("not a regular file", Change("pipe", data))

    def test_expectations(self) -> None:
        """A file that must be new, or still the one it was."""
        stamp = self.files.read("one", 10).stamp
        self.refused("is there already", Change("one", b"", new=True))
        self.refused("no file", Change("two", b"", before=stamp))
        self.change(Change("one", b"old", before=stamp))
        self.refused("changed by somebody else", Change("one", b"", before=stamp))

    def test_all_or_nothing(self) -> None:
        """When one change is refused the others are not made."""
        self.refused("is a directory", Change("one", b"new"), Change("two", b"2"), Change(".", b""))
        self.refused("no file", Change("one", None), Change("two", b"2"), Change("three", None))

    def test_taken_back(self) -> None:
        """When a change fails at the very last (here: one file is named twice), those already made are taken back."""
        (self.root / "gone").write_text("x")
        kept = self.one.stat()
        self.refused(
            "one was changed by somebody else",
            Change("two", b"2"),
            Change("gone", None),
            Change("one", b"new"),
            Change("one", b"newer"),
        )
        self.assertEqual(self.names(), ["gone", "one"])
        self.assertEqual(self.one.stat().st_ino, kept.st_ino)

    def test_too_many(self) -> None:
        """The number of files is bounded."""
        self.refused("More than", *(Change(f"f{number}", b"") for number in range(MAX_FILES + 1)))

    def test_mode(self) -> None:
        """A new file may be given permissions."""
        self.change(Change("script", b"", mode=0o755))
        self.assertEqual(stat.S_IMODE((self.root / "script").stat().st_mode), 0o755)

    def test_nothing_left_open(self) -> None:
        """No handle is left."""
        before = len(os.listdir("/proc/self/fd"))
        self.change(Change("one", b"old"), Change("a/b/c", b""))
        self.refused("is a directory", Change("one", b""), Change("a/b", b""))
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
