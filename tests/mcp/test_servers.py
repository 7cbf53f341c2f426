# -*- test-case-name: tests.mcp.test_servers -*-
"""The servers of a configuration, and their tools in a whole gateway."""

from __future__ import annotations

from typing import Any

import msgspec

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_tools import McpServer
from openclaw_tx.interfaces import Tool
from openclaw_tx.mcp.servers import PROGRESS_PAUSE_S, McpServers
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.values import ToolProgress, ToolResult
from tests.mcp.doubles import ECHO, CallContext, FakeProcess, FakeServer, MemoryTransport, ProcessReactor, text


class ServersCase(SynchronousTestCase):
    """Servers in memory, by name."""

    def setUp(self) -> None:
        """Two of them."""
        self.clock = Clock()
        self.fakes = {"one": FakeServer(), "two": FakeServer()}
        self.ways: list[tuple[str, MemoryTransport]] = []
        self.current = Config()
        self.servers = McpServers(lambda: self.current, self.way, self.clock, lambda text, source: f"<{source}>{text}")

    def tearDown(self) -> None:
        """They stop clean."""
        self.successResultOf(self.servers.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertTrue(all(way.closed for _, way in self.ways))

    def way(self, name: str, entry: McpServer) -> MemoryTransport:
        """To the server of that name."""
        way = MemoryTransport(self.fakes[name])
        self.ways.append((name, way))
        return way

    def configure(self, **servers: dict[str, Any]) -> None:
        """Other servers from now on."""
        self.current = msgspec.convert({"mcp": {"servers": servers}}, Config)
        self.servers.config_changed()

    def names(self) -> list[str]:
        """The tools of the moment."""
        return [tool.spec.name for tool in self.servers.tools()]


class ServersTests(ServersCase):
    """L{McpServers}."""

    def test_start(self) -> None:
        """Servers are connected when the service starts, not before; those switched off are not."""
        self.configure(one={"command": "x"}, two={"command": "x", "enabled": False})
        self.assertEqual(self.ways, [])
        self.servers.startService()
        self.assertEqual(self.names(), ["one__echo"])
        self.assertEqual(self.servers.connected(), {"one": True})

    def test_changes(self) -> None:
        """A new server, one that is gone, and one that is reached differently; the others stay as they are."""
        self.servers.startService()
        self.configure(one={"command": "x"})
        version = self.servers.version
        self.configure(one={"command": "x"}, two={"command": "y"})
        self.assertEqual([name for name, _ in self.ways], ["one", "two"])
        self.assertEqual(self.names(), ["one__echo", "two__echo"])
        self.assertGreater(self.servers.version, version)
        version = self.servers.version
        self.configure(one={"command": "z"}, two={"command": "y"})
        self.assertEqual([name for name, _ in self.ways], ["one", "two", "one"])
        self.assertEqual([way.closed for _, way in self.ways], [True, False, False])
        self.configure(two={"command": "y"})
        self.assertEqual(self.names(), ["two__echo"])
        self.assertTrue(self.ways[2][1].closed)
        self.assertGreater(self.servers.version, version)

    def test_small_changes(self) -> None:
        """What can be used may change, and how long is waited, without connecting anew."""
        self.servers.startService()
        self.fakes["one"].pages = [[ECHO, {"name": "read"}, {"name": "write"}]]
        self.configure(one={"command": "x"})
        self.assertEqual(self.names(), ["one__echo", "one__read", "one__write"])
        self.configure(one={"command": "x", "allow": ["*r*e*"], "requestTimeoutMs": 3})
        self.assertEqual(self.names(), ["one__read", "one__write"])
        self.assertEqual(len(self.ways), 1)

    def test_version(self) -> None:
        """It grows with the tools of any server."""
        self.servers.startService()
        self.configure(one={"command": "x"})
        version = self.servers.version
        self.fakes["one"].pages = [[{"name": "other"}]]
        self.fakes["one"].notify("notifications/tools/list_changed")
        self.clock.advance(1)
        self.assertGreater(self.servers.version, version)
        self.assertEqual(self.names(), ["one__other"])


class ToolTests(ServersCase):
    """L{openclaw_tx.mcp.servers.McpTool}."""

    def setUp(self) -> None:
        """The echo of one server."""
        super().setUp()
        self.servers.startService()
        self.configure(one={"command": "x", "requestTimeoutMs": 4000})
        self.tool: Tool
        (self.tool,) = self.servers.tools()
        self.context = CallContext(self.clock)

    def call(self) -> Deferred[ToolResult]:
        """Call it."""
        return Deferred.fromCoroutine(self.tool.call({"text": "hi"}, self.context))  # type: ignore[arg-type]

    def test_spec(self) -> None:
        """As the server describes it."""
        self.assertEqual(self.tool.spec.description, "Say it again.")
        self.assertEqual(self.tool.spec.parameters, ECHO["inputSchema"])

    def test_result(self) -> None:
        """Marked as somebody else's text, and only text is."""
        result = self.successResultOf(self.call())
        self.assertEqual((result.text, result.is_error), ('<MCP server one>echo: {"text": "hi"}', False))
        self.fakes["one"].holds = {"tools/call"}
        for brought, shown in (
            ({"content": []}, "[no result]"),
            ({"content": [{"type": "image", "data": "QUJD", "mimeType": "image/png"}]}, ""),
            ({**text("no such file"), "isError": True}, "<MCP server one>no such file"),
        ):
            call = self.call()
            self.fakes["one"].answer(brought)
            result = self.successResultOf(call)
            self.assertEqual((result.text, result.is_error), (shown, "isError" in brought))

    def test_failures(self) -> None:
        """What goes wrong below a tool is an error result that says where."""
        self.fakes["one"].failing = {"code": 1, "message": "out of paper"}
        result = self.successResultOf(self.call())
        self.assertEqual((result.text, result.is_error), ("The MCP server one failed: out of paper", True))
        self.fakes["one"].holds = {"tools/call"}
        call = self.call()
        self.clock.advance(4)
        self.assertIn("no answer within 4 seconds", self.successResultOf(call).text)
        self.configure()
        self.assertIn("it was stopped", self.successResultOf(self.call()).text)

    def test_progress(self) -> None:
        """Some of it is handed on."""
        self.fakes["one"].holds = {"tools/call"}
        call = self.call()
        number = self.fakes["one"].heard[-1]["id"]
        for step in range(4):
            self.fakes["one"].notify("notifications/progress", progressToken=number, progress=step)
            self.clock.advance(PROGRESS_PAUSE_S / 2)
        self.fakes["one"].answer(text("x"))
        self.successResultOf(call)
        self.assertEqual(
            self.context.events,
            [ToolProgress(call_id="call_1", name="one__echo", text=said) for said in ("0", "2")],
        )


class GatewayTests(SynchronousTestCase):
    """A gateway whose servers are programs that the test plays."""

    def setUp(self) -> None:
        """One without servers."""
        self.memory = MemoryGateway()
        self.addCleanup(self.memory.close)
        self.model = self.memory.model
        self.reactor = ProcessReactor()
        self.memory.clock.spawnProcess = self.reactor.spawnProcess

    def play(self, process: FakeProcess) -> FakeServer:
        """A server behind a process."""
        server = FakeServer()
        server.say = lambda data: process.output(data + b"\n")

        def write(data: bytes) -> None:
            for line in data.splitlines():
                server.receive(line)

        said = process.told
        process.write = write  # type: ignore[method-assign]
        write(said)
        return server

    def reload(self, **more: Any) -> None:
        """A configuration with a server; the rest as it was."""
        server = {"command": "srv", "env": {"KEY": "a-secret-of-the-server"}}
        self.memory.gateway.reload({**self.memory.config, "mcp": {"servers": {"my": server}}, **more})

    def chat(self) -> str:
        """What the agent says to hello."""
        answer = self.memory.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "hello"}]})
        content: str = answer.json()["choices"][0]["message"]["content"]
        return content

    def test_run(self) -> None:
        """A server that is configured later is started with what it is given; its tools are used by a run, are subject
        to policies like those of plugins, and go with it."""
        self.reload()
        (process,) = self.reactor.processes
        self.assertEqual(process.env["KEY"], "a-secret-of-the-server")
        server = self.play(process)
        self.model.call_tool("my__echo", {"text": "hi"})
        self.model.say("It said hi.")
        self.assertEqual(self.chat(), "It said hi.")
        told = self.model.requests[-1].messages[-1].text
        self.assertIn('echo: {"text": "hi"}', told)
        self.assertIn("EXTERNAL_UNTRUSTED_CONTENT", told)
        self.assertIn("tools/call", server.methods())
        self.model.call_tool("my__echo", {"words": "hi"})
        self.model.say("Well.")
        self.chat()
        self.assertIn("Invalid arguments for my__echo", self.model.requests[-1].messages[-1].text)
        for tools, there in (({"deny": ["group:plugins"]}, False), ({"allow": ["my__*"]}, True)):
            self.reload(tools=tools)
            self.model.say("x")
            self.chat()
            self.assertEqual("my__echo" in {tool.name for tool in self.model.requests[-1].tools}, there)
        self.assertEqual(len(self.reactor.processes), 1)
        self.memory.gateway.reload(self.memory.config)
        self.assertFalse(process.stdin_open)
        self.model.say("x")
        self.chat()
        self.assertNotIn("my__echo", {tool.name for tool in self.model.requests[-1].tools})
        process.end()

    def test_cancelled(self) -> None:
        """A client that hangs up ends the call, and the server is told."""
        self.reload()
        server = self.play(self.reactor.processes[0])
        server.holds = {"tools/call"}
        self.model.call_tool("my__echo", {"text": "hi"})
        run = self.memory.gateway.run_agent("hello")
        self.assertEqual(server.methods()[-1], "tools/call")
        run.cancel()
        self.memory.flush()
        self.assertEqual(server.methods()[-1], "notifications/cancelled")
        self.failureResultOf(run)
        self.reactor.processes[0].end()
        self.memory.gateway.reload(self.memory.config)

    def test_stop(self) -> None:
        """The gateway ends its programs when it stops."""
        self.reload()
        process = self.reactor.processes[0]
        self.play(process)
        stopped = self.memory.gateway.stopService()
        self.memory.advance(0.5)
        self.assertFalse(process.stdin_open)
        self.assertNoResult(stopped)
        process.end()
        self.successResultOf(stopped)
