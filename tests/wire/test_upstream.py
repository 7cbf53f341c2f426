# -*- test-case-name: tests.wire.test_upstream -*-
"""What providers say went wrong, in all shapes met."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.wire.upstream import MAX_COUNT, count, decode_error, error_of, total


class DecodeErrorTests(SynchronousTestCase):
    """L{decode_error}."""

    def test_shapes(self) -> None:
        """The message is found wherever servers put it; a page of HTML is none."""
        for body, message in (
            (b'{"error":{"message":"m","type":"t","code":"c"}}', "m"),
            (b'[{"error":{"message":"m","status":"NOT_FOUND","code":404}}]', "m"),
            (b'{"detail":"m"}', "m"),
            (b'{"detail":[{"msg":"m"}]}', '[{"msg":"m"}]'),
            (b'{"message":"m"}', "m"),
            (b'{"error":"m"}', "m"),
            (b'{"error":true,"message":"m"}', "m"),
            (b'{"statusCode":400,"error":"Bad Request","message":"the real reason"}', "the real reason"),
            (b" m\n", "m"),
            (b"<html>502</html>", ""),
            (b"", ""),
            (b"[]", ""),
            (b"3", ""),
            (b"\xff\xfe", "\ufffd\ufffd"),
        ):
            error = decode_error(418, body)
            self.assertEqual((error.message, error.status), (message, 418), body)

    def test_vendors(self) -> None:
        """Anthropic's type, Google's status as type, and the wait that Google asks for; odd waits are none."""
        anthropic = decode_error(529, b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}')
        self.assertEqual((anthropic.type, anthropic.message, anthropic.status), ("overloaded_error", "m", 529))

        def google(*details: Any) -> Any:
            return error_of({"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "m", "details": list(details)})

        self.assertEqual((google().type, google().status, google().retry_after), ("RESOURCE_EXHAUSTED", 429, None))
        self.assertEqual(google({"reason": "x"}, {"retryDelay": "3s"}).retry_after, 3.0)
        self.assertEqual(google({"retryDelay": "0.25s"}).retry_after, 0.25)
        for odd in ({"retryDelay": "soon"}, {"retryDelay": 5}, {"retryDelay": "9999999s"}, 7):
            self.assertIsNone(google(odd).retry_after)

    def test_provider_behind(self) -> None:
        """OpenRouter says no more than that somebody failed; what that one said stands below."""

        def said(raw: Any) -> str:
            return error_of({"message": "Provider returned error", "code": 400, "metadata": {"raw": raw}}).message

        for raw, words in (
            ('{"error":{"message":"too many images","code":null}}', "too many images"),
            ('{"error":"m"}', "m"),
            ('{"message":"m"}', "m"),
            ('{"detail":"m"}', "m"),
            ('"m"', "m"),
            (" rate-limited upstream\n", "rate-limited upstream"),
        ):
            self.assertEqual(said(raw), f"Provider returned error: {words}", raw)
        for nothing in ("", " ", "{}", "[1]", "7", "<html>502</html>", '{"error":{"message":7}}', None, 7, "[" * 5000):
            self.assertTrue(said(nothing).startswith("Provider returned error"))
        for nothing in ("", " ", "{}", "[1]", "7", "<html>502</html>", '{"error":{"message":7}}', None, 7):
            self.assertEqual(said(nothing), "Provider returned error", nothing)


class CountTests(SynchronousTestCase):
    """L{count} and L{total}."""

    def test_count(self) -> None:
        """Numbers that came as text or float; nothing else."""
        for value, wanted in ((3, 3), ("12", 12), (3.0, 3), (True, None), (-1, None), (1.5, None), ("x", None)):
            self.assertEqual(count(value), wanted)

    def test_bound(self) -> None:
        """What no count can be is unknown, however it came."""
        self.assertEqual((count(MAX_COUNT), count(float(MAX_COUNT))), (MAX_COUNT, MAX_COUNT))
        for value in (MAX_COUNT + 1, 2**53, 2**63, 10**400, 1e300, float("inf"), float("nan"), -3.0, "9" * 18):
            self.assertIsNone(count(value), value)

    def test_total(self) -> None:
        """Unknown plus known is known."""
        self.assertEqual((total(1, None, 2), total(None, None), total(0)), (3, None, 0))
