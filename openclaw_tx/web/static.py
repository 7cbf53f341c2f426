# -*- test-case-name: tests.web.test_static -*-
"""Files of one directory for browsers: what may be asked for, and reading it without following any link.

Blocking; made to be called in a thread.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from typing import NamedTuple

MAX_BYTES = 16 * 1024 * 1024
"""Larger files are not served."""

TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".map": "application/json; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json; charset=utf-8",
    ".woff2": "font/woff2",
}
"""Ending -> content type. Files with other endings are sent as bytes to be stored."""

ENCODINGS: Mapping[str, str] = {"br": ".br", "gzip": ".gz"}
"""Content coding -> ending of the file that holds another one so compressed, the best first."""


class StaticFile(NamedTuple):
    """A file as it was read."""

    content: bytes
    modified: int
    """Seconds since 1970."""
    encoding: str = ""
    """Content coding of C{content}; "" = none."""


def name_of(path: Sequence[bytes]) -> str | None:
    """The file that decoded path segments name, relative to the directory; C{""} for the directory itself.

    @return: None for what can name no file there: empty and hidden parts, C{..}, slashes and NUL within a part, bytes
        that are not UTF-8.
    """
    if tuple(path) == (b"",):
        return ""
    parts = []
    for segment in path:
        try:
            part = segment.decode("utf-8")
        except UnicodeDecodeError:
            return None
        if not part or part.startswith(".") or any(character in part for character in "/\\\0:"):
            return None
        parts.append(part)
    return "/".join(parts)


def type_of(name: str) -> str:
    """The content type of a file by its name."""
    return TYPES.get(os.path.splitext(name)[1].lower(), "application/octet-stream")


def read(root: str, name: str, accepted: Sequence[str] = ()) -> StaticFile | None:
    """Read one regular file below C{root}; none of the parts of C{name} may be a symbolic link.

    @param name: of L{name_of}.
    @param accepted: content codings that the client takes; a compressed twin beside the file is sent in its place.
    @return: None when there is no such file, or none that may be served.
    """
    if not name:
        return None
    for encoding in accepted:
        found = _read(root, f"{name}{ENCODINGS[encoding]}")
        if found is not None and (plain := _modified(root, name)) is not None:
            return StaticFile(found.content, plain, encoding)
    return _read(root, name)


def _read(root: str, name: str) -> StaticFile | None:
    opened = _open(root, name)
    if opened is None:
        return None
    handle, found = opened
    with os.fdopen(handle, "rb") as file:
        content = file.read(MAX_BYTES + 1)
    return StaticFile(content, int(found.st_mtime)) if len(content) <= MAX_BYTES else None


def _modified(root: str, name: str) -> int | None:
    opened = _open(root, name)
    if opened is None:
        return None
    os.close(opened[0])
    return int(opened[1].st_mtime)


def _open(root: str, name: str) -> tuple[int, os.stat_result] | None:
    """Open a regular file by walking to it part by part, so that a link set up meanwhile is not followed either.

    The directory itself may be reached through links: it is the operator's word.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    *directories, last = name.split("/")
    try:
        place = os.open(root, flags | os.O_DIRECTORY)
        try:
            for part in directories:
                inner = os.open(part, flags | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
                os.close(place)
                place = inner
            handle = os.open(last, flags | os.O_NOFOLLOW, dir_fd=place)
        finally:
            os.close(place)
    except (OSError, ValueError):
        return None
    found = os.fstat(handle)
    if stat.S_ISREG(found.st_mode) and found.st_size <= MAX_BYTES:
        return handle, found
    os.close(handle)
    return None


__all__ = ["ENCODINGS", "MAX_BYTES", "StaticFile", "name_of", "read", "type_of"]
