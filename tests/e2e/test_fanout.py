"""A thousand connected clients hear the events of a hundred runs; one of them does not read.

Gateway and clients live in this process and talk over loopback. The clients are no more than what reads frames, so that
what takes time is the gateway.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import LoopingCall, deferLater
from twisted.python.failure import Failure

from openclaw_tx.gateway import Gateway
from openclaw_tx.testing import ScriptedModel

pytestmark = pytest.mark.e2e

CLIENTS = 1000
RUNS = 100
TOKEN = "a-token-for-the-end-to-end-tests"
TEXT = "word " * 200
"""What each run says: a kilobyte."""
BUFFERED = 128 * 1024
"""Bytes that are held for a client here. In earnest it is fifty MiB, which no test should send a thousand times."""
SOCKET_BUFFER = 64 * 1024
"""Bytes that the system may hold for it besides, on the gateway's side."""
LIMIT_SECONDS = 120
TURN_SECONDS = 1.0
"""Longest time the reactor may not turn. The clients are part of it, and whatever else the machine has to do; what the
gateway takes of it alone is measured by C{python -m bench.websocket}."""
MEMORY = 200 * 1024 * 1024
"""Bytes that gateway, clients and all may grow by from the first run to the last."""
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
CONNECT = {
    "type": "req",
    "id": "hello",
    "method": "connect",
    "params": {
        "minProtocol": 4,
        "maxProtocol": 4,
        "client": {"id": "cli", "version": "1", "platform": "linux", "mode": "cli"},
        "role": "operator",
        "scopes": ["operator.read"],
        "auth": {"token": TOKEN},
    },
}


class Reader(Protocol):
    """A client of the barest kind (RFC 6455, 5.2: what servers send is not masked).

    @ivar ready: fires when it is let in.
    @ivar done: fires when it has heard the end of every run.
    @ivar gone: fires when the connection is lost.
    @ivar seqs: numbers of the events, in order.
    @ivar ends: runs whose last chat event came.
    @ivar closed: (code, reason) of the gateway's close frame.
    """

    def __init__(self) -> None:
        self.ready: Deferred[None] = Deferred()
        self.done: Deferred[None] = Deferred()
        self.gone: Deferred[None] = Deferred()
        self.seqs: list[int] = []
        self.ends: set[str] = set()
        self.closed: tuple[int, str] | None = None
        self._data = b""
        self._upgraded = False

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(UPGRADE)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.gone.callback(None)

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        if not self._upgraded:
            head, end, self._data = self._data.partition(b"\r\n\r\n")
            assert end and head.startswith(b"HTTP/1.1 101"), head
            self._upgraded = True
        while len(self._data) >= 2:
            size, start = self._data[1], 2
            if size == 126:
                size, start = int.from_bytes(self._data[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(self._data[2:10], "big"), 10
            if len(self._data) < start + size:
                return
            code, payload = self._data[0] & 15, self._data[start : start + size]
            self._data = self._data[start + size :]
            if code == 8:
                self.closed = (int.from_bytes(payload[:2], "big"), payload[2:].decode())
            elif code == 1:
                self._frame(payload)

    def _frame(self, payload: bytes) -> None:
        frame = json.loads(payload)
        if frame["type"] == "res":
            assert frame["ok"], frame
            self.ready.callback(None)
        elif frame["event"] == "connect.challenge":
            self._send(json.dumps(CONNECT).encode())
        else:
            self.seqs.append(frame["seq"])
            if frame["event"] == "chat" and frame["payload"]["state"] == "final":
                self.ends.add(frame["payload"]["runId"])
                if len(self.ends) == RUNS:
                    self.done.callback(None)

    def _send(self, payload: bytes) -> None:
        assert self.transport is not None and 125 < len(payload) < 65536
        self.transport.write(b"\x81\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload)


class Pulse:
    """The longest time the reactor did not turn, in seconds."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._last = 0.0
        self._loop = LoopingCall(self._beat)

    def start(self) -> None:
        self._last = reactor.seconds()  # type: ignore[attr-defined]
        self._loop.start(0.01, now=False)

    def stop(self) -> None:
        self._loop.stop()

    def _beat(self) -> None:
        now = reactor.seconds()  # type: ignore[attr-defined]
        self.longest = max(self.longest, now - self._last)
        self._last = now


def resident() -> int:
    """Bytes of memory that this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[tuple[Gateway, ScriptedModel, int]]:
    """A gateway in this process, its model, and its port."""
    model = ScriptedModel()
    config = {
        "gateway": {"auth": {"mode": "token", "token": TOKEN}},
        "agents": {"defaults": {"model": model.ref, "workspace": str(tmp_path / "w"), "maxConcurrent": RUNS}},
        "models": {"mode": "replace"},
    }
    gateway = Gateway(reactor, config, state_dir=str(tmp_path), models={model.provider: model})
    gateway.startService()
    gateway._house.websockets.factory.max_buffered = BUFFERED
    port = reactor.listenTCP(0, gateway.site(), backlog=256, interface="127.0.0.1")  # type: ignore[attr-defined]
    port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)  # what it accepts inherits it
    yield gateway, model, port.getHost().port
    pytest_twisted.blockon(port.stopListening())
    pytest_twisted.blockon(gateway.stopService())


async def connect(port: int, count: int) -> list[Reader]:
    """So many clients, a few at a time: those that have not logged in are few by rule."""
    readers: list[Reader] = []
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
    while len(readers) < count:
        some = [Reader() for _ in range(min(50, count - len(readers)))]
        await gatherResults([connectProtocol(endpoint, reader) for reader in some])
        await gatherResults([reader.ready for reader in some])
        readers.extend(some)
    return readers


@pytest_twisted.ensureDeferred
async def test_one_of_a_thousand_does_not_read(listening: tuple[Gateway, ScriptedModel, int]) -> None:
    """It is closed with 1008 and nobody else notices: every event of every run reaches the others, without a hole."""
    gateway, model, port = listening
    tally = gateway._house.tally
    readers = await connect(port, CLIENTS)
    stalled, others = readers[CLIENTS // 2], readers[: CLIENTS // 2] + readers[CLIENTS // 2 + 1 :]
    transport: Any = stalled.transport
    transport.pauseProducing()

    before, pulse = resident(), Pulse()
    pulse.start()
    runs = []
    for number in range(RUNS):
        runs.append(gateway.run_agent(f"question {number}", session_key=f"fanout-{number}"))
        await deferLater(reactor, 0)
    while len(model.calls) < RUNS:
        await deferLater(reactor, 0.01)
    for call in model.calls:  # all are under way; now each says its piece
        call.text(TEXT)
        await deferLater(reactor, 0)
        call.finish()
        await deferLater(reactor, 0)
        if tally.slow_sockets:
            transport.resumeProducing()  # in time to read why it was closed
    heard = DeferredList([gatherResults(runs), *(reader.done for reader in others)], fireOnOneErrback=True)
    heard.addTimeout(LIMIT_SECONDS, reactor)
    await heard
    pulse.stop()
    grown = resident() - before

    stalled.gone.addTimeout(10, reactor)
    await stalled.gone
    assert stalled.closed == (1008, "slow consumer")
    assert len(stalled.ends) < RUNS and tally.slow_sockets == 1
    for reader in others:
        assert reader.closed is None
        assert reader.seqs == list(range(1, len(reader.seqs) + 1))
    counts = {len(reader.seqs) for reader in others}
    assert len(counts) <= 2 and min(counts) >= 4 * RUNS, counts  # a tick or health event may still be on its way
    assert grown < MEMORY, grown
    assert pulse.longest < TURN_SECONDS, pulse.longest

    leaving = gatherResults([reader.gone for reader in others])
    for reader in others:
        reader.transport.loseConnection()  # type: ignore[union-attr]
    await leaving
