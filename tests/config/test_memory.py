# -*- test-case-name: tests.config.test_memory -*-
"""The memory settings of one agent."""

from __future__ import annotations

from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.memory import memory_search, with_vectors
from openclaw_tx.config.schema_agents import AgentsSection, MemorySearch


def agents(defaults: dict[str, Any], **own: dict[str, Any]) -> AgentsSection:
    """The section of the configuration."""
    entries = [{"id": name, "memorySearch": settings} for name, settings in own.items()]
    return msgspec.convert({"defaults": {"memorySearch": defaults}, "list": entries}, AgentsSection)


class MemorySearchTests(SynchronousTestCase):
    """An agent's settings over the defaults'."""

    def test_provider(self) -> None:
        """The defaults' model is for their provider only."""
        section = agents({"provider": "p", "model": "m"}, a={}, b={"model": "own"}, c={"provider": "q"})
        for agent_id, provider, model in (
            ("", "p", "m"),
            ("a", "p", "m"),
            ("b", "p", "own"),
            ("c", "q", ""),
            ("unknown", "p", "m"),
        ):
            self.assertEqual(memory_search(section, agent_id), MemorySearch(provider=provider, model=model), agent_id)

    def test_each_setting(self) -> None:
        """What an agent says counts, false and nought too; what it does not say is as the defaults say."""
        section = agents(
            {"enabled": False, "vectors": True, "extraPaths": ["x"], "query": {"maxResults": 9, "minScore": 0.5}},
            a={"enabled": True, "vectors": False, "extraPaths": ["y", "x"], "query": {"minScore": 0}},
            b={"query": {"maxResults": 1}},
        )
        own, other = memory_search(section, "a"), memory_search(section, "b")
        self.assertEqual((own.enabled, own.vectors, own.extra_paths), (True, False, ["x", "y"]))
        self.assertEqual((own.query.max_results, own.query.min_score), (9, 0.0))
        self.assertEqual((other.enabled, other.vectors, other.extra_paths), (False, True, ["x"]))
        self.assertEqual((other.query.max_results, other.query.min_score), (1, 0.5))

    def test_vectors(self) -> None:
        """On when something that embeds is named, unless it is said."""
        for settings, expected in (
            ({}, False),
            ({"provider": "auto"}, True),
            ({"model": "m"}, True),
            ({"model": "m", "vectors": False}, False),
            ({"vectors": True}, True),
        ):
            self.assertEqual(with_vectors(memory_search(agents(settings), "")), expected, settings)
