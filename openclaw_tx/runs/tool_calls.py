# -*- test-case-name: tests.runs.test_tool_calls -*-
"""The calls of the agent's own tools: what one assistant message asks for is done, and every call gets a result."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.actions import in_sessions
from openclaw_tx.auth.sight import agents_for
from openclaw_tx.deferreds import Gate, spawn
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, ConcurrentTool, Tool
from openclaw_tx.runs.offers import Offer
from openclaw_tx.runs.repeats import Repeats
from openclaw_tx.runs.rooms import Premises
from openclaw_tx.runs.run import AgentRun
from openclaw_tx.runs.steps import Steps
from openclaw_tx.values import (
    Agent,
    Message,
    Principal,
    ToolCall,
    ToolEnded,
    ToolEvent,
    ToolResult,
    ToolResultMessage,
    ToolStarted,
    Usage,
    Value,
)
from openclaw_tx.wire.halves import whole

MAX_TOOL_TEXT = 200_000
"""Characters of one tool result that the model gets to read, in a window of any size; the rest is cut with a marker."""
MAX_TOGETHER = 8
"""Calls at work at the same time."""

_ABORTED = ToolResult(text="The run was aborted before this tool finished.", is_error=True)


def _nobody(event: ToolEvent) -> None:
    """Takes what nobody watches."""


class CallContext(Value, frozen=True):
    """L{openclaw_tx.interfaces.ToolContext} for one call."""

    agent: Agent
    agents: Agents
    principal: Principal
    session_key: str
    run_id: str
    model: str
    usage: Usage
    clock: IReactorTime
    call_id: str = ""
    channel: str = "webchat"
    stateless: bool = False
    spawned_by: str = ""
    report: Callable[[ToolEvent], None] = _nobody

    def sees_session(self, session_key: str) -> bool:
        """The run's own, and those within the bounds of its principal's credential."""
        return session_key == self.session_key or in_sessions(self.principal, session_key)


class ToolCaller:
    """Calls the tools of one run."""

    __slots__ = (
        "_agent",
        "_characters",
        "_model_ref",
        "_offered",
        "_premises",
        "_repeats",
        "_rooms",
        "_run",
        "_started",
    )

    def __init__(self, run: AgentRun, agent: Agent, model_ref: str, premises: Premises, characters: int) -> None:
        """
        @param model_ref: of the model that is asked first. Its policy counts for what is offered, and that of the model
            that made a call besides.
        @param characters: longest result that the model gets to read.
        """
        self._run = run
        self._agent = agent
        self._model_ref = model_ref
        self._rooms = premises.rooms
        self._premises = premises
        self._characters = min(characters, MAX_TOOL_TEXT)
        self._repeats = Repeats(premises.settings().tools.loop_detection)
        self._started: set[str] = set()
        self._offered: Mapping[str, Tool] = {}

    def allowed(self) -> Mapping[str, Tool]:
        """The tools that the policy of the moment leaves to the model that answers, by name."""
        allowed = self._of_the_moment(self._model_ref).by_name
        answers = self._answers
        if answers == self._model_ref:
            return allowed
        theirs = self._of_the_moment(answers).by_name
        return {name: tool for name, tool in allowed.items() if name in theirs}

    def offer(self) -> Offer:
        """The tools that the model is told of."""
        offer = self._of_the_moment(self._model_ref)
        self._offered = offer.by_name
        return offer

    @property
    def _answers(self) -> str:
        """The model that has answered last, which may be a fallback."""
        return f"{self._run.provider}/{self._run.model}" if self._run.provider else self._model_ref

    def _of_the_moment(self, model_ref: str) -> Offer:
        subagent = bool(self._run.request.spawned_by)
        return self._premises.offers.of(self._rooms.tools.allowed(self._agent, model_ref, subagent=subagent))

    async def work(self, calls: Sequence[ToolCall], into: list[Message], steps: Steps) -> None:
        """Do what the calls of one message ask for. Neighbours that only look are done together, all others in order.

        @param into: gets the results, in the order of the calls, whatever happens: a transcript must not hold a call
            without one.
        @param steps: notes that the calls begin, and each result as it comes.
        @raise GatewayError: C{run_failed}: the model does not stop calling one tool in vain.
        """
        results: dict[int, ToolResultMessage] = {}

        async def do(number: int) -> None:
            results[number] = self._message(calls[number], await self._call(calls[number]))
            steps.done(number, results[number])

        self._started.clear()
        try:
            await steps.begin(calls)
            place = 0
            while place < len(calls):
                end = place + 1
                while end < len(calls) and self._looks(calls[place]) and self._looks(calls[end]):
                    end += 1
                if end == place + 1:
                    await do(place)
                else:
                    await self._together(range(place, end), do)
                place = end
        finally:
            for number, call in enumerate(calls):
                if number not in results and call.id in self._started:
                    self._ended(call, _ABORTED)
                into.append(results.get(number) or self._message(call, _ABORTED))

    def _looks(self, call: ToolCall) -> bool:
        tool: object = self.allowed().get(call.name)
        return isinstance(tool, ConcurrentTool) and tool.concurrent

    async def _together(self, numbers: range, do: Callable[[int], Coroutine[Deferred[Any], Any, None]]) -> None:
        """Several at a time. None of them is at work any more when this returns or raises, also after an abort."""
        todo = deque(numbers)
        failures: list[GatewayError] = []
        finished = Gate()
        workers: list[Deferred[Any]] = []

        async def worker() -> None:
            while todo and not failures:
                number = todo.popleft()
                try:
                    await do(number)
                except GatewayError as error:
                    failures.append(error)

        def done(_: object) -> None:
            if len(workers) == count and all(each.called for each in workers):
                finished.open()

        count = min(MAX_TOGETHER, len(numbers))
        for _ in range(count):
            workers.append(spawn(worker(), self._premises.log, f"tools of run {self._run.request.run_id}"))
        for each in workers:
            each.addBoth(done)
        try:
            await finished.wait()
        except CancelledError:
            todo.clear()
            for each in workers:
                each.cancel()
            await finished.wait()
            raise
        if failures:
            raise failures[0]

    async def _call(self, call: ToolCall) -> ToolResult:
        """One call, from its event to its event. An exception of a tool is a result."""
        tool = self.allowed().get(call.name)
        arguments: Mapping[str, Any] | str = call.arguments
        refusal = ""
        if tool is None:
            refusal = f"Tool {call.name} not found"
            if call.name in self._of_the_moment(self._model_ref).by_name:
                refusal = f"Tool {call.name} is not allowed for {self._answers}"
            elif call.name in self._offered:
                refusal = f"Tool {call.name} is not allowed any more"
        else:
            try:
                arguments = self._rooms.decode_arguments(tool, call.arguments)
            except ValueError as error:
                refusal = f"Invalid arguments for {call.name}: {error}"
        self._start(call, arguments)
        verdict = self._repeats.before(call.name, arguments)
        if verdict == "stop":
            self._ended(call, ToolResult(text="Not done: the run was ended.", is_error=True))
            self._started.discard(call.id)
            raise GatewayError(
                "run_failed",
                f"The run was ended: the model kept calling the tool {call.name} without anything new coming of it.",
            )
        if verdict == "refuse":
            result = ToolResult(text=self._repeats.refused(call.name, arguments), is_error=True)
        elif tool is None or isinstance(arguments, str) or refusal:
            result = self._noted(call.name, arguments, ToolResult(text=refusal, is_error=True))
        else:
            result = self._noted(call.name, arguments, await self._done(tool, call, arguments))
        self._ended(call, result)
        return result

    async def _done(self, tool: Tool, call: ToolCall, arguments: Mapping[str, Any]) -> ToolResult:
        self._run.effects = True
        request = self._run.request
        context = CallContext(
            agent=self._agent,
            agents=agents_for(self._rooms.agents, self._run.principal),
            principal=self._run.principal,
            session_key=request.session_key,
            run_id=request.run_id,
            model=f"{self._run.provider}/{self._run.model}",
            usage=self._run.usage,
            clock=self._premises.clock,
            call_id=call.id,
            channel=request.channel,
            stateless=request.stateless,
            spawned_by=request.spawned_by,
            report=self._report,
        )
        try:
            result = _checked(await tool.call(arguments, context))
        except CancelledError:
            if self._run.abort_reason or self._run.driver is None:
                raise
            # Something that the tool itself has given up: that is not the run.
            return ToolResult(text=f"{call.name} failed: it was cancelled", is_error=True)
        except Exception as error:
            self._premises.log.failure("tool {name} failed", name=call.name)
            return ToolResult(text=f"{call.name} failed: {error}", is_error=True)
        if result.usage is not None:
            self._run.spend(result.usage)
        return result

    def _noted(self, name: str, arguments: Mapping[str, Any] | str, result: ToolResult) -> ToolResult:
        """The result, with a word to a model that gets nowhere."""
        note = self._repeats.after(name, arguments, result.text)
        text = self._cut(result.text)
        return _with_text(result, f"{text}\n\n{note}" if note else text)

    def _cut(self, text: str) -> str:
        """The beginning and the last quarter: at its end a command tells how it ended, and a file how to go on."""
        more = len(text) - self._characters
        if more <= 0:
            return text
        tail = self._characters // 4
        return f"{text[: self._characters - tail]}\n[cut: {more} characters]\n{text[-tail:]}"

    def _report(self, event: ToolEvent) -> None:
        if not self._run.ended:
            self._run.emit([event])

    def _start(self, call: ToolCall, arguments: Mapping[str, Any] | str) -> None:
        shown = arguments if isinstance(arguments, str) else dict(arguments)
        self._started.add(call.id)
        self._run.emit([ToolStarted(call_id=call.id, name=call.name, arguments=shown)])
        self._run.go_on()

    def _ended(self, call: ToolCall, result: ToolResult) -> None:
        self._run.emit(
            [
                ToolEnded(
                    call_id=call.id,
                    name=call.name,
                    is_error=result.is_error,
                    text=result.text,
                    details=result.details,
                )
            ]
        )

    def _message(self, call: ToolCall, result: ToolResult) -> ToolResultMessage:
        return ToolResultMessage(
            tool_call_id=call.id,
            tool_name=call.name,
            text=result.text,
            images=result.images,
            is_error=result.is_error,
            details=result.details,
            timestamp_ms=self._premises.now_ms(),
        )


def _checked(result: object) -> ToolResult:
    """What a tool gave back, in Unicode text: half surrogate pairs, as of odd file names, become U+FFFD.

    @raise TypeError: it is no result.
    """
    if not isinstance(result, ToolResult):
        raise TypeError(f"it gave back {type(result).__name__}, which is no ToolResult")
    text: object = result.text
    if not isinstance(text, str):
        raise TypeError(f"the text of its result is {type(text).__name__}")
    return _with_text(result, whole(text))


def _with_text(result: ToolResult, text: str) -> ToolResult:
    return result if text is result.text else replace(result, text=text)


__all__ = ["MAX_TOGETHER", "MAX_TOOL_TEXT", "CallContext", "ToolCaller"]
