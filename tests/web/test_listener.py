# -*- test-case-name: tests.web.test_listener -*-
"""Endpoints that are listened on; what becomes of a busy port is in L{tests.test_tap}."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory
from twisted.internet.testing import EventLoggingObserver, MemoryReactor
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.decode import decode
from openclaw_tx.web.listener import BACKLOG, Listener, addresses


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


class AddressTests(SynchronousTestCase):
    """C{gateway.bind}."""

    def test_tailnet(self) -> None:
        """On the tailnet is not on every network: this machine's address there, and loopback; that alone while it has
        none."""
        config = decode({"gateway": {"bind": "tailnet"}})
        loopback = [("tcp:1:interface=127.0.0.1", True), (r"tcp6:1:interface=\:\:1", False)]
        self.assertEqual(
            addresses(config, 1, lambda: "100.101.102.103"), [("tcp:1:interface=100.101.102.103", True), *loopback]
        )
        observer = EventLoggingObserver()
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.assertEqual(addresses(config, 1, lambda: ""), loopback)
        [event] = observer
        self.assertIn("no address in a tailnet", formatEvent(event))


class Later:
    """An endpoint that takes its time, as those of some plugins do."""

    def __init__(self) -> None:
        self.asked: Deferred[Any] = Deferred()

    def listen(self, factory: Factory) -> Deferred[Any]:
        """See L{twisted.internet.interfaces.IStreamServerEndpoint}."""
        return self.asked


class Port:
    """A port that listens, until it is told to stop."""

    open = True

    def getHost(self) -> str:
        """Where."""
        return "there"

    def stopListening(self) -> None:
        """Stop."""
        self.open = False


class LaterTests(SynchronousTestCase):
    """What an endpoint says later."""

    def listener(self) -> tuple[Listener, Later]:
        """One that has been asked, and its endpoint."""
        listener, endpoint = Listener(MemoryReactor(), "tcp:1", Factory()), Later()
        listener._endpoint = endpoint
        listener.startService()
        return listener, endpoint

    def test_failed(self) -> None:
        """That it can not listen is logged: the start is over, and nobody else would say so."""
        observer = EventLoggingObserver()
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        _, endpoint = self.listener()
        endpoint.asked.errback(CannotListenError("", 1, OSError("in use")))
        [event] = observer
        self.assertEqual(event["log_level"].name, "error")
        self.assertIn("can not listen on tcp:1: ", formatEvent(event))

    def test_stopped_before(self) -> None:
        """A port that opens after the end is closed again."""
        listener, endpoint = self.listener()
        listener.stopService()
        port = Port()
        endpoint.asked.callback(port)
        self.assertFalse(port.open)
        self.assertIsNone(listener.port)
