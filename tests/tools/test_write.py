# -*- test-case-name: tests.tools.test_write -*-
"""C{write}."""

from __future__ import annotations

from openclaw_tx.interfaces import ConcurrentTool
from openclaw_tx.tools.builtin.write import Write
from tests.tools.file_case import FileToolCase


class WriteTests(FileToolCase):
    """What is in the file then."""

    kind = Write

    def test_write(self) -> None:
        """A new file with its directories, then another content, byte for byte."""
        result = self.done(path="a/b.txt", content="hé\r\n")
        self.assertEqual((self.root / "a/b.txt").read_bytes(), b"h\xc3\xa9\r\n")
        self.assertEqual((result.text, result.details), ("Wrote 5 bytes to a/b.txt.", {"path": "a/b.txt", "bytes": 5}))
        self.done(file_path=str(self.root / "a/b.txt"), content="")
        self.assertEqual((self.root / "a/b.txt").read_bytes(), b"")

    def test_refused(self) -> None:
        """Directories, places outside, links that lead there; nothing is made on the way."""
        (self.root / "link").symlink_to(self.place)
        (self.root / "dangling").symlink_to(self.place / "later")
        for path in ("../x", str(self.place / "x"), "link/x", "link/new/x", "dangling", "~/x"):
            self.refused("outside of the workspace", path=path, content="x")
        self.assertEqual(sorted(path.name for path in self.place.iterdir()), ["secret", "workspace"])
        self.refused("is a directory", path=".", content="x")
        self.put("file", "")
        self.refused("not a directory", path="file/x", content="x")

    def test_alone(self) -> None:
        """Writing is not done beside other calls."""
        self.assertNotIsInstance(self.tool, ConcurrentTool)
