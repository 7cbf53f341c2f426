# -*- test-case-name: tests.auth.test_advisories -*-
"""What went wrong in gateways of this kind must not go wrong here: one test for each published advisory on
authentication or authorisation."""

from __future__ import annotations

from openclaw_tx.auth import authorise, granted
from openclaw_tx.auth.actions import ACTIONS, ADMIN, OPERATOR_SCOPES, READ, WRITE
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Credentials, Principal, Target
from tests.auth.doubles import LOOPBACK, REMOTE, AuthTestCase, FakePeer, config_of, detail

EVIL = "https://evil.example"


def holder(*scopes: str) -> Principal:
    """A principal with these scopes."""
    return Principal(id="shared-secret", method="token", scopes=frozenset(scopes))


class AdvisoryTests(AuthTestCase):
    """Named by identifier."""

    def assert_forbidden(self, who: Principal, action: str, target: Target | None = None) -> None:
        """The authoriser refuses."""
        error = self.assertRaises(GatewayError, authorise, who, action, target or Target())
        self.assertEqual(error.info.code, "insufficient_scope")

    def test_cve_2026_25253(self) -> None:
        """A web page reaches the gateway of the person who opens it: refused at the upgrade, on loopback too."""
        for peer in [FakePeer(LOOPBACK, {"Origin": EVIL}), FakePeer(REMOTE, {"Origin": EVIL})]:
            error = self.assertRaises(GatewayError, self.auth.check_origin, peer)
            self.assertEqual(error.info.kind.status, 403)

    def test_clawjacked(self) -> None:
        """A page guesses the secret over loopback without limit: its guesses are counted and lock it out, alone."""
        page = FakePeer(LOOPBACK, {"Origin": EVIL})
        for _ in range(10):
            self.refused("guess", page)
        self.assertEqual(self.refused("right-token", page).info.code, "rate_limit_exceeded")
        self.accepted("right-token")

    def test_cve_2026_25593(self) -> None:
        """GHSA-g55j-c2v4-pjcg, a local client without credentials changed the configuration: being local proves
        nothing, changing it takes C{operator.admin}, and only two actions are free of a scope."""
        self.assertEqual(detail(self.refused(None)), "AUTH_TOKEN_MISSING")
        self.assertEqual(ACTIONS["config.set"].scope, ADMIN)
        unscoped = {name for name, rule in ACTIONS.items() if rule.scope is None}
        self.assertEqual(
            unscoped, {"connect", "health", "node.invoke.result", "node.event"}
        )  # the last two: nodes only

    def test_cve_2026_28472(self) -> None:
        """That a token was sent, not that it was right, opened the door: a wrong one is worth no more than none."""
        self.assertEqual(self.refused("present", after=0.25).info.code, "invalid_api_key")
        self.assertEqual(self.refused(None).info.code, "invalid_api_key")

    def test_ghsa_rqpp_rjj8_7wv8(self) -> None:
        """A shared-secret client declared its own admin scope: from afar it gets read, whatever it declares."""
        principal = self.accepted("right-token", FakePeer(REMOTE))
        scopes = granted(principal, [ADMIN, WRITE], local_direct=False, has_origin=False)
        self.assertEqual(scopes, {READ})

    def test_cve_2026_53821(self) -> None:
        """GHSA-48vw-m3qc-wr99, GHSA-qjpc-qf9m-xwmr, the same behind a trusted proxy: what a client writes into the
        scopes header through the proxy adds nothing, and without a bound identity there are no scopes at all."""
        self.config = config_of(
            auth={"mode": "trusted-proxy", "trustedProxy": {"userHeader": "x-user"}}, trustedProxies=["10.0.0.7"]
        )
        claim = {"X-Forwarded-For": REMOTE, "x-openclaw-scopes": "operator.admin, operator.read"}
        self.assertEqual(self.accepted(None, FakePeer("10.0.0.7", {**claim, "X-User": "ada"})).scopes, {READ})
        self.refused(None, FakePeer("10.0.0.7", claim))

    def test_cve_2026_32919(self) -> None:
        """CVE-2026-28473, the HTTP twin of a method skipped its scope check: both ask for the same scope, so every
        set of scopes gets the same verdict."""
        self.assertEqual(ACTIONS["chat.completions"].scopes, ACTIONS["agent"].scopes)
        for action in ("chat.completions", "agent"):
            self.assert_forbidden(holder(READ, "operator.approvals", "operator.pairing"), action)

    def test_ghsa_68f8_9mhj_h2mp(self) -> None:
        """Models were listed without the read scope."""
        self.assert_forbidden(holder("operator.pairing"), "models.list")

    def test_ghsa_5jvj_hxmh_6h6j(self) -> None:
        """Session histories were read without the read scope."""
        for action in ("chat.history", "sessions.list", "sessions.preview", "sessions.read", "runs.events"):
            self.assert_forbidden(holder("operator.approvals", "operator.talk.secrets"), action)

    def test_ghsa_5hff_46vh_rxmw(self) -> None:
        """The read scope could end work, and a header of the client then counted as owning it: read never cancels,
        and ownership is the principal's id, which no header of a shared-secret client can set."""
        self.assert_forbidden(holder(READ), "runs.cancel")
        self.assert_forbidden(holder(READ), "runs.cancel", Target(owner_id="shared-secret"))
        peer = FakePeer(
            REMOTE, {"x-openclaw-session-key": "agent:main:main", "x-user": "ada", "x-openclaw-owner": "ada"}
        )
        self.assertEqual(self.accepted("right-token", peer).id, "shared-secret")

    def test_the_fix_that_broke_everyone(self) -> None:
        """After a scope fix plain bearer callers were locked out of chat: a bearer secret may do everything, in
        either mode, from anywhere, with whatever headers."""
        for mode in ("token", "password"):
            self.config = config_of(auth={"mode": mode, mode: "right"})
            for peer in [FakePeer(), FakePeer(REMOTE), FakePeer(headers={"x-openclaw-scopes": "operator.read"})]:
                principal = self.accepted("right", peer)
                self.assertEqual(principal.scopes, OPERATOR_SCOPES)
                for action in ACTIONS:
                    authorise(principal, action)

    def test_ghsa_m8wm_r5vq_qjpg(self) -> None:
        """GHSA-68x5-xx89-w9mm, the old secret lived on after rotation: it ends with the next request, and what it
        opened before is no longer valid."""
        before = self.accepted("right-token")
        self.config = config_of(auth={"mode": "token", "token": "new-token"})
        self.assertEqual(detail(self.refused_remotely("right-token")), "AUTH_TOKEN_MISMATCH")
        self.assertFalse(self.auth.is_valid(before))
        self.assertTrue(self.auth.is_valid(self.accepted("new-token")))

    def test_limiter_bypass(self) -> None:
        """A second credential beside the guess kept it from being counted: every wrong guess counts, in any field."""
        guesses = [
            Credentials(token="guess"),
            Credentials(password="guess"),
            Credentials(token="guess", password="decoy"),
            Credentials(token="", password="guess"),
        ]
        for index in range(10):
            self.assertEqual(self.refused_remotely(guesses[index % 4]).info.code, "invalid_api_key")
        self.assertEqual(self.refused_remotely(guesses[0]).info.code, "rate_limit_exceeded")

    def test_spoofed_locality(self) -> None:
        """Forwarding headers made distant clients local and dodged the limiter: neither works."""
        for index in range(10):
            self.refused("guess", FakePeer(REMOTE, {"X-Forwarded-For": f"127.0.0.{index}"}))
        locked = self.refused("guess", FakePeer(REMOTE, {"X-Forwarded-For": "10.1.1.1", "X-Real-IP": "127.0.0.1"}))
        self.assertEqual(locked.info.code, "rate_limit_exceeded")
        self.assertFalse(self.auth.is_local_direct(FakePeer(REMOTE, {"X-Forwarded-For": LOOPBACK})))
