# -*- test-case-name: tests.test_worker -*-
"""One of several processes, as far as it needs no process: what it runs, what it tells the parent."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from queue import Queue
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import Logger, LogLevel
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.load import from_mapping
from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import Gate
from openclaw_tx.gateway import Gateway
from openclaw_tx.worker import ParentWatch, Telling, drained, workers_service
from openclaw_tx.workers.acceptor import Acceptor
from openclaw_tx.workers.instructions import Instructions, Word

SECRET = "a-secret-nobody-logs"


class Reactor(MemoryReactorClock):
    """One that a worker can run on."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped = 0
        self.from_threads: Queue[Any] = Queue()

    def callFromThread(self, function: Any, *args: Any, **kwargs: Any) -> None:
        """When the test says so, in its own thread."""
        self.from_threads.put(lambda: function(*args, **kwargs))

    def stop(self) -> None:
        """Note it."""
        self.stopped += 1


class WorkerTests(SynchronousTestCase):
    """L{workers_service}."""

    def setUp(self) -> None:
        """A configuration file."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        config = {"gateway": {"auth": {"token": SECRET}}, "models": {"mode": "replace"}}
        (self.directory / "openclaw.json").write_text(json.dumps(config), "utf-8")
        self.reactor: Any = Reactor()

    def descriptor(self) -> int:
        """Of a socket that a worker may have for its own."""
        return socket.socket().detach()

    def service(self, worker: int, door: int | None) -> Any:
        """What a worker runs."""
        told = Instructions(
            worker=worker,
            count=2,
            key=b"k" * 32,
            chief=str(self.directory / "chief"),
            ports=(self.descriptor(), self.descriptor()),
            door=door,
            reactor="twisted.internet.epollreactor",
            start={"state_dir": str(self.directory)},
        )
        settings: list[Any] = []
        top = workers_service(told, self.reactor, {"HOME": str(self.directory)}, Logger(), settings)
        self.assertEqual(settings[0]().config.gateway.auth.token, SECRET)
        for service in top:
            if isinstance(service, Acceptor):
                self.addCleanup(service._socket.close)
        return top

    def kinds(self, top: Any) -> list[str]:
        """Of its services, in the order in which they are stopped."""
        return [type(service).__name__ for service in top]

    def test_relay(self) -> None:
        """A relay accepts clients until it ends; nothing comes by the clock."""
        top = self.service(1, None)
        self.assertEqual(self.kinds(top), ["Acceptor", "Acceptor", "ConfigWatcher", "Gateway", "ParentWatch"])
        (gateway,) = (service for service in top if isinstance(service, Gateway))
        names = [service.name for service in gateway]
        self.assertNotIn("mcp", names)
        self.assertFalse(gateway._automation)

    def test_chief(self) -> None:
        """The chief has its own socket as well, which it leaves last."""
        top = self.service(0, self.descriptor())
        self.assertEqual(
            self.kinds(top), ["Acceptor", "Acceptor", "ConfigWatcher", "Gateway", "Acceptor", "ParentWatch"]
        )
        (gateway,) = (service for service in top if isinstance(service, Gateway))
        self.assertIn("mcp", [service.name for service in gateway])
        self.assertEqual([site.handed_over for site in gateway._sites], [False, True])

    def test_log(self) -> None:
        """What is logged goes to the parent, by this worker's own rules: its level, and without secrets."""
        told: list[Word] = []
        settings: list[Any] = []
        telling = Telling(settings, told.append)
        telling({"log_format": "early", "log_level": LogLevel.info})
        config = {"gateway": {"auth": {"token": SECRET}}, "logging": {"level": "warn"}}
        loaded = from_mapping(config, {}, self.directory)
        settings.append(lambda: loaded)
        for level in (LogLevel.info, LogLevel.warn):
            event = {"log_format": "it is {secret_word}", "secret_word": SECRET, "log_level": level}
            telling({**event, "log_namespace": "openclaw_tx.x"})
        self.assertEqual([word.log and word.log["message"] for word in told], ["early", "it is [redacted]"])
        self.assertNotIn(SECRET, str(told))


class Draining:
    """A gateway with a run."""

    def __init__(self) -> None:
        self.under_way: Deferred[None] = Deferred()

    def settings(self) -> Config:
        """The defaults."""
        return Config()

    async def drain(self) -> None:
        """As long as the run takes."""
        await self.under_way


class DrainedTests(SynchronousTestCase):
    """L{drained}."""

    def test_waits_for_the_others(self) -> None:
        """It is told when nothing is under way here; it is over when the parent says so, or never does."""
        for release in (True, False):
            clock: Any = Reactor()
            gateway: Any = Draining()
            told: list[Word] = []
            released = Gate()
            over = Deferred.fromCoroutine(drained(gateway, released, clock, told.append))
            self.assertEqual(told, [])
            gateway.under_way.callback(None)
            self.assertEqual(told, [Word(drained=True)])
            self.assertNoResult(over)
            if release:
                released.open()
            else:
                clock.advance(Config().gateway.shutdown_grace_seconds + 1)
            self.successResultOf(over)
            self.assertEqual(clock.getDelayedCalls(), [])


class ParentWatchTests(SynchronousTestCase):
    """L{ParentWatch}."""

    def test_gone(self) -> None:
        """A parent that is gone, however the reactor tells it, is the end; once, and not after the end."""
        reactor: Any = Reactor()
        said = [b"x", b""]
        told: list[bool] = []
        watch = ParentWatch(reactor, lambda: told.append(True), lambda: said.pop(0))
        watch.startService()
        self.assertIn(watch, reactor.readers)
        watch.doRead()
        self.assertEqual((reactor.stopped, told), (0, [True]))
        watch.doRead()
        self.assertEqual(reactor.stopped, 1)
        watch.stopService()
        watch.connectionLost(None)
        self.assertEqual((reactor.stopped, watch in reactor.readers), (1, False))
