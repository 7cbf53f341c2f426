# -*- test-case-name: tests.tools.test_approvals_file -*-
"""C{exec-approvals.json} in the state directory: what may run without a question, for each agent (spec 7.3).

OpenClaw's own file, form 1. What it holds beside what is read here stays as it is. It is read anew each time it is
needed, in a thread; it is written whole or not at all, for its owner only. One that can not be used is moved aside and
one that denies every command takes its place, so that a slip in it never allows anything.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from openclaw_tx.config.replacing import make_directory
from openclaw_tx.deferreds import InThread
from openclaw_tx.errors import GatewayError
from openclaw_tx.tools.allowlist import Pattern
from openclaw_tx.tools.exec_policy import ASK, SECURITY, FileRules, Posture, mode
from openclaw_tx.values import ApprovalsSnapshot

T = TypeVar("T")

NAME = "exec-approvals.json"
MAX_BYTES = 1024 * 1024
MAX_ENTRIES = 1000
"""Entries of one agent's allowlist."""
DENIED: dict[str, Any] = {"version": 1, "defaults": {"security": "deny"}, "agents": {}}
"""What takes the place of a file that can not be used."""
EVERYBODY = "*"
"""The agent whose allowlist, and modes where an agent has none of its own, are everybody's."""


class _Entry(msgspec.Struct, rename="camel"):
    pattern: str
    id: str = ""
    arg_pattern: str = ""
    command_text: str = ""


class _Modes(msgspec.Struct, rename="camel"):
    security: str = ""
    ask: str = ""
    ask_fallback: str = ""
    auto_allow_skills: bool = False


class _Agent(_Modes, rename="camel"):
    allowlist: list[_Entry] = []


class _File(msgspec.Struct, rename="camel"):
    version: int
    defaults: _Modes = msgspec.field(default_factory=_Modes)
    agents: dict[str, _Agent] = {}


class Bad(Exception):
    """The file is not of the right form; the text says where."""


def decoded(file: Any) -> _File:
    """
    @raise Bad: it is not of form 1, or names a mode that there is none of.
    """
    try:
        found = msgspec.convert(file, _File)
    except msgspec.ValidationError as error:
        raise Bad(str(error)) from None
    if found.version != 1:
        raise Bad(f"version must be 1, not {found.version}")
    for place, modes in (
        ("defaults", found.defaults),
        *((f"agents.{name}", own) for name, own in found.agents.items()),
    ):
        for key, value, known in (
            ("security", modes.security, SECURITY),
            ("ask", modes.ask, ASK),
            ("askFallback", modes.ask_fallback, SECURITY),
        ):
            if value and value not in known:
                raise Bad(f"{place}.{key} must be one of {', '.join(known)}")
        if isinstance(modes, _Agent) and len(modes.allowlist) > MAX_ENTRIES:
            raise Bad(f"{place}.allowlist has more than {MAX_ENTRIES} entries")
    return found


def rules_of(file: Any, agent_id: str, home: str = "") -> FileRules:
    """What a file says for an agent. Where it names no mode, it leaves that to the configuration, and nobody's word is
    no: OpenClaw's own command line and its gateway make files of allowlists alone.

    @param home: stands for C{~} at the beginning of patterns.
    @raise Bad: see L{decoded}.
    """
    found = decoded(file)
    own, shared = (found.agents.get(name, _Agent()) for name in (agent_id, EVERYBODY))
    levels = (own, shared, found.defaults)
    return FileRules(
        mode(SECURITY, _first(level.security for level in levels), "full"),
        mode(ASK, _first(level.ask for level in levels), "off"),
        mode(SECURITY, _first(level.ask_fallback for level in levels), "deny"),
        tuple(_pattern(entry, home) for entry in (*own.allowlist, *shared.allowlist)),
    )


def _first(values: Any) -> str:
    return next((value for value in values if value), "")


def _pattern(entry: _Entry, home: str) -> Pattern:
    """What only holds for some arguments can not be judged here, so it holds for none."""
    glob = home + entry.pattern[1:] if home and entry.pattern.startswith("~/") else entry.pattern
    return Pattern("" if entry.arg_pattern else glob, entry.command_text)


class ApprovalsFile:
    """Implements L{openclaw_tx.interfaces.ApprovalsFile}; one for each state directory."""

    def __init__(
        self, state_dir: Path, in_thread: InThread, now_ms: Callable[[], int], new_id: Callable[[], str]
    ) -> None:
        self._path = state_dir / NAME
        self._in_thread = in_thread
        self._now_ms = now_ms
        self._new_id = new_id
        self._lock = DeferredLock()
        self._log = Logger()

    async def get(self) -> ApprovalsSnapshot:
        """See L{openclaw_tx.interfaces.ApprovalsFile.get}."""
        return await self._alone(self._read)

    async def set(self, file: dict[str, Any], base_hash: str | None) -> ApprovalsSnapshot:
        """See L{openclaw_tx.interfaces.ApprovalsFile.set}."""

        def replace() -> ApprovalsSnapshot:
            before = self._read()
            if before.exists and base_hash is None:
                raise GatewayError("invalid_request", "exec approvals base hash required; get the file and try again")
            if before.exists and base_hash != before.hash:
                raise GatewayError("invalid_request", "exec approvals changed since they were read; get them again")
            try:
                decoded(file)
            except Bad as error:
                raise GatewayError("invalid_request", f"file: {error}", param="file") from None
            return self._write(file)

        return await self._alone(replace)

    async def rules(self, agent_id: str, home: str) -> FileRules | None:
        """What it says for an agent; None = there is no file."""
        snapshot = await self.get()
        return rules_of(snapshot.file, agent_id, home) if snapshot.exists else None

    async def allow(self, agent_id: str, paths: Sequence[str], command: str, current: Posture) -> None:
        """Put programs on an agent's allowlist.

        @param paths: their real paths.
        @param current: how commands are treated now. A file that is made for this says the same, so that its being
            there changes nothing else.
        """

        def change(file: dict[str, Any], exists: bool) -> None:
            if not exists:
                file["defaults"] = {
                    "security": current.security,
                    "ask": current.ask,
                    "askFallback": current.fallback,
                }
            entries = _allowlist(file, agent_id)
            known = {entry.get("pattern") for entry in entries if isinstance(entry, dict)}
            for path in paths:
                if path not in known and len(entries) < MAX_ENTRIES:
                    entries.append({"id": self._new_id(), "pattern": path, **self._use(command, path)})

        await self._change(change)

    async def used(self, agent_id: str, uses: Mapping[int, str], command: str) -> None:
        """Note that entries have let a command pass.

        @param uses: position among the patterns of L{FileRules} -> real path of the program.
        """

        def change(file: dict[str, Any], exists: bool) -> None:
            lists = [*_entries(file, agent_id), *_entries(file, EVERYBODY)]
            for position, path in uses.items():
                if position < len(lists):
                    lists[position].update(self._use(command, path))

        await self._change(change)

    def _use(self, command: str, path: str) -> dict[str, Any]:
        return {"lastUsedAt": self._now_ms(), "lastUsedCommand": command[:1000], "lastResolvedPath": path}

    async def _change(self, change: Callable[[dict[str, Any], bool], None]) -> None:
        def work() -> None:
            snapshot = self._read()
            change(snapshot.file, snapshot.exists)
            self._write(snapshot.file)

        await self._alone(work)

    async def _alone(self, work: Callable[[], T]) -> T:
        """Do work while no other is at the file. Whoever asked may go: the thread does not stop, so the next one waits.

        @raise GatewayError: C{storage_unavailable}: the disk is full, or the file must not be touched.
        """
        waiting: Deferred[T] = Deferred()
        self._lock.run(self._in_thread, work).chainDeferred(waiting)
        try:
            return await waiting
        except OSError as error:
            self._log.warn("{path} can not be read or written: {error}", path=str(self._path), error=str(error))
            what = error.strerror or "it can not be read or written"
            raise GatewayError("storage_unavailable", f"the exec approvals file: {what}") from None

    # in the thread

    def _read(self) -> ApprovalsSnapshot:
        try:
            with self._path.open("rb") as source:
                raw = source.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return self._snapshot(False, b"", {"version": 1, "agents": {}})
        try:
            if len(raw) > MAX_BYTES:
                raise Bad(f"it is larger than {MAX_BYTES} bytes")
            file = msgspec.json.decode(raw)
            decoded(file)
        except (Bad, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            aside = self._path.with_name(f"{NAME}.broken-{self._now_ms()}")
            os.replace(self._path, aside)
            self._log.error(
                "{path} can not be used ({error}): every command is denied until it is put right; the old file is now "
                "{aside}",
                path=str(self._path),
                error=str(error),
                aside=str(aside),
            )
            return self._write(msgspec.json.decode(msgspec.json.encode(DENIED)))
        return self._snapshot(True, raw, file)

    def _write(self, file: dict[str, Any]) -> ApprovalsSnapshot:
        raw = msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"
        if len(raw) > MAX_BYTES:
            raise GatewayError("invalid_request", f"file: larger than {MAX_BYTES} bytes", param="file")
        make_directory(self._path.parent)
        descriptor, name = tempfile.mkstemp(prefix=f".{NAME}-", dir=self._path.parent)  # for its owner only
        try:
            with os.fdopen(descriptor, "wb") as target:
                target.write(raw)
                target.flush()
                os.fsync(target.fileno())
            os.replace(name, self._path)
        except BaseException:
            os.unlink(name)
            raise
        return self._snapshot(True, raw, file)

    def _snapshot(self, exists: bool, raw: bytes, file: dict[str, Any]) -> ApprovalsSnapshot:
        return ApprovalsSnapshot(path=str(self._path), exists=exists, hash=hashlib.sha256(raw).hexdigest(), file=file)


def _entries(file: dict[str, Any], agent_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = file.get("agents", {}).get(agent_id, {}).get("allowlist", [])
    return found


def _allowlist(file: dict[str, Any], agent_id: str) -> list[Any]:
    """An agent's entries, to be added to."""
    found: list[Any] = file.setdefault("agents", {}).setdefault(agent_id, {}).setdefault("allowlist", [])
    return found


__all__ = ["DENIED", "MAX_ENTRIES", "NAME", "ApprovalsFile", "Bad", "decoded", "rules_of"]
