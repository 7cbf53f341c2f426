# -*- test-case-name: tests.tools.test_below -*-
"""Below a directory and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.tools.below import read_below


class BelowTests(SynchronousTestCase):
    """Reading."""

    def setUp(self) -> None:
        """A directory, with another one beside it."""
        base = Path(self.mktemp()).resolve()
        self.root, self.outside = base / "root", base / "outside"
        (self.root / "a" / "b").mkdir(parents=True)
        self.outside.mkdir()
        (self.outside / "secret").write_text("secret")
        (self.root / "a" / "b" / "file").write_text("content")

    def read(self, relative: str, limit: int = 100) -> bytes:
        """Read a file."""
        return read_below(str(self.root), relative, limit)

    def test_good(self) -> None:
        """A file in a directory; the root may be a link."""
        self.assertEqual(self.read("a/b/file"), b"content")
        linked = self.root.parent / "linked"
        os.symlink(self.root, linked)
        self.assertEqual(read_below(str(linked), "a/b/file", 100), b"content")

    def test_limit(self) -> None:
        """Just so much."""
        self.assertEqual(self.read("a/b/file", 7), b"content")
        self.assertRaises(ValueError, self.read, "a/b/file", 6)

    def test_out(self) -> None:
        """No name and no link leads out, or back in."""
        os.symlink(self.outside / "secret", self.root / "link")
        os.symlink(self.outside, self.root / "a" / "dir")
        os.symlink("b", self.root / "a" / "inner")
        out = ["link", "a/dir/secret", "a/inner/file", "../outside/secret", "a/../../outside/secret", "..", "a/.."]
        odd = ["", ".", "/etc/passwd", "a//b/file", "a/./b/file", "a/b/", "a/b", "none", "a/b/file/x"]
        for relative in (*out, *odd):
            self.assertRaises(OSError, self.read, relative)

    def test_no_waiting(self) -> None:
        """A pipe is no file."""
        os.mkfifo(self.root / "pipe")
        self.assertRaises(OSError, self.read, "pipe")
