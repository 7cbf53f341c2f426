# -*- test-case-name: tests.config.test_temporary -*-
"""Directories that nobody has to remove."""

from __future__ import annotations

import gc
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.temporary import temporary_directory


class Owner:
    """Somebody who needs a directory."""


class TemporaryDirectoryTests(SynchronousTestCase):
    """L{temporary_directory}."""

    def test_goes_with_its_owner(self) -> None:
        """It is there for as long as its owner is, with all that is in it."""
        owner = Owner()
        directory = Path(temporary_directory(owner, "openclaw-x-"))
        (directory / "deep").mkdir()
        (directory / "deep" / "file").write_text("x")
        gc.collect()
        self.assertTrue(directory.is_dir())
        self.assertTrue(directory.name.startswith("openclaw-x-"))
        del owner
        gc.collect()
        self.assertFalse(directory.exists())
