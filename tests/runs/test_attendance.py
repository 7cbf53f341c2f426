# -*- test-case-name: tests.runs.test_attendance -*-
"""What becomes of a run when the last one who attends it leaves."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.runs.attendance import CANCEL, CONTINUE, Attendance, Policy, policy_of
from openclaw_tx.runs.run import AgentRun
from tests.runs.rooms import Bench


class PolicyTests(SynchronousTestCase):
    """L{policy_of}."""

    def test_words(self) -> None:
        """Three words, and the bounds of the third."""
        self.assertEqual(
            [policy_of(text) for text in ("cancel", "continue", "grace=1", "grace=3600")],
            [CANCEL, CONTINUE, Policy(1.0), Policy(3600.0)],
        )

    def test_other_words(self) -> None:
        """Everything else is refused."""
        for text in (
            "",
            "Cancel",
            "grace",
            "grace=",
            "grace=0",
            "grace=3601",
            "grace=1.5",
            "grace=-1",
            "grace=1 ",
            "x",
        ):
            self.assertRaises(ValueError, policy_of, text)


class AttendanceTests(SynchronousTestCase):
    """L{Attendance} of a real run."""

    def setUp(self) -> None:
        """A run whose model is at work."""
        self.bench = Bench()
        self.attendance = Attendance(self.bench.clock)
        self.run_ = self.bench.start()

    def tearDown(self) -> None:
        """The run is over, and nothing waits for anything."""
        self.run_.abort("the end")
        self.assertEqual(self.bench.clock.getDelayedCalls(), [])

    @property
    def status(self) -> str:
        """Of the run."""
        return self.run_.status

    def test_cancel(self) -> None:
        """At once, and the provider's call with it."""
        self.attendance.attend(self.run_, CANCEL)()
        self.assertEqual((self.status, self.run_.abort_reason), ("aborted", "disconnect"))
        self.assertTrue(self.bench.model.calls[0].cancelled)

    def test_continue(self) -> None:
        """It goes on."""
        self.attendance.attend(self.run_, CONTINUE)()
        self.bench.clock.advance(500)
        self.assertEqual(self.status, "running")

    def test_grace(self) -> None:
        """It goes on for so long."""
        self.attendance.attend(self.run_, Policy(30.0))()
        self.bench.clock.advance(29.9)
        self.assertEqual(self.status, "running")
        self.bench.clock.advance(0.2)
        self.assertEqual((self.status, self.run_.abort_reason), ("aborted", "disconnect"))

    def test_somebody_comes_back(self) -> None:
        """Who comes in time saves it; when that one leaves the grace begins anew."""
        self.attendance.attend(self.run_, Policy(30.0))()
        self.bench.clock.advance(20)
        leave = self.attendance.attend(self.run_)
        self.bench.clock.advance(100)
        self.assertEqual(self.status, "running")
        leave()
        self.bench.clock.advance(29)
        self.assertEqual(self.status, "running")
        self.bench.clock.advance(2)
        self.assertEqual(self.status, "aborted")

    def test_ends_within_the_grace(self) -> None:
        """Then there is nothing to cancel, and no timer goes on."""
        self.attendance.attend(self.run_, Policy(3600.0))()
        self.bench.model.calls[0].text("x")
        self.bench.model.calls[0].finish()
        self.assertEqual((self.status, self.bench.clock.getDelayedCalls()), ("ok", []))

    def test_two_clients(self) -> None:
        """Only the last one's leaving counts; who leaves twice has left once."""
        first = self.attendance.attend(self.run_, CANCEL)
        second = self.attendance.attend(self.run_)
        first()
        first()
        self.assertEqual(self.status, "running")
        second()
        self.assertEqual(self.status, "aborted")

    def test_newest_policy_counts(self) -> None:
        """A client that says what it wants changes it for the run; one that does not leaves it."""
        first = self.attendance.attend(self.run_, CANCEL)
        second = self.attendance.attend(self.run_, CONTINUE)
        third = self.attendance.attend(self.run_)
        for leave in (first, second, third):
            leave()
        self.assertEqual(self.status, "running")

    def test_expected(self) -> None:
        """A policy for a run that nobody attends waits for somebody to come and go."""
        self.attendance.expect(self.run_, CANCEL)
        self.bench.clock.advance(60)
        self.assertEqual(self.status, "running")
        self.attendance.attend(self.run_)()
        self.assertEqual(self.status, "aborted")

    def test_nobody_said_anything(self) -> None:
        """A run of another surface does not end because somebody looked on for a while."""
        self.attendance.attend(self.run_)()
        self.assertEqual(self.status, "running")

    def test_forgets(self) -> None:
        """A run that is gone leaves nothing here."""
        run: AgentRun | None = self.bench.start()
        assert run is not None
        self.attendance.attend(run, Policy(5.0))()
        run.abort("x")
        self.assertEqual(len(self.attendance._runs), 1)
        self.bench.engine._ended.expire(float("inf"))
        self.bench.model.calls.clear()
        run = None
        import gc

        gc.collect()
        self.assertEqual(len(self.attendance._runs), 0)
