# -*- test-case-name: tests.tools.test_below -*-
"""Reading below a directory and nowhere else: name by name, following no symbolic link. Blocking; for a thread."""

from __future__ import annotations

import errno
import os
import stat

_LINKS = {
    errno.ELOOP: "it is a symbolic link, and links are not followed",
    errno.ENOTDIR: "a part of its path is no directory, or a symbolic link",
}
"""What the system says of links that were not followed would only confuse."""


def reason(error: OSError) -> str:
    """Why a file could not be opened or read, in words for whoever asked."""
    if not error.errno:
        return str(error)
    return _LINKS.get(error.errno) or os.strerror(error.errno)


def read_below(root: str, relative: str, limit: int) -> bytes:
    """A whole file.

    @param limit: bytes.
    @raise OSError: as L{open_below}.
    @raise ValueError: it is larger.
    """
    with os.fdopen(open_below(root, relative), "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"it is larger than {limit // 1024} KiB")
    return data


def open_below(root: str, relative: str) -> int:
    """Open a regular file for reading.

    @param root: absolute path of a directory; it may be a link itself.
    @param relative: names with slashes between them; C{..} leads nowhere.
    @return: its descriptor.
    @raise OSError: it is not there, or is no regular file, or a link is in the way.
    """
    directory, _, name = relative.rpartition("/")
    if name in ("", ".", ".."):
        raise OSError("it is not a regular file")
    parent = directory_below(root, directory)
    try:
        # Not blocking, or a named pipe would hold up the thread.
        handle = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    finally:
        os.close(parent)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError("it is not a regular file")
    return handle


def directory_below(root: str, relative: str) -> int:
    """Open a directory.

    @param relative: as for L{open_below}; "" = the root itself.
    @return: its descriptor.
    @raise OSError: it is not there, or a link is in the way.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    handle = os.open(root, flags)
    for part in relative.split("/") if relative else ():
        try:
            if part in ("", ".", ".."):
                raise OSError("it is not below the directory")
            below = os.open(part, flags | os.O_NOFOLLOW, dir_fd=handle)
        finally:
            os.close(handle)
        handle = below
    return handle


__all__ = ["directory_below", "open_below", "read_below", "reason"]
