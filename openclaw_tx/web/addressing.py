# -*- test-case-name: tests.web.test_addressing -*-
"""Which agent and which session an OpenAI request is for (spec 1.1, decisions D3-D5, D33)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from openclaw_tx.agents.routing import Choice, choose_agent, shown
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Peer
from openclaw_tx.sessions.keys import canonical_key, checked_key, is_reserved, openai_key, openai_user_key, parse_key

SESSION_HEADER = "x-openclaw-session-key"
AGENT_HEADERS = ("x-openclaw-agent-id", "x-openclaw-agent")
MODEL_HEADER = "x-openclaw-model"
MAX_MODEL = 256
"""Longest model ref, in characters."""


class Address(NamedTuple):
    """Where a request goes."""

    agent_id: str
    session_key: str
    stateless: bool
    """The session ends with the run."""
    model: str
    """Model ref that the client asks for instead of the agent's own, or ""."""


def address(
    agents: Agents, peer: Peer, *, model: str | None, user: str | None, strict: bool, new_id: Callable[[], str]
) -> Address:
    """Work out where a request goes.

    Session: the header, else the field C{user}, else a fresh one that ends with the run.

    @param model: the body's C{model}.
    @param user: the body's C{user}.
    @param strict: refuse a C{model} that names no agent.
    @param new_id: makes UUIDs.
    @raise GatewayError: C{invalid_request} with the field or header at fault.
    """
    header = next((value for name in AGENT_HEADERS if (value := peer.header(name))), None)
    choice = choose_agent(agents, header=header, model=model, strict=strict)
    key = checked_key(peer.header(SESSION_HEADER) or "", SESSION_HEADER)
    stateless = False
    if key:
        choice = _agent_of_key(agents, choice, key)
        session_key = canonical_key(key, choice.agent_id, fold_case=False)
    elif user and user.strip():
        session_key = openai_user_key(choice.agent_id, user)
    else:
        session_key = openai_key(choice.agent_id, new_id())
        stateless = True
    return Address(choice.agent_id, session_key, stateless, _model(agents, choice.agent_id, peer.header(MODEL_HEADER)))


def _agent_of_key(agents: Agents, choice: Choice, key: str) -> Choice:
    """A whole key names its agent: it must be the one that was asked for, if one was (D33)."""
    if is_reserved(key):
        raise GatewayError(
            "invalid_request",
            f"`{SESSION_HEADER}` cannot use reserved internal session namespaces.",
            param=SESSION_HEADER,
        )
    parsed = parse_key(key)
    if parsed is None or parsed.agent_id == choice.agent_id:
        return choice
    if choice.explicit:
        raise GatewayError(
            "invalid_request",
            f"`{SESSION_HEADER}` belongs to agent '{shown(parsed.agent_id)}', but the request names agent "
            f"'{choice.agent_id}'.",
            param=SESSION_HEADER,
        )
    if agents.get(parsed.agent_id) is None:
        raise GatewayError("invalid_request", f"Unknown agent '{shown(parsed.agent_id)}'.", param=SESSION_HEADER)
    return Choice(agent_id=parsed.agent_id, explicit=True)


def _model(agents: Agents, agent_id: str, header: str | None) -> str:
    """The model header as a ref: a bare id is one of the agent's own provider."""
    if not header:
        return ""
    if len(header) > MAX_MODEL or not header.isprintable():
        raise GatewayError("invalid_request", f"`{MODEL_HEADER}` is not a model ref.", param=MODEL_HEADER)
    agent = agents.get(agent_id)
    if "/" in header or agent is None or not agent.models:
        return header
    return f"{agent.models[0].partition('/')[0]}/{header}"


__all__ = ["Address", "address"]
