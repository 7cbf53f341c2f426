"""A WebSocket surface on a real Site, with real autobahn clients, in memory and on one clock."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock
from twisted.test.iosim import FakeTransport, IOPump, connect
from twisted.web.server import Site

from openclaw_tx.auth.actions import OPERATOR_SCOPES, authorise, granted
from openclaw_tx.auth.device_auth import DeviceAuthenticator
from openclaw_tx.chat.desk import ChatDesk
from openclaw_tx.chat.flow import ChatFlow
from openclaw_tx.chat.orders import Rooms as DeskRooms
from openclaw_tx.config.live import LiveConfig
from openclaw_tx.config.load import load
from openclaw_tx.config.schema import Config
from openclaw_tx.config.settings import Settings
from openclaw_tx.config.temporary import temporary_directory
from openclaw_tx.deferreds import in_reactor_thread
from openclaw_tx.tools.approvals_file import ApprovalsFile
from openclaw_tx.ws.hello import Place
from openclaw_tx.ws.surface import Rooms, WebSocketSurface
from tests.auth.doubles import MemoryFiles
from tests.ws.fakes import TOKEN, Agents, Authenticator, Engine, Models, Sessions
from tests.ws.identity import Identity, device_rooms

ALL_SCOPES = sorted(OPERATOR_SCOPES)
START = 1_795_390_000.0
"""When tests begin, by their clock."""


class Pipe(FakeTransport):  # type: ignore[misc]
    """A server's transport whose client may stop reading; it tells its producer, as TCP does."""

    stalled = False

    def write(self, data: bytes) -> None:
        super().write(data)
        if self.stalled and self.producer is not None:
            self.producer.pauseProducing()

    def getOutBuffer(self) -> Any:
        if self.stalled:
            return None
        data = super().getOutBuffer()
        if data and self.producer is not None and self.streamingProducer:
            self.producer.resumeProducing()
        return data

    def abortConnection(self) -> None:
        """Unlike its base's, this loses what is buffered."""
        self.stream.clear()
        super().abortConnection()
        self.stalled = False


class Client(WebSocketClientProtocol):  # type: ignore[misc]
    """A client that keeps what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = False
        self.frames: list[Any] = []
        self.closed: tuple[int | None, str | None] | None = None
        self.gone = False

    def onOpen(self) -> None:
        self.opened = True

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        assert not isBinary
        self.frames.append(msgspec.json.decode(payload))

    def onCloseFrame(self, code: Any, reasonRaw: Any) -> Any:
        self.closed = (code, reasonRaw.decode() if reasonRaw is not None else "")
        return super().onCloseFrame(code, reasonRaw)

    def connectionLost(self, reason: Any = None) -> None:
        self.gone = True
        super().connectionLost(reason)


class Line:
    """A client and its pump."""

    def __init__(self, client: Client, pump: IOPump) -> None:
        self.client = client
        self.pump = pump
        self._ids = count(1)

    @property
    def frames(self) -> list[Any]:
        return self.client.frames

    @property
    def closed(self) -> Any:
        return self.client.closed

    def raw(self, data: bytes, binary: bool = False) -> None:
        """Send bytes as one message."""
        self.client.sendMessage(data, binary)
        self.pump.flush()

    def send(self, frame: Any) -> None:
        self.raw(msgspec.json.encode(frame))

    def ask(self, method: str, params: Any = None, id: str | None = None) -> str:
        """Send a request."""
        id = id or f"r{next(self._ids)}"
        self.send({"type": "req", "id": id, "method": method, **({} if params is None else {"params": params})})
        return id

    def answers(self, id: str) -> list[Any]:
        """All responses to a request so far."""
        self.pump.flush()
        return [frame for frame in self.frames if frame["type"] == "res" and frame["id"] == id]

    def call(self, method: str, params: Any = None) -> Any:
        """Send a request and return its one response."""
        (answer,) = self.answers(self.ask(method, params))
        return answer

    def events(self, name: str | None = None) -> list[Any]:
        self.pump.flush()
        return [frame for frame in self.frames if frame["type"] == "event" and name in (None, frame["event"])]

    def connect(self, identity: Identity | None = None, **changes: Any) -> Any:
        """Do the handshake.

        @param identity: the device to come with.
        @return: the response.
        """
        params = connect_params(**changes)
        if identity is not None:
            challenge = self.events("connect.challenge")[0]["payload"]
            params = identity.sign(params, challenge["nonce"], challenge["ts"])
        (answer,) = self.answers(self.ask("connect", params, id="hello"))
        return answer


def connect_params(**changes: Any) -> dict[str, Any]:
    """Params of a program on this machine; None leaves one out."""
    params = {
        "minProtocol": 4,
        "maxProtocol": 4,
        "client": {"id": "cli", "version": "1", "platform": "linux", "mode": "cli"},
        "role": "operator",
        "scopes": ALL_SCOPES,
        "caps": [],
        "auth": {"token": TOKEN},
        **changes,
    }
    return {name: value for name, value in params.items() if value is not None}


class House:
    """The surface and everything around it."""

    def __init__(self, max_buffered: int | None = None) -> None:
        self.clock = MemoryReactorClock()
        self.clock.advance(START)
        self.engine = Engine(self.clock)
        self.sessions = Sessions()
        self.authenticator = Authenticator(self.clock)
        self.config = Config()
        place = Path(temporary_directory(self, "openclaw-test-"))
        self._directory = place
        (place / "openclaw.json").write_text('{gateway: {auth: {token: "a-token-of-a-file"}}}')
        loaded = load({"HOME": str(place)}, cwd=place, state_dir=str(place))
        self.log_file: Path | None = None
        numbers = count(1)
        self.ids: list[str] = []
        """Ids to give out first."""
        engine: Any = self.engine
        desk_rooms: Any = DeskRooms(
            engine,
            Agents(),
            Models(),
            self.sessions,
            None,
            None,
            lambda: self.config,  # type: ignore[arg-type]
        )
        self.desk = ChatDesk(desk_rooms, ChatFlow(engine, lambda: self.config, self.clock), self.clock)
        self.files = MemoryFiles()
        files: Any = self.files
        self.devices = devices = device_rooms(self.clock, files)
        self.book = devices.book
        guard: Any = self.authenticator
        self.surface = WebSocketSurface(
            Rooms(
                engine=self.engine,
                agents=Agents(),  # type: ignore[arg-type]
                models=Models(),  # type: ignore[arg-type]
                sessions=self.sessions,  # type: ignore[arg-type]
                authenticator=DeviceAuthenticator(guard, devices.tokens, lambda: self.config),
                authorise=authorise,
                granted=granted,
                is_local_direct=self.authenticator.is_local_direct,
                live_config=LiveConfig(Settings(loaded), in_reactor_thread),
                devices=devices,
                desk=self.desk,
                in_thread=in_reactor_thread,
                log_file=lambda: self.log_file,
                approvals_file=ApprovalsFile(
                    Path("/nonexistent"), in_reactor_thread, lambda: int(self.clock.seconds() * 1000), str
                ),
            ),
            lambda: self.config,
            self.clock,
            Place("/etc/openclaw.json", "/var/openclaw"),
            new_id=lambda: self.ids.pop(0) if self.ids else f"uuid-{next(numbers)}",
        )
        if max_buffered is not None:
            self.surface.factory.max_buffered = max_buffered
        self.site = Site(self.surface.resource, reactor=self.clock)
        self.site.log = lambda request: None
        self.lines: list[Line] = []

    def open(self, address: str = "127.0.0.1", headers: dict[str, str] | None = None, path: str = "/") -> Line:
        """A client that has done the HTTP upgrade, or been refused it."""
        factory = WebSocketClientFactory(f"ws://127.0.0.1:18789{path}", headers=headers, reactor=self.clock)
        factory.protocol = Client
        factory.setProtocolOptions(
            openHandshakeTimeout=0, closeHandshakeTimeout=0, serverConnectionDropTimeout=0, failByDrop=False
        )
        client = factory.buildProtocol(None)
        server = self.site.buildProtocol(IPv4Address("TCP", address, 5000))
        here, there = IPv4Address("TCP", "127.0.0.1", 18789), IPv4Address("TCP", address, 5000)
        transport = Pipe(server, isServer=True, hostAddress=here, peerAddress=there)
        pump = connect(server, transport, client, FakeTransport(client, isServer=False), clock=self.clock)
        line = Line(client, pump)
        self.lines.append(line)
        return line

    def ready(self, identity: Identity | None = None, **changes: Any) -> Line:
        """A client that has been let in."""
        line = self.open()
        answer = line.connect(identity, **changes)
        assert answer["ok"], answer
        return line

    def advance(self, seconds: float) -> None:
        """Let time pass, and what it causes reach the clients."""
        self.clock.advance(seconds)
        self.flush()

    def flush(self) -> None:
        for line in self.lines:
            line.pump.flush()

    def close(self) -> None:
        """Everybody hangs up."""
        for line in self.lines:
            line.pump.serverIO.stalled = False
            line.client.transport.loseConnection()
        self.flush()
        shutil.rmtree(self._directory, ignore_errors=True)
