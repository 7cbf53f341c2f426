# -*- test-case-name: tests.auth.test_peers -*-
"""Client addresses behind proxies, in all the spellings that proxies use."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.peers import (
    MAX_HOPS,
    attribute,
    host_name,
    is_local_direct,
    is_loopback_name,
    parse_address,
    parse_network,
    proxies_of,
)
from openclaw_tx.errors import GatewayError
from tests.auth.doubles import LOOPBACK, REMOTE, FakePeer, config_of

PROXY = "10.0.0.7"
PROXIES = proxies_of(config_of(trustedProxies=["10.0.0.0/8", "2001:db8:1::/48"]).gateway)
NOBODY = proxies_of(config_of().gateway)


def forwarded(chain: str, address: str = PROXY) -> FakePeer:
    """A request through a proxy with this X-Forwarded-For."""
    return FakePeer(address, {"X-Forwarded-For": chain})


class ParseTests(SynchronousTestCase):
    """Reading addresses, networks and host names."""

    def test_spellings(self) -> None:
        """Ports, brackets, quotes, zones and IPv4-mapped forms name the same address."""
        for text, address in [
            ("192.0.2.1", "192.0.2.1"),
            (" 192.0.2.1:4711 ", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
            ("2001:DB8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ('"[2001:db8::1]:4711"', "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
        ]:
            self.assertEqual(str(parse_address(text)), address, text)

    def test_not_addresses(self) -> None:
        """Names, obfuscated identifiers and broken spellings are no addresses."""
        for text in ["", "unknown", "_hidden", "localhost", "1.2.3", "1.2.3.4.5", "[::1", "::1]", "127.1", "1.2.3.4%x"]:
            self.assertIsNone(parse_address(text), text)

    def test_networks(self) -> None:
        """An entry is an address or a network; host bits and IPv4-mapped networks are understood."""
        self.assertEqual(str(parse_network("10.1.2.3/8")), "10.0.0.0/8")
        self.assertEqual(str(parse_network("10.1.2.3")), "10.1.2.3/32")
        self.assertEqual(str(parse_network("::ffff:10.0.0.0/104")), "10.0.0.0/8")
        self.assertEqual(str(parse_network("2001:db8::/32")), "2001:db8::/32")
        self.assertIsNone(parse_network("10.0.0.0/33"))
        self.assertIsNone(parse_network("proxy.example"))

    def test_host_names(self) -> None:
        """The name of a Host header without port, brackets, case and final dot; nothing for what is no host."""
        for authority, name in [
            ("LocalHost:18789", "localhost"),
            ("localhost.", "localhost"),
            ("[::1]:18789", "::1"),
            ("127.0.0.1", "127.0.0.1"),
            ("a:b:c", ""),
            ("[::1]x", ""),
            (None, ""),
        ]:
            self.assertEqual(host_name(authority), name, authority)

    def test_loopback_names(self) -> None:
        """Only localhost and loopback literals mean this machine for sure."""
        self.assertTrue(all(map(is_loopback_name, ["localhost", "127.0.0.1", "127.8.8.8", "::1"])))
        others = ["", "localhost.evil.example", "127.0.0.1.nip.io", "0.0.0.0", "10.0.0.1", "evil"]
        self.assertFalse(any(map(is_loopback_name, others)))


class AttributeTests(SynchronousTestCase):
    """Finding the client."""

    def test_direct(self) -> None:
        """Without forwarding headers the peer is the client."""
        client = attribute(FakePeer(REMOTE), NOBODY)
        self.assertEqual(
            (client.address, client.forwarded, client.loopback, client.local), (REMOTE, False, False, False)
        )

    def test_local_direct(self) -> None:
        """A loopback peer that calls the gateway by a loopback name is local; by another name it is not."""
        for address in [LOOPBACK, "::1", "::ffff:127.0.0.1", "127.3.4.5"]:
            self.assertTrue(attribute(FakePeer(address), NOBODY).local, address)
        for host in ["evil.example", "box.ts.net:18789", ""]:
            client = attribute(FakePeer(LOOPBACK, {"Host": host}), NOBODY)
            self.assertEqual((client.loopback, client.local), (True, False), host)

    def test_untrusted_proxy_on_loopback(self) -> None:
        """Forwarding headers on loopback without a trusted proxy are refused, whichever header it is."""
        for name in ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto"]:
            peer = FakePeer(LOOPBACK, {name: "203.0.113.4"})
            error = self.assertRaises(GatewayError, attribute, peer, NOBODY)
            self.assertEqual((error.info.code, error.info.kind.status), ("proxy_attribution_required", 403))
            self.assertFalse(is_local_direct(peer, NOBODY))

    def test_distant_peer_can_not_forward(self) -> None:
        """Headers of a distant peer that is no proxy are its own invention: its address stays its own."""
        client = attribute(forwarded("127.0.0.1", REMOTE), PROXIES)
        self.assertEqual((client.address, client.forwarded, client.local), (REMOTE, False, False))

    def test_chain_from_the_right(self) -> None:
        """The client is the first address from the right that is no proxy; what stands left of it is a claim."""
        for chain, address in [
            (REMOTE, REMOTE),
            (f"127.0.0.1, {REMOTE}", REMOTE),
            (f"1.1.1.1, {REMOTE}:4711, 10.9.9.9", REMOTE),
            (f"garbage, {REMOTE}, [2001:db8:1::5]:443, 10.9.9.9", REMOTE),
            ("::ffff:203.0.113.9", REMOTE),
        ]:
            self.assertEqual(attribute(forwarded(chain), PROXIES).address, address, chain)

    def test_all_trusted(self) -> None:
        """When the whole chain is trusted, its far end is the client."""
        self.assertEqual(attribute(forwarded("10.1.1.1, 10.2.2.2"), PROXIES).address, "10.1.1.1")

    def test_forwarded_is_never_local(self) -> None:
        """A chain that names loopback does not make a client local: only the transport can say that."""
        proxies = proxies_of(config_of(trustedProxies=[LOOPBACK]).gateway)
        client = attribute(forwarded("127.0.0.1", LOOPBACK), proxies)
        self.assertEqual((client.forwarded, client.loopback, client.local), (True, False, False))
        self.assertFalse(is_local_direct(forwarded("127.0.0.1", LOOPBACK), proxies))

    def test_trusted_proxy_must_attribute(self) -> None:
        """A trusted proxy that forwards without saying for whom, or says garbage, is refused."""
        for headers in [
            {"X-Forwarded-Proto": "https"},
            {"X-Forwarded-For": ""},
            {"X-Forwarded-For": "unknown"},
            {"X-Forwarded-For": f"{REMOTE}, unknown"},
            {"X-Forwarded-For": f"{REMOTE},"},
            {"X-Real-IP": REMOTE},
        ]:
            error = self.assertRaises(GatewayError, attribute, FakePeer(PROXY, headers), PROXIES)
            self.assertEqual(error.info.code, "proxy_attribution_required", headers)

    def test_long_chain(self) -> None:
        """A chain is read only so far; behind too many proxies the client is unknown, never guessed."""
        fits = ", ".join([REMOTE] + ["10.0.0.1"] * (MAX_HOPS - 1))
        self.assertEqual(attribute(forwarded(fits), PROXIES).address, REMOTE)
        self.assertRaises(GatewayError, attribute, forwarded(", ".join([REMOTE] + ["10.0.0.1"] * MAX_HOPS)), PROXIES)
        spam = "6.6.6.6, " * 5000 + REMOTE
        self.assertEqual(attribute(forwarded(spam), PROXIES).address, REMOTE)

    def test_real_ip_only_when_allowed(self) -> None:
        """X-Real-IP counts with allowRealIpFallback, and only without a chain."""
        allowed = proxies_of(config_of(trustedProxies=[PROXY], allowRealIpFallback=True).gateway)
        self.assertEqual(attribute(FakePeer(PROXY, {"X-Real-IP": "[::1]"}), allowed).address, "::1")
        peer = FakePeer(PROXY, {"X-Real-IP": "1.1.1.1", "X-Forwarded-For": REMOTE})
        self.assertEqual(attribute(peer, allowed).address, REMOTE)
        self.assertRaises(GatewayError, attribute, FakePeer(PROXY, {"X-Real-IP": "me"}), allowed)

    def test_unix_socket(self) -> None:
        """A UNIX socket is not local; its proxy is believed only when the configuration says so."""
        self.assertFalse(attribute(FakePeer(""), NOBODY).local)
        self.assertRaises(GatewayError, attribute, forwarded(REMOTE, ""), NOBODY)
        trusting = proxies_of(config_of(trustedProxies=["unix"]).gateway)
        self.assertEqual(attribute(forwarded(REMOTE, ""), trusting).address, REMOTE)

    def test_bad_entries_trust_nobody(self) -> None:
        """An entry of trustedProxies that can not be read opens nothing."""
        proxies = proxies_of(config_of(trustedProxies=["*", "any", "0.0.0.0/99"]).gateway)
        self.assertEqual(proxies.networks, ())

    @given(chain=st.text(max_size=200), real_ip=st.text(max_size=60), host=st.text(max_size=60))
    @example(chain="[[[[", real_ip="]", host="[]:")
    @example(chain="1.2.3.4:99999999,::%", real_ip="::ffff:1.2.3", host=":::")
    @example(chain="\u0661.2.3.4", real_ip="\ud800", host="\0")
    def test_garbage(self, chain: str, real_ip: str, host: str) -> None:
        """Whatever stands in the headers: a client or a GatewayError, and never a local one through a proxy."""
        proxies = proxies_of(config_of(trustedProxies=["10.0.0.0/8"], allowRealIpFallback=True).gateway)
        for headers in [{"X-Forwarded-For": chain}, {"X-Real-IP": real_ip}]:
            for address in [PROXY, LOOPBACK, REMOTE, ""]:
                try:
                    client = attribute(FakePeer(address, {**headers, "Host": host}), proxies)
                except GatewayError as error:
                    self.assertEqual(error.info.code, "proxy_attribution_required")
                else:
                    self.assertFalse(client.local)

    @given(chain=st.text(alphabet="0123456789abcdef.:,[] %/", max_size=80))
    def test_addresses_only(self, chain: str) -> None:
        """What comes out of a chain is always an address in canonical form."""
        try:
            client = attribute(forwarded(chain), PROXIES)
        except GatewayError:
            return
        self.assertEqual(str(parse_address(client.address)), client.address)
