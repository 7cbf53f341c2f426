# -*- test-case-name: tests.config.test_redact -*-
"""L{openclaw_tx.config.redact}."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.paths import Issues
from openclaw_tx.config.redact import REDACTED, redact, restore, secrets_in

KEYS = ["token", "apiKey", "headers", "env", "vars", "baseUrl", "name", "maxTokens", "list", "credentials", "source"]
TEXTS = st.text(max_size=5) | st.sampled_from(
    ["${A}", "http://u:p@h/", "http://u@h", "http://h/?key=k&a=b", REDACTED, f"x{REDACTED}y", "a:b@c"]
)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


class RedactTests(SynchronousTestCase):
    """L{redact}."""

    def test_secrets(self) -> None:
        """Every kind of secret goes, all else stays, and the original is not touched."""
        data: dict[str, Any] = {
            "gateway": {"auth": {"token": "s", "password": "s", "mode": "token", "rateLimit": {"maxAttempts": 5}}},
            "models": {
                "providers": {
                    "a": {
                        "apiKey": "s",
                        "headers": {"X-Any": "s"},
                        "baseUrl": "https://user:s@host/v1?x=1",
                        "models": [{"id": "m", "maxTokens": 5, "headers": {"Authorization": "s"}}],
                    }
                }
            },
            "env": {"vars": {"ANY": "s"}, "FLAT": "s"},
            "session": {"store": "postgresql://user:s@host/db"},
            "channels": {"x": {"botToken": "s", "signingSecret": 55}},
            "credentials": {"any": "s"},
        }
        before = repr(data)
        hidden = redact(data)
        self.assertEqual(repr(data), before)
        self.assertEqual(
            hidden["gateway"]["auth"], {**data["gateway"]["auth"], "token": REDACTED, "password": REDACTED}
        )
        provider = hidden["models"]["providers"]["a"]
        self.assertEqual(provider["apiKey"], REDACTED)
        self.assertEqual(provider["headers"], {"X-Any": REDACTED})
        self.assertEqual(provider["baseUrl"], f"https://user:{REDACTED}@host/v1?x=1")
        self.assertEqual(provider["models"], [{"id": "m", "maxTokens": 5, "headers": {"Authorization": REDACTED}}])
        self.assertEqual(hidden["env"], {"vars": {"ANY": REDACTED}, "FLAT": REDACTED})
        self.assertEqual(hidden["session"]["store"], f"postgresql://user:{REDACTED}@host/db")
        self.assertEqual(hidden["channels"]["x"], {"botToken": REDACTED, "signingSecret": REDACTED})
        self.assertEqual(hidden["credentials"], {"any": REDACTED})
        self.assertNotIn("'s'", repr(hidden))

    def test_mcp_servers(self) -> None:
        """What an MCP server is given, variables and headers, is hidden; how it is reached is not."""
        server = {"command": "npx", "args": ["-y"], "env": {"ANY": "s"}, "url": "https://h", "headers": {"X": "s"}}
        hidden = redact({"mcp": {"servers": {"a": server}}})["mcp"]["servers"]["a"]
        self.assertEqual(hidden, {**server, "env": {"ANY": REDACTED}, "headers": {"X": REDACTED}})

    def test_parameters(self) -> None:
        """Of a URL parameters whose names say that they are secret, and names long enough for it; not references."""
        for text, expected in {
            "https://h/sse?api_key=s1&x=1&Token=s2#f": f"https://h/sse?api_key={REDACTED}&x=1&Token={REDACTED}#f",
            "http://u:s3@h/?key=s4": f"http://u:{REDACTED}@h/?key={REDACTED}",
            "wss://h?X-Amz-Signature=s5": f"wss://h?X-Amz-Signature={REDACTED}",
            "https://ghp_0123456789@h/r?key=s6": f"https://{REDACTED}@h/r?key={REDACTED}",
            "https://${GITHUB_TOKEN}@h, ssh://git@h": "https://${GITHUB_TOKEN}@h, ssh://git@h",
            "https://h/?token=${TOKEN}&key=&monkey=m": "https://h/?token=${TOKEN}&key=&monkey=m",
            "is it?token=x": "is it?token=x",
        }.items():
            self.assertEqual(redact({"url": text}), {"url": expected})
            issues: Issues = []
            self.assertEqual((restore(expected, text, issues), issues), (text, []))
        self.assertEqual(list(secrets_in({"url": "http://u:s3@h/?key=s4&k=5"})), ["s3", "s4"])
        named = {"token": "${A_LONG_ENOUGH_NAME}", "password": {"source": "env", "id": "A_LONG_ENOUGH_NAME"}}
        self.assertEqual(list(secrets_in(named)), [])
        self.assertEqual(
            list(secrets_in({"url": "https://ghp_0123456789@h https://${TOKEN_NAME}@h"})), ["ghp_0123456789"]
        )

    def test_what_is_no_secret(self) -> None:
        """A name of a secret is none; neither is an empty one, nor a count of tokens."""
        for data in (
            {"token": "${GATEWAY_TOKEN}"},
            {"token": {"source": "env", "provider": "default", "id": "GATEWAY_TOKEN"}},
            {"token": ""},
            {"password": None},
            {"contextTokens": 5, "maxTokensField": "max_tokens"},
            {"baseUrl": "http://host:80/v1"},
        ):
            self.assertEqual(redact(data), data)

    @settings(deadline=None)
    @given(TREES)
    def test_twice_is_once(self, data: Any) -> None:
        """A redacted copy has nothing left to redact."""
        self.assertEqual(redact(redact(data)), redact(data))


class RestoreTests(SynchronousTestCase):
    """L{restore}."""

    @settings(deadline=None, max_examples=300)
    @given(TREES)
    def test_round_trip(self, data: Any) -> None:
        """What was redacted and came back unchanged is what it was."""
        issues: Issues = []
        self.assertEqual(restore(redact(data), data, issues), data)
        self.assertEqual(issues, [])

    def test_edit(self) -> None:
        """Edits stay, markers become what was there."""
        original = {"auth": {"token": "s", "mode": "token"}, "x": [{"apiKey": "k"}]}
        edited = {"auth": {"token": REDACTED, "mode": "none"}, "x": [{"apiKey": "new"}], "y": 1}
        issues: Issues = []
        expected = {"auth": {"token": "s", "mode": "none"}, "x": [{"apiKey": "new"}], "y": 1}
        self.assertEqual(restore(edited, original, issues), expected)
        self.assertEqual(issues, [])

    def test_nothing_to_restore(self) -> None:
        """A marker where nothing was, or in a URL to another host, is an issue: a secret can not be moved."""
        original = {"a": {"x": 1}, "store": "postgresql://u:s@host/db", "list": []}
        edited = {
            "a": {"token": REDACTED},
            "store": f"postgresql://u:{REDACTED}@evil/db",
            "list": [{"apiKey": REDACTED}],
            "new": {"password": REDACTED},
        }
        issues: Issues = []
        restored = restore(edited, original, issues)
        self.assertEqual([path for path, _ in issues], ["a.token", "store", "list[0].apiKey", "new.password"])
        self.assertNotIn(":s@", repr(restored))
