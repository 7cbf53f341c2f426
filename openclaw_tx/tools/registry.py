# -*- test-case-name: tests.tools.test_registry -*-
"""The tools there are, and those of them that an agent may use at this moment."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from twisted.logger import Logger

from openclaw_tx.config.schema import Config
from openclaw_tx.interfaces import ConditionalTool, Tool, ToolSource
from openclaw_tx.tools import policy
from openclaw_tx.values import Agent

MAX_KEPT = 256
"""Answers kept for pairs of agent and model; the one unused for longest goes."""

MAX_TOLD = 1000
"""Tools that were left out and are remembered, so that the log tells of each once."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What model providers take as the name of a function."""


class ToolBox:
    """Implements L{openclaw_tx.interfaces.Tools}: the policy chain over the gateway's own tools, and over those of
    sources that come and go. Some are offered only under conditions of their own."""

    _log = Logger()

    def __init__(
        self, settings: Callable[[], Config], tools: Iterable[Tool], sources: Sequence[ToolSource] = ()
    ) -> None:
        """
        @param settings: gives the configuration of the moment.
        @param tools: the gateway's own; their order is kept.
        @param sources: have more of them, which stand behind the own ones and never in their place.
        @raise ValueError: two of C{tools} have one name (case does not tell them apart).
        """
        self._settings = settings
        self._sources = sources
        self._fixed: dict[str, Tool] = {}
        folded: set[str] = set()
        for tool in tools:
            name = tool.spec.name
            if name.lower() in folded:
                raise ValueError(f"two tools are called {name}")
            folded.add(name.lower())
            self._fixed[name] = tool
        self._tools = self._fixed
        self._told: set[str] = set()
        self._state: tuple[Config | None, list[int]] = (None, [])
        self._kept: OrderedDict[tuple[str, str, bool], tuple[Tool, ...]] = OrderedDict()

    def allowed(self, agent: Agent, model_ref: str, *, subagent: bool = False) -> Sequence[Tool]:
        """See L{openclaw_tx.interfaces.Tools.allowed}."""
        config = self._settings()
        known, versions = self._state
        now = [source.version for source in self._sources]
        if config is not known or now != versions:
            self._state = (config, now)
            self._tools = self._all()
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

    def everything(self) -> Sequence[Tool]:
        """All tools there are at the moment, whatever the policy."""
        return list(self._all().values())

    def _all(self) -> dict[str, Tool]:
        """The own tools, and what the sources have besides."""
        tools = dict(self._fixed)
        folded = {name.lower() for name in tools}
        for source in self._sources:
            for tool in source.tools():
                name = tool.spec.name
                if not _NAME.fullmatch(name):
                    self._leave_out(name, "its name is none that models can call")
                elif name.lower() in folded:
                    self._leave_out(name, "another tool has that name")
                else:
                    folded.add(name.lower())
                    tools[name] = tool
        return tools

    def _leave_out(self, name: str, why: str) -> None:
        if name not in self._told and len(self._told) < MAX_TOLD:
            self._told.add(name)
            self._log.warn("the tool {name} is not offered: {why}", name=name[:100], why=why)

    def _narrowed(self, config: Config, agent: Agent, model_ref: str, subagent: bool) -> tuple[Tool, ...]:
        own = next((entry.tools for entry in config.agents.entries if entry.id == agent.id), policy.NO_POLICY)
        names = policy.allowed(self._tools, config.tools, own, model_ref)
        if subagent:
            names = policy.for_subagent(names, config.tools.subagents.tools)
        return tuple(tool for tool in map(self._tools.__getitem__, names) if _offered(tool, agent, model_ref))


def _offered(tool: Tool, agent: Agent, model_ref: str) -> bool:
    return not isinstance(tool, ConditionalTool) or tool.offered(agent, model_ref)


__all__ = ["ToolBox"]
