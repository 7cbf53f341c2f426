"""An MCP server in memory, and the ways to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.testing import MemoryReactorClock

from openclaw_tx.mcp.session import McpError
from openclaw_tx.values import Agent, ToolEvent
from tests.support.processes import Process
from tests.tools.doubles import AGENT

ECHO = {
    "name": "echo",
    "description": "Say it again.",
    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
}


def text(said: str) -> dict[str, Any]:
    """A result of one piece of text."""
    return {"content": [{"type": "text", "text": said}]}


class FakeServer:
    """Answers as a server does, by the script that a test changes.

    @ivar heard: every message that came.
    @ivar pages: its tools, by pages.
    @ivar version: the revision that it chooses; "" = the one that is offered.
    @ivar holds: methods whose requests stay open, to be answered with L{answer}.
    @ivar failing: error for each C{tools/call}.
    """

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.pages: list[list[dict[str, Any]]] = [[ECHO]]
        self.version = ""
        self.capabilities: dict[str, Any] = {"tools": {"listChanged": True}}
        self.holds: set[str] = set()
        self.failing: dict[str, Any] | None = None
        self.say: Callable[[bytes], None] = lambda data: None

    def receive(self, data: bytes) -> None:
        """A message from the client."""
        message = json.loads(data)
        assert message["jsonrpc"] == "2.0"
        self.heard.append(message)
        if "method" in message and "id" in message and message["method"] not in self.holds:
            self.send({"id": message["id"], **self._answer(message["method"], message.get("params", {}))})

    def _answer(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "initialize":
            version = self.version or params["protocolVersion"]
            info = {"name": "fake", "version": "1"}
            return {"result": {"protocolVersion": version, "capabilities": self.capabilities, "serverInfo": info}}
        if method == "tools/list":
            page = int(params.get("cursor", "0"))
            more = {"nextCursor": str(page + 1)} if page + 1 < len(self.pages) else {}
            return {"result": {"tools": self.pages[page], **more}}
        if method == "tools/call":
            if self.failing is not None:
                return {"error": self.failing}
            return {"result": text(f"{params['name']}: {json.dumps(params['arguments'])}")}
        return {"error": {"code": -32601, "message": f"no {method}"}}

    # -- for tests

    def send(self, message: dict[str, Any]) -> None:
        """Say something."""
        self.say(json.dumps({"jsonrpc": "2.0", **message}).encode())

    def answer(self, result: dict[str, Any], index: int = -1) -> None:
        """Answer a request that was held: the newest one, or another."""
        held = [message for message in self.heard if message.get("method") in self.holds and "id" in message]
        self.send({"id": held[index]["id"], "result": result})

    def notify(self, method: str, **params: Any) -> None:
        """Tell something."""
        self.send({"method": method, "params": params})

    def methods(self) -> list[str]:
        """What was asked and told, in order."""
        return [message["method"] for message in self.heard if "method" in message]


class MemoryTransport:
    """A way to a L{FakeServer}; implements L{openclaw_tx.mcp.transport.Transport}.

    @ivar broken: why it can not be opened; "" = it can.
    """

    def __init__(self, server: FakeServer, broken: str = "") -> None:
        self.server = server
        self.broken = broken
        self.opened = self.closed = False
        self.version = ""
        self.lost: Callable[[str], None] = lambda reason: None

    async def open(self, receive: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        """See L{Transport.open}."""
        if self.broken:
            raise McpError(self.broken)
        self.opened = True
        self.lost = lost
        self.server.say = receive

    async def send(self, message: bytes, answered: Callable[[], bool] | None = None) -> None:
        """See L{Transport.send}."""
        if self.closed:
            raise McpError("closed.")
        self.server.receive(message)

    def agreed(self, version: str) -> None:
        """See L{Transport.agreed}."""
        self.version = version

    async def close(self) -> None:
        """See L{Transport.close}."""
        self.closed = True


class FakeProcess(Process):
    """A process that a test plays; when it ends, it ends with all its pipes.

    @ivar reads: it reads what it is sent; what it does not read yet is in its pipe.
    """

    PIPE = 64 * 1024
    """What its pipe takes before whoever writes is told to wait."""

    reads = True
    _producer: Any = None
    _full = False
    _unread = 0

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Whoever writes wants to know when to wait."""
        assert streaming
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Nothing more is written."""
        self._producer = None

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        """See L{Process.writeToChild}."""
        super().writeToChild(descriptor, data)
        self._unread += 0 if self.reads else len(data)
        if self._unread > self.PIPE and self._producer is not None and not self._full:
            self._full = True
            self._producer.pauseProducing()

    def closeChildFD(self, descriptor: int) -> None:
        """As Twisted's: a pipe is not closed while somebody writes to it."""
        assert self._producer is None
        super().closeChildFD(descriptor)

    def close_input(self) -> None:
        """It closes its end of the pipe."""
        producer, self._producer = self._producer, None
        producer.stopProducing()

    def read(self) -> None:
        """It reads what is in its pipe."""
        self._unread = 0
        if self._full and self._producer is not None:
            self._full = False
            self._producer.resumeProducing()

    def output(self, data: bytes) -> None:
        """Something on its standard output."""
        self.protocol.outReceived(data)

    def end(self, code: int | None = 0, signal: int | None = None) -> None:
        """It ends."""
        self.exit(code, signal)
        super().end(code, signal)


class ProcessReactor(MemoryReactorClock):
    """A reactor whose processes are none.

    @ivar processes: those that were started.
    @ivar refuses: why none can be started.
    """

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[FakeProcess] = []
        self.groups: dict[int, list[int]] = {}
        self.refuses: OSError | None = None

    def spawnProcess(self, protocol: Any, executable: Any, args: Any = (), env: Any = None, **more: Any) -> Any:
        """Start one."""
        if self.refuses is not None:
            raise self.refuses
        process = FakeProcess(protocol, list(args), dict(env), 1000 + len(self.processes))
        self.processes.append(process)
        protocol.makeConnection(process)
        return process

    def send_signal(self, group: int, number: int) -> None:
        """A signal to a group, if a test has put one there."""
        if group not in self.groups:
            raise ProcessLookupError
        self.groups[group].append(number)


class CallContext:
    """The part of L{openclaw_tx.interfaces.ToolContext} that MCP tools use."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.agent: Agent = AGENT
        self.call_id = "call_1"
        self.events: list[ToolEvent] = []

    def report(self, event: ToolEvent) -> None:
        """Keep it."""
        self.events.append(event)
