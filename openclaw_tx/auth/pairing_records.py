# -*- test-case-name: tests.auth.test_device_book,tests.auth.test_pairing -*-
"""Devices as they are kept in C{<state>/devices}: C{paired.json} and C{pending.json} (spec 2.2 item 8).

The files of the January release are read as they are; their tokens, which stand there in clear text, are digested
while reading and gone with the next write. A file that can not be read is moved aside, never overwritten.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from twisted.logger import Logger

from openclaw_tx.config.replacing import replace_file

MAX_FILE = 4 * 1024 * 1024
"""Bytes of one file that are read; a larger one counts as broken."""

T = TypeVar("T")


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of what is in the files; properties of other releases are ignored."""


class DeviceToken(Record, frozen=True):
    """The token of a device in one role. Only its digest is kept."""

    hash: str
    """SHA-256 in hex."""
    scopes: tuple[str, ...] | None = None
    """What it is bound to; None = whatever is approved for the device."""
    created_at_ms: int = 0
    rotated_at_ms: int = 0


class NodeSurface(Record, frozen=True):
    """What a node offers, as it was approved."""

    caps: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    permissions: dict[str, bool] = {}
    approved_at_ms: int = 0

    def covers(self, other: NodeSurface) -> bool:
        """Whether nothing of C{other} is new."""
        return (
            set(other.caps) <= set(self.caps)
            and set(other.commands) <= set(self.commands)
            and {name for name, on in other.permissions.items() if on}
            <= {name for name, on in self.permissions.items() if on}
        )


class PairedDevice(Record, frozen=True):
    """A device that was let in for good, until it is removed."""

    device_id: str
    public_key: str
    display_name: str = ""
    platform: str = ""
    device_family: str = ""
    client_id: str = ""
    client_mode: str = ""
    remote_ip: str = ""
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    approved_via: Literal["silent", "operator"] = "operator"
    created_at_ms: int = 0
    approved_at_ms: int = 0
    last_seen_at_ms: int = 0
    tokens: dict[str, DeviceToken] = {}
    """By role."""
    node: NodeSurface | None = None
    """None = it is no node, or nothing of what it offers was approved."""


class PairingRequest(Record, frozen=True):
    """A device that waits to be approved."""

    request_id: str
    device_id: str
    public_key: str
    display_name: str = ""
    platform: str = ""
    device_family: str = ""
    client_id: str = ""
    client_mode: str = ""
    remote_ip: str = ""
    role: str = "operator"
    scopes: tuple[str, ...] = ()
    is_repair: bool = False
    """The device is known and asks for more."""
    ts: int = 0


def digest(token: str) -> str:
    """What is kept of a token: SHA-256 in hex. Tokens are 256 random bits, so no salt is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Snapshot(NamedTuple):
    """The content of both files."""

    paired: Mapping[str, PairedDevice]
    pending: Mapping[str, PairingRequest]


class PairingFiles:
    """The two files, readable by their owner only and replaced as a whole."""

    def __init__(self, directory: Path) -> None:
        """
        @param directory: C{<state>/devices}; made when it is first needed.
        """
        self._directory = directory
        self._log = Logger()

    def read(self) -> Snapshot:
        """What is there; rows that can not be understood are left out with a warning."""
        return Snapshot(
            self._rows("paired.json", PairedDevice),
            self._rows("pending.json", PairingRequest),
        )

    def write(self, snapshot: Snapshot) -> None:
        """Replace both.

        @raise OSError: that can not be done; the old files stand.
        """
        self._replace("paired.json", snapshot.paired)
        self._replace("pending.json", snapshot.pending)

    def _rows(self, name: str, type: type[T]) -> dict[str, T]:
        path = self._directory / name
        try:
            if path.stat().st_size > MAX_FILE:
                raise ValueError(f"larger than {MAX_FILE} bytes")
            rows = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            self._set_aside(path, error)
            return {}
        found: dict[str, T] = {}
        for key, row in rows.items():
            try:
                found[key] = msgspec.convert(_without_secrets(row), type)
            except ValueError as error:
                self._log.warn("{path}: {key} is left out: {error}", path=str(path), key=key[:64], error=str(error))
        return found

    def _set_aside(self, path: Path, error: Exception) -> None:
        aside = path.with_name(f"{path.name}.broken")
        self._log.error(
            "{path} can not be read ({error}); it is kept as {aside}",
            path=str(path),
            error=str(error),
            aside=str(aside),
        )
        try:
            os.replace(path, aside)
        except OSError:
            self._log.failure("{path} can not be moved", path=str(path))

    def _replace(self, name: str, rows: Mapping[str, Record]) -> None:
        raw = msgspec.json.format(msgspec.json.encode(rows), indent=2) + b"\n"
        replace_file(self._directory / name, raw)


def _without_secrets(row: Any) -> Any:
    """A row with digests where an older release kept the tokens themselves; revoked ones are dropped."""
    if not isinstance(row, dict) or not isinstance(row.get("tokens"), dict):
        return row
    tokens = {}
    for role, token in row["tokens"].items():
        if not isinstance(token, dict) or token.get("revokedAtMs"):
            continue
        if isinstance(token.get("token"), str):
            token = {**token, "hash": digest(token["token"])}
        tokens[role] = token
    return {**row, "tokens": tokens}


def public_row(device: PairedDevice) -> dict[str, Any]:
    """One device as clients see it (recorded answers to C{device.pair.list})."""
    row: dict[str, Any] = msgspec.to_builtins(device)
    row.pop("node", None)
    row["role"] = device.roles[0] if device.roles else "operator"
    row["roles"] = list(device.roles)
    row["scopes"] = list(device.scopes)
    row["approvedVia"] = device.approved_via
    row["tokens"] = [
        {
            "role": role,
            "scopes": sorted((device.scopes if token.scopes is None else token.scopes) if role == "operator" else ()),
            "createdAtMs": token.created_at_ms,
            **({"rotatedAtMs": token.rotated_at_ms} if token.rotated_at_ms else {}),
        }
        for role, token in device.tokens.items()
    ]
    return row


__all__ = [
    "DeviceToken",
    "NodeSurface",
    "PairedDevice",
    "PairingFiles",
    "PairingRequest",
    "Snapshot",
    "digest",
    "public_row",
]
