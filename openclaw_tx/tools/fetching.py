# -*- test-case-name: tests.tools.test_fetching -*-
# mypy: allow-untyped-calls
"""The one way to fetch a URL that somebody else chose (asks section 3, spec 1.1 Images).

A name is resolved once, all its addresses must be public (L{openclaw_tx.tools.addresses}), and the connection goes to
just these, with the name in C{Host} and in TLS: a second look at DNS could give something else. Redirects start over.
Size, time and number of redirects are bounded; no cookies, no credentials, no compression, no connection kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote, urljoin, urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.ssl import optionsForClientTLS

from openclaw_tx.errors import FetchFailed
from openclaw_tx.tools.addresses import Resolve, literal, not_public, system_resolver
from openclaw_tx.tools.exchange import HEAD_BYTES, Answer, Connector, ContextFor, Place, exchange, tcp
from openclaw_tx.values import Fetched, FetchLimits

MAX_ADDRESSES = 4
"""Addresses of one name that are tried."""

_NAME = re.compile(r"[a-z0-9_.-]{1,253}")
_KEPT = "/%:@!$&'()*+,;=~-._"
"""Characters of a path that stay as they are."""

_CHARSET = re.compile(r"(?:^|;)\s*charset\s*=\s*[\"']?([\w.:-]{1,40})", re.ASCII | re.IGNORECASE)


class UrlFetcher:
    """Implements L{openclaw_tx.interfaces.Fetcher}."""

    def __init__(
        self,
        reactor: Any,
        *,
        resolve: Resolve | None = None,
        connect: Connector | None = None,
        context_for: ContextFor = optionsForClientTLS,
    ) -> None:
        """
        @param reactor: provides IReactorTCP, IReactorTime and a C{nameResolver}.
        @param resolve: finds the addresses of a name; None = the reactor's resolver.
        @param connect: reaches an address; None = TCP.
        """
        self._clock: IReactorTime = reactor
        self._resolve = resolve or system_resolver(reactor)
        self._connect = connect or tcp(reactor)
        self._context_for = context_for

    async def fetch(self, url: str, limits: FetchLimits, headers: Mapping[str, str] | None = None) -> Fetched:
        """See L{openclaw_tx.interfaces.Fetcher.fetch}."""

        def too_long(failure: object, seconds: float) -> NoReturn:
            raise FetchFailed(f"it took longer than {seconds:g} s")

        work = Deferred.fromCoroutine(self._follow(url, limits, headers or {}))
        return await work.addTimeout(limits.timeout_s, self._clock, too_long)

    async def _follow(self, url: str, limits: FetchLimits, headers: Mapping[str, str]) -> Fetched:
        for _ in range(limits.max_redirects + 1):
            target = checked_url(url, limits.hosts)
            addresses = await self._addresses(target)
            place = Place(addresses, self._connect, self._context_for, 2 * limits.max_bytes + HEAD_BYTES)
            answer = await exchange(
                self._clock,
                place,
                "GET",
                target.url,
                headers,
                max_bytes=limits.max_bytes,
                cut=limits.cut,
                to_redirects=True,
            )
            if not answer.location:
                return _fetched(target, answer)
            url = urljoin(target.url, answer.location)
        raise FetchFailed(f"more than {limits.max_redirects} redirects")

    async def _addresses(self, target: Target) -> list[str]:
        """Where to connect to: every address of the name is public, or there are none."""
        found = literal(target.host)
        addresses = [found] if found else await self._resolve(target.host)
        if not addresses:
            raise FetchFailed("the name has no address")
        for address in addresses:
            reason = not_public(address)
            if reason:
                raise FetchFailed(f"{address} is {reason}")
        # IPv4 first: it is reachable from more places.
        return sorted(addresses, key=lambda address: ":" in address)[:MAX_ADDRESSES]


class Target(NamedTuple):
    """A URL that may be asked for, as far as its text tells."""

    url: str
    """Rebuilt from its parts, plain ASCII, so that whoever reads it next sees the same host as we did."""
    host: str
    """A name in ASCII, or an address without brackets."""


def _fetched(target: Target, answer: Answer) -> Fetched:
    kind, _, parameters = answer.header("content-type").partition(";")
    charset = _CHARSET.search(parameters)
    return Fetched(
        url=target.url,
        status=answer.status,
        content_type=kind.strip().lower(),
        body=answer.body,
        charset=charset[1].lower() if charset else "",
        cut=answer.cut,
    )


def checked_url(text: str, hosts: Sequence[str] = ()) -> Target:
    """Check a URL.

    @param hosts: see L{FetchLimits.hosts}.
    @raise FetchFailed: it is none, is not of the web, carries a user, or its host is not allowed.
    """
    if any(char <= " " or char in "\\\x7f" for char in text):
        raise FetchFailed("not a URL (a character that URLs do not have)")
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").rstrip("."), parts.port
        if ":" not in host:
            if "[" in parts.netloc:
                raise ValueError("an address of the future")
            host = host.encode("idna").decode("ascii").lower()
    except (ValueError, UnicodeError):
        raise FetchFailed("not a URL") from None
    if parts.scheme not in ("http", "https"):
        raise FetchFailed("not a URL of the web")
    if parts.username is not None or parts.password is not None:
        raise FetchFailed("a URL with a user in it")
    address = literal(host)
    if port == 0 or not (address or _NAME.fullmatch(host)):
        raise FetchFailed("a URL without a usable host or port")
    if not address and ("." not in host or host.endswith((".localhost", ".local", ".internal"))):
        raise FetchFailed("a name of the local network")
    if hosts and not any(_matches(host, pattern.lower()) for pattern in hosts):
        raise FetchFailed(f"{host} is not in the list of hosts allowed")
    shown = f"[{host}]" if ":" in host else host
    place = f"{shown}:{port}" if port is not None else shown
    path = quote(parts.path or "/", safe=_KEPT)
    query = f"?{quote(parts.query, safe=_KEPT + '?')}" if parts.query else ""
    return Target(url=f"{parts.scheme}://{place}{path}{query}", host=address or host)


def _matches(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and host != pattern[2:]
    return host == pattern


__all__ = ["UrlFetcher", "checked_url"]
