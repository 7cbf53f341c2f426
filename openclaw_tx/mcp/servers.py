# -*- test-case-name: tests.mcp.test_servers -*-
"""The servers that the configuration names, and their tools among those of the gateway."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_tools import McpServer
from openclaw_tx.deferreds import spawn
from openclaw_tx.interfaces import Tool, ToolContext
from openclaw_tx.mcp.content import RemoteTool, allowed, names_of, tool_result
from openclaw_tx.mcp.server import Server
from openclaw_tx.mcp.session import McpError
from openclaw_tx.mcp.transport import Transport
from openclaw_tx.values import ToolProgress, ToolResult, ToolSpec

PROGRESS_PAUSE_S = 0.5
"""Least time between two words of progress that are handed on."""

TransportFor = Callable[[str, McpServer], Transport]
"""Makes a way to a server, by its name and its entry."""

Mark = Callable[[str, str], str]
"""Marks text as not ours for the model: the text, and in a few words where it is from."""


class McpServers(Service):
    """Keeps every enabled server of C{mcp.servers} connected while the gateway runs; implements
    L{openclaw_tx.interfaces.ToolSource}.

    @ivar version: grows with each change of the tools.
    """

    name = "mcp"
    _log = Logger()

    def __init__(
        self, settings: Callable[[], Config], transport_for: TransportFor, clock: IReactorTime, mark: Mark
    ) -> None:
        """
        @param settings: gives the configuration of the moment.
        """
        self.version = 0
        self._settings = settings
        self._transport_for = transport_for
        self._clock = clock
        self._mark = mark
        self._servers: dict[str, tuple[McpServer, Server]] = {}
        self._stopping: list[Deferred[None]] = []

    def tools(self) -> Sequence[Tool]:
        """See L{openclaw_tx.interfaces.ToolSource.tools}."""
        found: list[Tool] = []
        for name, (_, server) in self._servers.items():
            tools = {tool.name: tool for tool in server.tools}
            entry = self._settings().mcp.servers.get(name)
            names = allowed(list(tools), entry.allow if entry is not None else [])
            found += [McpTool(shown, tools[own], server, self._mark) for shown, own in names_of(name, names).items()]
        return found

    def connected(self) -> Mapping[str, bool]:
        """Which servers there are, and whether they are connected."""
        return {name: server.connected for name, (_, server) in self._servers.items()}

    def startService(self) -> None:
        """Begin to connect; nobody waits for it."""
        super().startService()  # type: ignore[no-untyped-call]
        self.config_changed()

    def stopService(self) -> Deferred[None]:
        """End all of them.

        @return: fires when no connection and no program is left.
        """
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        for name in list(self._servers):
            self._end(name)
        for stopping in list(self._stopping):
            await stopping

    def config_changed(self) -> None:
        """Go by the configuration of the moment: begin with new servers, end those that are gone, connect anew to those
        that are to be reached differently."""
        if not self.running:
            return
        wanted = {name: entry for name, entry in self._settings().mcp.servers.items() if entry.enabled}
        for name, (entry, _) in list(self._servers.items()):
            if name not in wanted or _way(wanted[name]) != _way(entry):
                self._end(name)
        self._servers = {name: self._servers.get(name) or self._begin(name, entry) for name, entry in wanted.items()}

    def _begin(self, name: str, entry: McpServer) -> tuple[McpServer, Server]:
        server = Server(
            name,
            lambda: self._settings().mcp.servers.get(name, entry),
            lambda: self._transport_for(name, entry),
            self._clock,
            self._changed,
        )
        server.start()
        return entry, server

    def _end(self, name: str) -> None:
        _, server = self._servers.pop(name)
        self._changed()
        stopping = spawn(server.stop(), self._log, f"stopping the MCP server {name}")
        self._stopping.append(stopping)
        stopping.addCallback(lambda _: self._stopping.remove(stopping))

    def _changed(self) -> None:
        self.version += 1


class McpTool:
    """Implements L{openclaw_tx.interfaces.Tool} with a tool of a server."""

    def __init__(self, name: str, tool: RemoteTool, server: Server, mark: Mark) -> None:
        """
        @param name: what it is called here.
        """
        self._tool = tool
        self._server = server
        self._mark = mark
        self._spec = ToolSpec(name=name, description=tool.description, parameters=tool.parameters)

    @property
    def spec(self) -> ToolSpec:
        """As the server describes it."""
        return self._spec

    async def call(self, arguments: Mapping[str, Any], context: ToolContext) -> ToolResult:
        """Have the server do it; what comes back is marked as somebody else's text."""
        last = float("-inf")

        def report(text: str) -> None:
            nonlocal last
            now = context.clock.seconds()
            if now - last >= PROGRESS_PAUSE_S:
                last = now
                context.report(ToolProgress(call_id=context.call_id, name=self._spec.name, text=text))

        try:
            result = tool_result(await self._server.call(self._tool.name, arguments, report))
        except McpError as error:
            return ToolResult(text=f"The MCP server {self._server.name} failed: {error}", is_error=True)
        if not result.text:
            return result if result.images else replace(result, text="[no result]")
        return replace(result, text=self._mark(result.text, f"MCP server {self._server.name}"))


def _way(entry: McpServer) -> McpServer:
    """What of an entry makes another connection of it."""
    return replace(entry, connect_timeout_ms=1, request_timeout_ms=1, allow=[])


__all__ = ["Mark", "McpServers", "McpTool", "TransportFor"]
