# -*- test-case-name: tests.auth.test_startup -*-
"""What must be right about authentication before the gateway listens (spec 9.1, decision D28).

The same checks fit a changed configuration: one that fails them is not applied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from openclaw_tx.auth.keys import hash_of, key_issues
from openclaw_tx.auth.methods import Secret, resolve_secret, unfit
from openclaw_tx.auth.origins import parse_origin
from openclaw_tx.auth.peers import UNIX, is_loopback_name, parse_network
from openclaw_tx.config.certificates import digits
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import GatewaySection

_HEADER_NAME = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
"""RFC 9110 5.1."""

Issues = list[tuple[str, str]]
"""C{(path, message)} pairs as of L{openclaw_tx.errors.ConfigError}; never a secret."""


def check_startup(config: Config, environment: Mapping[str, str]) -> Issues:
    """Reasons not to start; empty when all is well."""
    gateway = config.gateway
    issues = _lists(gateway)
    secret = resolve_secret(config, environment)
    issues += key_issues(gateway.auth, secret.mode) + _cors(gateway) + _tls(gateway)
    if gateway.auth.mode is None and secret.token is not None and secret.password is not None:
        issues.append(
            ("gateway.auth.mode", "a token and a password are both configured: say which with token or password")
        )
    issues += _hooks(config, secret) + _webhooks(config, secret)
    if secret.mode == "none":
        issues += _none(gateway)
    elif secret.mode == "trusted-proxy":
        issues += _trusted_proxy(gateway)
    else:
        value = secret.token if secret.mode == "token" else secret.password
        variable = f"OPENCLAW_GATEWAY_{secret.mode.upper()}"
        if value is None:
            text = f"mode {secret.mode} needs a secret: set it here or in {variable}"
            issues.append((f"gateway.auth.{secret.mode}", text))
        elif (reason := unfit(value)) is not None:
            configured = getattr(gateway.auth, secret.mode) is not None
            where = (f"gateway.auth.{secret.mode}", "") if configured else ("", f"{variable} ")
            issues.append((where[0], f"{where[1]}{reason}"))
    return issues


def startup_warnings(config: Config, environment: Mapping[str, str]) -> Issues:
    """What an operator should hear of although the gateway starts."""
    rules = config.gateway.control_ui
    warnings: Issues = []
    if resolve_secret(config, environment).mode == "none":
        warnings.append(("gateway.auth.mode", "none: every program on this machine is a full operator"))
    if "*" in rules.allowed_origins:
        warnings.append(("gateway.controlUi.allowedOrigins", "*: pages of every site may open the WebSocket"))
    if "*" in config.gateway.http.cors.allowed_origins:
        text = "*: pages of every site may read what their key gets them"
        warnings.append(("gateway.http.cors.allowedOrigins", text))
    if rules.dangerously_allow_host_header_origin_fallback:
        path = "gateway.controlUi.dangerouslyAllowHostHeaderOriginFallback"
        warnings.append((path, "a page under any name that resolves here may open the WebSocket"))
    if rules.dangerously_disable_device_auth:
        path = "gateway.controlUi.dangerouslyDisableDeviceAuth"
        warnings.append((path, "whoever knows the secret is a full operator from every browser"))
    return warnings


def _tls(gateway: GatewaySection) -> Issues:
    tls, issues = gateway.tls, []
    if bool(tls.cert_path) != bool(tls.key_path):
        missing = "keyPath" if tls.cert_path else "certPath"
        issues.append((f"gateway.tls.{missing}", "is needed beside the other one of certPath and keyPath"))
    if gateway.remote.tls_fingerprint:
        try:
            digits(gateway.remote.tls_fingerprint)
        except ValueError as error:
            issues.append(("gateway.remote.tlsFingerprint", str(error)))
    return issues


def _lists(gateway: GatewaySection) -> Issues:
    """Entries that would silently match nothing."""
    issues: Issues = []
    for index, entry in enumerate(gateway.trusted_proxies):
        if entry.strip() != UNIX and parse_network(entry) is None:
            issues.append((f"gateway.trustedProxies[{index}]", f"expected an IP address, a network or {UNIX!r}"))
    for index, entry in enumerate(gateway.control_ui.allowed_origins):
        if entry != "*" and parse_origin(entry) is None:
            text = "expected an origin such as https://example.org:8443, or *"
            issues.append((f"gateway.controlUi.allowedOrigins[{index}]", text))
    return issues


def _cors(gateway: GatewaySection) -> Issues:
    """Origins as a browser sends them; every page at once only where no cookies are at stake."""
    rules = gateway.http.cors
    issues: Issues = []
    for index, entry in enumerate(rules.allowed_origins):
        path = f"gateway.http.cors.allowedOrigins[{index}]"
        if entry == "*" and rules.allow_credentials:
            issues.append((path, "* can not be had with allowCredentials: name the origins"))
        elif entry != "*" and ("*" in entry or parse_origin(entry) is None):
            issues.append((path, "expected an origin such as https://example.org:8443, or *"))
    return issues


def _hooks(config: Config, secret: Secret) -> Issues:
    """A token of their own, so that a service that may wake an agent is not the owner of the gateway."""
    if not config.hooks.enabled:
        return []
    token = config.hooks.token.strip()
    if (reason := unfit(token)) is not None:
        return [("hooks.token", f"{reason}; hooks need a token of their own")]
    own = {secret.token, secret.password} - {None}
    if token in own or hash_of(token) in {key.hash for key in config.gateway.auth.keys}:
        return [("hooks.token", "must not be a secret of the gateway itself")]
    return []


def _webhooks(config: Config, secret: Secret) -> Issues:
    """Secrets of their own, for the same reason."""
    own = {secret.token, secret.password} - {None}
    keys = {key.hash for key in config.gateway.auth.keys}
    return [
        (f"channels.webhook.{name}.{field}", "must not be a secret of the gateway itself")
        for name, account in config.channels.webhook.items()
        for field, value in (("secret", account.secret.strip()), ("outSecret", account.out_secret.strip()))
        if account.enabled and value and (value in own or hash_of(value) in keys)
    ]


def _none(gateway: GatewaySection) -> Issues:
    issues: Issues = []
    custom_loopback = gateway.bind == "custom" and is_loopback_name(gateway.custom_bind_host)
    if gateway.bind != "loopback" and not custom_loopback:
        issues.append(("gateway.auth.mode", "none is possible only on loopback: set gateway.bind to loopback"))
    if gateway.trusted_proxies:
        text = "none lets nobody in through a proxy: empty gateway.trustedProxies, or use mode trusted-proxy"
        issues.append(("gateway.auth.mode", text))
    if "*" in gateway.control_ui.allowed_origins:
        text = "* would make pages of every site operators in mode none: name the origins"
        issues.append(("gateway.controlUi.allowedOrigins", text))
    return issues


def _trusted_proxy(gateway: GatewaySection) -> Issues:
    issues: Issues = []
    rules = gateway.auth.trusted_proxy
    if _HEADER_NAME.fullmatch(rules.user_header) is None:
        text = "mode trusted-proxy needs the name of the header that names the user"
        issues.append(("gateway.auth.trustedProxy.userHeader", text))
    for index, name in enumerate(rules.required_headers):
        if _HEADER_NAME.fullmatch(name) is None:
            issues.append((f"gateway.auth.trustedProxy.requiredHeaders[{index}]", "expected the name of a header"))
    if not gateway.trusted_proxies:
        issues.append(("gateway.trustedProxies", "mode trusted-proxy needs the addresses of the proxies"))
    networks = [network for entry in gateway.trusted_proxies if (network := parse_network(entry)) is not None]
    if any(network.prefixlen == 0 for network in networks):
        issues.append(("gateway.trustedProxies", "in mode trusted-proxy a network of all addresses lets everybody in"))
    only_loopback = bool(networks) and all(network.is_loopback for network in networks)
    if only_loopback and UNIX not in gateway.trusted_proxies and not rules.allow_loopback:
        text = "must be true when the only trusted proxies connect from loopback"
        issues.append(("gateway.auth.trustedProxy.allowLoopback", text))
    return issues
