# -*- test-case-name: tests.auth.test_device_auth -*-
"""Authentication of devices by their tokens, around that by the gateway's secret (spec 2.2 item 7, 9.4).

Every offered device token that is wrong counts, under the limiter's own scope, whatever else is offered beside it; and
whatever is not a device's token goes on to the shared secret and counts there.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final

import msgspec

from openclaw_tx.auth import origins
from openclaw_tx.auth.actions import READ
from openclaw_tx.auth.device_tokens import DeviceTokens
from openclaw_tx.auth.failures import unauthorized
from openclaw_tx.auth.limiter import Attempt, attempt_of
from openclaw_tx.auth.methods import SECRET_MODES, SHARED_SECRET, GatewayAuthenticator
from openclaw_tx.auth.pairing import covers
from openclaw_tx.auth.pairing_records import DeviceToken
from openclaw_tx.config.schema import Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Peer
from openclaw_tx.values import Credentials, Principal

DEVICE_TOKEN: Final = "device-token"
"""Method of principals that came with one, and the limiter's name for guesses at them."""


class DeviceAuthenticator:
    """Implements L{openclaw_tx.interfaces.Authenticator}: device tokens first, everything else by C{guard}."""

    def __init__(self, guard: GatewayAuthenticator, tokens: DeviceTokens, settings: Callable[[], Config]) -> None:
        """
        @param settings: the configuration of the moment.
        """
        self._guard = guard
        self._tokens = tokens
        self._settings = settings
        self.check_origin = guard.check_origin
        self.is_local_direct = guard.is_local_direct

    async def authenticate(self, credentials: Credentials, peer: Peer) -> Principal:
        """See L{openclaw_tx.interfaces.Authenticator.authenticate}.

        @raise GatewayError: besides, with the detail codes C{AUTH_DEVICE_TOKEN_MISMATCH} and C{AUTH_SCOPE_MISMATCH}.
        """
        if credentials.any_device and credentials.token and self._guard.auth_mode() in SECRET_MODES:
            return await self._reader(credentials, credentials.token, peer)
        named = credentials.device_token
        claimed = named or (credentials.token if credentials.device_id else None)
        if not claimed or self._guard.auth_mode() not in SECRET_MODES:
            return await self._guard.authenticate(credentials, peer)
        alone = not credentials.token and not credentials.password
        attempt = self._attempt(peer, DEVICE_TOKEN)
        try:
            self._guard.limiter.check(attempt)
        except GatewayError:
            if alone:
                raise
            return await self._guard.authenticate(credentials, peer)  # the token is not even looked at
        token = self._tokens.find(credentials.device_id, credentials.role, claimed)
        if token is not None:
            self._guard.limiter.succeeded(attempt)
            return self._principal(credentials, peer, token)
        if named:
            await self._guard.limiter.failed(attempt)
        if alone:
            raise unauthorized("AUTH_DEVICE_TOKEN_MISMATCH")
        return await self._guard.authenticate(credentials, peer)

    def is_valid(self, principal: Principal) -> bool:
        """See L{openclaw_tx.interfaces.Authenticator.is_valid}."""
        if principal.method != DEVICE_TOKEN:
            return self._guard.is_valid(principal)
        token = self._tokens.get(principal.device_id, principal.device_role)
        in_force = token is not None and hmac.compare_digest(token.hash, principal.credential)
        return in_force and self._guard.auth_mode() in SECRET_MODES

    async def _reader(self, credentials: Credentials, claimed: str, peer: Peer) -> Principal:
        """Who comes with a token alone: its device, which may read and no more, since nothing proves that the token was
        not stolen. What is no device's token goes on to the shared secret and counts there; so whoever is locked out
        there is not listened to here either."""
        attempts = [self._attempt(peer, scope) for scope in (DEVICE_TOKEN, SHARED_SECRET)]
        try:
            for attempt in attempts:
                self._guard.limiter.check(attempt)
        except GatewayError:
            return await self._guard.authenticate(credentials, peer)  # the token is not even looked at
        device_id = self._tokens.holder("operator", claimed)
        token = self._tokens.get(device_id, "operator") if device_id else None
        if device_id is None or token is None:
            return await self._guard.authenticate(credentials, peer)
        self._guard.limiter.succeeded(attempts[0])
        held = self._principal(msgspec.structs.replace(credentials, device_id=device_id, scopes=()), peer, token)
        reads = frozenset({READ}) if covers(held.scopes, READ) else frozenset()
        return msgspec.structs.replace(held, scopes=reads)

    def _principal(self, credentials: Credentials, peer: Peer, token: DeviceToken) -> Principal:
        """Who comes with a token. Scopes that the device itself does not have yet are a question of pairing.

        @raise GatewayError: the token is bound to less than what is asked for.
        """
        if token.scopes is not None and not all(covers(token.scopes, scope) for scope in credentials.scopes):
            raise unauthorized("AUTH_SCOPE_MISMATCH")
        return Principal(
            id=f"device:{credentials.device_id}",
            method=DEVICE_TOKEN,
            scopes=self._tokens.scopes(credentials.device_id, credentials.role),
            ip=self._guard.client_of(peer).address,
            credential=token.hash,
            device_id=credentials.device_id,
            device_role=credentials.role,
        )

    def _attempt(self, peer: Peer, scope: str) -> Attempt:
        limits = self._settings().gateway.auth.rate_limit
        client = self._guard.client_of(peer)
        return attempt_of(scope, client, peer.header("origin"), origins.is_browser(peer), limits)


__all__ = ["DEVICE_TOKEN", "DeviceAuthenticator"]
