"""The real HTTP stack in memory: a site, connections with back-pressure, and a strict reader of answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, NamedTuple

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer, ITCPTransport
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import ChatCompletions, Endpoints, GatewaySection, Http
from openclaw_tx.interfaces import Agents, Authenticator, Authoriser, RunEngine
from openclaw_tx.values import Principal, Target
from openclaw_tx.web.root import Root, WebRooms
from openclaw_tx.web.site import GatewaySite
from tests.support.fakes import FixedAgents, FixedModels, FixedTools, OneSecret, Phases, ScriptedEngine

SECRET = "s3cret"
FULL = 64 * 1024
"""What the server's transport holds before it asks its producer to pause."""


@implementer(ITCPTransport, IPushProducer)
class Wire:
    """The server's end of a connection; reads at most 64 KiB at a time, like a socket."""

    def __init__(self, clock: Clock, host: str) -> None:
        self.clock = clock
        self.peer = IPv4Address("TCP", host, 40000)
        self.protocol: Any = None
        self.inbound = b""
        self.outbound = b""
        self.taken = b""
        self.producer: Any = None
        self.reading = True
        self.stalled = False
        self.disconnecting = False
        self.lost = False
        self.aborted = False
        self.held_most = 0

    # -- ITransport and friends

    def write(self, data: bytes) -> None:
        """Buffer; pause the producer when the buffer is full."""
        if self.lost or self.disconnecting:
            return
        self.outbound += data
        if self.stalled:
            self.held_most = max(self.held_most, len(self.outbound))
            if len(self.outbound) > FULL and self.producer is not None:
                self.producer.pauseProducing()

    def writeSequence(self, data: Any) -> None:
        """Buffer."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close once everything was sent."""
        self.disconnecting = True
        self.reading = False

    def abortConnection(self) -> None:
        """Close now."""
        self.aborted = True
        self.outbound = b""
        self.loseConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """One at a time."""
        assert self.producer is None, "two producers"
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        """None any more."""
        self.producer = None

    def pauseProducing(self) -> None:
        """Read no more."""
        self.reading = False

    def resumeProducing(self) -> None:
        """Read on."""
        self.reading = not self.disconnecting

    def stopProducing(self) -> None:
        """Close."""
        self.loseConnection()

    def getPeer(self) -> IPv4Address:
        """The client."""
        return self.peer

    def getHost(self) -> IPv4Address:
        """The server."""
        return IPv4Address("TCP", "127.0.0.1", 18789)

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing to delay."""

    def pump(self) -> None:
        """Move bytes until nothing moves."""
        while not self.lost:
            if self.outbound and not self.stalled:
                self.taken += self.outbound
                self.outbound = b""
                if self.producer is not None:
                    self.producer.resumeProducing()
            elif self.inbound and self.reading:
                piece, self.inbound = self.inbound[:FULL], self.inbound[FULL:]
                self.protocol.dataReceived(piece)
            elif self.disconnecting and (self.aborted or not self.outbound):
                self.drop(ConnectionLost() if self.aborted else ConnectionDone())
            else:
                return

    def drop(self, reason: Exception) -> None:
        """The connection is gone."""
        if not self.lost:
            self.lost = True
            if self.producer is not None:
                self.producer.stopProducing()
            self.protocol.connectionLost(Failure(reason))


class Response(NamedTuple):
    """An answer as a client has read it so far."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    complete: bool
    """False = more would have to come, or the connection was cut."""
    interim: int
    """How many 1xx answers came before it."""

    def header(self, name: str) -> str | None:
        """The one value of a header."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} twice"
        return values[0] if values else None

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The body's error, which has exactly OpenAI's four keys."""
        error = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}, error
        assert (self.header("content-type") or "").startswith("application/json")
        return dict(error)

    @property
    def events(self) -> list[Any]:
        """Payloads of a stream; the end mark stays a string. Fails on anything that is no data line."""
        blocks = self.body.decode("utf-8").split("\n\n")
        assert blocks[-1].replace(": ping\n", "") == "" or not self.complete, blocks[-1]
        events: list[Any] = []
        for block in blocks[:-1]:
            lines = [line for line in block.split("\n") if line != ": ping"]
            assert len(lines) == 1 and lines[0].startswith("data: "), block
            payload = lines[0].removeprefix("data: ")
            events.append(payload if payload == "[DONE]" else json.loads(payload))
        return events

    @property
    def text(self) -> str:
        """What a stream said."""
        return "".join(
            choice["delta"].get("content") or ""
            for event in self.events
            if isinstance(event, dict)
            for choice in event.get("choices", [])
        )


class Client:
    """A connection to a site, and what came back on it."""

    def __init__(self, factory: Factory, clock: Clock, host: str = "127.0.0.1") -> None:
        self.wire = Wire(clock, host)
        self.clock = clock
        self.sent_methods: list[str] = []
        protocol = factory.buildProtocol(self.wire.peer)
        assert protocol is not None
        self.wire.protocol = protocol
        protocol.makeConnection(self.wire)

    def send(self, data: bytes) -> None:
        """Raw bytes."""
        self.wire.inbound += data
        self.wire.pump()

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        version: str = "1.1",
    ) -> None:
        """A whole request."""
        lines = {"Host": "gateway", **(headers or {})}
        if body and "Transfer-Encoding" not in lines:
            lines.setdefault("Content-Length", str(len(body)))
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.sent_methods.append(method)
        self.send(f"{method} {path} HTTP/{version}\r\n{head}\r\n".encode("latin-1") + body)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        self.wire.pump()

    def stall(self) -> None:
        """Stop reading."""
        self.wire.stalled = True

    def resume(self) -> None:
        """Read on."""
        self.wire.stalled = False
        self.wire.pump()

    def half_close(self) -> None:
        """Send a FIN and go on reading."""
        protocol = IHalfCloseableProtocol(self.wire.protocol, None)
        if protocol is None:
            self.wire.drop(ConnectionDone())
        else:
            protocol.readConnectionLost()
            self.wire.pump()

    def reset(self) -> None:
        """The client is gone altogether."""
        self.wire.drop(ConnectionLost())

    @property
    def closed(self) -> bool:
        """Whether the connection is over."""
        return self.wire.lost

    @property
    def received(self) -> bytes:
        """Everything that came."""
        return self.wire.taken

    @property
    def responses(self) -> list[Response]:
        """The answers so far."""
        return list(_responses(self.wire.taken, self.sent_methods, self.wire.lost and not self.wire.aborted))

    @property
    def response(self) -> Response:
        """The only one."""
        responses = self.responses
        assert len(responses) == 1, (len(responses), self.wire.taken[:300])
        return responses[0]


def _responses(data: bytes, methods: list[str], closed_well: bool) -> Iterator[Response]:
    interim = 0
    numbers = count()
    while b"\r\n\r\n" in data:
        head, data = data.split(b"\r\n\r\n", 1)
        status_line, *lines = head.decode("latin-1").split("\r\n")
        status = int(status_line.split(" ")[1])
        if status < 200:
            interim += 1
            continue
        number = next(numbers)
        method = methods[number] if number < len(methods) else "GET"
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        lower = {name.lower(): value for name, value in headers}
        if method == "HEAD":
            body, complete = b"", True
        elif lower.get("transfer-encoding") == "chunked":
            assert "content-length" not in lower
            body, complete, data = _unchunk(data)
        elif "content-length" in lower:
            length = int(lower["content-length"])
            body, data = data[:length], data[length:]
            complete = len(body) == length
        else:
            body, data, complete = data, b"", closed_well
        yield Response(status, headers, body, complete, interim)
        interim = 0
    assert not data, f"bytes that belong to no answer: {data[:100]!r}"


def _unchunk(data: bytes) -> tuple[bytes, bool, bytes]:
    body = b""
    while b"\r\n" in data:
        size_line, rest = data.split(b"\r\n", 1)
        size = int(size_line, 16)
        if len(rest) < size + 2:
            break
        assert rest[size : size + 2] == b"\r\n"
        data = rest[size + 2 :]
        if size == 0:
            return body, True, data
        body += rest[:size]
    return body, False, b""


NO_TARGET = Target()


def everything_goes(principal: Principal, action: str, target: Target = NO_TARGET) -> None:
    """An authoriser that refuses nothing."""


class Harness:
    """A gateway's HTTP surface in memory, over any engine.

    @ivar chat: the chat section of the configuration; replace it to reload.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        engine: RunEngine | None = None,
        agents: Agents | None = None,
        authenticator: Authenticator | None = None,
        authorise: Authoriser = everything_goes,
        meter: Any = None,
        chat: ChatCompletions | None = None,
        websocket: Any = None,
        settings: Callable[[], Config] | None = None,
    ) -> None:
        """
        @param settings: instead of a configuration that has nothing but C{chat} in it.
        """
        self.clock = clock or Clock()
        self.clock.rightNow = self.clock.rightNow or 1_790_000_000.0
        self.scripted = ScriptedEngine(self.clock)
        self.engine = engine or self.scripted
        self.chat = chat or ChatCompletions(enabled=True)
        self.access_log = False
        self.phases = Phases()
        self.models = FixedModels()
        self.tools = FixedTools()
        self.one_secret = OneSecret(SECRET)
        self.secret = SECRET
        numbers = count(1)
        self.root = Root(
            WebRooms(
                settings=settings or self.config,
                engine=self.engine,
                agents=agents or FixedAgents("main", "beta"),
                models=self.models,
                embedder=self.models,
                tools=self.tools,
                authenticator=authenticator or self.one_secret,
                authorise=authorise,
                meter=meter,
                lifecycle=self.phases,
                clock=self.clock,
                new_id=lambda: f"00000000-0000-4000-8000-{next(numbers):012x}",
            ),
            websocket,
        )
        self.site = GatewaySite(self.root, self.clock, lambda: self.access_log)
        self.clients: list[Client] = []

    def config(self) -> Config:
        """The configuration of the moment."""
        return Config(gateway=GatewaySection(http=Http(endpoints=Endpoints(chat_completions=self.chat))))

    def connect(self, host: str = "127.0.0.1") -> Client:
        """A new connection."""
        client = Client(self.site, self.clock, host)
        self.clients.append(client)
        return client

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        authorised: bool = True,
    ) -> Client:
        """One request on a new connection."""
        client = self.connect()
        client.request(method, path, body, {**(self.credentials() if authorised else {}), **(headers or {})})
        return client

    def credentials(self) -> dict[str, str]:
        """Headers of a client that knows the secret."""
        return {"Authorization": f"Bearer {self.secret}"}

    def post(self, body: Any, headers: Mapping[str, str] | None = None, *, authorised: bool = True) -> Client:
        """A chat request; C{body} is bytes or becomes JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask(
            "POST",
            "/v1/chat/completions",
            data,
            {"Content-Type": "application/json", **(headers or {})},
            authorised=authorised,
        )

    def say(self, text: str = "ping", **fields: Any) -> Client:
        """A chat request with one user message."""
        return self.post({"model": "openclaw", "messages": [{"role": "user", "content": text}], **fields})

    def close(self) -> None:
        """End all connections; nothing may be left on the clock."""
        for client in self.clients:
            client.reset()
        left = self.clock.getDelayedCalls()
        assert not left, f"delayed calls left: {left}"
