# -*- test-case-name: tests.tools.test_confined -*-
"""No way out of the workspace."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.tools.confined import (
    MAX_DEPTH,
    FileMissing,
    FileRefused,
    Files,
    IsDirectory,
    Spot,
    files_of,
    open_regular,
    told,
)
from tests.tools.doubles import AGENT


class Swapping(Files):
    """Somebody exchanges a name for another right after it was looked at."""

    def __init__(self, root: str, name: str, swap: Callable[[], None]) -> None:
        super().__init__(root)
        self._name = name
        self._swap = swap

    def _link(self, handle: int, name: str) -> str | None:
        found = super()._link(handle, name)
        if name == self._name:
            self._swap()
        return found


class FilesTests(SynchronousTestCase):
    """A workspace beside a secret."""

    def setUp(self) -> None:
        """workspace/a/b/text, workspace/top, and secret outside."""
        self.place = Path(self.mktemp()).absolute()
        self.root = self.place / "workspace"
        (self.root / "a" / "b").mkdir(parents=True)
        (self.root / "a" / "b" / "text").write_text("inside")
        (self.root / "top").write_text("at the top")
        (self.place / "secret").write_text("outside")
        (self.place / "dir").mkdir()
        (self.place / "dir" / "secret").write_text("outside")
        self.files = Files(str(self.root))

    def read(self, path: str) -> str:
        """What a path gives."""
        return self.files.read(path, 1000).data.decode()

    def refused(self, path: str, why: str, kind: type[FileRefused] = FileRefused) -> None:
        """A path gives nothing, for every way to use it."""
        error = self.assertRaises(kind, self.files.read, path, 1000)
        self.assertIn(why, str(error))

    def outside(self, *paths: str) -> None:
        """Paths that lead out, whatever one wants of them."""
        for path in paths:
            self.refused(path, "outside of the workspace")
            for use in (self.files.directory, self.files.locate):
                self.assertIn("outside of the workspace", str(self.assertRaises(FileRefused, use, path)))
            self.assertRaises(FileRefused, self.files.entries, path, 10)

    def test_inside(self) -> None:
        """Relative and absolute paths, and .. as long as it stays within."""
        for path in (
            "a/b/text",
            "./a//b/./text",
            "a/../a/b/text",
            f"{self.root}/a/b/text",
            f"//{self.root}/./a/b/text",
        ):
            self.assertEqual(self.read(path), "inside")
        self.assertEqual(self.files.locate("a/../new"), str(self.root / "new"))

    def test_traversal(self) -> None:
        """.. beyond the top, absolute paths elsewhere, and a root that is only the beginning of a name."""
        (self.place / "workspace2").mkdir()
        self.outside(
            "..",
            "../secret",
            "a/../../secret",
            "a/b/../../../secret",
            "/etc/passwd",
            "/",
            f"{self.root}/../secret",
            f"{self.root}2",
            str(self.place / "secret"),
            "~/secret",
            "~",
        )

    def test_tilde_in_names(self) -> None:
        """Only ~ alone or with a slash means a home directory."""
        (self.root / "~notes").write_text("mine")
        self.assertEqual(self.read("~notes"), "mine")

    def test_links_out(self) -> None:
        """A link to a file, a directory, in the middle, through another link, relative or absolute."""
        (self.root / "file").symlink_to(self.place / "secret")
        (self.root / "relative").symlink_to("../secret")
        (self.root / "dir").symlink_to(self.place / "dir")
        (self.root / "a" / "up").symlink_to("../..")
        (self.root / "twice").symlink_to("a/up/secret")
        (self.root / "proc").symlink_to("/proc/self/cwd")
        self.outside("file", "relative", "dir/secret", "a/up/secret", "twice", "proc/secret")
        (self.root / "dangling").symlink_to(self.place / "nothing")
        self.outside("dangling")

    def test_links_within(self) -> None:
        """Links that stay within are followed, and an absolute one that goes by the workspace's own path."""
        (self.root / "relative").symlink_to("a/b/../b/text")
        (self.root / "a" / "absolute").symlink_to(self.root / "a" / "b")
        (self.root / "a" / "b" / "back").symlink_to("../../top")
        self.assertEqual(self.read("relative"), "inside")
        self.assertEqual(self.read("a/absolute/text"), "inside")
        self.assertEqual(self.read("a/absolute/back"), "at the top")
        self.assertEqual(self.files.locate("a/absolute/back"), str(self.root / "top"))
        (self.root / "dangling").symlink_to("nothing")
        self.refused("dangling", "no file", FileMissing)

    def test_linked_workspace(self) -> None:
        """The workspace itself may be a link; both of its names are it."""
        (self.place / "link").symlink_to(self.root)
        self.files = Files(str(self.place / "link"))
        self.assertEqual(self.read("top"), "at the top")
        self.assertEqual(self.read(str(self.place / "link" / "top")), "at the top")
        self.assertEqual(self.read(str(self.root / "top")), "at the top")
        self.outside("../secret")

    def test_circles(self) -> None:
        """Links in a circle end."""
        (self.root / "one").symlink_to("two")
        (self.root / "two").symlink_to("one")
        self.refused("one", "too many symbolic links")

    def test_swapped_directory(self) -> None:
        """A directory that becomes a link out between the look and the step is not entered."""

        def swap() -> None:
            (self.root / "a").rename(self.place / "moved")
            (self.root / "a").symlink_to(self.place / "dir")

        self.files = Swapping(str(self.root), "a", swap)
        self.refused("a/secret", "not a directory")

    def test_swapped_file(self) -> None:
        """A file that becomes a link out between the look and the opening is not opened."""

        def swap() -> None:
            (self.root / "top").unlink()
            (self.root / "top").symlink_to(self.place / "secret")

        self.files = Swapping(str(self.root), "top", swap)
        self.refused("top", "not a regular file")

    def test_swapped_at_the_last_moment(self) -> None:
        """Also the opening itself follows no link: the kernel is told so."""
        (self.root / "link").symlink_to(self.place / "secret")
        handle = os.open(self.root, os.O_RDONLY)
        self.addCleanup(os.close, handle)
        error = self.assertRaises(OSError, os.open, "link", os.O_RDONLY | os.O_NOFOLLOW, dir_fd=handle)
        with self.assertRaises(FileRefused) as told_of, told("link"):
            raise error
        self.assertIn("exchanged", str(told_of.exception))
        self.assertRaises(FileRefused, open_regular, Spot(handle, "link", "link"))

    def test_renamed_away(self) -> None:
        """.. goes back to where the walk came from, wherever the directory has been moved to meanwhile."""

        def swap() -> None:
            (self.root / "a" / "b").rename(self.place / "dir" / "b")

        self.files = Swapping(str(self.root), "last", swap)
        (self.root / "a" / "b" / "last").mkdir()
        self.assertEqual(self.read("a/b/last/../../../top"), "at the top")
        self.files = Files(str(self.root))
        self.refused("a/b/text", "no file", FileMissing)

    def test_no_regular_files(self) -> None:
        """Pipes, sockets, devices and directories are refused at once, without a wait."""
        os.mkfifo(self.root / "pipe")
        self.refused("pipe", "not a regular file")
        self.refused("a", "is a directory", IsDirectory)
        self.files = Files(str(self.root), confined=False)
        self.refused("/dev/zero", "not a regular file")

    def test_bad_names(self) -> None:
        """Names that no file can have."""
        for path in ("", "nul\0", "a" * 5000, "\ud800"):
            self.assertRaises(FileRefused, self.files.read, path, 10)
        self.refused("n" * 300, "File name too long")
        self.refused("/".join(["d"] * 2000), "no file")
        self.refused("top/x", "not a directory")
        self.refused("nothing", "no file nothing", FileMissing)

    def test_depth(self) -> None:
        """A path may hold only so many directories open."""
        deep = "/".join(["d"] * (MAX_DEPTH + 2))
        with self.assertRaises(FileRefused) as refused, told(deep), self.files.spot(deep, create=True):
            pass
        self.assertIn("too many directories", str(refused.exception))

    def test_limit(self) -> None:
        """A file larger than wanted is refused before it is read; a huge one costs nothing."""
        with open(self.root / "huge", "wb") as file:
            file.truncate(1 << 40)
        self.refused("huge", "larger than 1000 bytes")
        self.assertEqual(len(self.files.read("top", 10).data), 10)
        self.assertRaises(FileRefused, self.files.read, "top", 9)

    def test_entries(self) -> None:
        """Names of a directory, sorted, bounded, also those that are no text."""
        with open(os.fsencode(self.root) + b"/\xff", "wb"):
            pass
        self.assertEqual(self.files.entries(".", 10), ["?", "a/", "top"])
        self.assertEqual(len(self.files.entries("a/..", 2)), 2)
        self.assertRaises(FileRefused, self.files.entries, "top", 10)

    def test_directory(self) -> None:
        """A directory for those who need a path."""
        (self.root / "link").symlink_to("a/b")
        self.assertEqual(self.files.directory("link"), str(self.root / "a" / "b"))
        self.assertEqual(self.files.directory("."), str(self.root))
        self.assertRaises(FileRefused, self.files.directory, "top")
        self.assertRaises(FileMissing, self.files.directory, "nothing")

    def test_no_workspace(self) -> None:
        """A workspace that is not there yet has no files."""
        self.files = Files(str(self.place / "later"))
        self.refused("x", "no file", FileMissing)

    def test_not_confined(self) -> None:
        """The whole machine, with ~, relative paths still from the workspace."""
        self.files = Files(str(self.root), confined=False, home=str(self.place))
        (self.root / "link").symlink_to(self.place / "secret")
        for path in ("../secret", "~/secret", str(self.place / "secret"), "link", "/.." + str(self.place / "secret")):
            self.assertEqual(self.read(path), "outside")
        self.assertEqual(self.read("top"), "at the top")
        self.files = Files(str(self.root), confined=False)
        self.refused("~/secret", "no home directory")

    def test_nothing_left_open(self) -> None:
        """No handle is left, however a walk ends."""
        (self.root / "out").symlink_to("..")
        before = len(os.listdir("/proc/self/fd"))
        for path in ("a/b/text", "a/b/nothing", "out", "a/b/../../..", "a", "top/x"):
            try:
                self.files.read(path, 1000)
            except FileRefused:
                pass
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)


class SettingsTests(SynchronousTestCase):
    """Who is confined."""

    def confined(self, **fields: object) -> bool:
        """Whether agent main is, by a configuration."""
        return files_of(msgspec.convert(fields, Config), AGENT, "/home").confined

    def test_settings(self) -> None:
        """By default; tools.fs switches it, an agent's own setting goes before."""
        free, bound = {"fs": {"workspaceOnly": False}}, {"fs": {"workspaceOnly": True}}
        self.assertTrue(self.confined())
        self.assertFalse(self.confined(tools=free))
        self.assertTrue(self.confined(tools=free, agents={"list": [{"id": "main", "tools": bound}]}))
        self.assertFalse(self.confined(agents={"list": [{"id": "main", "tools": free}]}))
        self.assertTrue(self.confined(agents={"list": [{"id": "other", "tools": free}]}))
        self.assertEqual(files_of(Config(), AGENT, "").root, "/w")
