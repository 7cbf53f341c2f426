# -*- test-case-name: tests.sessions.test_keys -*-
"""Session keys: parsing, canonical form, reserved namespaces, bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.sessions.keys import (
    MAX_KEY,
    SessionKey,
    agent_of,
    canonical_key,
    checked_key,
    conversation_of,
    is_leftover,
    is_reserved,
    main_key,
    openai_key,
    openai_user_key,
    parse_key,
)

UUID = "0b0e7a52-1111-4222-8333-444455556666"


class KeyTests(SynchronousTestCase):
    """The rules of spec 1.1 and 4.1."""

    def test_parse(self) -> None:
        """Three parts at least, the first one C{agent}; the rest keeps its colons and its case."""
        self.assertEqual(parse_key("agent:Main:Dm:Joe"), SessionKey("main", "Dm:Joe"))
        self.assertEqual(parse_key(" AGENT: b :x "), SessionKey("b", "x"))
        for key in ("", "main", "agent", "agent:main", "agent::x", "agent: :x", "agent:main:", "agent:main: ", "x:y:z"):
            self.assertIsNone(parse_key(key), key)

    def test_agent_of(self) -> None:
        """Keys that name no agent belong to C{main}."""
        self.assertEqual([agent_of(key) for key in ("agent:beta:x", "foo", "global", "")], ["beta", *["main"] * 3])

    def test_canonical(self) -> None:
        """Blank is the main key, bare keys are put under the agent, whole ones keep theirs."""
        for key, expected in (
            ("", "agent:beta:main"),
            ("  ", "agent:beta:main"),
            ("Main", "agent:beta:main"),
            ("Foo:Bar", "agent:beta:foo:bar"),
            ("agent:Main:Foo", "agent:main:foo"),
            ("Global", "global"),
            ("unknown", "unknown"),
        ):
            self.assertEqual(canonical_key(key, "beta"), expected)

    def test_common_words(self) -> None:
        """Where conversations are not one, C{global} and C{unknown} are bare keys like all others."""
        for key, expected in (("Global", "agent:beta:global"), ("unknown", "agent:beta:unknown")):
            self.assertEqual(canonical_key(key, "beta", scope="per-sender"), expected)
        self.assertEqual(canonical_key("global", "main", prefix="my:", scope="per-sender"), "agent:main:my:global")

    def test_canonical_of_explicit_header(self) -> None:
        """The case of a key from a header is kept."""
        self.assertEqual(canonical_key(" Foo ", "beta", fold_case=False), "agent:beta:Foo")
        self.assertEqual(canonical_key("agent:Main:Foo", "beta", fold_case=False), "agent:main:Foo")

    @given(st.text(max_size=40), st.booleans())
    def test_canonical_is_stable(self, key: str, fold_case: bool) -> None:
        """What is canonical stays as it is; whatever comes in, one key or one refusal comes out."""
        try:
            once = canonical_key(key, "beta", fold_case=fold_case)
        except GatewayError as error:
            self.assertEqual(error.info.code, "invalid_request")
        else:
            self.assertEqual(canonical_key(once, "other", fold_case=fold_case), once)

    def test_bad_keys_are_refused(self) -> None:
        """Too long, control characters, half surrogates, no agent; also when the prefix makes it too long."""
        for key in ("x" * (MAX_KEY + 1), "a\nb", "a\x00", "a\u2028b", "a\ud800", "agent:", "agent:x", "agent::x"):
            error = self.assertRaises(GatewayError, checked_key, key, "user")
            self.assertEqual((error.info.code, error.info.param), ("invalid_request", "user"))
            self.assertRaises(GatewayError, canonical_key, key, "main")
        self.assertRaises(GatewayError, canonical_key, "x" * MAX_KEY, "main")
        self.assertEqual(checked_key(" " + "x" * MAX_KEY), "x" * MAX_KEY)

    def test_main_key(self) -> None:
        """Always C{main} (D19)."""
        self.assertEqual(main_key("beta"), "agent:beta:main")

    def test_reserved(self) -> None:
        """The gateway's own namespaces, bare, under an agent, nested, in any case."""
        for key in (
            "subagent:x",
            "cron:1",
            "ACP:",
            "agent:main:subagent:x",
            "Agent:Main:Cron:x",
            "agent:main: acp:x",
            "agent:a:agent:b:cron:x",
        ):
            self.assertTrue(is_reserved(key), key)
        for key in ("", "main", "subagent", "cronjob:1", "agent:main:main", "agent:cron:x", "agent:main:x:cron:y"):
            self.assertFalse(is_reserved(key), key)

    def test_openai_keys(self) -> None:
        """A fresh key for one request; the same one for each spelling of a user."""
        self.assertEqual(openai_key("main", UUID), f"agent:main:openai:{UUID}")
        self.assertEqual(openai_user_key("main", " Alice "), "agent:main:openai-user:alice")
        self.assertEqual(openai_user_key("beta", "a:b"), "agent:beta:openai-user:a:b")
        self.assertEqual(openai_key("main", UUID, "openresponses", "my:"), f"agent:main:my:openresponses:{UUID}")
        self.assertEqual(openai_user_key("main", "Alice", "my:"), "agent:main:my:openai-user:alice")

    def test_prefixes(self) -> None:
        """A bare key goes below the prefix, unless it lies there already; a whole key stays as it is."""
        for key, wanted in (
            ("x", "agent:main:my:x"),
            ("My:x", "agent:main:my:x"),
            ("", "agent:main:my:main"),
            ("MAIN", "agent:main:my:main"),
            ("agent:beta:x", "agent:beta:x"),
            ("global", "global"),
        ):
            self.assertEqual(canonical_key(key, "main", prefix="my:"), wanted)
        self.assertEqual(canonical_key("My:X", "main", prefix="my:", fold_case=False), "agent:main:My:X")

    def test_bad_users(self) -> None:
        """Blank, too long or with control characters: the field is named."""
        for user in ("", " \t", "x" * MAX_KEY, "a\rb"):
            error = self.assertRaises(GatewayError, openai_user_key, "main", user)
            self.assertEqual((error.info.code, error.info.param), ("invalid_request", "user"))

    def test_leftovers(self) -> None:
        """Only keys that end with the id of a single request."""
        for kind in ("openai", "openresponses"):
            self.assertTrue(is_leftover(f"agent:main:{kind}:{UUID}"))
            self.assertFalse(is_leftover(f"agent:main:{kind}:{UUID}x"))
            self.assertFalse(is_leftover(f"agent:main:{kind}-user:{UUID}"))
            self.assertFalse(is_leftover(f"{kind}:{UUID}"))
        self.assertFalse(is_leftover(f"agent:main:my:openai:{UUID}"))
        self.assertTrue(is_leftover(f"agent:main:my:openresponses:{UUID}"))
        self.assertFalse(is_leftover(f"agent:main:my:openresponses-user:openresponses:{UUID}"))

    def test_conversations(self) -> None:
        """Kind and channel of what a key names; a thread comes before its group."""
        for key, kind, channel in (
            ("agent:main:main", "direct", ""),
            ("global", "direct", ""),
            ("agent:main:dm:joe", "direct", ""),
            ("agent:main:Telegram:dm:joe", "direct", "telegram"),
            ("agent:main:telegram:work:direct:joe", "direct", "telegram"),
            ("agent:main:discord:group:7", "group", "discord"),
            ("agent:main:slack:channel:C1", "group", "slack"),
            ("agent:main:slack:channel:c1:thread:8", "thread", "slack"),
            ("agent:main:telegram:group:7:topic:8", "thread", "telegram"),
            ("agent:main:groups", "direct", ""),
            ("agent:main:openai-user:a:b", "direct", ""),
        ):
            self.assertEqual(conversation_of(key), (kind, channel), key)
