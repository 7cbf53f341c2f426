# -*- test-case-name: tests.web.test_listener -*-
"""Endpoints that are listened on; what becomes of a busy port is in L{tests.test_tap}."""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.web.listener import BACKLOG, Listener


class BacklogTests(SynchronousTestCase):
    """How many connections may wait to be accepted."""

    def listening(self, description: str) -> Any:
        """What the reactor was asked for."""
        reactor = MemoryReactor()
        listener = Listener(reactor, description, Factory())
        listener.startService()
        self.addCleanup(listener.stopService)
        self.assertEqual(listener.description, description)
        [asked] = [*reactor.tcpServers, *reactor.unixServers]
        return asked

    def test_more_than_twisted(self) -> None:
        """So many connections at the same moment do not have to try again after a second."""
        self.assertEqual(self.listening("tcp:1:interface=127.0.0.1")[2], BACKLOG)
        self.assertEqual(self.listening("tcp6:1:interface=\\:\\:1")[2], BACKLOG)
        self.assertEqual(self.listening("unix:/nowhere")[2], BACKLOG)

    def test_as_told(self) -> None:
        """The endpoint's own word counts."""
        self.assertEqual(self.listening("tcp:1:backlog=7")[2], 7)
