# -*- test-case-name: tests.ws.test_surface -*-
"""The surface as a whole: what hello says, and how it stops."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx._version import __version__
from openclaw_tx.auth.actions import ACTIONS, READ
from tests.ws.harness import House
from tests.ws.identity import Identity


class HelloTests(SynchronousTestCase):
    """hello-ok."""

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(self.house.close)

    def test_protocol_4(self) -> None:
        """What there is, what it may do, what it may send."""
        self.house.advance(3)
        hello = self.house.open().connect(scopes=[READ])["payload"]
        self.assertEqual((hello["type"], hello["protocol"]), ("hello-ok", 4))
        self.assertEqual(hello["server"], {"version": __version__, "connId": "uuid-2"})
        self.assertEqual(hello["features"]["methods"], list(self.house.surface.methods))
        self.assertEqual(hello["features"]["capabilities"], ["published-model-catalog"])
        self.assertEqual(hello["auth"], {"method": "token", "role": "operator", "scopes": [READ]})
        self.assertEqual(
            hello["policy"],
            {
                "maxPayload": 26_214_400,
                "maxBufferedBytes": 52_428_800,
                "tickIntervalMs": 30_000,
                "attachments": {"maxBytes": 19_464_192, "maxImageBytes": 6_291_456},
            },
        )
        snapshot = hello["snapshot"]
        self.assertEqual(
            snapshot["sessionDefaults"],
            {"defaultAgentId": "main", "mainKey": "main", "mainSessionKey": "agent:main:main", "scope": "per-sender"},
        )
        self.assertEqual((snapshot["uptimeMs"], len(snapshot["presence"]), snapshot["health"]), (3000, 1, {}))

    def test_protocol_3(self) -> None:
        """The January form has neither auth (there is no device token) nor the newer properties."""
        hello = self.house.open().connect(minProtocol=3, maxProtocol=3)["payload"]
        self.assertEqual(hello["protocol"], 3)
        self.assertNotIn("auth", hello)
        self.assertEqual(sorted(hello["features"]), ["events", "methods"])
        self.assertEqual(sorted(hello["policy"]), ["maxBufferedBytes", "maxPayload", "tickIntervalMs"])

    def test_paths(self) -> None:
        """Only administrators learn where files are."""
        admin = self.house.open().connect()["payload"]["snapshot"]
        self.assertEqual((admin["configPath"], admin["stateDir"]), ("/etc/openclaw.json", "/var/openclaw"))
        reader = self.house.open().connect(scopes=[READ])["payload"]["snapshot"]
        self.assertNotIn("configPath", reader)
        self.assertNotIn("stateDir", reader)

    def test_known_health(self) -> None:
        """Once there is a health report, hello has it; session names only for who may list sessions."""
        self.house.sessions.add("agent:main:secret", 5)
        self.house.ready().call("health")
        full = self.house.open().connect(scopes=[READ])["payload"]["snapshot"]
        self.assertEqual(full["health"]["sessions"]["recent"][0]["key"], "agent:main:secret")
        self.assertEqual(full["stateVersion"], {"presence": 0, "health": 1})
        scanty = self.house.open().connect(scopes=[])["payload"]["snapshot"]
        self.assertEqual(scanty["health"]["sessions"], {"path": "(database)", "count": 1, "recent": []})
        self.assertNotIn("secret", json.dumps(scanty))


class ListTests(SynchronousTestCase):
    """What is promised is there."""

    def test_documented(self) -> None:
        """docs/protocol.md names every method and every event."""
        house = House()
        text = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")
        hello = house.open().connect()["payload"]["features"]
        for name in [*hello["methods"], *hello["events"]]:
            self.assertIn(f"`{name}`", text)
        house.close()

    def test_no_method_without_scope(self) -> None:
        """A client without any scope can call health, and nothing else; a node what is for nodes, and nothing else."""
        house = House()
        line = house.ready(scopes=[])
        refused = ("missing scope", "unauthorized role")
        allowed = [n for n in house.surface.methods if not any(text in json.dumps(line.call(n)) for text in refused)]
        self.assertEqual(allowed, ["health"])
        node = house.ready(Identity(), role="node")
        allowed = [n for n in house.surface.methods if not any(text in json.dumps(node.call(n)) for text in refused)]
        self.assertEqual(allowed, ["node.invoke.result", "node.event"])
        self.assertEqual(ACTIONS["health"].scope, None)
        house.close()


class StopTests(SynchronousTestCase):
    """Shutting down."""

    def test_stop(self) -> None:
        """Everybody is told and closed with 1012; it is over when all have gone."""
        house = House()
        ready, waiting = house.ready(), house.open()
        done = house.surface.stop()
        self.assertNoResult(done)
        house.flush()
        self.assertEqual(
            ready.events("shutdown")[0]["payload"], {"reason": "gateway stopping", "restartExpectedMs": None}
        )
        self.assertEqual((ready.closed, waiting.closed), ((1012, "service restart"), (1012, "service restart")))
        self.assertEqual(waiting.events("shutdown"), [])
        self.successResultOf(done)
        self.assertEqual(house.clock.getDelayedCalls(), [])

    def test_stop_with_a_stuck_client(self) -> None:
        """One that does not read delays the stop by a second."""
        house = House()
        line = house.ready()
        line.pump.serverIO.stalled = True
        done = house.surface.stop()
        house.flush()
        house.advance(0.9)
        self.assertNoResult(done)
        house.advance(0.2)
        self.successResultOf(done)

    def test_stop_twice(self) -> None:
        """With nobody there it is over at once, however often."""
        house = House()
        self.successResultOf(house.surface.stop())
        self.successResultOf(house.surface.stop())
