# -*- test-case-name: tests.auth.test_peers -*-
"""Who is at the other end: the client's address behind trusted proxies, and whether it sits on this machine.

Pure functions over a L{Peer} (spec 9.2). What a client writes into forwarding headers is believed only as far as
C{gateway.trustedProxies} vouch for it; what can not be attributed is refused, never guessed.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from openclaw_tx.auth.failures import proxy_attribution_required
from openclaw_tx.config.schema_gateway import GatewaySection
from openclaw_tx.interfaces import Peer

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

FORWARDING_HEADERS = (
    "x-forwarded-for",
    "x-real-ip",
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-forwarded-prefix",
    "cf-connecting-ip",
    "true-client-ip",
)
"""Headers that only a proxy has reason to set: any one of them makes a request a forwarded one."""

MAX_HOPS = 32
"""Entries of an C{X-Forwarded-For} chain that are looked at, from the right; a longer trusted chain is refused."""

UNIX = "unix"
"""Entry of C{gateway.trustedProxies} for a proxy that connects over a UNIX socket and so has no address."""

_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::\d{1,5})?")
_HOST_PORT = re.compile(r"([^:\[\]]*)(?::\d{1,5})?")


class Proxies(NamedTuple):
    """C{gateway.trustedProxies} made ready for look-ups."""

    networks: tuple[Network, ...] = ()
    unix: bool = False
    """Peers without an address (UNIX sockets) are trusted."""
    real_ip: bool = False
    """C{X-Real-IP} is believed when there is no C{X-Forwarded-For}."""

    def trust(self, address: Address | None) -> bool:
        """Whether forwarding headers of a peer with C{address} (None = it has none) are believed."""
        if address is None:
            return self.unix
        return any(address in network for network in self.networks)


class Client(NamedTuple):
    """The client of a request, once proxies have been looked through."""

    address: str
    """IP address in canonical form; "" when the transport has none and nothing trusted named one."""
    forwarded: bool
    """It came through a trusted proxy."""
    loopback: bool
    """It connected from this machine without a proxy."""
    local: bool
    """C{loopback}, and it called the gateway by a loopback name: I{local direct}."""


@lru_cache(maxsize=1024)
def parse_address(text: str) -> Address | None:
    """Read an IP address in any of the spellings proxies use: port, brackets, quotes, zone, C{::ffff:}.

    @return: the address, IPv4 where it is an IPv4-mapped one; None for anything else.
    """
    text = text.strip().strip('"').strip()
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed is not None:
        text = bracketed[1]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    if ":" in text:
        text = text.partition("%")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address if isinstance(address, IPv4Address) else address.ipv4_mapped or address


def parse_network(text: str) -> Network | None:
    """Read an entry of C{gateway.trustedProxies}: an address or a network in CIDR notation; None for anything else."""
    address = parse_address(text)
    if address is not None:
        return ip_network(address)
    try:
        network = ip_network(text.strip(), strict=False)
    except ValueError:
        return None
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return network if mapped is None else ip_network((mapped, max(0, network.prefixlen - 96)), strict=False)


def proxies_of(gateway: GatewaySection) -> Proxies:
    """The trusted proxies of a configuration. An entry that can not be read trusts nobody."""
    entries = [entry.strip() for entry in gateway.trusted_proxies]
    networks = (parse_network(entry) for entry in entries if entry != UNIX)
    return Proxies(
        networks=tuple(network for network in networks if network is not None),
        unix=UNIX in entries,
        real_ip=gateway.allow_real_ip_fallback,
    )


def host_name(authority: str | None) -> str:
    """Name part of a C{Host} header: lower-case, without port, brackets and final dot; "" when it is no host."""
    text = (authority or "").strip().lower()
    match = _BRACKETED.fullmatch(text) or _HOST_PORT.fullmatch(text)
    return match[1].rstrip(".") if match is not None else ""


def is_loopback_name(name: str) -> bool:
    """Whether a host name can mean only this machine: C{localhost} or a loopback address."""
    if name == "localhost":
        return True
    address = parse_address(name)
    return address is not None and address.is_loopback


def is_forwarded(peer: Peer) -> bool:
    """Whether a request carries any forwarding header."""
    for name in FORWARDING_HEADERS:  # noqa: SIM110 (asked for each request: any() would double what it costs)
        if peer.header(name) is not None:
            return True
    return False


def attribute(peer: Peer, proxies: Proxies) -> Client:
    """Find the client behind C{peer}.

    @raise GatewayError: C{proxy_attribution_required}: a proxy on this machine is not in C{gateway.trustedProxies},
        or a trusted one did not say for whom it asks.
    """
    address = parse_address(peer.address)
    forwarded = is_forwarded(peer)
    if forwarded and proxies.trust(address):
        return Client(address=str(_forwarded_for(peer, proxies)), forwarded=True, loopback=False, local=False)
    loopback = address is not None and address.is_loopback
    if forwarded and (loopback or address is None):
        # Only a proxy on this machine sends these. Taken for a local client, everybody behind it would be one.
        raise proxy_attribution_required()
    # A distant peer's forwarding headers are just ignored: its own address is the truth.
    return Client(
        address="" if address is None else str(address),
        forwarded=False,
        loopback=loopback,
        local=loopback and is_loopback_name(host_name(peer.header("host"))),
    )


def _forwarded_for(peer: Peer, proxies: Proxies) -> Address:
    """The client as the chain of trusted proxies names it.

    The chain is read from the right, where the nearest proxy wrote. The first address that is no trusted proxy is the
    client; what stands left of it is the client's own claim. When every entry is trusted, the leftmost one is it.
    """
    chain = peer.header("x-forwarded-for")
    if chain is None:
        real_ip = peer.header("x-real-ip") if proxies.real_ip else None
        address = parse_address(real_ip or "")
        if address is None:
            raise proxy_attribution_required()
        return address
    client: Address | None = None
    # With more than MAX_HOPS entries, the first piece holds all the rest: no address, and so refused if we get there.
    for hop in reversed(chain.rsplit(",", MAX_HOPS - 1)):
        client = parse_address(hop)
        if client is None or not proxies.trust(client):
            break
    if client is None:
        raise proxy_attribution_required()
    return client


def is_local_direct(peer: Peer, proxies: Proxies) -> bool:
    """Whether the client sits on this machine, used no proxy, and called the gateway by a loopback name.

    False (never an error) for a request that can not be attributed. A UNIX socket is not I{local direct}: a reverse
    proxy is the likeliest to be behind one.
    """
    return not is_forwarded(peer) and attribute(peer, proxies).local
