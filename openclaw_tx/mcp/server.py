# -*- test-case-name: tests.mcp.test_server -*-
"""One configured server, kept connected: tried again with pauses when it is down, and at once when it is needed.

While it is down its tools stay on offer, as it last told of them; a call waits for one attempt to connect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from openclaw_tx.config.schema_tools import McpServer
from openclaw_tx.deferreds import Gate, sleep, spawn
from openclaw_tx.mcp.client import Client, OnProgress, TimedOut
from openclaw_tx.mcp.content import RemoteTool
from openclaw_tx.mcp.session import McpError
from openclaw_tx.mcp.transport import SessionEnded, Transport

FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 60.0
"""Pauses between attempts grow from the first to this; for a call an attempt is made a second after the last one."""

LASTED_S = 30.0
"""A connection that has lasted so long was a good one: the pauses begin anew."""

MAX_SILENT = 3
"""Calls in a row without a sign of life, after which the conversation is given up."""

LIST_PAUSE_S = 1.0
"""Time between two looks at the tools of a server that says they have changed."""


class Server:
    """A server and what is known of it.

    @ivar tools: as it last told of them.
    """

    _log = Logger()

    def __init__(
        self,
        name: str,
        settings: Callable[[], McpServer],
        transport: Callable[[], Transport],
        clock: IReactorTime,
        on_change: Callable[[], None],
    ) -> None:
        """
        @param settings: its entry of the moment, for timeouts.
        @param transport: makes a way to it, for each attempt.
        @param on_change: L{tools} has changed.
        """
        self.name = name
        self.tools: tuple[RemoteTool, ...] = ()
        self._settings = settings
        self._transport = transport
        self._clock = clock
        self._on_change = on_change
        self._client: Client | None = None
        self._attempt = Gate()
        """Opens when the attempt under way, or the next one, has come to an end."""
        self._resting: IDelayedCall | None = None
        self._began = float("-inf")
        self._failure = ""
        self._silent = 0
        self._keeping: Deferred[None] | None = None
        self._listing: Deferred[None] | None = None
        self._changed = False
        self._closing: list[Deferred[None]] = []

    @property
    def connected(self) -> bool:
        """Whether a call would not have to wait."""
        return self._client is not None

    def start(self) -> None:
        """Connect, and stay connected until L{stop}."""
        self._keeping = spawn(self._keep(), self._log, f"the MCP server {self.name}")

    async def stop(self) -> None:
        """End it; calls under way fail."""
        for work in (self._keeping, self._listing):
            if work is not None:
                work.cancel()
        self._keeping = None
        self._failure = "it was stopped."
        self._attempt.open()
        client, self._client = self._client, None
        if client is not None:
            await client.close()
        for closing in list(self._closing):
            await closing

    async def call(self, tool: str, arguments: Mapping[str, Any], on_progress: OnProgress) -> Mapping[str, Any]:
        """Call a tool. Cancelling it tells the server so.

        @raise McpError: it can not be reached, or does not answer.
        """
        client = await self._connection()
        try:
            return await self._call(client, tool, arguments, on_progress)
        except SessionEnded:
            client = await self._connection()  # it has forgotten us; nothing has been done yet
            return await self._call(client, tool, arguments, on_progress)

    async def _call(
        self, client: Client, tool: str, arguments: Mapping[str, Any], on_progress: OnProgress
    ) -> Mapping[str, Any]:
        heard = client.heard
        try:
            result = await client.call(tool, arguments, self._settings().request_timeout_ms / 1000, on_progress)
        except TimedOut:
            self._silent = self._silent + 1 if client.heard == heard else 0
            if self._silent >= MAX_SILENT and client is self._client:
                self._log.warn("MCP server {server} does not answer any more; connecting anew", server=self.name)
                self._close(client)
            raise
        self._silent = 0
        return result

    async def _connection(self) -> Client:
        """The conversation; when there is none, wait for an attempt to have one.

        @raise McpError: it did not succeed.
        """
        if self._client is None or self._client.gone.opened:
            if self._keeping is None:
                raise McpError(self._failure or "it is not started.")
            if self._resting is not None:
                now = self._clock.seconds()
                soon = max(now, self._began + FIRST_PAUSE_S)
                if self._resting.getTime() > soon:
                    self._resting.reset(soon - now)
            await self._attempt.wait()
        if self._client is None:
            raise McpError(self._failure)
        return self._client

    async def _keep(self) -> None:
        """Attempt after attempt."""
        pause = FIRST_PAUSE_S
        while True:
            self._began = self._clock.seconds()
            client = Client(self.name, self._transport(), self._clock, self._tools_changed)
            failure = await self._try(client)
            if not failure:
                self._client, self._failure, self._silent = client, "", 0
                self._settle()
                await client.gone.wait()
                self._client = None
                self._close(client)
                failure = client.why or "the connection was closed."
                if self._clock.seconds() - self._began >= LASTED_S:
                    pause = FIRST_PAUSE_S
            if failure != self._failure:
                self._log.warn("MCP server {server}: {error}", server=self.name, error=failure)
                self._failure = failure
            self._settle()
            await self._rest(pause)
            pause = min(2 * pause, MAX_PAUSE_S)

    async def _try(self, client: Client) -> str:
        """One attempt.

        @return: why it failed; "" = it did not.
        """
        connecting = Deferred.fromCoroutine(self._connect(client))
        try:
            await connecting.addTimeout(self._settings().connect_timeout_ms / 1000, self._clock)
        except CancelledError:
            self._close(client)
            raise
        except DeferredTimeout:
            failure = "it was not ready in time."
        except McpError as error:
            failure = str(error)
        except Exception:
            self._log.failure("MCP server {server}: connecting failed", server=self.name)
            failure = "connecting failed."
        else:
            return ""
        self._close(client)
        return failure

    async def _connect(self, client: Client) -> None:
        seconds = self._settings().connect_timeout_ms / 1000
        await client.start(seconds)
        self._set_tools(await client.tools(seconds))
        self._log.info("MCP server {server} has {count} tools", server=self.name, count=len(self.tools))

    def _settle(self) -> None:
        """The attempt is over; whoever comes now waits for the next one."""
        attempt, self._attempt = self._attempt, Gate()
        attempt.open()

    async def _rest(self, seconds: float) -> None:
        """Wait; a call may make it shorter."""
        pause: Deferred[None] = Deferred()
        self._resting = timer = self._clock.callLater(seconds, pause.callback, None)
        try:
            await pause
        finally:
            self._resting = None
            if timer.active():
                timer.cancel()

    def _close(self, client: Client) -> None:
        """Close a conversation, without waiting for it here."""
        closing = spawn(client.close(), self._log, f"closing the MCP server {self.name}")
        self._closing.append(closing)
        closing.addCallback(lambda _: self._closing.remove(closing))

    def _set_tools(self, tools: list[RemoteTool]) -> None:
        if tuple(tools) != self.tools:
            self.tools = tuple(tools)
            self._on_change()

    def _tools_changed(self) -> None:
        """The server says so, perhaps again and again."""
        self._changed = True
        if self._listing is None:
            self._listing = spawn(self._list(), self._log, f"the tools of the MCP server {self.name}")
            self._listing.addCallback(self._listed)

    def _listed(self, _: None) -> None:
        self._listing = None

    async def _list(self) -> None:
        while self._changed:
            await sleep(self._clock, LIST_PAUSE_S)
            self._changed = False
            client = self._client
            if client is None:
                return  # the next connection begins with a look at them
            try:
                self._set_tools(await client.tools(self._settings().request_timeout_ms / 1000))
            except McpError as error:
                self._log.warn("MCP server {server}: {error}", server=self.name, error=str(error))


__all__ = ["Server"]
