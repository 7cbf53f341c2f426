# -*- test-case-name: tests.ws.test_connection,tests.ws.test_devices,tests.ws.test_handshake -*-
"""The C{connect} request: its params, the protocol's number, and every way to refuse it (spec 2.2).

Pure. Texts and details are those of the current protocol (4); a client that offers only protocol 3 gets those of the
January release, which have no details.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET

from openclaw_tx.auth.failures import ws_message
from openclaw_tx.auth.pairing import PairingRequired
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Credentials
from openclaw_tx.wire.frames import NEWEST, OLDEST, Failure, Natural, NonEmpty, Positive, failure_of


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Base of all params: unknown properties are refused."""


class Client(Params, frozen=True):
    """C{client}: what the program says of itself. Any id and mode will do (decision D11)."""

    id: NonEmpty
    version: NonEmpty
    platform: NonEmpty
    mode: NonEmpty
    display_name: str = ""
    build_id: str = ""
    device_family: str = ""
    model_identifier: str = ""
    time_zone: str = ""
    instance_id: str = ""


class Device(Params, frozen=True):
    """C{device}: an identity and the proof of it."""

    id: NonEmpty
    public_key: NonEmpty
    signature: NonEmpty
    signed_at: Natural
    nonce: str = ""


class ConnectAuth(Params, frozen=True):
    """C{auth}. The last three tokens belong to features that this gateway does not have."""

    token: str = ""
    password: str = ""
    device_token: str = ""
    bootstrap_token: str = ""
    approval_runtime_token: str = ""
    agent_runtime_identity_token: str = ""

    def __repr__(self) -> str:
        return "ConnectAuth(...)"


class ConnectParams(Params, frozen=True):
    """Params of C{connect}."""

    min_protocol: Positive
    max_protocol: Positive
    client: Client
    caps: list[NonEmpty] = []
    commands: list[NonEmpty] = []
    permissions: dict[str, bool] = {}
    path_env: str = ""
    role: str = "operator"
    scopes: list[NonEmpty] | None = None
    device: Device | None = None
    auth: ConnectAuth | None = None
    locale: str = ""
    user_agent: str = ""
    computer_use: Any = None
    worker_runs: Any = None

    @property
    def modern(self) -> bool:
        """It speaks, or expects, protocol 4 or newer."""
        return self.max_protocol != OLDEST

    def credentials(self) -> Credentials:
        """What it offers, the secret in whichever field; an empty one counts as none. The proof of the device must
        have been checked."""
        auth = self.auth or ConnectAuth()
        return Credentials(
            token=auth.token or auth.password or None,
            password=auth.password or auth.token or None,
            device_token=auth.device_token or None,
            device_id=self.device.id if self.device is not None else "",
            role=self.role,
            scopes=tuple(self.scopes or ()),
        )


class Refused(Exception):
    """The handshake ends here.

    @ivar failure: what the response says.
    @ivar code: of the close.
    @ivar reason: of the close, to be cut to fit.
    """

    def __init__(self, failure: Failure, code: int = 1008) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.code = code
        self.reason = failure.message


def refused(code: str, message: str, details: dict[str, Any] | None = None, close: int = 1008) -> Refused:
    """A refusal with an error code of the protocol."""
    return Refused(Failure(code=code, message=message, details=details or UNSET), close)


def negotiate(params: ConnectParams) -> Literal[3, 4]:
    """The highest protocol that both sides speak.

    @raise Refused: there is none; close code 1002.
    """
    if params.min_protocol <= NEWEST <= params.max_protocol:
        return 4
    if params.min_protocol <= OLDEST <= params.max_protocol:
        return 3
    details = {
        "code": "PROTOCOL_MISMATCH",
        "clientMinProtocol": params.min_protocol,
        "clientMaxProtocol": params.max_protocol,
        "expectedProtocol": NEWEST,
        "minimumProbeProtocol": OLDEST,
    }
    raise refused("INVALID_REQUEST", "protocol mismatch", details, 1002)


def check_role(params: ConnectParams) -> None:
    """
    @raise Refused: neither an operator nor a node.
    """
    if params.role not in ("operator", "node"):
        raise refused("INVALID_REQUEST", "invalid role")


_MISSING = ("AUTH_TOKEN_MISSING", "AUTH_PASSWORD_MISSING")
_JANUARY: Mapping[str, str] = {
    f"AUTH_{kind}_{what}": f"unauthorized: gateway {kind.lower()} {what.lower()} "
    f"(set gateway.remote.{kind.lower()} to match gateway.auth.{kind.lower()})"
    for kind in ("TOKEN", "PASSWORD")
    for what in ("MISSING", "MISMATCH")
}
_REQUIREMENTS: Mapping[str, tuple[str, str]] = {
    "not-paired": (
        "device is not approved yet",
        "Approve this device, e.g. with: openclaw-tx devices approve",
    ),
    "role-upgrade": (
        "device is asking for a higher role than currently approved",
        "Look at the role that is asked for, then approve the request.",
    ),
    "scope-upgrade": (
        "device is asking for more scopes than currently approved",
        "Look at the scopes that are asked for, then approve the request.",
    ),
}


def not_authenticated(error: GatewayError, params: ConnectParams) -> Refused:
    """What a client is told whose credentials were refused.

    A client with neither secret nor device is told to bring a device; one with a device and the wrong token, to try
    the token of its device, as OpenClaw does.
    """
    details = error.info.details or {}
    code = details.get("code", "")
    if code in _MISSING and params.device is None:
        return no_device(params)
    message = ws_message(error)
    if not params.modern:
        message = _JANUARY.get(code, message)
    failure = msgspec.structs.replace(failure_of(error.info), message=message)
    auth = params.auth or ConnectAuth()
    if code == "AUTH_TOKEN_MISMATCH" and params.device is not None and not auth.device_token:
        retry = {"canRetryWithDeviceToken": True, "recommendedNextStep": "retry_with_device_token"}
        failure = msgspec.structs.replace(failure, details={**details, **retry})
    return for_client(Refused(failure), params)


def no_device(params: ConnectParams) -> Refused:
    """Only a device may ask for that."""
    return for_client(refused("NOT_PAIRED", "device identity required", {"code": "DEVICE_IDENTITY_REQUIRED"}), params)


def not_paired(error: PairingRequired, params: ConnectParams) -> Refused:
    """The device has to be approved first. Protocol 3 is told nothing but the id of the request; what is approved so
    far is told only to the device itself, which has proved its key."""
    request_id = error.request.request_id if error.request is not None else None
    if not params.modern:
        return refused("NOT_PAIRED", "pairing required", {"requestId": request_id} if request_id else None)
    requirement, hint = _REQUIREMENTS[error.reason]
    details: dict[str, Any] = {"code": "PAIRING_REQUIRED", "reason": error.reason, "remediationHint": hint}
    if request_id is not None:
        details["requestId"] = request_id
    if params.device is not None:
        details["deviceId"] = params.device.id
    details["requestedRole"] = params.role
    details["requestedScopes"] = list(params.scopes or ())
    if error.known is not None:
        details["approvedRoles"] = list(error.known.roles)
        details["approvedScopes"] = list(error.known.scopes)
    message = f"pairing required: {requirement}"
    refusal = refused("NOT_PAIRED", message, details)
    if request_id is not None:
        refusal.reason = f"{message} (requestId: {request_id})"
    return refusal


def for_client(refusal: Refused, params: ConnectParams) -> Refused:
    """The refusal as this client's protocol words it: protocol 3 has no details."""
    if params.modern or refusal.code == 1002:
        return refusal
    return Refused(msgspec.structs.replace(refusal.failure, details=UNSET), refusal.code)
