# -*- test-case-name: tests.channels.test_signing -*-
"""L{openclaw_tx.channels.signing}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.channels.signing import is_genuine, is_recent, signature, signed


class SigningTests(SynchronousTestCase):
    """Signatures."""

    def test_known(self) -> None:
        """As C{openssl dgst -sha256 -hmac} makes it."""
        wanted = "sha256=9dd7092e9f9273896335a1c91872cbff2c7313b1f2792acc070168f56c535028"
        self.assertEqual(signature("a-secret-for-webhooks", "1700000000", b'{"a":1}'), wanted)

    def test_everything_counts(self) -> None:
        """Secret, time and body."""
        headers = signed("secret", 1_700_000_000.9, b"body")
        timestamp, given = headers.values()
        self.assertEqual(timestamp, "1700000000")
        self.assertTrue(is_genuine("secret", timestamp, given, b"body"))
        self.assertTrue(is_genuine(" secret\n", timestamp, given, b"body"))
        for secret, time, proof, body in (
            ("other", timestamp, given, b"body"),
            ("secret", "1700000001", given, b"body"),
            ("secret", timestamp, given, b"bodY"),
            ("secret", timestamp, given.upper(), b"body"),
            ("secret", timestamp, given.removeprefix("sha256="), b"body"),
            ("secret", timestamp, "\udcff", b"body"),
            ("secret", timestamp, "", b"body"),
        ):
            self.assertFalse(is_genuine(secret, time, proof, body), (secret, time, proof, body))

    def test_recent(self) -> None:
        """Five minutes either way, and digits alone."""
        for timestamp, recent in (
            ("1000", True),
            ("700", True),
            ("1300", True),
            ("699", False),
            ("1301", False),
            ("", False),
            ("-1000", False),
            ("1e3", False),
            ("1000.0", False),
            ("\N{SUPERSCRIPT TWO}", False),
            ("9" * 5000, False),
        ):
            self.assertEqual(is_recent(timestamp, 1000.0), recent, timestamp[:20])
