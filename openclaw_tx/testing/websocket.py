# -*- test-case-name: tests.testing.test_gateway -*-
# mypy: allow-untyped-calls
"""A client of the Gateway WebSocket protocol that a test drives step by step."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol

from openclaw_tx.testing.network import MemoryEndpoint


class _Protocol(WebSocketClientProtocol):
    """autobahn's client without its timers, which run on the global reactor."""

    openHandshakeTimeout = 0
    closeHandshakeTimeout = 0
    autoPingInterval = 0

    def __init__(self, client: MemoryWebSocket) -> None:
        super().__init__()
        self._client = client

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self._client.frames.append(json.loads(payload))

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self._client.closed = (code, reason or "")


class _Factory(WebSocketClientFactory):
    """Hands out the one protocol."""

    noisy = False
    client: _Protocol

    def buildProtocol(self, addr: Any) -> _Protocol:
        return self.client


class MemoryWebSocket:
    """One connection.

    @ivar frames: every frame that came, oldest first.
    @ivar closed: (code, reason) once the gateway has closed it.
    """

    def __init__(
        self, reactor: Any, endpoint: MemoryEndpoint, settle: Callable[[], None], token: str, path: str = "/"
    ) -> None:
        self.frames: list[dict[str, Any]] = []
        self.closed: tuple[int | None, str] | None = None
        self._endpoint = endpoint
        self._settle = settle
        self._token = token
        self._number = 0
        factory = _Factory(f"ws://localhost:18789{path}", reactor=reactor)
        self._protocol = factory.client = _Protocol(self)
        self._protocol.factory = factory
        endpoint.connect(factory)
        settle()

    def connect(
        self,
        scopes: Sequence[str] = ("operator.read", "operator.write"),
        protocol: int = 4,
        token: str | None = None,
        **params: Any,
    ) -> dict[str, Any]:
        """The handshake.

        @param params: further parameters of C{connect}, over the usual ones.
        @return: the payload of hello-ok.
        @raise AssertionError: the gateway refused, and the message is its error; or it has not answered yet, as to a
            wrong secret, whose refusal is held back until time has passed.
        """
        answer = self.request(
            "connect",
            {
                "minProtocol": protocol,
                "maxProtocol": protocol,
                "client": {"id": "test", "version": "1", "platform": "test", "mode": "test"},
                "caps": ["tool-events"],
                "role": "operator",
                "scopes": list(scopes),
                "auth": {"token": self._token if token is None else token},
                **params,
            },
        )
        assert answer["ok"], answer["error"]
        payload: dict[str, Any] = answer["payload"]
        return payload

    def request(self, method: str, params: Any = None) -> dict[str, Any]:
        """Send a request; the first answer that is there when everything has settled."""
        self._number += 1
        request_id = f"r{self._number}"
        self.send({"type": "req", "id": request_id, "method": method, "params": params or {}})
        return self.response(request_id, first=True)

    def response(self, request_id: str, first: bool = False) -> dict[str, Any]:
        """The newest (or first) answer to a request.

        @raise AssertionError: there is none yet.
        """
        found = [frame for frame in self.frames if frame["type"] == "res" and frame["id"] == request_id]
        assert found, f"no answer to {request_id} yet; closed: {self.closed}"
        return found[0 if first else -1]

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Events so far, of one name or all."""
        events = [frame for frame in self.frames if frame["type"] == "event"]
        return [event for event in events if name is None or event["event"] == name]

    def send(self, frame: Any) -> None:
        """Send anything: an object as JSON, text or bytes as they are."""
        if isinstance(frame, bytes):
            self._protocol.sendMessage(frame, isBinary=True)
        else:
            text = frame if isinstance(frame, str) else json.dumps(frame)
            self._protocol.sendMessage(text.encode("utf-8"))
        self._settle()

    def close(self) -> None:
        """Leave."""
        self._protocol.sendClose()
        self._settle()
