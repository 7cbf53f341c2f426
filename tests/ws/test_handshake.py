# -*- test-case-name: tests.ws.test_handshake -*-
"""Devices at the door: paired unasked, asked about, and coming back with tokens."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import ADMIN, PAIRING, READ, WRITE
from openclaw_tx.values import Principal
from tests.ws.fakes import TOKEN
from tests.ws.harness import House, Line, connect_params
from tests.ws.identity import Identity

FAR = "192.0.2.9"
BY = Principal(id="x", method="local", scopes=frozenset({ADMIN}))
SIGNED = ("id", "mode", "platform", "deviceFamily", "role", "scopes", "token", "signedAt", "nonce", "key")
"""What the proof of a device is about."""


class PairingTests(SynchronousTestCase):
    """Being paired."""

    def setUp(self) -> None:
        self.house = House()
        self.identity = Identity()

    def tearDown(self) -> None:
        self.house.close()

    def come(self, address: str = "127.0.0.1", **changes: Any) -> tuple[Line, Any]:
        line = self.house.open(address)
        return line, line.connect(self.identity, **changes)

    def refused(self, address: str = FAR, **changes: Any) -> Any:
        line, answer = self.come(address, **changes)
        self.assertFalse(answer["ok"])
        assert line.closed is not None
        self.assertEqual(line.closed[0], 1008)
        return answer["error"]

    def test_on_this_machine(self) -> None:
        """A program here is paired unasked, in both protocols, and gets its token; more scopes later as well."""
        for version in (3, 4):
            self.identity = Identity(version)
            _, answer = self.come(minProtocol=version, maxProtocol=version, scopes=[READ])
            auth = answer["payload"]["auth"]
            self.assertEqual((auth["role"], auth["scopes"], len(auth["deviceToken"])), ("operator", [READ], 43))
            self.assertEqual(auth.get("method"), "token" if version == 4 else None)
            self.assertTrue(self.come(scopes=[ADMIN])[1]["ok"])
            device = self.house.book.known(self.identity.id)
            self.assertEqual((device.scopes, device.approved_via), ((READ, ADMIN), "silent"))

    def test_removed_meanwhile(self) -> None:
        """A device that is removed while its pairing is written does not come in: nothing would close it."""
        pairing, book = self.house.devices.pairing, self.house.book
        saved = book.saved

        async def removed() -> None:
            await saved()
            pairing.remove(self.identity.id, BY)

        self.patch(book, "saved", removed)
        self.assertEqual(self.refused("127.0.0.1")["code"], "NOT_PAIRED")

    def test_from_elsewhere(self) -> None:
        """It waits for somebody's word, and is told under which id; then it is let in with what it was given."""
        operator = self.house.ready(scopes=[PAIRING, WRITE])
        error = self.refused(scopes=[WRITE])
        self.assertEqual(
            (error["code"], error["message"]), ("NOT_PAIRED", "pairing required: device is not approved yet")
        )
        details = error["details"]
        self.assertEqual((details["code"], details["reason"]), ("PAIRING_REQUIRED", "not-paired"))
        self.assertEqual((details["requestedRole"], details["requestedScopes"]), ("operator", [WRITE]))
        (event,) = operator.events("device.pair.requested")
        self.assertEqual(event["payload"]["requestId"], details["requestId"])
        self.assertEqual((event["payload"]["remoteIp"], event["payload"]["scopes"]), (FAR, [WRITE]))
        self.assertTrue(operator.call("device.pair.approve", {"requestId": details["requestId"]})["ok"])
        (event,) = operator.events("device.pair.resolved")
        self.assertEqual(event["payload"]["decision"], "approved")
        line, answer = self.come(FAR, scopes=[WRITE])
        self.assertEqual(answer["payload"]["auth"]["scopes"], [WRITE])
        self.assertTrue(line.call("sessions.list")["ok"])

    def test_reason_names_the_request(self) -> None:
        """The close says under which id it waits, as today's clients read it there."""
        line, answer = self.come(FAR)
        request_id = answer["error"]["details"]["requestId"]
        self.assertEqual(line.closed, (1008, f"pairing required: device is not approved yet (requestId: {request_id})"))

    def test_january(self) -> None:
        """In the words of then."""
        error = self.refused(minProtocol=3, maxProtocol=3)
        self.assertEqual((error["code"], error["message"]), ("NOT_PAIRED", "pairing required"))
        self.assertEqual(list(error["details"]), ["requestId"])

    def test_upgrade_from_elsewhere(self) -> None:
        """More scopes or another role than approved are asked about; what is approved is told to the device."""
        self.come(scopes=[READ])
        details = self.refused(scopes=[ADMIN])["details"]
        self.assertEqual((details["reason"], details["approvedScopes"]), ("scope-upgrade", [READ]))
        self.assertEqual(self.refused(role="node", scopes=[])["details"]["reason"], "role-upgrade")
        self.assertTrue(self.come(FAR, scopes=[READ])[1]["ok"])

    def test_pages_are_asked_about(self) -> None:
        """A page on this machine is not paired unasked: any page can reach loopback."""
        line = self.house.open(headers={"Origin": "http://localhost:18789"})
        self.assertEqual(line.connect(self.identity)["error"]["code"], "NOT_PAIRED")

    def test_nothing_without_the_secret(self) -> None:
        """A wrong secret pairs nothing, and makes nobody be asked."""
        error = self.refused("127.0.0.1", auth={"token": "wrong"})
        self.assertEqual(error["details"]["recommendedNextStep"], "retry_with_device_token")
        self.refused(auth={"token": "wrong"})
        self.assertEqual((self.house.book.paired(), self.house.book.pending()), ([], []))

    def test_wrong_device_token_beside_the_secret(self) -> None:
        """Whoever has tried the token of its device is not told to."""
        line = self.house.open()
        challenge = line.events("connect.challenge")[0]["payload"]
        params = connect_params(auth={"token": "wrong", "deviceToken": "made up"})
        line.ask("connect", self.identity.sign(params, challenge["nonce"], challenge["ts"]), id="hello")
        self.house.advance(6)
        (answer,) = line.answers("hello")
        self.assertEqual(answer["error"]["details"]["code"], "AUTH_TOKEN_MISMATCH")
        self.assertFalse(answer["error"]["details"]["canRetryWithDeviceToken"])

    def test_not_on_disk(self) -> None:
        """A token that could not be written is not given out."""
        self.house.files.broken = OSError("no space left")
        line, answer = self.come()
        self.assertEqual(answer["error"]["code"], "UNAVAILABLE")
        self.assertEqual(line.closed and line.closed[0], 1011)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 3)

    def test_another_device_without_device(self) -> None:
        """Nodes need a device; operators on this machine do not."""
        line = self.house.open()
        self.assertEqual(line.connect(role="node")["error"]["details"]["code"], "DEVICE_IDENTITY_REQUIRED")
        self.assertTrue(self.house.open().connect()["ok"])


class FuzzTests(SynchronousTestCase):
    """What was signed is what is asked for."""

    @settings(max_examples=150, deadline=None)
    @given(
        st.sampled_from(
            ["id", "mode", "platform", "deviceFamily", "role", "scopes", "token", "signedAt", "nonce", "key"]
        ),
        st.text(min_size=1, max_size=8),
        st.integers(1, 1_000_000),
    )
    def test_no_other_than_signed(self, field: str, text: str, number: int) -> None:
        """Any change of a signed property after the signature ends the handshake, and pairs nobody."""
        house = House()
        line = house.open()
        challenge = line.events("connect.challenge")[0]["payload"]
        params = Identity().sign(connect_params(), challenge["nonce"], challenge["ts"])
        before = msgspec.json.encode(params)
        if field in ("id", "mode", "platform", "deviceFamily"):
            params["client"] = {**params["client"], field: text}
        elif field == "role":
            params["role"] = "node"
        elif field == "scopes":
            params["scopes"] = [*params["scopes"], text]
        elif field == "token":
            params["auth"] = {"token": TOKEN, "deviceToken": text} if number % 2 else {"token": text}
        elif field == "key":
            params["device"] = {**params["device"], "publicKey": Identity(2).public_key}
        else:
            changed = params["device"]["signedAt"] + number if field == "signedAt" else text
            params["device"] = {**params["device"], field: changed}
        line.ask("connect", params, id="hello")
        house.advance(6)
        (answer,) = line.answers("hello")
        unsigned = field == "token" and number % 2 == 1  # auth.token is there: the other one is not signed
        same = (
            msgspec.json.encode(params) == before
            or text.strip().lower() == "linux"
            or (field == "deviceFamily" and not text.strip())
        )
        self.assertEqual(answer["ok"], same or unsigned, (field, text))
        self.assertEqual(bool(house.book.paired()), same or unsigned)
        house.close()


class TokenTests(SynchronousTestCase):
    """Coming back."""

    def setUp(self) -> None:
        self.house = House()
        self.identity = Identity()
        self.token = self.house.open().connect(self.identity, scopes=[WRITE, PAIRING])["payload"]["auth"]["deviceToken"]

    def tearDown(self) -> None:
        self.house.close()

    def come(self, auth: Any, scopes: Any = (WRITE,), identity: Identity | None = None) -> tuple[Line, Any]:
        line = self.house.open(FAR)
        return line, line.connect(identity or self.identity, auth=auth, scopes=list(scopes))

    def test_let_in(self) -> None:
        """In either field, from anywhere, with what was approved; hello-ok repeats the token."""
        for auth in ({"deviceToken": self.token}, {"token": self.token}):
            line, answer = self.come(auth)
            told = answer["payload"]["auth"]
            self.assertEqual((told["method"], told["scopes"]), ("device-token", [WRITE]))
            self.assertEqual(told["deviceToken"], self.token)
            self.assertTrue(line.call("sessions.list")["ok"])

    def test_more_than_approved(self) -> None:
        """Asking for more is a question to an operator, even on this machine: the secret is not known."""
        line = self.house.open()
        answer = line.connect(self.identity, auth={"deviceToken": self.token}, scopes=[ADMIN])
        self.assertEqual(answer["error"]["details"]["reason"], "scope-upgrade")

    def test_another_device(self) -> None:
        """It is no token of another device."""
        _, answer = self.come({"deviceToken": self.token}, identity=Identity(2))
        self.assertEqual(answer["error"]["details"]["code"], "AUTH_DEVICE_TOKEN_MISMATCH")
        self.assertIn("device token mismatch", answer["error"]["message"])

    def test_revoked(self) -> None:
        """Whoever revokes it is answered first; then the connections that came with it are closed."""
        line, _ = self.come({"deviceToken": self.token}, [PAIRING])
        other = self.house.ready()
        params = {"deviceId": self.identity.id, "role": "operator"}
        self.assertTrue(line.call("device.token.revoke", params)["ok"])
        self.house.advance(0)
        self.assertEqual(line.closed, (4001, "gateway credentials changed"))
        self.assertIsNone(other.closed)
        _, answer = self.come({"deviceToken": self.token})
        self.assertEqual(answer["error"]["details"]["code"], "AUTH_DEVICE_TOKEN_MISMATCH")

    def test_revoked_meanwhile(self) -> None:
        """One that is revoked while its device is let in does not bring it in."""
        book, tokens = self.house.book, self.house.devices.tokens
        saved = book.saved

        async def revoked() -> None:
            await saved()
            tokens.revoke(self.identity.id, "operator", BY)

        self.patch(book, "saved", revoked)
        line = self.house.open(FAR)
        challenge = line.events("connect.challenge")[0]["payload"]
        params = connect_params(auth={"deviceToken": self.token}, scopes=[WRITE])
        signed = self.identity.sign(params, challenge["nonce"], challenge["ts"])
        self.assertEqual(line.answers(line.ask("connect", signed, id="hello")), [])
        self.assertEqual(line.closed, (4001, "gateway credentials changed"))

    def test_removed(self) -> None:
        """All connections of a device that is removed are closed, however they came."""
        lines = [self.house.ready(self.identity), self.come({"deviceToken": self.token})[0]]
        other = self.house.ready()
        self.assertTrue(other.call("device.pair.remove", {"deviceId": self.identity.id})["ok"])
        self.house.advance(0)
        self.assertEqual([line.closed for line in lines], [(4001, "gateway credentials changed")] * 2)
        self.assertIsNone(other.closed)

    def test_with_the_secret(self) -> None:
        """A device that comes with the secret is told the same token again."""
        _, answer = self.come({"token": TOKEN})
        self.assertEqual(answer["payload"]["auth"]["deviceToken"], self.token)
        self.assertEqual(answer["payload"]["auth"]["method"], "token")
