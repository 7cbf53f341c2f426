# -*- test-case-name: tests.tools.test_fetching -*-
"""The one way to fetch a URL that somebody else chose (asks section 3, spec 1.1 Images).

A name is resolved once, all its addresses must be public (L{openclaw_tx.tools.addresses}), and the connection goes to
just these, with the name in C{Host} and in TLS: a second look at DNS could give something else. Redirects start over.
Size, time and number of redirects are bounded; no cookies, no credentials, no compression, no connection kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from openclaw_tx.errors import FetchFailed
from openclaw_tx.tools.addresses import literal, not_public
from openclaw_tx.tools.exchange import Answer, HttpClient
from openclaw_tx.values import Fetched, FetchLimits

POST_ANSWER_BYTES = 64 * 1024
"""Of the answer to a POST; more is not read."""

_NAME = re.compile(r"[a-z0-9_.-]{1,253}")
_KEPT = "/%:@!$&'()*+,;=~-._"
"""Characters of a path that stay as they are."""

_CHARSET = re.compile(r"(?:^|;)\s*charset\s*=\s*[\"']?([\w.:-]{1,40})", re.ASCII | re.IGNORECASE)


class UrlFetcher(HttpClient):
    """Implements L{openclaw_tx.interfaces.Fetcher} and L{openclaw_tx.interfaces.Poster}."""

    async def fetch(self, url: str, limits: FetchLimits, headers: Mapping[str, str] | None = None) -> Fetched:
        """See L{openclaw_tx.interfaces.Fetcher.fetch}."""
        return await self._in_time(self._follow(url, limits, headers or {}), limits.timeout_s)

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float, loopback: bool = False
    ) -> int:
        """See L{openclaw_tx.interfaces.Poster.post}; of the answer's body nothing is kept."""
        return await self._in_time(self._post(url, body, headers, loopback), timeout_s)

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str], loopback: bool) -> int:
        target = checked_url(url, loopback=loopback)
        addresses = await self._addresses(target, loopback)
        answer = await self._exchange(
            addresses, "POST", target.url, headers, max_bytes=POST_ANSWER_BYTES, body=body, cut=True
        )
        return answer.status

    async def _follow(self, url: str, limits: FetchLimits, headers: Mapping[str, str]) -> Fetched:
        for _ in range(limits.max_redirects + 1):
            target = checked_url(url, limits.hosts)
            addresses = await self._addresses(target)
            answer = await self._exchange(
                addresses, "GET", target.url, headers, max_bytes=limits.max_bytes, cut=limits.cut, to_redirects=True
            )
            if not answer.location:
                return _fetched(target, answer)
            url = _joined(target.url, answer.location)
        raise FetchFailed(f"more than {limits.max_redirects} redirects")

    async def _addresses(self, target: Target, loopback: bool = False) -> Sequence[str]:
        """Where to connect to: every address of the name is public, or there are none.

        @param loopback: addresses of this machine will do, too.
        """
        found = literal(target.host)
        addresses = [found] if found else await self._resolve(target.host)
        if not addresses:
            raise FetchFailed("the name has no address")
        for address in addresses:
            reason = not_public(address)
            if reason and not (loopback and ip_address(address).is_loopback):
                raise FetchFailed(f"{address} is {reason}")
        return addresses


def _joined(base: str, location: str) -> str:
    """
    @raise FetchFailed: it leads nowhere.
    """
    try:
        return urljoin(base, location)
    except ValueError:
        raise FetchFailed("a redirect to what is not a URL") from None


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


def checked_url(text: str, hosts: Sequence[str] = (), *, loopback: bool = False) -> Target:
    """Check a URL.

    @param hosts: see L{FetchLimits.hosts}.
    @param loopback: C{localhost} will do, too.
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
    local = loopback and host == "localhost"
    if not address and not local and ("." not in host or host.endswith((".localhost", ".local", ".internal"))):
        raise FetchFailed("a name of the local network")
    if hosts and not any(_matches(host, pattern.lower()) for pattern in hosts):
        raise FetchFailed(f"{host} is not in the list of hosts allowed")
    shown = f"[{host}]" if ":" in host else host
    place = f"{shown}:{port}" if port is not None else shown
    path = quote(parts.path or "/", safe=_KEPT, errors="surrogateescape")
    query = f"?{quote(parts.query, safe=_KEPT + '?', errors='surrogateescape')}" if parts.query else ""
    return Target(url=f"{parts.scheme}://{place}{path}{query}", host=address or host)


def _matches(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and host != pattern[2:]
    return host == pattern


__all__ = ["UrlFetcher", "checked_url"]
