# -*- test-case-name: tests.tools.test_registry -*-
"""The tools there are, and those of them that an agent may use at this moment."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from openclaw_tx.config.schema import Config
from openclaw_tx.interfaces import ConditionalTool, Tool
from openclaw_tx.tools import policy
from openclaw_tx.values import Agent

MAX_KEPT = 256
"""Answers kept for pairs of agent and model; the one unused for longest goes."""


class ToolBox:
    """Implements L{openclaw_tx.interfaces.Tools}: the policy chain over a fixed set of tools, of which some are
    offered only under conditions of their own."""

    def __init__(self, settings: Callable[[], Config], tools: Iterable[Tool]) -> None:
        """
        @param settings: gives the configuration of the moment.
        @param tools: every tool of this gateway; their order is kept.
        @raise ValueError: two tools have one name (case does not tell them apart).
        """
        self._settings = settings
        self._tools: dict[str, Tool] = {}
        folded: set[str] = set()
        for tool in tools:
            name = tool.spec.name
            if name.lower() in folded:
                raise ValueError(f"two tools are called {name}")
            folded.add(name.lower())
            self._tools[name] = tool
        self._config: Config | None = None
        self._kept: OrderedDict[tuple[str, str, bool], tuple[Tool, ...]] = OrderedDict()

    def allowed(self, agent: Agent, model_ref: str, *, subagent: bool = False) -> Sequence[Tool]:
        """See L{openclaw_tx.interfaces.Tools.allowed}."""
        config = self._settings()
        if config is not self._config:
            self._config = config
            self._kept.clear()
        key = (agent.id, model_ref, subagent)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = self._narrowed(config, agent, model_ref, subagent)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return found

    def _narrowed(self, config: Config, agent: Agent, model_ref: str, subagent: bool) -> tuple[Tool, ...]:
        own = next((entry.tools for entry in config.agents.entries if entry.id == agent.id), policy.NO_POLICY)
        names = policy.allowed(self._tools, config.tools, own, model_ref)
        if subagent:
            names = policy.for_subagent(names, config.tools.subagents.tools)
        return tuple(tool for tool in map(self._tools.__getitem__, names) if _offered(tool, agent, model_ref))


def _offered(tool: Tool, agent: Agent, model_ref: str) -> bool:
    return not isinstance(tool, ConditionalTool) or tool.offered(agent, model_ref)


__all__ = ["ToolBox"]
