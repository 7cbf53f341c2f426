# -*- test-case-name: tests.cli.test_audit -*-
"""Who else on this machine may read or change what the gateway keeps (checks C{fs.*})."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from openclaw_tx.cli.audit_findings import Chmod, Finding

if TYPE_CHECKING:
    from openclaw_tx.config.load import Loaded

PRIVATE_FILE, PRIVATE_DIR = 0o600, 0o700
GROUP_WRITE, GROUP_READ, OTHER_WRITE, OTHER_READ = 0o020, 0o050, 0o002, 0o005
"""Bits; C{READ} includes entering a directory."""


def file_findings(loaded: Loaded) -> Iterator[Finding]:
    """Everything about files and directories."""
    yield from _state_dir(Path(loaded.state_dir))
    if loaded.exists:
        yield from _config("fs.config", loaded.path)
    for path in loaded.files:
        if path != loaded.path:
            yield from _config("fs.config_include", path)
    for path in sorted(Path(loaded.state_dir).glob("agents/*/agent/auth-profiles.json")):
        yield from _profiles(path)
    yield from _readable("fs.sessions_store.perms_readable", _store(loaded), "Sessions can be read by others")
    for path in _logs(loaded):
        yield from _readable("fs.log_file.perms_readable", path, "A log can be read by others")


def mode_of(path: Path) -> int | None:
    """Permission bits of what C{path} leads to; None = nothing is there."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def _state_dir(path: Path) -> Iterator[Finding]:
    if path.is_symlink():
        detail = f"{path} leads to {os.path.realpath(path)}"
        yield Finding("fs.state_dir.symlink", "warn", "The state directory is a symbolic link", detail)
    mode = mode_of(path)
    if mode is None:
        return
    detail = f"{path} has mode {mode:04o}"
    fix = Chmod(path, PRIVATE_DIR)
    advice = f"chmod 700 {path}"
    if mode & OTHER_WRITE:
        title = "Everybody may write into the state directory"
        yield Finding("fs.state_dir.perms_world_writable", "critical", title, detail, advice, fix)
    elif mode & GROUP_WRITE:
        title = "A group may write into the state directory"
        yield Finding("fs.state_dir.perms_group_writable", "warn", title, detail, advice, fix)
    elif mode & (GROUP_READ | OTHER_READ):
        title = "Others may read the state directory"
        yield Finding("fs.state_dir.perms_readable", "warn", title, detail, advice, fix)


def _config(prefix: str, path: Path) -> Iterator[Finding]:
    """The configuration, or a file that it takes in."""
    if prefix == "fs.config" and path.is_symlink():
        detail = f"{path} leads to {os.path.realpath(path)}; whoever may change that decides what is served"
        yield Finding("fs.config.symlink", "warn", "The configuration is a symbolic link", detail)
    mode = mode_of(path)
    if mode is None:
        return
    detail = f"{path} has mode {mode:04o}; it may hold secrets"
    fix, advice = Chmod(path, PRIVATE_FILE), f"chmod 600 {path}"
    if mode & (GROUP_WRITE | OTHER_WRITE):
        title = "Others may change the configuration"
        yield Finding(f"{prefix}.perms_writable", "critical", title, detail, advice, fix)
    elif mode & 0o004:
        title = "Everybody may read the configuration"
        yield Finding(f"{prefix}.perms_world_readable", "critical", title, detail, advice, fix)
    elif mode & 0o040:
        title = "A group may read the configuration"
        yield Finding(f"{prefix}.perms_group_readable", "warn", title, detail, advice, fix)


def _profiles(path: Path) -> Iterator[Finding]:
    mode = mode_of(path) or 0
    detail = f"{path} has mode {mode:04o}; it holds keys of model providers"
    fix, advice = Chmod(path, PRIVATE_FILE), f"chmod 600 {path}"
    if mode & (GROUP_WRITE | OTHER_WRITE):
        title = "Others may change keys of model providers"
        yield Finding("fs.auth_profiles.perms_writable", "critical", title, detail, advice, fix)
    elif mode & 0o044:
        title = "Others may read keys of model providers"
        yield Finding("fs.auth_profiles.perms_readable", "warn", title, detail, advice, fix)


def _readable(check_id: str, path: Path | None, title: str) -> Iterator[Finding]:
    mode = mode_of(path) if path is not None else None
    if path is not None and mode is not None and mode & 0o044:
        detail = f"{path} has mode {mode:04o}"
        yield Finding(check_id, "warn", title, detail, f"chmod 600 {path}", Chmod(path, PRIVATE_FILE))


def _store(loaded: Loaded) -> Path | None:
    from openclaw_tx.cli.errors import CommandError
    from openclaw_tx.cli.session_store import database_of

    try:
        return database_of(loaded)
    except CommandError:
        return None


def _logs(loaded: Loaded) -> list[Path]:
    from openclaw_tx.log_file import DAY, pattern

    where = pattern(loaded.config.logging.file, loaded.state_dir)
    return sorted(where.parent.glob(where.name.replace(DAY, "*") + "*")) if where is not None else []


__all__ = ["file_findings", "mode_of"]
