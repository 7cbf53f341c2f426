# -*- test-case-name: tests.auth.test_actions -*-
"""What may be done, by whom: the one table both surfaces authorise by.

Every HTTP route and every WebSocket method names an action of L{ACTIONS}; an action has one scope. Scopes come from
the credential (L{openclaw_tx.auth.methods}); what a client asks for can only narrow them (L{granted}).
Sources: spec 2.4, decisions D12 and D13.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Principal, Target

ADMIN = "operator.admin"
READ = "operator.read"
WRITE = "operator.write"
OPERATOR_SCOPES = frozenset({ADMIN, "operator.approvals", "operator.pairing", READ, "operator.talk.secrets", WRITE})
"""All that an operator can hold, and what a shared secret stands for."""
NO_TARGET = Target()


class Action(NamedTuple):
    """A row of L{ACTIONS}."""

    scope: str | None
    """Scope that suffices; None = being authenticated is enough."""
    doc: str
    """What it lets a client do, for docs/authentication.md."""
    owned: bool = False
    """Only for what the principal started itself; the rest takes C{operator.admin}."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """Every scope that suffices, the action's own first."""
        return () if self.scope is None else sufficient(self.scope)


def sufficient(scope: str) -> tuple[str, ...]:
    """C{scope} and every scope that implies it: who may write may read, and an admin may do everything."""
    if scope == ADMIN:
        return (ADMIN,)
    return (READ, WRITE, ADMIN) if scope == READ else (scope, ADMIN)


ACTIONS: Mapping[str, Action] = {
    "connect": Action(None, "Open a WebSocket session."),
    "health": Action(None, "Ask whether the gateway is well."),
    "status": Action(READ, "See what the gateway is doing."),
    "metrics.read": Action(READ, "Read the metrics."),
    "models.list": Action(READ, "List models and agents as models."),
    "agents.list": Action(READ, "List agents."),
    "chat.completions": Action(WRITE, "Run an agent through the OpenAI Chat Completions API."),
    "agent": Action(WRITE, "Run an agent."),
    "agent.wait": Action(WRITE, "Wait for the end of a run."),
    "runs.read": Action(READ, "Read the state and result of a run."),
    "runs.events": Action(READ, "Watch the events of runs."),
    "runs.cancel": Action(WRITE, "Abort a run; somebody else's run takes operator.admin.", owned=True),
    "sessions.list": Action(READ, "List sessions."),
    "sessions.preview": Action(READ, "Read the last lines of sessions."),
    "sessions.read": Action(READ, "Read one session's entry."),
    "chat.history": Action(READ, "Read the transcript of a session."),
}
"""Action name -> who may. WebSocket methods have their own name; HTTP routes share the twin's."""


def authorise(principal: Principal, action: str, target: Target = NO_TARGET) -> None:
    """Let C{principal} do C{action}, or refuse. The only place where that is decided.

    @param target: whose run it is, for actions that are C{owned}; an unknown owner is nobody's business but an
        admin's. Ask before looking anything up that the answer would reveal.
    @raise GatewayError: C{insufficient_scope}; C{details} name the missing scope.
    @raise KeyError: the action is not in L{ACTIONS}: a programming error.
    """
    rule = ACTIONS[action]
    if ADMIN in principal.scopes:
        return
    if rule.scope is not None and principal.scopes.isdisjoint(rule.scopes):
        raise missing_scope(rule.scope)
    if rule.owned and target != NO_TARGET and target.owner_id != principal.id:
        raise missing_scope(ADMIN)


def missing_scope(scope: str) -> GatewayError:
    """C{insufficient_scope} (403); the text is the one that clients of both protocol versions match on."""
    return GatewayError(
        "insufficient_scope",
        f"missing scope: {scope}",
        details={"code": "MISSING_SCOPE", "missingScope": scope, "requiredScopes": [scope]},
    )


def granted(
    principal: Principal, requested: Iterable[str] | None, *, local_direct: bool, has_origin: bool
) -> frozenset[str]:
    """The scopes of a WebSocket connection without a device identity (decision D12): never more than the credential's.

    A program on this machine (I{local direct}, no C{Origin}) gets what it asks for. Everybody else gets
    C{operator.read} at most, if they ask for it or for a scope that implies it. Who asks for nothing gets nothing.

    @param requested: C{scopes} of the connect request; for a protocol 3 client that sends none, the caller passes
        C{operator.admin}, which that release took it to mean.
    """
    held = frozenset(scope for scope in OPERATOR_SCOPES if not principal.scopes.isdisjoint(sufficient(scope)))
    asked = frozenset(requested or ())
    if local_direct and not has_origin:
        return asked & held
    return frozenset() if asked.isdisjoint(sufficient(READ)) else held & {READ}


__all__ = [
    "ACTIONS",
    "ADMIN",
    "OPERATOR_SCOPES",
    "READ",
    "WRITE",
    "Action",
    "authorise",
    "granted",
    "missing_scope",
    "sufficient",
]
