# -*- test-case-name: tests.runs.test_loop -*-
"""The agent loop: model, tools, model again, until the model is done (spec 3.4). No I/O of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.auth.actions import in_sessions
from openclaw_tx.auth.sight import agents_for
from openclaw_tx.config.schema_agents import AgentDefaults
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Models, Tool, Tools
from openclaw_tx.runs.context import model_messages
from openclaw_tx.runs.reader import CallReader, Showing
from openclaw_tx.runs.run import AgentRun
from openclaw_tx.runs.structured import AnswerFormat, Verdict, format_of, unmet
from openclaw_tx.values import (
    Agent,
    AssistantMessage,
    FinishReason,
    Message,
    MessageEnded,
    ModelReply,
    ModelRequest,
    Principal,
    Spoken,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolEnded,
    ToolEvent,
    ToolResult,
    ToolResultMessage,
    ToolStarted,
    Usage,
    UserMessage,
    Value,
)

MAX_TOOL_TEXT = 200_000
"""Characters of one tool result that the model gets to read; the rest is cut with a marker."""


class Outcome(Value, frozen=True):
    """How the loop ended well."""

    finish_reason: FinishReason
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: bool = False


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


class ArgumentDecoder(Protocol):
    """Validates a model's arguments against a tool's schema."""

    def __call__(self, tool: Tool, text: str) -> Mapping[str, Any]:
        """
        @raise ValueError: one sentence for the model.
        """


class AgentLoop:
    """Runs one turn. What it adds to the conversation is in L{added}, also when it fails or is cancelled.

    @ivar added: the client's new messages, then answers and tool results in order.
    @ivar context_tokens: prompt size of the last model call, as the provider counted it.
    """

    def __init__(
        self,
        run: AgentRun,
        agent: Agent,
        history: Sequence[Message],
        added: Sequence[Message],
        *,
        agents: Agents,
        models: Models,
        tools: Tools,
        decode_arguments: ArgumentDecoder,
        limits: AgentDefaults,
        clock: IReactorTime,
        log: Logger,
    ) -> None:
        """
        @param limits: how many model calls there may be, repairs among them, and how many repairs.
        """
        self.added: list[Message] = list(added)
        self.context_tokens: int | None = None
        self._run = run
        self._agent = agent
        self._history = history
        self._agents = agents
        self._models = models
        self._tools = tools
        self._decode_arguments = decode_arguments
        self._max_rounds = limits.max_tool_rounds
        self._repairs_left = limits.structured_output.max_repairs
        self._format = format_of(run.request.sampling)
        self._rejected: list[Spoken] = []
        """Answers that did not match, each with the correction; the model sees them, the transcript does not."""
        self._clock = clock
        self._log = log

    async def work(self) -> Outcome:
        """Loop until the model is done.

        @raise GatewayError: a provider's failure, C{empty_response}, C{tool_choice_unmet}, C{tool_name_conflict},
            C{structured_output_failed}, C{run_failed} when the bound on rounds or text is hit.
        """
        request = self._run.request
        refs = (request.model,) if request.model else self._agent.models
        info = self._models.info(refs[0])
        own = {
            tool.spec.name: tool
            for tool in self._tools.allowed(self._agent, info.ref, subagent=bool(request.spawned_by))
        }
        offered = () if request.tool_choice.mode == "none" else request.tools
        for position, spec in enumerate(request.tools):
            if spec.name in own:
                raise GatewayError(
                    "tool_name_conflict",
                    f"Invalid tool configuration: the agent already has a tool called {spec.name!r}.",
                    param=f"tools[{position}].function.name",
                )
        forced = request.tool_choice.mode in ("required", "named")
        specs = (*(tool.spec for tool in own.values()), *offered)
        system = self._agents.system_prompt(self._agent, request, info, specs)
        self._run.prompt_report = self._agents.prompt_report(self._agent, request, info, specs)
        showing: Showing = "none" if forced else "all"
        if self._format is not None:
            holds = self._providers_hold(refs)
            showing = "json" if holds and request.stream and not forced else "none"
            if not holds:
                system = f"{system}\n\n{self._format.instruction()}"
        client_names = frozenset(spec.name for spec in offered)
        answered = False
        for round_ in range(1, self._max_rounds + 1):
            model_request = ModelRequest(
                system=system,
                messages=(*model_messages(self._history, self.added), *self._rejected),
                tools=specs,
                tool_choice=request.tool_choice if forced and round_ == 1 else ToolChoice(),
                sampling=request.sampling,
                traceparent=request.traceparent,
            )
            self._run.times.called = self._run.times.called or self._clock.seconds()
            reader = CallReader(self._run, round_, client_names, showing)
            reply = await self._models.stream(refs, model_request, reader.take)
            text = reader.finish(reply)
            self._count(reply)
            if self._format is not None and not forced:
                verdict = self._judge(self._format, reply, text)
                if verdict.complaint:
                    self._reject(self._format, verdict, reader)
                    continue
                text = verdict.text
                if not reply.tool_calls:
                    reader.show(text, reply.refusal)
            self._note(reply, text)
            answered = answered or reader.silent or bool(text.strip())
            client_calls = tuple(call for call in reply.tool_calls if call.name in client_names)
            own_calls = [call for call in reply.tool_calls if call.name not in client_names]
            if own_calls:
                if self._format is not None and reader.shown:
                    raise unmet(Verdict(text=text, complaint="it was begun before the tools were called"))
                await self._call_tools(own_calls, own)
            if client_calls:
                self._check_choice(client_calls)
                return Outcome(finish_reason="tool_calls", tool_calls=client_calls)
            if not own_calls:
                self._check_choice(())
                if not answered and reply.finish_reason != "content_filter":
                    raise GatewayError("empty_response", f"The model {reply.provider}/{reply.model} said nothing.")
                reason = "stop" if reply.finish_reason == "tool_calls" else reply.finish_reason
                return Outcome(finish_reason=reason, refusal=reply.refusal)
        raise GatewayError("run_failed", f"The run was stopped after {self._max_rounds} model calls without an end.")

    def _check_choice(self, calls: Sequence[ToolCall]) -> None:
        choice = self._run.request.tool_choice
        if choice.mode == "required" and not calls:
            raise GatewayError("tool_choice_unmet", "tool_choice=required was not satisfied by the agent response")
        if choice.mode == "named" and not any(call.name == choice.name for call in calls):
            raise GatewayError(
                "tool_choice_unmet",
                f"tool_choice required a {choice.name} tool call, but the agent did not produce one",
            )

    def _providers_hold(self, refs: Sequence[str]) -> bool:
        """Whether every model that may answer is held to C{response_format} by its provider."""
        try:
            return all(self._models.info(ref).response_format for ref in refs)
        except GatewayError:
            return False

    def _judge(self, wanted: AnswerFormat, reply: ModelReply, text: str) -> Verdict:
        """What is cut short, declined or only on the way to tools need not match."""
        if reply.tool_calls or reply.refusal or reply.finish_reason in ("length", "content_filter"):
            return Verdict(text=text)
        return wanted.judge(text)

    def _reject(self, wanted: AnswerFormat, verdict: Verdict, reader: CallReader) -> None:
        """Have the model correct its answer.

        @raise GatewayError: C{structured_output_failed}: it may not, or the client has read it already.
        """
        if reader.shown or not self._repairs_left:
            raise unmet(verdict)
        self._repairs_left -= 1
        if verdict.text:
            self._rejected.append(AssistantMessage(text=verdict.text))
        self._rejected.append(UserMessage(content=(TextPart(text=wanted.correction(verdict)),)))

    def _count(self, reply: ModelReply) -> None:
        """What a call has cost counts whatever becomes of its answer."""
        self._run.usage = self._run.usage.plus(reply.usage)
        self._run.provider, self._run.model = reply.provider, reply.model
        if reply.usage.prompt_tokens is not None:
            self.context_tokens = reply.usage.prompt_tokens

    def _note(self, reply: ModelReply, text: str) -> None:
        """Put an answer into the turn."""
        self.added.append(
            AssistantMessage(
                text=text,
                reasoning=reply.reasoning,
                tool_calls=reply.tool_calls,
                stop_reason=reply.finish_reason,
                provider=reply.provider,
                model=reply.model,
                usage=reply.usage,
                timestamp_ms=self._now_ms(),
            )
        )
        self._run.emit([MessageEnded(usage=self._run.usage)])

    async def _call_tools(self, calls: Sequence[ToolCall], own: Mapping[str, Tool]) -> None:
        """Run the agent's own tools one after the other; every call gets a result, in call order."""
        pending = list(calls)
        try:
            while pending:
                call = pending[0]
                result = await self._call_tool(call, own.get(call.name))
                pending.pop(0)
                self._add_result(call, result)
        except CancelledError:
            # The transcript must not hold a call without a result.
            for call in pending:
                self._add_result(call, ToolResult(text="The run was aborted before this tool finished.", is_error=True))
            raise

    async def _call_tool(self, call: ToolCall, tool: Tool | None) -> ToolResult:
        if tool is None:
            return self._refused(call, f"Tool {call.name} not found")
        try:
            arguments = self._decode_arguments(tool, call.arguments)
        except ValueError as error:
            return self._refused(call, f"Invalid arguments for {call.name}: {error}")
        self._run.effects = True
        self._run.emit([ToolStarted(call_id=call.id, name=call.name, arguments=dict(arguments))])
        context = CallContext(
            agent=self._agent,
            agents=agents_for(self._agents, self._run.principal),
            principal=self._run.principal,
            session_key=self._run.request.session_key,
            run_id=self._run.request.run_id,
            model=f"{self._run.provider}/{self._run.model}",
            usage=self._run.usage,
            clock=self._clock,
            call_id=call.id,
            channel=self._run.request.channel,
            stateless=self._run.request.stateless,
            spawned_by=self._run.request.spawned_by,
            report=self._report,
        )
        try:
            return await tool.call(arguments, context)
        except CancelledError:
            raise
        except Exception as error:
            self._log.failure("tool {name} failed", name=call.name)
            return ToolResult(text=f"{call.name} failed: {error}", is_error=True)

    def _report(self, event: ToolEvent) -> None:
        if not self._run.ended:
            self._run.emit([event])

    def _refused(self, call: ToolCall, text: str) -> ToolResult:
        self._run.emit([ToolStarted(call_id=call.id, name=call.name, arguments=call.arguments)])
        return ToolResult(text=text, is_error=True)

    def _add_result(self, call: ToolCall, result: ToolResult) -> None:
        text = result.text
        if len(text) > MAX_TOOL_TEXT:
            text = f"{text[:MAX_TOOL_TEXT]}\n[cut: {len(text) - MAX_TOOL_TEXT} more characters]"
        self.added.append(
            ToolResultMessage(
                tool_call_id=call.id,
                tool_name=call.name,
                text=text,
                images=result.images,
                is_error=result.is_error,
                details=result.details,
                timestamp_ms=self._now_ms(),
            )
        )
        self._run.emit(
            [ToolEnded(call_id=call.id, name=call.name, is_error=result.is_error, text=text, details=result.details)]
        )

    def _now_ms(self) -> int:
        return int(self._clock.seconds() * 1000)
