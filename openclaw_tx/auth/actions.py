# -*- test-case-name: tests.auth.test_actions,tests.auth.test_sight -*-
"""What may be done, by whom: the one table both surfaces authorise by.

Every HTTP route and every WebSocket method names an action of L{ACTIONS}; an action has one scope. Scopes come from
the credential (L{openclaw_tx.auth.methods}); what a client asks for can only narrow them (L{granted}). A key
(L{openclaw_tx.auth.keys}) has bounds besides: its agents, its sessions, and the runs it started itself.
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
APPROVALS = "operator.approvals"
PAIRING = "operator.pairing"
OPERATOR_SCOPES = frozenset({ADMIN, APPROVALS, PAIRING, READ, "operator.talk.secrets", WRITE})
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
    metered: bool = False
    """Counts as a request against the limits of a key."""

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
    "config.get": Action(READ, "Read the configuration without its secrets; not for keys with bounds."),
    "config.schema": Action(READ, "Read what can be configured."),
    "config.set": Action(ADMIN, "Change the configuration; not for keys."),
    "logs.tail": Action(READ, "Read the gateway's log file; not for keys with bounds."),
    "usage.read": Action(READ, "See what runs took, and what is known of the providers."),
    "status": Action(READ, "See what the gateway is doing."),
    "system.info": Action(READ, "See the machine that the gateway runs on; not for keys with bounds."),
    "metrics.read": Action(READ, "Read the metrics."),
    "models.list": Action(READ, "List models and agents as models."),
    "agents.list": Action(READ, "List agents."),
    "agents.files.read": Action(READ, "Read the files of an agent's workspace that go into its prompt."),
    "agents.configure": Action(ADMIN, "Make, change and delete agents, and write their files."),
    "tools.list": Action(READ, "List tools."),
    "commands.list": Action(READ, "List the commands of chat."),
    "skills.status": Action(READ, "List skills of agents."),
    "skills.update": Action(ADMIN, "Turn skills on and off; not for keys."),
    "channels.status": Action(READ, "See the channels, and how they stand."),
    "channels.receive": Action(WRITE, "Hand in a message over a channel; each peer has a principal of its own."),
    "send": Action(WRITE, "Send a message over a channel; not for keys with bounds."),
    "capabilities": Action(READ, "Read what this gateway serves and understands."),
    "control-ui.config": Action(READ, "Read what the web page is told of this gateway."),
    "chat.completions": Action(WRITE, "Run an agent through the OpenAI Chat Completions API.", metered=True),
    "responses.create": Action(WRITE, "Run an agent through the OpenAI Responses API.", metered=True),
    "embeddings": Action(WRITE, "Turn texts into vectors.", metered=True),
    "tools.invoke": Action(WRITE, "Call a tool of an agent, without a model.", metered=True),
    "agent": Action(WRITE, "Run an agent.", metered=True),
    "agent.wait": Action(WRITE, "Wait for the end of a run."),
    "models.override": Action(ADMIN, "Choose the model behind an agent, with the header x-openclaw-model."),
    "runs.create": Action(WRITE, "Start a run, to be read and watched later.", metered=True),
    "runs.read": Action(READ, "Read the state and result of a run."),
    "runs.events": Action(READ, "Watch the events of runs."),
    "runs.cancel": Action(WRITE, "Abort a run; somebody else's run takes operator.admin.", owned=True),
    "cron.list": Action(READ, "List jobs; not for keys with bounds."),
    "cron.status": Action(READ, "See how the scheduler of jobs stands; not for keys with bounds."),
    "cron.runs": Action(READ, "Read how the runs of a job ended; not for keys with bounds."),
    "cron.add": Action(ADMIN, "Add a job."),
    "cron.update": Action(ADMIN, "Change a job."),
    "cron.remove": Action(ADMIN, "Remove a job."),
    "cron.run": Action(ADMIN, "Start a job now."),
    "wake": Action(WRITE, "Draw an agent's attention to something; not for keys with bounds."),
    "last-heartbeat": Action(READ, "See what came of the last heartbeat; not for keys with bounds."),
    "set-heartbeats": Action(ADMIN, "Switch heartbeats on or off."),
    "sessions.list": Action(READ, "List sessions."),
    "sessions.preview": Action(READ, "Read the last lines of sessions."),
    "sessions.resolve": Action(READ, "Find the key of a session by its id or label."),
    "sessions.create": Action(WRITE, "Make a session, and say something in it."),
    "sessions.patch": Action(WRITE, "Name a session, say how it looks, choose its model and how much it thinks."),
    "sessions.configure": Action(ADMIN, "Change what else is set for a session."),
    "sessions.reset": Action(ADMIN, "Begin a session anew."),
    "sessions.delete": Action(ADMIN, "Delete a session; its transcript becomes an archive."),
    "sessions.compact": Action(ADMIN, "Let the model read only the newest messages of a session."),
    "chat.inject": Action(ADMIN, "Put a note of the agent into a transcript."),
    "sessions.read": Action(READ, "Read one session's entry."),
    "sessions.subscribe": Action(READ, "Be told what becomes of sessions."),
    "chat.history": Action(READ, "Read the transcript of a session."),
    "approvals.request": Action(APPROVALS, "Ask people for their word on a command of one's own."),
    "approvals.list": Action(APPROVALS, "See the commands that wait for a person's word."),
    "approvals.resolve": Action(APPROVALS, "Give one's word on a command."),
    "exec.approvals.get": Action(
        ADMIN, "Read the file that says what runs without a question; not for keys with bounds."
    ),
    "exec.approvals.set": Action(ADMIN, "Replace that file; not for keys with bounds."),
    "system-presence": Action(READ, "See who is connected; not for keys with bounds."),
    "system-event": Action(ADMIN, "Note an event in a main session, and tell of a machine that is there."),
    "device.pair.list": Action(PAIRING, "See devices that are paired, and those that wait to be."),
    "device.pair.approve": Action(PAIRING, "Let a device in; no more than one holds oneself."),
    "device.pair.reject": Action(PAIRING, "Refuse a device that waits."),
    "device.pair.remove": Action(PAIRING, "Forget a device."),
    "device.pair.rename": Action(PAIRING, "Give a device another name."),
    "device.token.rotate": Action(PAIRING, "Give a device another token."),
    "device.token.revoke": Action(PAIRING, "Withdraw the token of a device."),
    "node.pair.list": Action(PAIRING, "See what nodes offer, approved or not."),
    "node.pair.request": Action(PAIRING, "Ask for the approval of what a node offers."),
    "node.pair.approve": Action(PAIRING, "Approve what a node offers; commands take operator.admin."),
    "node.pair.reject": Action(PAIRING, "Refuse what a node offers."),
    "node.pair.remove": Action(PAIRING, "Take back the approval of a node."),
    "node.pair.verify": Action(PAIRING, "Check the token of a node."),
    "node.rename": Action(PAIRING, "Give a node another name."),
    "node.list": Action(READ, "List nodes."),
    "node.describe": Action(READ, "See what a node offers."),
    "node.invoke": Action(WRITE, "Have a node do one of its commands."),
    "node.invoke.result": Action(None, "Say how a command came out; for nodes."),
    "node.event": Action(None, "Tell of something that happened at a node; for nodes."),
}
"""Action name -> who may. WebSocket methods have their own name; HTTP routes share the twin's."""


def authorise(principal: Principal, action: str, target: Target = NO_TARGET) -> None:
    """Let C{principal} do C{action}, or refuse. The only place where that is decided.

    @param target: agent, session and owner of what it is done to, as far as they are known; an unknown owner is
        nobody's business but an admin's for actions that are C{owned}. Ask before looking anything up that the answer
        would reveal.
    @raise GatewayError: C{insufficient_scope}; C{details} name the missing scope. For a key C{run_not_found},
        C{session_not_found} or C{invalid_request}: as if what lies out of its bounds were not there.
    @raise KeyError: the action is not in L{ACTIONS}: a programming error.
    """
    rule = ACTIONS[action]
    is_admin = ADMIN in principal.scopes
    if not is_admin and rule.scope is not None and principal.scopes.isdisjoint(rule.scopes):
        raise missing_scope(rule.scope)
    if target == NO_TARGET:
        return
    if principal.method == "key":
        _keep_within(principal, target, foreign_runs=is_admin, owned=rule.owned)
    if rule.owned and not is_admin and target.owner_id != principal.id:
        raise missing_scope(ADMIN)


def may(principal: Principal, action: str, target: Target = NO_TARGET) -> bool:
    """Whether L{authorise} would let it pass."""
    try:
        authorise(principal, action, target)
    except GatewayError:
        return False
    return True


def _keep_within(principal: Principal, target: Target, *, foreign_runs: bool, owned: bool) -> None:
    """The bounds of a key. Nothing is looked up, so that what is there and what is not take the same time."""
    about_run = target.owner_id is not None or owned
    mine = target.owner_id == principal.id
    if about_run and not mine and not foreign_runs:
        raise no_such_run()
    if target.agent_id is not None and principal.agents and target.agent_id not in principal.agents:
        raise no_such_run() if about_run else no_such_agent(target.agent_id)
    if target.session_key is not None and not mine and not in_sessions(principal, target.session_key):
        raise no_such_run() if about_run else no_such_session()


def in_sessions(principal: Principal, session_key: str) -> bool:
    """Whether a whole session key C{agent:<id>:<name>} is of a principal's sessions."""
    if not principal.session_prefix:
        return True
    parts = session_key.lower().split(":", 2)
    return len(parts) == 3 and parts[0] == "agent" and parts[2].startswith(principal.session_prefix)


def no_such_run() -> GatewayError:
    """C{run_not_found} (404): there is none, or none that this client may know of."""
    return GatewayError("run_not_found", "No such run.")


def no_such_session() -> GatewayError:
    """C{session_not_found} (404): there is none, or none that this client may know of."""
    return GatewayError("session_not_found", "No such session.", param="sessionKey")


def no_such_agent(agent_id: str) -> GatewayError:
    """What an agent id gets that is not configured, in the words of L{openclaw_tx.runs.engine}."""
    return GatewayError("invalid_request", f"Unknown agent '{agent_id}'.", param="model")


def no_such_approval() -> GatewayError:
    """C{approval_not_found} (404): no such question waits, or none that this client may know of."""
    return GatewayError(
        "approval_not_found", "unknown or expired approval id", param="id", details={"reason": "APPROVAL_NOT_FOUND"}
    )


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
    A key was given just the scopes its client needs: it has them wherever the client is, narrowed by what is asked for
    (C{operator.admin} and nothing at all ask for everything).

    @param requested: C{scopes} of the connect request; for a protocol 3 client that sends none, the caller passes
        C{operator.admin}, which that release took it to mean.
    """
    held = frozenset(scope for scope in OPERATOR_SCOPES if not principal.scopes.isdisjoint(sufficient(scope)))
    asked = frozenset(requested or ())
    if principal.method == "key":
        return held if not asked or ADMIN in asked else asked & held
    if local_direct and not has_origin:
        return asked & held
    return frozenset() if asked.isdisjoint(sufficient(READ)) else held & {READ}


__all__ = [
    "ACTIONS",
    "ADMIN",
    "APPROVALS",
    "OPERATOR_SCOPES",
    "PAIRING",
    "READ",
    "WRITE",
    "Action",
    "authorise",
    "granted",
    "in_sessions",
    "may",
    "missing_scope",
    "no_such_agent",
    "no_such_approval",
    "no_such_run",
    "no_such_session",
    "sufficient",
]
