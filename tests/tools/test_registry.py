# -*- test-case-name: tests.tools.test_registry -*-
"""The tool box: fixed tools, the policy of the moment."""

from __future__ import annotations

from typing import Any

import msgspec

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
