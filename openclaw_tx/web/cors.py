# -*- test-case-name: tests.web.test_cors -*-
# mypy: allow-untyped-calls
"""Which web pages may read the answers of the HTTP API: the Fetch standard's CORS, in one place (asks.md 16).

Off while no origin is listed. A browser's C{OPTIONS} is answered from the route's own list of methods, before anybody
is asked who this is, and without the route's code. CORS opens nothing by itself: it only lets a page read what its
credentials got it, and where nobody needs credentials (mode none) foreign pages stay refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from twisted.web.resource import IResource
from twisted.web.server import Request

from openclaw_tx.auth.origins import parse_origin
from openclaw_tx.config.schema_gateway import Cors as Settings
from openclaw_tx.errors import GatewayError
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.resource import GatewayResource, NewId, NotFound

AREAS = frozenset({b"v1", b"tools", b"health", b"healthz", b"ready", b"readyz", b"startup", b"startupz"})
"""First path segments of what pages may use."""

EXPOSED = (
    "X-Request-Id",
    "X-Openclaw-Run-Id",
    "X-Openclaw-Session-Key",
    "X-Openclaw-Model",
    "X-Ratelimit-Limit-Requests",
    "X-Ratelimit-Remaining-Requests",
    "X-Ratelimit-Reset-Requests",
    "X-Ratelimit-Limit-Tokens",
    "X-Ratelimit-Remaining-Tokens",
    "X-Ratelimit-Reset-Tokens",
    "Retry-After",
    "X-Should-Retry",
    "Idempotency-Replayed",
    "Location",
)
"""Headers of answers that a page's code may read."""

MAX_ASKED = 4096
"""Characters of C{Access-Control-Request-Headers} that are looked at."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]{1,64}")
_PROXIES = ("forwarded", "x-forwarded-", "x-real-ip")
"""Beginnings of headers that only a proxy may set: no page gets to."""


class Cors:
    """Wraps what the URL tree found."""

    def __init__(self, settings: Callable[[], Settings], new_id: NewId) -> None:
        """
        @param settings: C{gateway.http.cors} of the moment.
        @param new_id: makes request ids.
        """
        self._settings = settings
        self._new_id = new_id

    def around(self, request: Request, area: bytes, resource: IResource) -> IResource:
        """The resource that answers: the one found, or one for its pre-flight.

        Headers are set on the request here and now, so that they are on every answer, refusals included.

        @param area: first segment of the path.
        """
        settings = self._settings()
        if area not in AREAS or not settings.allowed_origins or not isinstance(resource, GatewayResource):
            return resource
        headers = request.responseHeaders
        headers.addRawHeader(b"Vary", b"Origin")
        asked = request.requestHeaders.getRawHeaders(b"Origin", [])
        origin = asked[0].strip() if len(asked) == 1 else b""
        allowed = allowed_origin(origin.decode("latin-1"), settings)
        if allowed:
            headers.setRawHeaders(b"Access-Control-Allow-Origin", [allowed.encode("latin-1")])
            headers.setRawHeaders(b"Access-Control-Expose-Headers", [", ".join(EXPOSED).encode("ascii")])
            if settings.allow_credentials:
                headers.setRawHeaders(b"Access-Control-Allow-Credentials", [b"true"])
        if request.method != b"OPTIONS" or isinstance(resource, NotFound):
            return resource
        return Preflight(self._new_id, resource, settings.max_age_seconds if allowed else None)


class Preflight(GatewayResource):
    """Answers C{OPTIONS} for another resource: 204 with what the route can do."""

    methods = (b"OPTIONS",)

    def __init__(self, new_id: NewId, route: GatewayResource, max_age: int | None) -> None:
        """
        @param max_age: seconds the answer may be remembered; None = a page that is not listed asks.
        """
        super().__init__(new_id)
        self._route = route
        self._max_age = max_age

    def refusal(self) -> GatewayError | None:
        """As for every request to the route: a disabled endpoint is not there."""
        return self._route.refusal()

    async def respond(self, exchange: Exchange) -> None:
        """Tell the methods; to a listed page also what it may send."""
        methods = ", ".join(method.decode("ascii") for method in (*self._route.methods, b"OPTIONS"))
        exchange.set_header("Allow", methods)
        if self._max_age is not None:
            exchange.request.responseHeaders.addRawHeader(b"Vary", b"Access-Control-Request-Headers")
            exchange.set_header("Access-Control-Allow-Methods", methods)
            exchange.set_header("Access-Control-Max-Age", str(self._max_age))
            names = allowed_headers(exchange.header("access-control-request-headers") or "")
            if names:
                exchange.set_header("Access-Control-Allow-Headers", ", ".join(names))
        if not exchange.gone:
            exchange.request.setResponseCode(204)
            exchange.request.finish()


def allowed_origin(origin: str, settings: Settings) -> str:
    """What C{Access-Control-Allow-Origin} says to a page of C{origin}; "" = nothing."""
    if not origin:
        return ""
    if "*" in settings.allowed_origins:
        return "*"
    parsed = parse_origin(origin)
    if parsed is None or not any(parsed == parse_origin(entry) for entry in settings.allowed_origins):
        return ""
    return origin


def allowed_headers(asked: str) -> Sequence[str]:
    """Which of the headers that a page asks for it may send: all but those that speak for a proxy."""
    names = (name.strip().lower() for name in asked[:MAX_ASKED].split(","))
    return [name for name in names if _NAME.fullmatch(name) and not name.startswith(_PROXIES)]


__all__ = ["EXPOSED", "Cors", "Preflight", "allowed_headers", "allowed_origin"]
