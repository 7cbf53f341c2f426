# -*- test-case-name: tests.ws.test_presence -*-
"""Who is there."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import READ
from openclaw_tx.values import Principal
from openclaw_tx.ws.connect import ConnectParams
from openclaw_tx.ws.presence import MAX_ROWS, TTL_MS, Presence
from tests.ws.harness import House, connect_params
from tests.ws.identity import Identity

UI = {"id": "ui", "version": "9", "platform": "linux", "mode": "ui", "displayName": "second", "instanceId": "Inst-2"}


class Here(NamedTuple):
    """A connection, as far as presence knows it."""

    number: int
    params: ConnectParams
    principal: Principal
    id: str = "c1"
    role: str = "operator"
    local: bool = True


def here(number: int, device_id: str = "", local: bool = True, **client: Any) -> Here:
    """A connection of this client."""
    params = msgspec.convert(connect_params(client={**UI, **client}), ConnectParams)
    principal = Principal(id="x", method="token", scopes=frozenset({READ}), ip="192.0.2.9", device_id=device_id)
    return Here(number, params, principal, f"C{number}", local=local)


class MapTests(SynchronousTestCase):
    """The map."""

    def setUp(self) -> None:
        self.now = 1000
        self.presence = Presence({"host": "box", "version": "1"}, lambda: self.now)

    def rows(self) -> list[Any]:
        return self.presence.rows()[1:]

    def test_own_row(self) -> None:
        """The gateway comes first, as of now."""
        (row,) = self.presence.rows()
        self.assertEqual(row["text"], "Gateway: box · app 1 · mode gateway · reason self")
        self.assertEqual((row["mode"], row["reason"], row["ts"]), ("gateway", "self", 1000))

    def test_comes_and_goes(self) -> None:
        """A row in the recorded form; it stays for a while after the client left, and says why."""
        self.assertTrue(self.presence.joined(here(1, "dev", local=False)))
        (row,) = self.rows()
        self.assertEqual(
            row,
            {
                "clientId": "ui",
                "host": "second",
                "ip": "192.0.2.9",
                "version": "9",
                "platform": "linux",
                "mode": "ui",
                "reason": "connect",
                "deviceId": "dev",
                "instanceId": "Inst-2",
                "roles": ["operator"],
                "scopes": [READ],
                "onlineSince": 1000,
                "ts": 1000,
                "text": "Node: second · mode ui",
            },
        )
        self.now += 500
        self.assertTrue(self.presence.left(here(1)))
        (row,) = self.rows()
        self.assertEqual((row["reason"], row["ts"], row.get("onlineSince")), ("disconnect", 1500, None))
        self.now += TTL_MS
        self.assertEqual(self.rows(), [])
        self.assertEqual(self.presence.version, 2)

    def test_keys(self) -> None:
        """By device, else instance, else connection; in any case of letters. Loopback has no address."""
        self.presence.joined(here(1, "dev"))
        self.presence.joined(here(2, "DEV"))
        self.presence.joined(here(3, instanceId="inst-2"))
        self.presence.joined(here(4, instanceId=""))
        self.assertEqual(len(self.rows()), 3)
        self.assertTrue(all("ip" not in row for row in self.rows()))

    def test_several_connections(self) -> None:
        """A client is gone with its last connection."""
        self.presence.joined(here(1, "dev"))
        self.now += 1
        self.presence.joined(here(2, "dev"))
        self.assertFalse(self.presence.left(here(1)))
        self.assertEqual([(row["reason"], row["onlineSince"]) for row in self.rows()], [("connect", 1000)])
        self.assertTrue(self.presence.left(here(2)))
        self.assertFalse(self.presence.left(here(2)))

    def test_single_calls(self) -> None:
        """Who comes for one call is not listed."""
        for number, mode in enumerate(["cli", "CLI", "backend", "probe"]):
            self.assertFalse(self.presence.joined(here(number, mode=mode)))
            self.assertFalse(self.presence.left(here(number)))
        self.assertEqual((self.rows(), self.presence.version), ([], 0))

    def test_connected_stay(self) -> None:
        """A client that is there is listed however long."""
        self.presence.joined(here(1, "dev"))
        self.now += TTL_MS * 10
        self.assertEqual(len(self.rows()), 1)

    def test_too_many(self) -> None:
        """Those that left go first, the oldest of them."""
        self.presence.joined(here(0, "stays"))
        for number in range(1, MAX_ROWS + 5):
            self.presence.joined(here(number, f"d{number}"))
            self.presence.left(here(number))
        self.assertEqual(len(self.rows()), MAX_ROWS)
        self.assertIn("stays", [row["deviceId"] for row in self.rows()])
        for number in range(MAX_ROWS + 5, 2 * MAX_ROWS + 10):
            self.presence.joined(here(number, f"d{number}"))
        self.assertEqual(len(self.rows()), MAX_ROWS)
        self.assertFalse(self.presence.left(here(0)), "the oldest row is gone, also one that is connected")

    def test_oldest_goes(self) -> None:
        """Who left first is forgotten first, whoever came first."""
        for number in range(MAX_ROWS):
            self.presence.joined(here(number, f"d{number}"))
        self.presence.left(here(1))
        self.presence.left(here(0))
        self.presence.joined(here(MAX_ROWS, "new"))
        devices = {row["deviceId"] for row in self.rows()}
        self.assertEqual(({"d0", "d1", "new"} & devices), {"d0", "new"})

    def test_report(self) -> None:
        """A client says more of itself, or of another machine."""
        self.presence.joined(here(1, "dev"))
        self.presence.report(here(1), {"lastInputSeconds": 3, "reason": "periodic"})
        self.presence.report(here(1), {"instanceId": "other", "text": "Node: other"})
        other, own = sorted(self.rows(), key=lambda row: "deviceId" in row)
        self.assertEqual((own["lastInputSeconds"], own["reason"], own["deviceId"]), (3, "periodic", "dev"))
        self.assertEqual(other, {"instanceId": "other", "text": "Node: other", "ts": 1000})
        self.presence.left(here(1))
        self.now += TTL_MS
        self.assertEqual(self.rows(), [])


class EventTests(SynchronousTestCase):
    """Told to others."""

    def setUp(self) -> None:
        self.house = House()

    def tearDown(self) -> None:
        self.house.close()

    def test_told(self) -> None:
        """Protocol 4 hears of coming and going, protocol 3 of going; each with the version that is in hello-ok."""
        now, jan = self.house.ready(), self.house.ready(minProtocol=3, maxProtocol=3)
        blind = self.house.ready(scopes=[])
        line = self.house.open()
        hello = line.connect(Identity(), client=UI)["payload"]
        self.assertEqual(len(hello["snapshot"]["presence"]), 1)
        (event,) = now.events("presence")
        self.assertEqual([row["reason"] for row in event["payload"]["presence"]], ["self", "connect"])
        self.assertEqual(event["stateVersion"]["presence"], hello["snapshot"]["stateVersion"]["presence"] + 1)
        self.assertEqual(jan.events("presence"), [])
        line.client.transport.loseConnection()
        self.house.flush()
        for watcher in (now, jan):
            rows = watcher.events("presence")[-1]["payload"]["presence"]
            self.assertEqual([row["reason"] for row in rows], ["self", "disconnect"])
        self.assertEqual(blind.events("presence"), [])

    def test_listed(self) -> None:
        """C{system-presence} has the same rows; who may not read gets none, not even in hello-ok."""
        self.house.ready(Identity(), client=UI)
        self.assertEqual(len(self.house.ready().call("system-presence")["payload"]), 2)
        line = self.house.open()
        self.assertEqual(line.connect(scopes=[])["payload"]["snapshot"]["presence"], [])
        self.assertEqual(line.call("system-presence")["error"]["code"], "FORBIDDEN")
        self.house.authenticator.prefix = "team:"
        line = self.house.open()
        self.assertEqual(line.connect()["payload"]["snapshot"]["presence"], [])
        self.assertEqual(line.call("system-presence")["error"]["code"], "FORBIDDEN")
