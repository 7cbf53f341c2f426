"""How answers leave a connection."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.sending import MAX_HELD
from openclaw_tx.web.resource import NotFound
from openclaw_tx.web.site import GatewayChannel, GatewaySite


class Counting(StringTransport):
    """Counts writes."""

    writes = 0

    def write(self, data: bytes) -> None:
        self.writes += 1
        super().write(data)


class HoldingChannelTests(SynchronousTestCase):
    """L{openclaw_tx.web.answering.HoldingChannel}."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.site = GatewaySite(NotFound(lambda: "id"), self.clock)
        self.transport = Counting()
        channel: Any = self.site.buildProtocol(None)  # type: ignore[arg-type]
        self.channel: GatewayChannel = channel
        self.channel.makeConnection(self.transport)
        self.addCleanup(self.channel.connectionLost)

    def test_one_piece(self) -> None:
        """Head and body of an answer are one write, and the head holds what all answers have, each line once."""
        self.channel.dataReceived(b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
        self.assertEqual(self.transport.writes, 1)
        head, _, body = self.transport.value().partition(b"\r\n\r\n")
        names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
        self.assertEqual(sorted(names), sorted(set(names)))
        self.assertLessEqual({b"date", b"x-request-id", b"x-content-type-options", b"content-length"}, set(names))
        self.assertIn(b"not_found", body)

    def test_outside_of_a_turn(self) -> None:
        """What nothing that was read has caused is written at once."""
        self.channel.write(b"a")
        self.channel.writeSequence([b"b", b"c"])
        self.assertEqual((self.transport.writes, self.transport.value()), (2, b"abc"))

    def test_bound(self) -> None:
        """No more is held than that."""
        self.site.turn.begin()
        self.channel.write(b"x" * MAX_HELD)
        self.assertEqual(self.transport.writes, 0)
        self.channel.write(b"y")
        self.assertEqual((self.transport.writes, len(self.transport.value())), (1, MAX_HELD + 1))
        self.channel.write(b"z")
        self.site.turn.end()
        self.assertTrue(self.transport.value().endswith(b"yz"))

    def test_lost_meanwhile(self) -> None:
        """What was held for a client that has gone is dropped."""
        channel = self.site.buildProtocol(None)  # type: ignore[arg-type]
        transport = Counting()
        channel.makeConnection(transport)
        self.site.turn.begin()
        channel.write(b"bye")  # type: ignore[attr-defined]
        channel.connectionLost()
        channel.transport = None
        self.site.turn.end()
        self.assertEqual(transport.writes, 0)

    def test_order_with_the_end(self) -> None:
        """Closing comes after what was written."""
        self.site.turn.begin()
        self.channel.write(b"bye")
        self.channel.loseConnection()
        self.assertEqual((self.transport.value(), self.transport.disconnecting), (b"bye", True))
        self.site.turn.end()
        self.assertEqual(self.transport.writes, 1)
