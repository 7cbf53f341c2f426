# -*- test-case-name: tests.ws.test_devices -*-
"""Proof of a device identity: an Ed25519 signature over what the client asks for (spec 2.2 item 6).

A device block that is sent is verified whatever else is sent, and a wrong one ends the handshake. Which devices are let
in is L{openclaw_tx.auth.pairing}'s business.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from openclaw_tx.ws.connect import ConnectParams, Device, Refused, refused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SKEW_MS = 600_000
"""How far C{signedAt} may be from the gateway's clock. The nonce is what makes a proof fresh; this only bounds it."""


def payloads(params: ConnectParams, device: Device) -> Sequence[str]:
    """The texts that a client may have signed, newest form first.

    v1 has no nonce; v2 adds it; v3 adds platform and device family.
    """
    client = params.client
    token = (params.auth.token or params.auth.device_token) if params.auth else ""
    fields = [
        device.id,
        client.id,
        client.mode,
        params.role,
        ",".join(params.scopes or ()),
        str(device.signed_at),
        token,
    ]
    if not device.nonce:
        return ["|".join(["v1", *fields])]
    fields.append(device.nonce)
    traits = [client.platform.strip().lower(), client.device_family.strip().lower()]
    return ["|".join(["v3", *fields, *traits]), "|".join(["v2", *fields])]


def verify(params: ConnectParams, device: Device, nonce: str, now_ms: int, *, nonce_optional: bool) -> None:
    """Check that the client holds the key that its device id names.

    @param nonce: of this connection's challenge.
    @param nonce_optional: accept a proof without a nonce, which can be replayed: only protocol 3 on loopback.
    @raise Refused: the proof is wrong.
    """
    raw = _key_bytes(device.public_key)
    if raw is None or hashlib.sha256(raw).hexdigest() != device.id:
        raise _wrong("device identity mismatch", "DEVICE_AUTH_DEVICE_ID_MISMATCH", "device-id-mismatch")
    if abs(now_ms - device.signed_at) > SKEW_MS:
        raise _wrong("device signature expired", "DEVICE_AUTH_SIGNATURE_EXPIRED", "device-signature-stale")
    if not device.nonce and not nonce_optional:
        if not params.modern:
            raise _wrong("device nonce required", "DEVICE_AUTH_NONCE_REQUIRED", "device-nonce-missing")
        raise refused("INVALID_REQUEST", "invalid connect params: at /device: must have required property 'nonce'")
    if device.nonce and device.nonce != nonce:
        raise _wrong("device nonce mismatch", "DEVICE_AUTH_NONCE_MISMATCH", "device-nonce-mismatch")
    key = _key(raw)
    if key is None:
        raise _wrong("device public key invalid", "DEVICE_AUTH_PUBLIC_KEY_INVALID", "device-public-key")
    signature = _unbase64(device.signature)
    if signature is None or not any(_signed(key, signature, text) for text in payloads(params, device)):
        raise _wrong("device signature invalid", "DEVICE_AUTH_SIGNATURE_INVALID", "device-signature")


def canonical(public_key: str) -> str:
    """A key as base64url without padding, in whichever form it came. It must have been verified."""
    return base64.urlsafe_b64encode(_key_bytes(public_key) or b"").rstrip(b"=").decode("ascii")


def _wrong(message: str, code: str, reason: str) -> Refused:
    return refused("INVALID_REQUEST", message, {"code": code, "reason": reason})


def _key_bytes(text: str) -> bytes | None:
    """The raw key from base64url (or base64) of its 32 bytes, or from PEM."""
    if "BEGIN" not in text:
        return _unbase64(text)
    lines = [line.strip() for line in text.strip().splitlines()]
    der = _unbase64("".join(line for line in lines if not line.startswith("-----")))
    return der[-32:] if der is not None and len(der) == 44 else None


def _unbase64(text: str) -> bytes | None:
    try:
        plain = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _key(raw: bytes) -> Ed25519PublicKey | None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # slow to import, rarely needed

    try:
        return Ed25519PublicKey.from_public_bytes(raw)
    except ValueError:
        return None


def _signed(key: Ed25519PublicKey, signature: bytes, text: str) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, text.encode("utf-8"))
    except InvalidSignature:
        return False
    return True
