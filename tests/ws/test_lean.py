# -*- test-case-name: tests.ws.test_lean -*-
"""What is left of autobahn's protocol in an idle connection, and that it still does its work."""

from __future__ import annotations

import sys
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from autobahn.twisted.websocket import WebSocketServerProtocol
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.ws.lean import OPTIONS, SPENT, cut
from tests.ws.harness import House


class LeanTests(SynchronousTestCase):
    """A connection that was let in."""

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(self.house.close)
        self.line = self.house.ready()
        (self.channel,) = self.house.surface.factory._channels

    def test_small(self) -> None:
        """It keeps next to nothing of the upgrade, of options and of what is as with all others."""
        kept = vars(self.channel)
        self.assertLessEqual(len(kept), 25, sorted(kept))
        self.assertLessEqual(sys.getsizeof(kept), 1024)
        self.assertEqual(SPENT & set(kept), set())
        own = {"maxFramePayloadSize", "maxMessagePayloadSize"}
        self.assertEqual(OPTIONS & set(kept), own, "the limits are lifted one by one")

    def test_same_values(self) -> None:
        """Whatever autobahn sets on a protocol says the same there as here."""
        plain: Any = WebSocketServerProtocol()
        plain.openHandshakeTimeout = 0
        plain.factory = self.house.surface.factory
        plain._connectionMade()
        other = self.house.ready()
        lean: Any = (self.house.surface.factory._channels - {self.channel}).pop()
        ours = {"failByDrop", "utf8validateIncoming", "maxFramePayloadSize", "maxMessagePayloadSize", "state"}
        ours |= {"openHandshakeTimeout", "closeHandshakeTimeout"}
        for name, value in vars(plain).items():
            if name in SPENT | ours | {"factory", "is_closed", "_valid_events", "_results"}:
                continue
            self.assertEqual((name, getattr(lean, name)), (name, value))
        self.assertTrue(other.call("health")["ok"])

    def test_no_such_option(self) -> None:
        """What neither class nor factory has is missing, as anywhere."""
        self.assertFalse(hasattr(self.channel, "noSuchThing"))

    def test_messages(self) -> None:
        """Messages still come, whole and in fragments, and nothing grows with them."""
        self.assertTrue(self.line.call("health")["ok"])
        before = len(vars(self.channel))
        self.line.client.beginMessage()
        for piece in (b'{"type":"req","id":"f",', b'"method":"he', b'alth"}'):
            self.line.client.sendMessageFrame(piece)
            self.line.pump.flush()
        self.line.client.endMessage()
        self.assertTrue(self.line.answers("f")[0]["ok"])
        self.assertLessEqual(len(vars(self.channel)), before + 8)
        self.assertIsNone(self.channel.current_frame_masker)

    def test_control_frames(self) -> None:
        """Pings are answered in both directions, with and without a payload, and a close too."""
        pongs: list[bytes] = []
        self.line.client.onPong = pongs.append
        for payload in (b"", b"x", b"y" * 125):
            self.line.client.sendPing(payload)
            self.line.pump.flush()
        self.assertEqual(pongs, [b"", b"x", b"y" * 125])
        self.house.advance(30)
        self.house.advance(30)
        self.line.client.sendClose(1000, "bye")
        self.line.pump.flush()
        self.assertTrue(self.line.client.wasClean)
        self.assertEqual(self.line.closed, (1000, ""))

    def test_violation(self) -> None:
        """What breaks the protocol is still answered with the code for it."""
        self.line.client.sendFrame(opcode=1, payload=b"x", fin=False)
        self.line.client.sendFrame(opcode=1, payload=b"x")
        self.line.pump.flush()
        self.assertEqual(self.line.closed[0], 1002)


class CutTests(SynchronousTestCase):
    """L{cut}."""

    @given(st.text(max_size=200))
    def test_cut(self, text: str) -> None:
        """At most 123 bytes, whole characters, and nothing lost that fits."""
        found = cut(text, 123)
        self.assertLessEqual(len(found), 123)
        clean = text.encode("utf-8", "replace").decode("utf-8")
        self.assertTrue(clean.startswith(found.decode("utf-8")))
        self.assertTrue(len(found) > 119 or found.decode("utf-8") == clean)
