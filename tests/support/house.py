# -*- test-case-name: tests.compat.test_http -*-
"""The whole gateway in memory with raw HTTP clients in front and a scripted model server behind.

Between the two everything is real: site, authentication, engine, store, the OpenAI provider and its HTTP client.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from openclaw_tx.config.files import merge
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.testing.gateway import TOKEN
from tests.models.memory import Memory
from tests.support.upstream import Exchange, Script
from tests.support.web import Client

UPSTREAM: dict[str, Any] = {
    "agents": {"defaults": {"model": "stub/stub-1"}},
    "models": {
        "mode": "replace",
        "providers": {
            "stub": {
                "baseUrl": "http://127.0.0.1:9/v1",
                "apiKey": "key-of-the-stub",
                "models": [{"id": "stub-1", "input": ["text", "image"]}],
            }
        },
    },
}
"""The scripted model server as the only provider."""


class Heard(NamedTuple):
    """What a client has in the end of a chat.

    @ivar code: C{error.code}; "" = an answer.
    @ivar text: what it read of an answer, or of the beginning of one.
    @ivar complete: the answer ended as HTTP says.
    """

    status: int
    code: str
    text: str
    message: str
    should_retry: str | None
    retry_after: str | None
    complete: bool


class House:
    """A L{MemoryGateway} whose agents ask L{tests.support.upstream} over the real HTTP client.

    @ivar memory: the gateway; its clock is everybody's.
    @ivar clients: every connection made so far.
    """

    def __init__(self, config: Mapping[str, Any] | None = None, script: Script | None = None, **parts: Any) -> None:
        """
        @param config: laid over L{MemoryGateway}'s configuration and L{UPSTREAM}.
        @param script: directives for the model server, instead of those in prompts.
        @param parts: more of L{MemoryGateway}'s arguments.
        """
        self.memory = MemoryGateway(merge(UPSTREAM, dict(config or {})), **parts)
        self.clock = self.memory.clock
        self.network = Memory(script, self.clock)
        self.memory._endpoints.append(_Network(self.network))  # type: ignore[arg-type]
        self.clients: list[Client] = []

    @property
    def exchanges(self) -> list[Exchange]:
        """What the model server was asked so far."""
        return self.network.upstream.exchanges

    def connect(self, host: str = "127.0.0.1") -> Client:
        """A new connection to the gateway."""
        client = Client(self.memory.site, self.clock, host)
        self.clients.append(client)
        return client

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Client:
        """One request on a new connection, with exactly these headers besides Host and Content-Length."""
        client = self.connect()
        client.request(method, path, body, headers)
        self.settle()
        return client

    def post(self, body: Any, headers: Mapping[str, str]) -> Client:
        """A chat request."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", "/v1/chat/completions", data, {"Content-Type": "application/json", **headers})

    def hear(self, client: Client, stream: bool, patience: float) -> Heard:
        """Wait for the end of a chat.

        @param patience: seconds by the gateway's clock.
        """
        until = self.clock.seconds() + patience
        while self.clock.seconds() < until and not (client.responses and client.response.complete):
            self.advance(0.5, 0.25)
        got = client.response
        error: dict[str, Any] = {}
        if got.status != 200:
            error, text = got.error, ""
        elif stream:
            error = next((event["error"] for event in got.events if "error" in event and event != "[DONE]"), {})
            text = got.text
        else:
            text = got.json["choices"][0]["message"]["content"]
        told = (error.get("code", ""), text, error.get("message", ""))
        return Heard(got.status, *told, got.header("x-should-retry"), got.header("retry-after"), got.complete)

    def stored(self, user: str) -> list[tuple[str, str, str]]:
        """What the transcript of a user's session holds: role, text, and how the message ended."""
        client = self.memory.websocket()
        client.connect(token=TOKEN)
        history = client.request("chat.history", {"sessionKey": f"agent:main:openai-user:{user}"})
        client.close()
        self.settle()
        return [
            (one["role"], "".join(part.get("text", "") for part in one["content"]), one.get("stopReason", ""))
            for one in history["payload"]["messages"]
        ]

    def settle(self) -> None:
        """Let everything that is on its way arrive, at this moment of the clock."""
        seen = -1
        while seen != (seen := self._traffic()):
            self.memory.flush()
            for client in self.clients:
                client.wire.pump()

    def advance(self, seconds: float, step: float = 0.05) -> None:
        """Let time pass, with the network working all along."""
        until = self.clock.seconds() + seconds
        while self.clock.seconds() < until:
            self.clock.advance(min(step, until - self.clock.seconds()))
            self.settle()

    def close(self) -> None:
        """End everything; the gateway must stop, and leave no delayed call behind."""
        for client in self.clients:
            client.reset()
        self.settle()
        self.memory.close()

    def _traffic(self) -> int:
        """Grows as long as anything moves."""
        return sum(len(client.wire.taken) for client in self.clients) + self.network.moved + len(self.clock.tcpClients)


class _Network:
    """The model server's side of the network, as one of the gateway's endpoints."""

    def __init__(self, network: Memory) -> None:
        self._network = network

    def flush(self) -> None:
        """Carry bytes."""
        self._network.accept()

    def disconnect(self) -> None:
        """The server goes."""
        self._network.cut()
