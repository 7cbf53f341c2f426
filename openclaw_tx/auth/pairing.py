# -*- test-case-name: tests.auth.test_pairing -*-
"""Which devices are let in, and for which role and scopes (spec 2.2 item 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from twisted.logger import Logger

from openclaw_tx.auth.actions import ADMIN, OPERATOR_SCOPES, missing_scope, sufficient
from openclaw_tx.auth.device_book import DeviceBook, Removed, Resolved
from openclaw_tx.auth.pairing_records import NodeSurface, PairedDevice, PairingRequest
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Principal

Reason = Literal["not-paired", "role-upgrade", "scope-upgrade"]
"""C{details.reason} of the current protocol."""


class Claim(NamedTuple):
    """What a device asks for. It has proved its key, and its client knows the gateway's secret or its own token."""

    device_id: str
    public_key: str
    role: str
    scopes: tuple[str, ...]
    """As asked for; those that this gateway does not know are not asked about."""
    display_name: str = ""
    platform: str = ""
    device_family: str = ""
    client_id: str = ""
    client_mode: str = ""
    remote_ip: str = ""


class PairingRequired(Exception):
    """The device has to be approved first.

    @ivar request: what waits for approval; None = too many wait already.
    @ivar known: the device as far as it is approved.
    """

    def __init__(self, reason: Reason, request: PairingRequest | None, known: PairedDevice | None) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.request = request
        self.known = known


def covers(approved: Iterable[str], scope: str) -> bool:
    """Whether C{scope} is among the scopes, or implied by one."""
    return not frozenset(approved).isdisjoint(sufficient(scope))


def manages(principal: Principal, device_id: str) -> bool:
    """A device that is no administrator manages itself only."""
    return ADMIN in principal.scopes or principal.device_id in ("", device_id)


class Pairing:
    """Lets devices in, and asks about them."""

    def __init__(self, book: DeviceBook, new_id: Callable[[], str]) -> None:
        """
        @param new_id: makes ids of requests.
        """
        self._book = book
        self._new_id = new_id
        self._log = Logger()

    def admit(self, claim: Claim, *, silent: bool) -> PairedDevice:
        """Let a device in, or remember that it wants to be.

        @param silent: approve what is missing without asking anybody.
        @raise PairingRequired: it has to be approved first.
        """
        known = self._book.get(claim.device_id)
        reason = _lacking(claim, known)
        if reason is None:
            assert known is not None
            return self._book.seen(known)
        if known is None and self._book.full:
            self._log.warn("too many devices are paired: remove one to pair another")
            raise PairingRequired(reason, None, None)
        if silent:
            request = self._make_request(claim, known)
            device = self._pair(request, "silent")
            self._book.tell(Resolved(request, "approved"))
            return device
        raise PairingRequired(reason, self._ask(claim, known), known)

    def approve(self, request_id: str, principal: Principal) -> PairedDevice:
        """Pair the device that a request is about.

        @raise GatewayError: C{invalid_request}: no such request, or not for this caller; C{insufficient_scope}: nobody
            gives what they do not hold.
        """
        request = self._book.request(request_id)
        if ADMIN not in principal.scopes:
            if request.role != "operator" or principal.device_id not in ("", request.device_id):
                raise GatewayError("invalid_request", "device pairing approval denied")
            for scope in request.scopes:
                if not covers(principal.scopes, scope):
                    raise missing_scope(scope)
        if self._book.full and self._book.get(request.device_id) is None:
            raise GatewayError("invalid_request", "too many devices are paired: remove one first")
        self._book.answered(request)
        device = self._pair(request, "operator")
        self._book.tell(Resolved(request, "approved"))
        return device

    def reject(self, request_id: str, principal: Principal) -> PairingRequest:
        """Refuse a request.

        @raise GatewayError: C{invalid_request}: no such request, or not for this caller.
        """
        request = self._book.request(request_id)
        if not manages(principal, request.device_id):
            raise GatewayError("invalid_request", "device pairing rejection denied")
        self._book.answered(request)
        self._book.tell(Resolved(request, "rejected"))
        return request

    def remove(self, device_id: str, principal: Principal) -> None:
        """Forget a device and its tokens.

        @raise GatewayError: C{invalid_request}: it is not there, or not for this caller.
        """
        if not manages(principal, device_id):
            raise GatewayError("invalid_request", "device pairing removal denied")
        self._book.known(device_id)
        self._book.drop(device_id)
        self._book.tell(Removed(device_id))

    def rename(self, device_id: str, name: str, principal: Principal) -> PairedDevice:
        """Give a device another name.

        @raise GatewayError: C{invalid_request}: it is not there, or not for this caller.
        """
        if not manages(principal, device_id):
            raise GatewayError("invalid_request", "device pairing rename denied")
        return self._book.replace(self._book.known(device_id), display_name=name)

    def approve_node(self, device_id: str, surface: NodeSurface | None) -> PairedDevice:
        """Approve what a node offers; None takes it back.

        @raise GatewayError: C{invalid_request}: it is not there.
        """
        return self._book.replace(self._book.known(device_id), node=surface)

    # -- inside

    def _ask(self, claim: Claim, known: PairedDevice | None) -> PairingRequest | None:
        """The request of a device: the one that waits already if it covers this claim, else a new one in its place."""
        waiting = next((one for one in self._book.pending() if one.device_id == claim.device_id), None)
        if waiting is not None:
            if waiting.role == claim.role and set(_scopes(claim)) <= set(waiting.scopes):
                return waiting
            self._book.answered(waiting)
            self._book.tell(Resolved(waiting, "rejected"))
        if not self._book.takes_request(claim.remote_ip):
            self._log.warn("too many devices wait to be paired; one from {ip} is refused", ip=claim.remote_ip)
            return None
        request = self._make_request(claim, known)
        self._book.ask(request)
        self._book.tell(request)
        return request

    def _make_request(self, claim: Claim, known: PairedDevice | None) -> PairingRequest:
        return PairingRequest(
            request_id=self._new_id(),
            **{**claim._asdict(), "scopes": _scopes(claim)},
            is_repair=known is not None,
            ts=self._book.now_ms(),
        )

    def _pair(self, request: PairingRequest, via: Literal["silent", "operator"]) -> PairedDevice:
        """Add what a request asks for to what the device holds."""
        now = self._book.now_ms()
        known = self._book.get(request.device_id)
        if known is not None and known.public_key != request.public_key:
            known = None  # another key is another device: nothing of the old one is kept
        known = known or PairedDevice(device_id=request.device_id, public_key=request.public_key, created_at_ms=now)
        return self._book.replace(
            known,
            display_name=request.display_name or known.display_name,
            platform=request.platform,
            device_family=request.device_family,
            client_id=request.client_id,
            client_mode=request.client_mode,
            remote_ip=request.remote_ip,
            roles=_joined(known.roles, (request.role,)),
            scopes=_joined(known.scopes, request.scopes),
            approved_via=via,
            approved_at_ms=now,
            last_seen_at_ms=now if via == "silent" else known.last_seen_at_ms,
        )


def _joined(some: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*some, *more]))


def _scopes(claim: Claim) -> tuple[str, ...]:
    """The scopes asked for that there are; a node holds none."""
    if claim.role != "operator":
        return ()
    return tuple(scope for scope in dict.fromkeys(claim.scopes) if scope in OPERATOR_SCOPES)


def _lacking(claim: Claim, known: PairedDevice | None) -> Reason | None:
    """Why a claim takes an approval; None = it does not."""
    if known is None or known.public_key != claim.public_key:
        return "not-paired"
    if claim.role not in known.roles:
        return "role-upgrade"
    return None if all(covers(known.scopes, scope) for scope in _scopes(claim)) else "scope-upgrade"


__all__ = ["Claim", "Pairing", "PairingRequired", "Reason", "covers", "manages"]
