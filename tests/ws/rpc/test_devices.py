# -*- test-case-name: tests.ws.rpc.test_devices -*-
"""C{device.*}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import PAIRING, READ, WRITE
from tests.ws.harness import House
from tests.ws.identity import Identity


class DeviceMethodTests(SynchronousTestCase):
    """Called by operators and by devices."""

    def setUp(self) -> None:
        self.house = House()
        self.owner = self.house.ready()
        self.identity = Identity()

    def tearDown(self) -> None:
        self.house.close()

    def test_list(self) -> None:
        """In the recorded form: tokens by role and scope, never themselves."""
        line = self.house.ready(self.identity, scopes=[WRITE, READ])
        self.house.open("192.0.2.9").connect(Identity(2), scopes=[READ])
        listed = self.owner.call("device.pair.list")["payload"]
        (row,) = listed["paired"]
        now = self.house.book.now_ms()
        self.assertEqual(
            {name: value for name, value in row.items() if name not in ("publicKey", "deviceId")},
            {
                "platform": "linux",
                "clientId": "cli",
                "clientMode": "cli",
                "role": "operator",
                "roles": ["operator"],
                "scopes": [WRITE, READ],
                "approvedVia": "silent",
                "createdAtMs": now,
                "approvedAtMs": now,
                "lastSeenAtMs": now,
                "connected": True,
                "tokens": [{"role": "operator", "scopes": sorted([READ, WRITE]), "createdAtMs": now}],
            },
        )
        self.assertEqual((row["deviceId"], row["publicKey"]), (self.identity.id, self.identity.public_key))
        (request,) = listed["pending"]
        self.assertEqual((request["deviceId"], request["roles"]), (Identity(2).id, ["operator"]))
        line.client.transport.loseConnection()
        self.house.flush()
        self.assertFalse(self.owner.call("device.pair.list")["payload"]["paired"][0]["connected"])

    def test_a_device_sees_itself(self) -> None:
        """Without admin, a device is shown nothing of others."""
        self.house.ready(Identity(2))
        line = self.house.ready(self.identity, scopes=[PAIRING])
        rows = line.call("device.pair.list")["payload"]["paired"]
        self.assertEqual([row["deviceId"] for row in rows], [self.identity.id])
        self.house.open("192.0.2.9").connect(Identity(3))
        self.assertEqual(len(self.owner.events("device.pair.requested")), 1)
        self.assertEqual(line.events("device.pair.requested"), [])
        self.assertEqual(len(self.owner.call("device.pair.list")["payload"]["paired"]), 2)

    def test_reject(self) -> None:
        """It is told to those that may approve."""
        answer = self.house.open("192.0.2.9").connect(self.identity)
        request_id = answer["error"]["details"]["requestId"]
        self.assertEqual(
            self.owner.call("device.pair.reject", {"requestId": request_id})["payload"],
            {"requestId": request_id, "deviceId": self.identity.id},
        )
        (event,) = self.owner.events("device.pair.resolved")
        self.assertEqual(event["payload"]["decision"], "rejected")
        error = self.owner.call("device.pair.reject", {"requestId": request_id})["error"]
        self.assertEqual((error["code"], error["message"]), ("INVALID_REQUEST", "unknown requestId"))

    def test_rename(self) -> None:
        """A name, without spaces around it."""
        self.house.ready(self.identity)
        params = {"deviceId": self.identity.id, "label": " Desk "}
        self.assertEqual(self.owner.call("device.pair.rename", params)["payload"]["label"], "Desk")
        self.assertEqual(self.house.book.known(self.identity.id).display_name, "Desk")

    def test_rotate(self) -> None:
        """Administrators and the device itself are told the token, others that it is withheld."""
        self.house.ready(self.identity, scopes=[PAIRING])
        params = {"deviceId": self.identity.id, "role": "operator"}
        told = self.owner.call("device.token.rotate", params)["payload"]
        self.assertEqual((told["tokenDelivery"], told["scopes"]), ("in-band", [PAIRING]))
        line = self.house.open("192.0.2.9")
        self.assertTrue(line.connect(self.identity, auth={"token": told["token"]}, scopes=[PAIRING])["ok"])
        some = self.house.ready(scopes=[PAIRING])
        told = some.call("device.token.rotate", params)["payload"]
        self.assertEqual((told["tokenDelivery"], told.get("token")), ("withheld-cross-device", None))
        self.house.advance(0)
        self.assertEqual(line.closed, (4001, "gateway credentials changed"))

    def test_refusals(self) -> None:
        """What is not there, and who may not."""
        for method, params in [
            ("device.pair.approve", {"requestId": "nobody"}),
            ("device.pair.remove", {"deviceId": "nobody"}),
            ("device.pair.rename", {"deviceId": "nobody", "label": "x"}),
            ("device.pair.rename", {"deviceId": "nobody", "label": " "}),
            ("device.token.rotate", {"deviceId": "nobody", "role": "operator"}),
            ("device.token.revoke", {"deviceId": "nobody", "role": "operator"}),
            ("device.pair.list", {"zz": 1}),
        ]:
            self.assertEqual(self.owner.call(method, params)["error"]["code"], "INVALID_REQUEST", method)
        reader = self.house.ready(scopes=[READ, WRITE])
        self.assertEqual(reader.call("device.pair.list")["error"]["code"], "FORBIDDEN")

    def test_keys_with_bounds(self) -> None:
        """A key of a few sessions knows nothing of devices."""
        self.house.authenticator.prefix = "team:"
        line = self.house.ready()
        self.assertEqual(line.call("device.pair.list")["error"]["code"], "FORBIDDEN")
