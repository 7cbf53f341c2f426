# -*- test-case-name: tests.tools.test_agents_list -*-
"""The list of agents."""

from __future__ import annotations

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.agents.registry import ConfiguredAgents
from openclaw_tx.config.schema import Config
from openclaw_tx.tools.builtin.agents_list import AgentsList
from tests.tools.doubles import Context, result_of


class AgentsListTests(SynchronousTestCase):
    """What the model learns of the other agents."""

    def test_true_list(self) -> None:
        """The configured agents of the moment, in order, and who is asking."""
        current = [msgspec.convert({"agents": {"list": [{"id": "main"}, {"id": "b", "name": "Bea"}]}}, Config)]
        tool = AgentsList(ConfiguredAgents(lambda: current[0], "/s", {}, lambda: ""))
        self.assertEqual(
            result_of(self, tool.call({}, Context())).details,
            {
                "requester": "main",
                "agents": [
                    {"id": "main", "name": "main", "default": True},
                    {"id": "b", "name": "Bea", "default": False},
                ],
            },
        )
        current[0] = Config()
        self.assertEqual(len(result_of(self, tool.call({}, Context())).details["agents"]), 1)
