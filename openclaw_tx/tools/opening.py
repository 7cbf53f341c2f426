# -*- test-case-name: tests.tools.test_confined -*-
"""The last step to a file: open a name in an open directory, follow nothing, wait for nothing. And what the system says
of files, in words for a model. Blocks: call it in a thread.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from openclaw_tx.tools.typed import NotDone

DIRECTORY = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
"""How a directory is opened to walk through; with C{O_PATH} it need not be readable."""


class FileRefused(NotDone):
    """A file can not be used as was asked; the text is for the model."""


class FileMissing(FileRefused):
    """There is no such file."""


class IsDirectory(FileRefused):
    """It is a directory."""


class Spot(NamedTuple):
    """Where a path leads: an open directory and a name in it, which is no symbolic link or was none just now."""

    handle: int
    name: str
    """C{.} = the directory itself."""
    path: str
    """The whole path, absolute and without links below the root."""


def open_regular(spot: Spot, flags: int = os.O_RDONLY) -> int:
    """Open a file, if it is a regular one; look before, since to open a device may do something.

    @raise FileRefused: it is something else.
    @raise OSError: it can not be opened.
    """
    _check_regular(os.stat(spot.name, dir_fd=spot.handle, follow_symlinks=False), spot)
    handle = os.open(spot.name, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=spot.handle)
    try:
        _check_regular(os.fstat(handle), spot)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _check_regular(status: os.stat_result, spot: Spot) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsDirectory(f"{shown(spot.path)} is a directory.")
    if not stat.S_ISREG(status.st_mode):
        raise FileRefused(f"{shown(spot.path)} is not a regular file.")


def open_directory(handle: int, name: str, create: bool = False) -> int:
    """Open a directory that is no link.

    @raise OSError: it is none.
    """
    try:
        return os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
    except FileNotFoundError:
        if not create:
            raise
    try:
        os.mkdir(name, dir_fd=handle)
    except FileExistsError:
        pass  # somebody else was quicker
    return os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)


def shown(path: str) -> str:
    """A path as text; bytes that are no UTF-8 become question marks."""
    return path.encode("utf-8", "replace").decode("utf-8")


@contextmanager
def told(path: str) -> Iterator[None]:
    """Turn what the system says of C{path} into words for the model.

    @raise FileRefused: for any OSError.
    """
    try:
        yield
    except FileNotFoundError:
        raise FileMissing(f"There is no file {path}.") from None
    except NotADirectoryError:
        raise FileRefused(f"{path} is not a directory, or one of the names in it is none.") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FileRefused(f"{path} was exchanged for a symbolic link just now.") from None
        raise FileRefused(f"{path} can not be used: {os.strerror(error.errno or 0)}.") from None


__all__ = [
    "DIRECTORY",
    "FileMissing",
    "FileRefused",
    "IsDirectory",
    "Spot",
    "open_directory",
    "open_regular",
    "shown",
    "told",
]
