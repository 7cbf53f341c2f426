# -*- test-case-name: tests.test_log_file -*-
"""The gateway's own log file, and how clients read its end (spec 2.10 C{logs.tail}; C{logging.file}).

One file a day, JSON lines. A line holds what L{openclaw_tx.logs.json_line} writes, and the keys under which OpenClaw's
clients look for the same: C{"0"} and C{"1"} (subsystem and message) and C{_meta} (level and date).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from openclaw_tx.config.replacing import make_directory
from openclaw_tx.logs import json_line

LOOK_SECONDS = 1.0
"""How often it is looked, at most, whether the file is still there."""

KEEP_DAYS = 7
"""Files of days longer ago are removed when a new one is begun."""

OFF = "off"
"""Value of C{logging.file} for no file at all."""

DAY = "{date}"
"""Stands for the day in a configured name."""

DEFAULT = f"openclaw-{DAY}.log"
"""Name of the file below C{logs} in the state directory."""


def pattern(configured: str, state_dir: Path) -> Path | None:
    """Where the log goes, with L{DAY} for the day in it if it is one file a day.

    @param configured: C{logging.file}; "" = the default place, L{OFF} = None is given back.
    """
    if configured.strip().lower() == OFF:
        return None
    return Path(configured) if configured else state_dir / "logs" / DEFAULT


@implementer(ILogObserver)
class DayLog:
    """Writes events to the file of the day. A disk that does not take them costs lines, never the gateway.

    @ivar problem: why the last line was not written; "" when it was.
    """

    def __init__(self, where: Path, max_bytes: Callable[[], int], seconds: Callable[[], float]) -> None:
        """
        @param where: as L{pattern} gives it.
        @param max_bytes: size at which a file is put aside as C{<name>.1}, in place of the one that is there.
        @param seconds: the time.
        """
        self._where = where
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._path: Path | None = None
        self._handle = -1
        self._size = 0
        self._looked = 0.0
        self.problem = ""

    @property
    def path(self) -> Path:
        """The file of today; it need not exist yet."""
        return self._of(datetime.fromtimestamp(self._seconds(), UTC).date().isoformat())

    def __call__(self, event: LogEvent) -> None:
        """Write a line."""
        line = openclaw_line(event).encode("utf-8", "replace")
        try:
            self._ready(len(line))
            written = os.write(self._handle, line)
            self._size += written
            self.problem = ""
        except OSError as error:
            self.problem = os.strerror(error.errno or 0)
            self.close()

    def close(self) -> None:
        """Let go of the file; the next event opens it again."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle, self._path = -1, None

    def _of(self, day: str) -> Path:
        return Path(str(self._where).replace(DAY, day))

    def _ready(self, size: int) -> None:
        """Have the right file open, with room for C{size} bytes."""
        path = self.path
        if path != self._path or self._is_gone(path):
            self.close()
            make_directory(path.parent)
            self._open(path)
            self._prune()
        if self._size and self._size + size > self._max_bytes():
            self.close()
            os.replace(path, f"{path}.1")
            self._open(path)

    def _is_gone(self, path: Path) -> bool:
        """Whether the file was removed, or moved away, since it was opened; looked for once in L{LOOK_SECONDS}."""
        now = self._seconds()
        if abs(now - self._looked) < LOOK_SECONDS:
            return False
        self._looked = now
        try:
            return not os.path.samestat(os.stat(path), os.fstat(self._handle))
        except FileNotFoundError:
            return True

    def _open(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._handle, self._path = os.open(path, flags, 0o600), path
        self._size = os.fstat(self._handle).st_size
        self._looked = self._seconds()

    def _prune(self) -> None:
        """Remove what is older than L{KEEP_DAYS}."""
        name = self._where.name
        if DAY not in name:
            return
        before, after = name.split(DAY, 1)
        oldest = datetime.fromtimestamp(self._seconds() - KEEP_DAYS * 86_400, UTC).date().isoformat()
        for found in self._where.parent.iterdir():
            kind = found.name.removesuffix(".1")
            day = kind[len(before) : len(kind) - len(after)]
            if kind == f"{before}{day}{after}" and len(day) == len(oldest) and day.count("-") == 2 and day < oldest:
                found.unlink(missing_ok=True)


def openclaw_line(event: LogEvent) -> str:
    """An event as a line that OpenClaw's clients understand too."""
    record = json.loads(json_line(event))
    record["0"] = json.dumps({"subsystem": record["namespace"]})
    record["1"] = record["message"]
    record["_meta"] = {"logLevelName": record["level"].upper(), "date": record["time"], "name": record["0"]}
    return json.dumps(record) + "\n"


class Tail(NamedTuple):
    """The end of a log, as C{logs.tail} gives it."""

    lines: list[str]
    cursor: int
    """Where the next call goes on, in bytes."""
    size: int
    truncated: bool
    """Lines before these were left out."""
    reset: bool
    """The cursor was none of this file: it is another one by now, or was put aside."""


def tail(path: Path, cursor: int | None, limit: int, max_bytes: int) -> Tail:
    """Read whole lines from C{cursor} on; without one, the newest.

    @param limit: lines at most; the newest are given.
    @param max_bytes: bytes read at most, from the end.
    @raise OSError: the file can not be read; one that is not there is empty.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return Tail([], 0, 0, False, bool(cursor))
    with os.fdopen(handle, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        reset = cursor is not None and cursor > size
        start = 0 if cursor is None or reset else cursor
        begin = max(start, size - max_bytes)
        file.seek(begin)
        data = file.read(size - begin)
    cut = begin > start
    if cut:
        # In the middle of a line, unless a line ends right before.
        data = data.partition(b"\n")[2]
    whole, separator, rest = data.rpartition(b"\n")
    lines = whole.decode("utf-8", "replace").split("\n") if separator else []
    kept = lines[-limit:]
    return Tail(kept, size - len(rest), size, cut or len(kept) < len(lines), reset)


__all__ = ["OFF", "DayLog", "Tail", "openclaw_line", "pattern", "tail"]
