# -*- test-case-name: tests.web.test_openapi -*-
"""What requests say beside their body and what answers carry beside theirs, for the OpenAPI document. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openclaw_tx.sessions.keys import MAX_KEY as MAX_SESSION_KEY
from openclaw_tx.web.addressing import AGENT_HEADERS, CHANNEL_HEADER, MODEL_HEADER, SESSION_HEADER
from openclaw_tx.web.starting import KEY_HEADER, MAX_KEY, POLICY_HEADER
from openclaw_tx.wire.openai_fields import MAX_MODEL
from openclaw_tx.wire.openapi_requests import Schema


def _parameter(name: str, told: str, schema: Schema, place: str = "header") -> Schema:
    return {"name": name, "in": place, "required": False, "description": told, "schema": {"type": "string", **schema}}


PARAMETERS: Mapping[str, Schema] = {
    "Agent": _parameter(AGENT_HEADERS[0], "Id of the agent; comes before `model`.", {}),
    "Session": _parameter(SESSION_HEADER, "Session to go on in.", {"maxLength": MAX_SESSION_KEY}),
    "Model": _parameter(
        MODEL_HEADER, "Model instead of the agent's own; takes operator.admin.", {"maxLength": MAX_MODEL}
    ),
    "Channel": _parameter(CHANNEL_HEADER, "Where the message comes from.", {"pattern": "^[a-z0-9][a-z0-9_-]{0,63}$"}),
    "IdempotencyKey": _parameter(
        KEY_HEADER,
        "The same key and request again joins the run, or gets its answer.",
        {"minLength": 1, "maxLength": MAX_KEY, "pattern": "^[ -~]+$"},
    ),
    "OnDisconnect": _parameter(
        POLICY_HEADER,
        "What becomes of the run when its client goes away.",
        {"pattern": "^(cancel|continue|grace=[1-9][0-9]{0,2})$"},
    ),
    "Retry": _parameter(
        "x-stainless-retry-count", "Which try this is; heeded with gateway.http.joinRetries.", {"pattern": "^[0-9]+$"}
    ),
    "LastEventId": _parameter("last-event-id", "Number of the last event that came.", {"pattern": "^[0-9]{1,15}$"}),
    "After": _parameter("after", "As Last-Event-ID, which comes first.", {"pattern": "^[0-9]{1,15}$"}, "query"),
}
"""What requests may say beside their body."""

LIMITS = tuple(
    f"X-Ratelimit-{what}-{unit}" for unit in ("Requests", "Tokens") for what in ("Limit", "Remaining", "Reset")
)
"""How the limits of a key stand."""


def _header(told: str, **schema: Any) -> Schema:
    return {"description": told, "schema": {"type": "string", **schema}}


HEADERS: Mapping[str, Schema] = {
    "X-Request-Id": _header("The client's own where it is sane, else a new one."),
    "Retry-After": _header("Seconds until a retry makes sense.", pattern="^[0-9]+$"),
    "X-Should-Retry": _header("Whether OpenAI's SDKs retry.", enum=["true", "false"]),
    "WWW-Authenticate": _header("How to authenticate; it tells of an error only if a token was offered."),
    "Location": _header("The run, as a path."),
    "Server-Timing": _header("Where the time went, in milliseconds (W3C Server Timing)."),
    "X-Openclaw-Run-Id": _header("The run, for /v1/runs/{id}."),
    "X-Openclaw-Session-Key": _header("Its session."),
    "X-Openclaw-Model": _header("The model that answered, as provider/model."),
    "Idempotency-Replayed": _header("An earlier request started the run.", enum=["true"]),
    **{name: _header("How the key's limits stand; only for keys that have some.") for name in LIMITS},
}
"""What answers may carry."""

__all__ = ["HEADERS", "LIMITS", "PARAMETERS"]
