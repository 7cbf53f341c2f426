# -*- test-case-name: tests.tools.test_cron -*-
"""C{cron}: an agent looks after its own jobs, for its owner (spec 7.1)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Jobs, ToolContext, Waker
from openclaw_tx.tools.typed import Parameters, TypedTool, json_result
from openclaw_tx.values import JobDraft, JobPatch, ToolResult

OWNER = "operator.admin"
"""Scope of those for whom an agent may change what it does by itself."""

MAX_RUNS = 20
"""Ends of runs that are shown."""

Job = Annotated[
    dict[str, Any] | None,
    Meta(
        description="For add: name; schedule {kind: at, at: ISO time} or {kind: every, everyMs} or {kind: cron, expr, "
        "tz}; sessionTarget main with payload {kind: systemEvent, text}, or isolated with payload {kind: agentTurn, "
        "message}; wakeMode now or next-heartbeat; enabled, description, deleteAfterRun."
    ),
]


class CronParameters(Parameters, frozen=True):
    """Arguments of C{cron}."""

    action: Annotated[
        Literal["status", "list", "add", "update", "remove", "run", "runs", "wake"], Meta(description="What to do.")
    ]
    job: Job = None
    job_id: Annotated[str, Meta(max_length=128, description="For update, remove, run and runs.")] = ""
    patch: Annotated[dict[str, Any] | None, Meta(description="For update: the fields of a job to change.")] = None
    text: Annotated[str, Meta(max_length=4000, description="For wake: the news for your main session.")] = ""
    mode: Annotated[Literal["now", "next-heartbeat"], Meta(description="For wake: when to look at it.")] = (
        "next-heartbeat"
    )


class Cron(TypedTool[CronParameters]):
    """Jobs of the agent that calls it; those of others do not exist for it."""

    name = "cron"
    description = (
        "Look after your own jobs by the clock: reminders, and tasks at set times. Also wakes your main session with "
        "news. Only for the owner of this gateway."
    )
    parameters = CronParameters

    def __init__(self, jobs: Jobs, waker: Waker) -> None:
        super().__init__()
        self._jobs = jobs
        self._waker = waker

    async def run(self, parameters: CronParameters, context: ToolContext) -> ToolResult:
        """What the method C{cron.<action>} answers."""
        principal = context.principal
        if OWNER not in principal.scopes or principal.session_prefix:
            return ToolResult(text="Only the owner of this gateway may have jobs looked after.", is_error=True)
        try:
            return json_result(await self._do(parameters, context))
        except GatewayError as error:
            return ToolResult(text=error.info.message, is_error=True)
        except msgspec.ValidationError as error:
            return ToolResult(text=f"{'patch' if parameters.action == 'update' else 'job'}: {error}", is_error=True)

    async def _do(self, parameters: CronParameters, context: ToolContext) -> Any:
        """
        @raise GatewayError: it can not be.
        @raise msgspec.ValidationError: C{job} or C{patch} is none.
        """
        action, own = parameters.action, context.agent.id
        if action == "status":
            status = self._jobs.status()
            return {name: status[name] for name in ("enabled", "nextWakeAtMs")} | {"jobs": len(self._own(context))}
        if action == "list":
            return {"jobs": msgspec.to_builtins(self._own(context))}
        if action == "wake":
            if not parameters.text.strip():
                raise GatewayError("invalid_request", "text is missing")
            key = f"agent:{own}:main"
            now = self._waker.wake(own, key, parameters.text, now=parameters.mode == "now", reason="wake")
            return {"ok": True, "heartbeat": now}
        if action == "add":
            if not isinstance(parameters.job, dict):
                raise GatewayError("invalid_request", "job is missing")
            # Models leave it out: a reminder is to be heard at once, a task has a turn of its own anyway.
            wake = "now" if parameters.job.get("sessionTarget") == "main" else "next-heartbeat"
            draft = msgspec.convert(self._for(own, {"wakeMode": wake, **parameters.job}), JobDraft)
            return msgspec.to_builtins(await self._jobs.add(draft))
        job_id = self._mine(parameters.job_id, context)
        if action == "update":
            if not isinstance(parameters.patch, dict):
                raise GatewayError("invalid_request", "patch is missing")
            patch = msgspec.convert(self._for(own, parameters.patch), JobPatch)
            return msgspec.to_builtins(await self._jobs.update(job_id, patch))
        if action == "remove":
            return {"ok": True, "removed": await self._jobs.remove(job_id)}
        if action == "run":
            return dict(await self._jobs.run(job_id, "force"))
        return {"entries": msgspec.to_builtins(await self._jobs.records(job_id, MAX_RUNS))}

    def _own(self, context: ToolContext) -> list[Any]:
        return [job for job in self._jobs.all() if (job.agent_id or context.agents.default_id) == context.agent.id]

    def _mine(self, job_id: str, context: ToolContext) -> str:
        """
        @raise GatewayError: C{invalid_request}: there is no such job of this agent.
        """
        if not any(job.id == job_id for job in self._own(context)):
            raise GatewayError("invalid_request", f"You have no job {job_id!r}.")
        return job_id

    def _for(self, agent_id: str, given: dict[str, Any]) -> dict[str, Any]:
        """What a model says of a job, which is always its agent's own.

        @raise GatewayError: C{invalid_request}: it names another one.
        """
        if given.get("agentId", agent_id) != agent_id:
            raise GatewayError("invalid_request", "agentId: jobs of other agents are not yours to make")
        return {**given, "agentId": agent_id}


__all__ = ["Cron", "CronParameters"]
