# -*- test-case-name: tests.web.test_openapi -*-
"""C{GET /openapi.json}: every HTTP route as one OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1).

Paths, methods and actions are read off the tree of URLs, statuses and headers of errors off the list of codes, fields
of requests off the tables that the endpoints go by. Only what the tree can not tell stands in L{OPERATIONS}: what goes
in, what comes out, and what can go wrong. The document is the same for everybody, whatever is configured.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from openclaw_tx._version import __version__
from openclaw_tx.auth.actions import ACTIONS
from openclaw_tx.errors import CODES
from openclaw_tx.web.capabilities import Routes
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.guard import Endpoint
from openclaw_tx.web.openapi_headers import HEADERS, LIMITS, PARAMETERS
from openclaw_tx.web.resource import GatewayResource, NewId
from openclaw_tx.wire.openai_chat_render import encode
from openclaw_tx.wire.openapi_answers import answer_schemas, error_schema
from openclaw_tx.wire.openapi_requests import Schema, ref, request_schemas

PATH = "/openapi.json"
JSON = "application/json"
SSE = "text/event-stream"
TEXT = "text/plain"
HTML = "text/html"

GUARDED = (
    "invalid_api_key",
    "insufficient_scope",
    "proxy_attribution_required",
    "origin_not_allowed",
    "rate_limit_exceeded",
    "internal_error",
)
"""What every guarded route may answer."""

BODY = ("invalid_request", "body_timeout", "payload_too_large", "unsupported_content_encoding")
ADDRESS = ("model_not_found", "session_not_found")
PROVIDER = (
    "context_length_exceeded",
    "provider_auth",
    "provider_forbidden",
    "provider_billing",
    "provider_rejected",
    "provider_rate_limit",
    "provider_error",
    "provider_overloaded",
    "provider_timeout",
    "local_model_not_installed",
)
ADMISSION = ("queue_full", "gateway_draining", "storage_unavailable")
ASKED = (*BODY, *ADDRESS, *ADMISSION, "unsupported_parameter", "invalid_image", "idempotency_key_conflict")
RUN = (
    *ASKED,
    *PROVIDER,
    "tool_name_conflict",
    "run_failed",
    "run_aborted",
    "run_interrupted",
    "run_timeout",
    "empty_response",
    "structured_output_failed",
    "tool_choice_unmet",
    "gateway_restarting",
    "slow_consumer",
    "replay_gap",
)


class Operation(NamedTuple):
    """What the tree does not tell of a method."""

    answers: Mapping[int, Mapping[str, str]]
    """Status -> media type -> component, of what is no error of L{CODES}; "" = plain text."""
    codes: tuple[str, ...] = ()
    """Errors beside those that every route of its kind has."""
    request: str = ""
    """Component of the body; "" = there is none."""
    parameters: tuple[str, ...] = ()
    """Names of components: headers and queries that are heeded."""
    summary: str = ""
    """"" = what the action says."""
    headers: tuple[str, ...] = ()
    """Headers that its good answers may have, and no others."""
    always: tuple[str, ...] = ()
    """Headers that any of its answers may have."""


def _probe(schema: str, summary: str, *statuses: int) -> Operation:
    return Operation({status: {JSON: schema} for status in statuses}, summary=summary)


_WHERE = ("Agent", "Session", "Model", "Channel")
_ONCE = ("IdempotencyKey", "OnDisconnect", "Retry")
_NAMED = ("X-Openclaw-Run-Id", "X-Openclaw-Session-Key", "Idempotency-Replayed")
"""Of the run, once there is one: its failure names it too."""
_ANSWERED = ("X-Openclaw-Model", "Server-Timing")
_LIVE = _probe("Health", "The process answers.", 200)
_READY = _probe("Readiness", "Requests may be sent; authenticated and local callers learn what is wrong.", 200, 503)
_STARTUP = _probe("Health", "The gateway has come up, and is not going down.", 200, 503)

OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    "/control-ui-config.json": {"GET": Operation({200: {JSON: "ControlUiConfig"}})},
    "/": {"GET": Operation({200: {HTML: ""}}, summary="A page without data; WebSocket clients upgrade here.")},
    PATH: {"GET": Operation({200: {JSON: "Document"}}, summary="This document.")},
    "/health": {"GET": _LIVE},
    "/healthz": {"GET": _LIVE},
    "/ready": {"GET": _READY},
    "/readyz": {"GET": _READY},
    "/startup": {"GET": _STARTUP},
    "/startupz": {"GET": _STARTUP},
    "/metrics": {"GET": Operation({200: {TEXT: ""}})},
    "/v1/chat/completions": {
        "POST": Operation(
            {200: {JSON: "ChatCompletion", SSE: "ChatCompletionEvent"}},
            RUN,
            "ChatCompletionRequest",
            (*_WHERE, *_ONCE),
            headers=_ANSWERED,
            always=_NAMED,
        )
    },
    "/v1/responses": {
        "POST": Operation(
            {200: {JSON: "Response", SSE: "ResponseEvent"}},
            (*RUN, "run_not_found"),
            "ResponseRequest",
            (*_WHERE, *_ONCE),
            headers=_ANSWERED,
            always=_NAMED,
        )
    },
    "/v1/runs": {
        "POST": Operation(
            {202: {JSON: "Run"}}, ASKED, "RunRequest", (*_WHERE, *_ONCE), headers=("Location",), always=_NAMED
        )
    },
    "/v1/runs/{id}": {
        "GET": Operation({200: {JSON: "Run"}}, ("not_found", "run_not_found", "storage_unavailable")),
        "DELETE": Operation(
            {200: {JSON: "Run"}, 202: {JSON: "Run"}}, ("not_found", "run_not_found", "storage_unavailable")
        ),
    },
    "/v1/runs/{id}/events": {
        "GET": Operation(
            {200: {SSE: "RunEventOrError"}, 204: {}},
            ("invalid_request", "not_found", "run_not_found", "storage_unavailable"),
            parameters=("LastEventId", "After"),
            always=("X-Openclaw-Run-Id",),
        )
    },
    "/v1/runs/{id}/approvals/{approvalId}": {
        "POST": Operation(
            {200: {JSON: "RunApproval"}},
            (*BODY, "not_found", "run_not_found", "approval_not_found", "storage_unavailable"),
            "RunApprovalAnswer",
        )
    },
    "/v1/models": {"GET": Operation({200: {JSON: "ModelList"}})},
    "/v1/models/{id}": {"GET": Operation({200: {JSON: "Model"}}, ("invalid_request", "model_not_found"))},
    "/v1/embeddings": {
        "POST": Operation(
            {200: {JSON: "EmbeddingList"}},
            (*BODY, *PROVIDER, "model_not_found", "unsupported_parameter", "queue_full", "gateway_draining"),
            "EmbeddingRequest",
            ("Agent", "Model"),
            headers=("Server-Timing",),
        )
    },
    "/v1/capabilities": {"GET": Operation({200: {JSON: "Capabilities"}})},
    "/tools/invoke": {
        "POST": Operation(
            {
                200: {JSON: "ToolsInvokeResult"},
                **{status: {JSON: "ToolsInvokeError"} for status in (400, 404, 500, 504)},
            },
            (*BODY, "session_not_found", "idempotency_key_conflict", "queue_full", "gateway_draining"),
            "ToolsInvokeRequest",
            always=("Idempotency-Replayed",),
        )
    },
}
"""Path, as L{Routes} has it, and method -> the operation. HEAD is as GET."""


class OpenApi(GatewayResource):
    """The resource; it needs no authentication, for it holds no data."""

    def __init__(self, new_id: NewId, routes: Routes) -> None:
        super().__init__(new_id)
        self._routes = routes
        self._body: bytes | None = None

    async def respond(self, exchange: Exchange) -> None:
        """Send it; it is made when it is first asked for."""
        if self._body is None:
            self._body = encode(document(self._routes()))
        exchange.send_json(self._body)


def document(routes: Iterable[tuple[str, object]]) -> dict[str, Any]:
    """The document.

    @raise KeyError: a route is not in L{OPERATIONS}.
    """
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "OpenClaw Gateway for Twisted",
            "version": __version__,
            "license": {"name": "MIT", "identifier": "MIT"},
            "description": "Agents behind OpenAI's API. Which endpoints are on is told by /v1/capabilities; one that "
            "is off is 404. Any other method is 405, any other path 404, as JSON. HTTP that is malformed is 400.",
        },
        "paths": {
            path: _path_item(path, resource) for path, resource in routes if isinstance(resource, GatewayResource)
        },
        "components": {
            "schemas": {**request_schemas(), **answer_schemas()},
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The gateway's secret (token or password), or a key of gateway.auth.keys.",
                }
            },
        },
    }


def _path_item(path: str, resource: GatewayResource) -> Schema:
    known = OPERATIONS[path]
    item: Schema = {}
    if names := re.findall(r"{(\w+)}", path):
        text = {"type": "string"}
        item["parameters"] = [{"name": name, "in": "path", "required": True, "schema": text} for name in names]
    for method in resource.methods:
        name = method.decode("ascii")
        item[name.lower()] = _operation(path, name, known["GET" if name == "HEAD" else name], resource)
    return item


def _operation(path: str, method: str, operation: Operation, resource: GatewayResource) -> Schema:
    codes, metered, summary, security = operation.codes, False, operation.summary, list[Schema]()
    if isinstance(resource, Endpoint):
        action = resource.action_of(method.encode("ascii"))
        metered, summary, security = ACTIONS[action].metered, ACTIONS[action].doc, [{"bearer": []}]
        codes = (*GUARDED, *(("endpoint_disabled",) if resource.config_key else ()), *codes)
    elif path.startswith("/ready"):
        security = [{}, {"bearer": []}]
    words = "".join(part.title() for part in re.split(r"[/.-]", path.replace("{", "").replace("}", "")))
    described: Schema = {
        "operationId": f"{method.lower()}{words or 'Root'}",
        "summary": summary,
        "security": security,
        "responses": _responses(operation, codes, metered=metered, bodiless=method == "HEAD"),
    }
    if isinstance(resource, Endpoint):
        described["x-openclaw-action"] = action
        if resource.config_key:
            described["x-openclaw-config-key"] = resource.config_key
    if operation.parameters:
        described["parameters"] = [{"$ref": f"#/components/parameters/{name}"} for name in operation.parameters]
    if operation.request:
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": ref(operation.request)}}}
    return described


def _responses(operation: Operation, codes: Iterable[str], *, metered: bool, bodiless: bool) -> Schema:
    grouped: dict[int, list[str]] = {}
    for code in codes:
        grouped.setdefault(CODES[code].status, []).append(code)
    found: Schema = {}
    for status in sorted({*operation.answers, *grouped}):
        contents = operation.answers.get(status, {})
        failures = grouped.get(status, [])
        told = f"Codes: {', '.join(failures)}." if failures else HTTPStatus(status).phrase
        headers = ["X-Request-Id", *(LIMITS if metered else ()), *operation.always]
        if failures:
            headers += ["Retry-After", "X-Should-Retry", *(("WWW-Authenticate",) if status == 401 else ())]
        else:
            headers += operation.headers
        response: Schema = {
            "description": told,
            "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        }
        content = {kind: _media(kind, schema) for kind, schema in contents.items()}
        if failures:
            forms = [error_schema(failures), *(ref(schema) for schema in contents.values())]
            content[JSON] = {"schema": {"anyOf": forms} if len(forms) > 1 else forms[0]}
        if content and not bodiless:
            response["content"] = content
        found[str(status)] = response
    return found


def _media(kind: str, schema: str) -> Schema:
    if kind == SSE:
        told = "Server-sent events; the schema of each data line but [DONE] is x-openclaw-event-schema."
        return {"schema": {"type": "string", "description": told}, "x-openclaw-event-schema": ref(schema)}
    return {"schema": ref(schema) if schema else {"type": "string"}}


__all__ = ["OPERATIONS", "PATH", "OpenApi", "Operation", "document"]
