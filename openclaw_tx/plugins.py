# -*- test-case-name: tests.test_plugins -*-
"""Tools and channels of installed packages (L{openclaw_tx.interfaces.IToolPlugin},
L{openclaw_tx.interfaces.IChannelPlugin}). C{twistd openclaw} looks for them; an application that embeds a gateway
decides for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from twisted.logger import Logger
from twisted.plugin import getPlugins

from openclaw_tx.channels.webchat import WEBCHAT
from openclaw_tx.channels.webhook import WEBHOOK
from openclaw_tx.interfaces import IChannel, IChannelPlugin, IToolPlugin, Tool
from openclaw_tx.values import ToolSpec

MAX_TOOLS = 200
"""Tools of one plugin."""
MAX_CHANNELS = 20
"""Channels of one plugin."""

CHANNEL_NAME = re.compile("[a-z0-9][a-z0-9_-]{0,63}")
BUILT_IN = frozenset({WEBCHAT, WEBHOOK})

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


def installed_channels(reactor: Any, plugins: Iterable[Any] | None = None) -> list[IChannel]:
    """The channels of every plugin that is installed, for C{Gateway(channels=...)}; of a name only the first.

    A plugin that fails is logged with its name, and does without.

    @param plugins: as for L{installed_tools}.
    """
    found: dict[str, IChannel] = {}
    for plugin in getPlugins(IChannelPlugin) if plugins is None else plugins:
        name = str(getattr(plugin, "name", "") or type(plugin).__qualname__)
        try:
            offered = list(islice(plugin.channels(reactor), MAX_CHANNELS))
        except Exception:
            _log.failure("the channel plugin {name} failed", name=name)
            continue
        for channel in offered:
            whole = all(callable(getattr(channel, part, None)) for part in ("start", "stop", "send", "status"))
            word = getattr(channel, "name", None)
            if not whole or not isinstance(word, str) or not CHANNEL_NAME.fullmatch(word) or word in BUILT_IN:
                _log.error(
                    "the channel plugin {name} gave {it}, which is no channel", name=name, it=repr(channel)[:200]
                )
            elif word in found:
                _log.error("the channel plugin {name} gave another channel {word}", name=name, word=word)
            else:
                found[word] = channel
    return list(found.values())


__all__ = ["MAX_CHANNELS", "MAX_TOOLS", "InstalledTools", "installed_channels", "installed_tools"]
