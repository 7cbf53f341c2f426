# -*- test-case-name: tests.wire.test_times -*-
"""L{openclaw_tx.wire.times}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.wire.times import LAST_MS, iso


class IsoTests(SynchronousTestCase):
    """L{iso}."""

    def test_iso(self) -> None:
        """Four digits for the year, three for the fraction, and never out of bounds."""
        self.assertEqual(iso(1_764_439_200_007), "2025-11-29T18:00:00.007Z")
        self.assertEqual((iso(0), iso(-5)), ("1970-01-01T00:00:00.000Z",) * 2)
        self.assertEqual((iso(LAST_MS), iso(2**53 - 1)), ("9999-12-31T23:59:59.999Z",) * 2)
