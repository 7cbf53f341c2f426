# -*- test-case-name: tests.test_gateway -*-
"""A run that Python code in this process asks for. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import CancelledError

from openclaw_tx.agents.routing import default_agent
from openclaw_tx.auth.actions import OPERATOR_SCOPES
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Run
from openclaw_tx.sessions.keys import agent_of, canonical_key, in_scope, openai_key, openai_user_key, parse_key
from openclaw_tx.values import Entry, Principal, RunRequest, RunResult, TextPart, UserMessage
from openclaw_tx.wire.halves import whole

LOCAL = Principal(id="local", method="local", scopes=OPERATOR_SCOPES)
"""Who runs agents from within the process."""


def local_request(
    agents: Agents,
    message: str,
    *,
    agent_id: str | None,
    session_key: str | None,
    user: str | None,
    run_id: str | None,
    now_ms: int,
    new_id: Callable[[], str],
    scope: str = "per-sender",
    **fields: Any,
) -> RunRequest:
    """
    @param agent_id: None = the agent that the session key names, else the default one.
    @param session_key: a session to continue; C{user} names one by user; without both the run is stateless.
    @param scope: C{session.scope}.
    @param fields: further fields of L{RunRequest}.
    @raise GatewayError: C{invalid_request}: the key belongs to another agent, or can not be one.
    """
    if agent_id is None and session_key is not None and parse_key(session_key) is not None:
        agent_id = agent_of(session_key)
    agent_id = agent_id or default_agent(agents)
    if session_key is not None:
        key = canonical_key(session_key, agent_id, scope=scope)
        if parse_key(key) is not None and agent_of(key) != agent_id:
            raise GatewayError("invalid_request", "The session key belongs to another agent.", param="session_key")
        key = in_scope(key, agent_id, scope)
    else:
        key = openai_user_key(agent_id, user) if user else openai_key(agent_id, new_id())
    stateless = session_key is None and not user
    message = whole(message)
    asked = (agent_id, "" if stateless else key, message, sorted(fields.items()))
    return RunRequest(
        run_id=run_id or f"run_{new_id()}",
        agent_id=agent_id,
        session_key=key,
        messages=(UserMessage(content=(TextPart(text=message),), timestamp_ms=now_ms),),
        stateless=stateless,
        fingerprint=hashlib.sha256(repr(asked).encode("utf-8", "replace")).hexdigest(),
        **fields,
    )


async def outcome(run: Run, on_event: Callable[[Entry], None] | None) -> RunResult:
    """Wait for a run of one's own; who gives up the wait gives up the run.

    @param on_event: called with every entry of its journal as it is written.
    """

    def each(batch: Sequence[Entry]) -> None:
        for entry in batch:
            on_event(entry)  # type: ignore[misc]

    stop = run.watch(each) if on_event is not None else None
    try:
        return await run.result()
    except CancelledError:
        run.abort("cancelled")
        raise
    finally:
        if stop is not None:
            stop()
