"""Who comes to the chief's socket."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.workers.doorway import FIRST_SECONDS, MAX_FIRST, Doorway, address_of
from openclaw_tx.workers.framing import framed
from openclaw_tx.workers.messages import TAKEN, Done, Join, Visit, encoded
from tests.workers.wires import End

KEY = b"k" * 32


class Taker(Protocol):
    """Takes what it gets."""

    def __init__(self) -> None:
        self.got = b""
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        """More."""
        self.got += data

    def connectionLost(self, reason: Any = None) -> None:
        """No more."""
        self.lost = True


class DoorwayTests(SynchronousTestCase):
    """L{Doorway}."""

    def setUp(self) -> None:
        """A doorway, and somebody at it."""
        self.clock = Clock()
        self.clients: list[Taker] = []
        self.relays: list[tuple[Join, Taker]] = []
        site: Any = Factory()
        site.buildProtocol = lambda addr: self.clients.append(Taker()) or self.clients[-1]
        door = Doorway(KEY, site, self.join, self.clock)
        self.comer = door.buildProtocol(None)
        self.end = End()
        self.end.other = End()
        self.end.protocol = self.comer
        self.comer.makeConnection(self.end)

    def join(self, joined: Join) -> Any:
        """A relay's bus."""
        self.relays.append((joined, Taker()))
        return self.relays[-1][1]

    def test_client(self) -> None:
        """A client's connection is the site's, and looks as it did where it came in."""
        visit = Visit(key=KEY, host="203.0.113.9", port=5, own_host="192.0.2.1", own_port=443, secure=True)
        data = framed(encoded(visit)) + b"GET "
        for place in range(len(data)):
            self.comer.dataReceived(data[place : place + 1])
        self.comer.dataReceived(b"/")
        (client,) = self.clients
        self.assertEqual(client.got, b"GET /")
        transport: Any = client.transport
        self.assertEqual(transport.getPeer(), IPv4Address("TCP", "203.0.113.9", 5))
        self.assertEqual(transport.getHost(), IPv4Address("TCP", "192.0.2.1", 443))
        self.assertTrue(ISSLTransport.providedBy(transport))
        transport.write(b"answer")
        self.assertEqual(self.end.out, TAKEN + b"answer")
        self.comer.connectionLost()
        self.assertTrue(client.lost)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_plain_client(self) -> None:
        """Without TLS it does not look like TLS."""
        visit = Visit(key=KEY, host="", port=0, own_host="", own_port=0, secure=False)
        self.comer.dataReceived(framed(encoded(visit)))
        transport: Any = self.clients[0].transport
        self.assertFalse(ISSLTransport.providedBy(transport))
        self.assertEqual(transport.getPeer(), UNIXAddress(None))

    def test_relay(self) -> None:
        """A relay gets its bus, with what it said at once."""
        self.comer.dataReceived(framed(encoded(Join(key=KEY, worker=1, pid=2))) + b"more")
        ((joined, bus),) = self.relays
        self.assertEqual((joined.worker, bus.got, bus.transport), (1, b"more", self.end))

    def test_turned_away(self) -> None:
        """Whoever does not show the key, or says something else first, is cut off."""
        for data in (
            framed(encoded(Join(key=b"x" * 32, worker=1, pid=2))),
            framed(encoded(Visit(key=b"", host="", port=0, own_host="", own_port=0, secure=False))),
            framed(encoded(Done())),
            framed(b"nonsense"),
            b"GET / HTTP/1.1\r\n\r\n",
            framed(bytes(MAX_FIRST + 1)),
        ):
            self.setUp()
            self.comer.dataReceived(data)
            self.assertTrue(self.end.aborted, data)
            self.assertEqual((self.clients, self.relays, self.clock.getDelayedCalls()), ([], [], []))

    def test_says_nothing(self) -> None:
        """Nobody stays for long who does not say who it is."""
        self.clock.advance(FIRST_SECONDS)
        self.assertTrue(self.end.aborted)

    def test_leaves(self) -> None:
        """Nothing is left of one that leaves before."""
        self.comer.readConnectionLost()
        self.assertTrue(self.end.closing)
        self.comer.connectionLost()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_replaced(self) -> None:
        """A WebSocket takes the place of the HTTP connection that it began as."""
        visit = Visit(key=KEY, host="::1", port=5, own_host="::1", own_port=1, secure=False)
        self.comer.dataReceived(framed(encoded(visit)))
        transport: Any = self.clients[0].transport
        other = Taker()
        transport.protocol = other
        self.comer.dataReceived(b"frame")
        self.assertEqual((self.clients[0].got, other.got), (b"", b"frame"))

    def test_addresses(self) -> None:
        """Both families, with a zone as well."""
        self.assertEqual(address_of("::1", 5), IPv6Address("TCP", "::1", 5))
        self.assertEqual(address_of("fe80::1%eth0", 5), IPv6Address("TCP", "fe80::1%eth0", 5))
