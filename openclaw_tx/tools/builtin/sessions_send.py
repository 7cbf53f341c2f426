# -*- test-case-name: tests.test_agents_together -*-
"""C{sessions_send}: write to another conversation, of this agent or another one (spec 7.1, 3.8).

The other session's run goes into the lane C{nested}, so that a run that waits for it can not keep it from starting.
Giving up the wait does not end it. An answer of another agent that was not waited for comes as a message, and the two
may go on answering each other, C{session.agentToAgent.maxPingPongTurns} times in all, until one of them says L{SKIP}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta

from twisted.internet.defer import Deferred, TimeoutError

from openclaw_tx.config.schema import Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Run, ToolContext
from openclaw_tx.tools.background import Background
from openclaw_tx.tools.session_sight import SessionSight, owner_of
from openclaw_tx.tools.typed import Parameters, TypedTool, json_result
from openclaw_tx.values import RunResult, ToolResult

SKIP = "REPLY_SKIP"
"""An answer that is only this ends a conversation between two agents."""

LANE = "nested"


class SessionsSendParameters(Parameters, frozen=True):
    """Arguments of C{sessions_send}."""

    message: Annotated[str, Meta(min_length=1, max_length=100_000, description="What to say.")]
    session_key: Annotated[
        str, Meta(max_length=512, description="Key of the session, as sessions_list shows it; or give label.")
    ] = ""
    label: Annotated[str, Meta(max_length=64, description="Label of the session.")] = ""
    agent_id: Annotated[
        str, Meta(max_length=64, description="With label: whose session. Alone: the agent's main session.")
    ] = ""
    timeout_seconds: Annotated[
        int, Meta(ge=0, le=3600, description="How long to wait for the answer; 0 = do not wait. 30 unless given.")
    ] = 30


class SessionsSend(TypedTool[SessionsSendParameters]):
    """Starts a run in another session, and waits for what it answers."""

    name = "sessions_send"
    description = "Send a message to another conversation (session) or agent and wait for the answer."
    parameters = SessionsSendParameters

    def __init__(self, sight: SessionSight, background: Background, settings: Callable[[], Config]) -> None:
        super().__init__()
        self._sight = sight
        self._background = background
        self._settings = settings

    async def run(self, parameters: SessionsSendParameters, context: ToolContext) -> ToolResult:
        """C{{"status": "ok", "timeout", "accepted" or "error", "runId", "sessionKey", "reply"}}; C{note} tells that an
        answer that was to be brought will not be.
        """
        key = await self._key(parameters, context)
        if key is None:
            what = parameters.session_key or parameters.label or parameters.agent_id or "without sessionKey or label"
            return ToolResult(text=f"There is no session {what}.", is_error=True)
        if key == context.session_key:
            return ToolResult(text="That is this very session; just answer.", is_error=True)
        try:
            if not parameters.timeout_seconds and brings_answer(key, context):
                self._background.check_room()
            run = self._background.run(
                context.principal,
                owner_of(key, context),
                key,
                parameters.message,
                lane=LANE,
                trigger="agent",
                extra_system=introduction(context),
            )
        except GatewayError as error:
            return json_result({"status": "error", "sessionKey": key, "error": error.info.message}, is_error=True)
        found: dict[str, Any] = {"runId": run.request.run_id, "sessionKey": key}
        if not parameters.timeout_seconds:
            self._go_on(run, key, context)
            return json_result({"status": "accepted", **found})
        waiting = Deferred.fromCoroutine(run.result())
        waiting.addTimeout(parameters.timeout_seconds, context.clock)
        try:
            result = await waiting
        except TimeoutError:
            try:
                self._go_on(run, key, context)
            except GatewayError as error:
                found["note"] = f"Its answer will not be brought to you: {error.info.message}"
            return json_result({"status": "timeout", **found})
        if result.problem:
            return json_result({"status": "error", **found, "error": result.problem}, is_error=True)
        return json_result({"status": "ok", **found, "reply": result.text})

    async def _key(self, parameters: SessionsSendParameters, context: ToolContext) -> str | None:
        """The session meant; None when there is none in sight. Main sessions need not have begun."""
        if parameters.session_key.strip():
            key = self._sight.canonical(parameters.session_key, context)
        elif parameters.label.strip():
            found = await self._sight.labelled(parameters.label.strip(), parameters.agent_id, context)
            return found.key if found is not None else None
        elif parameters.agent_id.strip():
            prefix = context.principal.session_prefix
            key = f"agent:{parameters.agent_id.strip().lower()}:{prefix}main"
        else:
            return None
        if key == context.session_key:
            return key
        if (there := await self._sight.find(key, context)) is not None:
            return there.key
        key = key.lower()
        begins = key.endswith(":main") and context.sees_session(key) and self._sight.may_name(key, context)
        return key if begins and owner_of(key, context) != context.agent.id else None

    def _go_on(self, run: Run, key: str, context: ToolContext) -> None:
        """Bring the answer that nobody waits for to this agent, if another one gives it."""
        if brings_answer(key, context):
            self._background.go_on(self._answer_each_other(run, key, context), f"agents after {run.request.run_id}")

    async def _answer_each_other(self, run: Run, key: str, context: ToolContext) -> None:
        """Two agents go on until one has no more to say."""
        result = await run.result()
        sides = ((context.agent.id, context.session_key), (owner_of(key, context), key))
        for turn in range(self._settings().session.agent_to_agent.max_ping_pong_turns):
            said = spoken(result)
            if not said:
                return
            agent_id, session_key = sides[turn % 2]
            try:
                following = self._background.run(
                    context.principal,
                    agent_id,
                    session_key,
                    said,
                    lane=LANE,
                    trigger="agent",
                    extra_system=going_on(sides[(turn + 1) % 2][0]),
                )
            except GatewayError:
                return  # the gateway takes no more, or the agent has gone
            result = await following.result()


def brings_answer(key: str, context: ToolContext) -> bool:
    """Whether an answer that nobody waits for comes as a message."""
    return owner_of(key, context) != context.agent.id and not context.stateless


def spoken(result: RunResult) -> str:
    """What an agent has to say to another one; "" when the conversation is over."""
    text = result.text.strip()
    return "" if result.status != "ok" or text == SKIP else text


def introduction(context: ToolContext) -> str:
    """What the other session's agent is told of the message."""
    return (
        f"The message comes from agent {context.agent.id}, out of its session {context.session_key}, not from a "
        "person. Your answer goes back to it."
    )


def going_on(other: str) -> str:
    """The same for what follows."""
    return (
        f"The message is what agent {other} answered you. Your answer goes back to it. If there is nothing to add, "
        f"answer with exactly {SKIP}."
    )


__all__ = ["SKIP", "SessionsSend", "SessionsSendParameters"]
