# -*- test-case-name: tests.mcp.test_server -*-
"""A server that comes and goes."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema_tools import McpServer
from openclaw_tx.mcp.server import FIRST_PAUSE_S, LASTED_S, LIST_PAUSE_S, MAX_PAUSE_S, MAX_SILENT, Server
from openclaw_tx.mcp.session import McpError
from openclaw_tx.mcp.transport import SessionEnded
from tests.mcp.doubles import ECHO, FakeServer, MemoryTransport, text


class Forgetful(MemoryTransport):
    """A way to a server that has forgotten the conversation."""

    forgot: Deferred[None] | None = None

    async def send(self, message: bytes, answered: Any = None) -> None:
        """See L{Transport.send}."""
        if self.forgot is not None:
            await self.forgot
            raise SessionEnded("it has ended the session.")
        await super().send(message, answered)


class ServerTests(SynchronousTestCase):
    """L{Server}."""

    def setUp(self) -> None:
        """One that is not started."""
        self.clock = Clock()
        self.fake = FakeServer()
        self.ways: list[Forgetful] = []
        self.broken = ""
        self.changes = 0
        self.entry = McpServer(command="x", connect_timeout_ms=5000, request_timeout_ms=9000)
        self.server = Server("fake", lambda: self.entry, self.way, self.clock, self.changed)

    def tearDown(self) -> None:
        """It stops clean."""
        self.successResultOf(Deferred.fromCoroutine(self.server.stop()))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertTrue(all(way.closed for way in self.ways))

    def way(self) -> Forgetful:
        """A way for one attempt."""
        self.ways.append(Forgetful(self.fake, self.broken))
        return self.ways[-1]

    def changed(self) -> None:
        """Count."""
        self.changes += 1

    def call(self) -> Deferred[Any]:
        """Call the echo."""
        return Deferred.fromCoroutine(self.server.call("echo", {}, lambda text: None))

    def failed(self, call: Deferred[Any], why: str) -> None:
        """A call without a result."""
        self.assertIn(why, str(self.failureResultOf(call, McpError).value))

    def test_connected(self) -> None:
        """It has tools, and calls get through."""
        self.server.start()
        self.assertTrue(self.server.connected)
        self.assertEqual(([tool.name for tool in self.server.tools], self.changes), (["echo"], 1))
        self.assertEqual(self.successResultOf(self.call()), text("echo: {}"))

    def test_not_started(self) -> None:
        """Before the start, and after the stop."""
        self.failed(self.call(), "not started")
        self.server.start()
        self.successResultOf(Deferred.fromCoroutine(self.server.stop()))
        self.failed(self.call(), "stopped")

    def test_tried_again(self) -> None:
        """A server that is down is tried again, with pauses that grow up to a bound."""
        self.broken = "nobody there."
        self.server.start()
        pauses, began = [], self.clock.seconds()
        while len(pauses) < 9:
            count = len(self.ways)
            self.clock.advance(1)
            if len(self.ways) > count:
                pauses.append(self.clock.seconds() - began)
                began = self.clock.seconds()
        self.assertEqual(pauses, [1, 2, 4, 8, 16, 32, MAX_PAUSE_S, MAX_PAUSE_S, MAX_PAUSE_S])
        self.broken = ""
        self.clock.advance(MAX_PAUSE_S)
        self.assertTrue(self.server.connected)

    def test_needed_now(self) -> None:
        """A call does not wait for the pause to end, but for one attempt, which comes no sooner than a second after
        the one before."""
        self.broken = "nobody there."
        self.server.start()
        self.clock.pump([1] * 20)
        attempts, call = len(self.ways), self.call()
        self.clock.advance(0)
        self.failed(call, "nobody there")
        self.assertEqual(len(self.ways), attempts + 1)
        calls = [self.call() for _ in range(3)]
        self.clock.advance(FIRST_PAUSE_S / 2)
        self.assertEqual(len(self.ways), attempts + 1)
        self.broken = ""
        self.clock.advance(FIRST_PAUSE_S / 2)
        for call in calls:
            self.assertEqual(self.successResultOf(call), text("echo: {}"))
        self.assertEqual(len(self.ways), attempts + 2)

    def test_calls_wait_for_the_attempt(self) -> None:
        """Calls that come while it connects wait for that, each may give up by itself."""
        self.fake.holds = {"initialize"}
        self.server.start()
        first, second = self.call(), self.call()
        self.assertNoResult(first)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.fake.holds = set()
        self.fake.send({"id": 1, "result": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}})
        self.assertEqual(self.successResultOf(second), text("echo: {}"))

    def test_slow_to_connect(self) -> None:
        """The time to connect is for all of it, the list of tools included."""
        self.fake.holds = {"initialize", "tools/list"}
        self.server.start()
        call = self.call()
        self.clock.advance(3)
        self.fake.answer({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}})
        self.clock.advance(1)
        self.assertNoResult(call)
        self.clock.advance(1)
        self.failed(call, "not ready in time")
        self.assertTrue(self.ways[0].closed)

    def test_lost(self) -> None:
        """A server that dies keeps its tools on offer and is started again, at once if it lasted."""
        self.server.start()
        self.fake.holds = {"tools/call"}
        self.clock.advance(LASTED_S)
        call = self.call()
        self.ways[0].lost("it has ended.")
        self.failed(call, "it has ended.")
        self.assertEqual(([tool.name for tool in self.server.tools], self.server.connected), (["echo"], False))
        self.assertTrue(self.ways[0].closed)
        self.clock.advance(FIRST_PAUSE_S)
        self.assertTrue(self.server.connected)
        self.assertEqual((len(self.ways), self.changes), (2, 1))

    def test_dies_again_and_again(self) -> None:
        """One that never lasts is started with growing pauses."""
        self.server.start()
        for pause in (1, 2, 4):
            self.ways[-1].lost("it has ended.")
            count = len(self.ways)
            self.clock.advance(pause - 0.5)
            self.assertEqual(len(self.ways), count)
            self.clock.advance(0.5)
            self.assertEqual(len(self.ways), count + 1)

    def test_session_ended(self) -> None:
        """A server that has forgotten us is greeted anew, and the call is made once more: it was not looked at."""
        self.server.start()
        self.clock.advance(10)
        self.ways[0].forgot = forgot = Deferred()
        call = self.call()
        self.assertNoResult(call)
        forgot.callback(None)
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(call), text("echo: {}"))
        self.assertEqual(len(self.ways), 2)

    def test_dumb(self) -> None:
        """A server that gives no sign of life for several calls is given up; a slow one is not."""
        self.server.start()
        self.fake.holds = {"tools/call"}
        for _ in range(MAX_SILENT):
            call = self.call()
            self.fake.notify("notifications/message", level="info", data="busy")
            self.clock.advance(9)
            self.failed(call, "no answer within 9 seconds")
        self.assertTrue(self.server.connected)
        for _ in range(MAX_SILENT):
            call = self.call()
            self.clock.advance(9)
            self.failed(call, "no answer within 9 seconds")
        self.assertFalse(self.server.connected)
        self.clock.advance(MAX_PAUSE_S)
        self.assertEqual(len(self.ways), 2)

    def test_other_tools(self) -> None:
        """A list that changes is read again; a server that says so all the time is asked once a second."""
        self.server.start()
        self.fake.pages = [[ECHO, {"name": "b"}]]
        for _ in range(100):
            self.fake.notify("notifications/tools/list_changed")
        self.assertEqual(self.fake.methods().count("tools/list"), 1)
        self.clock.advance(LIST_PAUSE_S)
        self.assertEqual([tool.name for tool in self.server.tools], ["echo", "b"])
        self.assertEqual((self.fake.methods().count("tools/list"), self.changes), (2, 2))
        self.fake.notify("notifications/tools/list_changed")
        self.clock.advance(LIST_PAUSE_S)
        self.assertEqual((self.fake.methods().count("tools/list"), self.changes), (3, 2))

    def test_other_tools_in_vain(self) -> None:
        """A list that can not be had, and a server that goes before it is asked."""
        self.server.start()
        self.fake.pages = [["what"]]  # type: ignore[list-item]
        self.fake.holds = {"tools/list"}
        self.fake.notify("notifications/tools/list_changed")
        self.clock.advance(LIST_PAUSE_S)
        self.fake.answer({"tools": 5})
        self.assertEqual([tool.name for tool in self.server.tools], ["echo"])
        self.fake.notify("notifications/tools/list_changed")
        self.ways[-1].lost("it has ended.")
        self.fake.holds = set()
        self.clock.advance(LIST_PAUSE_S)
        self.assertEqual(self.server.tools, ())

    def test_bug(self) -> None:
        """A failure that nobody thought of is logged, and does not end the attempts."""

        def broken() -> None:
            raise RuntimeError("a bug")

        self.server = Server("fake", lambda: self.entry, self.way, self.clock, broken)
        self.server.start()
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        call = self.call()
        self.clock.advance(FIRST_PAUSE_S)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 0)
        self.assertEqual(self.successResultOf(call), text("echo: {}"))
        self.assertEqual(len(self.ways), 2)

    def test_stopped_while_connecting(self) -> None:
        """Nothing is left of an attempt."""
        self.fake.holds = {"initialize"}
        self.server.start()
        call = self.call()
        self.successResultOf(Deferred.fromCoroutine(self.server.stop()))
        self.failed(call, "stopped")
        self.assertTrue(self.ways[0].closed)
