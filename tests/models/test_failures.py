# -*- test-case-name: tests.models.test_failures -*-
"""The table from what providers say to codes of ours."""

from __future__ import annotations

import time

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import CODES, GatewayError
from openclaw_tx.models.failures import (
    FAILOVER_CODES,
    MAX_WORDS,
    RETRY_CODES,
    RequestForbidden,
    all_failed,
    gateway_error,
    refuses_thinking,
)
from openclaw_tx.wire.upstream import UpstreamError


def code_of(status: int | None, message: str = "m", type: str = "", code: str = "") -> str:
    """The code for a failure."""
    return gateway_error("p/m", UpstreamError(message, status=status, type=type, code=code)).info.code


class TableTests(SynchronousTestCase):
    """L{gateway_error}."""

    def test_statuses(self) -> None:
        """Each status has its code; others go by their hundred."""
        for status, code in (
            (400, "provider_rejected"),
            (401, "provider_auth"),
            (402, "provider_billing"),
            (403, "provider_forbidden"),
            (404, "provider_rejected"),
            (408, "provider_timeout"),
            (413, "provider_rejected"),
            (418, "provider_rejected"),
            (422, "provider_rejected"),
            (429, "provider_rate_limit"),
            (301, "provider_error"),
            (500, "provider_error"),
            (502, "provider_error"),
            (503, "provider_overloaded"),
            (504, "provider_timeout"),
            (529, "provider_overloaded"),
            (599, "provider_error"),
        ):
            self.assertEqual(code_of(status), code, status)

    def test_words(self) -> None:
        """Some words say more than a status, and all say more than none."""
        self.assertEqual(code_of(429, code="insufficient_quota"), "provider_billing")
        self.assertEqual(code_of(400, code="context_length_exceeded"), "context_length_exceeded")
        self.assertEqual(code_of(400, type="exceed_context_size_error"), "context_length_exceeded")
        self.assertEqual(code_of(400, "This model's maximum context length is 5 tokens"), "context_length_exceeded")
        self.assertEqual(code_of(404, code="model_not_found"), "model_not_found")
        self.assertEqual(code_of(404, 'model "x" not found, try pulling it first'), "model_not_found")
        self.assertEqual(code_of(404, "no such path"), "provider_rejected")
        self.assertEqual(code_of(401, type="invalid_request_error"), "provider_auth")
        self.assertEqual(code_of(None, type="overloaded_error"), "provider_overloaded")
        self.assertEqual(code_of(None, code="rate_limit_exceeded"), "provider_rate_limit")
        self.assertEqual(code_of(None, type="invalid_request_error"), "provider_rejected")
        self.assertEqual(code_of(None), "provider_error")

    def test_vendors(self) -> None:
        """What Anthropic, Google, OpenAI's Responses and Ollama say, in mid-stream and with a status."""
        for status, message, word, code in (
            (400, "prompt is too long: 213462 tokens > 200000 maximum", "", "context_length_exceeded"),
            (400, "Range of input length should be [1, 98304]", "", "context_length_exceeded"),
            (400, "prompt token count of 140000 exceeds the limit of 128000", "", "context_length_exceeded"),
            (422, "`inputs` tokens + `max_new_tokens` must be <= 4096", "", "context_length_exceeded"),
            (400, "input length and `max_tokens` exceed context limit: 1 + 2 > 3", "", "context_length_exceeded"),
            (
                400,
                "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
                "INVALID_ARGUMENT",
                "context_length_exceeded",
            ),
            (None, "Your input exceeds the context window of this model", "", "context_length_exceeded"),
            (None, "the input length exceeds the context length", "", "context_length_exceeded"),
            (500, "prompt too long; exceeded max context length by 9 tokens", "", "context_length_exceeded"),
            (400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", "provider_auth"),
            (400, "Your credit balance is too low to access the API.", "invalid_request_error", "provider_billing"),
            (400, "max_tokens: 9 > 8, the maximum allowed number of output tokens", "", "provider_rejected"),
            (404, "model: claude-9", "not_found_error", "model_not_found"),
            (413, "Request exceeds the maximum size", "request_too_large", "provider_rejected"),
            (529, "Overloaded", "overloaded_error", "provider_overloaded"),
            (None, "Overloaded", "overloaded_error", "provider_overloaded"),
            (None, "m", "api_error", "provider_error"),
            (429, "m", "RESOURCE_EXHAUSTED", "provider_rate_limit"),
            (None, "m", "UNAVAILABLE", "provider_overloaded"),
            (None, "m", "PERMISSION_DENIED", "provider_forbidden"),
            (None, "m", "server_error", "provider_error"),
            (None, "model requires more system memory", "", "provider_error"),
        ):
            self.assertEqual(code_of(status, message, type=word), code, message)

    def test_advice(self) -> None:
        """It follows where the provider does not know us, and nowhere else."""
        for status, words, given in (
            (401, "m", True),
            (403, "Your API key may not do this", True),
            (403, "", True),
            (403, "Your input was flagged", False),
            (402, "m", False),
            (400, "m", False),
            (429, "m", False),
        ):
            said = str(gateway_error("p/m", UpstreamError(words, status=status), advice="Set P_API_KEY."))
            self.assertEqual(said.endswith("Set P_API_KEY."), given, (status, words))

    def test_forbidden(self) -> None:
        """A 403 is about our key where it says so; else about this request, in the provider's own words."""
        for words, kind in (
            ("Invalid key", ""),
            ("Your account is suspended", ""),
            ("You are not allowed to access this model", ""),
            ("The project does not have access to the model gpt-5", ""),
            ("Missing Permissions: api.model.read", ""),
            ("no", "permission_error"),
            ("no", "PERMISSION_DENIED"),
        ):
            error = gateway_error("p/m", UpstreamError(words, status=403, type=kind))
            self.assertNotIsInstance(error, RequestForbidden)
            self.assertEqual(str(error), "p/m: the provider does not accept our permissions (403).")
        for words, kind in (
            ("Your input was flagged for: harassment. No credits were charged to your account.", ""),
            ("This is against our content policy", "permission_error"),
            ("Request blocked by the web application firewall", ""),
            ("This content is not allowed", ""),
        ):
            error = gateway_error("p/m", UpstreamError(words, status=403, type=kind))
            self.assertIsInstance(error, RequestForbidden)
            self.assertEqual((error.info.code, str(error)), ("provider_forbidden", f"p/m: 403 {words}"))
            self.assertFalse(error.info.should_retry)
        silent = gateway_error("p/m", UpstreamError("", status=403))
        self.assertIsInstance(silent, RequestForbidden)
        self.assertEqual(str(silent), "p/m: the provider forbids the request (403).")

    def test_sets(self) -> None:
        """What is retried may fail over, and all are codes."""
        self.assertEqual(RETRY_CODES - FAILOVER_CODES, frozenset())
        self.assertEqual(FAILOVER_CODES - set(CODES), frozenset())

    def test_messages(self) -> None:
        """The model, the status and the provider's words, whoever is at fault; a key never."""
        for status, said, code in (
            (400, "stub says 400", "provider_rejected"),
            (400, "prompt is too long", "context_length_exceeded"),
            (404, "no such model", "model_not_found"),
            (429, "slower", "provider_rate_limit"),
            (503, "busy", "provider_overloaded"),
        ):
            error = gateway_error("p/m", UpstreamError(said, status=status))
            self.assertEqual((error.info.code, str(error)), (code, f"p/m: {status} {said}"))
        for silent in (UpstreamError("", status=400), UpstreamError("", status=401), UpstreamError("")):
            self.assertTrue(str(gateway_error("p/m", silent)).startswith("p/m: "))
        key = "Incorrect API key provided: sk-abc1234567*xyz AIzaSyA1234567890abcdef at https://u:pw@h/v1 Bearer tok123"
        for status in (400, 401, 402, 403, 429, 500):
            words = str(gateway_error("p/m", UpstreamError(key, status=status)))
            for secret in ("sk-abc", "AIzaSy", "pw", "tok123"):
                self.assertNotIn(secret, words)

    def test_thinking_refused(self) -> None:
        """The provider has to say so; what the model is called does not matter."""
        for words, refused in (
            ("reasoning_effort is not supported", True),
            ("Unsupported value for thinking", True),
            ("no such parameter: seed", False),
        ):
            for ref in ("p/m", "moonshot/kimi-k2-thinking"):
                error = gateway_error(ref, UpstreamError(words, status=400))
                self.assertEqual(refuses_thinking(error), refused, str(error))
                self.assertEqual(refuses_thinking(all_failed([(ref, error), ("q/reasoning-1", error)])), refused)

    def test_words_are_bounded(self) -> None:
        """A long, many-lined text becomes one short line."""
        words = str(gateway_error("p/m", UpstreamError("a\r\n\x00b " * 100_000, status=400)))
        self.assertLessEqual(len(words.removeprefix("p/m: ")), MAX_WORDS + 4)
        self.assertTrue(words.isprintable())

    def test_words_without_end(self) -> None:
        """A provider that says a lot, whatever it is, holds nobody up."""
        started = time.process_time()
        for words in ("access to " * 6500, "/" * 65_000, "a/" * 32_000):
            for status in (400, 403):
                refused = gateway_error("p/m", UpstreamError(words, status=status))
                refuses_thinking(all_failed([("p/m", refused)] * 5))
        self.assertLess(time.process_time() - started, 1.0)

    def test_retry_after(self) -> None:
        """It is kept where a retry makes sense."""
        error = UpstreamError("m", status=429)
        self.assertEqual(gateway_error("p/m", error, 4).info.retry_after, 4)
        self.assertIsNone(gateway_error("p/m", UpstreamError("m", status=400), 4).info.retry_after)
        error.retry_after = 37.0
        self.assertEqual(gateway_error("p/m", error).info.retry_after, 37)
        self.assertEqual(gateway_error("p/m", error, 4).info.retry_after, 4)


class AllFailedTests(SynchronousTestCase):
    """L{all_failed}."""

    def test_one(self) -> None:
        """A single failure is itself."""
        error = GatewayError("provider_auth", "x")
        self.assertIs(all_failed([("a/b", error)]), error)

    def test_several(self) -> None:
        """All reasons, each name once; the code of one that a client may retry, and the shortest wait."""
        error = all_failed(
            [
                ("a/b", GatewayError("provider_auth", "a/b: refused")),
                ("c/d", GatewayError("provider_rate_limit", "c/d: 429", retry_after=60)),
                ("e/f", GatewayError("provider_overloaded", "e/f: 503", retry_after=5)),
            ]
        )
        self.assertEqual(str(error), "All models failed (3): a/b: refused; c/d: 429; e/f: 503")
        self.assertEqual((error.info.code, error.info.retry_after), ("provider_rate_limit", 5))
        self.assertTrue(error.info.should_retry)

    def test_hopeless(self) -> None:
        """When none can be retried the last one's code stands."""
        errors = [("a/b", GatewayError("provider_auth", "1")), ("c/d", GatewayError("model_not_found", "2"))]
        self.assertEqual(all_failed(errors).info.code, "model_not_found")
