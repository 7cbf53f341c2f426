# -*- test-case-name: tests.web.test_slots -*-
"""So much at a time."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.web.slots import Slots
from tests.support.fakes import Phases


class SlotsTests(SynchronousTestCase):
    """Taking places."""

    def refused(self, slots: Slots) -> str:
        """The code of the refusal."""

        def take() -> None:
            with slots.one():
                self.fail("there was a place")

        error: GatewayError = self.assertRaises(GatewayError, take)
        self.assertIsNotNone(error.info.retry_after)
        return error.info.code

    def test_limit(self) -> None:
        """The one too many is refused; a place is free again after its block, also when that fails."""
        slots = Slots(Phases(), 2)
        with slots.one(), slots.one():
            self.assertEqual(self.refused(slots), "queue_full")
        try:
            with slots.one():
                raise ValueError
        except ValueError:
            pass
        self.assertEqual(slots.taken, 0)

    def test_draining(self) -> None:
        """Nothing new while the gateway shuts down."""
        phases = Phases()
        phases.phase = "draining"
        self.assertEqual(self.refused(Slots(phases, 2)), "gateway_draining")
