# -*- test-case-name: tests.test_plugins -*-
"""Tools of installed packages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from openclaw_tx.interfaces import IChannelPlugin, IToolPlugin
from openclaw_tx.plugins import MAX_TOOLS, installed_channels, installed_tools
from openclaw_tx.testing import MemoryGateway
from tests.channels.test_methods import Pigeons
from tests.tools.doubles import PlainTool

PAGE = Path(__file__).parent.parent / "docs" / "tools.md"


@implementer(IPlugin, IToolPlugin)
class Plugin:
    """Gives what it is told to."""

    def __init__(self, name: str, *tools: Any) -> None:
        self.name = name
        self._tools = tools

    def tools(self, reactor: Any) -> Iterable[Any]:
        """Those."""
        for tool in self._tools:
            if isinstance(tool, Exception):
                raise tool
            yield tool


class InstalledTests(SynchronousTestCase):
    """L{installed_tools}."""

    def names(self, *plugins: Any) -> list[str]:
        """The tools of these plugins."""
        return [tool.spec.name for tool in installed_tools(Clock(), plugins).tools()]

    def test_all(self) -> None:
        """The tools of every plugin, in order."""
        plugin = Plugin("p", PlainTool("a"), PlainTool("b"))
        verifyObject(IToolPlugin, plugin)
        self.assertEqual(self.names(plugin, Plugin("q", PlainTool("c"))), ["a", "b", "c"])

    def test_broken(self) -> None:
        """One that fails does without its tools, and the log names it; the others are there."""
        broken = Plugin("the-broken-one", PlainTool("a"), ValueError("oh"))
        self.assertEqual(self.names(broken, Plugin("q", PlainTool("c"))), ["c"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(self.names(object(), Plugin("q", PlainTool("c"))), ["c"])
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)

    def test_no_tools(self) -> None:
        """What is no tool is left out; so is what never ends."""
        self.assertEqual(self.names(Plugin("p", object(), PlainTool("a"), None)), ["a"])
        endless = Plugin("p", *(PlainTool(f"t{number}") for number in range(MAX_TOOLS + 1)))
        self.assertEqual(len(self.names(endless)), MAX_TOOLS)

    def test_nothing_installed(self) -> None:
        """Here no package has any."""
        self.assertEqual(installed_tools(Clock()).tools(), [])


class DocumentedTests(SynchronousTestCase):
    """The plugin shown in docs/tools.md, in a whole gateway."""

    def test_page(self) -> None:
        """It is a plugin, its tool works in a run, and by group:plugins it is denied."""
        (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
        namespace: dict[str, Any] = {}
        exec(block, namespace)
        plugin = namespace["plugin"]
        verifyObject(IToolPlugin, plugin)
        for denied in (False, True):
            config = {"tools": {"deny": ["group:plugins"] if denied else []}}
            clock = Clock()
            memory = MemoryGateway(config, tool_sources=[installed_tools(clock, [plugin])])
            self.addCleanup(memory.close)
            memory.model.call_tool("acme_dice", {"delay": 2})
            memory.model.say("Four.")
            answer = memory.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "throw"}]})
            clock.advance(3)
            memory.flush()
            self.assertEqual(answer.json()["choices"][0]["message"]["content"], "Four.")
            told = memory.model.requests[-1].messages[-1].text
            self.assertEqual(told, "Tool acme_dice not found" if denied else "4")


@implementer(IPlugin, IChannelPlugin)
class ChannelPlugin:
    """Gives what it is told to."""

    def __init__(self, name: str, *channels: Any) -> None:
        self.name = name
        self._channels = channels

    def channels(self, reactor: Any) -> Iterable[Any]:
        """Those."""
        for channel in self._channels:
            if isinstance(channel, Exception):
                raise channel
            yield channel


class ChannelsTests(SynchronousTestCase):
    """L{installed_channels}."""

    def named(self, name: str) -> Any:
        """A channel of that name."""
        channel: Any = Pigeons()
        channel.name = name
        return channel

    def test_found(self) -> None:
        """Those of every plugin, one of each name; one that fails does without, what is none is left out."""
        plugin = ChannelPlugin("p", self.named("a"), object(), self.named("b"), self.named("a"))
        verifyObject(IChannelPlugin, plugin)
        strange = ChannelPlugin("r", self.named("webhook"), self.named("webchat"), self.named("A b"))
        broken = ChannelPlugin("q", self.named("c"), ValueError("oh"))
        found = installed_channels(Clock(), [plugin, broken, strange, ChannelPlugin("s", self.named("d"))])
        self.assertEqual([channel.name for channel in found], ["a", "b", "d"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(installed_channels(Clock()), [])
