# -*- test-case-name: tests.ws.rpc.test_host -*-
"""L{openclaw_tx.ws.rpc.host}."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.keys import hash_of
from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import in_reactor_thread
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.values import Principal
from openclaw_tx.ws.methods import Call
from openclaw_tx.ws.rpc.host import Host, HostMethods, SystemInfoParams, look
from tests.ws.rpc.test_config import AskingCase

BARE = Host(hostname="h", platform="linux", release="6", arch="x64", os_label="Linux", pid=7)


class LookTests(SynchronousTestCase):
    """L{look}."""

    def test_this_machine(self) -> None:
        """It has a processor, memory and a disk."""
        host = look("/")
        self.assertEqual((host.pid, host.cpu_count), (os.getpid(), os.cpu_count()))
        self.assertGreater(host.memory_total, host.memory_free)
        self.assertGreater(host.disk_total, 0)
        self.assertTrue(host.hostname and host.os_label and host.arch)

    def test_no_disk(self) -> None:
        """A directory that is not there yet."""
        self.assertEqual(look("/nowhere/at/all").disk_total, 0)


class InfoTests(AskingCase):
    """C{system.info}."""

    def info(self, host: Host, *scopes: str) -> dict[str, Any]:
        """The answer about a machine."""
        methods = HostMethods(Config, lambda: 1234, in_reactor_thread, "/state", lambda path: host)
        caller: Any = type("Caller", (), {"principal": Principal(id="p", method="token", scopes=frozenset(scopes))})
        found = Deferred.fromCoroutine(methods.info(Call(caller, "r", SystemInfoParams())))
        answer: dict[str, Any] = self.successResultOf(found)
        return answer

    def test_whole(self) -> None:
        """All that is known."""
        host = Host(
            hostname="h",
            platform="linux",
            release="6",
            arch="x64",
            os_label="Linux",
            pid=7,
            cpu_count=2,
            load=(1.0, 0.5, 0.25),
            memory_total=10,
            memory_free=5,
            disk_total=100,
            disk_free=50,
        )
        found = self.info(host, "operator.admin")
        self.assertEqual((found["machineName"], found["pid"], found["uptimeMs"]), ("h", 7, 1234))
        self.assertEqual((found["loadAverage"], found["memoryFreeBytes"]), ([1.0, 0.5, 0.25], 5))
        self.assertEqual((found["diskTotalBytes"], found["diskAvailableBytes"], found["diskPath"]), (100, 50, "/state"))
        self.assertNotIn("diskPath", self.info(host, "operator.read"))

    def test_bare(self) -> None:
        """What the system does not tell is left out."""
        found = self.info(BARE)
        self.assertFalse({"loadAverage", "diskTotalBytes", "diskPath"} & set(found))
        self.assertEqual((found["cpuCount"], found["memoryTotalBytes"]), (0, 0))

    def test_gateway(self) -> None:
        """Through a whole one; a key with bounds does not get it."""
        keys = [{"label": "k", "hash": hash_of("k" * 32), "agents": ["beta"]}]
        memory = MemoryGateway({"gateway": {"auth": {"keys": keys}}})
        self.addCleanup(memory.close)
        self.client = memory.websocket()
        self.client.connect(scopes=["operator.read"])
        memory.advance(3)
        self.assertEqual(self.ok("system.info")["uptimeMs"], 3000)
        self.client = memory.websocket()
        self.client.connect(token="k" * 32)
        self.assertEqual(self.client.request("system.info")["error"]["code"], "FORBIDDEN")
