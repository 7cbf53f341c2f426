# -*- test-case-name: tests.config.test_certificates -*-
"""Files that are replaced as a whole, for their owner only: a reader sees the old one or the new one; and directories
for them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def make_directory(path: str | os.PathLike[str]) -> None:
    """Make a directory, and those above it that are missing, all for their owner only, whatever the umask lets others
    do: C{os.makedirs} gives its mode to the last one alone. What is there stays as it is.

    @raise OSError: it can not be made, or is something else.
    """
    name = os.fspath(path)
    if os.path.isdir(name):
        return
    parent = os.path.dirname(name)
    if parent not in ("", name):
        make_directory(parent)
    try:
        os.mkdir(name, 0o700)
    except FileExistsError:
        if not os.path.isdir(name):
            raise
    else:
        os.chmod(name, 0o700)  # whatever the umask took away


def replace_file(path: Path, data: bytes) -> None:
    """Write C{data} where C{path} is, on disk before the old file is gone; missing directories are made (0700).

    @raise OSError: that can not be done; the old file stands, and nothing else is left.
    """
    make_directory(path.parent)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as target:
            target.write(data)
            target.flush()
            os.fsync(target.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


__all__ = ["make_directory", "replace_file"]
