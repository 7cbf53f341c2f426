# -*- test-case-name: tests.ws.rpc.test_tasks -*-
"""C{tasks.list}, C{tasks.get} and C{tasks.cancel}: runs in the background. OpenClaw keeps a ledger of tasks beside its
runs; here a task is a run that no person waits for: of a job, a hook, a sub-agent, or another agent's message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta
from msgspec.structs import replace

from openclaw_tx.auth.actions import may
from openclaw_tx.auth.sight import run_target, sees_run
from openclaw_tx.config.schema import Config
from openclaw_tx.interfaces import Agents, Authoriser, BackgroundRuns, Run, RunEngine, Sessions
from openclaw_tx.sessions.titles import cut, line_of
from openclaw_tx.values import BACKGROUND, BackgroundRun, Principal, RunResult, StoredRun, Target, UserMessage
from openclaw_tx.wire.frames import NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.asks import as_stored, bad, seat
from openclaw_tx.ws.rpc.catalog import plain_id

MAX_TASKS = 1000
"""Newest tasks that a list is made from."""
MAX_TITLE = 120
MAX_SUMMARY = 120
MAX_RESULT = 4000
"""Characters of an answer in C{tasks.get}."""

Status = Literal["queued", "running", "completed", "failed", "cancelled", "timed_out"]


class TasksListParams(Params, frozen=True):
    """Params of C{tasks.list}."""

    status: Status | list[Status] | None = None
    agent_id: NonEmpty | None = None
    session_key: NonEmpty | None = None
    """The session that started them, or their own."""
    sort_by: Literal["", "endedAt"] = ""
    """C{endedAt}: what ended last comes first; else what was begun last."""
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    cursor: Annotated[str, Meta(max_length=512, pattern=r"^\d{1,6}$")] | None = None
    """C{nextCursor} of the answer before."""


class TaskParams(Params, frozen=True):
    """Params of C{tasks.get} and C{tasks.cancel}."""

    task_id: NonEmpty


class TaskMethods:
    """The family of tasks."""

    def __init__(
        self,
        background: BackgroundRuns,
        engine: RunEngine,
        agents: Agents,
        sessions: Sessions,
        authorise: Authoriser,
        settings: Callable[[], Config],
    ) -> None:
        self._background = background
        self._engine = engine
        self._agents = agents
        self._sessions = sessions
        self._authorise = authorise
        self._settings = settings

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("tasks.list", "runs.read", TasksListParams, self.list),
            Method("tasks.get", "runs.read", TaskParams, self.get),
            Method("tasks.cancel", "runs.cancel", TaskParams, self.cancel),
        ]

    async def list(self, call: Call[TasksListParams]) -> Any:
        """C{{tasks[{id, taskId, runId, kind, runtime, status, title, agentId, sessionKey, childSessionKey?, createdAt,
        updatedAt, startedAt?, endedAt?, terminalSummary?, error?}], nextCursor?}}: of the newest 1000 of the last day
        those that fit. C{sessionKey} is the session that started it, C{childSessionKey} that which it runs in."""
        params = call.params
        key = ""
        if params.session_key is not None:
            agents, agent_id, scope = self._agents, params.agent_id or "", self._settings().session.scope
            asked = (call.principal, agent_id, params.session_key, "", scope)
            place = seat("tasks.list", agents, *asked, reserved=True)
            key = (await as_stored(self._sessions, place, params.session_key)).session_key
        wanted = [params.status] if isinstance(params.status, str) else params.status
        rows = []
        for found in await self._all(call.principal):
            row = task_row(found)
            fits = wanted is None or row["status"] in wanted
            fits = fits and (not key or key in (row["sessionKey"], row.get("childSessionKey")))
            if fits and (key or plain_id(params.agent_id) in (None, row["agentId"])):
                rows.append(row)
        if params.sort_by:
            rows.sort(key=lambda row: -int(row.get("endedAt", 0)))
        start = int(params.cursor or 0)
        end = start + params.limit
        answer: dict[str, Any] = {"tasks": rows[start:end]}
        if end < len(rows):
            answer["nextCursor"] = str(end)
        return answer

    async def get(self, call: Call[TaskParams]) -> Any:
        """C{{task}}, as in the list, with C{result}: the beginning of its answer."""
        found = await self._one(call.principal, call.params.task_id)
        if found is None:
            raise bad("tasks.get", f"taskId: there is no task {call.params.task_id[:100]}")
        row = task_row(found)
        result = found.run.result
        if result is not None and result.text:
            row["result"] = cut(result.text, MAX_RESULT)
        return {"task": row}

    async def cancel(self, call: Call[TaskParams]) -> Any:
        """Abort a task: C{{found, cancelled, reason?, task?}}; C{reason} says why it was not."""
        task_id = call.params.task_id
        run = self._engine.get(task_id)
        if run is None or not _is_task(run) or not sees_run(call.principal, run):
            found = await self._one(call.principal, task_id)
            if found is None:
                return {"found": False, "cancelled": False, "reason": "Task not found."}
            return {"found": True, "cancelled": False, "reason": "Task is already over.", "task": task_row(found)}
        self._authorise(call.principal, "runs.cancel", run_target(run))
        cancelled = run.abort("rpc")
        answer: dict[str, Any] = {"found": True, "cancelled": cancelled, "task": task_row(await self._live(run))}
        if not cancelled:
            answer["reason"] = "Task is already over."
        return answer

    async def _all(self, principal: Principal) -> Sequence[BackgroundRun]:
        """The tasks that a client may know of, newest first."""
        stored = await self._background.background(MAX_TASKS)
        live = {run.request.run_id: run for run in self._engine.live() if _is_task(run)}
        known = {each.run.run_id for each in stored}
        waiting = [run for run_id, run in live.items() if run_id not in known and sees_run(principal, run)]
        found = [await self._live(run) for run in reversed(waiting)]
        return [*found, *(each for each in stored if _sees(principal, each.run))]

    async def _one(self, principal: Principal, task_id: str) -> BackgroundRun | None:
        run = self._engine.get(task_id)
        if run is not None and run.outcome is None:
            return await self._live(run) if _is_task(run) and sees_run(principal, run) else None
        stored = await self._sessions.get_run(task_id)
        if stored is None or stored.trigger not in BACKGROUND or not _sees(principal, stored):
            return None
        return await self._of(stored)

    async def _live(self, run: Run) -> BackgroundRun:
        """A run that the ledger may not have yet."""
        request = run.request
        stored = StoredRun(
            run_id=request.run_id,
            session_key=request.session_key,
            agent_id=request.agent_id,
            status=run.status,
            surface=request.surface,
            principal_id=run.principal.id,
            fingerprint="",
            queued_at_ms=run.queued_at_ms,
            started_at_ms=run.started_at_ms,
            ended_at_ms=run.outcome.ended_at_ms if run.outcome is not None else 0,
            pending=request.messages[-1:],
            result=run.outcome,
            trigger=request.trigger,
        )
        found = await self._of(stored)
        return replace(found, spawned_by=request.spawned_by or found.spawned_by)

    async def _of(self, run: StoredRun) -> BackgroundRun:
        entry = await self._sessions.get(run.session_key)
        if entry is None:
            return BackgroundRun(run=run)
        return BackgroundRun(run=run, label=entry.label, title=entry.title, spawned_by=entry.settings.spawned_by)


def _is_task(run: Run) -> bool:
    return run.request.trigger in BACKGROUND


def _sees(principal: Principal, run: StoredRun) -> bool:
    target = Target(agent_id=run.agent_id, session_key=run.session_key, owner_id=run.principal_id)
    return may(principal, "runs.read", target)


def task_row(found: BackgroundRun) -> dict[str, Any]:
    """A task as lists show it."""
    run = found.run
    row: dict[str, Any] = {
        "id": run.run_id,
        "taskId": run.run_id,
        "runId": run.run_id,
        "kind": run.trigger,
        "runtime": run.trigger,
        "status": status_of(run),
        "title": cut(found.label or found.title or _asked(run) or run.session_key, MAX_TITLE),
        "agentId": run.agent_id,
        "sessionKey": found.spawned_by or run.session_key,
        "createdAt": run.queued_at_ms,
        "updatedAt": run.ended_at_ms or run.started_at_ms or run.queued_at_ms,
    }
    if found.spawned_by or run.trigger == "cron":
        row["childSessionKey"] = run.session_key
    if run.started_at_ms:
        row["startedAt"] = run.started_at_ms
    if run.ended_at_ms:
        row["endedAt"] = run.ended_at_ms
    if run.result is not None:
        row.update(_outcome(run.result))
    return row


def _asked(run: StoredRun) -> str:
    """The beginning of what a live run was asked, in one line."""
    return next((line_of(each.text) for each in run.pending if isinstance(each, UserMessage)), "")


def _outcome(result: RunResult) -> dict[str, str]:
    told = {}
    if result.text.strip():
        told["terminalSummary"] = cut(line_of(result.text[: 10 * MAX_SUMMARY]), MAX_SUMMARY)
    if result.error is not None:
        told["error"] = cut(line_of(result.error.message), MAX_SUMMARY)
    return told


def status_of(run: StoredRun) -> Status:
    """OpenClaw's word for how a task stands."""
    if run.status == "queued" or run.status == "running":
        return run.status
    if run.status == "ok":
        return "completed"
    error = run.result.error if run.result is not None else None
    reason = run.result.abort_reason if run.result is not None else ""
    if reason == "timeout" or (error is not None and error.code == "run_timeout"):
        return "timed_out"
    return "cancelled" if run.status == "aborted" else "failed"


__all__ = ["TaskMethods", "status_of", "task_row"]
