"""A gateway in memory for the client to talk to: a real WebSocket connection, answers by script."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport, IOPump, connect
from zope.interface import implementer

from openclaw_tx.cli.client import connect as connect_client
from openclaw_tx.cli.place import Place
from openclaw_tx.cli.target import Target

TARGET = Target("ws://127.0.0.1:18789/", "127.0.0.1", 18789, False, "sesame", None, "start it")
HELLO = {"type": "hello-ok", "protocol": 4, "server": {"version": "9.9"}}

NO_SECRETS: dict[str, str | None] = dict.fromkeys(
    (
        "OPENCLAW_GATEWAY_TOKEN",
        "OPENCLAW_GATEWAY_PASSWORD",
        "OPENCLAW_GATEWAY_PORT",
        "OPENCLAW_CONFIG_PATH",
        "OPENCLAW_STATE_DIR",
        "OPENCLAW_PROFILE",
    )
)
"""For click's test runner: variables of the machine that must not reach a test."""


class ServerSide(WebSocketServerProtocol):
    """The gateway's end of the connection."""

    gateway: ScriptedGateway

    def onOpen(self) -> None:
        """Challenge, unless the script wants silence."""
        if self.gateway.challenges:
            self.gateway.event("connect.challenge", {"nonce": "n", "ts": 1})

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Take a request."""
        self.gateway.take(json.loads(payload))

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """Remember how it ended."""
        self.gateway.closed_with.append(code)


@implementer(IStreamClientEndpoint)
class ScriptedGateway:
    """An endpoint that leads to a gateway; every request is kept, and answered by what C{answers} says.

    @ivar answers: method -> payload, or a callable that takes the request and answers by itself.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.requests: list[dict[str, Any]] = []
        self.closed_with: list[int | None] = []
        self.answers: dict[str, Any] = {"connect": HELLO}
        self.challenges = True
        self.refusal: Exception | None = None
        self.silent = False
        self.server: Any = None
        self.pump: IOPump | None = None

    def connect(self, factory: Any) -> Deferred[Any]:
        """Connect C{factory} to the gateway in memory."""
        if self.silent:
            return Deferred()
        if self.refusal is not None:
            return fail(self.refusal)
        new_factory: Any = WebSocketServerFactory
        server_factory = new_factory(TARGET.url, reactor=self.clock)
        server_factory.setProtocolOptions(openHandshakeTimeout=0, closeHandshakeTimeout=0)
        self.server = ServerSide()
        self.server.factory = server_factory
        self.server.gateway = self
        client = factory.buildProtocol(None)
        self.pump = connect(
            self.server, FakeTransport(self.server, True), client, FakeTransport(client, False), greet=True
        )
        return succeed(client)

    def flush(self) -> None:
        """Let all bytes arrive."""
        assert self.pump is not None
        self.pump.flush()

    def take(self, request: dict[str, Any]) -> None:
        """Keep a request and answer it."""
        self.requests.append(request)
        answer = self.answers.get(request["method"])
        if callable(answer):
            answer(request)
        elif answer is not None:
            self.respond(request, answer)

    def respond(self, request: dict[str, Any], payload: Any) -> None:
        """Say yes."""
        self.send({"type": "res", "id": request["id"], "ok": True, "payload": payload})

    def refuse(self, request: dict[str, Any], message: str, code: str = "INVALID_REQUEST") -> None:
        """Say no."""
        self.send({"type": "res", "id": request["id"], "ok": False, "error": {"code": code, "message": message}})

    def event(self, event: str, payload: Any) -> None:
        """Send an event."""
        self.send({"type": "event", "event": event, "payload": payload})

    def send(self, frame: Any) -> None:
        """Send a frame, or any other text."""
        text = frame if isinstance(frame, str) else json.dumps(frame)
        self.server.sendMessage(text.encode())

    def refusing(self, message: str, close: int | None = None) -> Callable[[dict[str, Any]], None]:
        """An answer that says no, and then closes."""

        def answer(request: dict[str, Any]) -> None:
            self.refuse(request, message)
            if close is not None:
                self.close(close, message)

        return answer

    def close(self, code: int, reason: str) -> None:
        """Close the connection as the gateway does."""
        self.server.sendCloseFrame(code=code, reasonUtf8=reason.encode(), isReply=False)

    def methods(self) -> list[str]:
        """The methods called so far."""
        return [request["method"] for request in self.requests]


@dataclass(frozen=True)
class MemoryPlace(Place):
    """A L{Place} whose gateway is in memory: hand it to click's test runner as C{obj}, and invoke a verb itself."""

    gateway: ScriptedGateway = field(default_factory=ScriptedGateway)
    scopes: list[Sequence[str]] = field(default_factory=list)
    """What each conversation asked for."""

    def talk(
        self,
        remote: Mapping[str, str | None],
        work: Any,
        scopes: Sequence[str] = ("operator.read", "operator.write"),
        timeout: float = 10.0,
    ) -> Any:
        """Do the work at once; what the gateway never answers fails the test."""
        self.scopes.append(scopes)

        async def conversation() -> Any:
            client = await connect_client(TARGET, self.gateway, self.gateway.clock, timeout=timeout, scopes=scopes)
            try:
                return await work(client)
            finally:
                await client.close()

        results: list[Any] = []
        Deferred.fromCoroutine(conversation()).addBoth(results.append)
        if self.gateway.pump is not None:
            self.gateway.flush()
        if not results:
            raise AssertionError("the gateway did not answer")
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]
