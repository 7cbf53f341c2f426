# -*- test-case-name: tests.runs.test_engine,tests.runs.test_loop -*-
"""The agent loop: model, tools, model again, until the model is done (spec 3.4). No I/O of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from openclaw_tx.errors import GatewayError
from openclaw_tx.models.failures import refuses_thinking
from openclaw_tx.runs import compaction
from openclaw_tx.runs.choices import ack_max_chars, effort, milder
from openclaw_tx.runs.compactor import ConversationCompactor, Subject
from openclaw_tx.runs.cut import stopped_early, without_half_calls
from openclaw_tx.runs.demands import demands_call, no_call, offered
from openclaw_tx.runs.dialogue import Dialogue
from openclaw_tx.runs.reader import CallReader, Showing
from openclaw_tx.runs.rooms import Premises
from openclaw_tx.runs.run import AgentRun
from openclaw_tx.runs.steps import Steps
from openclaw_tx.runs.structured import AnswerFormat, Verdict, format_of, unmet
from openclaw_tx.runs.tool_calls import ToolCaller
from openclaw_tx.values import (
    Agent,
    AssistantMessage,
    FinishReason,
    MessageEnded,
    ModelReply,
    ModelRequest,
    Sampling,
    Spoken,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolSpec,
    UserMessage,
    Value,
)

MAX_MILDER = 2
"""How often a run takes back how hard the model is to think."""


class Outcome(Value, frozen=True):
    """How the loop ended well."""

    finish_reason: FinishReason
    tool_calls: tuple[ToolCall, ...] = ()
    cut_calls: tuple[ToolCall, ...] = ()
    """As in L{RunResult}."""


class _Offer(NamedTuple):
    """What stays the same for all model calls of a run."""

    system: str
    specs: tuple[ToolSpec, ...]
    client_names: frozenset[str]
    forced: bool
    """The client insists on a call of one of its tools."""
    showing: Showing
    ack_max_chars: int | None


class AgentLoop:
    """Runs one turn. What it adds to the conversation is in its L{Dialogue}, also when it fails or is cancelled.

    @ivar context_tokens: prompt size of the last model call, as the provider counted it.
    """

    __slots__ = (
        "_agent",
        "_choice",
        "_compactor",
        "_compacts",
        "_dialogue",
        "_format",
        "_max_rounds",
        "_milder",
        "_premises",
        "_rejected",
        "_repairs_left",
        "_run",
        "_shortened",
        "_steps",
        "_subject",
        "_thinking",
        "_tools",
        "_window",
        "context_tokens",
    )

    def __init__(
        self,
        run: AgentRun,
        agent: Agent,
        dialogue: Dialogue,
        subject: Subject,
        premises: Premises,
        compactor: ConversationCompactor | None,
    ) -> None:
        """
        @param subject: which model answers, and where the conversation is kept.
        @param compactor: None = a conversation that is too long is an error.
        """
        self.context_tokens: int | None = None
        self._run = run
        self._agent = agent
        self._dialogue = dialogue
        self._subject = subject
        self._choice = subject.choice
        self._thinking = subject.choice.thinking
        self._milder = 0
        self._premises = premises
        self._compactor = compactor
        limits = premises.settings().agents.defaults
        self._window = compaction.limits(limits.compaction, subject.choice.window)
        self._compacts = compactor is not None and limits.compaction.enabled
        self._shortened = False
        self._tools = ToolCaller(run, agent, self._choice.info.ref, premises, self._window.tool_characters)
        self._steps = Steps(run, dialogue, premises)
        self._max_rounds = limits.max_tool_rounds
        self._repairs_left = limits.structured_output.max_repairs
        self._format = format_of(run.request.sampling)
        self._rejected: list[Spoken] = []
        """Answers that did not match, each with the correction; the model sees them, the transcript does not."""

    async def work(self) -> Outcome:
        """Loop until the model is done.

        @raise GatewayError: a provider's failure, C{empty_response}, C{tool_choice_unmet}, C{tool_name_conflict},
            C{structured_output_failed}, C{context_length_exceeded}, C{run_failed} when the bound on rounds, text or
            calls in vain is hit.
        """
        offer = self._offer()
        self._run.steering.open()
        answered = False
        for round_ in range(1, self._max_rounds + 1):
            reader, whole = await self._ask(offer, round_)
            self._compacts = self._compacts or self._shortened
            reply, half = without_half_calls(whole)
            text = reader.finish(reply)
            self._count(reply)
            if self._format is not None and not offer.forced:
                verdict = self._judge(self._format, reply, text)
                if verdict.complaint:
                    self._reject(self._format, verdict, reader)
                    continue
                text = verdict.text
                if not reply.tool_calls:
                    reader.show(text)
            self._note(reply, text + reader.declined)
            answered = answered or reader.said
            client_calls = tuple(call for call in reply.tool_calls if call.name in offer.client_names)
            own_calls = [call for call in reply.tool_calls if call.name not in offer.client_names]
            if own_calls:
                if self._format is not None and reader.shown:
                    raise unmet(Verdict(text=text, complaint="it was begun before the tools were called"))
                await self._tools.work(own_calls, self._dialogue.added, self._steps)
            if client_calls:
                return Outcome(finish_reason="tool_calls", tool_calls=client_calls)
            if cut_calls := tuple(call for call in half if call.name in offer.client_names):
                # The client has read them: the answer can not go on as if it had not.
                return Outcome(finish_reason=reply.finish_reason, cut_calls=cut_calls)
            steered = self._run.steering.take()
            self._dialogue.added += steered
            if not own_calls and not steered:
                if not stopped_early(reply):
                    no_call(self._run.request.tool_choice)
                    if not answered:
                        said_nothing = f"The model {reply.provider}/{reply.model} said nothing."
                        raise GatewayError("empty_response", said_nothing)
                reason = "stop" if reply.finish_reason == "tool_calls" else reply.finish_reason
                return Outcome(finish_reason=reason)
        raise GatewayError(
            "run_failed",
            f"The run was stopped after {self._max_rounds} model calls without an end (agents.defaults.maxToolRounds).",
        )

    def _offer(self) -> _Offer:
        """
        @raise GatewayError: C{tool_name_conflict}.
        """
        request, config = self._run.request, self._premises.settings()
        own = self._tools.offer()
        clients = offered(request.tools, request.tool_choice)
        for position, spec in enumerate(request.tools):
            if spec.name in own.by_name:
                raise GatewayError(
                    "tool_name_conflict",
                    f"Invalid tool configuration: the agent already has a tool called {spec.name!r}.",
                    param=f"tools[{position}].function.name",
                )
        forced = demands_call(request.tool_choice)
        specs = (*own.specs, *clients) if clients else own.specs
        told = replace(request, thinking=self._thinking) if request.thinking != self._thinking else request
        agents = self._premises.rooms.agents
        system = agents.system_prompt(self._agent, told, self._choice.info, specs)
        self._run.prompt_report = agents.prompt_report(self._agent, told, self._choice.info, specs)
        showing: Showing = "none" if forced else "all"
        if self._format is not None:
            holds = self._providers_hold(self._choice.refs)
            showing = "json" if holds and request.stream and not forced else "none"
            if not holds:
                system = f"{system}\n\n{self._format.instruction()}"
        return _Offer(
            system=system,
            specs=specs,
            client_names=frozenset(spec.name for spec in clients),
            forced=forced,
            showing=showing,
            ack_max_chars=ack_max_chars(config, self._agent.id) if request.trigger == "heartbeat" else None,
        )

    async def _ask(self, offer: _Offer, round_: int) -> tuple[CallReader, ModelReply]:
        """Call the model. What it refuses before its first word is asked again: thinking less hard, or with the
        conversation shortened, once."""
        self._run.go_on()
        if round_ > 1 and self._compacts and compaction.size(self._dialogue.read()) > self._window.window:
            # It would be refused, or worse, cut off at the wrong end.
            await self._shorten()
        while True:
            reader = CallReader(
                self._run,
                round_,
                offer.client_names,
                offer.showing,
                offer.ack_max_chars,
                directed=self._format is None,  # an answer that must be JSON is data
            )
            self._run.times.called = self._run.times.called or self._premises.clock.seconds()
            try:
                request = self._request(offer)
                return reader, await self._premises.rooms.models.stream(self._choice.refs, request, reader.take)
            except GatewayError as error:
                if reader.began or not (self._relents(error) or await self._made_room(error)):
                    raise

    def _request(self, offer: _Offer) -> ModelRequest:
        request = self._run.request
        return ModelRequest(
            system=offer.system,
            messages=self._dialogue.for_model(*self._rejected),
            tools=offer.specs,
            # Until a client's tool is called: the agent's own may be called before it.
            tool_choice=request.tool_choice if offer.forced else ToolChoice(),
            sampling=self._sampling(),
            traceparent=request.traceparent,
            session=self._subject.name,
            agent_id=self._subject.agent_id,
            auth_profile=self._subject.auth_profile,
        )

    def _sampling(self) -> Sampling:
        sampling, wanted = self._run.request.sampling, effort(self._thinking)
        return sampling if sampling.reasoning_effort == wanted else replace(sampling, reasoning_effort=wanted)

    def _relents(self, error: GatewayError) -> bool:
        """Ask for less thinking when the provider refused that much."""
        if self._milder >= MAX_MILDER or effort(self._thinking) is None or not refuses_thinking(error):
            return False
        self._milder += 1
        refused, self._thinking = self._thinking, milder(self._thinking, error.info.message, self._milder)
        log = self._premises.log
        log.info(
            "{model} does not think {refused}; trying {now}",
            model=self._choice.info.ref,
            refused=refused,
            now=self._thinking,
        )
        return True

    async def _made_room(self, error: GatewayError) -> bool:
        return error.info.code == "context_length_exceeded" and self._compacts and await self._shorten()

    async def _shorten(self) -> bool:
        """Compact the conversation, once for each answer of the model: what is refused all the same, or does not get
        shorter, is not compacted again."""
        assert self._compactor is not None
        self._compacts = False
        self._shortened = await self._compactor.told(self._run, self._dialogue, self._subject, overflow=True)
        return self._shortened

    def _providers_hold(self, refs: Sequence[str]) -> bool:
        """Whether every model that may answer is held to C{response_format} by its provider."""
        models = self._premises.rooms.models
        try:
            return all(models.info(ref).response_format for ref in refs)
        except GatewayError:
            return False

    def _judge(self, wanted: AnswerFormat, reply: ModelReply, text: str) -> Verdict:
        """What is cut short, declined or only on the way to tools need not match."""
        if reply.tool_calls or reply.refusal or stopped_early(reply):
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
        self._run.spend(reply.usage)
        self._run.provider, self._run.model = reply.provider, reply.model
        if reply.usage.prompt_tokens is not None:
            self.context_tokens = reply.usage.prompt_tokens

    def _note(self, reply: ModelReply, text: str) -> None:
        """Put an answer into the turn."""
        self._dialogue.added.append(
            AssistantMessage(
                text=text,
                reasoning=reply.reasoning,
                tool_calls=reply.tool_calls,
                stop_reason=reply.finish_reason,
                provider=reply.provider,
                model=reply.model,
                usage=reply.usage,
                timestamp_ms=self._premises.now_ms(),
                opaque=reply.opaque,
            )
        )
        self._run.emit([MessageEnded(usage=self._run.usage)])


__all__ = ["AgentLoop", "Outcome"]
