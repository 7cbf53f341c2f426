# -*- test-case-name: tests.tools.test_exec_policy -*-
"""The strictest of all that say something."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_tools import AgentTools
from openclaw_tx.tools.exec_policy import ASK, SECURITY, FileRules, Posture, posture, tools_of


def config(**exec: Any) -> Config:
    """A configuration of C{tools.exec}."""
    return msgspec.convert({"tools": {"exec": exec}}, Config)


class PostureTests(SynchronousTestCase):
    """Configuration, file, session, call."""

    def test_defaults(self) -> None:
        """D27: allowlist, on-miss, deny."""
        self.assertEqual(posture(Config().tools, AgentTools(), None), Posture("allowlist", "on-miss", "deny"))

    def test_agent_replaces(self) -> None:
        """An agent's own modes stand in the place of the shared ones, in both directions."""
        tools = config(security="allowlist", ask="always").tools
        own = msgspec.convert({"exec": {"security": "full", "ask": "off"}}, AgentTools)
        self.assertEqual(posture(tools, own, None)[:2], ("full", "off"))
        self.assertEqual(posture(tools, AgentTools(), None)[:2], ("allowlist", "always"))

    def test_strictest(self) -> None:
        """Nothing widens what another has said."""
        for first, second, third in itertools.product(SECURITY, repeat=3):
            found = posture(config(security=first).tools, AgentTools(), FileRules(second, "off", "deny"), [third, ""])
            self.assertEqual(found.security, min((first, second, third), key=SECURITY.index))
        for one, two, three in itertools.product(ASK, repeat=3):
            asked = posture(config(ask=one).tools, AgentTools(), FileRules("full", two, "deny"), (), ["", three])
            self.assertEqual(asked.ask, min((one, two, three), key=ASK.index))
        self.assertEqual((SECURITY[0], ASK[0]), ("deny", "always"))

    def test_unknown_words(self) -> None:
        """What is no mode says nothing."""
        self.assertEqual(
            posture(Config().tools, AgentTools(), None, ["sandbox"], ["perhaps"])[:2], ("allowlist", "on-miss")
        )

    def test_fallback(self) -> None:
        """Only the file can say anything but deny."""
        self.assertEqual(posture(Config().tools, AgentTools(), FileRules("full", "off", "full")).fallback, "full")

    def test_tools_of(self) -> None:
        """Those of the agent, or of nobody in particular."""
        found = msgspec.convert(
            {"agents": {"list": [{"id": "main", "tools": {"exec": {"security": "deny"}}}]}}, Config
        ).agents.entries
        self.assertEqual(tools_of(found, "main").exec.security, "deny")
        self.assertIsNone(tools_of(found, "beta").exec.security)
