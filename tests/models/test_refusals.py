# -*- test-case-name: tests.models.test_refusals -*-
"""What a provider says of our own secrets goes no further."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from openclaw_tx.models.door import HttpFailure
from openclaw_tx.models.failures import MAX_WORDS
from openclaw_tx.models.refusals import SHORTEST_KEY, refusal_of, secrets_of
from openclaw_tx.wire.upstream import UpstreamError

TENANT, KEY = "tenant-of-the-owner", "a-key-of-no-known-form"
SENT = Headers(
    {
        "Authorization": [f"Bearer {KEY}"],
        "X-Tenant": [TENANT],
        "X-Mode": ["fast"],
        "Accept": ["text/event-stream"],
        "anthropic-version": ["2023-06-01-as-everybody-knows"],
    }
)


class SecretTests(SynchronousTestCase):
    """Headers that are sent, in errors that come back."""

    def test_which(self) -> None:
        """Keys and whatever is long enough; not what everybody sends."""
        self.assertEqual(set(secrets_of(SENT, SENT)), {KEY, TENANT})

    def test_placeholders(self) -> None:
        """Words that are given to servers which want any key at all are no secrets, under any name of a header."""
        for name in ("Authorization", "x-api-key", "x-goog-api-key", "api-key"):
            for word in ("ollama", "none", "x", "a" * (SHORTEST_KEY - 1)):
                self.assertEqual(secrets_of(Headers({name: [f"Bearer {word}"]})), (), name)
            self.assertEqual(secrets_of(Headers({name: ["a" * SHORTEST_KEY]})), ("a" * SHORTEST_KEY,), name)
        self.assertEqual(secrets_of(Headers({"x-mode": ["a" * SHORTEST_KEY]})), ())

    def test_our_own_words(self) -> None:
        """Names of providers and models stay, even where the key is the same word."""
        sent = secrets_of(Headers({"authorization": ["Bearer lm-studio"]}))
        for error in (UpstreamError("what is lm-studio?", status=500), HttpFailure("lm-studio")):
            message = refusal_of("lm-studio/qwen3", error, sent).info.message
            self.assertTrue(message.startswith("lm-studio/qwen3: "), message)
        self.assertNotIn("***", message)

    def test_quoted(self) -> None:
        """They are taken out, also where the words are cut in the middle of one."""
        for place in (0, MAX_WORDS - 10, MAX_WORDS - 3):
            words = "x" * place + f"{TENANT} {KEY}"
            message = refusal_of("p/m", UpstreamError(words, status=400), secrets_of(SENT)).info.message
            self.assertNotIn(TENANT[:6], message)
            self.assertNotIn(KEY[:6], message)
