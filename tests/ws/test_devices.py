# -*- test-case-name: tests.ws.test_devices -*-
"""Device proofs, against signatures that real clients made."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.ws.connect import Client, ConnectAuth, ConnectParams, Device, Refused
from openclaw_tx.ws.devices import SKEW_MS, payloads, verify

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text("utf-8"))
BROKEN = ("hs-device-badsig", "hs-device-id-wrong", "hs-device-pubkey-bad")
GOOD = [vector for vector in VECTORS if vector["name"] not in BROKEN]


def params_of(vector: Any) -> tuple[ConnectParams, Device]:
    """The connect params that were signed, put together from the signed text."""
    version, _device_id, client_id, mode, role, scopes, signed_at, token, *rest = vector["payload"].split("|")
    device = Device(
        id=vector["id"],
        public_key=vector["publicKey"],
        signature=vector["signature"],
        signed_at=int(signed_at),
        nonce=rest[0] if rest else "",
    )
    params = ConnectParams(
        min_protocol=3,
        max_protocol=4,
        client=Client(
            id=client_id,
            version="1",
            platform=" Linux " if version == "v3" else "other",
            mode=mode,
            device_family=rest[2].upper() if version == "v3" else "",
        ),
        role=role,
        scopes=scopes.split(","),
        auth=ConnectAuth(token=token),
        device=device,
    )
    return params, device


def check(
    params: ConnectParams, device: Device, *, nonce: str | None = None, late_ms: int = 0, lax: bool = False
) -> str:
    """The refusal of a proof; "" when it is good."""
    try:
        verify(
            params,
            device,
            device.nonce if nonce is None else nonce,
            device.signed_at + late_ms,
            nonce_optional=lax,
        )
    except Refused as no:
        details = no.failure.details
        return no.reason if isinstance(details, msgspec.UnsetType) else f"{no.reason} {details['code']}"
    return ""


class VectorTests(SynchronousTestCase):
    """Recorded signatures."""

    def test_all_forms_are_there(self) -> None:
        """The vectors cover v1, v2 and v3 of both releases."""
        forms = {(vector["release"], vector["payload"][:2]) for vector in GOOD}
        self.assertEqual(
            forms, {(release, form) for release in ("2026.9.6", "2026.1.30") for form in ("v1", "v2", "v3")}
        )

    def test_payload(self) -> None:
        """The text that the client signed is among those that are tried."""
        for vector in GOOD:
            self.assertIn(vector["payload"], payloads(*params_of(vector)), vector["name"])

    def test_good(self) -> None:
        """Every good signature is accepted; one without a nonce only where that is allowed."""
        for vector in GOOD:
            params, device = params_of(vector)
            self.assertEqual(check(params, device, lax=True), "", vector["name"])
            self.assertEqual(check(params, device) == "", bool(device.nonce), vector["name"])

    def test_broken(self) -> None:
        """The recorded forgeries are refused with the recorded words."""
        wanted = {
            "hs-device-badsig": "device signature invalid DEVICE_AUTH_SIGNATURE_INVALID",
            "hs-device-id-wrong": "device identity mismatch DEVICE_AUTH_DEVICE_ID_MISMATCH",
            "hs-device-pubkey-bad": "device identity mismatch DEVICE_AUTH_DEVICE_ID_MISMATCH",
        }
        for vector in VECTORS:
            if vector["name"] in BROKEN:
                self.assertEqual(check(*params_of(vector)), wanted[vector["name"]])

    def test_every_signed_field_matters(self) -> None:
        """A good signature does not stand for another request."""
        for vector in GOOD:
            params, device = params_of(vector)
            replace = msgspec.structs.replace
            changed = [
                replace(params, scopes=["operator.admin"]),
                replace(params, role="node"),
                replace(params, auth=ConnectAuth(token="other")),
                replace(params, client=replace(params.client, id="other")),
                replace(params, client=replace(params.client, mode="other")),
            ]
            if vector["payload"].startswith("v3"):
                changed.append(replace(params, client=replace(params.client, platform="darwin")))
            for other in changed:
                self.assertIn("signature invalid", check(other, device, lax=True))
            later = replace(device, signed_at=device.signed_at + 1)
            self.assertIn("signature invalid", check(params, later, lax=True))


class RulesTests(SynchronousTestCase):
    """What else is checked."""

    def setUp(self) -> None:
        vector = next(vector for vector in GOOD if vector["payload"].startswith("v2"))
        self.params, self.device = params_of(vector)

    def test_skew(self) -> None:
        """A proof is good for ten minutes either way."""
        self.assertEqual(check(self.params, self.device, late_ms=SKEW_MS), "")
        self.assertEqual(check(self.params, self.device, late_ms=-SKEW_MS), "")
        expired = "device signature expired DEVICE_AUTH_SIGNATURE_EXPIRED"
        self.assertEqual(check(self.params, self.device, late_ms=SKEW_MS + 1), expired)
        self.assertEqual(check(self.params, self.device, late_ms=-SKEW_MS - 1), expired)

    def test_nonce(self) -> None:
        """The nonce must be this connection's, even where none is needed."""
        mismatch = "device nonce mismatch DEVICE_AUTH_NONCE_MISMATCH"
        self.assertEqual(check(self.params, self.device, nonce="another"), mismatch)
        self.assertEqual(check(self.params, self.device, nonce="another", lax=True), mismatch)
        without = msgspec.structs.replace(self.device, nonce="")
        self.assertIn("must have required property 'nonce'", check(self.params, without))
        january = msgspec.structs.replace(self.params, max_protocol=3)
        self.assertEqual(check(january, without), "device nonce required DEVICE_AUTH_NONCE_REQUIRED")

    def test_pem(self) -> None:
        """A key in PEM is the same key."""
        raw = base64.urlsafe_b64decode(self.device.public_key + "=")
        pem = Ed25519PublicKey.from_public_bytes(raw).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.assertEqual(check(self.params, msgspec.structs.replace(self.device, public_key=pem.decode())), "")

    def test_rubbish(self) -> None:
        """Keys and signatures that are none are refused, not stumbled over."""
        replace = msgspec.structs.replace
        for key in ["!", "ä", "AAAA", "-----BEGIN PUBLIC KEY-----", "-----BEGIN x\nAAAA\n-----END x", "A" * 100_000]:
            self.assertIn("identity mismatch", check(self.params, replace(self.device, public_key=key)))
        for signature in ["!", "ä", "AAAA", "A" * 86, "A" * 100_000]:
            self.assertIn("signature invalid", check(self.params, replace(self.device, signature=signature)))

    def test_key_of_wrong_length(self) -> None:
        """A device may be named after anything, but only 32 bytes are a key."""
        device = msgspec.structs.replace(self.device, public_key="AAAA", id=hashlib.sha256(b"\0\0\0").hexdigest())
        self.assertEqual(check(self.params, device), "device public key invalid DEVICE_AUTH_PUBLIC_KEY_INVALID")
