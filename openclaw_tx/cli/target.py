# -*- test-case-name: tests.cli.test_target -*-
"""Which gateway a command talks to, and with which secret (spec 8). Pure.

C{--url} needs C{--token} or C{--password} beside it, so that the secret of this machine's gateway is never sent to
another one; C{ws://} without TLS is for loopback, private addresses, C{.local} and C{.ts.net} only.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple
from urllib.parse import urlsplit

from openclaw_tx.auth.methods import resolve_secret
from openclaw_tx.cli.errors import CommandError
from openclaw_tx.config.certificates import digits
from openclaw_tx.config.environment import Environment
from openclaw_tx.config.load import port
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import Remote

SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
"""Schemes of C{--url}, and the WebSocket scheme each stands for."""

NEARBY = (".local", ".ts.net")
"""Names that lead to machines nearby or through an encrypted network."""


class Target(NamedTuple):
    """A gateway and the secret for it."""

    url: str
    """C{ws://host:port/path} or C{wss://...}."""
    host: str
    port: int
    secure: bool
    """TLS."""
    token: str | None
    password: str | None
    hint: str = ""
    """What to do when nothing listens there."""
    fingerprint: str = ""
    """SHA-256 of the certificate that it must have, in hex; "" = one that this machine trusts."""
    own: bool = False
    """It is this machine's gateway."""

    def pinned(self, fingerprint: str) -> Target:
        """The same, known by its certificate.

        @raise CommandError: that is no fingerprint, or there is no TLS to check it by.
        """
        if not self.secure:
            raise CommandError("--tls-fingerprint is for wss:// gateways")
        try:
            return self._replace(fingerprint=digits(fingerprint))
        except ValueError as error:
            raise CommandError(f"--tls-fingerprint: {error}") from None

    def __repr__(self) -> str:
        return f"Target({self.url!r}, ...)"


def resolve(
    config: Config, environment: Environment, url: str | None, token: str | None, password: str | None
) -> Target:
    """The gateway to talk to.

    @param url: C{--url}; None = this machine's gateway, as configured.
    @param token: C{--token}.
    @param password: C{--password}.
    @raise CommandError: the options, or the configuration, name no gateway or no secret.
    """
    if url is not None:
        if not token and not password:
            raise CommandError(
                "--url needs --token or --password: the secret of this machine's gateway is not sent to others"
            )
        return _parsed(url)._replace(token=token or None, password=password or None)
    gateway = config.gateway
    if gateway.mode == "remote":
        return _remote(gateway.remote, token, password)
    host = gateway.custom_bind_host if gateway.bind == "custom" else "127.0.0.1"
    address = _address(host)
    if address is not None and address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    number = port(config, environment)
    found = Target(
        url=f"{'wss' if gateway.tls.enabled else 'ws'}://{f'[{host}]' if ':' in host else host}:{number}/",
        host=host,
        port=number,
        secure=gateway.tls.enabled,
        token=token or None,
        password=password or None,
        hint="start the gateway with `twistd -n openclaw`",
        own=True,
    )
    if token or password:
        return found
    secret = resolve_secret(config, environment)
    if secret.mode in ("token", "password") and secret.value is None:
        raise CommandError(f"no gateway {secret.mode} is set; `openclaw-tx setup` writes a configuration with one")
    return found._replace(
        token=secret.token if secret.mode == "token" else None,
        password=secret.password if secret.mode == "password" else None,
    )


def _remote(remote: Remote, token: str | None, password: str | None) -> Target:
    """The gateway of C{gateway.remote}."""
    if not remote.url:
        raise CommandError("gateway.mode is remote: set gateway.remote.url, or say which with --url and --token")
    target = _parsed(remote.url, "gateway.remote.url")
    own = (token, password) if token or password else (remote.token, remote.password)
    if not any(own):
        raise CommandError("gateway.mode is remote: set gateway.remote.token or gateway.remote.password")
    target = target._replace(token=own[0] or None, password=own[1] or None)
    return target.pinned(remote.tls_fingerprint) if remote.tls_fingerprint else target


def _parsed(url: str, where: str = "--url") -> Target:
    try:
        parts = urlsplit(url)
        number = parts.port
    except ValueError:
        raise CommandError(f"{where}: not a URL: {url}") from None
    scheme = SCHEMES.get(parts.scheme)
    host = parts.hostname
    if scheme is None or not host:
        raise CommandError(f"{where}: expected ws://HOST:PORT or wss://HOST:PORT")
    if parts.username is not None or parts.password is not None:
        raise CommandError(f"{where}: no user name or password in it; use --token or --password")
    secure = scheme == "wss"
    if not secure and not is_nearby(host):
        raise CommandError(f"{where}: {host} is not on this machine or a private network; use wss://")
    number = (443 if secure else 80) if number is None else number
    place = f"[{host}]" if ":" in host else host
    path = parts.path or "/"
    return Target(f"{scheme}://{place}:{number}{path}", host, number, secure, None, None)


def is_nearby(host: str) -> bool:
    """Whether a secret may go there without TLS."""
    address = _address(host)
    if address is not None:
        return address.is_loopback or (address.is_private and not address.is_unspecified) or address.is_link_local
    name = host.rstrip(".").lower()
    return name == "localhost" or name.endswith(NEARBY)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


__all__ = ["Target", "is_nearby", "resolve"]
