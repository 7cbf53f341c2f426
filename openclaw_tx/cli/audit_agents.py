# -*- test-case-name: tests.cli.test_audit -*-
"""What agents can be talked into (checks C{tools.*} and C{models.*})."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from openclaw_tx.cli.audit_findings import Finding, Severity

if TYPE_CHECKING:
    from openclaw_tx.config.load import Loaded

SMALL_BILLIONS = 300.0
"""Up to here a model is small: more easily talked into things."""
RISKY_TOOLS = frozenset({"exec", "web_fetch", "web_search"})

_SIZE = re.compile(r"(?<![a-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?![a-z0-9])")


def agent_findings(loaded: Loaded) -> Iterator[Finding]:
    """Everything about agents."""
    yield from _commands(loaded)
    yield from _files(loaded)
    yield from _models(loaded)


def _commands(loaded: Loaded) -> Iterator[Finding]:
    config = loaded.config
    full = [("tools.exec", config.tools.exec.security, config.tools.exec.ask)]
    full += [
        (f"agents.list[{entry.id}].tools.exec", own.security, own.ask or config.tools.exec.ask)
        for entry in config.agents.entries
        if (own := entry.tools.exec).security is not None
    ]
    for path, security, ask in full:
        if security == "full":
            severity: Severity = "critical" if ask == "off" else "warn"
            detail = f"{path}.security is full, and ask is {ask}: a model that is talked into it runs any command"
            advice = "set it to allowlist"
            title = "Agents may run every command"
            yield Finding("tools.exec.security_full_configured", severity, title, detail, advice)


def _files(loaded: Loaded) -> Iterator[Finding]:
    config = loaded.config
    places = [] if config.tools.fs.workspace_only else ["tools.fs"]
    open_ones = [entry.id for entry in config.agents.entries if entry.tools.fs.workspace_only is False]
    for path in [*places, *(f"agents.list[{agent_id}].tools.fs" for agent_id in open_ones)]:
        detail = f"{path}.workspaceOnly is false: a model that is talked into it reads this configuration, keys and all"
        advice = "set it to true"
        title = "Agents may read and write every file"
        yield Finding("tools.fs.workspace_only_disabled", "warn", title, detail, advice)


def billions(ref: str) -> float | None:
    """Parameters of a model as its name tells, in billions."""
    found = _SIZE.findall(ref.lower())
    sizes = [int(times or 1) * float(number) / (1 if unit == "b" else 1000) for times, number, unit in found]
    return max(sizes, default=None)


def _models(loaded: Loaded) -> Iterator[Finding]:
    from openclaw_tx.cli.models_status import agents_of

    for agent in agents_of(loaded):
        small = [ref for ref in agent.models if (size := billions(ref)) is not None and size <= SMALL_BILLIONS]
        if not small:
            continue
        risky = sorted(RISKY_TOOLS.intersection(tool_names(loaded, agent.id, small[0])))
        severity: Severity = "warn" if risky else "info"
        may = f", and may use {', '.join(risky)}" if risky else ""
        detail = f"agent {agent.id} is answered for by {', '.join(small)}{may}"
        advice = "narrow its tools (agents.list[].tools), or take a larger model" if risky else ""
        yield Finding("models.small_params", severity, "A small model is easily talked into things", detail, advice)


def tool_names(loaded: Loaded, agent_id: str, ref: str) -> list[str]:
    """The tools that an agent is offered with a model."""
    from twisted.internet import reactor

    from openclaw_tx.errors import ConfigError, GatewayError
    from openclaw_tx.gateway import Gateway

    try:
        return [spec.name for spec in Gateway(reactor, loaded).tools(agent_id, model=ref)]
    except (ConfigError, GatewayError):
        return []  # no such model: nothing answers


__all__ = ["agent_findings", "billions"]
