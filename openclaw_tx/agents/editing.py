# -*- test-case-name: tests.ws.rpc.test_agents -*-
"""Files of a workspace, read and written for people; and a workspace put aside. All of it may block.

Only the files that a workspace is expected to have are touched, and only within its directory: a link that leads out is
neither read nor written through.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from openclaw_tx.agents.workspace import MAX_BYTES, MEMORY, STANDARD, read_inside, text_of
from openclaw_tx.config.replacing import replace_file

NAMES = (*STANDARD, *MEMORY)
"""What may be read and written; of the two names of a memory the first one is offered."""


class Found(NamedTuple):
    """A file of a workspace."""

    name: str
    path: str
    missing: bool
    size: int = 0
    updated_at_ms: int = 0
    problem: str = ""
    """Why it is not shown; "" = it is."""
    text: str = ""
    digest: str = ""
    """SHA-256 of its bytes, in hexadecimal; "" = they were not read."""


class Changed(Exception):
    """A file is not the one any more that somebody has read.

    @ivar digest: SHA-256 of what it is now; "" = it is not there, or not to be read.
    """

    def __init__(self, digest: str) -> None:
        super().__init__(digest)
        self.digest = digest


def listing(workspace: str) -> list[Found]:
    """Every file of L{NAMES}, there or not, without its text. A memory under its second name only if it is there."""
    found = [look(workspace, name) for name in NAMES]
    return [file for file in found if file.name != MEMORY[1] or not file.missing]


def look(workspace: str, name: str) -> Found:
    """A file without its text."""
    path = os.path.join(workspace, name)
    try:
        known = os.stat(path)
    except OSError:
        return Found(name, path, missing=True)
    return Found(name, path, False, known.st_size, int(known.st_mtime * 1000))


def get(workspace: str, name: str) -> Found:
    """A file with its text, at most L{MAX_BYTES} of it."""
    found = look(workspace, name)
    if found.missing:
        return found
    data, problem = read_inside(workspace, found.path, MAX_BYTES)
    if not problem and len(data) > MAX_BYTES:
        problem = f"refused: it is larger than {MAX_BYTES} bytes"
    if problem:
        return found._replace(problem=problem)
    return found._replace(text=text_of(data), digest=hashlib.sha256(data).hexdigest())


def put(workspace: str, name: str, text: str, expected: str = "") -> Found:
    """Write a file, at once and for its owner only; the workspace is made if need be. A link of that name is replaced,
    so that nothing outside is ever written.

    @param expected: digest of what is to be replaced; "" = whatever is there.
    @raise Changed: something else is there. Nothing is written.
    @raise OSError: it can not be written.
    @raise UnicodeEncodeError: the text holds half a surrogate pair.
    """
    if expected and (now := get(workspace, name).digest) != expected:
        raise Changed(now)
    replace_file(Path(workspace, name), text.encode("utf-8"))
    return get(workspace, name)


def put_aside(workspace: str, now_ms: int, others: Sequence[str], kept: Sequence[str]) -> str | None:
    """Rename a workspace, so that no agent uses it any more.

    @param others: workspaces that stay: nothing of them may be in this one, nor the other way round.
    @param kept: what else must not be in it.
    @return: its new path; "" = there is none; None = it stays.
    @raise OSError: it can not be renamed.
    """
    if not os.path.isdir(workspace):
        return ""
    here = Path(os.path.realpath(workspace))
    shared = [Path(os.path.realpath(other)) for other in others]
    within = [*shared, *(Path(os.path.realpath(path)) for path in kept)]
    if any(here.is_relative_to(other) for other in shared) or any(path.is_relative_to(here) for path in within):
        return None
    aside = f"{workspace}.deleted.{now_ms}"
    os.rename(workspace, aside)
    return aside


__all__ = ["NAMES", "Found", "get", "listing", "look", "put", "put_aside"]
