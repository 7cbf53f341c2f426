# -*- test-case-name: tests.testing.test_gateway -*-
# mypy: allow-untyped-calls
"""A whole gateway in memory, on a clock that the test advances."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from treq.client import HTTPClient
from twisted.internet.testing import MemoryReactorClock
from twisted.web.client import Agent

from openclaw_tx.auth.startup import check_startup
from openclaw_tx.config.files import merge
from openclaw_tx.config.load import Loaded, load
from openclaw_tx.config.temporary import temporary_directory
from openclaw_tx.deferreds import InThread, in_reactor_thread
from openclaw_tx.gateway import Gateway
from openclaw_tx.interfaces import Fetcher, IChannel, Poster, Tool, ToolSource
from openclaw_tx.sessions.lifecycle import inline_parts
from openclaw_tx.testing.http import MemoryResponse, body_producer, send
from openclaw_tx.testing.model import ScriptedModel
from openclaw_tx.testing.network import MemoryEndpoint
from openclaw_tx.testing.websocket import MemoryWebSocket

TOKEN = "a-token-for-tests"

START = 1_700_000_000.0
"""The clock's time at the beginning, in seconds since 1970."""


class MemoryGateway:
    """The real gateway: sites, engine, store. Only its model, its clock and its network are the test's.

    @ivar gateway: the L{Gateway}, already started.
    @ivar model: the scripted model that every agent uses.
    @ivar client: a treq C{HTTPClient} that reaches this gateway under every address; call L{flush} after using it.
    @ivar clock: the reactor of it all.
    @ivar config_file: where the configuration stands, with C{as_file}.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        *,
        tools: Iterable[Tool] = (),
        tool_sources: Sequence[ToolSource] = (),
        model: ScriptedModel | None = None,
        environment: Mapping[str, str] | None = None,
        fetcher: Fetcher | None = None,
        in_thread: InThread = in_reactor_thread,
        as_file: bool = False,
        clock: Any = None,
        channels: Sequence[IChannel] = (),
        poster: Poster | None = None,
        after: MemoryGateway | None = None,
    ) -> None:
        """
        @param config: laid over a configuration with the chat endpoint on and agents main and beta.
        @param tools: tools beside the built-in ones.
        @param tool_sources: tools that come and go.
        @param fetcher: gets what requests name by URL.
        @param in_thread: where large bodies are read; unless given, they are read at once.
        @param as_file: the configuration stands in a file (L{config_file}), as that of a gateway under twistd does.
        @param clock: a C{MemoryReactorClock} of this gateway alone that can do more, such as L{spawnProcess
            <twisted.internet.interfaces.IReactorProcess.spawnProcess>} for C{exec}. No processes are spawned otherwise.
        @param channels: channels besides the built-in ones.
        @param poster: posts what goes out to webhooks.
        @param after: a gateway that is taken to be killed at this moment: this one begins with what it has on the disk.
            Close it all the same, but later.
        """
        self.clock: Any = clock or MemoryReactorClock()
        self.clock.advance(START if after is None else after.clock.seconds())
        self.model = model or ScriptedModel()
        self._directory = temporary_directory(self.clock, "openclaw-test-")
        self._life: int = 0 if after is None else after._life + 1
        if after is not None:
            if not Path(after._directory).is_dir():
                raise ValueError("after= takes a gateway that is not closed yet: what one had goes when it is closed")
            shutil.copytree(after._directory, self._directory, dirs_exist_ok=True)
        ids = (f"{self._life:08}-0000-4000-8000-{number:012}" for number in itertools.count(1))
        base: dict[str, Any] = {
            "gateway": {
                "auth": {"mode": "token", "token": TOKEN},
                "http": {"endpoints": {"chatCompletions": {"enabled": True}}},
            },
            "agents": {"defaults": {"model": self.model.ref}, "list": [{"id": "main"}, {"id": "beta"}]},
            "models": {"mode": "replace"},
        }
        given = dict(config or {})
        if "list" in given.get("agents", {}):
            del base["agents"]["list"]
        self.config = merge(base, given)
        self.config_file = Path(self._directory) / "openclaw.json"
        loaded: Mapping[str, Any] | Loaded = self.config
        if as_file:
            self.config_file.write_text(json.dumps(self.config, indent=2), "utf-8")
            loaded = load(
                {"HOME": self._directory, **(environment or {})},
                cwd=Path(self._directory),
                state_dir=self._directory,
                check=check_startup,
            )
        self.gateway = Gateway(
            self.clock,
            loaded,
            state_dir=self._directory,
            environment=environment,
            models={self.model.provider: self.model},
            tools=tools,
            tool_sources=tool_sources,
            fetcher=fetcher,
            channels=channels,
            poster=poster,
            store=inline_parts(self.clock.seconds, lambda: next(ids)),
            in_thread=in_thread,
            new_id=lambda: next(ids),
            randomness=lambda: 0.5,
        )
        self.gateway.startService()
        self.site = self.gateway.site()
        self._endpoints: list[MemoryEndpoint] = []
        agent = Agent.usingEndpointFactory(self.clock, self._endpoint())
        self.client = HTTPClient(agent, data_to_body_producer=body_producer)

    # -- HTTP

    def post(
        self, path: str, body: Any = None, *, token: str | None = TOKEN, headers: Mapping[str, str] | None = None
    ) -> MemoryResponse:
        """POST a JSON body (bytes go as they are)."""
        data = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode("utf-8")
        return self.request(
            "POST", path, data, token=token, headers={"Content-Type": "application/json", **(headers or {})}
        )

    def get(self, path: str, *, token: str | None = TOKEN, headers: Mapping[str, str] | None = None) -> MemoryResponse:
        """GET."""
        return self.request("GET", path, token=token, headers=headers)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        token: str | None = TOKEN,
        headers: Mapping[str, str] | None = None,
    ) -> MemoryResponse:
        """Any request, on a connection of its own."""
        authorization = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return send(self.clock, self._endpoint(), method, path, body, {**authorization, **(headers or {})})

    # -- WebSocket

    def websocket(self) -> MemoryWebSocket:
        """A WebSocket client that has not said C{connect} yet."""
        return MemoryWebSocket(self.clock, self._endpoint(), self.flush, TOKEN)

    # -- time

    def flush(self) -> None:
        """Carry all bytes that are on their way, and those that they cause on other connections."""
        while any(endpoint.flush() for endpoint in self._endpoints):
            pass

    def advance(self, seconds: float, steps: int = 1) -> None:
        """Let time pass, in so many steps, and carry what moves."""
        for _ in range(steps):
            self.clock.advance(seconds / steps)
            self.flush()

    def close(self) -> None:
        """Stop the gateway and check that it leaves nothing behind.

        Whatever C{gateway.shutdownGraceSeconds} says, runs that are still under way are aborted at once.

        @raise AssertionError: it does not stop, or a delayed call is left.
        """
        for call in self.model.calls:
            if not call.done.called:
                call.done.cancel()
        stopped = self.gateway.stopService()
        self.gateway.engine.hurry()
        for _ in range(400):
            if stopped.called:
                break
            self.advance(0.1)
        assert stopped.called, "the gateway does not stop"
        for endpoint in self._endpoints:
            endpoint.disconnect()
        shutil.rmtree(self._directory, ignore_errors=True)
        left = self.clock.getDelayedCalls()
        assert not left, f"left behind: {left}"

    def _endpoint(self) -> MemoryEndpoint:
        endpoint = MemoryEndpoint(self.site, self.clock)
        self._endpoints.append(endpoint)
        return endpoint


__all__ = ["START", "TOKEN", "MemoryGateway"]
