# -*- test-case-name: tests.ws.test_surface -*-
"""The payload of hello-ok, as each protocol has it (spec 2.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from openclaw_tx._version import __version__
from openclaw_tx.auth.actions import ADMIN
from openclaw_tx.auth.sight import agents_for
from openclaw_tx.interfaces import Agents
from openclaw_tx.sessions.keys import MAIN, in_scope, main_key
from openclaw_tx.ws.connection import Connection
from openclaw_tx.ws.handshake import Admitted

MAX_PAYLOAD = 26_214_400
"""Largest message after hello, in bytes."""
MAX_EARLY_PAYLOAD = 64 * 1024
"""Largest message before it."""
MAX_BUFFERED = 52_428_800
"""Bytes held for a client that does not read."""
MAX_ATTACHMENTS = 19_464_192
"""Bytes of all attachments of one message: what fits into a frame as base64."""
CAPABILITIES = ("published-model-catalog",)
"""What clients of protocol 4 may count on: C{models.list} tells the gateway's own catalogue, by provider if asked."""
MAX_IMAGE = 6 * 1024 * 1024
"""Bytes of one image."""


class Place(NamedTuple):
    """Where the gateway keeps its files; only administrators are told."""

    config_path: str
    state_dir: str


class Hello:
    """Makes hello-ok for a connection that has just been let in."""

    def __init__(
        self,
        agents: Agents,
        methods: Callable[[], Sequence[str]],
        events: Sequence[str],
        health: Callable[[Connection], tuple[Any, tuple[int, int]]],
        tick_seconds: Callable[[], float],
        uptime_ms: Callable[[], int],
        presence: Callable[[Connection], Sequence[Any]],
        place: Place | None = None,
        scope: Callable[[], str] = lambda: "per-sender",
    ) -> None:
        """
        @param presence: who is there, as far as the connection may know.
        @param health: the last known health that the connection may see (C{{}} before the first), and its version.
        @param scope: C{session.scope} of the moment.
        """
        self._scope = scope
        self._agents = agents
        self._methods = methods
        self._events = events
        self._health = health
        self._tick_seconds = tick_seconds
        self._uptime_ms = uptime_ms
        self._presence = presence
        self._place = place

    def __call__(self, connection: Connection, admitted: Admitted) -> dict[str, Any]:
        """The payload. Protocol 3 gets C{auth} only with a device."""
        modern = connection.protocol >= 4
        principal = connection.principal
        default_id = agents_for(self._agents, principal).default_id
        health, version = self._health(connection)
        snapshot: dict[str, Any] = {
            "presence": list(self._presence(connection)),
            "health": health,
            "stateVersion": {"presence": version[0], "health": version[1]},
            "uptimeMs": self._uptime_ms(),
            "sessionDefaults": {
                "defaultAgentId": default_id,
                "mainKey": MAIN,
                "mainSessionKey": in_scope(main_key(default_id, principal.session_prefix), default_id, self._scope()),
                "scope": self._scope(),
            },
        }
        if self._place is not None and ADMIN in principal.scopes:
            snapshot["configPath"] = self._place.config_path
            snapshot["stateDir"] = self._place.state_dir
        features: dict[str, Any] = {"methods": list(self._methods()), "events": list(self._events)}
        policy: dict[str, Any] = {
            "maxPayload": MAX_PAYLOAD,
            "maxBufferedBytes": MAX_BUFFERED,
            "tickIntervalMs": round(self._tick_seconds() * 1000),
        }
        hello: dict[str, Any] = {
            "type": "hello-ok",
            "protocol": connection.protocol,
            "server": {"version": __version__, "connId": connection.id},
            "features": features,
            "snapshot": snapshot,
            "policy": policy,
        }
        if modern:
            features["capabilities"] = list(CAPABILITIES)
            policy["attachments"] = {"maxBytes": MAX_ATTACHMENTS, "maxImageBytes": MAX_IMAGE}
        auth: dict[str, Any] = {"role": connection.role, "scopes": list(connection.scopes)}
        if principal.device_id and admitted.device_token is not None:
            auth |= {"deviceToken": admitted.device_token, "issuedAtMs": admitted.issued_at_ms}
        if modern:
            # A key comes as a token: clients know no other word.
            hello["auth"] = {"method": "token" if principal.method == "key" else principal.method, **auth}
        elif "deviceToken" in auth:
            hello["auth"] = auth
        return hello
