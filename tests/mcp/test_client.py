# -*- test-case-name: tests.mcp.test_client -*-
"""A conversation with a server in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.mcp.client import MAX_AT_WORK, MAX_PAGES, MAX_TELLING, Client, TimedOut
from openclaw_tx.mcp.content import MAX_TOOLS
from openclaw_tx.mcp.session import McpError
from openclaw_tx.mcp.transport import SessionEnded
from tests.mcp.doubles import ECHO, FakeServer, MemoryTransport, text


class Failing(MemoryTransport):
    """A way on which a message is lost."""

    async def send(self, message: bytes, answered: Callable[[], bool] | None = None) -> None:
        """See L{Transport.send}."""
        if b"tools/call" in message:
            raise McpError("lost on the way.")
        await super().send(message, answered)


class Forgotten(MemoryTransport):
    """A way to a server that forgets."""

    async def send(self, message: bytes, answered: Callable[[], bool] | None = None) -> None:
        """See L{Transport.send}."""
        if b"tools/call" in message:
            raise SessionEnded("who are you?")
        await super().send(message, answered)


class Stuck(MemoryTransport):
    """A way whose other end is slow to take answers.

    @ivar stuck: those that it has not taken.
    """

    def __init__(self, server: FakeServer) -> None:
        super().__init__(server)
        self.stuck: list[Deferred[None]] = []

    async def send(self, message: bytes, answered: Callable[[], bool] | None = None) -> None:
        """See L{Transport.send}."""
        await super().send(message, answered)
        if b'"result"' in message:
            taken: Deferred[None] = Deferred()
            self.stuck.append(taken)
            await taken


class ClientTests(SynchronousTestCase):
    """L{Client}."""

    def setUp(self) -> None:
        """A server, and a client that has not started."""
        self.clock = Clock()
        self.server = FakeServer()
        self.changes = 0
        self.use(MemoryTransport(self.server))

    def use(self, transport: MemoryTransport) -> None:
        """Another way to the server."""
        self.transport = transport
        self.client = Client("fake", self.transport, self.clock, self.changed)

    def tearDown(self) -> None:
        """No timer is left."""
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def changed(self) -> None:
        """Count."""
        self.changes += 1

    def start(self) -> None:
        """Shake hands."""
        self.successResultOf(Deferred.fromCoroutine(self.client.start(10)))

    def call(self, **arguments: Any) -> Deferred[Any]:
        """Call the echo, with a minute's patience."""
        self.progress: list[str] = []
        return Deferred.fromCoroutine(self.client.call("echo", arguments, 60, self.progress.append))

    def failed(self, deferred: Deferred[Any], why: str, kind: type[McpError] = McpError) -> None:
        """A request without a result."""
        self.assertIn(why, str(self.failureResultOf(deferred, kind).value))

    def test_handshake(self) -> None:
        """In the order of the protocol; the wire learns of the revision."""
        self.start()
        self.assertEqual(self.server.methods(), ["initialize", "notifications/initialized"])
        self.assertEqual(self.transport.version, "2025-06-18")

    def test_older_servers(self) -> None:
        """A revision of before is understood, an unknown one is not."""
        for version in ("2025-03-26", "2024-11-05"):
            self.server.version = version
            self.use(MemoryTransport(self.server))
            self.start()
            self.assertEqual(self.transport.version, version)
        self.server.version = "2099-01-01"
        self.use(MemoryTransport(self.server))
        self.failed(Deferred.fromCoroutine(self.client.start(10)), "it speaks the protocol of 2099-01-01")
        self.assertEqual(self.transport.version, "")

    def test_slow_handshake(self) -> None:
        """A server that does not answer; it is not told of a cancelled handshake, which the protocol forbids."""
        self.server.holds = {"initialize"}
        starting = Deferred.fromCoroutine(self.client.start(10))
        self.clock.advance(10)
        self.failed(starting, "no answer within 10 seconds", TimedOut)
        self.assertEqual(self.server.methods(), ["initialize"])

    def test_tools(self) -> None:
        """All pages; nothing is asked of a server without tools."""
        self.server.pages = [[ECHO], [{"name": "b"}, {"name": ""}], []]
        self.start()
        found = self.successResultOf(Deferred.fromCoroutine(self.client.tools(10)))
        self.assertEqual([tool.name for tool in found], ["echo", "b"])
        self.server.capabilities = {}
        self.use(MemoryTransport(self.server))
        self.start()
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(self.client.tools(10))), [])

    def test_too_many_tools(self) -> None:
        """Pages and tools are bounded."""
        self.server.pages = [[{"name": f"{page}.{number}"} for number in range(100)] for page in range(4)]
        self.start()
        found = self.successResultOf(Deferred.fromCoroutine(self.client.tools(10)))
        self.assertEqual(len(found), MAX_TOOLS)
        self.assertEqual(self.server.methods().count("tools/list"), 3)
        self.server.pages = [[]] * (2 * MAX_PAGES)
        self.successResultOf(Deferred.fromCoroutine(self.client.tools(10)))
        self.assertEqual(self.server.methods().count("tools/list"), 3 + MAX_PAGES)

    def test_call(self) -> None:
        """Arguments go, a result comes."""
        self.start()
        self.assertEqual(self.successResultOf(self.call(text="hi")), text('echo: {"text": "hi"}'))

    def test_error(self) -> None:
        """A refusal in the server's words."""
        self.start()
        self.server.failing = {"code": -32602, "message": "unknown tool"}
        self.failed(self.call(), "unknown tool")

    def test_not_sent(self) -> None:
        """A message that could not be sent."""
        self.use(Failing(self.server))
        self.start()
        self.failed(self.call(), "lost on the way")

    def test_untaken_answers(self) -> None:
        """A server that asks and asks and takes no answer: the conversation is ended, and it is said why."""
        way = Stuck(self.server)
        self.use(way)
        self.start()
        for number in range(MAX_TELLING):
            self.server.send({"id": number, "method": "ping"})
        self.assertFalse(self.client.gone.opened)
        self.server.send({"id": "p", "method": "ping"})
        self.assertEqual(
            self.client.why, "it does not take what it is told: 200 answers and notices are on their way to it."
        )
        self.server.send({"id": "q", "method": "ping"})
        self.assertEqual(len(way.stuck), MAX_TELLING)
        self.failed(self.call(), "it does not take what it is told")
        for sending in way.stuck:
            sending.callback(None)

    def test_taken_answers(self) -> None:
        """One that takes them may ask as often as it likes; also while it is slow, if not too slow."""
        way = Stuck(self.server)
        self.use(way)
        self.start()
        for number in range(2 * MAX_TELLING):
            self.server.send({"id": number, "method": "ping"})
            if number % 2:
                way.stuck.pop(0).errback(McpError("lost on the way."))
            else:
                way.stuck.pop(0).callback(None)
        self.server.send({"id": "p", "method": "ping"})
        self.assertEqual([message["id"] for message in self.server.heard[-2:]], [2 * MAX_TELLING - 1, "p"])
        way.stuck.pop().callback(None)

    def test_progress(self) -> None:
        """Each word of progress gives the server the whole time again."""
        self.server.holds = {"tools/call"}
        self.start()
        call = self.call()
        for number in range(5):
            self.clock.advance(50)
            self.server.notify("notifications/progress", progressToken=2, progress=number, total=5)
        self.assertNoResult(call)
        self.assertEqual(self.progress, [f"{number} of 5" for number in range(5)])
        self.server.answer(text("done"))
        self.assertEqual(self.successResultOf(call), text("done"))
        self.server.notify("notifications/progress", progressToken=2, progress=9)
        self.assertEqual(len(self.progress), 5)

    def test_timeout(self) -> None:
        """Silence ends it, and the server is told; what comes later means nothing."""
        self.server.holds = {"tools/call"}
        self.start()
        call = self.call()
        self.clock.advance(60)
        self.failed(call, "no answer within 60 seconds", TimedOut)
        told = self.server.heard[-1]
        self.assertEqual((told["method"], told["params"]["requestId"]), ("notifications/cancelled", 2))
        self.server.answer(text("late"))

    def test_cancelled(self) -> None:
        """Whoever no longer wants the answer: the server is told so."""
        self.server.holds = {"tools/call"}
        self.start()
        call = self.call()
        call.cancel()
        self.failureResultOf(call, CancelledError)
        self.assertEqual(self.server.methods()[-1], "notifications/cancelled")

    def test_side_by_side(self) -> None:
        """Answers find their requests in any order; only so many wait."""
        self.server.holds = {"tools/call"}
        self.start()
        first, second = self.call(), self.call()
        self.server.answer(text("second"), 1)
        self.server.answer(text("first"), 0)
        self.assertEqual(self.successResultOf(first), text("first"))
        self.assertEqual(self.successResultOf(second), text("second"))
        waiting = [self.call() for _ in range(MAX_AT_WORK)]
        self.failed(self.call(), "32 requests to answer already")
        for each in waiting:
            each.cancel()
            self.failureResultOf(each, CancelledError)

    def test_lost(self) -> None:
        """When the server is gone, what waits fails, and so does what comes after."""
        self.server.holds = {"tools/call"}
        self.start()
        call, gone = self.call(), self.client.gone.wait()
        self.transport.lost("it has ended.")
        self.failed(call, "it has ended.")
        self.successResultOf(gone)
        self.assertEqual(self.client.why, "it has ended.")
        self.failed(self.call(), "it has ended.")

    def test_session_ended(self) -> None:
        """A server that has forgotten us says so to one request; that ends the conversation for all."""
        self.use(Forgotten(self.server))
        self.start()
        gone = self.client.gone.wait()
        self.failed(self.call(), "who are you?", SessionEnded)
        self.successResultOf(gone)
        self.assertEqual(self.client.why, "who are you?")

    def test_close(self) -> None:
        """The end from our side."""
        self.server.holds = {"tools/call"}
        self.start()
        call = self.call()
        self.successResultOf(Deferred.fromCoroutine(self.client.close()))
        self.failed(call, "the connection was closed")
        self.assertTrue(self.transport.closed)

    def test_what_servers_ask(self) -> None:
        """A ping has its answer; a changed list is told of; nonsense does no harm."""
        self.start()
        self.server.send({"id": "p", "method": "ping"})
        self.assertEqual(self.server.heard[-1], {"jsonrpc": "2.0", "id": "p", "result": {}})
        self.server.notify("notifications/tools/list_changed")
        self.assertEqual(self.changes, 1)
        self.server.say(b"Server listening on stdio")
        self.server.notify("notifications/message", level="info", data="hello")
        self.assertEqual(self.successResultOf(self.call()), text("echo: {}"))
        self.successResultOf(Deferred.fromCoroutine(self.client.close()))
        self.server.send({"id": "p", "method": "ping"})  # which can not be answered any more
