# -*- test-case-name: tests.tools.test_services -*-
"""HTTP to servers that the operator has configured for tools, such as a search engine; they may be private ones.

The counterpart of L{openclaw_tx.tools.fetching}, which is for URLs that somebody else chose and lets nobody into
private networks. Here the base URL comes from the configuration, so any address will do, but a redirect is never
followed: it would take a key to whoever is named in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol
from urllib.parse import urlencode, urlsplit

from openclaw_tx.errors import FetchFailed
from openclaw_tx.tools.addresses import literal
from openclaw_tx.tools.exchange import HttpClient

MAX_BYTES = 2 * 1024 * 1024
"""Largest answer."""


class ServiceCall(NamedTuple):
    """A request to a service."""

    base_url: str
    """From the configuration, e.g. C{https://api.perplexity.ai}; its query is dropped."""
    path: str
    """Put behind the base, e.g. C{chat/completions}."""
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    """POST this; None = GET."""


class ServiceReply(NamedTuple):
    """What a service answered."""

    status: int
    body: bytes


class Services(Protocol):
    """Asks services."""

    async def ask(self, call: ServiceCall, timeout_s: float) -> ServiceReply:
        """Send a request; an answer of any status is one, a redirect too.

        @param timeout_s: for all of it.
        @raise FetchFailed: the base URL is none, or there was no answer in time, or a too large one. The text does not
            repeat the URL. Cancelling closes the connection.
        """


class ServiceClient(HttpClient):
    """Implements L{Services}."""

    async def ask(self, call: ServiceCall, timeout_s: float) -> ServiceReply:
        """See L{Services.ask}."""
        return await self._in_time(self._ask(call), timeout_s)

    async def _ask(self, call: ServiceCall) -> ServiceReply:
        host, url = _url(call)
        found = literal(host)
        addresses = [found] if found else await self._resolve(host)
        method = "GET" if call.body is None else "POST"
        answer = await self._exchange(addresses, method, url, call.headers, max_bytes=MAX_BYTES, body=call.body)
        return ServiceReply(answer.status, answer.body)


def _url(call: ServiceCall) -> tuple[str, str]:
    """The host that a call goes to, and its URL in plain ASCII.

    @raise FetchFailed: the base is no URL of the web, or carries a user.
    """
    try:
        parts = urlsplit(call.base_url)
        host, port = parts.hostname or "", parts.port
        host = host if ":" in host else host.encode("idna").decode("ascii")
        path = parts.path.encode("ascii").decode()
    except (ValueError, UnicodeError):
        raise FetchFailed("its base URL can not be used") from None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or port == 0:
        raise FetchFailed("its base URL can not be used")
    place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port is not None else "")
    query = f"?{urlencode(call.query)}" if call.query else ""
    return host, f"{parts.scheme}://{place}{path.rstrip('/')}/{call.path}{query}"


__all__ = ["ServiceCall", "ServiceClient", "ServiceReply", "Services"]
