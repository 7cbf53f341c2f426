# -*- test-case-name: tests.mcp.test_factory -*-
"""Entries of the configuration and the ways they lead to."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema_tools import McpServer
from openclaw_tx.mcp.factory import TransportFactory
from openclaw_tx.mcp.http import Doors, HttpTransport
from openclaw_tx.mcp.stdio import StdioTransport
from tests.mcp.doubles import FakeProcess, ProcessReactor
from tests.mcp.test_http import Broken, FakeDoor


class FactoryTests(SynchronousTestCase):
    """L{TransportFactory}."""

    def setUp(self) -> None:
        """A gateway's surroundings."""
        self.reactor = ProcessReactor()
        self.opened: list[str] = []
        environment = {"HOME": "/home/me", "PATH": "/bin", "OPENAI_API_KEY": "k"}
        self.factory = TransportFactory(self.reactor, Doors(self.open, Broken), "/state", lambda: environment)

    def open(self, url: str) -> FakeDoor:
        """Note the address."""
        self.opened.append(url)
        return FakeDoor()

    def started(self, **entry: Any) -> FakeProcess:
        """The process of an entry."""
        way = self.factory("s", McpServer(**entry))
        self.assertIsInstance(way, StdioTransport)
        self.successResultOf(Deferred.fromCoroutine(way.open(lambda data: None, lambda reason: None)))
        return self.reactor.processes[-1]

    def test_program(self) -> None:
        """With a command it is a program, in the state directory, without the gateway's secrets."""
        process = self.started(command="npx", args=["-y", "x"], env={"TOKEN": "t"})
        self.assertEqual(process.command[-4:], ["/state", "npx", "-y", "x"])
        self.assertEqual(process.env, {"HOME": "/home/me", "PATH": "/bin", "TOKEN": "t"})

    def test_directory(self) -> None:
        """Elsewhere, from the state directory or from home."""
        for cwd, expected in (("/w", "/w"), ("w", "/state/w"), ("~", "/home/me"), ("~/w", "/home/me/w")):
            self.assertEqual(self.started(command="~/bin/x", cwd=cwd).command[-2:], [expected, "/home/me/bin/x"])

    def test_address(self) -> None:
        """With a url it is an address, by whichever name of the transport."""
        for transport in ("", "http", "streamable-http"):
            way = self.factory("s", McpServer(url="http://h/mcp", transport=transport))  # type: ignore[arg-type]
            self.assertIsInstance(way, HttpTransport)
            self.successResultOf(Deferred.fromCoroutine(way.open(lambda data: None, lambda reason: None)))
        self.assertEqual(self.opened, ["http://h/mcp"] * 3)
