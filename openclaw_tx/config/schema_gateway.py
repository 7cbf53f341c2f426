"""Shape of C{gateway}: the listener, who may use it, what it serves (spec 5.4)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from openclaw_tx.config.section import NonNegativeInt, PositiveInt, Section


class RateLimit(Section, frozen=True):
    """C{gateway.auth.rateLimit}: lockout after wrong secrets."""

    max_attempts: PositiveInt = 10
    """Wrong secrets from one address within the window that lock it out."""
    window_ms: PositiveInt = 60_000
    """Length of the sliding window."""
    lockout_ms: PositiveInt = 300_000
    """How long an address stays locked out."""
    exempt_loopback: bool = True
    """Loopback clients are slowed down instead of locked out (browsers are never exempt)."""


class TrustedProxy(Section, frozen=True):
    """C{gateway.auth.trustedProxy}: identity taken from a header that a listed proxy sets."""

    user_header: str = ""
    """Header that carries the user's name; required in mode trusted-proxy."""
    required_headers: list[str] = []
    """Headers that must be present as well."""
    allow_users: list[str] = []
    """Users let in; empty = every user the proxy names."""
    allow_loopback: bool = False
    """Accept a proxy that connects from loopback."""


class Auth(Section, frozen=True):
    """C{gateway.auth}: one shared secret, an identity-aware proxy, or nothing on loopback."""

    mode: Literal["token", "password", "none", "trusted-proxy"] | None = None
    """Unset = password when only a password is known, otherwise token."""
    token: str | None = None
    """Falls back to OPENCLAW_GATEWAY_TOKEN."""
    password: str | None = None
    """Falls back to OPENCLAW_GATEWAY_PASSWORD."""
    rate_limit: RateLimit = field(default_factory=RateLimit)
    trusted_proxy: TrustedProxy = field(default_factory=TrustedProxy)

    def __repr__(self) -> str:
        return f"Auth(mode={self.mode!r}, ...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("mode", self.mode)]


class ControlUi(Section, frozen=True):
    """C{gateway.controlUi}: rules for browser clients of the WebSocket."""

    allowed_origins: list[str] = []
    """Exact origins (scheme://host:port) let in besides the gateway's own; "*" = every origin."""
    dangerously_allow_host_header_origin_fallback: bool = False
    """Accept any Origin that equals the Host header."""


class ChatCompletions(Section, frozen=True):
    """C{gateway.http.endpoints.chatCompletions}."""

    enabled: bool = False
    """Serve POST /v1/chat/completions and GET /v1/models."""
    strict_model: bool = False
    """Refuse a `model` that names no agent, instead of answering with the default agent."""
    max_body_bytes: PositiveInt = 20 * 1024 * 1024
    """Largest request body."""
    keep_alive_seconds: Annotated[float, Meta(ge=0, le=300)] = 15.0
    """Pause between `: ping` comments on a stream; 0 = none."""
    hold_status_seconds: Annotated[float, Meta(ge=0, le=30)] = 2.0
    """How long a stream waits for the provider's first byte before it commits to status 200."""


class Endpoints(Section, frozen=True):
    """C{gateway.http.endpoints}."""

    chat_completions: ChatCompletions = field(default_factory=ChatCompletions)


class Http(Section, frozen=True):
    """C{gateway.http}."""

    endpoints: Endpoints = field(default_factory=Endpoints)


class Reload(Section, frozen=True):
    """C{gateway.reload}: what an edit of the configuration file does."""

    mode: Literal["hybrid", "hot", "restart", "off"] = "hybrid"
    """hybrid and restart apply what can be applied and say what needs a restart; hot only applies; off ignores
    edits."""
    debounce_ms: NonNegativeInt = 300
    """Quiet time after the last change before the file is read."""


class GatewaySection(Section, frozen=True):
    """C{gateway}: the listener and who may use it."""

    mode: Literal["local", "remote"] | None = None
    """local = this process serves; remote = the command line talks to another gateway."""
    port: Annotated[int, Meta(ge=1, le=65535)] = 18789
    """TCP port; --port and OPENCLAW_GATEWAY_PORT come first."""
    bind: Literal["loopback", "lan", "tailnet", "auto", "custom"] = "loopback"
    """loopback = 127.0.0.1 and ::1; lan = all interfaces; custom = customBindHost."""
    custom_bind_host: str = ""
    """IP address for bind custom."""
    auth: Auth = field(default_factory=Auth)
    trusted_proxies: list[str] = []
    """Addresses or networks (CIDR) whose forwarding headers are believed."""
    allow_real_ip_fallback: bool = False
    """Believe X-Real-IP of a trusted proxy that sends no X-Forwarded-For."""
    control_ui: ControlUi = field(default_factory=ControlUi)
    http: Http = field(default_factory=Http)
    reload: Reload = field(default_factory=Reload)
    tick_interval_ms: Annotated[int, Meta(ge=1000)] = 30_000
    """Pause between `tick` events to WebSocket clients."""
    shutdown_grace_seconds: Annotated[float, Meta(ge=0)] = 5.0
    """How long SIGTERM lets runs finish before it aborts them."""
