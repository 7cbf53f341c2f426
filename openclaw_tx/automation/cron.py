# -*- test-case-name: tests.automation.test_cron -*-
"""Jobs by the clock (spec 2.9): one timer, the book of jobs, and the file they are kept in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from openclaw_tx.automation.book import AT_ONCE, Ending, JobBook
from openclaw_tx.automation.drafts import new_job, patched
from openclaw_tx.automation.in_order import ended
from openclaw_tx.automation.job_files import is_id
from openclaw_tx.automation.job_runs import JobRuns
from openclaw_tx.automation.job_store import JobStore
from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import Gate, sleep, spawn
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents
from openclaw_tx.listeners import Listeners
from openclaw_tx.values import CronJob, CronNews, JobDraft, JobPatch, JobRecord

LONGEST_SLEEP = 60.0
"""Seconds after which the clock is looked at anew: it may have been set."""


class CronService(Service):
    """Implements L{openclaw_tx.interfaces.Jobs}.

    @ivar subscribe: see L{Listeners.subscribe}; of all that happens to jobs.

    Bounds: L{openclaw_tx.automation.book.MAX_JOBS} jobs; C{cron.maxConcurrentRuns} at work in sessions of their own.
    """

    def __init__(
        self,
        settings: Callable[[], Config],
        store: JobStore,
        runs: JobRuns,
        agents: Agents,
        clock: IReactorTime,
        new_id: Callable[[], str],
        timezone: Callable[[], str],
    ) -> None:
        """
        @param settings: the configuration of the moment.
        @param new_id: makes UUIDs.
        @param timezone: the user's, asked each time.
        """
        self._settings = settings
        self._store = store
        self._runs = runs
        self._agents = agents
        self._clock = clock
        self._new_id = new_id
        self._timezone = timezone
        self._book = JobBook(timezone)
        self._log = Logger()
        self._ready = Gate()
        self._trouble: GatewayError | None = None
        self._timer: IDelayedCall | None = None
        self._beginning: list[CronJob] = []
        self._is_beginning = False
        self._soon = False
        self._active = False
        self._work: set[Deferred[Any]] = set()
        self._news: Listeners[CronNews] = Listeners(self._log, "jobs")
        self.subscribe = self._news.subscribe

    # -- the seam

    def all(self) -> Sequence[CronJob]:
        """See L{openclaw_tx.interfaces.Jobs.all}."""
        return self._book.listing()

    def get(self, job_id: str) -> CronJob:
        """See L{openclaw_tx.interfaces.Jobs.get}."""
        job = self._book.jobs.get(job_id)
        if job is None:
            raise GatewayError("invalid_request", f"unknown cron job id: {job_id[:128]}", param="id")
        return job

    def status(self) -> Mapping[str, Any]:
        """See L{openclaw_tx.interfaces.Jobs.status}."""
        enabled = self._settings().cron.enabled
        return {
            "enabled": enabled,
            "storePath": str(self._store.path),
            "jobs": len(self._book.jobs),
            "nextWakeAtMs": self._book.next_due() if enabled else None,
        }

    async def add(self, draft: JobDraft) -> CronJob:
        """See L{openclaw_tx.interfaces.Jobs.add}."""
        await self._usable()
        job = new_job(draft, self._new_id(), self._now(), self._timezone(), self._agents)
        return await self._put(job, None, "added")

    async def update(self, job_id: str, patch: JobPatch, check: Callable[[CronJob], None] | None = None) -> CronJob:
        """See L{openclaw_tx.interfaces.Jobs.update}."""
        await self._usable()
        before = self.get(job_id)
        if check is not None:
            check(before)
        return await self._put(patched(before, patch, self._now(), self._timezone(), self._agents), before, "updated")

    async def remove(self, job_id: str) -> bool:
        """See L{openclaw_tx.interfaces.Jobs.remove}."""
        await self._usable()
        job = self._book.remove(job_id)
        if job is None:
            return False
        try:
            await self._store.save(self._book.listing)
        except GatewayError:
            self._book.jobs.setdefault(job_id, job)
            raise
        finally:
            self._arm()
        await self._store.forget(job_id)
        self._news.tell(CronNews(job_id=job_id, action="removed"))
        return True

    async def run(self, job_id: str, mode: Literal["due", "force"]) -> Mapping[str, Any]:
        """See L{openclaw_tx.interfaces.Jobs.run}. It does not wait in line."""
        await self._usable()
        job, now = self.get(job_id), self._now()
        if job.state.running_at_ms is not None:
            return {"ok": True, "ran": False, "reason": "already-running"}
        due = job.state.next_run_at_ms
        if mode == "due" and (due is None or due > now):
            return {"ok": True, "ran": False, "reason": "not-due"}
        self._begin([self._book.begin(job_id, now)])
        self._arm()
        return {"ok": True, "ran": True}

    async def records(self, job_id: str, limit: int) -> Sequence[JobRecord]:
        """See L{openclaw_tx.interfaces.Jobs.records}; those of a job that is no more may be there still."""
        if not is_id(job_id):
            raise GatewayError("invalid_request", f"unknown cron job id: {job_id[:128]}", param="id")
        return await self._store.records(job_id, limit)

    # -- service

    def startService(self) -> None:
        """Read the jobs, and begin."""
        super().startService()  # type: ignore[no-untyped-call]
        self._active = True
        self._hold(spawn(self._load(), self._log, "reading the jobs"))

    def rest(self) -> None:
        """Start nothing any more; what is at work goes on."""
        self._active = False
        self._disarm()

    def stopService(self) -> Deferred[None]:
        """
        @return: fires when all is written down.
        """
        self.rest()
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._settle())

    def config_changed(self) -> None:
        """Jobs may have been switched on or off, or may go side by side now."""
        if self._active and self._ready.opened:
            if self._timer is None and self._settings().cron.enabled:
                self._book.replan(self._now())
            self._look()

    # -- inside

    def _now(self) -> int:
        return int(self._clock.seconds() * 1000)

    async def _load(self) -> None:
        now = self._now()
        try:
            for record in self._book.restore(await self._store.load(now), now):
                await self._store.note(record)
        except GatewayError as error:
            # Whatever the file holds must not be written over.
            self._trouble = error
            return
        finally:
            self._ready.open()
        if self._active:
            self._look()

    async def _usable(self) -> None:
        """
        @raise GatewayError: C{storage_unavailable}, C{gateway_draining}.
        """
        if self._active:
            await self._ready.wait()
        if self._trouble is not None:
            raise GatewayError.from_info(self._trouble.info)
        if not self._active:
            text = "Jobs are looked after by a gateway that serves; this one does not, or is shutting down."
            raise GatewayError("gateway_draining", text, retry_after=5)

    async def _put(self, job: CronJob, before: CronJob | None, action: Literal["added", "updated"]) -> CronJob:
        """Have a job in the book and in the file, or in neither."""
        put = self._book.put(job, self._now())
        try:
            await self._store.save(self._book.listing)
        except GatewayError:
            if self._book.jobs.get(job.id) is put:
                self._book.remove(job.id)
                if before is not None:
                    self._book.put(before, self._now())
            raise
        finally:
            self._arm()
        self._news.tell(CronNews(job_id=job.id, action=action, next_run_at_ms=put.state.next_run_at_ms))
        return put

    def _look(self) -> None:
        """Begin what is due, then sleep until the next one is."""
        self._disarm()
        if not self._active or not self._settings().cron.enabled:
            return
        self._soon = False
        now = self._now()
        for record in self._book.look(now):
            self._log.info("job {job} is skipped: {why}", job=record.job_id, why=record.error)
            self._finished(record)
        self._begin(self._book.take(now, self._settings().cron.max_concurrent_runs))
        self._arm()

    def _begin(self, jobs: Sequence[CronJob]) -> None:
        self._beginning += jobs
        if self._beginning and not self._is_beginning:
            self._is_beginning = True
            self._hold(spawn(self._begin_all(), self._log, "starting jobs"))

    async def _begin_all(self) -> None:
        """Write down that jobs are at work, so that a crash leaves a trace, then do them side by side; no more of them
        in one turn of the reactor than it should bear."""
        while self._beginning:
            jobs = self._beginning[:AT_ONCE]
            for job in jobs:
                self._news.tell(CronNews(job_id=job.id, action="started", run_at_ms=job.state.running_at_ms))
            await self._save()
            del self._beginning[: len(jobs)]
            for job in jobs:
                self._hold(spawn(self._do(job), self._log, f"job {job.id}"))
            if self._beginning:
                await sleep(self._clock, 0)
        self._is_beginning = False

    async def _do(self, job: CronJob) -> None:
        ending = Ending("error", "It was cancelled.")
        try:
            ending = await self._runs.do(job)
        finally:
            record = self._book.finish(job.id, self._now(), ending)
            self._look_soon()
        self._finished(record)
        await self._save()

    def _finished(self, record: JobRecord) -> None:
        self._hold(spawn(self._store.note(record), self._log, "run log"))
        self._news.tell(
            CronNews(
                job_id=record.job_id,
                action="finished",
                record=record,
                run_at_ms=record.run_at_ms,
                next_run_at_ms=record.next_run_at_ms,
            )
        )

    async def _save(self) -> None:
        """A file that can not be written stops no job: the store has logged it, and the next change tries again."""
        try:
            await self._store.save(self._book.listing)
        except GatewayError:
            pass
        except CancelledError:
            raise
        except Exception:
            self._log.failure("the jobs could not be written")

    def _arm(self) -> None:
        self._disarm()
        if not self._active or not self._ready.opened or not self._settings().cron.enabled:
            return
        due = 0 if self._soon else self._book.next_due()
        if due is not None:
            seconds = max(0.0, due / 1000 - self._clock.seconds())
            self._timer = self._clock.callLater(min(seconds, LONGEST_SLEEP), self._wake)

    def _look_soon(self) -> None:
        """In a moment, once for all that ends in this one."""
        self._soon = True
        self._arm()

    def _wake(self) -> None:
        self._timer = None
        self._look()

    def _disarm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _hold(self, work: Deferred[Any]) -> None:
        if not work.called:
            self._work.add(work)
            work.addBoth(lambda _: self._work.discard(work))

    async def _settle(self) -> None:
        while self._work:
            await ended(next(iter(self._work)))
        await self._store.idle()


__all__ = ["LONGEST_SLEEP", "CronService"]
