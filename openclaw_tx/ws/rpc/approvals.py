# -*- test-case-name: tests.ws.rpc.test_approvals -*-
"""C{exec.approval.*}: commands that wait for a person's word (spec 2.10, docs/approvals.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Protocol

from msgspec import Meta

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.auth.actions import may, no_such_approval
from openclaw_tx.auth.sight import agents_for, approval_target
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Approvals, Authoriser
from openclaw_tx.values import Approval, ApprovalEnd, Principal, Target
from openclaw_tx.wire.approvals import allowed_decisions, decision_of, request_of, row
from openclaw_tx.wire.frames import MAX_ID, NonEmpty, Positive
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.asks import bad

DEFAULT_WAIT_MS = 120_000
MAX_WAIT_MS = 600_000
"""Longest wait for somebody's word; longer ones are cut to it."""
MAX_COMMAND = 100_000

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID)]


class RequestParams(Params, frozen=True):
    """Params of C{exec.approval.request}. What only OpenClaw's nodes, channels and plugins need is accepted where it
    changes nothing, and refused by name otherwise."""

    command: Annotated[str, Meta(min_length=1, max_length=MAX_COMMAND)]
    id: Id | None = None
    command_argv: list[str] | None = None
    env: dict[str, str] | None = None
    cwd: str | None = None
    host: str | None = None
    security: str | None = None
    ask: str | None = None
    agent_id: str | None = None
    resolved_path: str | None = None
    session_key: str | None = None
    session_id: str | None = None
    run_id: str | None = None
    tool_call_id: str | None = None
    warning_text: str | None = None
    timeout_ms: Positive = DEFAULT_WAIT_MS
    two_phase: bool = False


class ResolveParams(Params, frozen=True):
    """Params of C{exec.approval.resolve}."""

    id: Id
    decision: NonEmpty


class GetParams(Params, frozen=True):
    """Params of C{exec.approval.get}."""

    id: Id


class ListParams(Params, frozen=True):
    """Params of C{exec.approval.list}: none."""


class Teller(Protocol):
    """L{openclaw_tx.ws.hub.Hub}, as far as it is needed here."""

    def tell(self, event: str, payload: Any, action: str, target: Target, *, droppable: bool = True) -> None: ...


class ApprovalNews:
    """Tells connections of questions and how they came out."""

    def __init__(self, hub: Teller) -> None:
        self._hub = hub
        self._asked: dict[str, Approval] = {}

    def tell(self, news: Approval | ApprovalEnd) -> None:
        """To those that may see the question."""
        if isinstance(news, Approval):
            self._asked[news.id] = news
            self._hub.tell("exec.approval.requested", row(news), "approvals.list", approval_target(news))
            return
        asked = self._asked.pop(news.id, None)
        if asked is None:
            return
        payload = {
            "id": news.id,
            "decision": news.decision,
            "resolvedBy": news.resolved_by or None,
            "ts": news.at_ms,
            "request": request_of(asked),
        }
        if news.expired:
            payload["expired"] = True
        self._hub.tell("exec.approval.resolved", payload, "approvals.list", approval_target(asked))


class ApprovalMethods:
    """The family of C{exec.approval.*}."""

    def __init__(
        self,
        approvals: Approvals,
        agents: Agents,
        authorise: Authoriser,
        clock: IReactorTime,
        new_id: Callable[[], str],
    ) -> None:
        self._approvals = approvals
        self._agents = agents
        self._authorise = authorise
        self._clock = clock
        self._new_id = new_id

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("exec.approval.request", "approvals.request", RequestParams, self.request),
            Method("exec.approval.resolve", "approvals.resolve", ResolveParams, self.resolve),
            Method("exec.approval.list", "approvals.list", ListParams, self.list),
            Method("exec.approval.get", "approvals.list", GetParams, self.get),
        ]

    async def request(self, call: Call[RequestParams]) -> Any:
        """Answer with the decision when there is one: null when nobody gave any in time. With C{twoPhase} the id comes
        first, as an answer of its own."""
        approval = self._approval(call.principal, call.params)
        if approval.agent_id or approval.session_key:
            self._authorise(call.principal, "approvals.request", approval_target(approval))
        times = {
            "id": approval.id,
            "createdAtMs": approval.created_at_ms,
            "expiresAtMs": approval.expires_at_ms,
        }
        if any(waiting.id == approval.id for waiting in self._approvals.pending()):
            raise GatewayError("invalid_request", "approval id already pending", param="id")
        if call.params.two_phase:
            call.respond({"status": "accepted", **times})
        return {**times, "decision": await self._approvals.ask(approval)}

    def _approval(self, principal: Principal, params: RequestParams) -> Approval:
        """
        @raise GatewayError: C{invalid_request}: something that is not here.
        """
        if (params.host or "gateway") not in ("gateway", "auto"):
            raise bad("exec.approval.request", "host must be gateway: there are no nodes")
        agent_id = (params.agent_id or "").strip().lower()
        if agent_id and agents_for(self._agents, principal).get(agent_id) is None:
            raise bad("exec.approval.request", f'unknown agent id "{agent_id[:64]}"')
        now = int(self._clock.seconds() * 1000)
        return Approval(
            id=params.id or self._new_id(),
            command=params.command,
            created_at_ms=now,
            expires_at_ms=now + min(params.timeout_ms, MAX_WAIT_MS),
            agent_id=agent_id,
            session_key=params.session_key or "",
            cwd=params.cwd or "",
            security=params.security or "",
            ask=params.ask or "",
            resolved_path=params.resolved_path or "",
            owner_id=principal.id,
            env=tuple(f"{name}={value}"[:200] for name, value in (params.env or {}).items()),
            reason=params.warning_text or "",
            can_always=params.ask != "always",
        )

    async def resolve(self, call: Call[ResolveParams]) -> Any:
        """Give one's word."""
        decision = decision_of(call.params.decision)
        approval = self._visible(call.principal, call.params.id, "approvals.resolve")
        if not self._approvals.resolve(approval.id, decision, call.principal):
            raise no_such_approval()
        return {"ok": True}

    async def list(self, call: Call[ListParams]) -> Any:
        """Those that wait, oldest first."""
        return [
            row(approval)
            for approval in self._approvals.pending()
            if may(call.principal, "approvals.list", approval_target(approval))
        ]

    async def get(self, call: Call[GetParams]) -> Any:
        """One that waits."""
        approval = self._visible(call.principal, call.params.id, "approvals.list")
        return {
            "id": approval.id,
            "commandText": approval.command,
            "commandPreview": None,
            "allowedDecisions": allowed_decisions(approval),
            "host": approval.host,
            "nodeId": None,
            "agentId": approval.agent_id or None,
            "expiresAtMs": approval.expires_at_ms,
        }

    def _visible(self, principal: Principal, approval_id: str, action: str) -> Approval:
        """
        @raise GatewayError: C{approval_not_found}; one that may not be seen is not there.
        """
        for approval in self._approvals.pending():
            if approval.id == approval_id and may(principal, action, approval_target(approval)):
                return approval
        raise no_such_approval()
