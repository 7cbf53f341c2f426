# -*- test-case-name: tests.agents.test_workspace -*-
"""Files of an agent's workspace that go into its system prompt (spec 3.3), read again only when they change."""

from __future__ import annotations

import os
import stat
from importlib import resources
from typing import NamedTuple

STANDARD = ("AGENTS.md", "SOUL.md", "TOOLS.md", "IDENTITY.md", "USER.md", "HEARTBEAT.md", "BOOTSTRAP.md")
"""Files every workspace is expected to have; an absent one is mentioned."""

MEMORY = ("MEMORY.md", "memory.md")
"""Files that are read where they exist."""

HEARTBEAT = "HEARTBEAT.md"
"""The one file of which comments are not shown when they are all there is."""

MAX_BYTES = 2 * 1024 * 1024
"""Larger files are refused."""

HEAD, TAIL = 0.7, 0.2
"""Shares of the limit that the beginning and the end of a file too long for it keep."""


class WorkspaceFile(NamedTuple):
    """One file as the prompt may show it."""

    name: str
    path: str
    """Where it is, or would be."""
    text: str
    """Its content; "" when there is none to show."""
    problem: str
    """Why there is no content: C{missing}, or why it was refused; "" when all is well."""

    @property
    def missing(self) -> bool:
        """True for a file that is not there."""
        return self.problem == MISSING


MISSING = "missing"

Fingerprint = tuple[int, int, int, int] | None
"""Modification time in ns, size, inode and mode; None for a file that is not there."""


class Workspace:
    """What one directory holds for the prompt.

    L{refresh} costs one C{stat} for the directory and one for each file; only a file whose fingerprint changed is read,
    and only what changed its content is a change.
    """

    def __init__(self, directory: str) -> None:
        """@param directory: absolute path; it need not exist."""
        self._paths = [(name, f"{directory}/{name}") for name in (*STANDARD, *MEMORY)]
        self._directory = directory
        self._prints: list[Fingerprint] | None = None
        self._cached: dict[str, tuple[Fingerprint, WorkspaceFile]] = {}
        self.version = 0
        """Counts the changes of content that L{refresh} has seen."""
        self.files: tuple[WorkspaceFile, ...] = ()
        """In prompt order; empty when the directory does not exist."""

    def refresh(self) -> int:
        """Look for changes.

        @return: the version, which grows with each change.
        """
        prints = self._look()
        if prints != self._prints:
            self._prints = prints
            files = () if prints is None else self._read(prints)
            if files != self.files:
                self.files = files
                self.version += 1
        return self.version

    def _look(self) -> list[Fingerprint] | None:
        if fingerprint(self._directory) is None:
            return None
        return [fingerprint(path) for _, path in self._paths]

    def _read(self, prints: list[Fingerprint]) -> tuple[WorkspaceFile, ...]:
        files = []
        memory: set[int] = set()
        for (name, path), found in zip(self._paths, prints, strict=True):
            if found is None:
                self._cached.pop(name, None)
                if name in STANDARD:
                    files.append(WorkspaceFile(name, path, "", MISSING))
                continue
            if name in MEMORY:
                if found[2] in memory:
                    continue  # both names are one file where names ignore case
                memory.add(found[2])
            known = self._cached.get(name)
            if known is None or known[0] != found:
                known = self._cached[name] = (found, read(self._directory, name, path))
            files.append(known[1])
        return tuple(files)


def templates() -> dict[str, str]:
    """What a new workspace begins with: the text of each of L{STANDARD}, in that order."""
    place = resources.files("openclaw_tx.agents") / "templates"
    return {name: (place / name).read_text("utf-8") for name in STANDARD}


def fingerprint(path: str) -> Fingerprint:
    """What tells whether a file changed; follows symbolic links."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)


def read(directory: str, name: str, path: str) -> WorkspaceFile:
    """Read one file, unless it leads out of the workspace, is no regular file, or is larger than L{MAX_BYTES}.

    Bytes that are not UTF-8 become replacement characters.
    """
    data, problem = read_inside(directory, path, MAX_BYTES)
    if len(data) > MAX_BYTES:
        problem = f"refused: it is larger than {MAX_BYTES // 1024 // 1024} MiB"
    if problem:
        return WorkspaceFile(name, path, "", problem)
    text = text_of(data).strip()
    if name == HEARTBEAT and not has_content(text):
        text = ""
    return WorkspaceFile(name, path, text, "")


def read_inside(directory: str, path: str, limit: int) -> tuple[bytes, str]:
    """The beginning of a regular file below C{directory}, links followed as long as they stay there.

    @param limit: bytes wanted; one more is read, so that a caller sees whether there are more.
    @return: the bytes, and why there are none; "" when all is well.
    """
    try:
        root = os.path.realpath(directory)
        target = os.path.realpath(path)
        if os.path.commonpath([root, target]) != root:
            return b"", "refused: it links to a place outside the workspace"
        # Not blocking, so that a named pipe cannot stop the reactor; not following a link set up since.
        handle = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            return b"", "refused: it is not a regular file"
        with os.fdopen(handle, "rb") as file:
            return file.read(limit + 1), ""
    except OSError as error:
        return b"", f"not readable: {os.strerror(error.errno or 0)}"


def text_of(data: bytes) -> str:
    """Bytes of a file as text; what is not UTF-8 is replaced, a byte order mark dropped."""
    return data.decode("utf-8", "replace").removeprefix("\ufeff")


def has_content(text: str) -> bool:
    """Whether a list of things to look after has anything in it but blank lines, comments and headings (C{#})."""
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())


def clipped(text: str, limit: int) -> str:
    """C{text} in at most C{limit} characters (and the marker): its first 70 % and last 20 %, and how much is left out.

    @param limit: characters; 0 or less leaves nothing.
    """
    if len(text) <= limit:
        return text
    if limit <= 0:
        return ""
    head, tail = int(limit * HEAD), int(limit * TAIL)
    left_out = len(text) - head - tail
    end = text[-tail:] if tail else ""
    return f"{text[:head]}\n[... {left_out} characters left out; read the file for the rest ...]\n{end}"


__all__ = [
    "MAX_BYTES",
    "MEMORY",
    "STANDARD",
    "Fingerprint",
    "Workspace",
    "WorkspaceFile",
    "clipped",
    "fingerprint",
    "has_content",
    "read_inside",
    "templates",
    "text_of",
]
