# -*- test-case-name: tests.auth.test_device_auth -*-
"""Tokens of devices, and authentication by them."""

from __future__ import annotations

from typing import Any

from openclaw_tx.auth.actions import ADMIN, OPERATOR_SCOPES, PAIRING, READ, WRITE
from openclaw_tx.auth.device_auth import DeviceAuthenticator
from openclaw_tx.auth.device_book import DeviceBook
from openclaw_tx.auth.device_tokens import DeviceTokens
from openclaw_tx.auth.pairing import Pairing
from openclaw_tx.auth.pairing_records import PairedDevice, digest
from openclaw_tx.deferreds import in_reactor_thread
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Authenticator
from openclaw_tx.values import Credentials, Principal
from tests.auth.doubles import REMOTE, AuthTestCase, Entropy, FakePeer, MemoryFiles, config_of, detail

FAR = FakePeer(REMOTE)
OWNER = Principal(id="o", method="token", scopes=OPERATOR_SCOPES)


def offering(token: str = "", *, device_token: str = "", device: str = "d1", **more: Any) -> Credentials:
    """What a client of a device offers."""
    return Credentials(
        token=token or None, password=token or None, device_token=device_token or None, device_id=device, **more
    )


class DeviceTestCase(AuthTestCase):
    """A paired device with a token."""

    def setUp(self) -> None:
        super().setUp()
        self.guard = self.auth
        self.files = MemoryFiles()
        self.book = DeviceBook(self.files, self.clock, in_reactor_thread)  # type: ignore[arg-type]
        self.tokens = DeviceTokens(self.book, Entropy())
        self.pairing = Pairing(self.book, lambda: "r")
        devices = DeviceAuthenticator(self.guard, self.tokens, lambda: self.config)
        seam: Authenticator = devices
        self.auth = seam  # type: ignore[assignment]
        self.device = self.book.put(
            PairedDevice(device_id="d1", public_key="k", roles=("operator", "node"), scopes=(WRITE, PAIRING))
        )
        self.token = self.issue("operator")

    def issue(self, role: str) -> str:
        token, _ = self.tokens.at_hello(self.book.known("d1"), role)
        assert token is not None
        return token


class TokenTests(DeviceTestCase):
    """Making, finding, withdrawing."""

    def test_made_once(self) -> None:
        """The same token is told until the process ends; then only its digest is known."""
        self.assertEqual(self.issue("operator"), self.token)
        self.assertEqual(len(self.token), 43)
        self.assertNotEqual(self.issue("node"), self.token)
        self.assertNotIn(self.token, repr(self.files.snapshot))
        self.assertEqual(self.files.snapshot.paired["d1"].tokens["operator"].hash, digest(self.token))
        again = DeviceTokens(self.book, Entropy())
        self.assertEqual(again.at_hello(self.book.known("d1"), "operator")[0], None)
        self.assertIsNotNone(again.find("d1", "operator", self.token))

    def test_bound(self) -> None:
        """It is good for its device and role only."""
        self.issue("node")
        self.assertIsNotNone(self.tokens.find("d1", "operator", self.token))
        for device, role in [("d1", "node"), ("d2", "operator"), ("", "operator"), ("d1", "boss")]:
            self.assertIsNone(self.tokens.find(device, role, self.token))
        self.assertIsNone(self.tokens.find("d1", "operator", self.token[:-1] + "\ud800"))

    def test_scopes_follow_the_device(self) -> None:
        """A token stands for what is approved now; a narrower one never for more than its own."""
        self.assertEqual(self.tokens.scopes("d1", "operator"), {WRITE, PAIRING})
        self.tokens.rotate("d1", "operator", [READ], OWNER)
        self.assertEqual(self.tokens.scopes("d1", "operator"), {READ})
        self.book.replace(self.book.known("d1"), scopes=(PAIRING,))
        self.assertEqual(self.tokens.scopes("d1", "operator"), frozenset())
        self.assertEqual(self.tokens.scopes("d1", "node"), frozenset())

    def test_forgotten_with_its_device(self) -> None:
        """When a device is removed its token is told nobody any more, and those of others still are."""
        other = PairedDevice(device_id="d2", public_key="k2", roles=("operator",), scopes=(READ,))
        token, _ = self.tokens.at_hello(self.book.put(other), "operator")
        self.pairing.remove("d1", OWNER)
        self.assertEqual(self.tokens.at_hello(self.book.known("d2"), "operator")[0], token)
        self.book.put(self.device)
        self.assertNotIn(self.tokens.at_hello(self.book.known("d1"), "operator")[0], (None, self.token))

    def test_rotate(self) -> None:
        """The old one is no longer good, the new one is."""
        self.clock.advance(5)
        token, kept = self.tokens.rotate("d1", "operator", None, OWNER)
        self.assertIsNone(self.tokens.find("d1", "operator", self.token))
        self.assertIsNotNone(self.tokens.find("d1", "operator", token))
        self.assertEqual((kept.created_at_ms, kept.rotated_at_ms), (0, 5000))
        self.assertEqual(self.issue("operator"), token)

    def test_denied(self) -> None:
        """Not beyond the device's scopes or one's own, not for other devices, not what is not there."""
        other = Principal(id="x", method="device-token", scopes=frozenset({PAIRING, WRITE}), device_id="d2")
        weak = Principal(id="x", method="token", scopes=frozenset({PAIRING}))
        for device, role, scopes, who in [
            ("d1", "operator", [ADMIN], OWNER),
            ("d1", "operator", [WRITE], weak),
            ("d1", "operator", None, weak),
            ("d1", "operator", None, other),
            ("d9", "operator", None, OWNER),
            ("d1", "boss", None, OWNER),
        ]:
            self.assertRaises(GatewayError, self.tokens.rotate, device, role, scopes, who)
        for device, role, who in [("d1", "operator", other), ("d9", "operator", OWNER), ("d1", "node", OWNER)]:
            self.assertRaises(GatewayError, self.tokens.revoke, device, role, who)
        self.assertIsNotNone(self.tokens.find("d1", "operator", self.token))

    def test_revoke(self) -> None:
        """It is gone; with the secret the device gets another one."""
        self.tokens.revoke("d1", "operator", OWNER)
        self.assertIsNone(self.tokens.find("d1", "operator", self.token))
        self.assertNotEqual(self.issue("operator"), self.token)

    def test_removed(self) -> None:
        """Nothing is left of the tokens of a device that was removed."""
        self.pairing.remove("d1", OWNER)
        self.assertIsNone(self.tokens.find("d1", "operator", self.token))
        self.book.put(self.device)
        self.assertNotEqual(self.issue("operator"), self.token)


class AuthenticateTests(DeviceTestCase):
    """Coming with one."""

    def test_either_field(self) -> None:
        """As C{deviceToken} or as C{token}; it holds what its device was approved for."""
        for credentials in (offering(device_token=self.token), offering(self.token)):
            principal = self.accepted(credentials, FAR)
            self.assertEqual((principal.id, principal.method), ("device:d1", "device-token"))
            self.assertEqual(principal.scopes, {WRITE, PAIRING})
            self.assertTrue(self.auth.is_valid(principal))
        self.assertEqual(len(self.guard.limiter), 0)

    def test_beside_a_wrong_secret(self) -> None:
        """A right device token is enough, and the secret is not looked at: nothing can be learned of it."""
        self.assertEqual(self.accepted(offering("guess", device_token=self.token), FAR).method, "device-token")
        self.assertEqual(self.accepted(offering("right-token", device_token=self.token), FAR).method, "device-token")

    def test_not_of_this_device(self) -> None:
        """Without the proof of the device, or with another one's, it is no token."""
        for device in ("", "d2"):
            error = self.refused(offering(device_token=self.token, device=device), FakePeer("192.0.2.77"))
            self.assertEqual(detail(error), "AUTH_DEVICE_TOKEN_MISMATCH")
            error = self.refused(offering(self.token, device=device), FakePeer("192.0.2.78"))
            self.assertEqual(detail(error), "AUTH_TOKEN_MISMATCH")

    def test_alone_it_reads(self) -> None:
        """Where a page may come with its token alone it gets to read, no more, and nothing is counted; in the token's
        place the secret does as well."""
        alone = offering(self.token, device="", any_device=True)
        for peer in (FAR, FakePeer()):
            principal = self.accepted(alone, peer)
            self.assertEqual((principal.id, principal.scopes), ("device:d1", {READ}))
            self.assertTrue(self.auth.is_valid(principal))
        self.assertEqual(len(self.guard.limiter), 0)
        secret = offering("right-token", device="", any_device=True)
        self.assertEqual(self.accepted(secret, FAR).method, "token")
        self.tokens.revoke("d1", "operator", OWNER)
        self.assertFalse(self.auth.is_valid(principal))
        self.refused(alone, FAR)

    def test_alone_it_does_not_read_more_than_its_device(self) -> None:
        """A device without the scope has none here, and a node's token is none at all."""
        self.book.replace(self.device, scopes=(PAIRING,), tokens=self.book.known("d1").tokens)
        self.assertEqual(self.accepted(offering(self.token, device="", any_device=True), FAR).scopes, frozenset())
        self.refused(offering(self.issue("node"), device="", any_device=True), FAR)

    def test_alone_wrong_ones_count(self) -> None:
        """With the secret's guesses: beyond the limit neither is looked at, and none tells whether it was right."""
        self.config = config_of(auth={"mode": "token", "token": "right-token", "rateLimit": {"maxAttempts": 3}})
        for number in range(3):
            self.refused(offering(f"guess{number}", device="", any_device=True), FAR)
        for token in (self.token, "right-token"):
            error = self.refused(offering(token, device="", any_device=True), FAR)
            self.assertEqual(detail(error), "AUTH_RATE_LIMITED")
        self.config = config_of(auth={"mode": "none"})
        self.refused(offering(self.token, device="", any_device=True), FAR)

    def test_alone_forgives_no_guesses(self) -> None:
        """Who has a device's token may not guess at the secret without end."""
        self.config = config_of(auth={"mode": "token", "token": "right-token", "rateLimit": {"maxAttempts": 3}})
        for number in range(3):
            self.accepted(offering(self.token, device="", any_device=True), FAR)
            self.refused(offering(f"guess{number}"), FAR)
        self.assertEqual(detail(self.refused(offering("right-token"), FAR)), "AUTH_RATE_LIMITED")

    def test_every_wrong_one_counts(self) -> None:
        """Wrong device tokens lock out, also those offered beside the right secret; the secret still works then, and
        the device's token is not even looked at."""
        self.config = config_of(auth={"mode": "token", "token": "right-token", "rateLimit": {"maxAttempts": 3}})
        self.refused(offering(device_token="wrong"), FAR)
        self.accepted(offering("right-token", device_token="wrong"), FAR)
        self.refused(offering("guess", device_token="wrong"), FAR)
        self.assertEqual(detail(self.refused(offering(device_token=self.token), FAR)), "AUTH_RATE_LIMITED")
        self.assertEqual(self.accepted(offering("right-token", device_token=self.token), FAR).method, "token")

    def test_bogus_device_token_is_no_way_around(self) -> None:
        """PR 57647: guesses at the secret count, whatever device token is offered beside them."""
        self.config = config_of(auth={"mode": "token", "token": "right-token", "rateLimit": {"maxAttempts": 3}})
        for number in range(3):
            self.refused(offering(f"guess{number}", device_token=f"bogus{number}"), FAR)
        self.assertEqual(detail(self.refused(offering("right-token"), FAR)), "AUTH_RATE_LIMITED")

    def test_local_guesses_are_late(self) -> None:
        """Programs on this machine are slowed down instead."""
        self.refused(offering(device_token="wrong"), after=0.25)
        self.refused(offering(device_token="wrong"), after=0.5)

    def test_bound_to_fewer_scopes(self) -> None:
        """A token that was made narrower does not give more; what the device itself lacks is a matter of pairing."""
        token, _ = self.tokens.rotate("d1", "operator", [READ], OWNER)
        error = self.refused(offering(device_token=token, scopes=(WRITE,)), FAR)
        self.assertEqual(detail(error), "AUTH_SCOPE_MISMATCH")
        self.assertEqual(self.accepted(offering(device_token=token, scopes=(READ,)), FAR).scopes, {READ})
        self.tokens.revoke("d1", "operator", OWNER)
        token = self.issue("operator")
        self.assertEqual(self.accepted(offering(token, scopes=(ADMIN,)), FAR).scopes, {WRITE, PAIRING})

    def test_modes(self) -> None:
        """It outlives another secret, but not a mode without one."""
        principal = self.accepted(offering(self.token), FAR)
        self.config = config_of(auth={"mode": "password", "password": "another"})
        self.assertTrue(self.auth.is_valid(principal))
        self.assertEqual(self.accepted(offering(self.token), FAR).method, "device-token")
        self.config = config_of(auth={"mode": "none"})
        self.assertFalse(self.auth.is_valid(principal))
        self.assertEqual(detail(self.refused(offering(device_token=self.token), FAR)), "AUTH_UNAUTHORIZED")

    def test_validity(self) -> None:
        """Rotated, revoked or removed, it is no longer good."""
        principal = self.accepted(offering(self.token), FAR)
        token, _ = self.tokens.rotate("d1", "operator", None, OWNER)
        self.assertFalse(self.auth.is_valid(principal))
        principal = self.accepted(offering(token), FAR)
        self.tokens.revoke("d1", "operator", OWNER)
        self.assertFalse(self.auth.is_valid(principal))
        principal = self.accepted(offering(self.issue("operator")), FAR)
        self.pairing.remove("d1", OWNER)
        self.assertFalse(self.auth.is_valid(principal))
        self.assertTrue(self.auth.is_valid(self.accepted(offering("right-token"), FAR)))
