"""Connections that are handed over: both directions, at both paces, to either end."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol, ISSLTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides, implementer

from openclaw_tx.workers.framing import FrameReader
from openclaw_tx.workers.messages import TAKEN, Visit, relay_message
from openclaw_tx.workers.splice import NO_CHIEF, PATIENCE, Handing, Splice
from tests.support.web import FULL, Wire
from tests.workers.wires import Socket

KEY = b"k" * 32


@implementer(IHalfCloseableProtocol)
class Chief(Protocol):
    """What the chief gets."""

    def __init__(self) -> None:
        self.reader = FrameReader()
        self.visit: Any = None
        self.body = b""
        self.half_closed = False
        self.lost: Any = None
        self.takes = True

    def dataReceived(self, data: bytes) -> None:
        """Who, then what."""
        if self.visit is None:
            self.reader.feed(data)
            message = self.reader.next()
            assert message is not None
            self.visit, data = relay_message(message), self.reader.rest
            if self.takes:
                self.transport.write(TAKEN)  # type: ignore[union-attr]
        self.body += data

    def readConnectionLost(self) -> None:
        """The client sends nothing more."""
        self.half_closed = True

    def writeConnectionLost(self) -> None:
        """Never."""

    def connectionLost(self, reason: Any = None) -> None:
        """It is over."""
        self.lost = reason


class Holder(Protocol):
    """What holds the client's connection: passes along, as the site's channel does."""

    taken: Splice

    def dataReceived(self, data: bytes) -> None:
        """More."""
        self.taken.received(data)

    def connectionLost(self, reason: Any = None) -> None:
        """No more."""
        self.taken.lost()


class SpliceTests(SynchronousTestCase):
    """L{Handing} and L{Splice}."""

    def setUp(self) -> None:
        """A chief's socket, and a client."""
        self.clock = Clock()
        self.chiefs: list[Chief] = []
        self.factory: Any = Factory()
        self.factory.buildProtocol = lambda addr: self.chiefs.append(Chief()) or self.chiefs[-1]
        self.socket = Socket(self.factory)
        self.handing = Handing(self.socket.connect, KEY, self.clock)
        self.wire = Wire(self.clock, "203.0.113.9")
        self.holder = Holder()
        self.wire.protocol = self.holder

    def take(self, first: bytes = b"GET / HTTP/1.1\r\n\r\n") -> Splice:
        """Hand it over."""
        self.holder.taken = taken = self.handing.take(self.wire, first)
        self.carry()
        return taken

    def carry(self) -> None:
        """Until nothing moves."""
        for _ in range(50):
            self.socket.carry()
            self.wire.pump()

    @property
    def chief(self) -> Chief:
        """The one."""
        (chief,) = self.chiefs
        return chief

    def test_both_ways(self) -> None:
        """The chief learns who the client is, then all bytes pass."""
        self.take(b"first")
        visit = self.chief.visit
        self.assertIsInstance(visit, Visit)
        self.assertEqual((visit.key, visit.host, visit.port), (KEY, "203.0.113.9", 40000))
        self.assertEqual((visit.own_host, visit.own_port, visit.secure), ("127.0.0.1", 18789, False))
        self.wire.inbound = b" more"
        self.carry()
        self.assertEqual(self.chief.body, b"first more")
        self.chief.transport.write(b"answer")  # type: ignore[union-attr]
        self.carry()
        self.assertEqual(self.wire.taken, b"answer")
        self.assertEqual(len(self.handing), 1)

    def test_secure(self) -> None:
        """TLS that ends here is told."""
        alsoProvides(self.wire, ISSLTransport)
        self.take()
        self.assertTrue(self.chief.visit.secure)

    def test_slow_client(self) -> None:
        """A client that does not read makes the chief wait; nothing piles up here."""
        self.take()
        self.wire.stalled = True
        end: Any = self.chief.transport
        paused = []

        class Producer:
            def pauseProducing(self) -> None:
                paused.append(True)

            def resumeProducing(self) -> None:
                paused.append(False)

            def stopProducing(self) -> None:
                pass

        end.registerProducer(Producer(), True)
        written = 0
        while not (paused and paused[-1]) and written < 100 * FULL:
            end.write(b"x" * 8192)
            written += 8192
            self.carry()
        self.assertTrue(paused and paused[-1])
        self.assertLess(self.wire.held_most, 4 * FULL)
        self.wire.stalled = False
        self.carry()
        self.assertEqual(len(self.wire.taken), written)
        self.assertFalse(paused[-1])

    def test_slow_chief(self) -> None:
        """A chief that does not read makes the client wait."""
        self.take(b"")
        end: Any = self.chief.transport
        end.reading = False
        self.wire.inbound = b"y" * (40 * FULL)
        self.carry()
        self.assertFalse(self.wire.reading)
        self.assertLess(end.other.held_most, 4 * FULL)
        end.reading = True
        self.carry()
        self.assertEqual(len(self.chief.body), 40 * FULL)

    def test_client_leaves(self) -> None:
        """A client that is gone is gone for the chief."""
        self.take()
        self.wire.drop(ConnectionLost())
        self.carry()
        self.assertIsNotNone(self.chief.lost)
        self.assertEqual(len(self.handing), 0)

    def test_client_sends_no_more(self) -> None:
        """A client that has closed its side only still gets its answer."""
        taken = self.take()
        taken.half_closed()
        self.carry()
        self.assertTrue(self.chief.half_closed)
        self.chief.transport.write(b"answer")  # type: ignore[union-attr]
        self.chief.transport.loseConnection()  # type: ignore[union-attr]
        self.carry()
        self.assertEqual((self.wire.taken, self.wire.lost), (b"answer", True))

    def test_chief_closes(self) -> None:
        """When the chief closes, all that it has said still arrives."""
        self.take()
        self.chief.transport.write(b"the end")  # type: ignore[union-attr]
        self.chief.transport.loseConnection()  # type: ignore[union-attr]
        self.carry()
        self.assertEqual((self.wire.taken, self.wire.lost, self.wire.aborted), (b"the end", True, False))
        self.assertEqual(len(self.handing), 0)

    def test_client_goes_on(self) -> None:
        """What a client still says when the chief has closed is not held."""
        taken = self.take()
        self.chief.transport.loseConnection()  # type: ignore[union-attr]
        self.carry()
        taken.received(b"more")
        self.assertFalse(taken._first)

    def test_chief_is_cut(self) -> None:
        """A connection that breaks breaks for the client, who must not take what it has for all."""
        taken = self.take()
        end: Any = self.chief.transport
        end.other.drop(ConnectionLost())
        self.carry()
        self.assertTrue(self.wire.aborted)
        self.assertEqual(len(self.handing), 0)
        self.assertIsNotNone(taken)

    def test_no_chief_for_a_moment(self) -> None:
        """While the chief is started anew a client waits, unread; then it is served."""
        self.socket.factory = None
        self.take(b"first")
        self.clock.advance(3.0)
        self.assertFalse(self.wire.reading)
        self.socket.factory = self.factory
        self.clock.advance(0.2)
        self.carry()
        self.assertEqual(self.chief.body, b"first")
        self.assertTrue(self.wire.reading)

    def test_no_chief_at_all(self) -> None:
        """After a while it is told to try again."""
        self.socket.factory = None
        self.take()
        for _ in range(int(PATIENCE * 10) + 2):
            self.clock.advance(0.1)
        self.carry()
        self.assertEqual(self.wire.taken, NO_CHIEF)
        self.assertTrue(self.wire.lost)
        self.assertEqual((len(self.handing), self.clock.getDelayedCalls()), (0, []))

    def test_nobody_behind_the_socket(self) -> None:
        """A socket that nobody accepts from is no chief: a client does not wait for longer because it is there."""
        silent: Any = Factory()
        chief = Chief()
        chief.takes = False
        silent.buildProtocol = lambda addr: chief
        self.socket.factory = silent
        self.take(b"first")
        self.assertFalse(self.wire.reading)
        self.clock.advance(PATIENCE)
        self.carry()
        self.assertEqual((self.wire.taken, self.wire.lost), (NO_CHIEF, True))
        self.assertIsNotNone(chief.lost)
        self.assertEqual((len(self.handing), self.clock.getDelayedCalls()), (0, []))

    def test_leaves_while_waiting(self) -> None:
        """Nobody goes to the chief for a client that has left."""
        self.socket.factory = None
        self.take()
        self.wire.drop(ConnectionDone())
        self.assertEqual((len(self.handing), self.clock.getDelayedCalls()), (0, []))

    def test_over(self) -> None:
        """At the end it is waited for those that are left, and then no more."""
        self.take()
        waiting = self.successful(self.handing.over(5.0))
        self.clock.advance(4.9)
        self.assertEqual(waiting, [])
        self.clock.advance(0.2)
        self.carry()
        self.assertEqual((waiting, self.wire.aborted, len(self.handing)), ([None], True, 0))
        self.assertEqual(self.successful(self.handing.over(5.0)), [None])

    def successful(self, coroutine: Any) -> list[Any]:
        """What a coroutine gives, once it does."""
        found: list[Any] = []
        Deferred.fromCoroutine(coroutine).addCallback(found.append)
        return found
