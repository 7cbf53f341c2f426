# -*- test-case-name: tests.web.test_approvals -*-
"""C{POST /v1/runs/<id>/approvals/<id>}: a person's word on a command that a run waits with (docs/runs.md)."""

from __future__ import annotations

from collections.abc import Callable

from openclaw_tx.auth.actions import no_such_approval
from openclaw_tx.config.schema import Config
from openclaw_tx.interfaces import Approvals
from openclaw_tx.runs.archive import Archive
from openclaw_tx.values import Principal
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.guard import Guard
from openclaw_tx.web.resource import NewId
from openclaw_tx.web.runs import RunEndpoint
from openclaw_tx.wire.approvals import answer_body, parse_answer

MAX_BODY = 64 * 1024
"""Bytes of an answer."""


class RunApproval(RunEndpoint):
    """One question of one run."""

    methods = (b"POST",)
    action = "approvals.resolve"
    position = -3

    def __init__(
        self,
        guard: Guard,
        new_id: NewId,
        settings: Callable[[], Config],
        archive: Archive,
        approvals: Approvals | None,
    ) -> None:
        """
        @param approvals: None = nobody is ever asked here.
        """
        super().__init__(guard, new_id, settings, archive)
        self._approvals = approvals

    async def serve(self, exchange: Exchange, principal: Principal) -> None:
        """Hand the answer on; the run goes on by itself. See L{Endpoint.serve}."""
        decision = parse_answer(await exchange.body(MAX_BODY))
        run = await self._find(exchange, principal, self.action)
        approval_id = (exchange.request.prepath or [b""])[-1].decode("utf-8", "replace")
        if self._approvals is None:
            raise no_such_approval()
        for approval in self._approvals.pending():
            if approval.id == approval_id and approval.run_id == run.request.run_id:
                break
        else:
            raise no_such_approval()
        if not self._approvals.resolve(approval.id, decision, principal):
            raise no_such_approval()
        exchange.send_json(answer_body(approval, decision))


__all__ = ["MAX_BODY", "RunApproval"]
