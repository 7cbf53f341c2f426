# -*- test-case-name: tests.agents.test_report -*-
"""What a prompt is made of, as a run keeps it. Pure, but for remembering what the agent's own tools come to."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from openclaw_tx.agents.prompt import Prompt, PromptInput
from openclaw_tx.values import PromptReport, PromptTool, ToolSpec

MAX_TOOLS = 512
"""Tools remembered; the one unused for longest goes."""


class ToolSizes:
    """How large tools are. A schema is written out to learn that, so what stays is remembered."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, tuple[ToolSpec, PromptTool]] = OrderedDict()
        self._latest: tuple[tuple[ToolSpec, ...], tuple[PromptTool, ...]] = ((), ())

    def of(self, tools: Sequence[ToolSpec], passing: Sequence[ToolSpec]) -> tuple[PromptTool, ...]:
        """
        @param passing: those among C{tools} that are there for one run only, and not worth remembering.
        """
        if not passing and isinstance(tools, tuple):
            if tools is not self._latest[0]:
                self._latest = (tools, tuple(map(self._remembered, tools)))
            return self._latest[1]
        client = {id(tool) for tool in passing}
        return tuple(size(tool) if id(tool) in client else self._remembered(tool) for tool in tools)

    def _remembered(self, tool: ToolSpec) -> PromptTool:
        known = self._known.get(id(tool))
        if known is not None and known[0] is tool:
            self._known.move_to_end(id(tool))
            return known[1]
        found = size(tool)
        # Holding the tool keeps its id from becoming another one's.
        self._known[id(tool)] = (tool, found)
        if len(self._known) > MAX_TOOLS:
            self._known.popitem(last=False)
        return found


def size(tool: ToolSpec) -> PromptTool:
    """How large one tool is."""
    properties = tool.parameters.get("properties")
    return PromptTool(
        name=tool.name,
        summary_chars=len(tool.description),
        schema_chars=len(msgspec.json.encode(tool.parameters).decode()),
        properties=len(properties) if isinstance(properties, dict) else 0,
    )


def report(given: PromptInput, extra: str, prompt: Prompt, tools: tuple[PromptTool, ...]) -> PromptReport:
    """The report of C{prompt}.

    @param extra: the client's own instructions, as for L{openclaw_tx.agents.prompt.Prompts.get}.
    """
    return PromptReport(
        mode=prompt.mode,
        model=given.model,
        context_window=given.context_window,
        workspace=given.agent.workspace,
        file_limit=given.file_chars,
        total_limit=given.total_chars,
        chars=len(prompt.text),
        sections=prompt.sections,
        left_out=prompt.left_out,
        files=prompt.files,
        skills=prompt.skills,
        tools=tools,
        extra_chars=len(extra.strip()),
    )


__all__ = ["ToolSizes", "report", "size"]
