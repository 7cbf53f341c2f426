"""A gateway that is full, over real sockets: what clients read, and that it never runs out of descriptors."""

from __future__ import annotations

import os
import resource
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import pytest_twisted

from twisted.internet.threads import deferToThread

from tests.e2e.processes import TOKEN, GatewayProcess, configuration

pytestmark = pytest.mark.e2e

FILES = 64
"""Descriptors that the gateway may have."""

FLOOD = 300


def ask(port: int, path: str) -> bytes:
    """What one request gets, to the end of the connection; "" = it was cut."""
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
    got = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(request.encode())
            while piece := connection.recv(65_536):
                got += piece
    except ConnectionError:
        pass
    return got


@pytest_twisted.ensureDeferred
async def test_flood(tmp_path: Path) -> None:
    """While all places are taken a probe is answered and others read why not; the silent ones soon make room."""
    gateway = GatewayProcess(tmp_path, configuration("http://127.0.0.1:9/v1"))
    child = await gateway.start()
    assert child.transport is not None
    pid: int = child.transport.pid  # type: ignore[attr-defined]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (FILES, FILES))

    def flood() -> None:
        with ExitStack() as stack:
            for _ in range(FLOOD):
                silent = stack.enter_context(socket.socket())
                silent.setblocking(False)
                silent.connect_ex(("127.0.0.1", gateway.port))
            refused, probe = ask(gateway.port, "/v1/models"), ask(gateway.port, "/healthz")
            assert refused == b"" or refused.startswith((b"HTTP/1.1 503 ", b"HTTP/1.1 200 ")), refused
            assert probe.startswith(b"HTTP/1.1 200 "), probe
            assert len(os.listdir(f"/proc/{pid}/fd")) < FILES
            until = time.monotonic() + 10
            while not ask(gateway.port, "/v1/models").startswith(b"HTTP/1.1 200 "):
                assert time.monotonic() < until
            numbers = ask(gateway.port, "/metrics").decode()
            assert "\nopenclaw_connections_refused_total{bound=" in numbers, numbers

    await deferToThread(flood)
    assert (await gateway.stop(), "Traceback" in child.output, "EMFILE" in child.output) == (0, False, False)
    assert child.output.count("connections are refused") in (1, 2), child.output
