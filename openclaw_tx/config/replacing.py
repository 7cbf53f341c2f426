# -*- test-case-name: tests.config.test_certificates -*-
"""Files that are replaced as a whole, for their owner only: a reader sees the old one or the new one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def replace_file(path: Path, data: bytes) -> None:
    """Write C{data} where C{path} is, on disk before the old file is gone; missing directories are made (0700).

    @raise OSError: that can not be done; the old file stands, and nothing else is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
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


__all__ = ["replace_file"]
