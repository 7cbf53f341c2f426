# -*- test-case-name: tests.test_agents_together -*-
"""C{sessions_spawn}: have a task done by a sub-agent, in a session of its own (spec 7.1, 3.3, 3.8).

The sub-agent works beside its parent, in the lane C{subagent}, with a short prompt and fewer tools. When it has ended,
its parent's session is told in a turn of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from msgspec import Meta
from msgspec.structs import replace

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_agents import AgentSubagents
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Models, Run, Sessions, ToolContext
from openclaw_tx.tools.background import Background
from openclaw_tx.tools.child_reports import ChildReports
from openclaw_tx.tools.typed import Parameters, TypedTool, json_result
from openclaw_tx.values import SessionEntry, ToolResult

LANE = "subagent"

INSTRUCTIONS = (
    "You are a sub-agent. Do the task that you are given and nothing else, without asking back: nobody reads along. "
    "Your last message is reported to the agent that started you, so put all that it needs into it."
)


class SessionsSpawnParameters(Parameters, frozen=True):
    """Arguments of C{sessions_spawn}."""

    task: Annotated[
        str, Meta(min_length=1, max_length=100_000, description="What to do, with all that is needed to know.")
    ]
    label: Annotated[str, Meta(max_length=64, description="A short name for the task.")] = ""
    agent_id: Annotated[str, Meta(max_length=64, description="Another agent to do it; see agents_list.")] = ""
    model: Annotated[str, Meta(max_length=256, description="A model to do it with, provider/model.")] = ""
    thinking: Annotated[
        Literal["", "off", "minimal", "low", "medium", "high", "xhigh"],
        Meta(description="How hard the model is to think; leave out for as usual."),
    ] = ""
    run_timeout_seconds: Annotated[int, Meta(ge=0, le=604_800, description="Longest time for it; 0 = as usual.")] = 0
    cleanup: Annotated[
        Literal["keep", "delete"], Meta(description="Whether to delete its session when it is done.")
    ] = "keep"


class SessionsSpawn(TypedTool[SessionsSpawnParameters]):
    """Starts a sub-agent and answers at once."""

    name = "sessions_spawn"
    description = (
        "Start a sub-agent that does a task in the background. You are told when it is done: do not wait or poll."
    )
    parameters = SessionsSpawnParameters

    def __init__(
        self,
        settings: Callable[[], Config],
        sessions: Sessions,
        models: Models,
        reports: ChildReports,
        background: Background,
        new_id: Callable[[], str],
    ) -> None:
        super().__init__()
        self._settings = settings
        self._sessions = sessions
        self._models = models
        self._reports = reports
        self._background = background
        self._new_id = new_id

    async def run(self, parameters: SessionsSpawnParameters, context: ToolContext) -> ToolResult:
        """C{{"status": "accepted", "runId", "childSessionKey"}}."""
        agents, defaults = self._settings().agents, self._settings().agents.defaults.subagents
        own = next((entry.subagents for entry in agents.entries if entry.id == context.agent.id), AgentSubagents())
        agent_id = parameters.agent_id.strip().lower() or context.agent.id
        problem = self._refusal(context, agent_id, own.allow_agents, defaults.max_children_per_agent)
        if problem:
            return ToolResult(text=problem, is_error=True)
        model = parameters.model or own.model or defaults.model
        child_key = f"agent:{agent_id}:{context.principal.session_prefix}subagent:{self._new_id()}"

        def named(entry: SessionEntry) -> SessionEntry:
            settings = replace(
                entry.settings,
                spawned_by=context.session_key,
                channel=context.channel,
                cleanup=parameters.cleanup,
            )
            return replace(entry, label=parameters.label, settings=settings)

        try:
            ref = self._models.info(model).ref if model else ""
            await self._sessions.patch(child_key, named, agent_id=agent_id)
        except GatewayError as error:
            return ToolResult(text=error.info.message, is_error=True)
        timeout = parameters.run_timeout_seconds or defaults.run_timeout_seconds
        try:
            self._background.check_room()
            run = self._background.run(
                context.principal,
                agent_id,
                child_key,
                parameters.task,
                prefix="subagent",
                lane=LANE,
                trigger="subagent",
                spawned_by=context.session_key,
                prompt_mode="minimal",
                model=ref,
                thinking=parameters.thinking or own.thinking or defaults.thinking,
                timeout_s=float(timeout) if timeout else None,
                channel=context.channel,
                extra_system=INSTRUCTIONS,
                durable=True,  # the ledger is to know of it while it waits for its turn
            )
            self._background.go_on(self._report(run, parameters, context), f"sub-agent {run.request.run_id}")
        except GatewayError as error:
            await self._sessions.delete(child_key)
            return ToolResult(text=f"The sub-agent was not started: {error.info.message}", is_error=True)
        return json_result({"status": "accepted", "runId": run.request.run_id, "childSessionKey": child_key})

    def _refusal(self, context: ToolContext, agent_id: str, allowed: list[str], most: int) -> str:
        """Why it may not be; "" when it may."""
        if context.spawned_by:
            return "A sub-agent can not start sub-agents."
        if context.agents.get(agent_id) is None or not may_spawn(context.agent.id, agent_id, allowed):
            return f"Agent {agent_id} can not be had as a sub-agent; agents_list names those that can."
        at_work = sum(run.request.spawned_by == context.session_key for run in self._background.live())
        if at_work >= most:
            return f"{at_work} sub-agents of this session are at work; wait until one is done."
        return ""

    async def _report(self, run: Run, parameters: SessionsSpawnParameters, context: ToolContext) -> None:
        """When it has ended, tell the session that wanted it; then tidy up."""
        result = await run.result()
        told = True
        if not context.stateless and await self._sessions.get(context.session_key) is not None:
            what = parameters.label or parameters.task
            told = await self._reports.told(
                result, what, context.principal, context.agent.id, context.session_key, context.channel
            )
        if told and parameters.cleanup == "delete":
            await self._sessions.delete(run.request.session_key)


def may_spawn(own: str, other: str, allowed: list[str]) -> bool:
    """Whether an agent may have another one as its sub-agent; itself it may.

    @param allowed: C{subagents.allowAgents} of the first one.
    """
    return other == own or "*" in allowed or other in {name.strip().lower() for name in allowed}


__all__ = ["SessionsSpawn", "SessionsSpawnParameters", "may_spawn"]
