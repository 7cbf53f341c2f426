# -*- test-case-name: tests.config.test_replacing -*-
"""Files and directories for their owner only, whatever the umask."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.replacing import make_directory, replace_file


class PrivateTests(SynchronousTestCase):
    """Under a umask that takes nothing away, and under one that takes too much."""

    def setUp(self) -> None:
        self.root = Path(self.mktemp()).absolute()
        self.root.mkdir()

    def modes(self, *names: str) -> list[int]:
        """Permission bits below the root."""
        return [(self.root / name).stat().st_mode & 0o777 for name in names]

    def test_directories(self) -> None:
        """Those on the way as well; one that was there keeps its mode."""
        self.root.chmod(0o755)
        for umask in (0o000, 0o777):
            before = os.umask(umask)
            try:
                make_directory(self.root / f"a{umask}/b/c")
            finally:
                os.umask(before)
            self.assertEqual(self.modes(f"a{umask}", f"a{umask}/b", f"a{umask}/b/c"), [0o700] * 3)
        self.assertEqual(self.modes("."), [0o755])
        make_directory(self.root)
        (self.root / "file").write_text("x")
        self.assertRaises(OSError, make_directory, self.root / "file")
        self.assertRaises(OSError, make_directory, self.root / "file" / "below")

    def test_files(self) -> None:
        """A new one, and one that others could read before."""
        before = os.umask(0)
        try:
            replace_file(self.root / "d" / "new", b"1")
            (self.root / "d" / "old").write_text("x")
            replace_file(self.root / "d" / "old", b"2")
        finally:
            os.umask(before)
        self.assertEqual(self.modes("d", "d/new", "d/old"), [0o700, 0o600, 0o600])
        self.assertEqual(sorted(each.name for each in (self.root / "d").iterdir()), ["new", "old"])
