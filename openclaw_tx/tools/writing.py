# -*- test-case-name: tests.tools.test_writing -*-
"""Change files so that there is never half of one: each is written beside its place and then renamed into it. Several
are changed together or not at all. Blocks: call it in a thread.

What is replaced keeps its permissions, and its owner where that can be had. A file that its permissions protect from
writing stays protected, although a rename could replace it.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import NamedTuple

from openclaw_tx.tools.confined import FileMissing, FileRefused, Files, Spot, Stamp, open_regular, shown, told

MAX_FILES = 200
"""Files changed together; the directory of each is held open."""


class Change(NamedTuple):
    """What is to become of one file."""

    path: str
    data: bytes | None
    """Its whole content; None = it goes."""
    before: Stamp | None = None
    """It must still be this one; None = whatever is there."""
    new: bool = False
    """It must not be there yet."""
    mode: int | None = None
    """Permissions of a new file; None = the usual ones."""


def change(files: Files, changes: Sequence[Change]) -> list[str]:
    """Make all the changes, or none. Directories that new files need are made.

    @param changes: each of another file.
    @return: the absolute paths.
    @raise FileRefused: one of the changes can not be made; those made before it were taken back.
    """
    if len(changes) > MAX_FILES:
        raise FileRefused(f"More than {MAX_FILES} files can not be changed together.")
    with ExitStack() as open_spots:
        steps = []
        for each in changes:
            with told(each.path):
                spot = open_spots.enter_context(files.spot(each.path, create=each.data is not None))
            steps.append(_Step(spot, each))
        try:
            for step in steps:
                step.prepare(keep=len(steps) > 1)
            _commit(steps)
        finally:
            for step in steps:
                step.tidy()
        return [step.path for step in steps]


def _commit(steps: Sequence[_Step]) -> None:
    done: list[_Step] = []
    try:
        for step in steps:
            step.commit()
            done.append(step)
    except FileRefused as error:
        lasting = [step.path for step in reversed(done) if not step.undo()]
        if lasting:
            raise FileRefused(
                f"{error} These files were changed already and stay so: {shown(', '.join(lasting))}."
            ) from None
        raise


class _Step:
    """One change on its way."""

    def __init__(self, spot: Spot, wanted: Change) -> None:
        self.path = spot.path
        self._spot = spot
        self._wanted = wanted
        self._there: os.stat_result | None = None
        self._fresh = ""
        """Name of the new content."""
        self._kept = ""
        """Second name of the old content."""

    def prepare(self, keep: bool) -> None:
        """Do all that can go wrong, without any change to see.

        @param keep: so that L{undo} can bring the old content back.
        """
        with told(self._wanted.path):
            self._there = self._look()
            self._check(self._there)
            if self._wanted.data is not None:
                if self._there is not None:
                    os.close(open_regular(self._spot, os.O_WRONLY))  # may it be written?
                self._write(self._wanted.data)
            if keep and self._there is not None:
                name = _other_name()
                with suppress(OSError):  # there are file systems without hard links
                    os.link(self._spot.name, name, **self._both(), follow_symlinks=False)
                    self._kept = name

    def commit(self) -> None:
        """Let the change be seen."""
        with told(self._wanted.path):
            there = self._look()
            if _stamp(there) != _stamp(self._there):
                raise FileRefused(f"{self._wanted.path} was changed by somebody else just now; look at it again.")
            if self._wanted.data is None:
                os.unlink(self._spot.name, dir_fd=self._spot.handle)
            else:
                os.rename(self._fresh, self._spot.name, **self._both())
                self._fresh = ""

    def undo(self) -> bool:
        """Take the change back. False = it stays."""
        try:
            if self._kept:
                os.rename(self._kept, self._spot.name, **self._both())
                self._kept = ""
            elif self._there is None:
                os.unlink(self._spot.name, dir_fd=self._spot.handle)
            else:
                return False
        except OSError:
            return False
        return True

    def tidy(self) -> None:
        """Leave nothing else behind."""
        for name in filter(None, (self._fresh, self._kept)):
            with suppress(OSError):
                os.unlink(name, dir_fd=self._spot.handle)

    def _look(self) -> os.stat_result | None:
        try:
            return os.stat(self._spot.name, dir_fd=self._spot.handle, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _check(self, there: os.stat_result | None) -> None:
        path, wanted = self._wanted.path, self._wanted
        if there is not None and stat.S_ISDIR(there.st_mode):
            raise FileRefused(f"{path} is a directory.")
        if there is not None and not stat.S_ISREG(there.st_mode):
            raise FileRefused(f"{path} is not a regular file.")
        if there is None and (wanted.data is None or wanted.before is not None):
            raise FileMissing(f"There is no file {path}.")
        if there is not None and wanted.new:
            raise FileRefused(f"{path} is there already.")
        if wanted.before is not None and _stamp(there) != wanted.before:
            raise FileRefused(f"{path} was changed by somebody else just now; look at it again.")

    def _write(self, data: bytes) -> None:
        name = _other_name()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(name, flags, 0o666, dir_fd=self._spot.handle)
        self._fresh = name
        with os.fdopen(handle, "wb") as file:
            mode = self._wanted.mode
            if self._there is not None:
                mode = stat.S_IMODE(self._there.st_mode)
                with suppress(OSError):
                    os.fchown(handle, self._there.st_uid, self._there.st_gid)
            if mode is not None:
                os.fchmod(handle, mode & 0o777)
            file.write(data)
            file.flush()
            os.fsync(handle)

    def _both(self) -> dict[str, int]:
        return {"src_dir_fd": self._spot.handle, "dst_dir_fd": self._spot.handle}


def _stamp(status: os.stat_result | None) -> Stamp | None:
    return None if status is None else Stamp.of(status)


def _other_name() -> str:
    """A name beside a file's that nobody has or guesses; it lives for a moment."""
    return f".openclaw-{secrets.token_hex(8)}.tmp"


__all__ = ["MAX_FILES", "Change", "change"]
