"""When bytes leave."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.error import ConnectionAborted
from twisted.internet.protocol import Factory
from twisted.internet.tcp import Connection
from twisted.internet.testing import AccumulatingProtocol, MemoryReactorClock, StringTransport
from twisted.protocols.policies import WrappingFactory
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.sending import Turn, close_now, send_now, unsent


class Noting:
    """A writer that notes when it is flushed."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.flushed: list[bool] = []

    def flush(self) -> None:
        """Note whether a turn still runs."""
        self.flushed.append(self.turn.runs)


class TurnTests(SynchronousTestCase):
    """L{Turn}."""

    def test_flushed_at_the_end(self) -> None:
        """Whoever waits is flushed once, when the outermost turn is over."""
        turn = Turn()
        writer = Noting(turn)
        self.assertFalse(turn.runs)
        turn.begin()
        turn.begin()
        turn.wait(writer)
        turn.end()
        self.assertEqual((turn.runs, writer.flushed), (True, []))
        turn.end()
        self.assertEqual((turn.runs, writer.flushed), (False, [False]))
        turn.begin()
        turn.end()
        self.assertEqual(writer.flushed, [False])

    def test_run(self) -> None:
        """What is called is a turn, also when it fails."""
        turn = Turn()
        writer = Noting(turn)
        heard: list[object] = []

        def call(function: Any, *arguments: Any, **keywords: Any) -> None:
            function(*arguments, **keywords)

        turn.through(call)(turn.wait, writer=writer)
        turn.through(call)(lambda *arguments, **keywords: heard.append((arguments, keywords)), 1, text="x")
        self.assertEqual(heard, [((1,), {"text": "x"})])
        self.assertEqual(writer.flushed, [False])
        self.assertRaises(ZeroDivisionError, turn.run, divmod, 1, 0)
        self.assertFalse(turn.runs)


class Wire:
    """A TCP connection of Twisted over one end of a socket pair, with a reactor that does nothing by itself.

    @ivar writing: how often the reactor was asked to say when the socket takes bytes.
    """

    def __init__(self) -> None:
        ours, self.peer = socket.socketpair()
        self.peer.setblocking(False)
        self.writing = 0
        self.protocol: Any = None
        reactor: Any = MemoryReactorClock()
        reactor.addWriter = self.asked
        reactor.addReader = reactor.removeReader = reactor.removeWriter = lambda descriptor: None
        self.transport = Connection(ours, self.protocol, reactor)
        self.transport.connected = 1

    def asked(self, descriptor: object) -> None:
        """The reactor is asked."""
        self.writing += 1

    def received(self) -> bytes:
        """What has arrived."""
        try:
            return self.peer.recv(10_000_000)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """Both ends."""
        self.transport.socket.close()
        self.peer.close()


class SendNowTests(SynchronousTestCase):
    """L{send_now}."""

    def setUp(self) -> None:
        self.wire = Wire()
        self.addCleanup(self.wire.close)

    def test_at_once(self) -> None:
        """Without asking the reactor; if this fails, Twisted has renamed what L{send_now} looks at."""
        send_now(self.wire.transport, b"abc")
        self.assertEqual((self.wire.received(), self.wire.writing), (b"abc", 0))

    def test_behind_what_waits(self) -> None:
        """Bytes never overtake others."""
        self.wire.transport.write(b"first")
        send_now(self.wire.transport, b"second")
        self.assertEqual(self.wire.received(), b"")
        self.wire.transport.doWrite()
        self.assertEqual(self.wire.received(), b"firstsecond")

    def test_what_the_socket_does_not_take(self) -> None:
        """Waits as ever, and pauses the producer as ever."""
        paused: list[bool] = []

        class Producer:
            """Notes that it is paused."""

            def pauseProducing(self) -> None:
                """Too much waits."""
                paused.append(True)

        producer: Any = Producer()
        self.wire.transport.producer, self.wire.transport.streamingProducer = producer, True
        data = bytes(range(256)) * 40_000
        send_now(self.wire.transport, data)
        self.assertEqual((paused, self.wire.writing > 0), ([True], True))
        got = []
        while len(b"".join(got)) < len(data):
            got.append(self.wire.received())
            self.wire.transport.producer = None
            self.wire.transport.doWrite()
        self.assertEqual(b"".join(got), data)

    def test_peer_is_gone(self) -> None:
        """The reactor finds that out when it writes, as ever."""
        self.wire.peer.close()
        send_now(self.wire.transport, b"x")
        send_now(self.wire.transport, b"y")
        self.assertEqual(self.wire.writing > 0, True)

    def test_other_transports(self) -> None:
        """Are written to."""
        transport = StringTransport()
        send_now(transport, b"x")
        self.assertEqual(transport.value(), b"x")


class CloseNowTests(SynchronousTestCase):
    """L{close_now}."""

    def setUp(self) -> None:
        self.wire = Wire()
        self.addCleanup(self.wire.peer.close)
        self.protocol: Any = AccumulatingProtocol()

    def test_at_once(self) -> None:
        """The descriptor is free when it returns, and the protocol knows; once."""
        self.wire.transport.protocol = self.protocol
        ours = self.wire.transport.socket
        close_now(self.wire.transport)
        self.assertEqual(ours.fileno(), -1)
        self.assertIsInstance(self.protocol.closedReason.value, ConnectionAborted)
        self.protocol.closedReason = None
        close_now(self.wire.transport)
        self.assertIsNone(self.protocol.closedReason)

    def test_behind_a_protocol(self) -> None:
        """What TLS wraps is closed, and hears of it through TLS."""
        factory: Any = Factory.forProtocol(lambda: self.protocol)
        factory.protocolConnectionMade = None
        wrapper: Any = WrappingFactory(factory).buildProtocol(None)
        self.wire.transport.protocol = wrapper
        wrapper.makeConnection(self.wire.transport)
        ours = self.wire.transport.socket
        close_now(self.protocol.transport)
        self.assertEqual(ours.fileno(), -1)
        self.assertIsInstance(self.protocol.closedReason.value, ConnectionAborted)

    def test_other_transports(self) -> None:
        """Are aborted. That there is none is as good as closed."""
        transport = StringTransport()
        close_now(transport)
        self.assertTrue(transport.disconnecting)
        self.wire.transport.socket.close()
        close_now(None)


class UnsentTests(SynchronousTestCase):
    """L{unsent}."""

    def test_tcp(self) -> None:
        """What is held here, and what the system holds, until the other end has it."""
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        ours = socket.create_connection(listening.getsockname())
        peer, _ = listening.accept()
        self.addCleanup(peer.close)
        self.addCleanup(ours.close)
        ours.setblocking(False)
        wire = Wire()
        self.addCleanup(wire.close)
        transport = Connection(ours, wire.protocol, wire.transport.reactor)
        transport.connected = 1
        self.assertEqual(unsent(transport), 0)
        data, taken = bytes(20_000_000), 0
        transport.write(data)
        self.assertEqual(unsent(transport), len(data))
        transport.doWrite()
        before = unsent(transport)
        self.assertGreater(before, 10_000_000)
        while taken < len(data):
            taken += len(peer.recv(1_000_000))
            transport.doWrite()
        self.assertLess(unsent(transport), before)
        transport.connected = 0
        self.assertEqual(unsent(transport), 0)

    def test_other_transports(self) -> None:
        """Nobody knows."""
        self.assertEqual((unsent(StringTransport()), unsent(None)), (0, 0))
