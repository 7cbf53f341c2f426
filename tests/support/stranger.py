"""A WebSocket client of bytes alone, from any address and with any headers: what no library would send."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.support.house import House
from tests.support.raw_websocket import frame
from tests.support.web import Client

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""RFC 6455's own."""


class Stranger:
    """One attempt to come in.

    @ivar status: HTTP status of the upgrade; 101 = done.
    """

    def __init__(self, house: House, host: str = "127.0.0.1", headers: Mapping[str, str] | None = None) -> None:
        self._house = house
        self.client: Client = house.connect(host)
        head = {
            "Host": "gateway.example:18789" if host != "127.0.0.1" else "localhost:18789",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": KEY,
            "Sec-WebSocket-Version": "13",
            **(headers or {}),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        self.client.send(f"GET / HTTP/1.1\r\n{lines}\r\n".encode())
        house.settle()
        self.status = int(self.client.received.split(b" ", 2)[1])

    def send(self, message: Any) -> None:
        """A frame of text."""
        self.client.send(frame(json.dumps(message).encode()))
        self._house.settle()

    @property
    def frames(self) -> list[Any]:
        """What came since the upgrade, as JSON; a close as C{(code, reason)}."""
        data, found = self.client.received.partition(b"\r\n\r\n")[2], []
        while data:
            size, start = data[1], 2
            if size == 126:
                size, start = int.from_bytes(data[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(data[2:10], "big"), 10
            payload, opcode = data[start : start + size], data[0] & 15
            data = data[start + size :]
            found.append(
                (int.from_bytes(payload[:2], "big"), payload[2:].decode()) if opcode == 8 else json.loads(payload)
            )
        return found

    def connect(self, scopes: list[str], **auth: str) -> Any:
        """The handshake; the answer, None before there is one."""
        client = {"id": "test", "version": "1", "platform": "test", "mode": "test"}
        params = {"minProtocol": 3, "maxProtocol": 4, "client": client, "scopes": scopes, "auth": auth}
        return self.ask("connect", params)

    def ask(self, method: str, params: Any = None) -> Any:
        """A request; the newest answer to one of that name."""
        self.send({"type": "req", "id": method, "method": method, "params": params or {}})
        return next(
            (each for each in reversed(self.frames) if isinstance(each, dict) and each.get("id") == method), None
        )


__all__ = ["Stranger"]
