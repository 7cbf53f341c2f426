# -*- test-case-name: tests.ws.test_presence -*-
"""Who is connected, and who was a moment ago (spec 2.8).

Pure, but for the clock: rows are kept by device id, else C{instanceId}, else connection id. A client that is connected
keeps its row; of the others the oldest go when there are too many, and all of them after a while.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from openclaw_tx._version import __version__
from openclaw_tx.values import Principal
from openclaw_tx.ws.connect import ConnectParams

TTL_MS = 300_000
"""How long a row outlives its client, in ms."""
MAX_ROWS = 200
MAX_TEXT = 200
"""Characters of what a client says of itself."""
UNTRACKED = ("cli", "backend", "probe")
"""Modes of clients that come for a single call: they are not present."""


class Present(Protocol):
    """A L{openclaw_tx.ws.connection.Connection}, as far as presence knows it."""

    @property
    def id(self) -> str: ...

    @property
    def number(self) -> int: ...

    @property
    def role(self) -> str: ...

    @property
    def local(self) -> bool: ...

    @property
    def principal(self) -> Principal: ...

    @property
    def params(self) -> ConnectParams | None: ...


class _Row(NamedTuple):
    entry: dict[str, Any]
    connections: frozenset[int]
    """Numbers of the connections it stands for; empty = it is gone."""


class Presence:
    """The map.

    @ivar version: rises with every change; C{stateVersion.presence}.
    """

    def __init__(self, own: Mapping[str, str], now_ms: Callable[[], int]) -> None:
        """
        @param own: what the gateway says of itself: C{host}, C{version}, C{platform}, ...
        """
        self._own = own
        self._now_ms = now_ms
        self._rows: dict[str, _Row] = {}
        self._keys: dict[int, str] = {}
        self.version = 0

    def joined(self, connection: Present) -> bool:
        """A client is there.

        @return: whether that changed anything.
        """
        params = connection.params
        if params is None or params.client.mode.lower() in UNTRACKED:
            return False
        client, principal = params.client, connection.principal
        key = (principal.device_id or client.instance_id or connection.id).lower()[:MAX_TEXT]
        known = self._rows.pop(key, None)
        entry = _filled(
            clientId=client.id,
            host=client.display_name or client.id,
            ip="" if connection.local else principal.ip,
            version=client.version,
            platform=client.platform,
            deviceFamily=client.device_family,
            modelIdentifier=client.model_identifier,
            timeZone=client.time_zone,
            mode=client.mode,
            reason="connect",
            deviceId=principal.device_id,
            instanceId=client.instance_id or principal.device_id,
        )
        now = self._now_ms()
        since = known.entry.get("onlineSince", now) if known is not None and known.connections else now
        entry |= {"roles": [connection.role], "onlineSince": since, "ts": now}
        if principal.scopes:
            entry["scopes"] = sorted(principal.scopes)
        entry["text"] = f"Node: {entry['host']} · mode {entry['mode']}"
        numbers = known.connections if known is not None else frozenset()
        self._put(key, _Row(entry, numbers | {connection.number}))
        self._keys[connection.number] = key
        return True

    def left(self, connection: Present, reason: str = "disconnect") -> bool:
        """A client is gone; with its last connection its row says why.

        @return: whether that changed anything.
        """
        key = self._keys.pop(connection.number, None)
        row = self._rows.get(key) if key is not None else None
        if key is None or row is None:
            return False
        rest = row.connections - {connection.number}
        if rest:
            self._rows[key] = row._replace(connections=rest)
            return False
        entry = {name: value for name, value in row.entry.items() if name != "onlineSince"}
        self._rows.pop(key)
        self._put(key, _Row({**entry, "reason": reason, "ts": self._now_ms()}, rest))
        return True

    def report(self, connection: Present, told: Mapping[str, Any]) -> None:
        """A client says more of itself, or of a machine that it speaks for (C{system-event}).

        @param told: properties of a row, checked by the caller; C{deviceId} or C{instanceId} say whose.
        """
        own_key = self._keys.get(connection.number, connection.id)
        key = str(told.get("deviceId") or told.get("instanceId") or own_key).lower()[:MAX_TEXT]
        known = self._rows.pop(key, _Row({}, frozenset()))
        entry = {**known.entry, **told, "ts": self._now_ms()}
        self._put(key, _Row(entry, known.connections))

    def rows(self) -> list[dict[str, Any]]:
        """The gateway itself, then everybody, the newest first."""
        now = self._now_ms()
        self._expire(now)
        own = {**self._own, "mode": "gateway", "reason": "self"}
        text = f"Gateway: {own.get('host', 'gateway')} · app {own.get('version', '')} · mode gateway · reason self"
        others = sorted((row.entry for row in self._rows.values()), key=lambda entry: -int(entry["ts"]))
        return [{**own, "text": text, "ts": now}, *others]

    def _put(self, key: str, row: _Row) -> None:
        self._rows[key] = row
        self.version += 1
        self._expire(row.entry["ts"])
        gone = [name for name, one in self._rows.items() if not one.connections and name != key]
        for name in gone[: max(0, len(self._rows) - MAX_ROWS)]:
            del self._rows[name]
        if len(self._rows) > MAX_ROWS:
            del self._rows[next(iter(self._rows))]

    def _expire(self, now: int) -> None:
        gone = [name for name, row in self._rows.items() if not row.connections and row.entry["ts"] <= now - TTL_MS]
        for name in gone:
            del self._rows[name]


def _filled(**properties: str) -> dict[str, Any]:
    """Those that say something: an empty string is no value on the wire."""
    return {name: value[:MAX_TEXT] for name, value in properties.items() if value}


def own_row() -> Mapping[str, str]:
    """What the gateway says of itself to those who ask who is there."""
    system = platform.uname()
    return {
        "host": system.node,
        "version": __version__,
        "platform": f"{system.system.lower()} {system.release}",
        "deviceFamily": system.system,
        "modelIdentifier": system.machine,
    }


__all__ = ["MAX_TEXT", "Presence", "own_row"]
