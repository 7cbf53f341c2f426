# -*- test-case-name: tests.test_outages -*-
"""A gateway before two model servers that fail as told, and what its clients see of that."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.web.server import Request

from openclaw_tx.models.profile_files import path_of
from tests.models.memory import Memory
from tests.support.house import House, _Network
from tests.support.upstream import Upstream

Fate = Mapping[str, str]
"""Directives of L{tests.support.upstream}; C{refuse} = no connection, C{babble} = something that is not TLS."""

Fates = Mapping[str, Iterable[Fate]]
"""Key (C{*} = any) -> what happens to its requests one after the other; the last one for ever."""

MAIN, SPARE = 9, 10
"""Ports of the two servers."""

TOKEN = "a-token-for-tests"
PATIENCE = 200.0
"""Seconds an answer may take, by the gateway's clock."""


class Server(Upstream):
    """A model server with a fate for each key, or one for all.

    @ivar refused: connections that it did not take.
    """

    def __init__(self, clock: IReactorTime, fates: Fates) -> None:
        super().__init__(clock, lambda body: dict(self._next()))
        self.refused = 0
        self._fates = {key: deque(found) for key, found in fates.items()}
        self._key = ""

    def render_POST(self, request: Request) -> bytes | int:
        """Notice the key."""
        self._key = (request.getHeader("authorization") or "").removeprefix("Bearer ")
        return super().render_POST(request)

    def takes_connections(self) -> str:
        """ "" = yes; else the fate that it has instead."""
        fate = self._fates.get("*", deque([{}]))[0]
        return next((name for name in ("refuse", "babble") if name in fate), "")

    def _next(self) -> Fate:
        fates = self._fates.get(self._key) or self._fates["*"]
        return fates.popleft() if len(fates) > 1 else fates[0]


def fates_of(given: Fate | Fates) -> Fates:
    """One fate is that of every key."""
    if all(isinstance(value, str) for value in given.values()):
        return {"*": [given]}  # type: ignore[list-item]
    return given  # type: ignore[return-value]


class Babbler(Protocol):
    """Answers a TLS handshake with something else."""

    def dataReceived(self, data: bytes) -> None:
        """Say it."""
        assert self.transport is not None
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


class Servers(Memory):
    """A network on which several model servers are, each at a port."""

    def __init__(self, reactor: MemoryReactorClock, servers: Mapping[int, Server]) -> None:
        super().__init__(reactor=reactor)
        self._servers = servers

    def _connect(self, factory: Any, port: int) -> None:
        server = self._servers[port]
        self.upstream = server
        instead = server.takes_connections()
        if instead:
            server.refused += 1
        if instead == "refuse":
            factory.clientConnectionFailed(None, Failure(ConnectionRefusedError()))
            return
        self._site = Factory.forProtocol(Babbler) if instead else self.replaced(server)  # type: ignore[assignment]
        super()._connect(factory, port)

    def replaced(self, server: Server) -> Any:
        """The site of a server."""
        self.replace(lambda clock: server)
        return self._site


class Seen(NamedTuple):
    """What a client saw.

    @ivar status: of HTTP; 0 on the WebSocket.
    @ivar code: C{error.code}; "" = an answer.
    @ivar text: what it read of an answer, or of the beginning of one.
    @ivar tries: how often each server was asked.
    """

    status: int
    code: str
    text: str
    message: str
    should_retry: str | None
    retry_after: str | None
    tries: tuple[int, int]


class Drill:
    """The whole gateway; agent main asks C{main/m} and, if there is one, then C{spare/m}."""

    def __init__(
        self, main: Fate | Fates, spare: Fate | Fates | None = None, profiles: Mapping[str, str] | None = None
    ) -> None:
        """
        @param main: the fate of the first server; or those of each key.
        @param spare: that of the second one; None = there is none.
        @param profiles: ids and keys of auth profiles for the first one.
        """
        fates = fates_of(main)
        scheme = "https" if any("babble" in fate for found in fates.values() for fate in found) else "http"
        model = {"models": [{"id": "m"}], "timeoutSeconds": 20, "apiKey": "key-own"}
        providers = {"main": {"baseUrl": f"{scheme}://127.0.0.1:{MAIN}/v1", **model}}
        if spare is not None:
            providers["spare"] = {"baseUrl": f"http://127.0.0.1:{SPARE}/v1", **model}
        refs = [f"{name}/m" for name in providers]
        self.house = House(
            {
                "agents": {"defaults": {"model": {"primary": refs[0], "fallbacks": refs[1:]}}},
                "models": {"mode": "replace", "providers": providers},
            }
        )
        self.clock = self.house.clock
        self.main, self.spare = Server(self.clock, fates), Server(self.clock, fates_of(spare or {}))
        self.house.network = Servers(self.clock, {MAIN: self.main, SPARE: self.spare})
        self.house.memory._endpoints[-1] = _Network(self.house.network)  # type: ignore[call-overload]
        if profiles:
            path = path_of(self.house.memory.gateway.settings.state_dir, "main")
            path.parent.mkdir(parents=True)
            stored = {name: {"type": "api_key", "provider": "main", "key": key} for name, key in profiles.items()}
            path.write_text(json.dumps({"version": 1, "profiles": stored}))
            path.chmod(0o600)

    def http(self, stream: bool) -> Seen:
        """A chat request."""
        before = self.tries()
        body = {"model": "openclaw", "messages": [{"role": "user", "content": "hi"}], "stream": stream}
        client = self.house.post(body, {"Authorization": f"Bearer {TOKEN}"})
        return Seen(*self.house.hear(client, stream, PATIENCE)[:-1], self._since(before))

    def websocket(self) -> Seen:
        """A run of the same agent over the WebSocket."""
        before = self.tries()
        client = self.house.memory.websocket()
        client.connect(token=TOKEN)
        key = f"key-{self.clock.seconds()}"
        first = client.request("agent", {"message": "hi", "agentId": "main", "idempotencyKey": key})
        waited = 0.0
        while waited < PATIENCE and client.response(first["id"]) is client.response(first["id"], first=True):
            self.house.advance(0.5, 0.1)
            waited += 0.5
        final = client.response(first["id"])
        client.close()
        self.house.settle()
        text = "".join(
            event["payload"]["data"].get("delta", "")
            for event in client.events("agent")
            if event["payload"]["stream"] == "assistant"
        )
        error = final.get("error", {})
        details = error.get("details") or {}
        retry = error.get("retryAfterMs")
        return Seen(
            0,
            str(details.get("code", error.get("code", ""))),
            text,
            error.get("message", ""),
            str(error["retryable"]).lower() if "retryable" in error else None,
            str(retry // 1000) if retry else None,
            self._since(before),
        )

    def tries(self) -> tuple[int, int]:
        """How often each server was asked so far."""
        main, spare = (len(server.exchanges) + server.refused for server in (self.main, self.spare))
        return main, spare

    def _since(self, before: tuple[int, int]) -> tuple[int, int]:
        main, spare = self.tries()
        return main - before[0], spare - before[1]

    def close(self) -> None:
        """End it; nothing is left."""
        self.house.close()
