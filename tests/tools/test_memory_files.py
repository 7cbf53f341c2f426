# -*- test-case-name: tests.tools.test_memory_files -*-
"""Which files are memory, and that no others are read."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools import memory_files
from openclaw_tx.tools.memory_files import MAX_FILE_BYTES, Corpus, corpus, locate, places, read_text


class FilesCase(SynchronousTestCase):
    """A workspace, and a directory beside it."""

    def setUp(self) -> None:
        """Make them."""
        base = Path(self.mktemp()).resolve()
        self.workspace, self.outside = base / "workspace", base / "outside"
        (self.workspace / "memory").mkdir(parents=True)
        self.outside.mkdir()
        self.write("secret.md", "secret", self.outside)

    def write(self, name: str, text: str = "x", base: Path | None = None) -> Path:
        """A file in the workspace."""
        path = (base or self.workspace) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def found(self, *extra: str, home: str = "") -> Corpus:
        """What is memory."""
        return corpus(places(str(self.workspace), extra, {"HOME": home} if home else {}))

    def paths(self, *extra: str, home: str = "") -> list[str]:
        """By their paths."""
        return sorted(file.path for file in self.found(*extra, home=home).files)

    def read(self, path: str, *extra: str) -> str:
        """What C{memory_get} reads."""
        return read_text(*locate(path, places(str(self.workspace), extra, {})))


class CorpusTests(FilesCase):
    """Finding."""

    def test_own(self) -> None:
        """MEMORY.md, memory.md, and all Markdown below memory/; nothing else of the workspace."""
        for name in (
            "MEMORY.md",
            "memory/2026-01-01.md",
            "memory/a/b/deep.MD",
            "memory/x.txt",
            "AGENTS.md",
            "notes/n.md",
        ):
            self.write(name)
        self.write("memory/.git/x.md")
        self.write("memory/.hidden.md")
        self.assertEqual(self.paths(), ["MEMORY.md", "memory/2026-01-01.md", "memory/a/b/deep.MD"])
        self.assertEqual({file.source for file in self.found().files}, {"memory"})

    def test_nothing(self) -> None:
        """No workspace, no memory."""
        self.assertEqual(corpus(places("/nowhere/at/all", ["x", "/nowhere"], {})), Corpus((), 0))

    def test_extra(self) -> None:
        """Files of any name, and directories of Markdown: inside by relative, outside by absolute path."""
        self.write("notes/n.md")
        self.write("README.txt")
        self.write("sub/deep.md", base=self.outside)
        outside = str(self.outside)
        self.assertEqual(self.paths("notes"), ["notes/n.md"])
        self.assertEqual(self.paths("./notes/", "notes/n.md"), ["notes/n.md"])
        self.assertEqual(self.paths("README.txt"), ["README.txt"])
        self.assertEqual(self.paths(outside), [f"{outside}/secret.md", f"{outside}/sub/deep.md"])
        self.assertEqual(self.paths("../outside/sub"), [f"{outside}/sub/deep.md"])
        self.assertEqual(self.paths("~/sub/deep.md", home=outside), [f"{outside}/sub/deep.md"])
        self.assertEqual(self.paths("."), ["notes/n.md"])
        self.assertEqual({file.source for file in self.found(outside).files}, {"extra"})

    def test_links(self) -> None:
        """Lead nowhere: not as a file, not as a directory, not as memory/ itself; the operator's own do."""
        os.symlink(self.outside / "secret.md", self.workspace / "MEMORY.md")
        os.symlink(self.outside / "secret.md", self.workspace / "memory" / "link.md")
        os.symlink(self.outside, self.workspace / "memory" / "dir")
        os.symlink(self.outside, self.workspace / "notes")
        self.assertEqual(self.paths("notes"), [])
        linked = self.workspace.parent / "linked"
        os.symlink(self.outside, linked)
        self.assertEqual(self.paths(str(linked)), [f"{linked}/secret.md"])
        (self.workspace / "memory" / "link.md").unlink()
        (self.workspace / "memory" / "dir").unlink()
        (self.workspace / "memory").rmdir()
        os.symlink(self.outside, self.workspace / "memory")
        self.assertEqual(self.paths(), [])

    def test_no_regular_files(self) -> None:
        """A pipe or a directory with the name of a file is none, and holds nobody up."""
        os.mkfifo(self.workspace / "memory" / "pipe.md")
        os.mkfifo(self.workspace / "MEMORY.md")
        (self.workspace / "memory" / "dir.md").mkdir()
        self.assertEqual(self.paths(), [])
        self.assertRaises(OSError, self.read, "MEMORY.md")

    def test_once(self) -> None:
        """A file that is reached in two ways is found once, as the agent's own."""
        self.write("memory/a.md")
        os.link(self.workspace / "memory" / "a.md", self.workspace / "MEMORY.md")
        (file,) = self.found("memory", str(self.workspace)).files
        self.assertEqual((file.path, file.source), ("MEMORY.md", "memory"))

    def test_bounds(self) -> None:
        """Too large, too many, too much: left out and counted; the newest and the agent's own stay."""
        self.write("memory/large.md", "x" * (MAX_FILE_BYTES + 1))
        for number in range(5):
            os.utime(self.write(f"memory/{number}.md", "x" * 100), (number, number))
        os.utime(self.write("extra/new.md", "x" * 100), (99, 99))
        self.assertEqual(self.found().left_out, 1)
        self.patch(memory_files, "MAX_FILES", 3)
        found = self.found("extra")
        self.assertEqual(([file.path for file in found.files], found.left_out),
                         (["memory/4.md", "memory/3.md", "memory/2.md"], 4))  # fmt: skip
        self.patch(memory_files, "MAX_TOTAL_BYTES", 250)
        self.assertEqual([file.path for file in self.found().files], ["memory/4.md", "memory/3.md"])
        self.patch(memory_files, "MAX_ENTRIES", 0)
        self.assertEqual(self.found().files, ())

    def test_depth(self) -> None:
        """Directories within each other, so many."""
        self.write("memory/" + "d/" * 16 + "x.md")
        self.write("memory/" + "d/" * 17 + "y.md")
        self.assertEqual([path[-4:] for path in self.paths()], ["x.md"])

    def test_odd_names(self) -> None:
        """A name that is no text is no file of ours."""
        Path(os.fsdecode(bytes(self.workspace / "memory") + b"/\xff.md")).write_text("x")
        self.assertEqual(self.paths(), [])

    def test_fingerprint(self) -> None:
        """Differs when something changed, and only then."""
        path = self.write("memory/a.md", "one")
        before = self.found().files[0].fingerprint
        self.assertEqual(self.found().files[0].fingerprint, before)
        path.write_text("three")
        self.assertNotEqual(self.found().files[0].fingerprint, before)


class ReadTests(FilesCase):
    """Reading by path."""

    def test_good(self) -> None:
        """As the search gives them, with or without a dot before."""
        self.write("MEMORY.md", "\ufeffm\xe9")
        self.write("memory/a/b.md", "b")
        self.write("notes/n.md", "n")
        outside = str(self.outside)
        self.assertEqual(self.read("MEMORY.md"), "m\xe9")
        self.assertEqual(self.read(" ./memory/a/b.md "), "b")
        self.assertEqual(self.read("notes/n.md", "notes"), "n")
        self.assertEqual(self.read("notes/n.md", "."), "n")
        self.assertEqual(self.read(f"{outside}/secret.md", outside), "secret")

    def test_what_is_found_can_be_read(self) -> None:
        """Every path of the corpus."""
        self.write("MEMORY.md")
        self.write("memory/a.md")
        self.write("n/b.MD")
        extra = ("n", str(self.outside), "../outside/secret.md")
        for file in self.found(*extra).files:
            self.read(file.path, *extra)

    def test_traversal(self) -> None:
        """Nothing else, however it is spelled."""
        self.write("AGENTS.md")
        self.write("memory.md.bak")
        self.write("memory/x.txt")
        self.write("memory/.hidden.md")
        outside = str(self.outside)
        for path in (
            "", "/", ".", "..", "memory", "memory/", "AGENTS.md", "memory/x.txt", "memory/.hidden.md", "memory.md.bak",
            "memory/../AGENTS.md", "memory/../../outside/secret.md", "../outside/secret.md", "memory//a.md",
            "memory/./a.md", f"{outside}/secret.md", f"memory/{outside}/secret.md", "memory/..\\..\\secret.md",
            "memory/\0.md", "memory\0/a.md", "/etc/passwd", "/etc/passwd.md", "//MEMORY.md", "memory/%2e%2e/AGENTS.md",
            "file:///MEMORY.md", "~/secret.md", f"{self.workspace}/MEMORY.md", f"{outside}x/secret.md",
        ):  # fmt: skip
            self.assertRaises((ValueError, OSError), self.read, path)
        for path in (f"{outside}/../workspace/AGENTS.md", f"{outside}/./secret.md", f"{outside}secret.md"):
            self.assertRaises(ValueError, self.read, path, outside)
        self.assertRaises(ValueError, self.read, f"{outside}/secret.md", ".")

    def test_links(self) -> None:
        """Are not followed, wherever they are in the path."""
        os.symlink(self.outside / "secret.md", self.workspace / "MEMORY.md")
        os.symlink(self.outside / "secret.md", self.workspace / "memory" / "link.md")
        os.symlink(self.outside, self.workspace / "memory" / "dir")
        for path in ("MEMORY.md", "memory/link.md", "memory/dir/secret.md"):
            self.assertRaises(OSError, self.read, path)

    def test_large(self) -> None:
        """Too large to be read says so."""
        self.write("memory/large.md", "x" * (MAX_FILE_BYTES + 1))
        self.assertIn("1024 KiB", str(self.assertRaises(ValueError, self.read, "memory/large.md")))

    def test_no_descriptor_is_left(self) -> None:
        """Whatever goes wrong."""
        self.write("memory/a.md")
        os.symlink(self.outside, self.workspace / "memory" / "dir")
        os.mkfifo(self.workspace / "memory" / "pipe.md")
        before = len(os.listdir("/dev/fd"))
        for path in ("memory/a.md", "memory/dir/secret.md", "memory/pipe.md", "memory/none.md", "memory/a/b/c.md"):
            try:
                self.read(path)
            except OSError:
                pass
            self.found(".")
        self.assertEqual(len(os.listdir("/dev/fd")), before)
