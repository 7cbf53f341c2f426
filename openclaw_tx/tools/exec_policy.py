# -*- test-case-name: tests.tools.test_exec_policy -*-
"""What may be run without asking, and who is asked: the strictest of all that say something (spec 7.3). Pure.

The configuration (C{tools.exec}, then C{agents.list[].tools.exec} in its place), the session's settings, the approvals
file, and the arguments of the call each name a mode; the strictest counts, so none of them can widen another.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar, get_args

from openclaw_tx.config.schema_agents import AgentEntry
from openclaw_tx.config.schema_tools import AgentTools, Ask, Security, ToolsSection
from openclaw_tx.tools.allowlist import Pattern

SECURITY: tuple[Security, ...] = get_args(Security)
"""Strictest first."""

ASK: tuple[Ask, ...] = tuple(reversed(get_args(Ask)))
"""Strictest first."""

T = TypeVar("T", bound=str)


class FileRules(NamedTuple):
    """What the approvals file says for one agent."""

    security: Security
    ask: Ask
    fallback: Security
    """What happens when nobody answers."""
    patterns: tuple[Pattern, ...] = ()


class Posture(NamedTuple):
    """How commands are treated."""

    security: Security
    ask: Ask
    fallback: Security = "deny"


def posture(
    tools: ToolsSection,
    own: AgentTools,
    file: FileRules | None,
    security: Iterable[str] = (),
    ask: Iterable[str] = (),
) -> Posture:
    """
    @param own: C{tools} of the agent.
    @param file: None = there is no file, and the configuration alone counts.
    @param security: further modes, of the session and the call; "" and unknown ones say nothing.
    @param ask: likewise.
    """
    securities = [own.exec.security or tools.exec.security, *_known(SECURITY, security)]
    asks = [own.exec.ask or tools.exec.ask, *_known(ASK, ask)]
    if file is None:
        return Posture(_strictest(SECURITY, securities), _strictest(ASK, asks))
    return Posture(
        _strictest(SECURITY, [*securities, file.security]), _strictest(ASK, [*asks, file.ask]), file.fallback
    )


def tools_of(agents: Iterable[AgentEntry], agent_id: str) -> AgentTools:
    """C{tools} of an agent; of one that is not listed, those of none."""
    return next((entry.tools for entry in agents if entry.id == agent_id), AgentTools())


def mode(modes: tuple[T, ...], value: Any, fallback: T) -> T:
    """C{value} if it is one of C{modes}, else C{fallback}."""
    return next((known for known in modes if known == value), fallback)


def _known(modes: tuple[T, ...], values: Iterable[str]) -> list[T]:
    return [known for value in values for known in modes if known == value]


def _strictest(modes: tuple[T, ...], values: Iterable[T]) -> T:
    return min(values, key=modes.index)


__all__ = ["ASK", "SECURITY", "FileRules", "Posture", "mode", "posture", "tools_of"]
