# -*- test-case-name: tests.automation.test_book -*-
"""The jobs and where each stands: which are due, wait, are at work, and what became of them. Pure.

A job is planned for its next time as soon as it is due, so that a slow run never adds up to a storm: a time that comes
while the job still waits or works is skipped, and the log says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from openclaw_tx.automation.schedule import planned
from openclaw_tx.errors import GatewayError
from openclaw_tx.values import At, CronJob, CronTimes, JobRecord, JobStatus

MAX_JOBS = 1000
"""Jobs there may be."""

SET_BACK_MS = 2000
"""So much earlier than it was before, the clock has been set back and is not just inexact."""

AT_ONCE = 100
"""Jobs that are lined up in one look."""

MAX_SUMMARY = 2000
"""Characters of an answer that a record keeps."""

INTERRUPTED = "The gateway stopped while it was at work."
OVERLAP = "The run before was not over yet."
NEVER = float("inf")


class Ending(NamedTuple):
    """How a run of a job ended."""

    status: JobStatus
    error: str = ""
    summary: str = ""
    session_key: str = ""
    run_id: str = ""


class JobBook:
    """All jobs by id."""

    def __init__(self, timezone: Callable[[], str]) -> None:
        """
        @param timezone: for expressions that name none; asked each time.
        """
        self.jobs: dict[str, CronJob] = {}
        self._timezone = timezone
        self._waiting: dict[str, None] = {}
        self._unplanned: dict[str, None] = {}
        self._seen = 0

    # -- what there is

    def restore(self, jobs: Sequence[CronJob], now_ms: int) -> Sequence[JobRecord]:
        """Begin with the jobs of an earlier process.

        @return: records of those that were at work when it died.
        """
        cut: list[JobRecord] = []
        self._seen = now_ms
        for job in jobs:
            self.jobs[job.id] = job
            since = job.state.running_at_ms
            if since is not None:
                cut.append(self.finish(job.id, now_ms, Ending("error", INTERRUPTED)))
            else:
                self._plan_later(job, now_ms)
        return cut

    def listing(self) -> Sequence[CronJob]:
        """All jobs, the one that is due next first."""

        return sorted(self.jobs.values(), key=lambda job: (_due(job), job.name, job.id))

    def put(self, job: CronJob, now_ms: int) -> CronJob:
        """Add a job, or put it in the place of the one with its id, and plan it.

        @raise GatewayError: C{invalid_request}: there are too many.
        """
        if job.id not in self.jobs and len(self.jobs) >= MAX_JOBS:
            raise GatewayError("invalid_request", f"There are {MAX_JOBS} jobs already; remove some.")
        if isinstance(job.schedule, At) and job.id in self._waiting:
            del self._waiting[job.id]  # it is found due again, if it still is
        self.jobs[job.id] = planned(job, now_ms, self._timezone())
        return self.jobs[job.id]

    def remove(self, job_id: str) -> CronJob | None:
        """Forget a job; what it has at work goes on."""
        return self.jobs.pop(job_id, None)

    # -- time

    def next_due(self) -> int | None:
        """When to L{look} next, 0 = now; None = there is nothing to wait for."""
        if self._unplanned:
            return 0
        return min(
            (job.state.next_run_at_ms for job in self.jobs.values() if job.state.next_run_at_ms is not None),
            default=None,
        )

    def look(self, now_ms: int) -> Sequence[JobRecord]:
        """Line up what is due, L{AT_ONCE} of it at most: planning a job by an expression takes its time.

        @return: records of jobs that are skipped because they wait or work still.
        """
        if now_ms < self._seen - SET_BACK_MS:
            # What was planned by the old time would be far away by the new one.
            self.replan(now_ms)
        self._seen = now_ms
        for job_id in list(self._unplanned)[:AT_ONCE]:
            del self._unplanned[job_id]
            if job_id in self.jobs:
                self.jobs[job_id] = planned(self.jobs[job_id], now_ms, self._timezone())
        skipped: list[JobRecord] = []
        due = [job for job in self.jobs.values() if _due(job) <= now_ms]
        for job in sorted(due, key=_due)[:AT_ONCE]:
            if job.id in self._waiting or job.state.running_at_ms is not None:
                self._plan_on(job, now_ms)
                skipped.append(self._skip(job.id, now_ms))
            else:
                self._waiting[job.id] = None
                self._plan_on(job, now_ms)
        return skipped

    def replan(self, now_ms: int) -> None:
        """Plan every job anew from now on, without making up for what was missed."""
        for job in list(self.jobs.values()):
            if not (isinstance(job.schedule, At) and (job.id in self._waiting or job.state.running_at_ms is not None)):
                self._plan_later(job, now_ms)

    def take(self, now_ms: int, room: int) -> Sequence[CronJob]:
        """Those that begin now, in the order in which they became due.

        @param room: how many may be at work in sessions of their own.
        """
        room -= sum(
            job.session_target == "isolated" and job.state.running_at_ms is not None for job in self.jobs.values()
        )
        begun: list[CronJob] = []
        for job_id in list(self._waiting):
            job = self.jobs.get(job_id)
            if job is not None and job.enabled and job.session_target == "isolated":
                if room <= 0:
                    continue
                room -= 1
            if job is not None and job.enabled:
                begun.append(self.begin(job_id, now_ms))
            else:
                del self._waiting[job_id]
        return begun

    def begin(self, job_id: str, now_ms: int) -> CronJob:
        """It is at work from now on, and waits no more, should it have done so."""
        self._waiting.pop(job_id, None)
        job = self.jobs[job_id]
        job = replace(job, state=replace(job.state, running_at_ms=now_ms, last_run_at_ms=now_ms))
        if isinstance(job.schedule, At):
            job = planned(job, now_ms, self._timezone())
        self.jobs[job_id] = job
        return job

    def finish(self, job_id: str, now_ms: int, ending: Ending) -> JobRecord:
        """It is at work no more. A job that was for one time is disabled now, or removed if it is to be."""
        job = self.jobs.get(job_id)
        since = job.state.running_at_ms if job is not None else None
        took = max(0, now_ms - since) if since is not None else None
        if job is not None:
            state = replace(
                job.state,
                running_at_ms=None,
                last_run_at_ms=since if since is not None else job.state.last_run_at_ms,
                last_status=ending.status,
                last_error=ending.error or None,
                last_duration_ms=took,
            )
            job = planned(replace(job, state=state), now_ms, self._timezone())
            done = isinstance(job.schedule, At) and job.state.next_run_at_ms is None
            self.jobs[job_id] = replace(job, enabled=False) if done else job
            if done and job.delete_after_run and ending.status == "ok":
                del self.jobs[job_id]
        return JobRecord(
            ts=now_ms,
            job_id=job_id,
            action="finished",
            status=ending.status,
            error=ending.error or None,
            summary=ending.summary[:MAX_SUMMARY] or None,
            run_at_ms=since,
            duration_ms=took,
            next_run_at_ms=job.state.next_run_at_ms if job is not None else None,
            session_key=ending.session_key or None,
            run_id=ending.run_id or None,
        )

    # -- inside

    def _plan_on(self, job: CronJob, now_ms: int) -> None:
        """The time after this one. A job for one time has none, although it has not begun yet."""
        if isinstance(job.schedule, At):
            self.jobs[job.id] = replace(job, state=replace(job.state, next_run_at_ms=None))
        else:
            self.jobs[job.id] = planned(job, now_ms, self._timezone())

    def _plan_later(self, job: CronJob, now_ms: int) -> None:
        """Plan one of many: what takes its time is left to the next looks."""
        if isinstance(job.schedule, CronTimes):
            self.jobs[job.id] = replace(job, state=replace(job.state, next_run_at_ms=None))
            self._unplanned[job.id] = None
        else:
            self.jobs[job.id] = planned(job, now_ms, self._timezone())

    def _skip(self, job_id: str, now_ms: int) -> JobRecord:
        return JobRecord(
            ts=now_ms,
            job_id=job_id,
            action="finished",
            status="skipped",
            error=OVERLAP,
            next_run_at_ms=self.jobs[job_id].state.next_run_at_ms,
        )


def _due(job: CronJob) -> float:
    return NEVER if job.state.next_run_at_ms is None else job.state.next_run_at_ms


__all__ = ["AT_ONCE", "INTERRUPTED", "MAX_JOBS", "OVERLAP", "Ending", "JobBook"]
