"""The one family of errors, and the closed list of codes that clients may see.

Every refusal in the gateway is a L{GatewayError}. Its code fixes the HTTP status, OpenAI's C{error.type}, the
WebSocket error code and whether a client may retry; both surfaces render the same error from the same table.

Sources: OpenAI error object (message, type, param, code); openai-python retry rules for C{x-should-retry}.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec


class Kind(NamedTuple):
    """What a code means on each surface."""

    status: int
    """HTTP status."""
    type: str
    """OpenAI's C{error.type}."""
    should_retry: bool | None
    """C{x-should-retry}: True, False, or None for no header (the status already tells)."""
    ws: str
    """Error code of the Gateway WebSocket protocol."""


_INVALID = "invalid_request_error"
_API = "api_error"

CODES: Mapping[str, Kind] = {
    # the request
    "invalid_request": Kind(400, _INVALID, None, "INVALID_REQUEST"),
    "unsupported_parameter": Kind(400, _INVALID, None, "INVALID_REQUEST"),
    "invalid_image": Kind(400, _INVALID, None, "INVALID_REQUEST"),
    "tool_name_conflict": Kind(400, _INVALID, None, "INVALID_REQUEST"),
    "context_length_exceeded": Kind(400, _INVALID, None, "INVALID_REQUEST"),
    "invalid_api_key": Kind(401, "unauthorized", None, "INVALID_REQUEST"),
    "insufficient_scope": Kind(403, "forbidden", None, "FORBIDDEN"),
    "proxy_attribution_required": Kind(403, "proxy_attribution_required", None, "INVALID_REQUEST"),
    "origin_not_allowed": Kind(403, "forbidden", None, "INVALID_REQUEST"),
    "not_found": Kind(404, _INVALID, None, "INVALID_REQUEST"),
    "endpoint_disabled": Kind(404, _INVALID, None, "INVALID_REQUEST"),
    "model_not_found": Kind(404, _INVALID, None, "INVALID_REQUEST"),
    "session_not_found": Kind(404, _INVALID, None, "INVALID_REQUEST"),
    "run_not_found": Kind(404, _INVALID, None, "INVALID_REQUEST"),
    "approval_not_found": Kind(404, _INVALID, None, "APPROVAL_NOT_FOUND"),
    "method_not_allowed": Kind(405, _INVALID, None, "INVALID_REQUEST"),
    "body_timeout": Kind(408, _INVALID, False, "INVALID_REQUEST"),
    "session_busy": Kind(409, _INVALID, False, "INVALID_REQUEST"),
    "idempotency_key_conflict": Kind(409, _INVALID, False, "INVALID_REQUEST"),
    "payload_too_large": Kind(413, _INVALID, None, "INVALID_REQUEST"),
    "unsupported_content_encoding": Kind(415, _INVALID, None, "INVALID_REQUEST"),
    # admission
    "rate_limit_exceeded": Kind(429, "rate_limited", None, "INVALID_REQUEST"),
    "budget_exceeded": Kind(429, "insufficient_quota", False, "UNAVAILABLE"),
    "queue_full": Kind(429, "rate_limit_error", True, "UNAVAILABLE"),
    "too_many_connections": Kind(503, _API, True, "UNAVAILABLE"),
    "no_channels": Kind(503, _API, False, "UNAVAILABLE"),
    "registry_unavailable": Kind(503, _API, False, "UNAVAILABLE"),
    "delivery_failed": Kind(502, _API, False, "UNAVAILABLE"),
    "gateway_draining": Kind(503, _API, True, "UNAVAILABLE"),
    # the provider
    "provider_auth": Kind(401, "authentication_error", False, "UNAVAILABLE"),
    "provider_forbidden": Kind(403, "permission_error", False, "UNAVAILABLE"),
    "provider_billing": Kind(402, "insufficient_quota", False, "UNAVAILABLE"),
    "provider_rejected": Kind(400, _INVALID, False, "UNAVAILABLE"),
    "provider_rate_limit": Kind(429, "rate_limit_error", True, "UNAVAILABLE"),
    "provider_error": Kind(502, _API, True, "UNAVAILABLE"),
    "provider_overloaded": Kind(503, _API, True, "UNAVAILABLE"),
    "provider_timeout": Kind(504, _API, True, "UNAVAILABLE"),
    "local_model_not_installed": Kind(503, _API, False, "UNAVAILABLE"),
    # the run
    "run_failed": Kind(500, _API, False, "UNAVAILABLE"),
    "run_aborted": Kind(499, _API, False, "UNAVAILABLE"),
    "run_interrupted": Kind(500, _API, False, "UNAVAILABLE"),
    "run_timeout": Kind(504, _API, False, "UNAVAILABLE"),
    "empty_response": Kind(502, _API, False, "UNAVAILABLE"),
    "structured_output_failed": Kind(502, _API, False, "UNAVAILABLE"),
    "tool_choice_unmet": Kind(502, _API, False, "UNAVAILABLE"),
    "storage_unavailable": Kind(503, _API, True, "UNAVAILABLE"),
    # nodes
    "node_unavailable": Kind(503, _API, True, "UNAVAILABLE"),
    "node_failed": Kind(502, _API, False, "UNAVAILABLE"),
    # streams only
    "slow_consumer": Kind(503, _API, False, "UNAVAILABLE"),
    "gateway_restarting": Kind(503, _API, False, "UNAVAILABLE"),
    "replay_gap": Kind(410, _INVALID, False, "INVALID_REQUEST"),
    "internal_error": Kind(500, _API, False, "UNAVAILABLE"),
}
"""Every code a client may see. A test holds the list against docs/errors.md."""


class ErrorInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A L{GatewayError} as a value: what a journal keeps and what both surfaces render."""

    code: str
    message: str
    param: str | None = None
    retry_after: float | None = None
    """Seconds the client should wait; None when it is not known."""
    should_retry: bool | None = None
    details: dict[str, Any] | None = None

    @property
    def kind(self) -> Kind:
        """The row of L{CODES} for this code."""
        return CODES[self.code]

    @property
    def retryable(self) -> bool:
        """Whether WebSocket clients are told that they may try again, now or after some time."""
        return bool(self.should_retry) or self.retry_after is not None


class GatewayError(Exception):
    """A refusal or failure with a code of L{CODES} and a message fit for the client's eyes.

    @ivar info: the error as a frozen value.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        should_retry: bool | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        """
        @param code: a key of L{CODES}.
        @param message: one sentence for the client; no secrets, no paths.
        @param param: the request field at fault, e.g. C{messages[3].content}.
        @param retry_after: seconds until a retry makes sense.
        @param should_retry: overrides the code's own C{x-should-retry}.
        @param details: structured extras for WebSocket clients.
        @raise KeyError: C{code} is not in the list.
        """
        super().__init__(message)
        retry = CODES[code].should_retry if should_retry is None else should_retry
        self.info = ErrorInfo(
            code=code,
            message=message,
            param=param,
            retry_after=retry_after,
            should_retry=retry,
            details=details,
        )

    @classmethod
    def from_info(cls, info: ErrorInfo) -> GatewayError:
        """The error that C{info} describes, ready to raise."""
        error = cls(info.code, info.message)
        error.info = info
        return error


class NotHere(Exception):
    """This process does not do that; another one of the same gateway does. Raised before anything was done."""


class FetchFailed(Exception):
    """A URL was not fetched. The text is for logs and models: it may tell of the network, so clients do not see it."""


class ConfigError(Exception):
    """The configuration can not be used.

    @ivar issues: C{(path, message)} pairs, e.g. C{("gateway.port", "expected int, got str")}; never a secret.
    @ivar files: the files that were looked at, for whoever waits for the fix.
    @ivar source: where the configuration is from, or that it is not there, for people on this machine; "" = the issues
        say so themselves.
    """

    def __init__(self, issues: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {message}" if path else message for path, message in issues))
        self.issues = issues
        self.files: tuple[Path, ...] = ()
        self.source = ""

    @property
    def told(self) -> str:
        """All in one line, for people on this machine: with paths."""
        return f"{self.source}: {self}" if self.source else str(self)


class NotWritten(ConfigError):
    """The configuration is good, but its file can not be written.

    @ivar reason: in the system's words, without a path.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__([("", f"can not write {path}: {reason}")])
        self.reason = reason


__all__ = ["CODES", "ConfigError", "ErrorInfo", "FetchFailed", "GatewayError", "Kind", "NotHere", "NotWritten"]
