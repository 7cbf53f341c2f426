# -*- test-case-name: tests.tools.test_fetching -*-
"""Which addresses are somebody else's: the public internet, and nothing of ours (RFC 6890, RFC 6052, RFC 3056).

An address may be spelled in many ways (C{0x7f.1}, C{2130706433}, C{::ffff:127.0.0.1}); what counts is what it is.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHostnameResolver, IResolutionReceiver
from zope.interface import implementer

from openclaw_tx.errors import FetchFailed

Resolve = Callable[[str], Deferred[Sequence[str]]]
"""All addresses of a host name, in text form."""

_SPECIAL = [
    ip_network(text)
    for text in ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20", "5f00::/16")
]
"""Public by number, but served by the machine's own cloud (Azure, Oracle), by relays, or by nobody; Pythons differ."""

_NAT64 = ip_network("64:ff9b::/96")
_NAT64_LOCAL = ip_network("64:ff9b:1::/48")
_TRANSLATED = ip_network("::ffff:0:0:0/96")
"""IPv4 addresses behind a stateless translator (RFC 2765); L{ipaddress} takes them for public."""
_COMPATIBLE = ip_network("::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)
"""Upper half of an interface id whose lower half is an IPv4 address (RFC 5214)."""


def literal(host: str) -> str:
    """The address that a host is in itself, in plain form; "" when it is a name.

    Every spelling that some resolver takes for an IPv4 address counts (C{inet_aton}: decimal, octal, hexadecimal,
    shortened).
    """
    text = host.strip("[]").rstrip(".")
    if ":" in text:
        try:
            return str(IPv6Address(text.partition("%")[0]))
        except ValueError:
            return ""
    try:
        return str(IPv4Address(socket.inet_aton(text)))
    except OSError:
        return ""


def not_public(text: str) -> str:
    """Why an address must not be connected to, in words; "" when it may be.

    @param text: an address in any form that L{ipaddress} reads.
    """
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return "no address"
    if "%" in text:
        return "an address of one link"
    if isinstance(address, IPv4Address):
        return _not_public_v4(address)
    inner = _embedded(address)
    if inner is not None:
        return _not_public_v4(inner)
    local = address in _NAT64_LOCAL or address.is_site_local or any(address in network for network in _SPECIAL)
    return "not a public address" if local or not address.is_global or address.is_multicast else ""


def _not_public_v4(address: IPv4Address) -> str:
    special = address.is_multicast or address.is_reserved or any(address in network for network in _SPECIAL)
    return "not a public address" if special or not address.is_global else ""


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for."""
    number = int(address)
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    translated = address in _NAT64 or address in _TRANSLATED
    if translated or (address in _COMPATIBLE and number > 1) or (number >> 32) & 0xFFFFFFFF in _ISATAP:
        return IPv4Address(number & 0xFFFFFFFF)
    return None


def system_resolver(reactor: Any) -> Resolve:
    """Resolves as the reactor does.

    @param reactor: has a C{nameResolver} (IReactorPluggableNameResolver).
    """

    def resolve(name: str) -> Deferred[Sequence[str]]:
        resolver: IHostnameResolver = reactor.nameResolver
        answer: Deferred[Sequence[str]] = Deferred(lambda _: None)
        resolver.resolveHostName(_Receiver(answer), name)
        return answer

    return resolve


@implementer(IResolutionReceiver)
class _Receiver:
    """Collects the addresses of one name."""

    def __init__(self, answer: Deferred[Sequence[str]]) -> None:
        self._answer = answer
        self._found: list[str] = []

    def resolutionBegan(self, resolutionInProgress: object) -> None:
        """Nothing yet."""

    def addressResolved(self, address: Any) -> None:
        """One more."""
        self._found.append(address.host)

    def resolutionComplete(self) -> None:
        """All are there."""
        if not self._answer.called:
            if self._found:
                self._answer.callback(self._found)
            else:
                self._answer.errback(FetchFailed("the name could not be resolved"))


__all__ = ["Resolve", "literal", "not_public", "system_resolver"]
