# -*- test-case-name: tests.tools.test_confined -*-
"""Files of a workspace and no others, whatever path a model thinks of (spec 7.3, D27). Blocks: call it in a thread.

A path is walked from an open directory to the next, name by name, and every symbolic link is read and followed here,
never by the kernel. So C{..}, a link that leads out, and a directory that is exchanged for a link between two looks all
end at the edge of the workspace; what was opened stays the same whatever is renamed later. Only regular files are
opened, and never so that opening could wait (named pipes) or do something (devices).

Hard links are no way out for writing, since files are replaced and not written into (L{openclaw_tx.tools.writing}); to
make one for reading takes access to the file itself.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import BinaryIO, NamedTuple

from openclaw_tx.config.replacing import make_directory
from openclaw_tx.config.schema import Config
from openclaw_tx.tools.opening import (
    DIRECTORY,
    FileMissing,
    FileRefused,
    IsDirectory,
    Spot,
    open_directory,
    open_regular,
    shown,
    told,
)
from openclaw_tx.values import Agent

MAX_PATH = 4096
"""Bytes of a path."""

MAX_DEPTH = 100
"""Directories of a path, each of which is held open on the way."""

MAX_LINKS = 40
"""Symbolic links on the way, as many as Linux follows."""


class Stamp(NamedTuple):
    """What tells whether a file is still the one it was."""

    device: int
    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        """That of a file."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


class Found(NamedTuple):
    """A file that was read."""

    data: bytes
    path: str
    """Where it really is, absolute."""
    stamp: Stamp
    mode: int
    """Its permissions."""


class Files:
    """The files below one directory, or, when not confined, all that the gateway's user may use."""

    def __init__(self, root: str, *, confined: bool = True, home: str = "") -> None:
        """
        @param root: the workspace, absolute. It may be a link itself and need not exist yet. Relative paths are below
            it.
        @param confined: nothing outside of it is there.
        @param home: what C{~} means when not confined; "" = nothing.
        """
        self.root = os.path.abspath(root)
        self.confined = confined
        self._home = home

    def read(self, path: str, limit: int) -> Found:
        """A whole file.

        @param limit: bytes; a larger one is refused.
        @raise FileRefused: it can not be read, or is no regular file.
        """
        with told(path), self.spot(path) as spot, os.fdopen(open_regular(spot), "rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(limit + 1) if status.st_size <= limit else b""
            if len(data) > limit or status.st_size > limit:
                raise FileRefused(f"{path} is larger than {limit} bytes.")
            return Found(data, spot.path, Stamp.of(status), stat.S_IMODE(status.st_mode))

    @contextmanager
    def reading(self, path: str) -> Iterator[BinaryIO]:
        """A file to read from piece by piece.

        @raise FileRefused: as L{read}.
        """
        with told(path), self.spot(path) as spot, os.fdopen(open_regular(spot), "rb") as file:
            yield file

    def entries(self, path: str, limit: int) -> list[str]:
        """Names in a directory, sorted, those of directories with a slash behind; C{limit} of them at most.

        @raise FileRefused: it is none, or can not be read.
        """
        with told(path), self.spot(path) as spot:
            handle = os.open(spot.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=spot.handle)
            try:
                with os.scandir(handle) as found:
                    return sorted(_listed(entry) for entry in islice(found, limit))
            finally:
                os.close(handle)

    def directory(self, path: str) -> str:
        """The absolute path of a directory, without links below the root: for those who can only use a path.

        @raise FileRefused: there is none, or it is out of bounds.
        """
        with told(path), self.spot(path) as spot:
            os.close(open_directory(spot.handle, spot.name))
            return spot.path

    def locate(self, path: str) -> str:
        """The absolute path of what C{path} means, without links below the root; its last name need not exist.

        @raise FileRefused: it is out of bounds, or a directory on the way is not there.
        """
        with told(path), self.spot(path) as spot:
            return spot.path

    @contextmanager
    def spot(self, path: str, *, create: bool = False) -> Iterator[Spot]:
        """Where C{path} leads.

        @param create: make the directories on the way.
        @raise FileRefused: it is out of bounds.
        @raise OSError: a directory on the way is not there or can not be used; see L{told}.
        """
        spot = self._walk(path, create)
        try:
            yield spot
        finally:
            os.close(spot.handle)

    def _walk(self, path: str, create: bool) -> Spot:
        todo = self._names(path)[::-1]
        handles, names, links = [self._base(create)], list[str](), 0
        try:
            while todo:
                name = todo.pop()
                if name == "..":
                    if names:
                        names.pop()
                        os.close(handles.pop())
                    elif self.confined:
                        raise _outside(path)
                    continue
                target = self._link(handles[-1], name)
                if target is not None:
                    links += 1
                    if links > MAX_LINKS:
                        raise FileRefused(f"{path} goes through too many symbolic links.")
                    if target.startswith("/"):
                        todo += self._below(target, path)[::-1]
                        while names:
                            names.pop()
                            os.close(handles.pop())
                    else:
                        todo += _split(target)[::-1]
                elif todo:
                    if len(names) == MAX_DEPTH:
                        raise FileRefused(f"{path} has too many directories in it.")
                    handles.append(open_directory(handles[-1], name, create))
                    names.append(name)
                else:
                    return Spot(handles.pop(), name, self._absolute([*names, name]))
            return Spot(handles.pop(), ".", self._absolute(names))
        finally:
            for handle in handles:
                os.close(handle)

    def _names(self, path: str) -> list[str]:
        """The names of a path from the base on."""
        try:
            if not path or "\0" in path or len(os.fsencode(path)) > MAX_PATH:
                raise FileRefused(f"A path must have 1 to {MAX_PATH} bytes, none of them NUL.")
        except UnicodeEncodeError:
            raise FileRefused("The path holds characters that no file name can have.") from None
        if path == "~" or path.startswith("~/"):
            if self.confined:
                raise _outside(path)
            if not self._home:
                raise FileRefused("There is no home directory that ~ could mean.")
            path = self._home + path[1:]
        if not self.confined:
            return _split(os.path.join(self.root, path))
        return self._below(path, path) if path.startswith("/") else _split(path)

    def _below(self, target: str, path: str) -> list[str]:
        """The names of an absolute path from the base on.

        @param path: what was asked for, for the error.
        """
        names = _split(target)
        if not self.confined:
            return names
        for root in (self.root, os.path.realpath(self.root)):
            above = _split(root)
            if names[: len(above)] == above:
                return names[len(above) :]
        raise _outside(path)

    def _base(self, create: bool) -> int:
        """Opens where the walk begins. The way to the workspace is its owner's, links and all."""
        if not self.confined:
            return os.open("/", DIRECTORY)
        if create:
            make_directory(self.root)
        return os.open(self.root, DIRECTORY)

    def _absolute(self, names: list[str]) -> str:
        return os.path.join(self.root if self.confined else "/", *names)

    def _link(self, handle: int, name: str) -> str | None:
        """Where a symbolic link leads; None = it is none, or nothing."""
        try:
            return os.readlink(name, dir_fd=handle)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT):
                return None
            raise


def files_of(config: Config, agent: Agent, home: str) -> Files:
    """Those that an agent's file tools may use, by C{tools.fs.workspaceOnly}.

    @param home: what C{~} means; "" = nothing.
    """
    own = next((entry.tools.fs.workspace_only for entry in config.agents.entries if entry.id == agent.id), None)
    return Files(agent.workspace, confined=config.tools.fs.workspace_only if own is None else own, home=home)


def _listed(entry: os.DirEntry[str]) -> str:
    return shown(entry.name) + ("/" if entry.is_dir(follow_symlinks=False) else "")


def _split(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]


def _outside(path: str) -> FileRefused:
    return FileRefused(f"{path} is outside of the workspace; only files in it can be used.")


__all__ = [
    "MAX_DEPTH",
    "MAX_LINKS",
    "MAX_PATH",
    "FileMissing",
    "FileRefused",
    "Files",
    "Found",
    "IsDirectory",
    "Spot",
    "Stamp",
    "files_of",
    "open_regular",
    "shown",
    "told",
]
