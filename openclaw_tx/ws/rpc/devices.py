# -*- test-case-name: tests.ws.rpc.test_devices -*-
"""C{device.pair.*} and C{device.token.*}, and what operators are told of devices (spec 2.2 items 8 and 9).

Every change is on disk before it is answered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.actions import ADMIN, may, missing_scope
from openclaw_tx.auth.device_book import News, Resolved
from openclaw_tx.auth.pairing import manages
from openclaw_tx.auth.pairing_records import PairingRequest, public_row
from openclaw_tx.auth.sight import is_bounded
from openclaw_tx.values import Principal
from openclaw_tx.wire.frames import MAX_ID, NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.connection import Connection
from openclaw_tx.ws.handshake import DeviceRooms
from openclaw_tx.ws.methods import Call, Method

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID)]
LIST = "device.pair.list"
"""Action of whoever is told of requests."""


class NoParams(Params, frozen=True):
    """Params of C{device.pair.list}: none."""


class RequestParams(Params, frozen=True):
    """Params of C{device.pair.approve} and C{device.pair.reject}."""

    request_id: Id


class DeviceParams(Params, frozen=True):
    """Params of C{device.pair.remove}."""

    device_id: Id


class RenameParams(Params, frozen=True):
    """Params of C{device.pair.rename}."""

    device_id: Id
    label: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\S")]


class TokenParams(Params, frozen=True):
    """Params of C{device.token.revoke}."""

    device_id: Id
    role: Id


class RotateParams(Params, frozen=True):
    """Params of C{device.token.rotate}."""

    device_id: Id
    role: Id
    scopes: list[NonEmpty] | None = None


class Hub(Protocol):
    """L{openclaw_tx.ws.hub.Hub}, as far as it is needed here."""

    def tell_if(self, event: str, payload: Any, wants: Callable[[Connection], bool]) -> None: ...

    def revalidate(self) -> None: ...

    def hang_up(self, device_id: str) -> None: ...

    def devices(self) -> frozenset[str]: ...


class DeviceNews:
    """Tells operators of requests and how they came out."""

    def __init__(self, hub: Hub, now_ms: Callable[[], int]) -> None:
        self._hub = hub
        self._now_ms = now_ms

    def tell(self, news: News) -> None:
        """To those that may approve."""
        if isinstance(news, PairingRequest):
            self._tell("device.pair.requested", request_row(news))
        elif isinstance(news, Resolved):
            payload = {
                "requestId": news.request.request_id,
                "deviceId": news.request.device_id,
                "decision": news.decision,
                "ts": self._now_ms(),
            }
            self._tell("device.pair.resolved", payload)

    def _tell(self, event: str, payload: dict[str, Any]) -> None:
        self._hub.tell_if(event, payload, lambda connection: sees(connection.principal, payload["deviceId"]))


class DeviceMethods:
    """The family of devices. A device without C{operator.admin} sees and manages itself only."""

    def __init__(self, rooms: DeviceRooms, hub: Hub, clock: IReactorTime) -> None:
        self._rooms = rooms
        self._hub = hub
        self._clock = clock

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("device.pair.list", LIST, NoParams, self.list),
            Method("device.pair.approve", "device.pair.approve", RequestParams, self.approve),
            Method("device.pair.reject", "device.pair.reject", RequestParams, self.reject),
            Method("device.pair.remove", "device.pair.remove", DeviceParams, self.remove),
            Method("device.pair.rename", "device.pair.rename", RenameParams, self.rename),
            Method("device.token.rotate", "device.token.rotate", RotateParams, self.rotate),
            Method("device.token.revoke", "device.token.revoke", TokenParams, self.revoke),
        ]

    async def list(self, call: Call[NoParams]) -> Any:
        """Those that wait and those that are paired, the newest first."""
        principal = unbounded(call.principal)
        book, connected = self._rooms.book, self._hub.devices()
        return {
            "pending": [request_row(one) for one in book.pending() if sees(principal, one.device_id)],
            "paired": [
                {**public_row(one), "connected": one.device_id in connected}
                for one in book.paired()
                if sees(principal, one.device_id)
            ],
        }

    async def approve(self, call: Call[RequestParams]) -> Any:
        """Let the device in, which asks again by itself."""
        device = self._rooms.pairing.approve(call.params.request_id, unbounded(call.principal))
        await self._rooms.book.saved()
        return {"requestId": call.params.request_id, "device": public_row(device)}

    async def reject(self, call: Call[RequestParams]) -> Any:
        """Do not let it in; it may ask again."""
        request = self._rooms.pairing.reject(call.params.request_id, unbounded(call.principal))
        await self._rooms.book.saved()
        return {"requestId": request.request_id, "deviceId": request.device_id}

    async def remove(self, call: Call[DeviceParams]) -> Any:
        """Forget a device; its connections are closed."""
        device_id = call.params.device_id
        self._rooms.pairing.remove(device_id, unbounded(call.principal))
        try:
            await self._rooms.book.saved()
        finally:
            self._clock.callLater(0, self._hub.hang_up, device_id)  # perhaps on the caller: answer first
        return {"deviceId": device_id}

    async def rename(self, call: Call[RenameParams]) -> Any:
        """Give a device a name that people know it by."""
        label = call.params.label.strip()
        self._rooms.pairing.rename(call.params.device_id, label, unbounded(call.principal))
        await self._rooms.book.saved()
        return {"deviceId": call.params.device_id, "label": label}

    async def rotate(self, call: Call[RotateParams]) -> Any:
        """Make a new token. Only the device itself and administrators are told it; a connection that came with the old
        one is closed."""
        params, principal = call.params, unbounded(call.principal)
        token, kept = self._rooms.tokens.rotate(params.device_id, params.role, params.scopes, principal)
        try:
            await self._rooms.book.saved()
        finally:
            self._clock.callLater(0, self._hub.revalidate)
        device = self._rooms.book.known(params.device_id)
        bound = device.scopes if kept.scopes is None else kept.scopes
        answer = {
            "deviceId": params.device_id,
            "role": params.role,
            "scopes": list(bound) if params.role == "operator" else [],
            "rotatedAtMs": kept.rotated_at_ms or kept.created_at_ms,
        }
        if ADMIN in principal.scopes or principal.device_id == params.device_id:
            return {**answer, "token": token, "tokenDelivery": "in-band"}
        return {**answer, "tokenDelivery": "withheld-cross-device"}

    async def revoke(self, call: Call[TokenParams]) -> Any:
        """Withdraw a token; a connection that came with it is closed."""
        params = call.params
        at_ms = self._rooms.tokens.revoke(params.device_id, params.role, unbounded(call.principal))
        try:
            await self._rooms.book.saved()
        finally:
            self._clock.callLater(0, self._hub.revalidate)
        return {"deviceId": params.device_id, "role": params.role, "revokedAtMs": at_ms}


def sees(principal: Principal, device_id: str) -> bool:
    """Whether it may know of a device."""
    return may(principal, LIST) and not is_bounded(principal) and manages(principal, device_id)


def unbounded(principal: Principal) -> Principal:
    """
    @raise GatewayError: C{insufficient_scope}: a key that has bounds knows nothing of devices.
    """
    if is_bounded(principal):
        raise missing_scope(ADMIN)
    return principal


def request_row(request: PairingRequest) -> dict[str, Any]:
    """A request as clients see it."""
    row: dict[str, Any] = msgspec.to_builtins(request)
    return {**row, "role": request.role, "roles": [request.role], "scopes": list(request.scopes)}


__all__ = ["DeviceMethods", "DeviceNews", "request_row", "sees", "unbounded"]
