# -*- test-case-name: tests.auth.test_origins -*-
"""Which pages may open a WebSocket."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.origins import CONTROL_UI, Origin, parse_origin, trusts_page
from openclaw_tx.config.schema_gateway import ControlUi
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Principal
from tests.auth.doubles import LOOPBACK, REMOTE, AuthTestCase, FakePeer, config_of, detail


class ParseTests(SynchronousTestCase):
    """Reading an origin."""

    def test_origins(self) -> None:
        """Case, default ports, brackets and a final slash or dot make no difference."""
        for text, origin in [
            ("HTTPS://Example.ORG", Origin("https", "example.org", 443)),
            ("https://example.org:443/", Origin("https", "example.org", 443)),
            ("http://[::1]:18789", Origin("http", "::1", 18789)),
            ("http://example.org.", Origin("http", "example.org", 80)),
            ("chrome-extension://abcdef", Origin("chrome-extension", "abcdef", None)),
        ]:
            self.assertEqual(parse_origin(text), origin)

    def test_not_origins(self) -> None:
        """What a browser never sends as an origin is none."""
        for text in [
            "null",
            "",
            "example.org",
            "http://",
            "http://a/b",
            "http://user@a",
            "http://a:b",
            "http://a http://b",
            "http://a,http://b",
            "file:///x",
        ]:
            self.assertIsNone(parse_origin(text), text)


class TrustTests(SynchronousTestCase):
    """L{trusts_page}."""

    def test_only_with_the_secret(self) -> None:
        """The Control UI needs no device where the operator said so, if it came with the gateway's own secret."""
        near = ControlUi(allow_insecure_auth=True)
        everywhere = ControlUi(dangerously_disable_device_auth=True)
        for method, expected in (("token", True), ("password", True), ("key", False), ("device-token", False)):
            who = Principal(id="x", method=method, scopes=frozenset())  # type: ignore[arg-type]
            for rules, local, trusted in (
                (near, True, expected),
                (near, False, False),
                (everywhere, False, expected),
                (ControlUi(), True, False),
            ):
                self.assertEqual(trusts_page(who, CONTROL_UI, rules, local_direct=local), trusted, (method, rules))
                self.assertFalse(trusts_page(who, "cli", rules, local_direct=local))


class CheckTests(AuthTestCase):
    """The check at the upgrade."""

    def allowed(self, origin: str | None, host: str = "127.0.0.1:18789", address: str = LOOPBACK) -> bool:
        """Whether a page of C{origin} gets through."""
        headers = {"Host": host} if origin is None else {"Host": host, "Origin": origin}
        try:
            self.auth.check_origin(FakePeer(address, headers))
        except GatewayError as error:
            self.assertEqual((error.info.code, error.info.kind.status), ("origin_not_allowed", 403))
            self.assertEqual(detail(error), "CONTROL_UI_ORIGIN_NOT_ALLOWED")
            return False
        return True

    def test_programs_pass(self) -> None:
        """Without an Origin there is no page."""
        self.assertTrue(self.allowed(None))
        self.assertTrue(self.allowed(None, "gateway.example", REMOTE))

    def test_evil(self) -> None:
        """Foreign pages are refused from wherever they are opened, also those that imitate loopback."""
        for origin in [
            "http://evil.example",
            "https://evil.example:18789",
            "null",
            "",
            "http://127.0.0.1.evil.example:18789",
            "http://localhost.evil.example",
            "http://localhost@evil.example",
            "file://127.0.0.1:18789",
            "http://127.0.0.1:18789, http://evil.example",
            "garbage",
        ]:
            self.assertFalse(self.allowed(origin), origin)
            self.assertFalse(self.allowed(origin, "localhost"), origin)

    def test_loopback_pages(self) -> None:
        """Pages served on this machine get through to a client on this machine, and to nobody else."""
        for origin in ["http://127.0.0.1:18789", "http://localhost:3000", "https://[::1]"]:
            self.assertTrue(self.allowed(origin), origin)
            self.assertFalse(self.allowed(origin, address=REMOTE), origin)
            self.assertFalse(self.allowed(origin, "evil.example:18789"), "a rebound name")

    def test_rebound_name(self) -> None:
        """A public name that was made to point here is foreign, though Origin and Host agree."""
        self.assertFalse(self.allowed("http://evil.example:18789", "evil.example:18789"))

    def test_nearby_pages(self) -> None:
        """The gateway's own page under an address literal or a name of the local network is its own."""
        for authority in ["192.168.1.5:18789", "10.0.0.2:18789", "box.local:18789", "box.tail1.ts.net:18789"]:
            self.assertTrue(self.allowed(f"http://{authority}", authority, REMOTE), authority)
            other = authority.replace("18789", "18790")
            self.assertFalse(self.allowed(f"http://{other}", authority, REMOTE), "another port")
            self.assertFalse(self.allowed(f"http://{authority}", "other.local:18789", REMOTE), "another host")
        self.assertTrue(self.allowed("https://[fd00::5]:18789", "[fd00::5]:18789", REMOTE))
        self.assertTrue(self.allowed("https://box.local", "box.local", REMOTE), "default port on both sides")
        self.assertFalse(self.allowed("http://93.184.216.34:18789", "93.184.216.34:18789", REMOTE))

    def test_listed(self) -> None:
        """Listed origins get through exactly: scheme, host and port."""
        self.config = config_of(controlUi={"allowedOrigins": ["https://Ui.example", "app://desktop"]})
        self.assertTrue(self.allowed("https://ui.example:443", "gateway.example", REMOTE))
        self.assertTrue(self.allowed("app://desktop", "gateway.example", REMOTE))
        for origin in ["http://ui.example", "https://ui.example:8443", "https://x.ui.example"]:
            self.assertFalse(self.allowed(origin, "gateway.example", REMOTE), origin)

    def test_star(self) -> None:
        """The star lets every page in, but not what is no page's origin."""
        self.config = config_of(controlUi={"allowedOrigins": ["*"]})
        self.assertTrue(self.allowed("https://any.example", "gateway.example", REMOTE))
        self.assertFalse(self.allowed("null", "gateway.example", REMOTE))

    def test_host_fallback(self) -> None:
        """The dangerous fallback takes the Host header's word for the page."""
        self.config = config_of(controlUi={"dangerouslyAllowHostHeaderOriginFallback": True})
        self.assertTrue(self.allowed("https://gateway.example", "gateway.example", REMOTE))
        self.assertFalse(self.allowed("https://evil.example", "gateway.example", REMOTE))

    def test_proxied_page(self) -> None:
        """Behind a trusted proxy a loopback page is a distant person's; the untrusted proxy is refused as such."""
        headers = {"Origin": "http://localhost:3000", "Host": "localhost", "X-Forwarded-For": REMOTE}
        peer = FakePeer(LOOPBACK, headers)
        error = self.assertRaises(GatewayError, self.auth.check_origin, peer)
        self.assertEqual(error.info.code, "proxy_attribution_required")
        self.config = config_of(trustedProxies=[LOOPBACK])
        error = self.assertRaises(GatewayError, self.auth.check_origin, peer)
        self.assertEqual(error.info.code, "origin_not_allowed")

    def test_mode_none_asks_for_the_host(self) -> None:
        """Without secrets, even a program must call the gateway by a name that can mean only this machine."""
        self.config = config_of(auth={"mode": "none"})
        self.assertTrue(self.allowed(None, "localhost:18789"))
        peer = FakePeer(LOOPBACK, {"Host": "rebound.example:18789"})
        self.assertEqual(detail(self.assertRaises(GatewayError, self.auth.check_origin, peer)), "HOST_NOT_ALLOWED")

    def test_local_direct(self) -> None:
        """What decides over scopes: this machine, no proxy, a loopback name."""
        self.assertTrue(self.auth.is_local_direct(FakePeer()))
        self.assertFalse(self.auth.is_local_direct(FakePeer(REMOTE)))
        self.assertFalse(self.auth.is_local_direct(FakePeer(headers={"Host": "evil.example"})))
        self.assertFalse(self.auth.is_local_direct(FakePeer(headers={"Forwarded": "for=127.0.0.1"})))

    @given(origin=st.text(max_size=80), host=st.text(max_size=80))
    def test_garbage(self, origin: str, host: str) -> None:
        """Whatever the headers hold, the check allows or refuses, and never lets a foreign host name pass."""
        if self.allowed(origin, host):
            parsed = parse_origin(origin)
            assert parsed is not None
            self.assertIn(parsed.scheme, ("http", "https"))
