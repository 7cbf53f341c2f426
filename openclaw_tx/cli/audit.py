# -*- test-case-name: tests.cli.test_audit -*-
"""What of a set-up is dangerous. Check ids are OpenClaw's (spec 8).

Not here, since there is nothing that they could find: checks of Tailscale, of channels (one without a good secret does
not load), of plugins, of the sandbox, of elevated rights, and of a switch that this gateway does not have
(C{logging.redactSensitive}).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from openclaw_tx.cli.audit_agents import agent_findings
from openclaw_tx.cli.audit_files import file_findings
from openclaw_tx.cli.audit_findings import Finding, Severity, ordered

if TYPE_CHECKING:
    from openclaw_tx.auth.methods import Secret
    from openclaw_tx.config.load import Loaded

MIN_TOKEN = 24
"""Characters of a token that is long enough."""
MIN_PASSWORD = 16
LOOSE_ATTEMPTS = 1000
"""Wrong secrets in a minute that are no limit any more."""


def audited(loaded: Loaded) -> list[Finding]:
    """All findings, the worst first."""
    return ordered(
        [
            *_secrets(loaded),
            *_proxies(loaded),
            *_browsers(loaded),
            *_http(loaded),
            *_hooks(loaded),
            *_in_file(loaded),
            *agent_findings(loaded),
            *file_findings(loaded),
            _surface(loaded),
        ]
    )


def is_exposed(loaded: Loaded) -> bool:
    """Whether other machines can connect."""
    from openclaw_tx.auth.peers import is_loopback_name

    gateway = loaded.config.gateway
    custom = gateway.bind == "custom" and not is_loopback_name(gateway.custom_bind_host)
    return gateway.bind in ("lan", "tailnet") or custom


def secret_of(loaded: Loaded) -> Secret:
    """The secret in force."""
    from openclaw_tx.auth.methods import resolve_secret

    return resolve_secret(loaded.config, loaded.environment)


def _secrets(loaded: Loaded) -> Iterator[Finding]:
    from openclaw_tx.auth.methods import unfit

    secret, exposed = secret_of(loaded), is_exposed(loaded)
    written = {"token": secret.token, "password": secret.password}.get(secret.mode)
    if secret.mode != "trusted-proxy" and (secret.mode == "none" or written is None):
        bind, advice = loaded.config.gateway.bind, "set gateway.auth.token; `openclaw-tx setup` makes one"
        if exposed:
            detail = f"gateway.bind is {bind}, and nobody is asked for a secret; such a gateway does not start"
            yield Finding("gateway.bind_no_auth", "critical", "Other machines need no secret", detail, advice)
        else:
            detail = "every program on this machine is a full operator, and pages of a browser nearly so"
            yield Finding("gateway.loopback_no_auth", "critical", "Nobody is asked for a secret", detail, advice)
    if written is not None:
        yield from _strength(secret.mode, written, unfit(written))
    limit = loaded.config.gateway.auth.rate_limit
    a_minute = limit.max_attempts * 60_000 / limit.window_ms
    if exposed and secret.mode != "trusted-proxy" and (a_minute > LOOSE_ATTEMPTS or limit.lockout_ms < 1000):
        detail = f"gateway.auth.rateLimit lets {a_minute:.0f} wrong secrets a minute pass, or locks out for no time"
        advice = "take it out of the configuration: 10 in a minute lock out for five"
        yield Finding("gateway.auth_no_rate_limit", "warn", "Guessing is hardly limited", detail, advice)


def _strength(mode: str, value: str, reason: str | None) -> Iterator[Finding]:
    if reason is not None:
        detail = f"gateway.auth.{mode} {reason}"
        advice = "set a random one; `openclaw-tx setup` makes one"
        yield Finding("gateway.token_placeholder_value", "critical", "The secret is none", detail, advice)
    elif len(value) < (least := MIN_TOKEN if mode == "token" else MIN_PASSWORD):
        detail = f"the gateway's {mode} has {len(value)} characters"
        yield Finding(
            f"gateway.{mode}_too_short", "warn", f"The {mode} is short", detail, f"take {least} random ones or more"
        )


def _proxies(loaded: Loaded) -> Iterator[Finding]:
    from openclaw_tx.auth.peers import UNIX, parse_network

    gateway, exposed = loaded.config.gateway, is_exposed(loaded)
    networks = [parse_network(each) for each in gateway.trusted_proxies if each != UNIX]
    if not exposed and not gateway.trusted_proxies:
        detail = "gateway.trustedProxies is empty: requests that come through a reverse proxy are refused"
        advice = "if there is one, list its addresses; otherwise nothing is to be done"
        yield Finding("gateway.trusted_proxies_missing", "warn", "No proxy is trusted", detail, advice)
    if exposed and not gateway.trusted_proxies and not gateway.tls.enabled:
        detail = f"gateway.bind is {gateway.bind}, and neither gateway.tls nor a proxy encrypts"
        advice = "set gateway.tls.enabled, or put a proxy with TLS in front and list it in gateway.trustedProxies"
        yield Finding("gateway.plain_http_exposed", "warn", "Secrets cross the network in clear text", detail, advice)
    mode = secret_of(loaded).mode
    if gateway.allow_real_ip_fallback:
        remote = any(network is not None and not network.is_loopback for network in networks)
        severity: Severity = "critical" if exposed or (mode == "trusted-proxy" and remote) else "warn"
        detail = "gateway.allowRealIpFallback believes X-Real-IP, which a careless proxy takes over from its clients"
        yield Finding("gateway.real_ip_fallback_enabled", severity, "X-Real-IP is believed", detail, "set it to false")
    if mode == "trusted-proxy":
        yield from _trusted_proxy(loaded)


def _trusted_proxy(loaded: Loaded) -> Iterator[Finding]:
    gateway = loaded.config.gateway
    rules = gateway.auth.trusted_proxy
    detail = "gateway.auth.mode is trusted-proxy: whoever can connect as the proxy is whoever it says"
    yield Finding("gateway.trusted_proxy_auth", "warn", "A proxy says who is who", detail)
    if not gateway.trusted_proxies:
        title = "No proxy is trusted in mode trusted-proxy"
        detail = "gateway.trustedProxies is empty; such a gateway does not start"
        yield Finding("gateway.trusted_proxy_no_proxies", "critical", title, detail, "list the proxy's addresses")
    if not rules.user_header:
        title = "No header names the user"
        detail = "gateway.auth.trustedProxy.userHeader is empty; such a gateway does not start"
        yield Finding("gateway.trusted_proxy_no_user_header", "critical", title, detail, "name the header")
    if not rules.allow_users:
        detail = "gateway.auth.trustedProxy.allowUsers is empty: every user that the proxy lets in is let in"
        yield Finding("gateway.trusted_proxy_no_allowlist", "warn", "Every user is let in", detail, "list the users")
    if rules.allow_loopback:
        detail = "gateway.auth.trustedProxy.allowLoopback lets any program on this machine say who it is"
        title = "Programs on this machine can say who they are"
        yield Finding("gateway.trusted_proxy_allow_loopback", "warn", title, detail)


def _browsers(loaded: Loaded) -> Iterator[Finding]:
    gateway, exposed = loaded.config.gateway, is_exposed(loaded)
    rules = gateway.control_ui
    severity: Severity = "critical" if exposed else "warn"
    if "*" in rules.allowed_origins:
        detail = "gateway.controlUi.allowedOrigins holds *: pages of every site may open the WebSocket"
        yield Finding(
            "gateway.control_ui.allowed_origins_wildcard", severity, "Every page is let in", detail, "name the origins"
        )
    if rules.dangerously_allow_host_header_origin_fallback:
        detail = "a page under any name that is made to lead here may open the WebSocket"
        advice = "set gateway.controlUi.dangerouslyAllowHostHeaderOriginFallback to false and name the origins"
        title = "The Host header decides which pages are let in"
        yield Finding("gateway.control_ui.host_header_origin_fallback", severity, title, detail, advice)
    if rules.dangerously_disable_device_auth:
        detail = "the gateway's secret alone makes any browser that shows the Control UI an operator, without approval"
        advice = "set gateway.controlUi.dangerouslyDisableDeviceAuth to false and approve browsers"
        yield Finding(
            "gateway.control_ui.device_auth_disabled", "critical", "Browsers are not approved", detail, advice
        )
    elif rules.allow_insecure_auth:
        detail = "the gateway's secret alone makes a browser on this machine an operator, without approval"
        advice = "set gateway.controlUi.allowInsecureAuth to false and approve browsers"
        title = "Browsers on this machine are not approved"
        yield Finding("gateway.control_ui.insecure_auth", "warn", title, detail, advice)
    if exposed and not rules.allowed_origins and not rules.dangerously_allow_host_header_origin_fallback:
        detail = "gateway.controlUi.allowedOrigins is empty: only pages of private names and addresses are let in"
        advice = "name the origins that people use"
        yield Finding("gateway.control_ui.allowed_origins_required", "warn", "No origin is named", detail, advice)
    if "*" in gateway.http.cors.allowed_origins:
        detail = "gateway.http.cors.allowedOrigins holds *: pages of every site may read what their key gets them"
        title = "Every page may read answers"
        yield Finding("gateway.http.cors.allowed_origins_wildcard", severity, title, detail, "name the origins")


def _http(loaded: Loaded) -> Iterator[Finding]:
    from openclaw_tx.tools.over_http import NEVER
    from openclaw_tx.tools.policy import Matcher

    gateway, exposed = loaded.config.gateway, is_exposed(loaded)
    endpoints = gateway.http.endpoints
    on = [name for name, each in _answering(endpoints) if each.enabled]
    if secret_of(loaded).mode == "none":
        detail = f"POST /tools/invoke{''.join(f', {name}' for name in on)} ask nobody for a secret"
        severity: Severity = "critical" if exposed else "warn"
        yield Finding(
            "gateway.http.no_auth", severity, "The HTTP API needs no secret", detail, "set gateway.auth.token"
        )
    if on:
        detail = f"requests to {', '.join(on)} may name their session with x-openclaw-session-key"
        title = "Clients choose their session"
        yield Finding("gateway.http.session_key_override_enabled", "info", title, detail)
    allowed = Matcher(gateway.tools.allow)
    again = [name for name in NEVER if not name.startswith("group:") and allowed.matches(name)]
    if again:
        detail = f"gateway.tools.allow lets POST /tools/invoke call {', '.join(again)}"
        title = "Dangerous tools can be called over HTTP"
        severity = "critical" if exposed else "warn"
        yield Finding("gateway.tools_invoke_http.dangerous_allow", severity, title, detail, "take them out")


def _answering(endpoints: Any) -> list[tuple[str, Any]]:
    return [("/v1/chat/completions", endpoints.chat_completions), ("/v1/responses", endpoints.responses)]


def _hooks(loaded: Loaded) -> Iterator[Finding]:
    hooks, exposed = loaded.config.hooks, is_exposed(loaded)
    if not hooks.enabled:
        return
    if hooks.token and hooks.token.strip() == secret_of(loaded).value:
        detail = "hooks.token is the gateway's own secret: every service that wakes agents is an operator"
        title = "Hooks use the gateway's secret"
        yield Finding("hooks.token_reuse_gateway_token", "critical", title, detail, "give hooks a token of their own")
    if len(hooks.token) < MIN_TOKEN:
        detail = f"hooks.token has {len(hooks.token)} characters"
        yield Finding("hooks.token_too_short", "warn", "The token of hooks is short", detail, "take 24 random ones")
    if hooks.allowed_agent_ids is None or "*" in hooks.allowed_agent_ids:
        detail = "hooks.allowedAgentIds is unset or holds *: services may run every agent"
        title = "Services may run every agent"
        yield Finding("hooks.allowed_agent_ids_unrestricted", "warn", title, detail, "list the agents")
    if not hooks.default_session_key:
        detail = "hooks.defaultSessionKey is empty: each request gets a session of its own"
        title = "Requests of services have no session in common"
        yield Finding("hooks.default_session_key_unset", "info", title, detail)
    if hooks.allow_request_session_key:
        detail = "hooks.allowRequestSessionKey lets services write into sessions that they name"
        severity: Severity = "critical" if exposed else "warn"
        title = "Services choose their session"
        yield Finding("hooks.request_session_key_enabled", severity, title, detail, "set it to false")
        if not hooks.allowed_session_key_prefixes:
            detail = "hooks.allowedSessionKeyPrefixes is empty: they may name any"
            title = "Services may write into every session"
            yield Finding("hooks.request_session_key_prefixes_missing", severity, title, detail, 'set it to ["hook:"]')


def _in_file(loaded: Loaded) -> Iterator[Finding]:
    """Secrets that stand in the file, rather than in the environment."""
    from openclaw_tx.config import files
    from openclaw_tx.config.merging import value_at
    from openclaw_tx.errors import ConfigError

    if not loaded.exists:
        return
    try:
        data = files.read(loaded.path).data
    except ConfigError:
        return  # changed since it was loaded
    for check_id, severity, path, variable in (
        ("config.secrets.gateway_password_in_config", "warn", ("gateway", "auth", "password"), "GATEWAY_PASSWORD"),
        ("config.secrets.hooks_token_in_config", "info", ("hooks", "token"), "HOOKS_TOKEN"),
    ):
        try:
            value = value_at(data, path)
        except LookupError:
            continue
        if isinstance(value, str) and value.strip() and not value.startswith("${"):
            name = ".".join(path)
            advice = f"write ${{OPENCLAW_{variable}}} there and set the variable"
            found: Severity = "warn" if severity == "warn" else "info"
            yield Finding(check_id, found, "A secret stands in the configuration", f"{name} is written out", advice)


def _surface(loaded: Loaded) -> Finding:
    config = loaded.config
    endpoints = [name for name, each in _answering(config.gateway.http.endpoints) if each.enabled]
    parts = {
        "bind": config.gateway.bind,
        "auth": secret_of(loaded).mode,
        "keys": len(config.gateway.auth.keys),
        "endpoints": ", ".join(endpoints) or "off",
        "hooks": "on" if config.hooks.enabled else "off",
        "exec": config.tools.exec.security,
        "MCP servers": sum(server.enabled for server in config.mcp.servers.values()),
    }
    detail = "; ".join(f"{name}: {value}" for name, value in parts.items())
    return Finding("summary.attack_surface", "info", "What can be reached", detail)


__all__ = ["audited", "is_exposed", "secret_of"]
