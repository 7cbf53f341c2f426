# -*- test-case-name: tests.auth.test_failures -*-
"""Every way authentication says no, as one closed table: detail codes and texts of the Gateway protocol (spec 2.2).

HTTP clients see the short message of the error; WebSocket clients see L{ws_message}, which names the remedy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

from openclaw_tx.errors import GatewayError

Detail = Literal[
    "AUTH_TOKEN_MISSING",
    "AUTH_TOKEN_MISMATCH",
    "AUTH_TOKEN_NOT_CONFIGURED",
    "AUTH_PASSWORD_MISSING",
    "AUTH_PASSWORD_MISMATCH",
    "AUTH_PASSWORD_NOT_CONFIGURED",
    "AUTH_DEVICE_TOKEN_MISMATCH",
    "AUTH_SCOPE_MISMATCH",
    "AUTH_UNAUTHORIZED",
    "AUTH_RATE_LIMITED",
]


class Refusal(NamedTuple):
    """What a detail code says to a WebSocket client."""

    reason: str
    """C{details.authReason}."""
    next_step: str
    """C{details.recommendedNextStep}."""
    text: str
    """Message of the response and reason of the close."""


_USE_TOKEN = "use this gateway's gateway.auth.token or pair the device"
_USE_PASSWORD = "use this gateway's gateway.auth.password"

REFUSALS: Mapping[str, Refusal] = {
    "AUTH_TOKEN_MISSING": Refusal(
        "token_missing", "update_auth_configuration", f"unauthorized: gateway token missing ({_USE_TOKEN})"
    ),
    "AUTH_TOKEN_MISMATCH": Refusal(
        "token_mismatch", "update_auth_credentials", f"unauthorized: gateway token mismatch ({_USE_TOKEN})"
    ),
    "AUTH_TOKEN_NOT_CONFIGURED": Refusal(
        "token_missing_config",
        "update_auth_configuration",
        "unauthorized: this gateway has no usable token (set gateway.auth.token)",
    ),
    "AUTH_PASSWORD_MISSING": Refusal(
        "password_missing", "update_auth_configuration", f"unauthorized: gateway password missing ({_USE_PASSWORD})"
    ),
    "AUTH_PASSWORD_MISMATCH": Refusal(
        "password_mismatch", "update_auth_credentials", f"unauthorized: gateway password mismatch ({_USE_PASSWORD})"
    ),
    "AUTH_PASSWORD_NOT_CONFIGURED": Refusal(
        "password_missing_config",
        "update_auth_configuration",
        "unauthorized: this gateway has no usable password (set gateway.auth.password)",
    ),
    "AUTH_DEVICE_TOKEN_MISMATCH": Refusal(
        "device_token_mismatch",
        "update_auth_credentials",
        "unauthorized: device token mismatch (rotate/reissue device token)",
    ),
    "AUTH_SCOPE_MISMATCH": Refusal(
        "scope_mismatch",
        "review_auth_configuration",
        "unauthorized: device token scope mismatch (re-pair or approve scope upgrade)",
    ),
    "AUTH_UNAUTHORIZED": Refusal("unauthorized", "review_auth_configuration", "unauthorized"),
    "AUTH_RATE_LIMITED": Refusal(
        "rate_limited",
        "wait_then_retry",
        "unauthorized: too many failed authentication attempts (retry later)",
    ),
}
"""Detail code -> what goes with it."""


def _details(code: Detail, reason: str = "") -> dict[str, object]:
    refusal = REFUSALS[code]
    return {
        "code": code,
        "authReason": reason or refusal.reason,
        "canRetryWithDeviceToken": False,
        "recommendedNextStep": refusal.next_step,
    }


def unauthorized(code: Detail, reason: str = "") -> GatewayError:
    """C{invalid_api_key} (401) with its detail code.

    @param reason: a more exact C{authReason} than the code's own.
    """
    return GatewayError("invalid_api_key", "Unauthorized", details=_details(code, reason))


def rate_limited(seconds: float) -> GatewayError:
    """C{rate_limit_exceeded} (429) for too many wrong secrets.

    @param seconds: until another attempt makes sense; the client is told whole seconds, rounded up, at least one.
    """
    return GatewayError(
        "rate_limit_exceeded",
        "Too many failed authentication attempts. Please try again later.",
        retry_after=float(max(1, math.ceil(seconds))),
        details=_details("AUTH_RATE_LIMITED"),
    )


def proxy_attribution_required() -> GatewayError:
    """C{proxy_attribution_required} (403): forwarding headers that nobody trusted vouches for."""
    return GatewayError(
        "proxy_attribution_required",
        "Proxy client attribution is required. Configure gateway.trustedProxies narrowly and make the proxy "
        "overwrite or safely rebuild forwarded client headers.",
        details={"code": "PROXY_ATTRIBUTION_REQUIRED"},
    )


def origin_not_allowed() -> GatewayError:
    """C{origin_not_allowed} (403): a page of a foreign site."""
    return GatewayError(
        "origin_not_allowed",
        "origin not allowed (open the Control UI from the gateway host or allow it in "
        "gateway.controlUi.allowedOrigins)",
        details={"code": "CONTROL_UI_ORIGIN_NOT_ALLOWED", "reason": "origin not allowed"},
    )


def host_not_allowed() -> GatewayError:
    """C{origin_not_allowed} (403): an unauthenticated gateway called by a name that may be a rebound one."""
    return GatewayError(
        "origin_not_allowed",
        "host not allowed (gateway.auth.mode none answers only to localhost, loopback addresses and hosts named in "
        "gateway.controlUi.allowedOrigins)",
        details={"code": "HOST_NOT_ALLOWED", "reason": "host not allowed"},
    )


def ws_message(error: GatewayError) -> str:
    """The text that a WebSocket client reads for C{error}: the protocol's own for a refusal of authentication,
    otherwise the error's message. Fits a close reason (at most 123 bytes) for every code of L{REFUSALS}."""
    refusal = REFUSALS.get(str((error.info.details or {}).get("code")))
    return error.info.message if refusal is None else refusal.text
