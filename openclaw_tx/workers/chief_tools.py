# -*- test-case-name: tests.workers.test_chief_tools,tests.workers.test_ends -*-
"""Tools of a relay's runs: what they are is known here, what they do is done in the chief.

So what tools share (jobs, sessions, background commands, questions to people, MCP servers) is in one process, whichever
one the run is in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from openclaw_tx.interfaces import AliasedTool, ConcurrentTool, ConditionalTool, Tool, ToolContext
from openclaw_tx.values import ToolResult, ToolSpec
from openclaw_tx.workers.messages import Call, FromRelay, Offered, Recall, Reported, Returned

GONE = "The gateway's main process was restarted; whether the tool has done its work is not known."


class ChiefTools:
    """Calls tools in the chief. Implements L{openclaw_tx.interfaces.ToolSource} for those that come and go.

    @ivar version: grows with each change of the tools.
    """

    def __init__(self, say: Callable[[FromRelay], None], connected: Callable[[], bool]) -> None:
        """
        @param say: tells the chief.
        @param connected: whether it is there.
        """
        self.version = 0
        self._say = say
        self._connected = connected
        self._next = 0
        self._calls: dict[int, tuple[ToolContext, Deferred[Returned]]] = {}
        self._offered: tuple[Tool, ...] = ()

    def tools(self) -> Sequence[Tool]:
        """See L{openclaw_tx.interfaces.ToolSource.tools}."""
        return self._offered

    def of(self, tool: Tool) -> Tool:
        """A built-in tool, as it is called from here."""
        return ChiefTool(tool.spec, self.call, tool)

    def heard(self, message: Returned | Reported | Offered) -> None:
        """What the chief says of tools."""
        if isinstance(message, Offered):
            self._offered = tuple(ChiefTool(spec, self.call) for spec in message.specs)
            self.version += 1
            return
        context, waiting = self._calls.get(message.number, (None, None))
        if context is None or waiting is None:
            return
        if isinstance(message, Reported):
            context.report(message.event)
        elif not waiting.called:
            waiting.callback(message)

    def lost(self) -> None:
        """The chief is gone, and with it what it was doing."""
        for number, (_, waiting) in list(self._calls.items()):
            if not waiting.called:
                waiting.callback(Returned(number=number, result=ToolResult(text=GONE, is_error=True)))

    async def call(self, name: str, arguments: Mapping[str, Any], context: ToolContext) -> ToolResult:
        """See L{Tool.call}."""
        if not self._connected():
            return ToolResult(text="The gateway's main process is being restarted; try again.", is_error=True)
        self._next += 1
        number = self._next
        waiting: Deferred[Returned] = Deferred(lambda _: self._say(Recall(number=number)))
        self._calls[number] = context, waiting
        try:
            self._say(
                Call(
                    number=number,
                    name=name,
                    arguments=dict(arguments),
                    agent_id=context.agent.id,
                    session_key=context.session_key,
                    run_id=context.run_id,
                    model=context.model,
                    usage=context.usage,
                    principal=context.principal,
                    call_id=context.call_id,
                    channel=context.channel,
                )
            )
            returned = await waiting
        finally:
            del self._calls[number]
        if returned.result is None:
            raise ToolFailed(returned.failure)
        return returned.result


class ToolFailed(Exception):
    """What a tool's exception said."""


class ChiefTool:
    """One tool (L{openclaw_tx.interfaces.Tool})."""

    def __init__(
        self,
        spec: ToolSpec,
        call: Callable[[str, Mapping[str, Any], ToolContext], Any],
        tool: Tool | None = None,
    ) -> None:
        """
        @param tool: what else is known of it; it is not called.
        """
        self.spec = spec
        self._call = call
        known: object = tool
        # Set only where it has them: their being there is what tells.
        if isinstance(known, ConcurrentTool):
            self.concurrent = known.concurrent
        if isinstance(known, ConditionalTool):
            self.offered = known.offered
        if isinstance(known, AliasedTool):
            self.aliases = known.aliases

    async def call(self, arguments: Mapping[str, Any], context: ToolContext) -> ToolResult:
        """See L{openclaw_tx.interfaces.Tool.call}."""
        result: ToolResult = await self._call(self.spec.name, arguments, context)
        return result


__all__ = ["ChiefTool", "ChiefTools", "ToolFailed"]
