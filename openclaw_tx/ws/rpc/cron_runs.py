# -*- test-case-name: tests.ws.rpc.test_cron_runs -*-
"""C{cron.runs}: how the runs of one job, or of all, ended (spec 2.9; the params are those of the published schema)."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Jobs
from openclaw_tx.values import CronJob, JobRecord
from openclaw_tx.wire.frames import Natural
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.rpc.catalog import plain_id

KEPT = 5000
"""Newest records, of one job or of all together, that are looked through; older ones are not found."""

JobId = Annotated[str, Meta(min_length=1, max_length=128)]
Status = Literal["ok", "error", "skipped"]
DeliveryStatus = Literal["delivered", "not-delivered", "unknown", "not-requested"]


class NamedJob(Params, frozen=True):
    """A job by its id, which may be called either way."""

    id: JobId | None = None
    job_id: JobId | None = None


class RunsParams(NamedJob, frozen=True):
    """Params of C{cron.runs}: C{id} or C{jobId}, unless C{scope} is C{all}."""

    scope: Literal["job", "all"] = "job"
    agent_id: Annotated[str, Meta(max_length=64)] = ""
    """Only jobs of this agent."""
    run_id: Annotated[str, Meta(max_length=256)] = ""
    status: Literal["all", "ok", "error", "skipped"] = "all"
    statuses: Annotated[list[Status], Meta(max_length=3)] = []
    """Instead of the former."""
    delivery_status: DeliveryStatus | None = None
    delivery_statuses: Annotated[list[DeliveryStatus], Meta(max_length=4)] = []
    """Instead of the former. A record does not tell what became of the delivery: C{unknown} fits all, others none."""
    query: Annotated[str, Meta(max_length=200)] = ""
    """Looked for in summaries, errors, and names and ids of jobs."""
    sort_dir: Literal["asc", "desc"] = "desc"
    limit: Annotated[int, Meta(ge=1, le=KEPT)] = 200
    offset: Natural = 0


class Runs:
    """Finds them."""

    def __init__(self, jobs: Jobs, default_id: str) -> None:
        """
        @param default_id: the default agent, whose the jobs are that name none.
        """
        self._jobs = jobs
        self._default_id = default_id

    async def find(self, params: RunsParams, *, modern: bool) -> dict[str, Any]:
        """A page of records.

        @raise GatewayError: C{invalid_request}: no job is named, or two are; as L{Jobs.records}.
        """
        known = {job.id: job for job in self._jobs.all()}
        records = await self._read(params, known)
        found = [record for record in records if self._fits(record, known.get(record.job_id), params)]
        found.sort(key=lambda record: record.ts, reverse=params.sort_dir == "desc")
        page = found[params.offset : params.offset + params.limit]
        entries = [_entry(record, known.get(record.job_id), modern=modern) for record in page]
        if not modern:
            return {"entries": entries}
        end = params.offset + len(page)
        more = end < len(found)
        return {
            "entries": entries,
            "total": len(found),
            "offset": params.offset,
            "limit": params.limit,
            "hasMore": more,
            "nextOffset": end if more else None,
        }

    async def _read(self, params: RunsParams, known: dict[str, CronJob]) -> Sequence[JobRecord]:
        if params.scope == "job":
            return await self._jobs.records(job_id_of(params, "cron.runs"), KEPT)
        newest: list[JobRecord] = []
        for job_id in known:
            both = (newest, await self._jobs.records(job_id, KEPT))
            newest = list(heapq.merge(*both, key=lambda record: record.ts, reverse=True))[:KEPT]
        return newest

    def _fits(self, record: JobRecord, job: CronJob | None, params: RunsParams) -> bool:
        statuses = params.statuses or ([] if params.status == "all" else [params.status])
        deliveries = params.delivery_statuses or ([params.delivery_status] if params.delivery_status else [])
        agent_id = ((job.agent_id or self._default_id) if job is not None else "") if params.agent_id else ""
        query = params.query.strip().lower()
        words = (record.summary, record.error, record.job_id, job.name if job is not None else "")
        return (
            (not statuses or record.status in statuses)
            and (not deliveries or "unknown" in deliveries)
            and agent_id == plain_id(params.agent_id)
            and (not params.run_id or record.run_id == params.run_id)
            and (not query or any(query in (text or "").lower() for text in words))
        )


def job_id_of(params: NamedJob, method: str) -> str:
    """The job that a request names either way.

    @raise GatewayError: C{invalid_request}: none, or both.
    """
    if (params.id is None) == (params.job_id is None):
        raise GatewayError("invalid_request", f"invalid {method} params: expected id or jobId", param="id")
    return params.id or params.job_id or ""


def _entry(record: JobRecord, job: CronJob | None, *, modern: bool) -> Any:
    row = msgspec.to_builtins(record)
    return {**row, "jobName": job.name} if modern and job is not None else row


__all__ = ["NamedJob", "Runs", "RunsParams", "job_id_of"]
