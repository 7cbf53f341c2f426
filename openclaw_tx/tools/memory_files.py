# -*- test-case-name: tests.tools.test_memory_files -*-
"""Which files are an agent's memory: C{MEMORY.md}, C{memory/} and what the operator adds. Blocking; for a thread.

No symbolic link is followed below a root: who can write into a workspace must not thereby read what is outside. The
roots themselves are the operator's, and may be links.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from openclaw_tx.tools.below import directory_below, open_below, read_below

MAX_FILES = 2000
MAX_FILE_BYTES = 1024 * 1024
MAX_TOTAL_BYTES = 32 * 1024 * 1024
MAX_ENTRIES = 50_000
"""Entries of directories looked at."""
MAX_DEPTH = 16
"""Directories within each other."""

ROOT_FILES = ("MEMORY.md", "memory.md")
DIRECTORY = "memory"

Source = Literal["memory", "extra"]


class MemoryFile(NamedTuple):
    """A file that is searched."""

    path: str
    """As tools show and take it: below the workspace relative to it, elsewhere absolute."""
    root: str
    """Absolute path of the directory below which no link is followed."""
    relative: str
    """Where it is below that."""
    source: Source
    fingerprint: str
    """Differs after a change."""
    size: int
    modified: int
    """In nanoseconds."""


class Corpus(NamedTuple):
    """All of them."""

    files: tuple[MemoryFile, ...]
    """The agent's own first, then the newest first."""
    left_out: int
    """Files that are too large, or too many."""


class Place(NamedTuple):
    """A file, or a directory of files, that belongs to the memory."""

    root: str
    start: str
    """Below C{root}; "" = all of it."""
    shown: str
    """What the path of it is shown as; "" = the workspace."""
    source: Source
    is_file: bool
    """It is one file, of whatever name; else it is a directory of C{.md} files."""


def places(workspace: str, extra: Sequence[str], environment: Mapping[str, str]) -> list[Place]:
    """Where an agent's memory is.

    @param workspace: absolute.
    @param extra: C{memorySearch.extraPaths}.
    @param environment: for C{HOME}.
    """
    base = os.path.realpath(workspace)
    found = [Place(base, name, name, "memory", True) for name in ROOT_FILES]
    found.append(Place(base, DIRECTORY, DIRECTORY, "memory", False))
    for text in extra:
        if text.strip():
            found.append(_extra(base, text.strip(), environment.get("HOME", "")))
    return found


def _extra(base: str, text: str, home: str) -> Place:
    if home and (text == "~" or text.startswith("~/")):
        text = home + text[1:]
    path = os.path.normpath(os.path.join(base, text))
    relative = os.path.relpath(path, base)
    if not os.path.isabs(text) and relative != os.pardir and not relative.startswith(os.pardir + os.sep):
        start = "" if relative == os.curdir else relative
        try:
            is_file = stat.S_ISREG(os.lstat(path).st_mode)
        except (OSError, ValueError):
            is_file = False
        return Place(base, start, start, "extra", is_file)
    real = os.path.realpath(path)
    if os.path.isfile(real):
        return Place(os.path.dirname(real), os.path.basename(real), path, "extra", True)
    return Place(real, "", path, "extra", False)


def corpus(where: Sequence[Place]) -> Corpus:
    """What there is now."""
    found: dict[tuple[int, int], MemoryFile] = {}
    entries = [MAX_ENTRIES]
    for place in where:
        for relative, status in _walk(place, entries):
            # One file under two names (where case does not matter, or a place within a place) counts once.
            found.setdefault((status.st_dev, status.st_ino), _file(place, relative, status))
    files = sorted(found.values(), key=lambda file: (file.source != "memory", -file.modified, file.path))
    kept: list[MemoryFile] = []
    room = MAX_TOTAL_BYTES
    for file in files:
        if file.size <= min(MAX_FILE_BYTES, room) and len(kept) < MAX_FILES:
            kept.append(file)
            room -= file.size
    return Corpus(tuple(kept), len(files) - len(kept))


def _file(place: Place, relative: str, status: os.stat_result) -> MemoryFile:
    below = relative[len(place.start) :].lstrip("/")
    return MemoryFile(
        path="/".join(part for part in (place.shown, below) if part),
        root=place.root,
        relative=relative,
        source=place.source,
        fingerprint=f"{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_size}:{status.st_ino}",
        size=status.st_size,
        modified=status.st_mtime_ns,
    )


def _walk(place: Place, entries: list[int]) -> Iterator[tuple[str, os.stat_result]]:
    """Files of a place, by their paths below its root.

    @param entries: how many more entries of directories may be looked at; counted down.
    """
    if place.is_file:
        try:
            handle = open_below(place.root, place.start)
        except (OSError, ValueError):
            return
        try:
            yield place.start, os.fstat(handle)
        finally:
            os.close(handle)
        return
    waiting = [(place.start, 0)]
    while waiting:
        directory, depth = waiting.pop()
        try:
            handle = directory_below(place.root, directory)
        except (OSError, ValueError):
            continue
        try:
            with os.scandir(handle) as listed:
                for entry in listed:
                    entries[0] -= 1
                    if entries[0] < 0:
                        return
                    relative = f"{directory}/{entry.name}" if directory else entry.name
                    if entry.name.startswith(".") or not _is_text(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if depth < MAX_DEPTH:
                            waiting.append((relative, depth + 1))
                    elif entry.name.lower().endswith(".md") and entry.is_file(follow_symlinks=False):
                        yield relative, entry.stat(follow_symlinks=False)
        except OSError:
            continue  # it went while we looked
        finally:
            os.close(handle)


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def locate(path: str, where: Sequence[Place]) -> tuple[str, str]:
    """The root and the place below it that a path of a memory file means; nothing is looked at.

    @param path: as L{MemoryFile.path}.
    @raise ValueError: it is none; says so.
    """
    text = path.strip()
    while text.startswith("./"):
        text = text[2:]
    parts = text.split("/")
    odd = "\0" in text or not parts[-1] or any(part.startswith(".") or not part for part in parts[1:])
    for place in () if odd or text.startswith(".") else where:
        if place.is_file:
            if text == place.shown:
                return place.root, place.start
            continue
        inside = not text.startswith("/") if not place.shown else text.startswith(f"{place.shown}/")
        if inside and text.lower().endswith(".md"):
            below = text[len(place.shown) :].lstrip("/")
            return place.root, f"{place.start}/{below}" if place.start else below
    raise ValueError(
        f"{path!r} is not the path of a memory file (MEMORY.md, memory/*.md, or as memory_search gives it)"
    )


def read_text(root: str, relative: str) -> str:
    """What is in a file; bytes that are not UTF-8 become replacement characters.

    @raise OSError: as L{read_below}.
    @raise ValueError: it is larger than L{MAX_FILE_BYTES}.
    """
    return read_below(root, relative, MAX_FILE_BYTES).decode("utf-8", "replace").removeprefix("\ufeff")


__all__ = ["Corpus", "MemoryFile", "Place", "corpus", "locate", "places", "read_text"]
