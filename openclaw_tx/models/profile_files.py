# -*- test-case-name: tests.models.test_profile_files -*-
"""C{<state>/agents/<id>/agent/auth-profiles.json}, where profiles are kept (spec 6.3), read and written in threads.

The file is looked at again when it is asked for, at most every L{CHECK_S}. What has become of its keys goes back into
it L{WRITE_S} later, over whatever the file holds by then; a file that is not there is not made.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from twisted.internet.defer import CancelledError, DeferredLock
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from openclaw_tx.deferreds import InThread, spawn
from openclaw_tx.models.cooldowns import Standing
from openclaw_tx.models.profiles import Profiles, decode, with_standings

NAME = "auth-profiles.json"
MAX_BYTES = 1024 * 1024
MAX_AGENTS = 1000
"""Agents whose files are remembered, and warnings that are told; with more agents all files are read anew."""
CHECK_S = 2.0
WRITE_S = 5.0

_AGENT = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}")
_Signature = tuple[int, int, int]


class Read(NamedTuple):
    """What one look at a file found."""

    signature: _Signature | None
    """Changes when the file does; None = there is none."""
    profiles: Profiles
    warnings: tuple[str, ...] = ()


NONE = Read(None, Profiles())


def path_of(state_dir: Path, agent_id: str) -> Path:
    """Where an agent's profiles are."""
    return state_dir / "agents" / agent_id / "agent" / NAME


def signature_of(path: Path) -> _Signature | None:
    """What tells one state of a file from another; None = there is no file. One look at it, no reading."""
    try:
        return _signature(path.stat())
    except OSError:
        return None


def look(path: Path, owner: str) -> Read:
    """Read a file; blocks.

    @raise OSError: it can not be read.
    @raise ValueError: it can not be understood; says why, without secrets.
    """
    try:
        # Without O_NONBLOCK a named pipe would keep the thread for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return NONE
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("is not a regular file")
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES // 1024} KiB")
    warnings = []
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        warnings.append(f"others on this machine may read it (mode {mode:o}); run: chmod 600 {path}")
    return Read(_signature(found), decode(raw, owner), tuple(warnings))


def _signature(found: os.stat_result) -> _Signature:
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def write(path: Path, standings: Mapping[str, Standing]) -> None:
    """Put C{usageStats} into a file that exists; blocks. Whoever reads it meanwhile sees the old one or the new one.

    @raise OSError: it can not be read or written.
    @raise ValueError: what it holds can not be understood, so it is left alone.
    """
    target = Path(os.path.realpath(path))
    try:
        raw = target.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return
    text = with_standings(raw, standings)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{NAME}.", dir=target.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


class ProfileFiles:
    """The files of all agents."""

    _log = Logger()

    def __init__(self, state_dir: Path, in_thread: InThread, clock: IReactorTime) -> None:
        self._state_dir = state_dir
        self._in_thread = in_thread
        self._clock = clock
        self._known: dict[str, tuple[float, Read]] = {}
        self._told: set[tuple[str, str]] = set()
        self._pending: dict[str, Callable[[], Mapping[str, Standing]]] = {}
        self._timer: IDelayedCall | None = None
        self._lock = DeferredLock()

    async def read(self, agent_id: str, default_id: str) -> Profiles:
        """An agent's profiles: those in its own file, or, when it has none, those of the default agent."""
        own = await self._read(agent_id)
        if own.signature is None and agent_id != default_id:
            own = await self._read(default_id)
        return own.profiles

    def known(self, agent_id: str) -> Profiles | None:
        """What is remembered of an agent's own file; None = nobody asked for it yet."""
        found = self._known.get(agent_id)
        return found[1].profiles if found is not None else None

    def write_later(self, agent_id: str, standings: Callable[[], Mapping[str, Standing]]) -> None:
        """Write an agent's C{usageStats} soon.

        @param standings: tells what to write, then.
        """
        self._pending[agent_id] = standings
        if self._timer is None:
            self._timer = self._clock.callLater(WRITE_S, self._write_now)

    async def close(self) -> None:
        """Write what is still to be written."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._write()

    async def _read(self, agent_id: str) -> Read:
        at, known = self._known.get(agent_id, (float("-inf"), NONE))
        now = self._clock.seconds()
        if now < at + CHECK_S or not _AGENT.fullmatch(agent_id):
            return known
        if agent_id in self._known:
            self._known[agent_id] = (now, known)  # the others need not look as well
        path = path_of(self._state_dir, agent_id)
        signature = signature_of(path)
        found = known
        if signature != known.signature:
            try:
                found = await self._in_thread(look, path, agent_id) if signature is not None else NONE
            except CancelledError:
                raise
            except (OSError, ValueError) as error:
                found = Read(signature, known.profiles)
                self._warn(path, (f"can not be used: {_reason(error)}",))
            self._warn(path, found.warnings)
        if len(self._known) >= MAX_AGENTS:
            self._known.clear()
        self._known[agent_id] = (now, found)
        return found

    def _warn(self, path: Path, warnings: tuple[str, ...]) -> None:
        """Tell what is wrong with a file, each thing once."""
        for warning in warnings:
            if (str(path), warning) not in self._told and len(self._told) < MAX_AGENTS:
                self._told.add((str(path), warning))
                self._log.warn("{path}: {problem}", path=str(path), problem=warning)

    def _write_now(self) -> None:
        self._timer = None
        spawn(self._write(), self._log, f"writing {NAME}")

    async def _write(self) -> None:
        pending, self._pending = self._pending, {}
        if not pending:
            return
        await self._lock.acquire()
        try:
            for agent_id, standings in pending.items():
                path = path_of(self._state_dir, agent_id)
                try:
                    await self._in_thread(write, path, standings())
                except CancelledError:
                    raise
                except (OSError, ValueError) as error:
                    self._warn(path, (f"could not be written: {_reason(error)}",))
        finally:
            self._lock.release()


def _reason(error: Exception) -> str:
    return (error.strerror or "") if isinstance(error, OSError) else str(error)


__all__ = ["ProfileFiles", "look", "path_of", "write"]
