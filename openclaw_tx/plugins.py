# -*- test-case-name: tests.test_plugins -*-
"""Tools of installed packages (L{openclaw_tx.interfaces.IToolPlugin}). C{twistd openclaw} looks for them; an
application that embeds a gateway decides for itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from twisted.logger import Logger
from twisted.plugin import getPlugins

from openclaw_tx.interfaces import IToolPlugin, Tool
from openclaw_tx.values import ToolSpec

MAX_TOOLS = 200
"""Tools of one plugin."""

_log = Logger()


class InstalledTools:
    """Implements L{openclaw_tx.interfaces.ToolSource}: a set that stays as it is."""

    version = 0

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = tools

    def tools(self) -> Sequence[Tool]:
        """All of them."""
        return self._tools


def installed_tools(reactor: Any, plugins: Iterable[Any] | None = None) -> InstalledTools:
    """The tools of every plugin that is installed, for C{Gateway(tool_sources=[...])}.

    A plugin that fails is logged with its name, and does without.

    @param plugins: those to ask; None = those that L{twisted.plugin} finds.
    """
    found: list[Tool] = []
    for plugin in getPlugins(IToolPlugin) if plugins is None else plugins:
        name = str(getattr(plugin, "name", "") or type(plugin).__qualname__)
        try:
            offered = list(islice(plugin.tools(reactor), MAX_TOOLS))
        except Exception:
            _log.failure("the tool plugin {name} failed", name=name)
            continue
        for tool in offered:
            if isinstance(getattr(tool, "spec", None), ToolSpec) and callable(getattr(tool, "call", None)):
                found.append(tool)
            else:
                _log.error("the tool plugin {name} gave {tool}, which is no tool", name=name, tool=repr(tool)[:200])
    return InstalledTools(found)


__all__ = ["MAX_TOOLS", "InstalledTools", "installed_tools"]
