# -*- test-case-name: tests.automation.test_book -*-
"""L{openclaw_tx.automation.book}."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.automation.book import AT_ONCE, INTERRUPTED, MAX_JOBS, OVERLAP, Ending, JobBook
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import At, CronJob, CronTimes, JobState
from tests.automation.jobs import MINUTE, job

OK = Ending("ok", summary="done")


class BookTests(SynchronousTestCase):
    """Jobs from being due to being done."""

    def setUp(self) -> None:
        """An empty book."""
        self.book = JobBook(lambda: "UTC")

    def put(self, *jobs: CronJob, now: int = 0) -> None:
        """Put jobs in."""
        for each in jobs:
            self.book.put(each, now)

    def begun(self, now: int, room: int = 1) -> list[str]:
        """Look and take: the ids of what begins."""
        self.book.look(now)
        return ids(self.book.take(now, room))

    def test_pace(self) -> None:
        """Due, begun, planned for the next time, done."""
        self.put(job())
        self.assertEqual((self.begun(MINUTE - 1), self.book.next_due()), ([], MINUTE))
        self.assertEqual((self.begun(MINUTE), self.book.next_due()), (["j"], 2 * MINUTE))
        self.assertEqual(self.book.jobs["j"].state.running_at_ms, MINUTE)
        record = self.book.finish("j", MINUTE + 500, OK)
        self.assertEqual((record.status, record.duration_ms, record.run_at_ms), ("ok", 500, MINUTE))
        self.assertEqual((record.next_run_at_ms, record.summary), (2 * MINUTE, "done"))
        state = self.book.jobs["j"].state
        self.assertEqual((state.running_at_ms, state.last_status, state.last_run_at_ms), (None, "ok", MINUTE))

    def test_overlap(self) -> None:
        """A time that comes while it works is skipped and told; a run that takes three times its pace adds up to no
        storm."""
        self.put(job())
        self.assertEqual(self.begun(MINUTE), ["j"])
        for minute in (2, 3):
            (record,) = self.book.look(minute * MINUTE)
            self.assertEqual((record.status, record.error), ("skipped", OVERLAP))
            self.assertEqual(ids(self.book.take(minute * MINUTE, 1)), [])
        self.book.finish("j", 3 * MINUTE + 1, OK)
        self.assertEqual((self.begun(3 * MINUTE + 2), self.begun(4 * MINUTE)), ([], ["j"]))

    def test_waiting(self) -> None:
        """So many at a time, in the order in which they became due; those for main sessions do not wait."""
        jobs = job("b"), job("a", created_at_ms=10), job("m", isolated=False, created_at_ms=20)
        self.put(*jobs, now=30)
        self.assertEqual(self.begun(MINUTE + 30), ["b", "m"])
        (skipped,) = self.book.look(2 * MINUTE)
        self.assertEqual(skipped.job_id, "b")
        self.book.finish("b", 2 * MINUTE, OK)
        self.assertEqual(ids(self.book.take(2 * MINUTE, 1)), ["a"])
        self.assertEqual(ids(self.book.take(2 * MINUTE, 5)), [])

    def test_more_room(self) -> None:
        """The bound may grow while jobs wait."""
        self.put(job("a"), job("b"), job("c"))
        self.assertEqual(self.begun(MINUTE), ["a"])
        self.assertEqual(ids(self.book.take(MINUTE, 3)), ["b", "c"])

    def test_once(self) -> None:
        """A job for one time is disabled after its run, however that went."""
        for status in ("ok", "error"):
            self.put(job(schedule=At(at_ms=5)))
            self.assertEqual(self.begun(7), ["j"])
            self.assertIsNone(self.book.next_due())
            self.book.finish("j", 8, Ending(status, "no" if status == "error" else ""))
            self.assertFalse(self.book.jobs["j"].enabled)
            self.assertEqual(self.begun(9), [])

    def test_once_waits_once(self) -> None:
        """One that waits for its turn is not due again meanwhile."""
        self.put(job("a"), job("b", At(at_ms=MINUTE)))
        self.assertEqual(self.begun(MINUTE), ["a"])
        self.assertEqual(self.book.look(MINUTE + 1), [])
        self.book.finish("a", MINUTE + 2, OK)
        self.assertEqual(ids(self.book.take(MINUTE + 2, 1)), ["b"])

    def test_begun_out_of_turn(self) -> None:
        """One that waits for its turn and is begun by hand is not begun again when its turn comes, neither while it is
        at work nor after that."""
        self.put(job("a"), job("b", At(at_ms=MINUTE)), job("c"))
        self.assertEqual(self.begun(MINUTE), ["a"])
        self.book.begin("b", MINUTE + 2)
        self.book.begin("c", MINUTE + 2)
        self.assertEqual(ids(self.book.take(MINUTE + 3, 9)), [])
        for each in ("a", "b", "c"):
            self.book.finish(each, MINUTE + 4, OK)
        self.assertEqual(ids(self.book.take(MINUTE + 5, 9)), [])

    def test_delete_after_run(self) -> None:
        """After a good run only."""
        self.put(job("bad", At(at_ms=5), delete_after_run=True), job("good", At(at_ms=5), delete_after_run=True))
        self.assertEqual(self.begun(5, 2), ["bad", "good"])
        self.book.finish("bad", 6, Ending("error", "no"))
        self.book.finish("good", 6, OK)
        self.assertEqual(list(self.book.jobs), ["bad"])

    def test_disabled_at_work(self) -> None:
        """A job with more times to come is not removed, be it disabled while it works: it can be enabled again."""
        self.put(job("a", delete_after_run=True))
        self.assertEqual(self.begun(MINUTE), ["a"])
        self.put(replace(self.book.jobs["a"], enabled=False))
        self.book.finish("a", MINUTE, OK)
        self.assertFalse(self.book.jobs["a"].enabled)

    def test_removed(self) -> None:
        """A job that goes while it waits never begins; one that goes while it works is done all the same."""
        self.put(job("a"), job("b"))
        self.assertEqual(self.begun(MINUTE), ["a"])
        self.book.remove("a")
        self.book.remove("b")
        self.assertEqual(self.book.finish("a", MINUTE, OK).job_id, "a")
        self.assertEqual((self.begun(2 * MINUTE), self.book.jobs), ([], {}))

    def test_disabled_while_waiting(self) -> None:
        """It does not begin."""
        self.put(job("a"), job("b"))
        self.assertEqual(self.begun(MINUTE), ["a"])
        self.put(job("b", enabled=False), now=MINUTE)
        self.book.finish("a", MINUTE, OK)
        self.assertEqual(ids(self.book.take(MINUTE, 1)), [])

    def test_restored(self) -> None:
        """After a pause: no storm of what was missed, but a time that has not been yet is made up for."""
        stale = JobState(next_run_at_ms=MINUTE)
        jobs = [job("every", state=stale), job("at", At(at_ms=MINUTE), state=stale)]
        jobs.append(job("cron", CronTimes(expr="* * * * *"), state=stale))
        self.assertEqual(self.book.restore(jobs, 100 * MINUTE), [])
        self.assertEqual(self.begun(100 * MINUTE, 9), ["at"])
        self.assertEqual(self.book.next_due(), 101 * MINUTE)
        self.assertEqual(sorted(self.begun(101 * MINUTE, 9)), ["cron", "every"])

    def test_interrupted(self) -> None:
        """What was at work when the process died is told so; a job for one time is not done twice."""
        at_work = JobState(running_at_ms=5, last_run_at_ms=5)
        jobs = [job("every", state=at_work), job("at", At(at_ms=5), state=at_work)]
        records = self.book.restore(jobs, 2 * MINUTE)
        self.assertEqual(
            [(each.status, each.error, each.run_at_ms) for each in records], [("error", INTERRUPTED, 5)] * 2
        )
        self.assertFalse(self.book.jobs["at"].enabled)
        self.assertEqual(self.begun(2 * MINUTE), [])
        self.assertEqual(self.begun(3 * MINUTE), ["every"])

    def test_clock_forward(self) -> None:
        """Ten hours are skipped: each job runs once, and then at its pace."""
        self.put(job())
        later = 600 * MINUTE + 7
        self.assertEqual((self.begun(later), self.book.next_due()), (["j"], 601 * MINUTE))

    def test_clock_back(self) -> None:
        """An hour comes again: jobs go on by the new time instead of waiting for the old one."""
        self.put(job("j"), job("c", CronTimes(expr="*/10 * * * *")), job("once", At(at_ms=100 * MINUTE)), now=0)
        self.begun(90 * MINUTE, 9)
        for each in ("j", "c"):
            self.book.finish(each, 90 * MINUTE, OK)
        self.book.look(30 * MINUTE)
        due = {each.id: each.state.next_run_at_ms for each in self.book.jobs.values()}
        self.assertEqual(due, {"j": 31 * MINUTE, "c": 40 * MINUTE, "once": 100 * MINUTE})

    def test_many(self) -> None:
        """A thousand jobs and no more; what is due together is lined up in parts."""
        self.put(*(job(f"j{number}", CronTimes(expr="0 0 * * *")) for number in range(MAX_JOBS)))
        self.assertRaises(GatewayError, self.book.put, job("more"), 0)
        self.book.put(job("j7", CronTimes(expr="0 0 * * *")), 0)
        day = 24 * 60 * MINUTE
        begun: list[str] = []
        looks = 0
        while (due := self.book.next_due()) is not None and due <= day:
            begun += self.begun(day, MAX_JOBS)
            looks += 1
        self.assertEqual((len(set(begun)), len(begun), looks), (MAX_JOBS, MAX_JOBS, MAX_JOBS // AT_ONCE))

    def test_many_restored(self) -> None:
        """Planning a thousand expressions is left to ten looks."""
        book = JobBook(lambda: "UTC")
        book.restore([job(f"j{number}", CronTimes(expr="0 0 * * *")) for number in range(MAX_JOBS)], 0)
        for _ in range(MAX_JOBS // AT_ONCE):
            self.assertEqual(book.next_due(), 0)
            book.look(0)
        self.assertEqual(book.next_due(), 24 * 60 * MINUTE)

    def test_listing(self) -> None:
        """Next first, never last."""
        self.put(job("off", enabled=False), job("late", At(at_ms=9 * MINUTE)), job("soon"))
        self.assertEqual(ids(self.book.listing()), ["soon", "late", "off"])


def ids(jobs: Iterable[CronJob]) -> list[str]:
    """Their ids."""
    return [each.id for each in jobs]
