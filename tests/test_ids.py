"""Ids."""

from __future__ import annotations

from uuid import RFC_4122, UUID

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.ids import new_uuid


class NewUuidTests(SynchronousTestCase):
    """L{new_uuid}."""

    def test_is_a_uuid(self) -> None:
        """Version 4 in its usual form, another one each time."""
        made = {new_uuid() for _ in range(1000)}
        self.assertEqual(len(made), 1000)
        for text in made:
            parsed = UUID(text)
            self.assertEqual((str(parsed), parsed.version, parsed.variant), (text, 4, RFC_4122))
