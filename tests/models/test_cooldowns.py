# -*- test-case-name: tests.models.test_cooldowns -*-
"""How long keys rest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.models.cooldowns import Limits, Reason, Standing, failed, forced_at, ready_at, succeeded

NOW = 1_700_000_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
LIMITS = Limits()


def pauses(reason: Reason, times: int) -> list[int]:
    """Minutes of rest after each of so many failures in a row, each right after the rest before."""
    standing, now, found = Standing(), NOW, []
    for _ in range(times):
        standing = failed(standing, reason, now, LIMITS)
        found.append((ready_at(standing) - now) // MINUTE)
        now = ready_at(standing)
    return found


class TableTests(SynchronousTestCase):
    """The rests of spec 6.4."""

    def test_growing(self) -> None:
        """1, 5, 25, 60 minutes; bills 5, 10, 20, 24 hours; a server always one minute."""
        for reason in ("rate_limit", "auth", "timeout"):
            self.assertEqual(pauses(reason, 6), [1, 5, 25, 60, 60, 60])
        self.assertEqual(pauses("billing", 5), [300, 600, 1200, 1440, 1440])
        self.assertEqual(pauses("server", 3), [1, 1, 1])

    def test_configured(self) -> None:
        """Bills rest as C{auth.cooldowns} says."""
        standing = failed(Standing(), "billing", NOW, Limits(60.0, 90.0))
        self.assertEqual((ready_at(standing) - NOW, standing.disabled_reason), (MINUTE, "billing"))
        standing = failed(standing, "billing", NOW + MINUTE, Limits(60.0, 90.0))
        self.assertEqual(ready_at(standing) - NOW - MINUTE, 90_000)

    def test_runs_that_fail_together_count_once(self) -> None:
        """Failures during a rest do not make it longer."""
        for reason in ("rate_limit", "billing"):
            once = failed(Standing(), reason, NOW, LIMITS)
            again = failed(once, reason, NOW + 1, LIMITS)
            self.assertEqual(ready_at(again), ready_at(once))
            self.assertEqual((again.error_count, again.failure_counts), (once.error_count, once.failure_counts))

    def test_window(self) -> None:
        """After a day without a failure the count begins anew."""
        standing = Standing()
        for _ in range(3):
            standing = failed(standing, "auth", ready_at(standing) or NOW, LIMITS)
        later = standing.last_failure_at + 24 * HOUR + 1
        self.assertEqual(ready_at(failed(standing, "auth", later, LIMITS)) - later, MINUTE)
        self.assertEqual(failed(standing, "auth", later, LIMITS).failure_counts, {"auth": 1})
        self.assertEqual(ready_at(failed(standing, "auth", later - 1, LIMITS)) - later + 1, HOUR)

    def test_retry_after(self) -> None:
        """The provider's wish is the least rest, up to an hour; a later wish counts during a rest too."""
        asked = failed(Standing(), "rate_limit", NOW, LIMITS, 90.0, "m")
        self.assertEqual(ready_at(asked) - NOW, 90_000)
        self.assertEqual(ready_at(failed(Standing(), "rate_limit", NOW, LIMITS, 1e9)) - NOW, HOUR)
        self.assertEqual(ready_at(failed(Standing(), "server", NOW, LIMITS, 2.0)) - NOW, MINUTE)
        self.assertEqual(ready_at(failed(asked, "rate_limit", NOW + MINUTE, LIMITS, 60.0)) - NOW, 2 * MINUTE)

    def test_success(self) -> None:
        """It forgives all, but not what happened after its call began."""
        resting = failed(Standing(last_used=7), "billing", NOW, LIMITS)
        self.assertEqual(succeeded(resting, NOW), Standing(last_used=7))
        self.assertEqual(succeeded(resting, NOW - 1), resting)


class ForcedTests(SynchronousTestCase):
    """L{forced_at}: when there is nothing else."""

    def at(self, reason: Reason, retry_after: float | None = None, about: str = "", model: str = "m") -> int:
        """Milliseconds after its failure."""
        return max(0, forced_at(failed(Standing(), reason, NOW, LIMITS, retry_after, about), model) - NOW)

    def test_limited_is_better_than_none(self) -> None:
        """At once, unless the provider asked for time."""
        for reason in ("rate_limit", "timeout", "server"):
            self.assertEqual(self.at(reason), 0)
            self.assertEqual(self.at(reason, 40.0), 40_000)

    def test_refused_keys(self) -> None:
        """After a minute, be the rest ever so long."""
        self.assertEqual((self.at("auth"), self.at("billing")), (MINUTE, MINUTE))

    def test_other_models(self) -> None:
        """A limit or a permission of one model says little about another."""
        self.assertEqual(self.at("rate_limit", 40.0, about="m"), 40_000)
        self.assertEqual(self.at("rate_limit", 40.0, about="other"), 0)
        self.assertEqual(self.at("auth", about="other"), 0)


REASONS = st.sampled_from(["auth", "billing", "rate_limit", "timeout", "server"])
STEPS = st.lists(
    st.tuples(st.booleans(), REASONS, st.integers(0, 30 * HOUR), st.none() | st.floats(0, 1e7)), max_size=30
)


class PropertyTests(SynchronousTestCase):
    """Whatever happens."""

    @given(STEPS)
    def test_bounds(self, steps: list[tuple[bool, Reason, int, float | None]]) -> None:
        """A rest never ends later than a day from now, nor does it shrink by a failure; nobody is forced to wait
        beyond it, or more than an hour; an answer ends it."""
        standing, now = Standing(), NOW
        for good, reason, passed, asked in steps:
            now += passed
            if good:
                standing = succeeded(standing, now)
                self.assertEqual(ready_at(standing), 0)
                continue
            before = ready_at(standing)
            standing = failed(standing, reason, now, LIMITS, asked)
            self.assertGreater(ready_at(standing), now)
            self.assertLessEqual(ready_at(standing), max(before, now + 24 * HOUR))
            self.assertGreaterEqual(ready_at(standing), before)
            self.assertLessEqual(forced_at(standing, "m"), min(ready_at(standing), now + HOUR))
            self.assertLessEqual(standing.error_count, sum(1 for step in steps if not step[0]))
