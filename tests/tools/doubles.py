"""What the tests of tools share: a run to be called from, and sessions in a dict."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.agents.registry import ConfiguredAgents
from openclaw_tx.config.schema import Config
from openclaw_tx.interfaces import Agents
from openclaw_tx.values import Agent, Principal, SessionEntry, ToolEvent, ToolResult, ToolSpec, Usage

AGENT = Agent(id="main", name="Ada", workspace="/w", models=("p/m",), is_default=True, timeout_s=0)


class Context:
    """A run of agent main; implements L{openclaw_tx.interfaces.ToolContext}."""

    def __init__(self, clock: Clock | None = None, config: Config | None = None) -> None:
        """
        @param config: the agents; the default one without.
        """
        found = config or Config()
        self.agent: Agent = AGENT
        self.agents: Agents = ConfiguredAgents(lambda: found, "/s", {}, lambda: "")
        self.unseen: set[str] = set()
        self.session_key = "agent:main:main"
        self.run_id = "r1"
        self.model = "p/m"
        self.usage = Usage(prompt_tokens=12, completion_tokens=3)
        self.clock = clock or Clock()
        self.principal = Principal(id="key:ada", method="key", scopes=frozenset())
        self.call_id = "call-1"
        self.channel = "webchat"
        self.stateless = False
        self.spawned_by = ""
        self.reported: list[ToolEvent] = []

    def report(self, event: ToolEvent) -> None:
        """Keep it."""
        self.reported.append(event)

    def sees_session(self, session_key: str) -> bool:
        """All but L{unseen}."""
        return session_key not in self.unseen


class FoundSessions:
    """The part of L{openclaw_tx.interfaces.Sessions} that tools use."""

    def __init__(self, *entries: SessionEntry) -> None:
        self.entries = {entry.key: entry for entry in entries}

    async def get(self, key: str) -> SessionEntry | None:
        """The entry put in."""
        return self.entries.get(key)


class PlainTool:
    """A tool that is only its spec, and gives its arguments back."""

    def __init__(self, name: str, parameters: dict[str, Any] | None = None) -> None:
        self.spec = ToolSpec(name=name, description="", parameters=parameters or {"type": "object"})

    async def call(self, arguments: Mapping[str, Any], context: Any) -> ToolResult:
        """Echo."""
        return ToolResult(text="", details=dict(arguments))


def result_of(case: SynchronousTestCase, coroutine: Coroutine[Deferred[Any], Any, ToolResult]) -> ToolResult:
    """What a tool's call gives, which here needs no waiting."""
    return case.successResultOf(Deferred.fromCoroutine(coroutine))
