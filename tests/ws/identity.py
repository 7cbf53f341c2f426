"""A device of a test, and the gateway's rooms that know devices."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.device_book import DeviceBook
from openclaw_tx.auth.device_tokens import DeviceTokens
from openclaw_tx.auth.pairing import Pairing
from openclaw_tx.deferreds import in_reactor_thread
from openclaw_tx.ws.connect import ConnectParams, Device
from openclaw_tx.ws.devices import payloads
from openclaw_tx.ws.handshake import DeviceRooms
from tests.auth.doubles import Entropy, MemoryFiles


def device_rooms(clock: IReactorTime, files: Any = None, new_id: Callable[[], str] | None = None) -> DeviceRooms:
    """Rooms whose files are in memory."""
    numbers = count(1)
    book = DeviceBook(files or MemoryFiles(), clock, in_reactor_thread)
    make_id = new_id or (lambda: f"request-{next(numbers)}")
    return DeviceRooms(book, Pairing(book, make_id), DeviceTokens(book, Entropy()))


class Identity:
    """A key pair.

    @ivar id: SHA-256 of the public key, in hex.
    """

    def __init__(self, seed: int = 1) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        raw = self._key.public_key().public_bytes_raw()
        self.id = hashlib.sha256(raw).hexdigest()
        self.public_key = _base64(raw)

    def sign(self, params: dict[str, Any], nonce: str, now_ms: int) -> dict[str, Any]:
        """Connect params with the proof of this device."""
        device = {"id": self.id, "publicKey": self.public_key, "signature": "x", "signedAt": now_ms, "nonce": nonce}
        unsigned = msgspec.convert({**params, "device": device}, ConnectParams)
        assert unsigned.device is not None
        text = payloads(unsigned, msgspec.convert(device, Device))[0]
        return {**params, "device": {**device, "signature": _base64(self._key.sign(text.encode()))}}


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
