"""Streams through proxies that cut what is silent, and past readers that do not read."""

from __future__ import annotations

import json
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

import treq
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.python.procutils import which

from tests.e2e.processes import TOKEN, GatewayProcess, configuration, free_port, start_upstream

pytestmark = pytest.mark.e2e

QUIET_SECONDS = 1.0
"""What a proxy here puts up with."""

PROXIES = ["own", *(["nginx"] if which("nginx") else [])]


def block(coroutine: Any) -> Any:
    """Run a coroutine from a fixture that is not one."""
    return pytest_twisted.blockon(Deferred.fromCoroutine(coroutine))


class Half(Protocol):
    """One side of our own proxy; the server's side cuts both when nothing comes for a while."""

    def __init__(self, other: Half | None = None) -> None:
        self.other = other
        self.early: list[bytes] = []
        self.timer: Any = None

    def dataReceived(self, data: bytes) -> None:
        """Pass it on."""
        if self.timer is not None:
            self.timer.reset(QUIET_SECONDS)
        if self.other is None:
            self.early.append(data)
        elif self.other.transport is not None:
            self.other.transport.write(data)

    def watch(self) -> None:
        """Put up with so much silence, and no more."""
        self.timer = reactor.callLater(QUIET_SECONDS, self.cut)  # type: ignore[attr-defined]

    def cut(self) -> None:
        """Too quiet."""
        for half in (self, self.other):
            if half is not None and half.transport is not None:
                half.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """One side gone, both gone."""
        if self.timer is not None and self.timer.active():
            self.timer.cancel()
        if self.other is not None and self.other.transport is not None:
            self.other.transport.loseConnection()


class Proxy(Factory):
    """Listens on one port, leads to another."""

    noisy = False

    def __init__(self, port: int) -> None:
        self.port = port

    def buildProtocol(self, addr: Any) -> Half:
        """A client."""
        client = Half()
        server = Half(client)

        def connected(_: Any) -> None:
            client.other = server
            server.watch()
            for data in client.early:
                server.transport.write(data)  # type: ignore[union-attr]

        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)
        connectProtocol(endpoint, server).addCallback(connected)
        return client


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayProcess]:
    """A gateway that pings often."""
    directory = Path(tempfile.mkdtemp())
    upstream, url = block(start_upstream())
    endpoint = {"enabled": True, "keepAliveSeconds": 0.3}
    process = GatewayProcess(directory, configuration(url, http={"endpoints": {"chatCompletions": endpoint}}))
    block(process.start())
    yield process
    block(process.stop())
    block(upstream.stop())
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(params=PROXIES)
def proxy(request: pytest.FixtureRequest, gateway: GatewayProcess, tmp_path: Path) -> Iterator[int]:
    """Port of a proxy in front of the gateway."""
    if request.param == "own":
        port = reactor.listenTCP(0, Proxy(gateway.port), interface="127.0.0.1")  # type: ignore[attr-defined]
        yield port.getHost().port
        pytest_twisted.blockon(port.stopListening())
        return
    number = free_port()
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;"
        f"events {{}} http {{ access_log off; client_body_temp_path {tmp_path}/b; proxy_temp_path {tmp_path}/p;"
        f"fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;"
        f"server {{ listen 127.0.0.1:{number}; proxy_read_timeout 1s; proxy_buffering on;"
        f"location / {{ proxy_http_version 1.1; proxy_pass http://127.0.0.1:{gateway.port}; }} }} }}",
        "utf-8",
    )
    import subprocess

    process = subprocess.Popen([*which("nginx")[:1], "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)])
    block(answering(number))
    yield number
    process.terminate()
    process.wait(10)


async def answering(port: int) -> None:
    """Wait until somebody listens."""
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        await deferLater(reactor, 0.05)
    raise AssertionError("nobody listens")


async def stream(port: int, content: str) -> tuple[int, str, list[float]]:
    """A streamed answer: status, body, and when its pieces came."""
    body = json.dumps({"stream": True, "messages": [{"role": "user", "content": content}]}).encode()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    response = await treq.post(f"http://127.0.0.1:{port}/v1/chat/completions", body, headers=headers, unbuffered=True)
    pieces: list[bytes] = []
    times: list[float] = []

    def piece(data: bytes) -> None:
        pieces.append(data)
        times.append(reactor.seconds())  # type: ignore[attr-defined]

    await treq.collect(response, piece)
    return response.code, b"".join(pieces).decode(), times


@pytest_twisted.ensureDeferred
async def test_t01_t02_silence(proxy: int) -> None:
    """A model that is silent for longer than the proxy waits, before the first token and after it, is no problem."""
    code, text, _ = await stream(proxy, "[[chunks=2 delay=2.5]]")
    assert code == 200
    assert text.endswith("data: [DONE]\n\n"), text[-200:]
    assert text.count(": ping\n") >= 8
    assert '"content":"c1"' in text and '"content":" c2"' in text


@pytest_twisted.ensureDeferred
async def test_t06_chunk_by_chunk(proxy: int) -> None:
    """A proxy that buffers hands chunks on as they come all the same: the headers tell it to."""
    _, text, times = await stream(proxy, "[[chunks=5 delay=0.25]]")
    assert text.endswith("data: [DONE]\n\n")
    assert times[-1] - times[0] > 0.8


@pytest_twisted.ensureDeferred
async def test_t08_reader_that_does_not_read(gateway: GatewayProcess) -> None:
    """A client that stops reading costs a bounded buffer and nobody else's time. What it has missed is merged, so that
    it gets all of it when it reads on. (Past the bound it is cut off: tests.web.test_sse.)"""
    assert gateway.child is not None
    pid = gateway.child.transport.pid  # type: ignore[union-attr]
    before = resident_kib(pid)
    body = json.dumps({"stream": True, "messages": [{"role": "user", "content": "[[chunks=60000]]"}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    stalled = []
    for _ in range(3):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", gateway.port))
        connection.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        stalled.append(connection)
    started = reactor.seconds()  # type: ignore[attr-defined]
    answers = await gatherResults(Deferred.fromCoroutine(stream(gateway.port, "[[chunks=3]]")) for _ in range(10))
    assert all(text.endswith("data: [DONE]\n\n") for _, text, _ in answers)
    assert reactor.seconds() - started < 10  # type: ignore[attr-defined]
    await deferLater(reactor, 4)
    # Three answers of some 15 MB each, as they would have gone out, were not kept.
    assert resident_kib(pid) - before < 60 * 1024
    for connection in stalled:
        received = await deferToThread(rest, connection)
        assert b"c59999 c60000" in received and b"[DONE]" in received[-100:]
        assert len(received) < 5_000_000
        connection.close()


def resident_kib(pid: int) -> int:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError("no such line")


def rest(connection: socket.socket) -> bytes:
    """What was on its way to a client that had stopped reading."""
    connection.settimeout(5)
    parts = []
    try:
        while data := connection.recv(1 << 20):
            parts.append(data)
    except OSError:
        pass
    return b"".join(parts)
