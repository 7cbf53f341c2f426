# -*- test-case-name: tests.web.test_hooks -*-
"""Hooks: other services wake agents, or have them answer, with a token of their own (spec 1.8).

A subtree with its own guard. Whoever holds its token may do what is here and nothing else; the gateway's own secret is
no good here.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import msgspec

from twisted.internet.interfaces import IReactorTime
from twisted.web.server import Request

from openclaw_tx.auth.failures import unauthorized
from openclaw_tx.auth.limiter import Attempt, FailureLimiter, attempt_of
from openclaw_tx.auth.peers import attribute, proxies_of
from openclaw_tx.automation.hooks import AgentBody, HookDesk, WakeBody
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import RateLimit
from openclaw_tx.errors import GatewayError
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.once import Once, Reply
from openclaw_tx.web.reading import BodyReader
from openclaw_tx.web.resource import GatewayResource, NewId
from openclaw_tx.wire.frames import describe
from openclaw_tx.wire.halves import read_json
from openclaw_tx.wire.large_json import is_too_deep

LIMITS = RateLimit(max_attempts=20, window_ms=60_000, lockout_ms=60_000, exempt_loopback=False)
"""Wrong tokens of one address."""
HEADER = "x-openclaw-token"
IDEMPOTENCY = "idempotency-key"
MAX_KEY = 256
TEXT = b"text/plain; charset=utf-8"
T = TypeVar("T")


class HookGuard:
    """Who knows the token."""

    def __init__(self, settings: Callable[[], Config], clock: IReactorTime) -> None:
        """
        @param settings: the configuration of the moment.
        """
        self._settings = settings
        self._limiter = FailureLimiter(clock, lambda: LIMITS)

    async def admit(self, exchange: Exchange) -> None:
        """
        @raise GatewayError: C{invalid_api_key}: no token, or a wrong one; C{rate_limit_exceeded} after too many wrong
            ones; C{invalid_request}: it is in the URL, where logs keep it; C{proxy_attribution_required}.
        """
        attempt = self._attempt(exchange)
        self._limiter.check(attempt)
        if any(part.partition(b"=")[0] == b"token" for part in exchange.request.uri.partition(b"?")[2].split(b"&")):
            raise GatewayError(
                "invalid_request", "Send the token as Authorization: Bearer or X-OpenClaw-Token, not in the URL."
            )
        offered, wanted = offered_token(exchange), self._settings().hooks.token.strip()
        if not offered:
            raise unauthorized("AUTH_TOKEN_MISSING")
        if not wanted or not hmac.compare_digest(_digest(offered), _digest(wanted)):
            await self._limiter.failed(attempt)
            raise unauthorized("AUTH_TOKEN_MISMATCH")
        self._limiter.succeeded(attempt)

    def _attempt(self, exchange: Exchange) -> Attempt:
        client = attribute(exchange, proxies_of(self._settings().gateway))
        return attempt_of("hooks", client, None, False, LIMITS)


class Tools(NamedTuple):
    """What one request of a hook is served with."""

    desk: HookDesk
    guard: HookGuard
    once: Once
    reader: BodyReader


class Hooks:
    """The subtree, wherever C{hooks.path} puts it at the moment.

    @ivar route: what counts call it.
    """

    def __init__(
        self, desk: HookDesk, settings: Callable[[], Config], clock: IReactorTime, new_id: NewId, reader: BodyReader
    ) -> None:
        """
        @param settings: the configuration of the moment.
        """
        self._settings = settings
        self._new_id = new_id
        self._tools = Tools(desk, HookGuard(settings, clock), Once(clock), reader)

    @property
    def route(self) -> str:
        """What counts call it."""
        return f"{self._settings().hooks.path.rstrip('/')}/*"

    def at(self, path: tuple[bytes, ...]) -> GatewayResource | None:
        """What serves a path; None = that is no path of hooks."""
        rules = self._settings().hooks
        if not rules.enabled:
            return None
        base = tuple(part.encode("ascii") for part in rules.path.strip("/").split("/"))
        if path[: len(base)] != base:
            return None
        name = b"/".join(path[len(base) :]).strip(b"/").decode("utf-8", "replace")
        return Hook(self._new_id, self._tools, name)


class Hook(GatewayResource):
    """One request."""

    methods = (b"POST",)

    def __init__(self, new_id: NewId, tools: Tools, path: str) -> None:
        """
        @param path: below C{hooks.path}, without slashes at its ends.
        """
        super().__init__(new_id)
        self._desk, self._guard, self._once, self._reader = tools
        self._path = path

    async def respond(self, exchange: Exchange) -> None:
        """Ask for the token, then for the body; errors have the form that hooks of OpenClaw have."""
        try:
            await self._guard.admit(exchange)
            body = await exchange.body(self._desk.rules.max_body_bytes)
            reply = await self._once_only(exchange, body)
        except GatewayError as error:
            refuse(exchange, error)
        else:
            exchange.send_json(reply.body, reply.status)

    async def _once_only(self, exchange: Exchange, body: bytes) -> Reply:
        key = exchange.header(IDEMPOTENCY) or ""
        if len(key) > MAX_KEY:
            raise GatewayError("invalid_request", f"Idempotency-Key: longer than {MAX_KEY} characters")

        async def work() -> Reply:
            return await self._serve(exchange, body)

        if not key:
            return await work()
        fingerprint = hashlib.sha256(self._path.encode("utf-8") + b"\0" + body).digest()
        return (await self._once.reply(("hooks", key), fingerprint, work))[0]

    async def _serve(self, exchange: Exchange, body: bytes) -> Reply:
        if self._path == "wake":
            wake = await self._reader.read(decoded, body, WakeBody)
            self._desk.wake(wake)
            return woken(wake.mode)
        if self._path == "agent":
            asked = await self._reader.read(decoded, body, AgentBody)
            return started(self._desk.agent(asked).request.run_id)
        payload = await self._reader.read(decoded, body, dict[str, Any])
        mapping = self._desk.mapping(self._path, payload)
        if mapping is None:
            raise GatewayError("not_found", "Not Found")
        run = self._desk.mapped(mapping, payload, headers_of(exchange.request))
        return woken(mapping.wake_mode) if run is None else started(run.request.run_id)


def offered_token(exchange: Exchange) -> str:
    """The token of a request; "" = it has none."""
    return exchange.bearer or (exchange.header(HEADER) or "").strip()


def decoded(body: bytes, type: type[T]) -> T:
    """The value of a body.

    @raise GatewayError: C{invalid_request}.
    """
    try:
        value: T = read_json(msgspec.json.Decoder(type).decode, body or b"{}")
    except msgspec.ValidationError as error:
        raise GatewayError("invalid_request", describe(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise GatewayError("invalid_request", "the body is not JSON") from None
    if is_too_deep(body):
        raise GatewayError("invalid_request", "the body is nested too deeply")
    return value


def headers_of(request: Request) -> dict[str, str]:
    """Headers that a template may show: names in lower case, the first value of each; secrets are not among them."""
    found: dict[str, str] = {}
    for name, values in request.requestHeaders.getAllRawHeaders():
        lower = name.decode("latin-1").lower()
        if lower not in ("authorization", "cookie", "proxy-authorization", HEADER):
            found[lower] = values[0].decode("utf-8", "replace")
    return found


def refuse(exchange: Exchange, error: GatewayError) -> None:
    """Send an error as hooks of OpenClaw do: 401 as text, what is wrong with a body as C{{"ok": false}}."""
    info = error.info
    status = info.kind.status
    if status == 401:
        exchange.challenge(offered=bool(exchange.bearer))
        exchange.send(b"Unauthorized", TEXT, 401)
    elif status in (400, 404, 409, 413):
        exchange.send_json(msgspec.json.encode({"ok": False, "error": info.message}), status)
    else:
        exchange.send_error(info)


def woken(mode: str) -> Reply:
    """The event is noted."""
    return Reply(200, msgspec.json.encode({"ok": True, "mode": mode}))


def started(run_id: str) -> Reply:
    """The run is on its way."""
    return Reply(202, msgspec.json.encode({"ok": True, "runId": run_id}))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


__all__ = ["Hooks"]
