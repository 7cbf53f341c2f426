"""Small real rooms for tests of the engine: everything in memory, nothing mocked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_agents import AgentDefaults, AgentsSection
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import OnEvents, Tool
from openclaw_tx.runs.context import since_mark
from openclaw_tx.runs.engine import Engine, Rooms
from openclaw_tx.runs.run import AgentRun
from openclaw_tx.runs.system_events import SystemEventQueue
from openclaw_tx.testing import ScriptedModel
from openclaw_tx.values import (
    Agent,
    CompactionMessage,
    Entry,
    KeptEvents,
    Message,
    ModelInfo,
    ModelReply,
    ModelRequest,
    Principal,
    PromptReport,
    RunRequest,
    SessionEntry,
    Step,
    StoredRun,
    TextPart,
    ToolResult,
    ToolSpec,
    UserMessage,
)
from tests.support.fakes import no_report

OWNER = Principal(id="shared-secret", method="token", scopes=frozenset({"operator.admin"}))


def user(text: str) -> UserMessage:
    """A user message."""
    return UserMessage(content=(TextPart(text=text),))


class MemoryAgents:
    """Agents main and beta, each with its own prompt."""

    default_id = "main"

    def __init__(self, model_ref: str, timeout_s: float = 600) -> None:
        self._agents = [
            Agent(
                id=agent_id,
                name=agent_id,
                workspace="/nowhere",
                models=(model_ref,),
                is_default=agent_id == "main",
                timeout_s=timeout_s,
            )
            for agent_id in ("main", "beta")
        ]

    def all(self) -> Sequence[Agent]:
        """Both."""
        return self._agents

    def get(self, agent_id: str) -> Agent | None:
        """By id."""
        return next((agent for agent in self._agents if agent.id == agent_id), None)

    def system_prompt(self, agent: Agent, request: RunRequest, model: ModelInfo, tools: Sequence[ToolSpec]) -> str:
        """Names what went in, so that a test can see it."""
        return f"You are {agent.id}. {request.extra_system}".strip()

    def prompt_report(
        self, agent: Agent, request: RunRequest, model: ModelInfo, tools: Sequence[ToolSpec]
    ) -> PromptReport:
        """Next to nothing."""
        return no_report(agent, request, model)


class OneModel:
    """The seam L{openclaw_tx.interfaces.Models} over one scripted model."""

    def __init__(self, model: ScriptedModel) -> None:
        self._model = model

    def catalog(self) -> Sequence[ModelInfo]:
        """The one model."""
        return self._model.models()

    def info(self, ref: str) -> ModelInfo:
        """The one model, or C{model_not_found}."""
        if ref != self._model.ref:
            raise GatewayError("model_not_found", f"Unknown model: {ref}")
        return self._model.models()[0]

    async def stream(self, refs: Sequence[str], request: ModelRequest, on_events: OnEvents) -> ModelReply:
        """Call it."""
        return await self._model.stream(self.info(refs[0]).id, request, on_events)


class MemoryTurn:
    """What L{MemorySessions.begin} gives back."""

    def __init__(self, entry: SessionEntry, history: Sequence[Message], added: Sequence[Message]) -> None:
        self.entry = entry
        self.history = history
        self.added = added


class MemorySessions:
    """The part of the seam that the engine uses, on dicts.

    @ivar hold: when set, commits wait for the Deferreds collected in it; C{hold_events}: so does L{keep}.
    @ivar event_log: events that were kept, by run.
    """

    def __init__(self) -> None:
        self.transcripts: dict[str, list[Message]] = {}
        self.entries: dict[str, SessionEntry] = {}
        self.runs: dict[str, StoredRun] = {}
        self.forgotten: list[str] = []
        self.hold: list[Deferred[None]] | None = None
        self.broken = False
        self.hold_events: list[Deferred[None]] | None = None
        self.event_log: dict[str, list[Entry]] = {}
        self.kept = 0
        self.steps: dict[str, dict[int, Message]] = {}
        self.told: dict[str, int] = {}
        self.looked_up = 0

    async def begin(self, run: StoredRun, messages: Sequence[Message]) -> MemoryTurn:
        """Everything but the last message is taken for known once the session has history."""
        self._check()
        history = list(self.transcripts.setdefault(run.session_key, []))
        self.runs[run.run_id] = run
        entry = self.entries.setdefault(
            run.session_key,
            SessionEntry(key=run.session_key, agent_id=run.agent_id, session_id="s1", created_at_ms=0, updated_at_ms=0),
        )
        return MemoryTurn(entry, since_mark(history), list(messages[-1:]) if history else list(messages))

    async def get(self, key: str) -> SessionEntry | None:
        """By key."""
        return self.entries.get(key)

    async def transcript(self, key: str, limit: int) -> Sequence[Message]:
        """The newest messages."""
        return self.transcripts.get(key, [])[-limit:]

    async def patch(
        self, key: str, change: Callable[[SessionEntry], SessionEntry], *, agent_id: str = "", quiet: bool = False
    ) -> SessionEntry | None:
        """Change an entry that is there."""
        self._check()
        self.entries[key] = change(self.entries[key])
        return self.entries[key]

    async def compact(self, key: str, session_id: str, mark: CompactionMessage) -> bool:
        """Append the mark and count it."""
        self._check()
        if self.entries[key].session_id != session_id:
            return False
        self.transcripts[key].append(mark)
        settings = self.entries[key].settings
        counted = replace(settings, compaction_count=settings.compaction_count + 1)
        self.entries[key] = replace(self.entries[key], settings=counted)
        return True

    async def commit(
        self,
        run: StoredRun,
        added: Sequence[Message],
        *,
        model_provider: str,
        model: str,
        context_tokens: int | None,
        begun: Sequence[Message] = (),
    ) -> None:
        """Append."""
        if self.hold is not None:
            waiting: Deferred[None] = Deferred()
            self.hold.append(waiting)
            await waiting
        self._check()
        self.transcripts[run.session_key].extend(added)
        self.runs[run.run_id] = run

    async def checkpoint(self, runs: Sequence[StoredRun], ended: Sequence[str]) -> None:
        """Note and forget."""
        self._check()
        for run in runs:
            self.runs[run.run_id] = run
        for run_id in ended:
            self.runs.pop(run_id, None)
            self.forgotten.append(run_id)

    async def step(self, run: StoredRun, steps: Sequence[Step], told: int) -> None:
        """Note them by number."""
        self._check()
        self.runs[run.run_id] = run
        self.steps.setdefault(run.run_id, {}).update({step.number: step.message for step in steps})
        self.told[run.run_id] = told

    async def keep(self, kept: Sequence[KeptEvents]) -> None:
        """Note runs and events; C{kept} counts the calls."""
        self.kept += 1
        if self.hold_events is not None:
            waiting: Deferred[None] = Deferred()
            self.hold_events.append(waiting)
            await waiting
        self._check()
        for part in kept:
            if part.run is not None:
                self.runs[part.run_id] = part.run
            held = [entry for entry in self.event_log.get(part.run_id, []) if entry.seq >= part.first_held]
            first = part.entries[0].seq if part.entries else 2**40
            self.event_log[part.run_id] = [entry for entry in held if entry.seq < first] + list(part.entries)

    async def events(self, run_id: str) -> Sequence[Entry]:
        """Those kept."""
        return self.event_log.get(run_id, [])

    async def get_run(self, run_id: str) -> StoredRun | None:
        """By id."""
        self.looked_up += 1
        return self.runs.get(run_id)

    async def repeated(self, idempotency: str) -> StoredRun | None:
        """By digest."""
        found = [run for run in self.runs.values() if run.idempotency == idempotency]
        return max(found, key=lambda run: run.queued_at_ms, default=None)

    def _check(self) -> None:
        if self.broken:
            raise GatewayError("storage_unavailable", "The session store is not available.")


class MemoryTools:
    """A fixed set of tools for every agent."""

    def __init__(self, *tools: Tool) -> None:
        self._tools = tools
        self.denied: set[str] = set()
        self.denied_to: dict[str, set[str]] = {}

    def allowed(self, agent: Agent, model_ref: str, *, subagent: bool = False) -> Sequence[Tool]:
        """All of them, but for those that C{denied} names, and C{denied_to} for the model."""
        denied = self.denied | self.denied_to.get(model_ref, set())
        return [tool for tool in self._tools if tool.spec.name not in denied]


class Lookup:
    """A tool that only looks: C{look} waits for its C{gates}, one for each C{what}."""

    spec = ToolSpec(name="look", description="Looks.", parameters={"type": "object"})
    concurrent = True

    def __init__(self) -> None:
        self.gates: dict[str, Deferred[str]] = {}
        self.cancelled: list[str] = []

    async def call(self, arguments: Mapping[str, Any], context: Any) -> ToolResult:
        """What the gate is fired with."""
        what = arguments["what"]
        gate: Deferred[str] = Deferred(lambda _: self.cancelled.append(what))
        self.gates[what] = gate
        return ToolResult(text=await gate)


class Adder:
    """A tool that adds two numbers; C{wait} makes it wait for L{release}."""

    spec = ToolSpec(name="add", description="Adds a and b.", parameters={"type": "object"})

    def __init__(self) -> None:
        self.calls: list[Mapping[str, Any]] = []
        self.waiting: list[Deferred[None]] = []
        self.cancelled = 0

    async def call(self, arguments: Mapping[str, Any], context: Any) -> ToolResult:
        """a + b; a missing number is a KeyError, as from any buggy tool."""
        self.calls.append(arguments)
        if arguments.get("wait"):
            gate: Deferred[None] = Deferred(lambda _: self._cancel())
            self.waiting.append(gate)
            await gate
        total = arguments["a"] + arguments["b"]
        return ToolResult(text=str(total), details={"total": total})

    def _cancel(self) -> None:
        self.cancelled += 1


def decode_arguments(tool: Tool, text: str) -> Mapping[str, Any]:
    """Any JSON object is fine."""
    decoded = json.loads(text)
    if not isinstance(decoded, dict):
        raise ValueError("arguments must be an object")
    return decoded


class Bench:
    """An engine on a Clock with everything around it.

    @ivar entries: all entries of all runs, as (run id, entry), in the order the engine told them.
    """

    def __init__(
        self,
        *tools: Tool,
        defaults: AgentDefaults | None = None,
        timeout_s: float = 600,
        model: ScriptedModel | None = None,
    ) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.model = model or ScriptedModel()
        self.tools = MemoryTools(*tools)
        self.sessions = MemorySessions()
        self.news = SystemEventQueue()
        self.config = Config(agents=AgentsSection(defaults=defaults or AgentDefaults()))
        rooms: Any = Rooms(
            agents=MemoryAgents(self.model.ref, timeout_s),
            models=OneModel(self.model),
            tools=self.tools,
            sessions=self.sessions,  # type: ignore[arg-type]
            decode_arguments=decode_arguments,
            events=self.news,
        )
        self.engine = Engine(rooms, lambda: self.config, self.clock)
        self.entries: list[tuple[str, Entry]] = []
        self.engine.subscribe(lambda run, batch: self.entries.extend((run.request.run_id, entry) for entry in batch))
        self._number = 0

    def request(self, text: str = "hello", **fields: Any) -> RunRequest:
        """A stateless request for agent main, unless C{fields} say otherwise."""
        self._number += 1
        values: dict[str, Any] = {
            "run_id": f"run-{self._number}",
            "agent_id": "main",
            "session_key": f"agent:main:openai:{self._number}",
            "messages": (user(text),),
            "stateless": True,
            **fields,
        }
        return RunRequest(**values)

    def start(self, text: str = "hello", principal: Principal = OWNER, **fields: Any) -> AgentRun:
        """Start a run of L{request}."""
        run = self.engine.start(self.request(text, **fields), principal)
        assert isinstance(run, AgentRun)
        return run

    def session(self, text: str = "hello", key: str = "agent:main:alice", **fields: Any) -> AgentRun:
        """Start a run in a session."""
        return self.start(text, session_key=key, stateless=False, **fields)

    def events(self, run_id: str) -> list[Any]:
        """What a run's journal told, without numbers."""
        return [entry.event for of, entry in self.entries if of == run_id]


class RunCase(SynchronousTestCase):
    """Base of tests of runs on a L{Bench}: nothing may be left of them.

    @ivar bench: set by C{setUp} of the test case.
    """

    bench: Bench

    def tearDown(self) -> None:
        """No run, no delayed call."""
        self.assertEqual(list(self.bench.engine.live()), [])
        self.assertEqual(self.bench.clock.getDelayedCalls(), [])

    def ended(self, run: Any) -> Any:
        """The result of a run, which must have ended."""
        return self.successResultOf(Deferred.fromCoroutine(run.result()))
