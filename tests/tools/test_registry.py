# -*- test-case-name: tests.tools.test_registry -*-
"""The tool box: fixed tools, the policy of the moment."""

from __future__ import annotations

from typing import Any

import msgspec

from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.interfaces import Tools
from openclaw_tx.tools.registry import MAX_KEPT, ToolBox
from openclaw_tx.values import Agent
from tests.tools.doubles import AGENT, PlainTool


def config(**fields: Any) -> Config:
    """A configuration as the file would give it."""
    return msgspec.convert(fields, Config)


class ForModel(PlainTool):
    """A tool for one model only."""

    def __init__(self, name: str, model_ref: str) -> None:
        super().__init__(name)
        self.model_ref = model_ref

    def offered(self, agent: Agent, model_ref: str) -> bool:
        """See L{openclaw_tx.interfaces.ConditionalTool.offered}."""
        return agent == AGENT and model_ref == self.model_ref


class Shelf:
    """Tools that a test puts there and takes away; implements L{openclaw_tx.interfaces.ToolSource}."""

    def __init__(self, *names: str) -> None:
        self.version = 0
        self.looked = 0
        self._tools = [PlainTool(name) for name in names]

    def put(self, *names: str) -> None:
        """Others."""
        self._tools = [PlainTool(name) for name in names]
        self.version += 1

    def tools(self) -> list[PlainTool]:
        """Those of the moment."""
        self.looked += 1
        return self._tools


class ToolBoxTests(SynchronousTestCase):
    """Asking for the tools of an agent."""

    def setUp(self) -> None:
        """Three tools."""
        self.current = Config()
        self.tools = [PlainTool("read"), PlainTool("session_status"), PlainTool("mine")]
        self.box: Tools = ToolBox(lambda: self.current, self.tools)

    def names(self, model_ref: str = "p/m") -> list[str]:
        """What agent main may use now."""
        return [tool.spec.name for tool in self.box.allowed(AGENT, model_ref)]

    def test_all(self) -> None:
        """Without a policy all are allowed, the same answer each time."""
        self.assertEqual(self.box.allowed(AGENT, "p/m"), tuple(self.tools))
        self.assertIs(self.box.allowed(AGENT, "p/m"), self.box.allowed(AGENT, "p/m"))

    def test_reload(self) -> None:
        """A new configuration counts from the next call on."""
        self.names()
        self.current = config(tools={"deny": ["read"]})
        self.assertEqual(self.names(), ["session_status", "mine"])

    def test_agent_policy(self) -> None:
        """The agent's own entry narrows, another agent's does not."""
        self.current = config(
            agents={"list": [{"id": "main", "tools": {"allow": ["mine"]}}, {"id": "b", "tools": {"deny": ["*"]}}]}
        )
        self.assertEqual(self.names(), ["mine"])

    def test_model_matters(self) -> None:
        """byProvider sees the model of the call."""
        self.current = config(tools={"byProvider": {"p": {"profile": "minimal"}}})
        self.assertEqual(self.names(), ["session_status"])
        self.assertEqual(self.names("q/m"), ["read", "session_status", "mine"])

    def test_conditions(self) -> None:
        """A tool with a condition is there only where that holds, asked anew after a change of the configuration."""
        tool = ForModel("picky", "p/m")
        self.box = ToolBox(lambda: self.current, [*self.tools, tool])
        self.assertEqual(self.names(), ["read", "session_status", "mine", "picky"])
        self.assertEqual(self.names("q/m"), ["read", "session_status", "mine"])
        tool.model_ref = "q/m"
        self.current = config()
        self.assertNotIn("picky", self.names())
        self.current = config(tools={"deny": ["picky"]})
        self.assertNotIn("picky", self.names("q/m"))

    def test_many_models(self) -> None:
        """Answers kept are bounded, and those thrown away are worked out again."""
        first = self.box.allowed(AGENT, "p/first")
        for number in range(MAX_KEPT):
            self.box.allowed(AGENT, f"p/{number}")
        again = self.box.allowed(AGENT, "p/first")
        self.assertEqual(again, first)
        self.assertIsNot(again, first)

    def test_same_name_twice(self) -> None:
        """Two tools of one name are a mistake of the embedder's, told at once."""
        self.assertRaises(ValueError, ToolBox, Config, [PlainTool("x"), PlainTool("X")])


class SourcesTests(SynchronousTestCase):
    """Tools that come and go."""

    def setUp(self) -> None:
        """An own tool, and two sources."""
        self.current = Config()
        self.first, self.second = Shelf("a__x"), Shelf("b__y")
        self.box: Tools = ToolBox(lambda: self.current, [PlainTool("read")], [self.first, self.second])
        self.observer = EventLoggingObserver()
        globalLogPublisher.addObserver(self.observer)
        self.addCleanup(globalLogPublisher.removeObserver, self.observer)

    def names(self) -> list[str]:
        """What agent main may use now."""
        return [tool.spec.name for tool in self.box.allowed(AGENT, "p/m")]

    def warnings(self) -> list[str]:
        """What was logged of tools left out."""
        return [formatEvent(event) for event in self.observer if "not offered" in str(event.get("log_format"))]

    def test_come_and_go(self) -> None:
        """A change is seen by the next look, and nothing is worked out again without one."""
        self.assertEqual(self.names(), ["read", "a__x", "b__y"])
        self.assertIs(self.box.allowed(AGENT, "p/m"), self.box.allowed(AGENT, "p/m"))
        self.assertEqual(self.first.looked, 1)
        self.first.put("a__x", "a__z")
        self.assertEqual(self.names(), ["read", "a__x", "a__z", "b__y"])
        self.second.put()
        self.assertEqual(self.names(), ["read", "a__x", "a__z"])

    def test_policy(self) -> None:
        """They are plugin tools to policies."""
        self.current = config(tools={"deny": ["group:plugins"]})
        self.assertEqual(self.names(), ["read"])
        self.current = config(tools={"allow": ["a__*"]})
        self.assertEqual(self.names(), ["a__x"])

    def test_clash(self) -> None:
        """The gateway's own tool wins, then the first source; the log tells once."""
        self.first.put("READ", "b__y")
        for _ in range(2):
            self.first.version += 1
            found = self.box.allowed(AGENT, "p/m")
            self.assertEqual([tool.spec.name for tool in found], ["read", "b__y"])
        self.assertEqual(
            self.warnings(),
            [f"the tool {name} is not offered: another tool has that name" for name in ("READ", "b__y")],
        )

    def test_names(self) -> None:
        """A name that no model could call is left out."""
        self.first.put("a b", "", "x" * 65, "ok")
        self.assertEqual(self.names(), ["read", "ok", "b__y"])
        self.assertEqual(len(self.warnings()), 3)
