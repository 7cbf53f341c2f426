# -*- test-case-name: tests.test_gateway -*-
"""A run that Python code in this process asks for."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from openclaw_tx.agents.routing import default_agent
from openclaw_tx.auth.actions import OPERATOR_SCOPES
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Run
from openclaw_tx.sessions.keys import agent_of, canonical_key, in_scope, openai_key, openai_user_key, parse_key
from openclaw_tx.values import Entry, Principal, RunRequest, RunResult, TextPart, UserMessage
from openclaw_tx.wire.halves import whole

LOCAL = Principal(id="local", method="local", scopes=OPERATOR_SCOPES)
"""Who runs agents from within the process."""

_log = Logger()


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
    extra_system: str = "",
    timeout_s: float | None = None,
    **fields: Any,
) -> RunRequest:
    """
    @param agent_id: None = the agent that the session key names, else the default one.
    @param session_key: a session to continue; C{user} names one by user; without both, or with "", the run is
        stateless.
    @param scope: C{session.scope}.
    @param fields: further fields of L{RunRequest}.
    @raise GatewayError: C{invalid_request}: the key belongs to another agent, or can not be one; the time is no time.
    """
    if timeout_s is not None and not 0 <= timeout_s < math.inf:
        raise GatewayError("invalid_request", "A run takes 0 seconds (no limit) or more.", param="timeout_s")
    fields.update(extra_system=whole(extra_system), timeout_s=timeout_s)
    message = whole(message)
    if agent_id is None and session_key and parse_key(session_key) is not None:
        agent_id = agent_of(session_key)
    agent_id = agent_id or default_agent(agents)
    if session_key:
        key = canonical_key(session_key, agent_id, scope=scope)
        if parse_key(key) is not None and agent_of(key) != agent_id:
            raise GatewayError("invalid_request", "The session key belongs to another agent.", param="session_key")
        key = in_scope(key, agent_id, scope)
    else:
        key = openai_user_key(agent_id, user) if user else openai_key(agent_id, new_id())
    stateless = not session_key and not user
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

    @param on_event: called with every entry of its journal as it is written, until it raises something.
    """

    broken = False

    def each(batch: Sequence[Entry]) -> None:
        nonlocal broken
        try:
            for entry in batch if not broken else ():
                on_event(entry)  # type: ignore[misc]
        except Exception:
            broken = True
            _log.failure("on_event of run {run} failed; it is not called again", run=run.request.run_id)

    stop = run.watch(each) if on_event is not None else None
    try:
        return await run.result()
    except CancelledError:
        run.abort("cancelled")
        raise
    finally:
        if stop is not None:
            stop()
