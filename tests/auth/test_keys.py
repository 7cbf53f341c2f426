# -*- test-case-name: tests.auth.test_keys -*-
"""Keys: who they are, what they are refused for, and what is wrong with them before the gateway starts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from openclaw_tx.auth.actions import ACTIONS, ADMIN, OPERATOR_SCOPES, granted
from openclaw_tx.auth.keys import expiry, hash_of, new_key
from openclaw_tx.auth.startup import check_startup
from openclaw_tx.config.decode import decode
from openclaw_tx.config.redact import REDACTED, redact
from openclaw_tx.errors import ConfigError
from openclaw_tx.values import Credentials
from tests.auth.doubles import REMOTE, AuthTestCase, FakePeer, config_of, detail

SECRET = "octx_the-key-of-the-laptop"


def key(label: str = "laptop", secret: str = SECRET, **rest: Any) -> dict[str, Any]:
    """An entry of the configuration."""
    return {"label": label, "hash": hash_of(secret), **rest}


class KeyTests(AuthTestCase):
    """Keys beside the shared secret."""

    def use(self, *keys: dict[str, Any], mode: str = "token") -> None:
        """Configure these keys."""
        self.config = config_of(auth={"mode": mode, mode: "right-token", "keys": list(keys)})

    def test_principal(self) -> None:
        """A key is a principal of its own, with its own scopes and bounds; the shared secret stays the owner."""
        self.use(key(scopes=["operator.read"], agents=["beta", "main"], sessionPrefix="Team-A:"))
        who = self.accepted(SECRET)
        self.assertEqual((who.id, who.method, who.scopes), ("key:laptop", "key", frozenset({"operator.read"})))
        self.assertEqual((who.agents, who.session_prefix, who.ip), (("beta", "main"), "team-a:", "127.0.0.1"))
        owner = self.accepted("right-token")
        self.assertEqual((owner.id, owner.scopes), ("shared-secret", OPERATOR_SCOPES))
        self.assertEqual((owner.agents, owner.session_prefix), ((), ""))

    def test_defaults(self) -> None:
        """Read and write, all agents, sessions of its own; an administrator's key has all sessions."""
        self.use(key(), key("root", "other", scopes=["operator.admin"]), key("open", "third", sessionPrefix=""))
        who = self.accepted(SECRET)
        self.assertEqual((who.scopes, who.agents), (frozenset({"operator.read", "operator.write"}), ()))
        self.assertEqual([self.accepted(s).session_prefix for s in (SECRET, "other", "third")], ["laptop:", "", ""])

    def test_fields(self) -> None:
        """In either field, and beside a password as well."""
        self.use(key(), mode="password")
        for offered in (Credentials(token=SECRET), Credentials(password=SECRET), Credentials(SECRET, SECRET)):
            self.assertEqual(self.accepted(offered).id, "key:laptop")

    def test_wrong(self) -> None:
        """A wrong key is a wrong secret: refused late, counted, locked out."""
        self.use(key())
        self.assertEqual(detail(self.refused(SECRET + "x", after=0.25)), "AUTH_TOKEN_MISMATCH")
        for offered in (hash_of(SECRET), hash_of(SECRET).removeprefix("sha256:"), "laptop", "key:laptop"):
            for _ in range(3):
                error = self.refused_remotely(offered)
        self.assertEqual(detail(error), "AUTH_RATE_LIMITED")
        locked = self.refused(SECRET, FakePeer(REMOTE))
        self.assertEqual(detail(locked), "AUTH_RATE_LIMITED")

    def test_success_forgets_nothing(self) -> None:
        """A right key does not forget the failures of its sender: whoever has one could guess at the owner's password
        without end. Its holder is let in until the sender is locked out, and again when the window is over."""
        self.use(key())
        for _ in range(9):
            self.refused_remotely("wrong")
        self.accepted(SECRET, FakePeer(REMOTE))
        self.refused_remotely("wrong")
        self.assertEqual(detail(self.refused(SECRET, FakePeer(REMOTE))), "AUTH_RATE_LIMITED")
        self.clock.advance(300)
        self.accepted(SECRET, FakePeer(REMOTE))

    def test_success_forgets_for_administrators(self) -> None:
        """Who may do everything gains nothing by a guess: an administrator's key forgets, as a right secret does."""
        self.use(key(scopes=["operator.admin"]))
        for _ in range(3):
            for _ in range(9):
                self.refused_remotely("wrong")
            self.accepted(SECRET, FakePeer(REMOTE))

    def test_expiry(self) -> None:
        """A key is good until the very second it expires, by the injected clock; what it opened ends with it. An
        expired one is refused without counting as a guess."""
        self.use(key(expires="1970-01-01T00:01:00Z"))
        who = self.accepted(SECRET)
        self.clock.advance(59.9)
        self.assertTrue(self.auth.is_valid(who))
        self.accepted(SECRET)
        self.clock.advance(0.1)
        self.assertFalse(self.auth.is_valid(who))
        for _ in range(20):
            error = self.refused_remotely(SECRET)
        self.assertEqual(
            (detail(error), (error.info.details or {})["authReason"]), ("AUTH_TOKEN_MISMATCH", "key_expired")
        )

    def test_revoked(self) -> None:
        """Gone from the configuration, or another one of the label: the next request is refused, and what the old one
        opened is no longer valid."""
        self.use(key(), key("other", "other"))
        who = self.accepted(SECRET)
        self.assertTrue(self.auth.is_valid(who))
        self.use(key("other", "other"))
        self.assertFalse(self.auth.is_valid(who))
        self.refused(SECRET, FakePeer(REMOTE))
        self.use(key(secret="rotated"))
        self.assertFalse(self.auth.is_valid(who))
        self.use(key())
        self.assertTrue(self.auth.is_valid(who))

    def test_other_rights(self) -> None:
        """Fewer rights end what is open; another limit, another key or another shared secret do not."""
        self.use(key())
        who = self.accepted(SECRET)
        for change in (
            {"scopes": ["operator.read"]},
            {"agents": ["main"]},
            {"sessionPrefix": "x:"},
            {"expires": "2099-01-01"},
        ):
            self.use(key(**change))
            self.assertFalse(self.auth.is_valid(who), change)
        self.use(key(rpm=3, tpm=5, concurrency=7), key("more", "more"))
        self.assertTrue(self.auth.is_valid(who))
        self.config = config_of(auth={"mode": "token", "token": "rotated", "keys": [key()]})
        self.assertTrue(self.auth.is_valid(who))

    def test_mode_changed(self) -> None:
        """In a mode that has no keys none is valid."""
        self.use(key())
        who = self.accepted(SECRET)
        self.config = config_of(auth={"mode": "none", "keys": [key()]})
        self.assertFalse(self.auth.is_valid(who))

    def test_same_work_for_everybody(self) -> None:
        """Whatever is offered is compared with the shared secret and looked up among the keys, in that order."""
        self.use(key())
        seen: list[int] = []
        find = self.auth.keys.find
        self.auth.keys.find = lambda offered: seen.append(1) or find(offered)  # type: ignore[method-assign, func-returns-value]
        self.accepted(SECRET)
        self.accepted("right-token")
        self.refused_remotely("wrong")
        self.assertEqual(len(seen), 3)

    def test_limits_of_the_moment(self) -> None:
        """What limits a principal is read from the configuration as it is; the owner has no limits."""
        self.use(key(rpm=3))
        who, owner = self.accepted(SECRET), self.accepted("right-token")
        found = self.auth.keys.limits(who)
        self.assertEqual(found and found.rpm, 3)
        self.assertIsNone(self.auth.keys.limits(owner))
        self.use(key(rpm=9))
        found = self.auth.keys.limits(who)
        self.assertEqual(found and found.rpm, 9)
        self.use()
        self.assertIsNone(self.auth.keys.limits(who))

    def test_many(self) -> None:
        """A thousand keys are told apart."""
        self.use(*(key(f"k{number}", f"secret {number}") for number in range(1000)))
        for number in (0, 500, 999):
            self.assertEqual(self.accepted(f"secret {number}").id, f"key:k{number}")

    def test_not_shown(self) -> None:
        """Neither the key nor its hash is in what is logged of a principal."""
        self.use(key())
        text = repr(self.accepted(SECRET)) + repr(self.config.gateway.auth)
        self.assertNotIn(SECRET, text)
        self.assertNotIn(hash_of(SECRET).removeprefix("sha256:"), text)


class GrantTests(AuthTestCase):
    """Scopes of a WebSocket connection that came with a key."""

    @given(
        st.sets(st.sampled_from(sorted(OPERATOR_SCOPES)), min_size=1),
        st.none() | st.sets(st.sampled_from([*sorted(OPERATOR_SCOPES), "operator.root"])),
        st.booleans(),
        st.booleans(),
    )
    def test_from_the_key(self, held: set[str], asked: set[str] | None, local: bool, origin: bool) -> None:
        """Never more than the key holds; the same wherever the client is; nothing asked for means all of it."""
        self.config = config_of(auth={"mode": "token", "token": "t", "keys": [key(scopes=sorted(held))]})
        who = self.accepted(SECRET)
        got = granted(who, sorted(asked) if asked is not None else None, local_direct=local, has_origin=origin)
        implied = set(held)
        if "operator.write" in held:
            implied.add("operator.read")
        if "operator.admin" in held:
            implied = set(OPERATOR_SCOPES)
        self.assertEqual(got, implied if not asked or "operator.admin" in asked else implied & asked)


class IssueTests(AuthTestCase):
    """What stops the start-up, and what the shape itself refuses."""

    def issues(self, *keys: dict[str, Any], mode: str = "token", **auth: Any) -> list[str]:
        """Paths at fault."""
        config = config_of(auth={"mode": mode, "token": "t0k3n", "keys": list(keys), **auth})
        return [path for path, _ in check_startup(config, {})]

    def test_fine(self) -> None:
        """Good keys, and every way to write a time."""
        times = ["", "2030-12-31", "2030-12-31T12:00:00Z", "2030-12-31T12:00:00+02:00", "2030-12-31 12:00"]
        keys = [key(f"k{n}", f"s{n}", expires=text) for n, text in enumerate(times)]
        self.assertEqual(self.issues(*keys), [])

    def test_bad(self) -> None:
        """Doubles, hashes of nothing, times that are none, prefixes that can not be."""
        for bad, path in (
            ([key(), key(secret="x")], "[1].label"),
            ([key(), key("b")], "[1].hash"),
            ([key(secret="")], "[0].hash"),
            ([key(expires="tomorrow")], "[0].expires"),
            ([key(expires="2030-02-30")], "[0].expires"),
            ([key(sessionPrefix="cron:")], "[0].sessionPrefix"),
            ([key(sessionPrefix="agent:main:")], "[0].sessionPrefix"),
            ([key(sessionPrefix="a b")], "[0].sessionPrefix"),
            ([key("subagent")], "[0].label"),
            ([key("openai-user")], "[0].label"),
        ):
            self.assertEqual(self.issues(*bad), [f"gateway.auth.keys{path}"], bad)

    def test_modes(self) -> None:
        """Where no secret is asked for, keys would restrict nobody."""
        self.assertEqual(self.issues(key(), mode="none"), ["gateway.auth.keys"])
        proxy = {"userHeader": "x-user"}
        self.assertIn("gateway.auth.keys", self.issues(key(), mode="trusted-proxy", trustedProxy=proxy))

    def test_shape(self) -> None:
        """Clear text, unknown scopes, agents that are no ids, limits of nothing, fields that are not there."""
        for bad, path in (
            ({"hash": SECRET}, "hash"),
            ({"hash": "sha256:" + "A" * 64}, "hash"),
            ({"label": ""}, "label"),
            ({"label": "Laptop"}, "label"),
            ({"scopes": ["operator.root"]}, "scopes[0]"),
            ({"agents": ["Main"]}, "agents[0]"),
            ({"rpm": 0}, "rpm"),
            ({"tpm": -1}, "tpm"),
            ({"concurrency": 1.5}, "concurrency"),
            ({"token": SECRET}, "token"),
        ):
            error = self.assertRaises(ConfigError, decode, {"gateway": {"auth": {"keys": [{**key(), **bad}]}}})
            self.assertEqual([where for where, _ in error.issues], [f"gateway.auth.keys[0].{path}"], bad)

    def test_expiry(self) -> None:
        """A day begins at midnight UTC; an offset counts."""
        self.assertEqual(expiry("2030-12-31"), datetime(2030, 12, 31, tzinfo=UTC).timestamp())
        self.assertEqual(expiry("2030-12-31T02:00:00+02:00"), datetime(2030, 12, 31, tzinfo=UTC).timestamp())
        self.assertEqual(expiry(""), float("inf"))

    def test_new_key(self) -> None:
        """256 bits from the given source."""
        asked: list[int] = []
        self.assertEqual(new_key(lambda count: asked.append(count) or "random"), "octx_random")  # type: ignore[func-returns-value]
        self.assertEqual(asked, [32])
        # The vector of FIPS 180-2 for "abc".
        digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        self.assertEqual(hash_of("abc"), f"sha256:{digest}")

    def test_no_key_makes_keys(self) -> None:
        """No action over the wire makes or lists keys: they come from the configuration file alone. That can be changed
        over the wire, but by no key (tests.ws.rpc.test_config), and is shown without their hashes."""
        self.assertEqual([name for name in ACTIONS if "key" in name], [])
        self.assertEqual(ACTIONS["config.set"].scope, ADMIN)
        self.assertEqual(redact({"keys": [{"label": "k", "hash": "sha256:00"}]})["keys"][0]["hash"], REDACTED)
