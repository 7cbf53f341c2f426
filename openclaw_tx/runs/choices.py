# -*- test-case-name: tests.runs.test_choices -*-
"""Which model answers a run, and how hard it thinks (spec 3.2.5, 3.4): what the request, the session, the agent and the
configuration say, in this order. Pure, but for the look-up of models."""

from __future__ import annotations

import re
from collections.abc import Sequence

from twisted.logger import Logger

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_agents import AgentDefaults
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Models
from openclaw_tx.values import Agent, ModelInfo, RunRequest, SessionSettings, Value

LEVELS = ("off", "minimal", "low", "medium", "high", "xhigh")
"""Thinking levels, the lowest first."""

_SUPPORTED = re.compile(
    r"supported (?:values|efforts|levels|options)[^:]*:(.*)|(?:one of|expected)\b(.*)", re.IGNORECASE
)
_WORD = re.compile(r"[a-z]+")


class Choice(Value, frozen=True):
    """Who is asked."""

    refs: tuple[str, ...]
    """Model refs: the one chosen, then those to try when it fails."""
    info: ModelInfo
    """Of the first one."""
    thinking: str
    """A level of L{LEVELS}, or an effort as the client named it."""
    window: int
    """Tokens that may be used of the model's window."""


def choose(
    models: Models, agent: Agent, request: RunRequest, settings: SessionSettings, defaults: AgentDefaults, log: Logger
) -> Choice:
    """
    A model that was chosen for the run or the session is the only one: whoever chose it did not want another.

    @raise GatewayError: C{model_not_found}. A session's model that may no longer be used does not count instead.
    """
    refs: tuple[str, ...] = (request.model,) if request.model else agent.models
    chosen = settings.model_ref
    if chosen and not request.model:
        try:
            refs = (models.info(chosen).ref,)
        except GatewayError as error:
            log.info("the session's model {ref} is passed over: {error}", ref=chosen, error=error.info.message)
    info = models.info(refs[0])
    return Choice(
        refs=refs,
        info=info,
        thinking=_thinking(agent, request, settings, info),
        window=min(info.context_window, defaults.context_tokens or info.context_window),
    )


def _thinking(agent: Agent, request: RunRequest, settings: SessionSettings, info: ModelInfo) -> str:
    asked = request.thinking or request.sampling.reasoning_effort or settings.thinking_level
    if asked:
        return asked
    if not info.reasoning:
        # A default is not worth a refusal by a model that can not think.
        return "off"
    return agent.thinking_default or "low"


def effort(thinking: str) -> str | None:
    """C{reasoning_effort} for a level; C{off} leaves it to the provider."""
    return None if thinking in ("", "off") else thinking


def milder(thinking: str, refusal: str, tries: int) -> str:
    """The level to try when a provider refuses one.

    @param refusal: the provider's words: the nearest level that they name wins, a lower one before a higher one.
    @param tries: how many were refused. Without such words it is the next lower one once, then C{off}.
    """
    place = LEVELS.index(thinking) if thinking in LEVELS else len(LEVELS)
    named = [level for level in _named(refusal) if level != thinking]
    lower = [level for level in named if LEVELS.index(level) < place]
    if lower:
        return max(lower, key=LEVELS.index)
    if named and tries == 1:
        return min(named, key=LEVELS.index)
    return LEVELS[max(0, place - 1)] if tries == 1 else "off"


def _named(refusal: str) -> Sequence[str]:
    found = _SUPPORTED.search(refusal)
    if found is None:
        return ()
    words = _WORD.findall((found[1] or found[2] or "").lower())
    return [level for level in LEVELS if level in words or (level == "off" and "none" in words)]


def verbose(settings: SessionSettings, config: Config) -> bool:
    """Whether chat clients are told of tool calls."""
    return (settings.verbose_level or config.agents.defaults.verbose_default) not in ("", "off")


def reasoning(settings: SessionSettings, config: Config) -> str:
    """Whether, and how, chat clients are told what the model thinks: off, on or stream."""
    return settings.reasoning_level or config.agents.defaults.reasoning_default


def ack_max_chars(config: Config, agent_id: str) -> int:
    """Characters beside C{HEARTBEAT_OK} that are still nothing to report."""
    own = next((entry.heartbeat for entry in config.agents.entries if entry.id == agent_id), None)
    return (own or config.agents.defaults.heartbeat).ack_max_chars


__all__ = ["LEVELS", "Choice", "ack_max_chars", "choose", "effort", "milder", "reasoning", "verbose"]
