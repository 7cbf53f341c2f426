# -*- test-case-name: tests.config.test_temporary -*-
"""Directories that nobody has to remove."""

from __future__ import annotations

import shutil
import tempfile
import weakref


def temporary_directory(owner: object, prefix: str) -> str:
    """A fresh directory, which goes with its owner: when nothing refers to that any more, and at the latest when the
    process ends in the ordinary way.

    @raise OSError: it can not be made.
    """
    directory = tempfile.mkdtemp(prefix=prefix)
    weakref.finalize(owner, shutil.rmtree, directory, ignore_errors=True)
    return directory


__all__ = ["temporary_directory"]
