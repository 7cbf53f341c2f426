# -*- test-case-name: tests.auth.test_methods,tests.auth.test_keys,tests.auth.test_origins -*-
"""Who is asking: the shared secret, a proxy that knows its users, or anybody on this machine (spec 1.1, 9.1).

Secrets are resolved at each call, so that a rotated one counts from the next request on. They are compared as SHA-256
digests in constant time, and neither kept nor shown.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth import origins
from openclaw_tx.auth.actions import ADMIN, OPERATOR_SCOPES, READ, WRITE
from openclaw_tx.auth.failures import unauthorized
from openclaw_tx.auth.keys import Entry, KeyRing
from openclaw_tx.auth.limiter import Attempt, FailureLimiter, attempt_of
from openclaw_tx.auth.peers import (
    Client,
    Proxies,
    attribute,
    is_local_direct,
    parse_address,
    proxies_of,
)
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import GatewaySection
from openclaw_tx.interfaces import Peer
from openclaw_tx.values import Credentials, Principal

Mode = Literal["token", "password", "none", "trusted-proxy"]

SECRET_MODES = ("token", "password")
"""Modes with a shared secret, beside which there may be keys."""
SHARED_SECRET = "shared-secret"
"""Id of the principal that knows the secret, and the limiter's name for guesses at it."""
SCOPES_HEADER = "x-openclaw-scopes"
"""Scopes a client or proxy narrows itself to; heard only in modes none and trusted-proxy."""
PROXY_SCOPES = frozenset({READ, WRITE})
"""What a user vouched for by a proxy holds, unless the proxy itself says which scopes."""
MAX_USER = 256
"""Characters of a user's name that a proxy may send."""
_PREFIXES = ("OPENCLAW", "CLAWDBOT")
"""Environment names, and those of the product's former name."""
_PLACEHOLDER = re.compile(
    r"undefined|null|none|__openclaw_redacted__|<.*>|\$\{.*\}|replace[-_]?me|change[-_]?me([-_].*)?|your[-_](gateway[-_])?(token|password|secret)([-_].*)?",
    re.DOTALL,
)
"""What stands for a secret in documentation, and what scripts write when they have none."""


class Secret(NamedTuple):
    """The mode in force and the secrets that can be resolved for it."""

    mode: Mode
    token: str | None = None
    password: str | None = None

    @property
    def value(self) -> str | None:
        """The one that counts in this mode; None when there is none or it is not fit to be one."""
        value = {"token": self.token, "password": self.password}.get(self.mode)
        return None if value is None or unfit(value) is not None else value

    def __repr__(self) -> str:
        return f"Secret(mode={self.mode!r}, ...)"


def unfit(secret: str) -> str | None:
    """Why a string can not be a secret, or None: it is blank, or what documentation and broken scripts leave there."""
    text = secret.strip().lower()
    if not text:
        return "is blank"
    return "is a placeholder, not a secret" if _PLACEHOLDER.fullmatch(text) else None


def resolve_secret(config: Config, environment: Mapping[str, str]) -> Secret:
    """The secrets of the moment. Configuration comes before environment, and the environment before C{env.vars} and
    the variables' former names. A variable that is blank counts as absent.

    @return: surrounding white space removed, since a header could never carry it.
    """
    auth = config.gateway.auth
    token = _resolved(auth.token, "GATEWAY_TOKEN", environment, config.env.vars)
    password = _resolved(auth.password, "GATEWAY_PASSWORD", environment, config.env.vars)
    mode = auth.mode or ("password" if password is not None and token is None else "token")
    return Secret(mode, token, password)


def _resolved(configured: str | None, name: str, *sources: Mapping[str, str]) -> str | None:
    if configured is not None:
        return configured.strip()
    found = (source.get(f"{prefix}_{name}", "").strip() for prefix in _PREFIXES for source in sources)
    return next((value for value in found if value), None)


def _same(offered: str, wanted: str, compare: Callable[[bytes, bytes], bool] = hmac.compare_digest) -> bool:
    """Whether two secrets are one. Takes the same time wherever they differ, and however long they are."""
    return compare(_digest(offered), _digest(wanted))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class GatewayAuthenticator:
    """Implements L{openclaw_tx.interfaces.Authenticator} for the modes token, password, none and trusted-proxy.

    @ivar limiter: counts wrong secrets; other kinds of credentials (device tokens) count here too.
    @ivar keys: the keys besides the shared secret.
    """

    def __init__(
        self,
        clock: IReactorTime,
        settings: Callable[[], Config],
        environment: Callable[[], Mapping[str, str]],
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """
        @param settings: the configuration of the moment.
        @param environment: the environment of the moment.
        @param entropy: random bytes; keys the digests by which a rotated secret is noticed.
        """
        self._settings = settings
        self._environment = environment
        self._clock = clock
        self._key = entropy(32)
        self.keys = KeyRing(settings, self._key)
        self._gateway: GatewaySection | None = None
        self._fingerprinted: tuple[GatewaySection, Secret, str] | None = None
        """The newest fingerprint, behind all that it is made of."""
        self._proxies = Proxies()
        self.limiter = FailureLimiter(clock, lambda: settings().gateway.auth.rate_limit)

    async def authenticate(self, credentials: Credentials, peer: Peer) -> Principal:
        """
        @raise GatewayError: C{invalid_api_key} (on this machine, after the limiter's delay), C{rate_limit_exceeded},
            C{proxy_attribution_required}; in modes none and trusted-proxy also C{origin_not_allowed}.
        """
        config = self._settings()
        client = attribute(peer, self._trusted(config))
        secret = resolve_secret(config, self._environment())
        if secret.mode == "none":
            return self._anybody(config, peer, client)
        if secret.mode == "trusted-proxy":
            return self._vouched_for(config, peer, client)
        return await self._shared(config, secret, credentials, peer, client)

    def is_valid(self, principal: Principal) -> bool:
        """False once the secret was rotated, the mode changed, or the proxy or its user is no longer trusted."""
        if principal.method == "local":
            return True
        config = self._settings()
        secret = resolve_secret(config, self._environment())
        if principal.method == "key":
            entry = self.keys.get(principal.id)
            return entry is not None and secret.mode in SECRET_MODES and self._in_force(entry, principal.credential)
        if secret.mode == "trusted-proxy" and not _is_user_allowed(config, principal.id.removeprefix("proxy:")):
            return False
        return hmac.compare_digest(principal.credential, self._fingerprint(config, secret))

    def check_origin(self, peer: Peer) -> None:
        """
        @raise GatewayError: C{origin_not_allowed}: a foreign page, or in mode none a name that may be rebound;
            C{proxy_attribution_required}.
        """
        config = self._settings()
        client = attribute(peer, self._trusted(config))
        if resolve_secret(config, self._environment()).mode == "none":
            origins.check_unasked(peer, config.gateway.control_ui)
        else:
            origins.check_origin(peer, client, config.gateway.control_ui)

    def auth_mode(self) -> Mode:
        """The mode of the moment."""
        return resolve_secret(self._settings(), self._environment()).mode

    def client_of(self, peer: Peer) -> Client:
        """Whom a request is from, after proxy attribution.

        @raise GatewayError: C{proxy_attribution_required}.
        """
        return attribute(peer, self._trusted(self._settings()))

    def lockouts(self) -> int:
        """How often somebody was locked out so far."""
        return self.limiter.lockouts

    def is_local_direct(self, peer: Peer) -> bool:
        """Whether the client is a program or page on this machine that came without a proxy (spec 9.2)."""
        return is_local_direct(peer, self._trusted(self._settings()))

    def _trusted(self, config: Config) -> Proxies:
        """The trusted proxies, read anew only when the configuration is another one."""
        if self._gateway is not config.gateway:
            self._gateway = config.gateway
            self._proxies = proxies_of(config.gateway)
        return self._proxies

    async def _shared(
        self, config: Config, secret: Secret, credentials: Credentials, peer: Peer, client: Client
    ) -> Principal:
        """Mode token or password. Only this mode's secret counts; it may come in the other field when its own is
        empty. One attempt is one guess."""
        attempt = attempt_of(
            SHARED_SECRET, client, peer.header("origin"), origins.is_browser(peer), config.gateway.auth.rate_limit
        )
        self.limiter.check(attempt)
        token_mode = secret.mode == "token"
        wanted = secret.value
        if wanted is None:
            raise unauthorized("AUTH_TOKEN_NOT_CONFIGURED" if token_mode else "AUTH_PASSWORD_NOT_CONFIGURED")
        fields = (credentials.token, credentials.password)
        own, other = ((field or "").strip() for field in (fields if token_mode else reversed(fields)))
        offered = own or other
        if not offered:
            raise unauthorized("AUTH_TOKEN_MISSING" if token_mode else "AUTH_PASSWORD_MISSING")
        # Both are looked at in any case, so that the time does not tell which of them it was nearly.
        entry = self.keys.find(offered)
        if not _same(offered, wanted):
            if entry is not None:
                return self._key_holder(entry, attempt, client)
            await self.limiter.failed(attempt)
            raise unauthorized("AUTH_TOKEN_MISMATCH" if token_mode else "AUTH_PASSWORD_MISMATCH")
        self.limiter.succeeded(attempt)
        return Principal(
            id=SHARED_SECRET,
            method="token" if token_mode else "password",
            scopes=OPERATOR_SCOPES,
            ip=client.address,
            credential=self._fingerprint(config, secret),
        )

    def _key_holder(self, entry: Entry, attempt: Attempt, client: Client) -> Principal:
        """Who comes with a key. One that has expired is refused without being counted: it guesses nothing. Only an
        administrator's key forgets failures: with another one its holder could guess at the secret without end."""
        if not self._in_force(entry, entry.fingerprint):
            raise unauthorized("AUTH_TOKEN_MISMATCH", "key_expired")
        if ADMIN in entry.key.scopes:
            self.limiter.succeeded(attempt)
        return entry.principal(client.address)

    def _in_force(self, entry: Entry, fingerprint: str) -> bool:
        """Whether a key is still the one of that fingerprint, and has not expired."""
        return hmac.compare_digest(entry.fingerprint, fingerprint) and self._clock.seconds() < entry.expires_at

    def _anybody(self, config: Config, peer: Peer, client: Client) -> Principal:
        """Mode none: programs on this machine, and pages served from it. What a page of another site makes the
        browser send is refused here, since no secret stands in its way."""
        if not client.loopback:
            raise unauthorized("AUTH_UNAUTHORIZED", "loopback_only")
        origins.check_unasked(peer, config.gateway.control_ui)
        return Principal(
            id="none",
            method="none",
            scopes=_narrowed(OPERATOR_SCOPES, peer),
            ip=client.address,
            credential=self._fingerprint(config, Secret("none")),
        )

    def _vouched_for(self, config: Config, peer: Peer, client: Client) -> Principal:
        """Mode trusted-proxy: a listed proxy names the user. To come from the proxy is not yet to be somebody."""
        rules = config.gateway.auth.trusted_proxy
        address = parse_address(peer.address)
        if not self._trusted(config).trust(address):
            raise unauthorized("AUTH_UNAUTHORIZED", "trusted_proxy_untrusted_source")
        if address is not None and address.is_loopback and not rules.allow_loopback:
            raise unauthorized("AUTH_UNAUTHORIZED", "trusted_proxy_loopback_source")
        if not all(peer.header(name) for name in rules.required_headers):
            raise unauthorized("AUTH_UNAUTHORIZED", "trusted_proxy_missing_header")
        user = (peer.header(rules.user_header) or "").strip() if rules.user_header else ""
        if not user or len(user) > MAX_USER or not user.isprintable():
            raise unauthorized("AUTH_UNAUTHORIZED", "trusted_proxy_user_missing")
        if not _is_user_allowed(config, user):
            raise unauthorized("AUTH_UNAUTHORIZED", "trusted_proxy_user_not_allowed")
        origins.check_carried(peer, client, config.gateway)
        # A header that a client could have written itself only narrows. That the proxy always sets it, the operator
        # says by requiring it.
        bound = SCOPES_HEADER in (name.lower() for name in rules.required_headers)
        return Principal(
            id=f"proxy:{user}",
            method="trusted-proxy",
            scopes=_narrowed(OPERATOR_SCOPES if bound else PROXY_SCOPES, peer),
            ip=client.address,
            credential=self._fingerprint(config, Secret("trusted-proxy")),
        )

    def _fingerprint(self, config: Config, secret: Secret) -> str:
        """Keyed digest of what vouches for a principal: another one means that it was rotated."""
        gateway, known = config.gateway, self._fingerprinted
        if known is not None and known[0] is gateway and known[1] == secret:
            return known[2]
        proxy = gateway.auth.trusted_proxy
        parts: list[str] = [secret.mode, secret.value or ""]
        if secret.mode == "trusted-proxy":
            parts += [proxy.user_header, str(proxy.allow_loopback), *gateway.trusted_proxies, *proxy.required_headers]
        made = hmac.new(self._key, _digest("\0".join(parts)), "sha256").hexdigest()
        self._fingerprinted = gateway, secret, made
        return made


def _narrowed(scopes: frozenset[str], peer: Peer) -> frozenset[str]:
    """C{scopes}, or those of them that the scopes header names. An empty header names none."""
    header = peer.header(SCOPES_HEADER)
    return scopes if header is None else scopes & {name.strip().lower() for name in header.split(",")}


def _is_user_allowed(config: Config, user: str) -> bool:
    allowed = config.gateway.auth.trusted_proxy.allow_users
    return not allowed or user in allowed


__all__ = ["GatewayAuthenticator", "Mode", "Secret", "resolve_secret", "unfit"]
