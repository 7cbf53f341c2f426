# -*- test-case-name: tests.wire.test_headers -*-
"""L{openclaw_tx.wire.headers}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.wire.headers import header_value


class HeaderValueTests(SynchronousTestCase):
    """L{header_value}."""

    def test_first_line(self) -> None:
        """A repeated header counts once, trimmed."""
        self.assertEqual(header_value("X-Y", [b" a ", b"b"]), "a")
        self.assertIsNone(header_value("x-y", []))
        self.assertIsNone(header_value("x-y", None))

    def test_forwarded_chain(self) -> None:
        """The chain of proxies is read whole: the line that a proxy appended is not lost behind the client's own."""
        self.assertEqual(header_value("X-Forwarded-For", [b"6.6.6.6", b"10.0.0.1"]), "6.6.6.6,10.0.0.1")

    def test_bytes(self) -> None:
        """Bytes that are no UTF-8 are read all the same."""
        self.assertEqual(header_value("x", ["ü".encode()]), "ü")
        self.assertEqual(header_value("x", [b"\xfc"]), "ü")
