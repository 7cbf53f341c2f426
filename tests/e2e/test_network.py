"""Clients at their worst over real sockets: what the kernel makes of refusals, and that others do not wait."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_twisted

from twisted.internet.defer import gatherResults
from twisted.internet.threads import deferToThread

from tests.e2e.processes import TOKEN, GatewayProcess, block, configuration
from tests.support.raw_http import BAD, Bad, get
from tests.support.raw_http import TOKEN as MEMORY_TOKEN
from tests.support.raw_websocket import CLOSE, PING, UPGRADE, frame

pytestmark = pytest.mark.e2e

MANY = 10_000


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway process whose provider is not there."""
    process = GatewayProcess(tmp_path, configuration("http://127.0.0.1:9/v1"))
    block(process.start())
    yield process
    assert process.child is not None
    code = block(process.stop())
    assert (code, "Traceback" in process.child.output) == (0, False), process.child.output


def rest(connection: socket.socket) -> bytes:
    """All that comes until the gateway closes."""
    got = b""
    try:
        while piece := connection.recv(65_536):
            got += piece
    except ConnectionError:
        pass
    return got


def talk(port: int, data: bytes) -> bytes:
    """Send, and read to the end. The gateway may close before it has read all."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        with suppress(ConnectionError):
            connection.sendall(data)
        return rest(connection)


def talk_websocket(port: int, data: bytes) -> bytes:
    """Upgrade, wait for the challenge, send; what came then."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(UPGRADE)
        while b"connect.challenge" not in got or not got.endswith(b"}}"):
            got += connection.recv(65_536)
        connection.sendall(data)
        return rest(connection)


@pytest_twisted.ensureDeferred
async def test_bad_requests(gateway: GatewayProcess) -> None:
    """Each has one answer, which arrives, and its connection ends."""

    def check(bad: Bad) -> None:
        data = bad.data.replace(MEMORY_TOKEN.encode(), TOKEN.encode()) + get(b"/healthz?smuggled")
        got = talk(gateway.port, data)
        assert re.findall(rb"HTTP/1\.1 (\d+)", got) == [b"%d" % bad.status], (bad.name, got)

    await gatherResults([deferToThread(check, bad) for bad in BAD], consumeErrors=True)


@pytest_twisted.ensureDeferred
async def test_closes(gateway: GatewayProcess) -> None:
    """Who breaks the WebSocket protocol reads why before the connection ends, also with a close frame."""
    for name, data, code in (
        ("no mask", frame(b"{}", mask=None), 1002),
        ("a close code that is none", frame(struct.pack("!H", 999), CLOSE), 1002),
        ("a close reason that is no UTF-8", frame(struct.pack("!H", 1000) + b"\xff", CLOSE), 1007),
        ("a close in two", frame(b"", CLOSE, fin=False), 1002),
        ("a close", frame(struct.pack("!H", 1000), CLOSE), 1000),
        ("no UTF-8", frame(b"\xff"), 1007),
        ("too large", frame(b"", length=70_000, form=64), 1009),
    ):
        got = await deferToThread(talk_websocket, gateway.port, data)
        assert struct.unpack("!H", got[2:4]) == (code,), (name, got)
        assert got[0] == 0x88, (name, got)


@pytest_twisted.ensureDeferred
async def test_floods(gateway: GatewayProcess) -> None:
    """While one client has very many requests answered, and another very many pings, a third is answered long before
    they are done."""
    done: list[str] = []

    def flood() -> None:
        got = talk(gateway.port, get() * MANY + get(b"/healthz", b"Connection: close"))
        assert got.count(b"HTTP/1.1 200") == MANY + 1
        done.append("requests")

    def pings() -> None:
        got = talk_websocket(gateway.port, frame(b"", PING) * MANY + frame(struct.pack("!H", 1000), CLOSE))
        assert got.count(b"\x8a\x00") == MANY
        done.append("pings")

    def other() -> None:
        for _ in range(10):
            assert talk(gateway.port, get(b"/healthz", b"Connection: close")).startswith(b"HTTP/1.1 200")
        done.append("other")

    await gatherResults([deferToThread(each) for each in (flood, pings, other)], consumeErrors=True)
    assert done.index("other") < done.index("requests"), done
