"""A WebSocket client of bytes: frames as they are built by hand, and a strict reader of what comes back."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from tests.support.raw_http import TOKEN
from tests.support.web import Client

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The answer to that key (RFC 6455, 1.3)."""


def frame(
    payload: bytes = b"",
    opcode: int = TEXT,
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\x37\xfa\x21\x3d",
    form: int = 0,
    length: int | None = None,
) -> bytes:
    """A client's frame (RFC 6455, 5.2).

    @param mask: None = not masked.
    @param form: how the length is written: 7, 16 or 64 bits; 0 = the shortest that will do.
    @param length: what the head says instead of the true length.
    """
    size = len(payload) if length is None else length
    form = form or (7 if size < 126 else 16 if size < 65_536 else 64)
    masked = 0 if mask is None else 0x80
    short = {7: size, 16: 126, 64: 127}[form]
    head = bytes((fin << 7 | rsv << 4 | opcode, masked | short))
    head += {7: b"", 16: struct.pack("!H", size & 0xFFFF), 64: struct.pack("!Q", size)}[form]
    if mask is None:
        return head + payload
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return head + mask + number.to_bytes(len(payload), "big")


def fragments(payload: bytes, *cuts: int, opcode: int = TEXT) -> list[bytes]:
    """One message in several frames."""
    ends = [0, *cuts, len(payload)]
    pieces = [payload[start:end] for start, end in pairwise(ends)]
    last = len(pieces) - 1
    return [
        frame(piece, opcode if number == 0 else CONTINUATION, fin=number == last) for number, piece in enumerate(pieces)
    ]


def request(id: str, **more: Any) -> bytes:
    """A request for a method that there is not: its answer bears its id. Text goes out as it is, not escaped."""
    return json.dumps({"type": "req", "id": id, "method": "echo", **more}, ensure_ascii=False).encode()


class Frame(NamedTuple):
    """What the server sent."""

    opcode: int
    payload: bytes


class Socket:
    """A connection after its upgrade.

    @ivar client: its bytes.
    """

    def __init__(self, client: Client, upgrade: bytes = UPGRADE) -> None:
        self.client = client
        client.send(upgrade)

    def send(self, *pieces: bytes) -> None:
        """Bytes, each piece in a read of its own."""
        for piece in pieces:
            self.client.send(piece)

    def connect(self) -> None:
        """Say C{connect}."""
        params = {
            "minProtocol": 4,
            "maxProtocol": 4,
            "client": {"id": "cli", "version": "1", "platform": "linux", "mode": "cli"},
            "role": "operator",
            "scopes": ["operator.read", "operator.write"],
            "auth": {"token": TOKEN},
        }
        self.send(frame(json.dumps({"type": "req", "id": "hello", "method": "connect", "params": params}).encode()))
        assert self.answered == ["hello"], self.client.received

    @property
    def frames(self) -> list[Frame]:
        """All so far. Fails on what a server may not send."""
        head, _, data = self.client.received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert f"Sec-WebSocket-Accept: {ACCEPT}".encode() in head
        return list(_frames(data))

    @property
    def answered(self) -> list[str]:
        """Ids of the requests that were answered."""
        messages = [json.loads(each.payload) for each in self.frames if each.opcode == TEXT]
        return [message["id"] for message in messages if message["type"] == "res"]

    @property
    def pongs(self) -> list[bytes]:
        """Payloads."""
        return [each.payload for each in self.frames if each.opcode == PONG]

    @property
    def closed(self) -> tuple[int | None, bytes] | None:
        """Code and reason of the close frame; None = there was none."""
        closes = [each.payload for each in self.frames if each.opcode == CLOSE]
        assert len(closes) < 2, closes
        if not closes:
            return None
        return (struct.unpack("!H", closes[0][:2])[0] if closes[0] else None), closes[0][2:]


def _frames(data: bytes) -> Iterator[Frame]:
    while data:
        opcode, size, start = data[0] & 0x0F, data[1], 2
        assert data[0] & 0xF0 == 0x80, "fragmented, or a reserved bit"
        assert size < 128, "masked"
        if size == 126:
            size, start = struct.unpack("!H", data[2:4])[0], 4
        elif size == 127:
            size, start = struct.unpack("!Q", data[2:10])[0], 10
        assert len(data) >= start + size, "half a frame"
        yield Frame(opcode, data[start : start + size])
        assert opcode in (TEXT, CLOSE, PING, PONG)
        data = data[start + size :]
        assert opcode != CLOSE or not data, "something after the close"
