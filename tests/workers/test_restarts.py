"""When a worker that has died is started again."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.workers.restarts import FIRST_SECONDS, LONGEST_SECONDS, STEADY_SECONDS, Restarts


class RestartsTests(SynchronousTestCase):
    """L{Restarts}."""

    def test_never_served(self) -> None:
        """What has never served will not do so the next time."""
        restarts = Restarts()
        restarts.started(0.0)
        self.assertIsNone(restarts.died(1.0))

    def test_back_off(self) -> None:
        """Each quick death doubles the pause, up to the longest; also of a process that did not get to serve."""
        restarts = Restarts()
        restarts.is_ready()
        pauses = []
        for now in range(10):
            restarts.started(float(now))
            pauses.append(restarts.died(now + 0.5))
        self.assertEqual(pauses[:4], [FIRST_SECONDS * 2**number for number in range(4)])
        self.assertEqual(pauses[-1], LONGEST_SECONDS)

    def test_steady(self) -> None:
        """One that has lived for a minute begins anew."""
        restarts = Restarts()
        restarts.is_ready()
        for _ in range(5):
            restarts.started(0.0)
            restarts.died(0.1)
        restarts.started(100.0)
        self.assertEqual(restarts.died(100.0 + STEADY_SECONDS), FIRST_SECONDS)
        restarts.started(200.0)
        self.assertEqual(restarts.died(200.1), FIRST_SECONDS)
