# -*- test-case-name: tests.auth.test_methods -*-
"""Authentication in each mode, against the real limiter on a clock."""

from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth import resolve_secret
from openclaw_tx.auth.actions import OPERATOR_SCOPES
from openclaw_tx.auth.failures import REFUSALS, Detail
from openclaw_tx.auth.methods import MAX_USER, Secret, _same, unfit
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Credentials, Principal
from tests.auth.doubles import LOOPBACK, REMOTE, AuthTestCase, FakePeer, both, config_of, detail


class ResolveTests(SynchronousTestCase):
    """Which secret counts."""

    def test_configuration_before_environment(self) -> None:
        """S8, S9: the configuration wins, the environment fills in, the former names come last."""
        environment = {
            "OPENCLAW_GATEWAY_TOKEN": "env-token",
            "CLAWDBOT_GATEWAY_TOKEN": "old-token",
            "CLAWDBOT_GATEWAY_PASSWORD": "old-password",
        }
        empty = config_of(auth={"mode": "token"})
        self.assertEqual(resolve_secret(empty, environment), Secret("token", "env-token", "old-password"))
        own = config_of(auth={"mode": "token", "token": "own-token"})
        self.assertEqual(resolve_secret(own, environment).token, "own-token")
        self.assertEqual(resolve_secret(empty, {"CLAWDBOT_GATEWAY_TOKEN": "old-token"}).token, "old-token")

    def test_blank_variables_are_absent(self) -> None:
        """A variable that a script left blank neither counts nor hides another one."""
        environment = {"OPENCLAW_GATEWAY_TOKEN": "  ", "CLAWDBOT_GATEWAY_TOKEN": "old-token"}
        self.assertEqual(resolve_secret(config_of(), environment).token, "old-token")
        self.assertIsNone(resolve_secret(config_of(), {"OPENCLAW_GATEWAY_TOKEN": ""}).token)

    def test_default_mode(self) -> None:
        """Without a mode: password when only a password is known, otherwise token."""
        self.assertEqual(resolve_secret(config_of(auth={"password": "p"}), {}).mode, "password")
        self.assertEqual(resolve_secret(config_of(), {"OPENCLAW_GATEWAY_PASSWORD": "p"}).mode, "password")
        self.assertEqual(resolve_secret(config_of(auth={"token": "t"}), {}).mode, "token")
        self.assertEqual(resolve_secret(config_of(), {}).mode, "token")
        self.assertEqual(resolve_secret(config_of(auth={"token": "t", "password": "p"}), {}).mode, "token")

    def test_unfit(self) -> None:
        """Blanks, script leftovers and documentation's placeholders are no secrets; odd real ones are."""
        for text in [
            "",
            " \t",
            "undefined",
            "NULL",
            "change-me-to-a-long-random-token",
            "CHANGE_ME",
            "changeme",
            "<your token>",
            "${OPENCLAW_GATEWAY_TOKEN}",
            "your-token",
            "YOUR_GATEWAY_TOKEN_HERE",
        ]:
            self.assertIsNotNone(unfit(text), text)
            self.assertIsNone(Secret("token", text).value)
        for text in ["s", "changemeister", "nullable", "yours", "a<b>c", "päß wört"]:
            self.assertIsNone(unfit(text), text)

    def test_never_shown(self) -> None:
        """A resolved secret does not print itself."""
        self.assertNotIn("hush", repr(Secret("token", "hush", "hush")) + str(Secret("token", "hush")))


class SharedSecretTests(AuthTestCase):
    """Modes token and password."""

    def test_right_token(self) -> None:
        """The right secret makes a full operator, whose address is known and whose secret is not."""
        principal = self.accepted("right-token", FakePeer(REMOTE))
        self.assertEqual((principal.id, principal.method, principal.ip), ("shared-secret", "token", REMOTE))
        self.assertEqual(principal.scopes, OPERATOR_SCOPES)
        self.assertNotIn("right-token", repr(principal))

    def test_other_secrets_value(self) -> None:
        """S8, S9: in token mode the password's value is refused, and the other way round."""
        secrets = {"token": "right-token", "password": "right-password"}
        for mode, other in [("token", "password"), ("password", "token")]:
            self.config = config_of(auth={"mode": mode, **secrets})
            self.accepted(secrets[mode], FakePeer(REMOTE))
            error = self.refused_remotely(secrets[other])
            self.assertEqual(detail(error), f"AUTH_{mode.upper()}_MISMATCH")

    def test_either_field(self) -> None:
        """A WebSocket client may put the secret into either field."""
        self.accepted(Credentials(token="right-token"))
        self.accepted(Credentials(password="right-token"))
        self.accepted(Credentials(token="right-token", password="other"))

    def test_one_guess_an_attempt(self) -> None:
        """Two different values are not two guesses for the price of one: the mode's own field counts."""
        for mode, offered in [
            ("token", Credentials(token="guess", password="right")),
            ("password", Credentials(token="right", password="guess")),
        ]:
            self.config = config_of(auth={"mode": mode, mode: "right"})
            self.assertEqual(detail(self.refused_remotely(offered)), f"AUTH_{mode.upper()}_MISMATCH")

    def test_missing(self) -> None:
        """No credential is refused at once, and does not count."""
        for offered in [None, Credentials(token=""), Credentials(token="  ", password="")]:
            error = self.refused(offered)
            self.assertEqual((error.info.code, str(error)), ("invalid_api_key", "Unauthorized"))
            self.assertEqual(detail(error), "AUTH_TOKEN_MISSING")
        self.assertEqual(len(self.auth.limiter), 0)

    def test_wrong_on_loopback(self) -> None:
        """On this machine a refusal takes its time, and a right secret does not."""
        error = self.refused("wrong", after=0.25)
        self.assertEqual((error.info.kind.status, detail(error)), (401, "AUTH_TOKEN_MISMATCH"))
        self.refused("wrong", after=0.5)
        self.accepted("right-token")
        self.refused("wrong", after=0.25)

    def test_client_leaves_while_waiting(self) -> None:
        """A client that hangs up before its refusal leaves no timer behind."""
        deferred = self.begin("wrong")
        deferred.cancel()
        self.failureResultOf(deferred, CancelledError)

    def test_lockout(self) -> None:
        """Too many wrong secrets lock an address out: 429 for wrong, missing and right secrets alike."""
        self.config = config_of(auth={"mode": "token", "token": "right-token", "rateLimit": {"maxAttempts": 3}})
        for _ in range(3):
            self.assertEqual(self.refused_remotely("wrong").info.code, "invalid_api_key")
        for offered in ["wrong", None, "right-token"]:
            error = self.refused_remotely(offered)
            self.assertEqual(error.info.code, "rate_limit_exceeded")
            self.assertEqual((error.info.retry_after, detail(error)), (300, "AUTH_RATE_LIMITED"))
            self.assertEqual(str(error), "Too many failed authentication attempts. Please try again later.")
        self.accepted("right-token", FakePeer("203.0.113.10"))
        self.clock.advance(300)
        self.accepted("right-token", FakePeer(REMOTE))

    def test_loopback_not_exempt(self) -> None:
        """With exemptLoopback off, this machine is refused at once and locked out as any other."""
        limits = {"maxAttempts": 1, "exemptLoopback": False, "lockoutMs": 20_000}
        self.config = config_of(auth={"mode": "token", "token": "right-token", "rateLimit": limits})
        self.refused("wrong")
        self.assertEqual(self.refused("right-token").info.retry_after, 20)

    def test_proxied_loopback_is_locked_out(self) -> None:
        """A client that a trusted proxy calls 127.0.0.1 is not taken for a local one."""
        limits = {"maxAttempts": 1}
        self.config = config_of(
            auth={"mode": "token", "token": "right-token", "rateLimit": limits}, trustedProxies=[LOOPBACK]
        )
        peer = FakePeer(LOOPBACK, {"X-Forwarded-For": "127.0.0.1"})
        self.refused("wrong", peer)
        self.assertEqual(self.refused("right-token", peer).info.code, "rate_limit_exceeded")

    def test_pending_refusals_are_bounded(self) -> None:
        """Sixty-four guesses at once are answered late; further ones, even right ones, are refused unread."""
        pending = [self.begin("wrong") for _ in range(64)]
        self.assertEqual(self.refused("right-token").info.code, "rate_limit_exceeded")
        self.clock.advance(5)
        for deferred in pending:
            self.failureResultOf(deferred, GatewayError)
        self.accepted("right-token")

    def test_untrusted_proxy(self) -> None:
        """A right secret does not help a request that can not be attributed."""
        error = self.refused("right-token", FakePeer(LOOPBACK, {"X-Forwarded-For": "203.0.113.4"}))
        self.assertEqual((error.info.code, error.info.kind.status), ("proxy_attribution_required", 403))

    def test_no_usable_secret(self) -> None:
        """A secret that is missing, blank or a placeholder lets nobody in, least of all who offers just that."""
        for token in [None, "", "undefined", "change-me"]:
            self.config = config_of(auth={"mode": "token", "token": token})
            for offered in [None, token, "x"]:
                self.assertEqual(detail(self.refused_remotely(offered)), "AUTH_TOKEN_NOT_CONFIGURED")
        self.config = config_of(auth={"mode": "password"})
        self.assertEqual(detail(self.refused_remotely("x")), "AUTH_PASSWORD_NOT_CONFIGURED")

    def test_secret_of_the_moment(self) -> None:
        """Configuration and environment are read at each request."""
        self.config = config_of(auth={"mode": "token"})
        self.environment["OPENCLAW_GATEWAY_TOKEN"] = "first"
        old = self.accepted("first")
        self.assertTrue(self.auth.is_valid(old))
        self.environment["OPENCLAW_GATEWAY_TOKEN"] = "second"
        self.assertEqual(detail(self.refused_remotely("first")), "AUTH_TOKEN_MISMATCH")
        self.assertFalse(self.auth.is_valid(old))
        self.assertTrue(self.auth.is_valid(self.accepted("second")))
        self.environment["OPENCLAW_GATEWAY_TOKEN"] = "first"
        self.assertTrue(self.auth.is_valid(old), "nothing is remembered about a principal")

    def test_mode_change_revokes(self) -> None:
        """A principal of one mode is nobody in another, though the secret's text be the same."""
        principal = self.accepted("right-token")
        for auth in [{"mode": "password", "password": "right-token"}, {"mode": "none"}, {"mode": "token"}]:
            self.config = config_of(auth=auth)
            self.assertFalse(self.auth.is_valid(principal), auth)

    def test_embedder_stays_valid(self) -> None:
        """The program that the gateway is part of has no credential to rotate."""
        self.assertTrue(self.auth.is_valid(Principal(id="local", method="local", scopes=frozenset())))

    def test_digests_are_compared(self) -> None:
        """No early return on length or first byte: what is compared are whole digests, whatever was offered."""
        compared: list[tuple[int, int]] = []

        def compare(left: bytes, right: bytes) -> bool:
            compared.append((len(left), len(right)))
            return left == right

        for offered in ["", "r", "right-token", "right-tokem", "x" * 100_000]:
            self.assertEqual(_same(offered, "right-token", compare), offered == "right-token")
        self.assertEqual(compared, [(32, 32)] * 5)

    @given(st.text(), st.text())
    def test_same_is_equality(self, offered: str, wanted: str) -> None:
        """Comparing digests is comparing texts, for every text there is."""
        self.assertEqual(_same(offered, wanted), offered == wanted)
        self.assertTrue(_same(offered, offered))

    def test_lone_surrogates(self) -> None:
        """Half a character from a JSON escape is a wrong secret, not a crash."""
        self.assertEqual(detail(self.refused_remotely("\ud800")), "AUTH_TOKEN_MISMATCH")

    def test_scopes_header_is_deaf(self) -> None:
        """A shared secret is worth its full scopes; the scopes header neither adds nor takes."""
        for value in ["", "operator.read", "operator.root"]:
            principal = self.accepted("right-token", FakePeer(headers={"x-openclaw-scopes": value}))
            self.assertEqual(principal.scopes, OPERATOR_SCOPES)

    def test_codes_are_complete(self) -> None:
        """Every detail code has its texts, and nothing else has."""
        self.assertEqual(set(get_args(Detail)), set(REFUSALS))


class NoneTests(AuthTestCase):
    """Mode none."""

    def setUp(self) -> None:
        super().setUp()
        self.config = config_of(auth={"mode": "none"})

    def test_local_program(self) -> None:
        """A program on this machine is a full operator, whatever it offers."""
        for offered in [None, "anything"]:
            principal = self.accepted(offered)
            self.assertEqual((principal.id, principal.method), ("none", "none"))
            self.assertEqual(principal.scopes, OPERATOR_SCOPES)
            self.assertTrue(self.auth.is_valid(principal))

    def test_only_this_machine(self) -> None:
        """Other machines, UNIX sockets and whoever comes through a proxy have no business here."""
        for peer in [FakePeer(REMOTE), FakePeer("")]:
            error = self.refused(None, peer)
            self.assertEqual((error.info.code, detail(error)), ("invalid_api_key", "AUTH_UNAUTHORIZED"))
        self.config = config_of(auth={"mode": "none"}, trustedProxies=[LOOPBACK])
        self.assertEqual(
            self.refused(None, FakePeer(LOOPBACK, {"X-Forwarded-For": LOOPBACK})).info.code, "invalid_api_key"
        )

    def test_scopes_header_narrows(self) -> None:
        """The scopes header takes scopes away and gives none."""
        for value, scopes in [
            ("operator.read, operator.write", {"operator.read", "operator.write"}),
            ("Operator.Read,,operator.root", {"operator.read"}),
            ("", set()),
        ]:
            principal = self.accepted(None, FakePeer(headers={"x-openclaw-scopes": value}))
            self.assertEqual(principal.scopes, scopes)

    def test_pages_of_other_sites(self) -> None:
        """Nothing that another site's page can make a browser send gets through; the gateway's own page does."""
        for headers in [
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://localhost:3000"},
            {"Origin": "http://127.0.0.1:18789", "Host": "evil.example:18789"},
            {"Host": "evil.example:18789"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ]:
            self.assertEqual(self.refused(None, FakePeer(headers=headers)).info.code, "origin_not_allowed", headers)
        for headers in [
            {"Origin": "http://127.0.0.1:18789", "Sec-Fetch-Site": "same-origin"},
            {"Sec-Fetch-Site": "none"},
            {"Host": "localhost:18789", "Origin": "http://localhost:18789"},
            {"Host": "[::1]:18789"},
        ]:
            self.accepted(None, FakePeer(headers=headers))

    def test_listed_pages(self) -> None:
        """A listed origin and its host are let in; the star is no list."""
        self.config = config_of(auth={"mode": "none"}, controlUi={"allowedOrigins": ["*", "http://box.lan:18789"]})
        self.accepted(None, FakePeer(headers={"Host": "box.lan:18789", "Origin": "http://box.lan:18789"}))
        self.refused(None, FakePeer(headers={"Origin": "https://evil.example"}))


class TrustedProxyTests(AuthTestCase):
    """Mode trusted-proxy."""

    PROXY = "10.0.0.7"

    def setUp(self) -> None:
        super().setUp()
        self.configure()

    def configure(
        self, proxies: list[str] | None = None, more: dict[str, object] | None = None, **rules: object
    ) -> None:
        """Trust a proxy under these C{trustedProxy} rules."""
        self.config = config_of(
            auth={"mode": "trusted-proxy", "trustedProxy": {"userHeader": "X-User", **rules}},
            trustedProxies=[self.PROXY] if proxies is None else proxies,
            **(more or {}),
        )

    def peer(self, headers: dict[str, str] | None = None, address: str = PROXY) -> FakePeer:
        """A request of the proxy for a distant client."""
        return FakePeer(address, {"X-Forwarded-For": REMOTE, "X-User": "ada", **(headers or {})})

    def why(self, peer: FakePeer) -> str:
        """The reason of a refusal."""
        error = self.refused(None, peer)
        self.assertEqual(detail(error), "AUTH_UNAUTHORIZED")
        return str((error.info.details or {})["authReason"])

    def test_user(self) -> None:
        """The proxy's word makes a user with read and write, and no more."""
        principal = self.accepted(None, self.peer())
        self.assertEqual((principal.id, principal.method, principal.ip), ("proxy:ada", "trusted-proxy", REMOTE))
        self.assertEqual(principal.scopes, {"operator.read", "operator.write"})
        self.assertTrue(self.auth.is_valid(principal))

    def test_only_from_the_proxy(self) -> None:
        """The user header of anybody else is worth nothing."""
        self.assertEqual(self.why(self.peer(address=REMOTE)), "trusted_proxy_untrusted_source")

    def test_no_identity_no_entry(self) -> None:
        """Coming from the proxy without a proper user is to be nobody."""
        for user in ["", "   ", "a\tb", "x" * (MAX_USER + 1)]:
            self.assertEqual(self.why(self.peer({"X-User": user})), "trusted_proxy_user_missing")
        self.configure(userHeader="")
        self.assertEqual(self.why(self.peer()), "trusted_proxy_user_missing")

    def test_required_headers(self) -> None:
        """Required headers must be there and say something."""
        self.configure(requiredHeaders=["X-Proxy-Proof"])
        self.assertEqual(self.why(self.peer()), "trusted_proxy_missing_header")
        self.assertEqual(self.why(self.peer({"X-Proxy-Proof": " "})), "trusted_proxy_missing_header")
        self.accepted(None, self.peer({"x-proxy-proof": "1"}))

    def test_allowed_users(self) -> None:
        """With a list, only its users are let in, and only while they are on it."""
        self.configure(allowUsers=["ada"])
        ada = self.accepted(None, self.peer())
        self.assertEqual(self.why(self.peer({"X-User": "eve"})), "trusted_proxy_user_not_allowed")
        self.configure(allowUsers=["ada", "bob"])
        self.assertTrue(self.auth.is_valid(ada))
        self.configure(allowUsers=["bob"])
        self.assertFalse(self.auth.is_valid(ada))

    def test_proxy_dismissed(self) -> None:
        """Who came through a proxy that is no longer trusted is no longer valid."""
        ada = self.accepted(None, self.peer())
        self.configure(proxies=["10.0.0.8"])
        self.assertFalse(self.auth.is_valid(ada))

    def test_loopback_proxy(self) -> None:
        """A proxy on this machine is believed only when that is said: any program here could claim to be it."""
        self.configure(proxies=[LOOPBACK])
        self.assertEqual(self.why(self.peer(address=LOOPBACK)), "trusted_proxy_loopback_source")
        self.configure(proxies=[LOOPBACK], allowLoopback=True)
        self.accepted(None, self.peer(address=LOOPBACK))

    def test_scopes_header_can_not_add(self) -> None:
        """A scopes header that a client may have sent through the proxy narrows, and never adds."""
        for value, scopes in [
            ("operator.admin", set()),
            ("operator.read,operator.admin", {"operator.read"}),
            ("", set()),
        ]:
            self.assertEqual(self.accepted(None, self.peer({"x-openclaw-scopes": value})).scopes, scopes)

    def test_bound_scopes_header(self) -> None:
        """When the operator requires the scopes header of the proxy, it is the proxy's word, up to full scopes."""
        self.configure(requiredHeaders=["X-OpenClaw-Scopes"])
        principal = self.accepted(None, self.peer({"x-openclaw-scopes": "operator.admin,operator.root"}))
        self.assertEqual(principal.scopes, {"operator.admin"})
        self.assertEqual(self.why(self.peer()), "trusted_proxy_missing_header")

    def test_pages_of_other_sites(self) -> None:
        """What another site's page makes a browser send bears the user's login at the proxy, and is refused all the
        same: the user did not ask for it. A GET without C{Origin} is told by what the browser says of it."""
        for headers in [
            {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "https://other.example.org", "Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site"},
        ]:
            error = self.refused(None, self.peer(headers))
            self.assertEqual(error.info.code, "origin_not_allowed", headers)

    def test_pages_of_ones_own(self) -> None:
        """The gateway's own page, by the browser's word or by its name before or behind the proxy; links that the user
        opens; programs; and listed pages, as of CORS so of the WebSocket."""
        named = {"Origin": "https://claw.example"}
        for headers in [
            {**named, "Sec-Fetch-Site": "same-origin"},
            {**named, "Host": "claw.example"},
            {**named, "X-Forwarded-Host": "claw.example"},
            {"Sec-Fetch-Site": "none"},
            {},
        ]:
            self.accepted(None, self.peer(headers))
        self.refused(None, self.peer({**named, "Sec-Fetch-Site": "cross-site"}))
        for listed in [
            {"http": {"cors": {"allowedOrigins": ["https://claw.example"]}}},
            {"controlUi": {"allowedOrigins": ["https://claw.example"]}},
            {"controlUi": {"allowedOrigins": ["*"]}},
        ]:
            self.configure(more=listed)
            self.accepted(None, self.peer({**named, "Sec-Fetch-Site": "cross-site"}))

    def test_secrets_do_not_help(self) -> None:
        """In this mode a secret is worth nothing."""
        self.environment["OPENCLAW_GATEWAY_TOKEN"] = "right-token"
        self.refused("right-token", FakePeer(REMOTE))


class SilenceTests(AuthTestCase):
    """Secrets never show."""

    def test_nothing_prints_a_secret(self) -> None:
        """Neither errors nor principals nor the parts they came through carry the secret in any rendering."""
        secret = "hush-hush"
        self.config = config_of(auth={"mode": "token", "token": secret, "password": secret})
        error = self.refused_remotely("hush-hush-wrong")
        shown = [
            error,
            error.info,
            error.info.details,
            self.accepted(secret),
            both(secret),
            self.auth,
            self.auth.limiter,
        ]
        shown += [self.config, self.config.gateway.auth, resolve_secret(self.config, {}), vars(self.auth)]
        for thing in shown:
            self.assertNotIn("hush", f"{thing!r}{thing!s}", type(thing))
        for thing in [self.config.gateway.auth, both(secret)]:
            self.assertNotIn("hush", repr(list(thing.__rich_repr__())))
