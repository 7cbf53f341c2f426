# -*- test-case-name: tests.mcp.test_stdio -*-
"""Programs that are played by the test."""

from __future__ import annotations

import os
import signal

from twisted.internet.defer import Deferred
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.mcp.session import MAX_MESSAGE_BYTES, McpError
from openclaw_tx.mcp.stdio import (
    END_SECONDS,
    MAX_ERROR_LINE,
    MAX_ERROR_LINES,
    MAX_UNREAD,
    TERM_SECONDS,
    Program,
    StdioTransport,
    child_environment,
)
from tests.mcp.doubles import FakeProcess, ProcessReactor


class StdioTests(SynchronousTestCase):
    """L{StdioTransport}."""

    def setUp(self) -> None:
        """A program that has been started."""
        self.reactor = ProcessReactor()
        self.got: list[bytes] = []
        self.lost: list[str] = []
        program = Program(["server", "--x", "a b"], "/w", {"PATH": "/bin"})
        self.transport = StdioTransport(self.reactor, program, "fake", self.reactor.send_signal)
        self.observer = EventLoggingObserver()
        globalLogPublisher.addObserver(self.observer)
        self.addCleanup(globalLogPublisher.removeObserver, self.observer)

    def tearDown(self) -> None:
        """No timer is left."""
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def open(self) -> FakeProcess:
        """Start it."""
        self.successResultOf(Deferred.fromCoroutine(self.transport.open(self.got.append, self.lost.append)))
        return self.reactor.processes[-1]

    def logged(self) -> list[str]:
        """Lines of the log."""
        return [formatEvent(event) for event in self.observer if "MCP server" in str(event.get("log_format"))]

    def test_start(self) -> None:
        """With its arguments as they are, in its directory, with its own environment."""
        process = self.open()
        self.assertEqual(process.command[-4:], ["/w", "server", "--x", "a b"])
        self.assertEqual(process.env, {"PATH": "/bin"})

    def test_not_started(self) -> None:
        """The system can not start one."""
        self.reactor.refuses = OSError(12, "Cannot allocate memory")
        failure = self.failureResultOf(
            Deferred.fromCoroutine(self.transport.open(self.got.append, self.lost.append)), McpError
        )
        self.assertIn("could not be started: Cannot allocate memory", str(failure.value))
        self.failureResultOf(Deferred.fromCoroutine(self.transport.send(b"x")), McpError)
        self.successResultOf(Deferred.fromCoroutine(self.transport.close()))

    def test_messages(self) -> None:
        """A line each, in both directions, however they are cut up on the way."""
        process = self.open()
        self.successResultOf(Deferred.fromCoroutine(self.transport.send(b'{"a":1}')))
        self.assertEqual(process.told, b'{"a":1}\n')
        for data in (b'{"b"', b":2}", b'\n{"c":3}\r\n\n', b'{"d":4}\n{"e"', b":5}\n"):
            process.output(data)
        self.assertEqual(self.got, [b'{"b":2}', b'{"c":3}\r', b'{"d":4}', b'{"e":5}'])

    def test_too_long(self) -> None:
        """A message without an end is not kept: the program is ended."""
        process = self.open()
        for _ in range(MAX_MESSAGE_BYTES // 2**20 + 1):
            process.output(b"x" * 2**20)
        self.assertEqual(self.lost, [f"it sent a message of more than {MAX_MESSAGE_BYTES} bytes."])
        self.assertFalse(process.stdin_open)
        process.output(b"\n{}\n")
        self.assertEqual(self.got, [])
        process.end()

    def send(self, message: bytes) -> None:
        """Send a message that can be sent."""
        self.successResultOf(Deferred.fromCoroutine(self.transport.send(message)))

    def test_slow_reader(self) -> None:
        """What a program does not read yet waits for it, in order and without a loss, and what follows after it."""
        process = self.open()
        process.reads = False
        sent = [b"%d" % number + b"x" * 50_000 for number in range(9)]
        for message in sent:
            self.send(message)
        self.assertEqual(process.told, b"".join(message + b"\n" for message in sent[:2]))
        process.read()
        self.send(b"last")
        for _ in sent:
            process.read()
        self.assertEqual(process.told, b"".join(message + b"\n" for message in [*sent, b"last"]))
        self.assertEqual(self.lost, [])
        process.end()

    def test_never_reads(self) -> None:
        """A program that asks and asks and does not read the answers is ended, and it is said why."""
        process = self.open()
        process.reads = False
        message = b"x" * (2**20 - 1)
        for _ in range(1 + MAX_UNREAD // len(message)):
            self.send(message)
        self.assertEqual(self.lost, [])
        failure = self.failureResultOf(Deferred.fromCoroutine(self.transport.send(message)), McpError)
        self.assertEqual(self.lost, [f"it does not read: {MAX_UNREAD} bytes wait for it."])
        self.assertEqual(str(failure.value), self.lost[0])
        self.assertFalse(process.stdin_open)
        self.assertEqual(len(process.told), len(message) + 1)
        self.failureResultOf(Deferred.fromCoroutine(self.transport.send(b"more")), McpError)
        process.end()
        self.assertEqual(len(self.lost), 1)

    def test_large_message(self) -> None:
        """A message that is larger than what may wait is sent to a program that reads."""
        process = self.open()
        self.send(b"x" * (MAX_UNREAD + 1))
        self.assertEqual(len(process.told), MAX_UNREAD + 2)
        process.end()

    def test_closed_input(self) -> None:
        """A program that has closed its input has nothing kept for it."""
        process = self.open()
        process.reads = False
        self.send(b"x" * 2 * FakeProcess.PIPE)
        self.send(b"kept")
        process.close_input()
        for _ in range(3):
            self.send(b"x" * (MAX_UNREAD // 2))
        self.assertEqual(self.lost, [])
        self.assertNotIn(b"kept", process.told)
        process.end()

    def test_death(self) -> None:
        """Its end is told with how, and with its last words; what it started is ended too."""
        process = self.open()
        self.reactor.groups[1000] = []
        process.protocol.errReceived(b"warming up\ncan not ")
        process.protocol.errReceived(b"open x")
        process.end(code=3)
        self.assertEqual(self.lost, ["its program has ended with exit code 3: can not open x"])
        self.assertEqual(self.reactor.groups[1000], [signal.SIGKILL])
        self.assertTrue(process.closed)
        self.failureResultOf(Deferred.fromCoroutine(self.transport.send(b"x")), McpError)

    def test_killed(self) -> None:
        """Ended by a signal."""
        self.open().end(code=None, signal=9)
        self.assertEqual(self.lost, ["its program has ended by signal 9."])

    def test_close(self) -> None:
        """A program that ends with its input; that is no loss."""
        process = self.open()
        closing = Deferred.fromCoroutine(self.transport.close())
        self.assertFalse(process.stdin_open)
        self.assertNoResult(closing)
        process.end()
        self.successResultOf(closing)
        self.assertEqual((self.lost, process.signals), ([], []))

    def test_close_with_force(self) -> None:
        """One that does not: TERM, then KILL, to its whole group."""
        process = self.open()
        self.reactor.groups[1000] = sent = []
        closing = Deferred.fromCoroutine(self.transport.close())
        self.reactor.advance(END_SECONDS)
        self.assertEqual(sent, [signal.SIGTERM])
        self.reactor.advance(TERM_SECONDS)
        self.assertEqual(sent, [signal.SIGTERM, signal.SIGKILL])
        process.end(code=None, signal=9)
        self.successResultOf(closing)

    def test_close_before_the_group(self) -> None:
        """While the launcher has not made the group yet the signals go to it alone."""
        process = self.open()
        closing = Deferred.fromCoroutine(self.transport.close())
        self.reactor.advance(END_SECONDS)
        self.assertEqual(process.signals, [str(int(signal.SIGTERM))])
        process.end(code=None, signal=15)
        self.successResultOf(closing)

    def test_close_in_vain(self) -> None:
        """A program that can not even be killed is not waited for."""
        self.open()
        closing = Deferred.fromCoroutine(self.transport.close())
        for seconds in (END_SECONDS, TERM_SECONDS, TERM_SECONDS):
            self.reactor.advance(seconds)
        self.successResultOf(closing)

    def test_standard_error(self) -> None:
        """It goes to the log: so many lines a minute, none of them long."""
        process = self.open()
        process.protocol.errReceived(b"\n hello \n" + b"x" * 9999 + b"\n")
        self.assertEqual(self.logged(), ["MCP server fake: hello", "MCP server fake: " + "x" * MAX_ERROR_LINE])
        process.protocol.errReceived(b"more\n" * 500)
        self.assertEqual(len(self.logged()), MAX_ERROR_LINES + 1)
        self.assertIn("not logged", self.logged()[-1])
        self.reactor.advance(61)
        process.protocol.errReceived(b"later\n" + b"y" * 100_000)
        self.assertEqual(self.logged()[-1], "MCP server fake: later")
        process.end()


class EnvironmentTests(SynchronousTestCase):
    """L{child_environment}."""

    def test_environment(self) -> None:
        """What programs need to run, and what the configuration gives; nothing else of ours."""
        ours = {
            "PATH": "/p",
            "HOME": "/h",
            "LC_ALL": "C",
            "OPENCLAW_GATEWAY_TOKEN": "s",
            "LD_PRELOAD": "x",
            "API_KEY": "k",
        }
        self.assertEqual(
            child_environment(ours, {"TOKEN": "t", "PATH": "/q"}),
            {"PATH": "/q", "HOME": "/h", "LC_ALL": "C", "TOKEN": "t"},
        )
        self.assertEqual(child_environment({}, {}), {"PATH": os.defpath})
