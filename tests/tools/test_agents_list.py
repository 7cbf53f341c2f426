# -*- test-case-name: tests.tools.test_agents_list -*-
"""The list of agents."""

from __future__ import annotations

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.sight import AgentsInSight
from openclaw_tx.config.schema import Config
from openclaw_tx.tools.builtin.agents_list import AgentsList
from tests.tools.doubles import Context, result_of


class AgentsListTests(SynchronousTestCase):
    """What the model learns of the other agents."""

    def test_true_list(self) -> None:
        """The agents in sight, in order, and who is answering."""
        config = msgspec.convert({"agents": {"list": [{"id": "main"}, {"id": "b", "name": "Bea"}]}}, Config)
        self.assertEqual(
            result_of(self, AgentsList(lambda: config).call({}, Context(config=config))).details,
            {
                "requester": "main",
                "agents": [
                    {"id": "main", "name": "main", "default": True, "spawn": True},
                    {"id": "b", "name": "Bea", "default": False, "spawn": False},
                ],
            },
        )
        self.assertEqual(len(result_of(self, AgentsList(Config).call({}, Context())).details["agents"]), 1)

    def test_default_in_sight(self) -> None:
        """To a key that may not use the configured default its first agent is the default; others are not named."""
        config = msgspec.convert({"agents": {"list": [{"id": "main"}, {"id": "b"}, {"id": "c"}]}}, Config)
        context = Context(config=config)
        context.agents = AgentsInSight(context.agents, ["c"])
        self.assertEqual(
            result_of(self, AgentsList(Config).call({}, context)).details["agents"],
            [{"id": "c", "name": "c", "default": True, "spawn": False}],
        )
