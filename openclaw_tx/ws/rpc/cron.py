# -*- test-case-name: tests.ws.rpc.test_cron -*-
"""C{cron.*}: jobs by the clock (spec 2.9; the shapes are those of the published protocol schemas)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from openclaw_tx.auth.actions import ADMIN, may, missing_scope
from openclaw_tx.auth.sight import is_bounded
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Jobs
from openclaw_tx.values import At, CronJob, CronNews, JobDraft, JobPatch, JobState, Principal, Schedule
from openclaw_tx.wire.frames import Natural, encode
from openclaw_tx.wire.times import iso
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.catalog import plain_id
from openclaw_tx.ws.rpc.cron_runs import NamedJob, Runs, RunsParams, job_id_of


class ListParams(Params, frozen=True):
    """Params of C{cron.list}."""

    include_disabled: bool = False
    enabled: Literal["all", "enabled", "disabled"] | None = None
    """Instead of the former."""
    agent_id: Annotated[str, Meta(min_length=1, max_length=64)] = ""
    schedule_kind: Literal["all", "at", "every", "cron", "on-exit", "stream"] = "all"
    """Jobs here have one of the first three kinds."""
    last_run_status: Literal["all", "ok", "error", "skipped", "unknown"] = "all"
    """C{unknown}: it has not run yet."""
    trigger: Literal["all", "conditional", "unconditional"] = "all"
    """Jobs here have no conditions."""
    query: Annotated[str, Meta(max_length=200)] = ""
    """Looked for in names, descriptions and ids."""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000
    offset: Natural = 0
    sort_by: Literal["nextRunAtMs", "updatedAtMs", "name"] = "nextRunAtMs"
    sort_dir: Literal["asc", "desc"] = "asc"
    compact: bool = False
    """Leave out what a job does: its C{payload}."""
    include_delivery_previews: bool = False
    """A job tells where it delivers to in its payload; there are no previews."""


class NoParams(Params, frozen=True):
    """There are none."""


class UpdateParams(NamedJob, frozen=True, kw_only=True):
    """Params of C{cron.update}."""

    patch: JobPatch
    expected_config_revision: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    """Change nothing unless the job is still what its C{configRevision} told."""


class RunParams(NamedJob, frozen=True):
    """Params of C{cron.run}."""

    mode: Literal["due", "force", "if-enabled"] = "force"


class CronMethods:
    """The family of jobs. A job works for an agent in its main session, so keys with bounds get none of it."""

    def __init__(self, jobs: Jobs, agents: Agents) -> None:
        self._jobs = jobs
        self._agents = agents

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("cron.list", "cron.list", ListParams, self.list),
            Method("cron.get", "cron.list", NamedJob, self.get),
            Method("cron.status", "cron.status", NoParams, self.status),
            Method("cron.add", "cron.add", JobDraft, self.add),
            Method("cron.update", "cron.update", UpdateParams, self.update),
            Method("cron.remove", "cron.remove", NamedJob, self.remove),
            Method("cron.run", "cron.run", RunParams, self.run),
            Method("cron.runs", "cron.runs", RunsParams, self.runs),
        ]

    async def list(self, call: Call[ListParams]) -> Any:
        """Jobs, unless asked otherwise the one that is due next first; disabled ones only when they are asked for."""
        unbounded(call.principal)
        params = call.params
        wanted = params.enabled or ("all" if params.include_disabled else "enabled")
        query, agent_id = params.query.strip().lower(), plain_id(params.agent_id)
        found = [
            job
            for job in self._jobs.all()
            if (wanted == "all" or job.enabled == (wanted == "enabled"))
            and params.schedule_kind in ("all", kind_of(job.schedule))
            and params.last_run_status in ("all", job.state.last_status or "unknown")
            and params.trigger != "conditional"
            and (not agent_id or (job.agent_id or self._agents.default_id) == agent_id)
            and (not query or query in f"{job.name}\n{job.description}\n{job.id}".lower())
        ]
        if params.sort_by == "name":
            found.sort(key=lambda job: job.name.lower())
        elif params.sort_by == "updatedAtMs":
            found.sort(key=lambda job: job.updated_at_ms)
        if params.sort_dir == "desc":
            found.reverse()
        page = found[params.offset : params.offset + params.limit]
        rows = [self._row(job, call) for job in page]
        if params.compact:
            for each in rows:
                del each["payload"]
        if not call.modern:
            return {"jobs": rows}
        end = params.offset + len(page)
        more = end < len(found)
        return {
            "jobs": rows,
            "total": len(found),
            "offset": params.offset,
            "limit": params.limit,
            "hasMore": more,
            "nextOffset": end if more else None,
            "snapshotRevision": revision(found),
        }

    async def get(self, call: Call[NamedJob]) -> Any:
        """One job, as C{cron.list} has it."""
        unbounded(call.principal)
        return self._row(self._jobs.get(job_id_of(call.params, "cron.get")), call)

    async def status(self, call: Call[NoParams]) -> Any:
        """C{{"enabled", "storePath", "jobs", "nextWakeAtMs"}}; the path is for admins."""
        unbounded(call.principal)
        found = dict(self._jobs.status())
        if ADMIN not in call.principal.scopes:
            del found["storePath"]
        return found

    async def add(self, call: Call[JobDraft]) -> Any:
        """The new job."""
        unbounded(call.principal)
        return self._row(await self._jobs.add(call.params), call)

    async def update(self, call: Call[UpdateParams]) -> Any:
        """The changed job."""
        unbounded(call.principal)
        expected = call.params.expected_config_revision

        def check(job: CronJob) -> None:
            if expected is not None and (actual := config_revision(job)) != expected:
                details = {
                    "code": "CRON_JOB_CHANGED",
                    "expectedConfigRevision": expected,
                    "actualConfigRevision": actual,
                }
                raise GatewayError("invalid_request", "the job was changed meanwhile; read it again", details=details)

        job = await self._jobs.update(job_id_of(call.params, "cron.update"), call.params.patch, check)
        return self._row(job, call)

    async def remove(self, call: Call[NamedJob]) -> Any:
        """C{{"ok": true, "removed"}}."""
        unbounded(call.principal)
        return {"ok": True, "removed": await self._jobs.remove(job_id_of(call.params, "cron.remove"))}

    async def run(self, call: Call[RunParams]) -> Any:
        """C{{"ok": true, "ran", "reason"?}}, as soon as it has begun."""
        unbounded(call.principal)
        job_id = job_id_of(call.params, "cron.run")
        mode = call.params.mode
        if mode == "if-enabled":
            if not self._jobs.get(job_id).enabled:
                return {"ok": True, "ran": False, "reason": "disabled"}
            mode = "force"
        return dict(await self._jobs.run(job_id, mode))

    async def runs(self, call: Call[RunsParams]) -> Any:
        """C{{entries[], total, offset, limit, hasMore, nextOffset}}, the newest first unless asked otherwise; to
        protocol 3 only C{entries}."""
        unbounded(call.principal)
        return await Runs(self._jobs, self._agents.default_id).find(call.params, modern=call.modern)

    def _row(self, job: CronJob, call: Call[Any]) -> Any:
        return row(job, self._agents.default_id, modern=call.modern)


def unbounded(principal: Principal) -> None:
    """
    @raise GatewayError: C{insufficient_scope}: it may not know of all agents and sessions.
    """
    if is_bounded(principal):
        raise missing_scope(ADMIN)


def hears_jobs(principal: Principal) -> bool:
    """Whether it is told what happens to jobs."""
    return may(principal, "cron.list") and not is_bounded(principal)


def revision(jobs: Sequence[CronJob]) -> str:
    """Tells lists apart: clients that read one by pages begin again when it is another one than on the page before."""
    named = [(job.id, job.updated_at_ms, job.state.next_run_at_ms) for job in jobs]
    return hashlib.sha256(encode(named)).hexdigest()[:32]


def config_revision(job: CronJob) -> str:
    """Tells what a job was made to do from what it was made to do before: by it clients notice that somebody else has
    changed it. Its runs change nothing of it."""
    return hashlib.sha256(encode(replace(job, state=JobState(), updated_at_ms=0))).hexdigest()[:32]


def row(job: CronJob, default_id: str, *, modern: bool) -> Any:
    """A job as clients of either protocol version know it.

    @param default_id: the default agent, whose the jobs are that name none.
    """
    schedule, definition = job.schedule, config_revision(job) if modern else ""
    if modern and isinstance(schedule, At) and schedule.at_ms is not None:
        job = replace(job, schedule=At(at=iso(schedule.at_ms)))
    found = msgspec.to_builtins(job)
    if modern:
        found["configRevision"] = definition
        found["effectiveAgentId"] = job.agent_id or default_id
        found["status"] = "idle" if job.state.running_at_ms is None else "running"
        if job.state.next_run_at_ms is not None:
            found["nextRunAtMs"] = job.state.next_run_at_ms
    return found


def cron_event(news: CronNews) -> dict[str, Any]:
    """Payload of the event C{cron}."""
    payload: dict[str, Any] = {"jobId": news.job_id, "action": news.action}
    if news.run_at_ms is not None:
        payload["runAtMs"] = news.run_at_ms
    if news.next_run_at_ms is not None:
        payload["nextRunAtMs"] = news.next_run_at_ms
    if news.record is not None:
        told = msgspec.to_builtins(news.record)
        names = ("status", "error", "summary", "durationMs", "sessionKey", "runId")
        payload.update({name: told[name] for name in names if name in told})
    return payload


def kind_of(schedule: Schedule) -> str:
    """C{at}, C{every} or C{cron}."""
    return str(type(schedule).__struct_config__.tag)


__all__ = ["CronMethods", "cron_event", "hears_jobs", "row", "unbounded"]
