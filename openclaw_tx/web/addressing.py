# -*- test-case-name: tests.web.test_addressing -*-
"""Which agent and which session an OpenAI request is for (spec 1.1, decisions D3-D5, D33)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from openclaw_tx.agents.routing import DEFAULT_ALIAS, PLAIN, Choice, choose_agent, named_agent, shown
from openclaw_tx.auth.sight import agents_for
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Peer
from openclaw_tx.sessions.keys import (
    HTTP_SCOPE,
    canonical_key,
    checked_key,
    is_reserved,
    openai_key,
    openai_user_key,
    parse_key,
)
from openclaw_tx.values import Principal
from openclaw_tx.wire.openai_fields import MAX_MODEL

SESSION_HEADER = "x-openclaw-session-key"
AGENT_HEADERS = ("x-openclaw-agent-id", "x-openclaw-agent")
MODEL_HEADER = "x-openclaw-model"
CHANNEL_HEADER = "x-openclaw-message-channel"
PREVIOUS = "previous_response_id"
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Address(NamedTuple):
    """Where a request goes."""

    agent_id: str
    session_key: str
    stateless: bool
    """The session ends with the run."""
    model: str
    """Model ref that the client asks for instead of the agent's own, or ""."""
    named: bool = False
    """A header names the session."""


def address(
    agents: Agents,
    peer: Peer,
    principal: Principal,
    *,
    model: str | None,
    user: str | None,
    strict: bool,
    new_id: Callable[[], str],
    api: str = "openai",
    previous: str = "",
) -> Address:
    """Work out where a request goes.

    Session: the header, else the field C{user}, else the one to continue, else a fresh one that ends with the run.

    @param principal: who asks: agents that it may not use do not exist, and its session names get its prefix.

    @param model: the body's C{model}.
    @param user: the body's C{user}.
    @param strict: refuse a C{model} that names no agent.
    @param new_id: makes UUIDs.
    @param api: whose sessions they are, as L{openai_key}.
    @param previous: key of the session to continue; "" = none. What else the request says must fit it.
    @raise GatewayError: C{invalid_request} with the field or header at fault.
    """
    agents, prefix = agents_for(agents, principal), principal.session_prefix
    header_name, header = agent_header(peer)
    choice = choose_agent(agents, header=header, model=model, strict=strict, header_name=header_name)
    key = checked_key(peer.header(SESSION_HEADER) or "", SESSION_HEADER)
    stateless = False
    if key:
        choice = _agent_of_key(agents, choice, key)
        session_key = canonical_key(key, choice.agent_id, fold_case=False, prefix=prefix, scope=HTTP_SCOPE)
    else:
        if previous:
            choice = _agent_of_key(agents, choice, previous, PREVIOUS)
        if user and user.strip():
            session_key = openai_user_key(choice.agent_id, user, prefix, api)
        elif previous:
            session_key = previous
        else:
            session_key = openai_key(choice.agent_id, new_id(), api, prefix)
            stateless = True
    if previous and session_key != previous:
        raise GatewayError(
            "invalid_request", f"`{PREVIOUS}` belongs to another session than the request names.", param=PREVIOUS
        )
    ref = _model(agents, choice.agent_id, model_header(peer))
    return Address(choice.agent_id, session_key, stateless, ref, named=bool(key))


class Meaning(NamedTuple):
    """What a client's C{model} stands for."""

    model: str | None
    """What names the agent."""
    ref: str
    """Model ref to use instead of the agent's own, or ""."""


def meant(model_map: Mapping[str, str], model: str | None) -> Meaning:
    """C{model} by the C{modelMap} of the configuration: another agent, or the default agent with another model."""
    mapped = model_map.get(model or "", "")
    if not mapped:
        return Meaning(model, "")
    to_agent = mapped in (PLAIN, DEFAULT_ALIAS) or named_agent(mapped) is not None
    return Meaning(mapped, "") if to_agent else Meaning(PLAIN, mapped)


def agent_header(peer: Peer) -> tuple[str, str]:
    """The header that names an agent, and the agent as it stands there, "" when there is none."""
    return next(((name, value) for name in AGENT_HEADERS if (value := peer.header(name))), (AGENT_HEADERS[0], ""))


def model_header(peer: Peer) -> str:
    """The model that a header names, a bare id or a ref; "" = none.

    @raise GatewayError: C{invalid_request}: nothing that a model could be called.
    """
    header = peer.header(MODEL_HEADER) or ""
    if len(header) > MAX_MODEL or not header.isprintable():
        raise GatewayError("invalid_request", f"`{MODEL_HEADER}` is not a model ref.", param=MODEL_HEADER)
    return header


def channel_header(peer: Peer) -> str:
    """The message channel that a header names, in lower case; "" = none (spec 1.1, Execution).

    @raise GatewayError: C{invalid_request}: it is no slug.
    """
    header = (peer.header(CHANNEL_HEADER) or "").lower()
    if header and not _SLUG.fullmatch(header):
        raise GatewayError("invalid_request", f"`{CHANNEL_HEADER}` is not a channel name.", param=CHANNEL_HEADER)
    return header


def _agent_of_key(agents: Agents, choice: Choice, key: str, param: str = SESSION_HEADER) -> Choice:
    """A whole key names its agent: it must be the one that was asked for, if one was (D33).

    @param param: where the key comes from.
    """
    if is_reserved(key):
        raise GatewayError(
            "invalid_request", f"`{param}` cannot use reserved internal session namespaces.", param=param
        )
    parsed = parse_key(key)
    if parsed is None or parsed.agent_id == choice.agent_id:
        return choice
    if choice.explicit:
        raise GatewayError(
            "invalid_request",
            f"`{param}` belongs to agent '{shown(parsed.agent_id)}', but the request names agent '{choice.agent_id}'.",
            param=param,
        )
    if agents.get(parsed.agent_id) is None:
        raise GatewayError("invalid_request", f"Unknown agent '{shown(parsed.agent_id)}'.", param=param)
    return Choice(agent_id=parsed.agent_id, explicit=True)


def _model(agents: Agents, agent_id: str, header: str) -> str:
    """The model header as a ref: a bare id is one of the agent's own provider."""
    agent = agents.get(agent_id)
    if not header or "/" in header or agent is None or not agent.models:
        return header
    return f"{agent.models[0].partition('/')[0]}/{header}"


__all__ = ["Address", "address", "agent_header", "channel_header", "model_header"]
