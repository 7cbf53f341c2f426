"""Tests of L{openclaw_tx.config.live}: clients that leave while the file is being changed. The rest is tried in
L{tests.ws.rpc.test_config}."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, execute
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.testing import MemoryGateway
from openclaw_tx.testing.websocket import MemoryWebSocket

T = TypeVar("T")
ADMIN = ("operator.admin",)


class Threads:
    """An L{InThread <openclaw_tx.deferreds.InThread>} that takes its time, if the test wants it to."""

    def __init__(self) -> None:
        self.slow = False
        self.waiting: list[Callable[[], None]] = []

    def __call__(self, function: Callable[..., T], *arguments: Any) -> Deferred[T]:
        """At once, or when it is L{finish}ed; nothing that is cancelled stops a thread."""
        if not self.slow:
            return execute(function, *arguments)
        done: Deferred[T] = Deferred()
        self.waiting.append(lambda: execute(function, *arguments).chainDeferred(done))
        return done

    def finish(self) -> None:
        """What was asked for first is done."""
        self.waiting.pop(0)()


class LeavingTests(SynchronousTestCase):
    """Who has a change made hangs up in the middle of it."""

    def setUp(self) -> None:
        """A gateway with a file."""
        self.threads = Threads()
        self.memory = MemoryGateway(as_file=True, in_thread=self.threads)
        self.addCleanup(self.memory.close)
        self.reader = self.connect(("operator.read",))
        self.client = self.connect(ADMIN)
        self.base = self.client.request("config.get")["payload"]["hash"]
        self.threads.slow = True

    def connect(self, scopes: Any) -> MemoryWebSocket:
        """A client with scopes."""
        client = self.memory.websocket()
        client.connect(scopes=scopes)
        return client

    def patch(self, client: MemoryWebSocket, request_id: str, patch: Any, base: str) -> None:
        """Ask for a change; the answer is yet to come."""
        params = {"raw": json.dumps(patch), "baseHash": base}
        client.send({"type": "req", "id": request_id, "method": "config.patch", "params": params})

    def finish(self) -> None:
        """What a thread was asked for first is done, and has been told."""
        self.threads.finish()
        self.memory.advance(0)

    def told(self) -> list[str]:
        """Hashes that a reader was told of."""
        return [event["payload"]["hash"] for event in self.reader.events("config.changed")]

    def test_applied(self) -> None:
        """What is written is gone by when it is written, and told once."""
        self.patch(self.client, "p1", {"agents": {"defaults": {"timeoutSeconds": 7}}}, self.base)
        self.client.close()
        self.finish()
        self.assertEqual(self.memory.gateway.settings().agents.defaults.timeout_seconds, 7)
        self.assertEqual(self.told(), [self.memory.gateway.settings.loaded.hash])
        self.memory.advance(5)
        self.assertEqual(len(self.told()), 1)

    def test_one_after_the_other(self) -> None:
        """The next change is made of what the one before has written."""
        self.patch(self.client, "p1", {"agents": {"defaults": {"timeoutSeconds": 7}}}, self.base)
        other = self.connect(ADMIN)
        self.patch(other, "p2", {"agents": {"defaults": {"maxToolRounds": 3}}}, self.base)
        self.client.close()
        self.assertEqual(len(self.threads.waiting), 1)
        self.finish()
        self.finish()
        self.assertIn("changed since", other.response("p2")["error"]["message"])

    def test_refused(self) -> None:
        """What can not be used changes nothing, and keeps nobody from changing something else."""
        self.patch(self.client, "p1", {"agents": {"defaults": {"timeoutSeconds": "no"}}}, self.base)
        self.client.close()
        self.finish()
        other = self.connect(ADMIN)
        self.patch(other, "p2", {"agents": {"defaults": {"timeoutSeconds": 7}}}, self.base)
        self.finish()
        self.assertTrue(other.response("p2")["ok"])

    def test_waiting(self) -> None:
        """Who leaves before it is their turn changes nothing."""
        self.patch(self.client, "p1", {"agents": {"defaults": {"timeoutSeconds": 7}}}, self.base)
        other = self.connect(ADMIN)
        self.patch(other, "p2", {"agents": {"defaults": {"maxToolRounds": 3}}}, self.base)
        other.close()
        self.finish()
        self.assertTrue(self.client.response("p1")["ok"])
        self.assertEqual(self.threads.waiting, [])
