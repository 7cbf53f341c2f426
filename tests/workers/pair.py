"""A chief and a relay in memory: two whole gateways, one clock, one scripted model, and the chief's socket between."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.files import merge
from openclaw_tx.config.temporary import temporary_directory
from openclaw_tx.deferreds import in_reactor_thread
from openclaw_tx.gateway import Gateway
from openclaw_tx.sessions.lifecycle import inline_parts
from openclaw_tx.testing import MemoryWebSocket, ScriptedModel
from openclaw_tx.testing.network import MemoryEndpoint
from openclaw_tx.workers.chief import ChiefCrew
from openclaw_tx.workers.doorway import Doorway
from openclaw_tx.workers.relay import RelayCrew
from tests.support.web import Client
from tests.workers.wires import Socket

TOKEN = "a-token-for-tests"
KEY = b"k" * 32
PID = 4711


class Pair:
    """Both. What a test asks the relay may end up at either; C{chief.engine} and C{relay.engine} tell.

    @ivar socket: the chief's.
    """

    def __init__(self, config: Mapping[str, Any] | None = None, **parts: Any) -> None:
        """
        @param config: laid over one with the chat endpoint on.
        @param parts: more of the chief's L{Gateway}.
        """
        self.clock: Any = MemoryReactorClock()
        self.clock.advance(1_700_000_000.0)
        self.model = ScriptedModel()
        self.directory = temporary_directory(self.clock, "openclaw-test-")
        self._ids = (f"00000000-0000-4000-8000-{number:012}" for number in itertools.count(1))
        self.config = merge(
            {
                "gateway": {
                    "auth": {"mode": "token", "token": TOKEN},
                    "http": {
                        "endpoints": {"chatCompletions": {"enabled": True}, "responses": {"enabled": True}},
                    },
                },
                "agents": {
                    "defaults": {"model": self.model.ref, "workspace": self.directory},
                    "list": [{"id": "main"}, {"id": "beta"}],
                },
                "models": {"mode": "replace"},
            },
            dict(config or {}),
        )
        self.socket = Socket()
        self.clients: list[Client] = []
        self._endpoints: list[MemoryEndpoint] = []
        self.chief_crew = ChiefCrew(KEY, 2, self.clock)
        self.chief = self._gateway(self.chief_crew, **parts)
        self.listen()
        self.relay_crew = RelayCrew(KEY, 1, 2, PID, self.socket.connect, self.clock)
        self.relay = self._gateway(self.relay_crew)
        self.site = self.relay.site()
        self.settle()

    def listen(self) -> None:
        """The chief's socket has somebody behind it."""
        self.door = Doorway(KEY, self.chief.site(handed_over=True), self.chief_crew.arrived, self.clock)
        self.socket.factory = self.door

    def _gateway(self, crew: Any, **parts: Any) -> Gateway:
        gateway = Gateway(
            self.clock,
            self.config,
            state_dir=self.directory,
            models={self.model.provider: self.model},
            store=inline_parts(self.clock.seconds, lambda: next(self._ids)),
            in_thread=in_reactor_thread,
            new_id=lambda: next(self._ids),
            randomness=lambda: 0.5,
            automation=crew.is_chief,
            crew=crew,
            **parts,
        )
        gateway.startService()
        return gateway

    # -- clients

    def connect(self, host: str = "127.0.0.1") -> Client:
        """A connection to the relay."""
        client = Client(self.site, self.clock, host)
        self.clients.append(client)
        return client

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        token: str | None = TOKEN,
        client: Client | None = None,
        **headers: str,
    ) -> Client:
        """A request to the relay."""
        client = client or self.connect()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            named["Authorization"] = f"Bearer {token}"
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        client.request(method, path, data, named)
        self.settle()
        return client

    def chat(self, text: str, client: Client | None = None, *, stream: bool = False, **body: Any) -> Client:
        """A chat request to the relay."""
        asked = {"messages": [{"role": "user", "content": text}], "stream": stream, **body}
        return self.ask("POST", "/v1/chat/completions", asked, client=client)

    def websocket(self, *, relayed: bool = False) -> MemoryWebSocket:
        """A WebSocket client of the chief, or one that comes to it by way of the relay."""
        endpoint = MemoryEndpoint(self.site if relayed else self.chief.site())
        self._endpoints.append(endpoint)
        return MemoryWebSocket(self.clock, endpoint, self.settle, TOKEN)

    # -- time

    def settle(self) -> None:
        """Let everything arrive that is on its way, also what leaves in the next turn of the reactor."""
        self._carry()
        self.clock.advance(0)
        self._carry()

    def _carry(self) -> None:
        moved = True
        while moved:
            before = sum(len(client.wire.taken) for client in self.clients)
            moved = self.socket.carry()
            for endpoint in self._endpoints:
                moved = endpoint.flush() or moved
            for client in self.clients:
                client.wire.pump()
            moved = moved or sum(len(client.wire.taken) for client in self.clients) != before

    def advance(self, seconds: float, step: float = 0.05) -> None:
        """Let time pass."""
        until = self.clock.seconds() + seconds
        while self.clock.seconds() < until:
            self.clock.advance(step)
            self.settle()

    def kill_chief(self) -> None:
        """The chief is gone from one moment to the next; what it was in itself is left to L{close}."""
        self.socket.cut()
        self.settle()

    def close(self) -> None:
        """Stop both; nothing may be left behind."""
        for call in self.model.calls:
            if not call.done.called:
                call.done.cancel()
        stopping = [self.relay.stopService(), self.chief.stopService()]
        for _ in range(400):
            if all(each.called for each in stopping):
                break
            self.advance(0.1, 0.1)
        assert all(each.called for each in stopping), "they do not stop"
        for endpoint in self._endpoints:
            endpoint.disconnect()
        for client in self.clients:
            client.reset()
        self.settle()
        left = self.clock.getDelayedCalls()
        assert not left, f"left behind: {left}"


class PairCase(SynchronousTestCase):
    """A chief and a relay, made when a test has said how."""

    def pair(self, config: Any = None, **parts: Any) -> Pair:
        """A fresh pair."""
        pair = Pair(config, **parts)
        self.addCleanup(pair.close)
        return pair

    def live(self, pair: Pair) -> tuple[int, int]:
        """Runs that are at work in the chief's engine and in the relay's."""
        return len(list(pair.chief.engine.live())), len(list(pair.relay.engine.live()))
