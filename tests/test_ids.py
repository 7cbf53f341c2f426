"""Ids."""

from __future__ import annotations

import time
from uuid import RFC_4122, UUID

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.ids import new_uuid


class NewUuidTests(SynchronousTestCase):
    """L{new_uuid}."""

    def test_is_a_uuid(self) -> None:
        """Version 7 in its usual form, another one each time."""
        made = {new_uuid() for _ in range(1000)}
        self.assertEqual(len(made), 1000)
        for text in made:
            parsed = UUID(text)
            self.assertEqual((str(parsed), parsed.version, parsed.variant), (text, 7, RFC_4122))

    def test_in_order(self) -> None:
        """Its first 48 bits are the time, in milliseconds since 1970."""
        before = time.time_ns() // 1_000_000
        made = UUID(new_uuid()).int >> 80
        self.assertLessEqual(before, made)
        self.assertLessEqual(made, time.time_ns() // 1_000_000)
