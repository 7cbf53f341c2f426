# -*- test-case-name: tests.automation.test_cron -*-
"""L{openclaw_tx.automation.cron} and L{openclaw_tx.automation.job_runs}: jobs on a clock, with a file below."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.automation.book import INTERRUPTED, OVERLAP
from openclaw_tx.automation.job_files import read_jobs, read_records, write_jobs
from openclaw_tx.deferreds import in_reactor_thread
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import AgentTurnPayload, At, CronJob, CronTimes, Every, JobPatch, JobRecord, JobState
from tests.automation.jobs import MINUTE, draft, job
from tests.automation.rooms import START, House

MAIN = "agent:main:main"


class Disk:
    """An L{openclaw_tx.deferreds.InThread} that can be full.

    @ivar done: names of what was done.
    """

    def __init__(self) -> None:
        self.full = False
        self.held: list[Deferred[Any]] | None = None
        self.done: list[str] = []

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        """Do it, unless it is full; held back while C{held} is a list."""
        self.done.append(function.__name__)
        if self.full:
            return fail(OSError(28, "No space left on device"))
        if self.held is not None:
            held: Deferred[Any] = Deferred()
            held.addCallback(lambda _: function(*arguments))
            self.held.append(held)
            return held
        return in_reactor_thread(function, *arguments)


class Case(SynchronousTestCase):
    """A house that was started."""

    def setUp(self) -> None:
        """Nothing is due."""
        self.disk = Disk()
        self.house = self.open()

    def open(self, config: Any = None, path: Path | None = None, **fields: Any) -> House:
        """A house that is closed at the end."""
        house = House(self, config, path=path, in_thread=self.disk, **fields)
        house.start()

        def close() -> None:
            stopped = [house.cron.stopService(), house.heartbeat.stopService()]
            for run in house.engine.live():
                run.abort("shutdown")
            for each in stopped:
                self.successResultOf(each)
            self.assertEqual(house.clock.getDelayedCalls(), [])

        self.addCleanup(close)
        return house

    def of(self, coroutine: Coroutine[Deferred[Any], Any, Any]) -> Any:
        """What needs no waiting."""
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def add(self, *arguments: Any, **fields: Any) -> CronJob:
        """Add a job."""
        return self.of(self.house.cron.add(draft(*arguments, **fields)))  # type: ignore[no-any-return]

    def records(self, made: CronJob) -> list[JobRecord]:
        """How its runs ended, oldest first."""
        return list(self.of(self.house.cron.records(made.id, 100)))[::-1]


class RunTests(Case):
    """What jobs do."""

    def test_isolated(self) -> None:
        """A run in the job's own session that begins anew, in the lane of jobs, as who may do no more than that."""
        payload = AgentTurnPayload(message="What is new?", model="fast", thinking="low", timeout_seconds=9)
        made = self.add(payload=payload, agent_id="main")
        self.house.advance(59.9)
        self.assertEqual(self.house.runs, [])
        self.house.advance(0.1)
        (run,) = self.house.runs
        request, key = run.request, f"agent:main:cron:{made.id}"
        self.assertEqual((request.session_key, request.lane, request.trigger), (key, "cron", "cron"))
        self.assertEqual((request.model, request.thinking, request.timeout_s), ("p/fast", "low", 9.0))
        self.assertEqual(request.messages[0].text, f"[cron:{made.id} news] What is new?")
        self.assertEqual((run.principal.id, "operator.admin" in run.principal.scopes), ("cron", False))
        self.assertEqual(self.house.sessions.reset_keys, [key])
        self.assertEqual(self.house.cron.get(made.id).state.running_at_ms, self.house.now_ms)
        self.house.clock.advance(1.5)
        self.house.answer("Much.")
        self.assertEqual(self.house.events.peek(MAIN), ("Cron: Much.",))
        (record,) = self.records(made)
        self.assertEqual((record.status, record.summary, record.duration_ms), ("ok", "Much.", 1500))
        self.assertEqual((record.session_key, record.run_id), (key, request.run_id))
        self.assertEqual(self.house.actions(), ["added", "started", "finished"])
        self.assertEqual(self.house.beats(), [])

    def test_wake(self) -> None:
        """With wakeMode now the main session looks at the news at once."""
        self.add(wake_mode="now")
        self.house.advance(60)
        self.house.answer("Much.")
        run = self.house.runs[1].request
        self.assertEqual((run.session_key, run.trigger), (MAIN, "heartbeat"))
        self.house.answer()

    def test_failed_run(self) -> None:
        """The reason is kept, and told."""
        made = self.add()
        self.house.advance(60)
        self.house.runs[0].fail("provider_error", "the model is out")
        self.house.advance(0)
        state = self.house.cron.get(made.id).state
        self.assertEqual((state.last_status, state.last_error), ("error", "the model is out"))
        self.assertEqual(self.house.events.peek(MAIN), ("Cron (error): the model is out",))

    def test_stopped_run(self) -> None:
        """The limit before the first word is a failure of the job, for nobody is told anything."""
        made = self.add()
        self.house.advance(60)
        self.house.runs[0].end(finish_reason="length")
        self.house.advance(0)
        state = self.house.cron.get(made.id).state
        self.assertEqual(state.last_status, "error")
        self.assertIn("stopped before it had said anything", state.last_error)

    def test_not_started(self) -> None:
        """So is that of a run that could not begin."""
        made = self.add(payload=AgentTurnPayload(message="x", model="nope"))
        self.house.advance(60)
        self.assertEqual(self.house.cron.get(made.id).state.last_error, "Unknown model: nope")
        self.house.engine.refuse = GatewayError("queue_full", "Too many runs are waiting.")
        other = self.add()
        self.house.advance(60)
        self.assertEqual(self.house.cron.get(other.id).state.last_error, "Too many runs are waiting.")

    def test_bug(self) -> None:
        """A bug ends the run of the job and nothing else."""
        made = self.add()
        self.patch(self.house.sessions, "reset", None)
        self.house.advance(60)
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)
        self.assertEqual(self.house.cron.get(made.id).state.last_error, "internal error")

    def test_agent_gone(self) -> None:
        """A job of an agent that is configured no more says so."""
        self.house.configure({"agents": {"list": [{"id": "main"}, {"id": "beta"}]}})
        made = self.add(agent_id="beta")
        self.house.configure({"agents": {"list": [{"id": "main"}]}})
        self.house.advance(60)
        self.assertIn("no agent 'beta'", self.house.cron.get(made.id).state.last_error or "")

    def test_main(self) -> None:
        """News for the main session; a heartbeat at once only if the job wants one."""
        later = self.add(isolated=False)
        self.house.advance(60)
        self.assertEqual((self.house.events.peek(MAIN), self.house.runs), (("look",), []))
        self.assertEqual(self.records(later)[0].status, "ok")
        self.of(self.house.cron.remove(later.id))
        self.add(isolated=False, wake_mode="now")
        self.house.advance(60)
        self.assertEqual(self.house.runs[0].request.trigger, "heartbeat")
        self.house.answer()

    def test_once(self) -> None:
        """At its time, and then no more."""
        made = self.add(At(at_ms=self.house.now_ms + 500), delete_after_run=True)
        self.house.advance(0.5)
        self.house.answer("Tea.")
        self.assertRaises(GatewayError, self.house.cron.get, made.id)
        self.assertEqual(list(read_jobs(self.house.path, 0).jobs), [])

    def test_late_once(self) -> None:
        """A time in the past is now."""
        self.add(At(at_ms=5))
        self.house.advance(0)
        self.assertEqual(len(self.house.runs), 1)


class ClockTests(Case):
    """Many, slow, late."""

    def test_overlap(self) -> None:
        """While a run goes on its job's times are skipped, and the log says so."""
        made = self.add()
        for _ in range(3):
            self.house.advance(60)
        self.assertEqual(len(self.house.runs), 1)
        self.house.answer("slow")
        records = self.records(made)
        self.assertEqual([each.status for each in records], ["skipped", "skipped", "ok"])
        self.assertEqual(records[0].error, OVERLAP)
        self.house.advance(60)
        self.assertEqual(len(self.house.runs), 2)

    def test_turns(self) -> None:
        """One at a time, or as many as the configuration says from now on."""
        for _ in range(4):
            self.add()
        self.house.advance(60)
        self.assertEqual(len(self.house.runs), 1)
        self.house.answer("1")
        self.assertEqual(len(self.house.runs), 2)
        self.house.configure({"cron": {"maxConcurrentRuns": 2}})
        self.house.advance(0)
        self.assertEqual(len(self.house.engine.live()), 2)

    def test_jump(self) -> None:
        """The clock is set a day ahead: each job runs once."""
        made = self.add()
        self.house.advance(86_400)
        self.house.answer("1")
        self.house.advance(1)
        self.assertEqual((len(self.house.runs), [each.status for each in self.records(made)]), (1, ["ok"]))

    def test_set_back(self) -> None:
        """The clock is set an hour back: the job goes on within a minute of the new time."""
        self.add()
        self.house.clock.rightNow -= 3600
        for _ in range(2 + 60):
            self.house.advance(60)
        self.assertEqual(len(self.house.runs), 1)

    def test_thousand(self) -> None:
        """A thousand jobs that are due at once are all done, and each has its line in the log."""
        daily = CronTimes(expr="0 0 * * *")
        jobs = [job(f"j{number}", daily, isolated=False) for number in range(1000)]
        path = Path(self.mktemp()) / "jobs.json"
        write_jobs(path, jobs)
        house = self.open(path=path)
        for _ in range(12):
            house.clock.advance(0)
        self.disk.done.clear()
        house.clock.advance(86_400 - START % 86_400)
        for _ in range(40):
            house.clock.advance(0)
        states = [each.state for each in house.cron.all()]
        self.assertEqual({(state.last_status, state.running_at_ms) for state in states}, {("ok", None)})
        self.assertEqual(self.disk.done.count("append_record"), 1000)

    def test_off(self) -> None:
        """Switched off, nothing runs by the clock, but jobs can be edited and run by hand; switched on again, what was
        missed is not made up for."""
        made = self.add()
        self.house.configure({"cron": {"enabled": False}})
        self.house.advance(600)
        self.assertEqual((self.house.runs, self.house.cron.status()["nextWakeAtMs"]), ([], None))
        self.assertEqual(self.of(self.house.cron.run(made.id, "force")), {"ok": True, "ran": True})
        self.house.answer("by hand")
        self.house.configure({})
        self.house.advance(0)
        self.assertEqual(len(self.house.runs), 1)
        self.house.advance(60)
        self.assertEqual(len(self.house.runs), 2)

    def test_by_hand(self) -> None:
        """At any time, but not twice at once."""
        made = self.add(Every(every_ms=60 * MINUTE), enabled=False)
        self.assertEqual(self.of(self.house.cron.run(made.id, "due"))["reason"], "not-due")
        self.assertTrue(self.of(self.house.cron.run(made.id, "force"))["ran"])
        self.assertEqual(self.of(self.house.cron.run(made.id, "force"))["reason"], "already-running")
        self.house.answer("x")
        self.assertEqual(self.records(made)[0].status, "ok")


class StoreTests(Case):
    """What is kept."""

    def test_durable(self) -> None:
        """What add, update and remove have answered is in the file."""
        made = self.add()
        self.assertEqual([each.id for each in read_jobs(self.house.path, 0).jobs], [made.id])
        self.of(self.house.cron.update(made.id, JobPatch(enabled=False)))
        self.assertFalse(read_jobs(self.house.path, 0).jobs[0].enabled)
        self.assertTrue(self.of(self.house.cron.remove(made.id)))
        self.assertFalse(self.of(self.house.cron.remove(made.id)))
        self.assertEqual(read_jobs(self.house.path, 0).jobs, [])

    def test_full_disk(self) -> None:
        """A change that can not be written is refused and undone; a run goes on, and is written down later."""
        made = self.add()
        self.disk.full = True
        for work in (
            self.house.cron.add(draft()),
            self.house.cron.update(made.id, JobPatch(name="other")),
            self.house.cron.remove(made.id),
        ):
            error = self.failureResultOf(Deferred.fromCoroutine(work), GatewayError).value
            self.assertEqual(error.info.code, "storage_unavailable")
        self.assertEqual(self.house.cron.all(), [made])
        self.house.advance(60)
        self.house.answer("fine")
        self.assertEqual(self.house.cron.get(made.id).state.last_status, "ok")
        self.disk.full = False
        self.of(self.house.cron.update(made.id, JobPatch(name="other")))
        self.assertEqual(read_jobs(self.house.path, 0).jobs[0].state.last_status, "ok")

    def test_unreadable(self) -> None:
        """A file that can not be opened is not written over: the methods say so until the next start."""
        self.add()
        self.disk.full = True
        house = self.open(path=self.house.path)
        self.disk.full = False
        error = self.failureResultOf(Deferred.fromCoroutine(house.cron.add(draft())), GatewayError).value
        self.assertEqual(error.info.code, "storage_unavailable")

    def test_written_before(self) -> None:
        """That a job is at work is in the file before it begins, so that a crash leaves a trace."""
        made = self.add()
        self.disk.held = []
        self.house.clock.advance(60)
        self.assertEqual(self.house.runs, [])
        held, self.disk.held = self.disk.held, None
        held[0].callback(None)
        self.assertEqual(len(self.house.runs), 1)
        self.assertEqual(read_jobs(self.house.path, 0).jobs[0].state.running_at_ms, self.house.now_ms)
        self.house.answer("x")
        self.assertIsNone(read_jobs(self.house.path, 0).jobs[0].state.running_at_ms)
        self.assertEqual(len(read_records(self.house.path.parent / "runs" / f"{made.id}.jsonl", 9)), 1)

    def test_crash(self) -> None:
        """The next process tells what was cut off, and goes on; a job for one time is not done twice."""
        at_work = JobState(running_at_ms=1, last_run_at_ms=1)
        path = Path(self.mktemp()) / "jobs.json"
        write_jobs(
            path, [job("every", state=at_work), job("once", At(at_ms=1), state=at_work), job("late", At(at_ms=2))]
        )
        house = self.open(path=path)
        house.advance(0)
        self.assertEqual([run.request.session_key for run in house.runs], ["agent:main:cron:late"])
        (record,) = self.of(house.cron.records("every", 5))
        self.assertEqual((record.status, record.error), ("error", INTERRUPTED))
        self.assertFalse(house.cron.get("once").enabled)

    def test_restart(self) -> None:
        """Jobs outlive the process, with what was known of them."""
        made = self.add(CronTimes(expr="*/5 * * * *"))
        self.house.advance(300)
        self.house.answer("x")
        house = self.open(path=self.house.path, now=self.house.clock.seconds() + 3600)
        house.advance(0)
        again = house.cron.get(made.id)
        self.assertEqual((again.name, again.state.last_status, house.runs), ("news", "ok", []))
        self.assertEqual(again.state.next_run_at_ms, house.now_ms + 300_000 - house.now_ms % 300_000)

    def test_forgotten(self) -> None:
        """With a job goes its log."""
        made = self.add()
        self.house.advance(60)
        self.house.answer("x")
        self.of(self.house.cron.remove(made.id))
        self.assertEqual(self.records(made), [])

    def test_bad_ids(self) -> None:
        """No id leads elsewhere, and an unknown one is told."""
        self.assertRaises(GatewayError, self.house.cron.get, "nope")
        self.failureResultOf(Deferred.fromCoroutine(self.house.cron.records("../x", 5)), GatewayError)

    def test_stopping(self) -> None:
        """A gateway that stops begins nothing, and takes no changes; what ends meanwhile is written down."""
        made = self.add()
        self.house.advance(60)
        self.house.cron.rest()
        self.failureResultOf(Deferred.fromCoroutine(self.house.cron.add(draft())), GatewayError)
        stopped = self.house.cron.stopService()
        self.assertNoResult(stopped)
        self.house.runs[0].abort("shutdown")
        self.successResultOf(stopped)
        self.assertEqual(read_jobs(self.house.path, 0).jobs[0].state.last_status, "error")
        self.assertEqual(self.records(made)[0].status, "error")

    def test_bad_listener(self) -> None:
        """Who listens badly disturbs nobody."""
        self.house.cron.subscribe(lambda news: 1 / 0)  # type: ignore[arg-type, return-value]
        self.add()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.house.actions(), ["added"])
