# -*- test-case-name: tests.auth.test_device_auth -*-
"""Tokens of devices: made at the first hello, bound to a device, a role and scopes (spec 2.2 item 9).

Only digests are kept on disk, so a token that was made before this process began can not be told again; the device has
it. The scopes of a token are never more than those approved for its device at the moment.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence

from openclaw_tx.auth.device_book import DeviceBook, News, Removed
from openclaw_tx.auth.pairing import covers, manages
from openclaw_tx.auth.pairing_records import DeviceToken, PairedDevice, digest
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Principal

_NO_DIGEST = "0" * 64


class DeviceTokens:
    """Makes, finds and withdraws them."""

    def __init__(self, book: DeviceBook, entropy: Callable[[int], bytes]) -> None:
        """
        @param entropy: random bytes.
        """
        self._book = book
        self._entropy = entropy
        self._issued: dict[tuple[str, str], str] = {}
        """Tokens made since the start, to be told again to whoever comes with the secret."""
        book.subscribe(self._on_news)

    def at_hello(self, device: PairedDevice, role: str) -> tuple[str | None, int]:
        """The token that a device may come with from now on in this role, and when it was made, in ms. It is made now
        if there is none.

        @return: None for one that can not be told again.
        """
        token = device.tokens.get(role)
        if token is None:
            return self._issue(device, role, None), self._book.now_ms()
        return self._issued.get((device.device_id, role)), token.rotated_at_ms or token.created_at_ms

    def find(self, device_id: str, role: str, offered: str) -> DeviceToken | None:
        """The token of a device, if it is the offered one. Takes the same time wherever they differ."""
        token = self.get(device_id, role)
        return token if hmac.compare_digest(digest(offered), token.hash if token else _NO_DIGEST) else None

    def holder(self, role: str, offered: str) -> str | None:
        """The id of the device whose token the offered one is, for a client that names no device. All are looked at, so
        that the time does not tell which it was nearly."""
        wanted = digest(offered)
        found = None
        for device in self._book.paired():
            token = self.get(device.device_id, role)
            if token is not None and hmac.compare_digest(wanted, token.hash):
                found = device.device_id
        return found

    def get(self, device_id: str, role: str) -> DeviceToken | None:
        """What is kept of a token."""
        device = self._book.get(device_id)
        return None if device is None or role not in device.roles else device.tokens.get(role)

    def scopes(self, device_id: str, role: str) -> frozenset[str]:
        """What a token stands for now."""
        device = self._book.get(device_id)
        token = self.get(device_id, role)
        if device is None or token is None or role != "operator":
            return frozenset()
        bound = device.scopes if token.scopes is None else token.scopes
        return frozenset(scope for scope in bound if covers(device.scopes, scope))

    def rotate(
        self, device_id: str, role: str, scopes: Sequence[str] | None, principal: Principal
    ) -> tuple[str, DeviceToken]:
        """Make a new token; the old one is no longer good.

        @param scopes: narrower ones than the device's; None = as they are.
        @return: the token, and what is kept of it.
        @raise GatewayError: C{invalid_request}: no such device or role, or not for this caller.
        """
        device = self._book.get(device_id)
        if device is None or role not in device.roles or not manages(principal, device_id):
            raise GatewayError("invalid_request", "device token rotation denied")
        old = device.tokens.get(role)
        bound = tuple(scopes) if scopes is not None else old.scopes if old is not None else None
        wanted = () if role != "operator" else device.scopes if bound is None else bound
        if not all(covers(device.scopes, scope) and covers(principal.scopes, scope) for scope in wanted):
            raise GatewayError("invalid_request", "device token rotation denied")
        token = self._issue(device, role, bound, old)
        kept = self.get(device_id, role)
        assert kept is not None
        return token, kept

    def revoke(self, device_id: str, role: str, principal: Principal) -> int:
        """Withdraw a token. The device stays paired, and gets another one when it comes with the gateway's secret.

        @return: when, in ms.
        @raise GatewayError: C{invalid_request}: there is none, or not for this caller.
        """
        device = self._book.get(device_id)
        if device is None or role not in device.tokens or not manages(principal, device_id):
            raise GatewayError("invalid_request", "device token revocation denied")
        self._book.replace(device, tokens={name: token for name, token in device.tokens.items() if name != role})
        self._issued.pop((device_id, role), None)
        return self._book.now_ms()

    def _issue(
        self, device: PairedDevice, role: str, scopes: tuple[str, ...] | None, old: DeviceToken | None = None
    ) -> str:
        now = self._book.now_ms()
        token = urlsafe_b64encode(self._entropy(32)).rstrip(b"=").decode("ascii")
        kept = DeviceToken(
            hash=digest(token),
            scopes=scopes,
            created_at_ms=old.created_at_ms if old is not None else now,
            rotated_at_ms=now if old is not None else 0,
        )
        self._issued[device.device_id, role] = token
        self._book.replace(device, tokens={**device.tokens, role: kept})
        return token

    def _on_news(self, news: News) -> None:
        if isinstance(news, Removed):
            for key in [key for key in self._issued if key[0] == news.device_id]:
                del self._issued[key]


__all__ = ["DeviceTokens"]
