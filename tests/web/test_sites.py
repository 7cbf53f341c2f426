# -*- test-case-name: tests.web.test_sites -*-
"""All sites of a gateway, when it stops."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from openclaw_tx.sending import Turn
from openclaw_tx.web.crowding import Crowd
from openclaw_tx.web.sites import CLOSE_SECONDS, Sites
from tests.support.web import Wire

ASK = b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n"


class Slow(Resource):
    """Answers when it is told to."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []

    def render(self, request: Any) -> int:
        """Not now."""
        self.asked.append(request)
        return NOT_DONE_YET


class SitesTests(SynchronousTestCase):
    """L{Sites}: two of them, each with a connection that waits for its answer."""

    def setUp(self) -> None:
        """Both ask."""
        self.clock: Clock = MemoryReactorClock()
        self.root = Slow()
        self.sites = Sites(self.clock, lambda: False, Turn(), None, Crowd(self.clock))
        self.wires = [self.connect(handed_over) for handed_over in (False, True)]

    def connect(self, handed_over: bool) -> Wire:
        """A connection to a site of its own, with a request under way."""
        site = self.sites.make(self.root, handed_over=handed_over)
        wire = Wire(self.clock, "192.0.2.1")
        wire.protocol = site.buildProtocol(wire.getPeer())
        wire.protocol.makeConnection(wire)
        self.addCleanup(self.hang_up, wire)
        wire.inbound += ASK
        wire.pump()
        return wire

    def hang_up(self, wire: Wire) -> None:
        """The client is gone."""
        wire.abortConnection()
        wire.pump()

    def answer(self) -> None:
        """All that was asked."""
        for request in self.root.asked:
            request.write(b"word")
            request.finish()
        for wire in self.wires:
            wire.pump()

    def test_drain(self) -> None:
        """Answers go out, each as the last one of its connection, whichever site it came in by."""
        self.assertEqual(len(self.root.asked), 2)
        self.sites.drain()
        self.answer()
        for wire in self.wires:
            self.assertTrue(wire.taken.startswith(b"HTTP/1.1 200 OK"))
            self.assertTrue(wire.lost)
            self.assertFalse(wire.aborted)

    def test_last_answers(self) -> None:
        """They are waited for, and no longer than need be."""
        self.sites.wind_down()
        over = Deferred.fromCoroutine(self.sites.last_answers())
        self.clock.advance(CLOSE_SECONDS / 2)
        self.assertNoResult(over)
        self.answer()
        self.clock.advance(0.1)
        self.successResultOf(over)
        self.assertEqual([wire.aborted for wire in self.wires], [False, False])

    def test_no_last_answers(self) -> None:
        """What does not come in time is cut."""
        self.sites.wind_down()
        over = Deferred.fromCoroutine(self.sites.last_answers())
        self.clock.pump([0.1] * round((CLOSE_SECONDS - 0.1) / 0.1))
        self.assertNoResult(over)
        self.clock.pump([0.1] * 2)
        self.successResultOf(over)
        self.assertEqual([wire.aborted for wire in self.wires], [True, True])
