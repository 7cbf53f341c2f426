# -*- test-case-name: tests.cli.test_backup -*-
"""Archives of everything that a gateway keeps: gzipped tar files with a manifest that has the SHA-256 of every file.

Only regular files go in. Databases are copied in one moment, so that a gateway may go on working meanwhile. What comes
out is looked at first: a file that is not in the manifest, or leads out, or is not what was put in, is refused.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

import msgspec

from openclaw_tx.config.replacing import make_directory
from openclaw_tx.sessions.copies import copy, is_database

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
PIECE = 1 << 20

SIDECARS = ("-wal", "-shm", "-journal")
"""Files of SQLite beside a database; what is in them goes into its copy."""

Progress = Callable[[str, int, int], None]
"""Takes what is being done, bytes done and bytes in all."""


class Broken(Exception):
    """An archive is not what it should be; the text says how."""


class Source(NamedTuple):
    """A file to put in."""

    path: Path
    archive_path: str
    """Below the archive's root, e.g. C{state/openclaw.json}."""


class Asset(msgspec.Struct, frozen=True, rename="camel"):
    """A directory or file that was put in as a whole."""

    kind: str
    """C{state}, C{config} or C{workspace}."""
    source_path: str
    archive_path: str


class Entry(msgspec.Struct, frozen=True, rename="camel"):
    """A file in an archive."""

    path: str
    """Below the archive's root."""
    size: int
    sha256: str
    mode: int


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """What an archive says of itself."""

    schema_version: int
    created_at: str
    archive_root: str
    runtime_version: str
    platform: str
    options: dict[str, bool]
    paths: dict[str, str]
    assets: list[Asset]
    files: list[Entry]
    skipped: list[dict[str, str]]


def is_sidecar(path: Path) -> bool:
    """Whether a file is what SQLite has beside a database; other files may be called so, too."""
    names = (path.name.removesuffix(suffix) for suffix in SIDECARS if path.name.endswith(suffix))
    return any(name and _is_database(path.with_name(name)) for name in names)


def _is_database(path: Path) -> bool:
    return path.is_file() and is_database(path)  # a FIFO would wait for somebody who writes


def pack(
    target: Path,
    head: Mapping[str, Any],
    sources: Sequence[Source],
    progress: Progress,
    gone: Callable[[Path], None],
) -> Manifest:
    """Write an archive; it is there when it is whole, for its owner only.

    @param head: the manifest but for its files.
    @param gone: told of each file that is not there any more; what it adds to C{head["skipped"]} is in the manifest.
    @raise OSError: it can not be written.
    @raise openclaw_tx.sessions.copies.Unsound: a database can not be read.
    """
    root = head["archiveRoot"]
    total = sum(source.path.stat().st_size for source in sources if source.path.exists())
    done = 0
    entries: list[Entry] = []
    handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file, tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            with tarfile.open(fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
                for source in sources:
                    progress("pack", done, total)
                    try:
                        entries.append(_add(archive, root, source, Path(scratch)))
                    except FileNotFoundError:
                        gone(source.path)
                    else:
                        done += entries[-1].size
                manifest = msgspec.convert({**head, "files": []}, Manifest)
                manifest = msgspec.structs.replace(manifest, files=entries)
                text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
                _put(archive, f"{root}/{MANIFEST}", io.BytesIO(text), len(text), 0o600, 0.0)
            file.flush()
            os.fsync(file.fileno())
        os.link(name, target)  # unlike a rename it never replaces what is there
    finally:
        os.unlink(name)
    progress("pack", total, total)
    return manifest


def _add(archive: tarfile.TarFile, root: str, source: Source, scratch: Path) -> Entry:
    found = source.path.stat()
    path = source.path
    if is_database(path):
        path = scratch / "copy"
        path.unlink(missing_ok=True)
        copy(source.path, path)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        # As large as it is now: a log that grows meanwhile is cut there.
        size = os.fstat(file.fileno()).st_size
        _put(archive, f"{root}/{source.archive_path}", _Hashed(file, digest), size, found.st_mode, found.st_mtime)
    return Entry(source.archive_path, size, digest.hexdigest(), stat.S_IMODE(found.st_mode))


def _put(archive: tarfile.TarFile, name: str, file: Any, size: int, mode: int, mtime: float) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, stat.S_IMODE(mode), int(mtime)
    archive.addfile(info, file)


class _Hashed:
    """Reads a file and counts it into a digest on the way."""

    def __init__(self, file: IO[bytes], digest: Any) -> None:
        self._file = file
        self._digest = digest

    def read(self, size: int = -1) -> bytes:
        """As of a file."""
        piece = self._file.read(size)
        self._digest.update(piece)
        return piece


def manifest_of(path: Path) -> Manifest:
    """What an archive says of itself.

    @raise Broken: it says nothing that can be used.
    """
    for name, file in _members(path):
        if PurePosixPath(name).name == MANIFEST and len(PurePosixPath(name).parts) == 2:
            raw = file.read(MAX_MANIFEST_BYTES + 1)
            try:
                manifest = msgspec.json.decode(raw, type=Manifest)
            except (msgspec.MsgspecError, RecursionError) as error:
                raise Broken(f"its manifest can not be read: {error}") from None
            if manifest.schema_version != SCHEMA_VERSION:
                raise Broken(f"its format is {manifest.schema_version}; this program knows {SCHEMA_VERSION}")
            for entry in manifest.files:
                _check_path(entry.path)
            return manifest
    raise Broken("it has no manifest: it is not a backup of this program, or was cut off")


def verify(path: Path, manifest: Manifest, progress: Progress) -> None:
    """See that an archive holds what its manifest says, and nothing else.

    @raise Broken: it does not.
    """
    wanted = {f"{manifest.archive_root}/{entry.path}": entry for entry in manifest.files}
    total, done = sum(entry.size for entry in manifest.files), 0
    for name, file in _members(path):
        if name == f"{manifest.archive_root}/{MANIFEST}":
            continue
        entry = wanted.pop(name, None)
        if entry is None:
            raise Broken(f"{name} is not in its manifest, or is there twice")
        digest, size = hashlib.sha256(), 0
        while piece := file.read(PIECE):
            digest.update(piece)
            size += len(piece)
            progress("verify", done + size, total)
        done += size
        if (size, digest.hexdigest()) != (entry.size, entry.sha256):
            raise Broken(f"{name} is not what was put in")
    if wanted:
        raise Broken(f"{next(iter(wanted))} is missing")


def unpack(path: Path, manifest: Manifest, place_of: Callable[[Entry], Path | None], progress: Progress) -> int:
    """Write files of an archive to their places, each in one step.

    @param place_of: where a file goes; None = nowhere.
    @return: how many were written.
    @raise Broken: the archive was changed since it was verified.
    @raise OSError: a file can not be written.
    """
    wanted = {f"{manifest.archive_root}/{entry.path}": entry for entry in manifest.files}
    total, done, written = sum(entry.size for entry in manifest.files), 0, 0
    for name, file in _members(path):
        entry = wanted.get(name)
        target = place_of(entry) if entry is not None else None
        if entry is None or target is None:
            continue
        _write(file, entry, target)
        written += 1
        done += entry.size
        progress("restore", done, total)
    return written


def _write(file: IO[bytes], entry: Entry, target: Path) -> None:
    make_directory(target.parent)
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:64]}-", dir=target.parent)
    digest = hashlib.sha256()
    try:
        with os.fdopen(handle, "wb") as fresh:
            while piece := file.read(PIECE):
                digest.update(piece)
                fresh.write(piece)
            os.fchmod(fresh.fileno(), entry.mode & 0o777)
            fresh.flush()
            os.fsync(fresh.fileno())
        if digest.hexdigest() != entry.sha256:
            raise Broken(f"{entry.path} is not what was put in")
        if is_database(Path(name)) or _is_database(target):
            for suffix in SIDECARS:  # they belong to the database that is replaced
                target.with_name(target.name + suffix).unlink(missing_ok=True)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def _members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """
    @raise Broken: it is no archive, or holds what is no regular file.
    """
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if not member.isreg():
                    raise Broken(f"{member.name} is no regular file")
                _check_path(member.name)
                file = archive.extractfile(member)
                assert file is not None
                yield member.name, file
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise Broken(f"it can not be read: {error}") from None


def _check_path(name: str) -> None:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise Broken(f"{name!r} leads out of it")


__all__ = [
    "Asset",
    "Broken",
    "Entry",
    "Manifest",
    "Progress",
    "Source",
    "is_sidecar",
    "manifest_of",
    "pack",
    "unpack",
    "verify",
]
