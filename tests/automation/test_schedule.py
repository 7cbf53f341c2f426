# -*- test-case-name: tests.automation.test_schedule -*-
"""L{openclaw_tx.automation.schedule} and L{openclaw_tx.automation.cron_expression}."""

from __future__ import annotations

import time

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.automation.cron_expression import next_match
from openclaw_tx.automation.schedule import checked, moment, next_run, planned
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import At, CronTimes, Every, JobState, Schedule
from openclaw_tx.wire.times import LAST_MS, iso
from tests.automation.jobs import MINUTE, job


class ExpressionTests(SynchronousTestCase):
    """Times of expressions."""

    def after(self, expression: str, zone: str, start: str, count: int = 1) -> list[str]:
        """The next times after a moment."""
        found, now = [], moment(start)
        for _ in range(count):
            match = next_match(expression, zone, now)
            assert match is not None
            found.append(iso(match))
            now = match
        return found

    def test_zone(self) -> None:
        """An hour is that of its zone, summer and winter."""
        self.assertEqual(self.after("0 7 * * *", "Europe/Berlin", "2026-01-10T12:00Z"), ["2026-01-11T06:00:00.000Z"])
        self.assertEqual(self.after("0 7 * * *", "Europe/Berlin", "2026-07-10T12:00Z"), ["2026-07-11T05:00:00.000Z"])

    def test_strictly_after(self) -> None:
        """A match at this very moment is over, one a millisecond away is not."""
        self.assertEqual(self.after("0 7 * * *", "UTC", "2026-01-10T07:00Z"), ["2026-01-11T07:00:00.000Z"])
        self.assertEqual(self.after("0 7 * * *", "UTC", "2026-01-10T06:59:59.999Z"), ["2026-01-10T07:00:00.000Z"])

    def test_hour_left_out(self) -> None:
        """The clocks go forward from 2 to 3: a job at half past two runs at three, once, and next day at its time."""
        found = self.after("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", 2)
        self.assertEqual(found, ["2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"])

    def test_hour_twice(self) -> None:
        """The clocks go back from 3 to 2: a job at half past two runs once; one every half hour runs all the time."""
        found = self.after("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", 2)
        self.assertEqual(found, ["2026-10-25T00:30:00.000Z", "2026-10-26T01:30:00.000Z"])
        found = self.after("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:45Z", 4)
        self.assertEqual([time[11:16] for time in found], ["00:00", "00:30", "01:00", "01:30"])

    def test_fields(self) -> None:
        """Six fields have seconds; either day will do; names and the names of whole expressions."""
        self.assertEqual(self.after("*/20 * * * * *", "UTC", "2026-01-01T00:00:05Z"), ["2026-01-01T00:00:20.000Z"])
        self.assertEqual(self.after("0 0 13 * FRI", "UTC", "2026-02-13T00:00Z"), ["2026-02-20T00:00:00.000Z"])
        self.assertEqual(self.after("@Daily", "UTC", "2026-02-13T00:00Z"), ["2026-02-14T00:00:00.000Z"])

    def test_search_is_short(self) -> None:
        """An expression that never matches is found out in no time."""
        start = time.perf_counter()
        self.assertIsNone(next_match("0 0 */31 2 1#5", "Europe/Berlin", 0))
        self.assertLess(time.perf_counter() - start, 0.5)


class ScheduleTests(SynchronousTestCase):
    """When a job is due."""

    def test_every(self) -> None:
        """The pace hits the anchor, else the job's making; what was missed is not made up for."""
        self.assertEqual(next_run(job(created_at_ms=5), 5, "UTC"), MINUTE + 5)
        self.assertEqual(next_run(job(created_at_ms=5), 10 * MINUTE, "UTC"), 10 * MINUTE + 5)
        anchored = job(schedule=Every(every_ms=MINUTE, anchor_ms=3 * MINUTE))
        self.assertEqual(next_run(anchored, 0, "UTC"), 3 * MINUTE)
        self.assertEqual(next_run(anchored, 3 * MINUTE, "UTC"), 4 * MINUTE)

    def test_at(self) -> None:
        """Once, also late; early runs by hand do not count."""
        once = job(schedule=At(at_ms=MINUTE))
        self.assertEqual(next_run(once, 9 * MINUTE, "UTC"), MINUTE)
        early = job(schedule=At(at_ms=MINUTE), state=JobState(last_run_at_ms=1))
        self.assertEqual(next_run(early, 2, "UTC"), MINUTE)
        done = job(schedule=At(at_ms=MINUTE), state=JobState(last_run_at_ms=MINUTE))
        self.assertIsNone(next_run(done, 2 * MINUTE, "UTC"))

    def test_cron(self) -> None:
        """The zone of the expression comes before the user's; one that is no more makes no times."""
        daily = CronTimes(expr="0 7 * * *")
        self.assertEqual(next_run(job(schedule=daily), 0, "Asia/Tokyo"), moment("1970-01-01T22:00Z"))
        own = CronTimes(expr="0 7 * * *", tz="UTC")
        self.assertEqual(next_run(job(schedule=own), 0, "Asia/Tokyo"), moment("1970-01-01T07:00Z"))
        self.assertIsNone(next_run(job(schedule=CronTimes(expr="0 7 * * *", tz="Gone/City")), 0, "UTC"))

    def test_last(self) -> None:
        """The last moment there is is that of the year 9999; what a file may have of later ones is never, and can be
        told all the same."""
        last = job(schedule=checked(At(at="9999-12-31T23:59:59.999Z"), "UTC"))
        self.assertEqual(next_run(last, 0, "UTC"), LAST_MS)
        self.assertEqual(iso(LAST_MS), "9999-12-31T23:59:59.999Z")
        slow = job(schedule=checked(Every(every_ms=LAST_MS), "UTC"), created_at_ms=1)
        self.assertIsNone(next_run(slow, 1, "UTC"))
        self.assertIsNone(next_run(job(schedule=At(at_ms=8_640_000_000_000_000)), 0, "UTC"))
        self.assertEqual(iso(8_640_000_000_000_000), "9999-12-31T23:59:59.999Z")

    def test_disabled(self) -> None:
        """Never."""
        self.assertIsNone(next_run(job(enabled=False), 0, "UTC"))
        self.assertIsNone(planned(job(enabled=False, state=JobState(next_run_at_ms=5)), 0, "UTC").state.next_run_at_ms)

    def test_checked(self) -> None:
        """A time is kept in milliseconds, whichever way it came."""
        self.assertEqual(checked(At(at="2026-11-29T18:00:00+01:00"), "UTC"), At(at_ms=1_795_971_600_000))
        self.assertEqual(checked(At(at="2026-11-29T17:00:00"), "UTC"), At(at_ms=1_795_971_600_000))
        self.assertEqual(checked(At(at_ms=7), "UTC"), At(at_ms=7))

    def test_refused(self) -> None:
        """What can not be is refused, by the name of its field."""
        cases: list[tuple[Schedule, str]] = [
            (At(), "schedule.at"),
            (At(at="soon"), "schedule.at"),
            (At(at="1960-01-01T00:00Z"), "schedule.at"),
            (At(at="2026-01-01T00:00Z", at_ms=1), "schedule.at"),
            (At(at="9999-12-31T23:59:59-14:00"), "schedule.at"),
            (At(at_ms=LAST_MS + 1), "schedule.atMs"),
            (Every(every_ms=999), "schedule.everyMs"),
            (Every(every_ms=LAST_MS + 1), "schedule.everyMs"),
            (Every(every_ms=MINUTE, anchor_ms=LAST_MS + 1), "schedule.anchorMs"),
            (CronTimes(expr="* * *"), "schedule.expr"),
            (CronTimes(expr="61 * * * *"), "schedule.expr"),
            (CronTimes(expr="0 0 30 2 *"), "schedule.expr"),
            (CronTimes(expr="0 0 */31 2 1#5"), "schedule.expr"),
            (CronTimes(expr="0 0 * * *", tz="Nowhere/Land"), "schedule.tz"),
            (CronTimes(expr="0 0 * * *", tz="../etc/passwd"), "schedule.tz"),
        ]
        for schedule, field in cases:
            error = self.assertRaises(GatewayError, checked, schedule, "UTC")
            self.assertEqual((error.info.code, error.info.param), ("invalid_request", field), schedule)
            self.assertTrue(error.info.message.startswith(f"{field}: "), error.info.message)
