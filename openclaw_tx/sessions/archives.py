# -*- test-case-name: tests.sessions.test_beginnings -*-
"""Transcripts of conversations that ended, kept as files of OpenClaw's form: what jobs of the writer thread do.

A file is complete and on the disk before the rows it was made from go. The store lists the files that it wrote, and
removes no others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal

from openclaw_tx.config.replacing import make_directory
from openclaw_tx.errors import GatewayError
from openclaw_tx.sessions.entries import Found
from openclaw_tx.sessions.records import messages_of
from openclaw_tx.sessions.worker import Connection
from openclaw_tx.wire.openclaw_sessions import entry_object
from openclaw_tx.wire.openclaw_transcript import Writer
from openclaw_tx.wire.times import iso

KEEP_MS = 30 * 24 * 3600 * 1000
"""How long an archive is kept."""

MAX_BYTES = 1024 * 1024 * 1024
"""How large all of them together may be; beyond, the oldest go."""

Reason = Literal["reset", "deleted", ""]
"""What a file's name ends with; "" = nothing, as that of a session that goes on: it is kept for ever."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


class Archives:
    """Files in C{<agent>/sessions/} below a directory."""

    def __init__(self, directory: str) -> None:
        """
        @param directory: C{agents} of the state directory; what is missing is made, for the owner only.
        """
        self._directory = directory

    def keep(self, connection: Connection, found: Found, reason: Reason, now_ms: int) -> tuple[str, ...]:
        """Write a session's transcript into a file; one without messages needs none.

        @return: the paths.
        @raise GatewayError: C{storage_unavailable}: the file can not be written; nothing is left of it.
        """
        if not found.position:
            return ()
        entry = found.entry
        directory = os.path.join(self._directory, word(entry.agent_id), "sessions")
        stamp = iso(now_ms).replace(":", "-")
        try:
            make_directory(directory)
            name = f"{word(entry.session_id)}.jsonl" + (f".{reason}.{stamp}" if reason else "")
            path = _free(os.path.join(directory, name))
            size = write_whole(path, self._lines(connection, found))
        except OSError as error:
            connection.report(f"The transcript of session {entry.key} can not be archived, so it stays: {error}")
            raise GatewayError("storage_unavailable", "The transcript can not be archived, so it stays.") from None
        if reason:
            connection.run(connection.statements.add_archive, path=path, archived_at_ms=now_ms, size=size)
        return (path,)

    def prune(self, connection: Connection, now_ms: int) -> None:
        """Remove files that are too old or too many."""
        held = 0
        for path, at_ms, size in connection.run(connection.statements.archives).fetchall():
            held += size
            if now_ms - at_ms <= KEEP_MS and held <= MAX_BYTES:
                continue
            try:
                with suppress(FileNotFoundError):
                    os.unlink(path)
            except OSError as error:
                connection.report(f"The old archive {path} can not be removed: {error}")
                continue
            connection.run(connection.statements.forget_archive, the_path=path)

    def _lines(self, connection: Connection, found: Found) -> Iterator[bytes]:
        """The file: the session's entry, its transcript, and as it is what of that can not be read."""
        entry = found.entry
        writer = Writer(entry.session_id, entry.created_at_ms)
        yield writer.header()
        yield writer.custom("session", {"key": entry.key, "entry": entry_object(entry)})
        for (body,) in connection.run(connection.statements.all_messages, the_session=entry.session_id):
            read = messages_of((body,), connection.report)
            yield writer.message(read[0]) if read else writer.custom("unreadable", body)


def word(text: str) -> str:
    """A name as a part of a path; ids of imported sessions may be anything."""
    return _UNSAFE.sub("_", text)[:128] or "_"


def _free(path: str) -> str:
    """C{path}, or with a number behind it when that exists."""
    name, number = path, 2
    while os.path.lexists(name):
        name, number = f"{path}-{number}", number + 1
    return name


def write_whole(path: str, lines: Iterator[bytes]) -> int:
    """Write a file whole or not at all.

    @return: its size in bytes.
    @raise OSError: it can not be written.
    """
    making = f"{path}.tmp"
    size = 0
    descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with open(descriptor, "wb") as file:
            for line in lines:
                size += file.write(line)
            file.flush()
            os.fsync(file.fileno())
        os.rename(making, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(making)
        raise
    above = os.open(os.path.dirname(path), os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(above)
    finally:
        os.close(above)
    return size


__all__ = ["KEEP_MS", "MAX_BYTES", "Archives", "Reason", "word", "write_whole"]
