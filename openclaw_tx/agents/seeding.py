# -*- test-case-name: tests.agents.test_seeding -*-
"""Makes an agent's workspace, once (spec 3.2, step 4).

A directory with none of the files that a workspace is expected to have gets ours; one with any of them is the user's,
and nothing is added to it. Either is noted in the state directory, so that a file which the user deletes never comes
back, not even when all are deleted, or the whole directory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

from twisted.logger import Logger

from openclaw_tx.agents.workspace import MEMORY, STANDARD, templates
from openclaw_tx.config.replacing import make_directory

NOTES = "workspaces"
"""Directory in the state directory: a file for each workspace that has been made or found, named by the digest of its
path."""

OWN = (*STANDARD, *MEMORY, "memory")
"""What only somebody's workspace holds."""


def _nothing(directory: str) -> None:
    """Nobody wants to know."""


class Seeding:
    """Makes each workspace at its first use, in well under a millisecond for each of the few small files.

    A disk that can not be written to is logged once, and fails nothing: the run has no workspace files then.
    """

    _log = Logger()

    def __init__(self, state_dir: str, on_new: Callable[[str], None] = _nothing) -> None:
        """
        @param on_new: told of each directory that was not there before, or was empty, when it has been filled.
        """
        self._notes = os.path.join(state_dir, NOTES)
        self._on_new = on_new
        self._done: set[tuple[str, bool]] = set()

    def prepare(self, workspace: str, *, bare: bool) -> None:
        """Make a workspace, unless this has been done before.

        @param workspace: absolute path.
        @param bare: make the directory but put nothing into it (C{agents.defaults.skipBootstrap}).
        """
        if (workspace, bare) in self._done:
            return
        self._done.add((workspace, bare))
        try:
            self._prepare(workspace, bare)
        except OSError as error:
            self._log.warn(
                "The workspace {workspace} can not be made: {error}", workspace=workspace, error=error.strerror or error
            )

    def _prepare(self, workspace: str, bare: bool) -> None:
        make_directory(workspace)
        if bare:
            return
        note = os.path.join(self._notes, hashlib.sha256(os.fsencode(workspace)).hexdigest()[:32])
        if os.path.exists(note):
            return
        empty = not os.listdir(workspace)
        if not any(os.path.lexists(os.path.join(workspace, name)) for name in OWN):
            for name, text in templates().items():
                write_new(os.path.join(workspace, name), text)
            if empty:
                self._on_new(workspace)
        make_directory(self._notes)
        write_new(note, workspace + "\n")


def write_new(path: str, text: str) -> None:
    """Write a file that is not there yet, for its owner only; one that is there, or a link, stays as it is.

    @raise OSError: it can not be written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


__all__ = ["NOTES", "Seeding", "write_new"]
