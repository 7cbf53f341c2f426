# -*- test-case-name: tests.config.test_holding -*-
"""One gateway for one state directory.

What a gateway keeps besides its sessions (jobs, devices, approvals) it has in memory and writes as a whole, so two that
share a directory destroy what the other has written. A lock on a file shows that one is at work; the system drops it
when the process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from twisted.logger import Logger

from openclaw_tx.config.replacing import make_directory
from openclaw_tx.errors import ConfigError

FILE = os.path.join("gateway", "gateway.lock")
"""The file that is locked, below the state directory. It holds the number of the process, and stays when that ends."""


class Holding:
    """The right of a gateway to its state directory."""

    def __init__(self, state_dir: Path, log: Logger, *, wanted: bool = True) -> None:
        """
        @param wanted: False for a gateway that shares its directory, which L{take} does nothing for.
        """
        self._wanted = wanted
        self._state_dir = state_dir.absolute()
        self._log = log
        self._held: int | None = None

    def take(self) -> None:
        """Take the directory, for as long as the process lives or until L{release}; a second call does nothing. Where
        nothing can be locked (a disk that may not be written to, a file system without locks) that is logged.

        @raise ConfigError: another gateway has it.
        """
        if self._wanted and self._held is None:
            try:
                self._take(self._state_dir / FILE)
            except OSError as error:
                self._log.warn(
                    "another gateway on {place} would not be noticed: {error}", place=self._state_dir, error=error
                )

    def _take(self, path: Path) -> None:
        make_directory(path.parent)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode("ascii"), 0)
        except BlockingIOError:
            number = os.pread(file, 20, 0).decode("ascii", "replace").strip()
            os.close(file)
            who = f", process {number}," if number else ""
            issue = f"another gateway{who} is at work on {self._state_dir}; stop it, or use another state directory"
            raise ConfigError([("", issue)]) from None
        except BaseException:
            os.close(file)
            raise
        self._held = file

    def release(self) -> None:
        """Let others have it."""
        if self._held is not None:
            os.ftruncate(self._held, 0)
            os.close(self._held)
            self._held = None


__all__ = ["FILE", "Holding"]
