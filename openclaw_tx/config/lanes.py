# -*- test-case-name: tests.ws.rpc.test_lanes -*-
"""How many runs may be at work in which lane (spec 3.8)."""

from __future__ import annotations

from collections.abc import Mapping

from openclaw_tx.config.schema import Config

NESTED = 4
"""Runs that others wait for, which have places of their own: so many times those of the main lane."""


def capacities(config: Config) -> Mapping[str, int]:
    """The places of each lane; any other, as that of a session, has one."""
    defaults = config.agents.defaults
    return {
        "main": defaults.max_concurrent,
        "nested": NESTED * defaults.max_concurrent,
        "subagent": defaults.subagents.max_concurrent,
        "cron": config.cron.max_concurrent_runs,
    }


__all__ = ["NESTED", "capacities"]
