# -*- test-case-name: tests.mcp.test_factory -*-
"""From an entry of C{mcp.servers} to the way that leads there."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from openclaw_tx.config.schema_tools import McpServer
from openclaw_tx.mcp.http import Doors, HttpTransport
from openclaw_tx.mcp.stdio import Program, StdioTransport, child_environment
from openclaw_tx.mcp.transport import Transport


class TransportFactory:
    """Makes transports; a L{openclaw_tx.mcp.servers.TransportFor}."""

    def __init__(
        self, reactor: Any, doors: Doors, state_dir: str, environment: Callable[[], Mapping[str, str]]
    ) -> None:
        """
        @param reactor: IReactorProcess and IReactorTime.
        @param state_dir: where programs run unless their entry says.
        @param environment: the gateway's.
        """
        self._reactor = reactor
        self._doors = doors
        self._state_dir = state_dir
        self._environment = environment

    def __call__(self, name: str, entry: McpServer) -> Transport:
        """A way to a server, not used yet."""
        if is_program(entry):
            environment = self._environment()
            home = environment.get("HOME", "")
            program = Program(
                [_expanded(entry.command, home), *entry.args],
                os.path.normpath(os.path.join(self._state_dir, _expanded(entry.cwd, home))),
                child_environment(environment, entry.env),
            )
            return StdioTransport(self._reactor, program, name)
        return HttpTransport(self._reactor, self._doors, entry.url, entry.headers, name)


def is_program(entry: McpServer) -> bool:
    """Whether it is a program to start, and not an address."""
    return entry.transport == "stdio" or (not entry.transport and bool(entry.command))


def _expanded(path: str, home: str) -> str:
    return home + path[1:] if home and (path == "~" or path.startswith("~/")) else path


__all__ = ["TransportFactory", "is_program"]
