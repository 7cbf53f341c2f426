# -*- test-case-name: tests.models.test_profiles -*-
"""What auth-profiles.json says."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import AuthSection
from openclaw_tx.models.cooldowns import Limits, Standing, failed
from openclaw_tx.models.profiles import Credential, Profiles, decode, ordered, problems, with_standings

NOW = 1_700_000_000_000
SECRET = "sk-very-secret-1234"


def key(provider: str = "openai", secret: str = SECRET, **more: Any) -> dict[str, Any]:
    """A profile with a key."""
    return {"type": "api_key", "provider": provider, "key": secret, **more}


def token(provider: str = "openai", **more: Any) -> dict[str, Any]:
    """A profile with a token."""
    return {"type": "token", "provider": provider, "token": SECRET, **more}


def file(**profiles: Any) -> bytes:
    """A file; C{__} in names stands for a colon."""
    named = {name.replace("__", ":"): value for name, value in profiles.items()}
    return json.dumps({"version": 1, "profiles": named}).encode()


def auth(**section: Any) -> AuthSection:
    """The C{auth} section."""
    return msgspec.convert(section, AuthSection)


class DecodeTests(SynchronousTestCase):
    """L{decode}."""

    def test_both_types(self) -> None:
        """Keys and tokens, provider ids as everywhere."""
        read = decode(file(openai__work=key(" OpenAI "), zai__t=token("z.ai", expires=NOW)), "main")
        work, other = read.credentials["openai:work"], read.credentials["zai:t"]
        self.assertEqual((work.provider, work.secret, work.kind, work.owner), ("openai", SECRET, "api_key", "main"))
        self.assertEqual((other.provider, other.kind, other.expires), ("zai", "token", NOW))

    def test_odd_ones(self) -> None:
        """They are left out with a reason that holds no secret; the others count."""
        read = decode(
            file(
                good=key(),
                oauth={"type": "oauth", "provider": "openai", "access": SECRET},
                what={"type": "cookie", "provider": "openai", "key": SECRET},
                empty=key(secret=" "),
                lines=key(secret=f"{SECRET}\r\nX-Evil: 1"),
                nobody=key(""),
                text=SECRET,
            ),
            "main",
        )
        self.assertEqual(list(read.credentials), ["good"])
        self.assertEqual(
            read.left_out,
            (
                "oauth (oauth is not used here)",
                "what (unknown type)",
                "empty (no key)",
                "lines (no key)",
                "nobody (no provider)",
                "text (no object)",
            ),
        )

    def test_no_json(self) -> None:
        """It is said without quoting."""
        for raw in (b"", b"[1]", f'{{"key": "{SECRET}"'.encode(), b"\xff", b"[" * 10_000):
            error = self.assertRaises(ValueError, decode, raw, "main")
            self.assertNotIn("secret", str(error))

    def test_too_many(self) -> None:
        """There is a bound."""
        read = decode(file(**{f"p{number}": key() for number in range(501)}), "main")
        self.assertEqual((len(read.credentials), read.left_out), (500, ("p500 (more than 500)",)))

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["profiles", "usageStats", "order", "a", "type", "provider", "key", "lastUsed"]),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=20,
        )
    )
    def test_anything(self, value: Any) -> None:
        """Whatever else is in it is no failure."""
        raw = json.dumps(value).encode()
        try:
            read = decode(raw, "main")
        except ValueError:
            return
        again = with_standings(raw, dict.fromkeys(read.credentials, Standing(last_used=1)))
        self.assertEqual(decode(again, "main").credentials, read.credentials)

    def test_no_secret_in_text_forms(self) -> None:
        """Logs and tracebacks may show these objects."""
        read = decode(file(openai__work=key()), "main")
        for each in (read, *read.credentials.values()):
            for text in (repr(each), str(each), pretty_repr(each)):
                self.assertNotIn(SECRET, text)


class StatsTests(SynchronousTestCase):
    """C{usageStats}."""

    def test_there_and_back(self) -> None:
        """What is written is read again; the rest of the file stays as it is."""
        raw = json.loads(file(a=key(), b=key()))
        raw["usageStats"] = {"a": {"lastUsed": 5, "note": "kept", "cooldownUntil": 9}, "gone": {"lastUsed": 1}}
        raw["lastGood"] = {"openai": "a"}
        standing = failed(Standing(last_used=NOW), "billing", NOW, Limits())
        text = with_standings(json.dumps(raw).encode(), {"a": standing})
        self.assertEqual(
            json.loads(text)["usageStats"],
            {
                "a": {
                    "lastUsed": NOW,
                    "note": "kept",
                    "errorCount": 0,
                    "failureCounts": {"billing": 1},
                    "lastFailureAt": NOW,
                    "disabledUntil": NOW + 5 * 3_600_000,
                    "disabledReason": "billing",
                },
                "gone": {"lastUsed": 1},
            },
        )
        self.assertEqual({**json.loads(text), "usageStats": raw["usageStats"]}, raw)
        self.assertEqual(decode(text, "main").standings, {"a": standing})

    def test_odd_numbers(self) -> None:
        """They count as absent."""
        raw = json.loads(file(a=key()))
        raw["usageStats"] = {"a": {"lastUsed": -1, "errorCount": "2", "cooldownUntil": 1e300, "disabledUntil": True}}
        self.assertEqual(decode(json.dumps(raw).encode(), "main").standings, {"a": Standing()})


class OrderTests(SynchronousTestCase):
    """L{ordered}."""

    def setUp(self) -> None:
        self.standings: dict[str, Standing] = {}

    def names(self, profiles: Profiles, section: AuthSection | None = None, provider: str = "openai") -> list[str]:
        """Ids in order."""

        def standing(credential: Credential) -> Standing:
            return self.standings.get(credential.profile, Standing())

        return [each.profile for each in ordered(provider, profiles, section or AuthSection(), standing, NOW)]

    def test_stored(self) -> None:
        """Tokens before keys, of each the one unused for the longest time; other providers' are not ours."""
        profiles = decode(file(k1=key(), k2=key(), t1=token(), t2=token(), x=key("groq")), "main")
        self.standings = {"k1": Standing(last_used=2), "k2": Standing(last_used=1), "t1": Standing(last_used=9)}
        self.assertEqual(self.names(profiles), ["t2", "t1", "k2", "k1"])
        self.assertEqual(self.names(profiles, provider="groq"), ["x"])

    def test_resting_ones_come_last(self) -> None:
        """The soonest ready first, whatever the order."""
        profiles = decode(file(a=key(), b=key(), c=key()), "main")
        self.standings = {
            "a": Standing(cooldown_until=NOW + 9),
            "b": Standing(disabled_until=NOW + 5),
            "c": Standing(last_used=8, cooldown_until=NOW),
        }
        self.assertEqual(self.names(profiles), ["c", "b", "a"])
        self.assertEqual(self.names(profiles, auth(order={"openai": ["a", "c"]})), ["c", "a"])

    def test_configured(self) -> None:
        """C{auth.order} is kept as it stands, then C{auth.profiles} choose, each once and only what there is."""
        profiles = decode(file(a=key(), b=key(), c=key(), z=key("zai")), "main")
        self.standings = {"a": Standing(last_used=1), "c": Standing(last_used=2)}
        self.assertEqual(self.names(profiles, auth(order={"OpenAI": ["c", "no", "z", "a", "c"]})), ["c", "a"])
        section = auth(profiles={"c": {"provider": "openai"}, "a": {"provider": "openai"}, "z": {"provider": "z.ai"}})
        self.assertEqual(self.names(profiles, section), ["a", "c"])
        self.assertEqual(self.names(profiles, section, "zai"), ["z"])

    def test_order_of_the_file(self) -> None:
        """It wins over the configuration's."""
        raw = json.loads(file(a=key(), b=key()))
        raw["order"] = {"OPENAI": ["b", 5, "a"]}
        profiles = decode(json.dumps(raw).encode(), "main")
        self.assertEqual(self.names(profiles, auth(order={"openai": ["a"]})), ["b", "a"])

    def test_unusable(self) -> None:
        """Expired tokens, and profiles of which the configuration says something else, are out."""
        profiles = decode(file(old=token(expires=NOW), new=token(expires=NOW + 1), k=key()), "main")
        self.assertEqual(self.names(profiles), ["new", "k"])
        section = auth(
            profiles={
                "new": {"provider": "openai", "mode": "oauth"},
                "k": {"provider": "openai", "mode": "token"},
                "none": {"provider": "openai"},
                "web": {"provider": "openai", "mode": "oauth"},
            }
        )
        self.assertEqual(self.names(profiles, section), ["new"])
        self.assertEqual(
            problems(profiles, section),
            [
                "k (auth.profiles and auth-profiles.json differ about it)",
                "none (its secret is not in auth-profiles.json)",
                "web (oauth is not used here)",
            ],
        )
