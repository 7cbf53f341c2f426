# -*- test-case-name: tests.agents.test_routing -*-
"""Which agent answers an OpenAI request (spec 1.1, decisions D3-D5). Pure.

First hit wins: the header C{x-openclaw-agent-id} (or its alias), then a C{model} that names an agent, then the default.
"""

from __future__ import annotations

import re

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents
from openclaw_tx.values import Value

PLAIN = "openclaw"
"""C{model} of a client that leaves the choice to the gateway; also what an absent C{model} is echoed as."""

DEFAULT_ALIAS = "openclaw/default"
"""C{model} that means the configured default agent."""

SEED_DEFAULT = "main"
"""The agent of requests that name none, if there is one of that name (decision D3)."""

MAX_SHOWN = 64
"""Characters of a client's own words that an error repeats."""

_TARGET = re.compile(r"(?:openclaw[:/]|agent:)(.*)", re.IGNORECASE | re.DOTALL)
_AGENT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_INVALID_MODEL = "Invalid `model`. Use `openclaw` or `openclaw/<agentId>`."


class Choice(Value, frozen=True):
    """The agent that answers."""

    agent_id: str
    explicit: bool
    """The client named it, rather than being given the default."""


def choose_agent(
    agents: Agents, *, header: str | None, model: str | None, strict: bool, header_name: str = "x-openclaw-agent-id"
) -> Choice:
    """Pick the agent of a request.

    @param header: the agent header, trimmed; None or "" = not sent.
    @param header_name: which it is.
    @param model: the body's C{model} as it stands; None = not sent.
    @param strict: refuse a C{model} that names no agent, such as C{gpt-4o}.
    @raise GatewayError: C{invalid_request} with the field at fault: unknown agent, or no agent in strict mode.
    """
    if header:
        return Choice(agent_id=_known(agents, header, header_name), explicit=True)
    name = (model or "").strip()
    target = named_agent(name)
    if target is not None:
        return Choice(agent_id=_known(agents, target, "model"), explicit=True)
    if name.lower() == DEFAULT_ALIAS:
        return Choice(agent_id=agents.default_id, explicit=False)
    if strict and name and name.lower() != PLAIN:
        raise GatewayError("invalid_request", _INVALID_MODEL, param="model")
    return Choice(agent_id=default_agent(agents), explicit=False)


def default_agent(agents: Agents) -> str:
    """The agent of requests that name none: C{main} where there is one, else the configured default (D3)."""
    return SEED_DEFAULT if agents.get(SEED_DEFAULT) is not None else agents.default_id


def named_agent(model: str) -> str | None:
    """The agent id in C{openclaw:<id>}, C{openclaw/<id>} or C{agent:<id>} (any case), in lower case.

    None for any other C{model}, and for C{openclaw/default}, which is an alias and names no agent.

    @raise GatewayError: C{invalid_request}: it has the form but not an agent id in it.
    """
    match = _TARGET.fullmatch(model.strip())
    if match is None or model.strip().lower() == DEFAULT_ALIAS:
        return None
    agent_id = match[1].lower()
    if not _AGENT_ID.fullmatch(agent_id):
        raise GatewayError("invalid_request", _INVALID_MODEL, param="model")
    return agent_id


def model_ids(agents: Agents) -> list[str]:
    """What C{GET /v1/models} lists, in order: the two names of the default, then each agent."""
    return list(dict.fromkeys([PLAIN, DEFAULT_ALIAS, *(f"{PLAIN}/{agent.id}" for agent in agents.all())]))


def _known(agents: Agents, text: str, param: str) -> str:
    agent = agents.get(text.lower()) if _AGENT_ID.fullmatch(text.lower()) else None
    if agent is None:
        raise GatewayError("invalid_request", f"Unknown agent '{shown(text)}'.", param=param)
    return agent.id


def shown(text: str) -> str:
    """A client's own words, fit to be repeated to it: short and printable."""
    clean = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[: MAX_SHOWN + 1])
    return clean if len(clean) <= MAX_SHOWN else f"{clean[:MAX_SHOWN]}\N{HORIZONTAL ELLIPSIS}"


__all__ = ["DEFAULT_ALIAS", "PLAIN", "Choice", "choose_agent", "default_agent", "model_ids", "named_agent", "shown"]
