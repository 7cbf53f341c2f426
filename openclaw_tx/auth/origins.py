# -*- test-case-name: tests.auth.test_origins,tests.auth.test_methods -*-
"""Which web pages may talk to the gateway (spec 9.3).

Any page that a person opens can reach a server on that person's machine; the browser's C{Origin} header is what tells
pages apart. Programs that are no browsers send none and pass.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import NamedTuple

from openclaw_tx.auth.failures import host_not_allowed, origin_not_allowed
from openclaw_tx.auth.peers import Client, host_name, is_loopback_name, parse_address
from openclaw_tx.config.schema_gateway import ControlUi, GatewaySection
from openclaw_tx.interfaces import Peer
from openclaw_tx.values import Principal

CONTROL_UI = "openclaw-control-ui"
"""C{client.id} of OpenClaw's web page."""
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[^\s/:@?#\[\],]+)(?::(\d{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_AUTHORITY_PORT = re.compile(r".*[^:]:(\d{1,5})")
_PRIVATE = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "100.64.0.0/10",
        "fc00::/7",
        "fe80::/10",
    )
)
"""Networks of machines nearby. A page at such an address literal was served from there: a literal can not be
rebound."""
_NEARBY_SUFFIXES = (".local", ".ts.net")
"""Names that only the local network or the user's tailnet resolves."""


class Origin(NamedTuple):
    """A web origin: scheme, host name, and port (None = the scheme has no default and none was given)."""

    scheme: str
    host: str
    port: int | None


def parse_origin(text: str) -> Origin | None:
    """Read an C{Origin} header or an entry of C{allowedOrigins} (RFC 6454); None for C{null} and anything else."""
    match = _ORIGIN.fullmatch(text.strip().lower().removesuffix("/"))
    if match is None:
        return None
    port = int(match[3]) if match[3] else _DEFAULT_PORTS.get(match[1])
    return Origin(match[1], match[2].strip("[]").rstrip("."), port)


def _same_authority(origin: Origin, authority: str) -> bool:
    """Whether a page of C{origin} came from the server that C{authority} (the Host header) names."""
    match = _AUTHORITY_PORT.fullmatch(authority.strip())
    port = int(match[1]) if match is not None else _DEFAULT_PORTS.get(origin.scheme)
    return origin.host == host_name(authority) and origin.port == port


def _is_nearby(host: str) -> bool:
    address = parse_address(host)
    if address is None:
        return host.endswith(_NEARBY_SUFFIXES)
    return any(address in network for network in _PRIVATE)


def _is_listed(origin: Origin, rules: ControlUi) -> bool:
    return any(origin == parse_origin(entry) for entry in rules.allowed_origins)


def is_allowed(text: str, authority: str, client: Client, rules: ControlUi) -> bool:
    """Whether a page of the origin C{text} may open a WebSocket.

    @param authority: the C{Host} header, "" without one.
    """
    origin = parse_origin(text)
    if origin is None:
        return False
    if "*" in rules.allowed_origins or _is_listed(origin, rules):
        return True
    if origin.scheme not in ("http", "https"):
        return False
    if is_loopback_name(origin.host):
        return client.local
    if not _same_authority(origin, authority):
        return False
    return rules.dangerously_allow_host_header_origin_fallback or _is_nearby(origin.host)


def check_origin(peer: Peer, client: Client, rules: ControlUi) -> None:
    """Refuse a foreign page.

    @raise GatewayError: C{origin_not_allowed}.
    """
    origin = peer.header("origin")
    if origin is not None and not is_allowed(origin, peer.header("host") or "", client, rules):
        raise origin_not_allowed()


def trusts_page(principal: Principal, client_id: str, rules: ControlUi, *, local_direct: bool) -> bool:
    """Whether the gateway's own secret is all that the Control UI needs to get the scopes it asks for (spec 2.2): the
    operator said so with C{allowInsecureAuth} or C{dangerouslyDisableDeviceAuth}. Its origin was checked before."""
    if client_id != CONTROL_UI or principal.method not in ("token", "password"):
        return False
    return rules.dangerously_disable_device_auth or (rules.allow_insecure_auth and local_direct)


def check_unasked(peer: Peer, rules: ControlUi) -> None:
    """Refuse what any other site's page could make a browser send, where no secret stands in its way (mode none).

    - The name the gateway was called by must mean this machine or be the host of a listed origin: to its browser, the
      page of a name rebound to this machine by somebody's DNS is our own.
    - The page must be the gateway's own or of a listed origin. A page on another port of this machine is neither, and
      C{"*"} is no list.
    - Without an C{Origin} (a link, an image), the browser must not say that another site is behind it.

    @raise GatewayError: C{origin_not_allowed}.
    """
    authority = peer.header("host") or ""
    host = host_name(authority)
    configured = (parse_origin(entry) for entry in rules.allowed_origins)
    if not is_loopback_name(host) and not any(origin.host == host for origin in configured if origin is not None):
        raise host_not_allowed()
    text = peer.header("origin")
    if text is None:
        if (peer.header("sec-fetch-site") or "none").strip().lower() not in ("none", "same-origin"):
            raise origin_not_allowed()
        return
    origin = parse_origin(text)
    if origin is None or not (_is_listed(origin, rules) or _same_authority(origin, authority)):
        raise origin_not_allowed()


def check_carried(peer: Peer, client: Client, gateway: GatewaySection) -> None:
    """Refuse what another site's page made a browser send, where what vouches for the user is what browsers send with
    every request (mode trusted-proxy: the login at the proxy).

    A page may be listed, for the WebSocket or for CORS; otherwise it has to be the gateway's own. Browsers tell that
    themselves; of those that do not, the origin has to be what the gateway was called before or behind the proxy.

    @raise GatewayError: C{origin_not_allowed}.
    """
    text, authority = peer.header("origin"), peer.header("host") or ""
    if text is not None and is_allowed(text, authority, client, gateway.control_ui):
        return
    origin = parse_origin(text or "")
    if origin is not None and any(origin == parse_origin(entry) for entry in gateway.http.cors.allowed_origins):
        return
    site = peer.header("sec-fetch-site")
    if site is not None:
        own = site.strip().lower() in ("none", "same-origin")
    else:
        places = (authority, peer.header("x-forwarded-host") or "")
        own = text is None or (origin is not None and any(_same_authority(origin, place) for place in places))
    if not own:
        raise origin_not_allowed()


def is_browser(peer: Peer) -> bool:
    """Whether a web page is behind a request. Programs do not send these headers; a page can not leave them out."""
    return any(peer.header(name) is not None for name in ("origin", "sec-fetch-site", "sec-fetch-mode"))
