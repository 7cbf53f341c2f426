# -*- test-case-name: tests.sessions.test_owners -*-
"""Which process a run belongs to, and whether that process still lives.

More than one process may use a store: the gateway and a one-shot command beside it. Runs that a crash cut off must be
told from runs that another process is working on. Each process holds a lock on a file of its own; the system drops the
lock when the process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import Protocol

from openclaw_tx.config.replacing import make_directory


class Owners(Protocol):
    """The processes that use a store."""

    @property
    def me(self) -> str:
        """Name of this process: one of a kind, also among those of the past."""

    def acquire(self) -> None:
        """Show that this process lives; may be called again.

        @raise OSError: it can not.
        """

    def lives(self, owner: str) -> bool:
        """Whether that process still runs."""

    def release(self) -> None:
        """Show that this process is done with the store."""


class SoleOwner:
    """L{Owners} of a store that only this process can reach: all others are of the past."""

    def __init__(self, me: str) -> None:
        self.me = me

    def acquire(self) -> None:
        """Nothing to show."""

    def lives(self, owner: str) -> bool:
        """Only this one does."""
        return owner == self.me

    def release(self) -> None:
        """Nothing to take back."""


class LockedOwners:
    """L{Owners} by locked files in a directory."""

    def __init__(self, directory: str, me: str) -> None:
        """
        @param directory: where the files are; made when needed.
        @param me: name of this process; a word that is good as a file name.
        """
        self.me = me
        self._directory = directory
        self._held: int | None = None

    def acquire(self) -> None:
        """See L{Owners.acquire}."""
        if self._held is not None:
            if os.path.exists(self._path(self.me)):
                return
            os.close(self._held)  # somebody has removed the directory
            self._held = None
        make_directory(self._directory)
        # Locked before it has its name: nobody ever finds it unlocked while this process lives.
        making = self._path(self.me) + ".new"
        held = os.open(making, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(held, fcntl.LOCK_EX)
        os.rename(making, self._path(self.me))
        self._held = held
        for name in os.listdir(self._directory):
            # Processes that were killed could not remove theirs.
            if name.endswith(".lock"):
                self.lives(name.removesuffix(".lock"))

    def lives(self, owner: str) -> bool:
        """See L{Owners.lives}; the file of a process that does not is removed."""
        if owner == self.me:
            return True
        try:
            found = os.open(self._path(owner), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            with suppress(FileNotFoundError):  # Another process found out as well.
                os.unlink(self._path(owner))
            return False
        finally:
            os.close(found)

    def release(self) -> None:
        """See L{Owners.release}."""
        if self._held is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._path(self.me))
            os.close(self._held)
            self._held = None

    def _path(self, owner: str) -> str:
        return os.path.join(self._directory, f"{os.path.basename(owner)}.lock")
