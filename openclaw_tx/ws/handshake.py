# -*- test-case-name: tests.ws.test_handshake -*-
"""Who is let in, as what: the checks of C{connect} in the order of the wire (spec 2.2 item 4).

Schema, protocol, role, proof of the device, credentials, pairing. Nothing of a connection is touched here; it is told
the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from openclaw_tx.auth.actions import ADMIN
from openclaw_tx.auth.device_book import DeviceBook
from openclaw_tx.auth.device_tokens import DeviceTokens
from openclaw_tx.auth.pairing import Claim, Pairing, PairingRequired, covers
from openclaw_tx.auth.pairing_records import PairedDevice
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Authenticator, Peer
from openclaw_tx.values import Principal
from openclaw_tx.wire.frames import Request, decode_params, failure_of
from openclaw_tx.ws import devices
from openclaw_tx.ws.connect import (
    ConnectParams,
    Device,
    Refused,
    check_role,
    for_client,
    negotiate,
    no_device,
    not_authenticated,
    not_paired,
)

SILENT = ("token", "password", "none")
"""Ways to have come in that make an owner: on this machine their devices are paired unasked."""
PAIRED = (*SILENT, "device-token")
"""Ways to have come in that devices are paired with. Keys and users of a proxy have bounds of their own, which a device
would outlive: their device blocks are verified, and change nothing."""


class Granted(Protocol):
    """L{openclaw_tx.auth.actions.granted}."""

    def __call__(
        self, principal: Principal, requested: list[str] | None, *, local_direct: bool, has_origin: bool
    ) -> frozenset[str]: ...


class TrustsPage(Protocol):
    """L{openclaw_tx.auth.origins.trusts_page}, in the configuration of the moment."""

    def __call__(self, principal: Principal, client_id: str, *, local_direct: bool) -> bool: ...


def no_page(principal: Principal, client_id: str, *, local_direct: bool) -> bool:
    """A L{TrustsPage} for whoever serves none."""
    return False


class DeviceRooms(NamedTuple):
    """All about devices."""

    book: DeviceBook
    pairing: Pairing
    tokens: DeviceTokens


class Admitted(NamedTuple):
    """Somebody was let in."""

    principal: Principal
    """With the scopes granted to this connection."""
    scopes: Sequence[str]
    """The same, in the order they were asked for."""
    protocol: int
    params: ConnectParams
    """Without the secrets."""
    local: bool
    """A program on this machine."""
    device_token: str | None = None
    """What its device may come with from now on; None = nothing new."""
    issued_at_ms: int = 0


class Handshake:
    """Decides about C{connect} requests."""

    def __init__(
        self,
        authenticator: Authenticator,
        granted: Granted,
        is_local_direct: Callable[[Peer], bool],
        rooms: DeviceRooms,
        now_ms: Callable[[], int],
        trusts_page: TrustsPage = no_page,
    ) -> None:
        self._authenticator = authenticator
        self._granted = granted
        self._is_local_direct = is_local_direct
        self._rooms = rooms
        self._now_ms = now_ms
        self._trusts_page = trusts_page
        self._known: dict[frozenset[str], frozenset[str]] = {}

    async def admit(self, request: Request, peer: Peer, nonce: str) -> Admitted:
        """
        @param nonce: of the connection's challenge.
        @raise Refused: it is not let in.
        """
        try:
            params = decode_params(ConnectParams, request.params, "connect")
        except GatewayError as error:
            raise Refused(failure_of(error.info)) from None
        protocol = negotiate(params)
        check_role(params)
        local = self._is_local_direct(peer)
        if params.device is not None:
            self._verify(params, params.device, nonce, local)
        credentials = params.credentials()
        try:
            principal = await self._authenticator.authenticate(credentials, peer)
        except GatewayError as error:
            raise not_authenticated(error, params) from None
        trusted = self._trusts_page(principal, params.client.id, local_direct=local)
        local = local and peer.header("origin") is None
        open_params = msgspec.structs.replace(params, auth=None)
        if params.device is not None and principal.method in PAIRED:
            device = self._pair(params, params.device, principal, local, trusted)
            token, issued_at = self._rooms.tokens.at_hello(device, params.role)
            if principal.method == "device-token":
                token = credentials.device_token or credentials.token
            await self._saved(params)
            if self._rooms.book.get(device.device_id) is None:  # it was removed meanwhile
                raise not_paired(PairingRequired("not-paired", None, None), params)
            scopes = _of_device(params, principal, device)
            held = msgspec.structs.replace(principal, scopes=self._one(scopes), device_id=device.device_id)
            return Admitted(held, _ordered(params, scopes), protocol, open_params, local, token, issued_at)
        if params.role == "node":
            raise no_device(params)
        scopes = self._without_device(params, principal, peer, trusted)
        held = msgspec.structs.replace(principal, scopes=self._one(scopes))
        return Admitted(held, _ordered(params, scopes), protocol, open_params, local)

    def _one(self, scopes: frozenset[str]) -> frozenset[str]:
        """The one set that stands for all that are equal. There are few: each scope in them is known."""
        return self._known.setdefault(scopes, scopes)

    def _verify(self, params: ConnectParams, device: Device, nonce: str, local: bool) -> None:
        try:
            devices.verify(params, device, nonce, self._now_ms(), nonce_optional=local and not params.modern)
        except Refused as no:
            raise for_client(no, params) from None

    def _pair(
        self, params: ConnectParams, device: Device, principal: Principal, local: bool, trusted: bool
    ) -> PairedDevice:
        client = params.client
        claim = Claim(
            device_id=device.id,
            public_key=devices.canonical(device.public_key),
            role=params.role,
            scopes=tuple(_requested(params)),
            display_name=client.display_name[:MAX_TEXT],
            platform=client.platform[:MAX_TEXT],
            device_family=client.device_family[:MAX_TEXT],
            client_id=client.id[:MAX_TEXT],
            client_mode=client.mode[:MAX_TEXT],
            remote_ip="" if local else principal.ip,
        )
        try:
            return self._rooms.pairing.admit(claim, silent=trusted or (local and principal.method in SILENT))
        except PairingRequired as error:
            raise not_paired(error, params) from None

    async def _saved(self, params: ConnectParams) -> None:
        """A token that might be forgotten is not given out."""
        try:
            await self._rooms.book.saved()
        except GatewayError as error:
            raise for_client(Refused(failure_of(error.info), 1011), params) from None

    def _without_device(self, params: ConnectParams, principal: Principal, peer: Peer, trusted: bool) -> frozenset[str]:
        local = trusted or self._is_local_direct(peer)
        has_origin = not trusted and peer.header("origin") is not None
        requested = list(_requested(params)) or params.scopes
        return self._granted(principal, requested, local_direct=local, has_origin=has_origin)


MAX_TEXT = 128
"""Characters that are kept of each thing a device says of itself."""


def _requested(params: ConnectParams) -> Sequence[str]:
    """The scopes asked for; the January release takes none for all."""
    if params.role == "operator" and not params.modern and not params.scopes:
        return [ADMIN]
    return params.scopes or ()


def _of_device(params: ConnectParams, principal: Principal, device: PairedDevice) -> frozenset[str]:
    """The scopes of a paired device: those asked for, from anywhere (decision D12). All of them were approved; a token
    may be bound to fewer."""
    if params.role == "node":
        return frozenset()
    approved = device.scopes
    return frozenset(
        scope for scope in _requested(params) if covers(approved, scope) and covers(principal.scopes, scope)
    )


def _ordered(params: ConnectParams, scopes: frozenset[str]) -> Sequence[str]:
    return [scope for scope in params.scopes or () if scope in scopes] or sorted(scopes)


__all__ = ["Admitted", "DeviceRooms", "Granted", "Handshake"]
