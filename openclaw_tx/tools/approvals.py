# -*- test-case-name: tests.tools.test_approvals -*-
"""Questions that wait for a person's word (spec 2.10, 7.3). Kept in memory: who asked is gone with the process.

Nobody's word is no word: a question that is not answered in time counts as denied, and so does one that finds no room.
Whether anybody is there to ask is not looked at, for the answer may come from a command line that only connects for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.errors import GatewayError
from openclaw_tx.listeners import Listeners
from openclaw_tx.values import Approval, ApprovalEnd, Decision, Principal

MAX_PENDING = 64
"""Questions that wait at the same time."""

Listener = Callable[[Approval | ApprovalEnd], None]


class PendingApprovals:
    """Implements L{openclaw_tx.interfaces.Approvals}."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: dict[str, tuple[Approval, Deferred[Decision]]] = {}
        self._listeners: Listeners[Approval | ApprovalEnd] = Listeners(Logger(), "approvals")

    async def ask(self, approval: Approval) -> Decision | None:
        """See L{openclaw_tx.interfaces.Approvals.ask}."""
        if approval.id in self._waiting:
            raise GatewayError("invalid_request", "approval id already pending", param="id")
        if len(self._waiting) >= MAX_PENDING:
            raise GatewayError("queue_full", "Too many questions wait for a person's word.")
        answer: Deferred[Decision] = Deferred()
        self._waiting[approval.id] = (approval, answer)
        self._listeners.tell(approval)
        expired = False
        try:
            if not answer.called:
                answer.addTimeout(max(0.0, approval.expires_at_ms / 1000 - self._clock.seconds()), self._clock)
            return await answer
        except TimeoutError:
            expired = True
            return None
        finally:
            if self._waiting.pop(approval.id, None) is not None:
                # Not answered: out of time, or taken back.
                self._listeners.tell(
                    ApprovalEnd(id=approval.id, decision="deny", expired=expired, at_ms=self._now_ms())
                )

    def resolve(self, approval_id: str, decision: Decision, by: Principal) -> bool:
        """See L{openclaw_tx.interfaces.Approvals.resolve}."""
        found = self._waiting.get(approval_id)
        if found is None:
            return False
        approval, answer = found
        if decision == "allow-always" and not approval.can_always:
            raise GatewayError(
                "invalid_request",
                "allow-always is not possible here: what the command runs can not be told once and for all",
                param="decision",
                details={"reason": "APPROVAL_ALLOW_ALWAYS_UNAVAILABLE"},
            )
        del self._waiting[approval_id]
        self._listeners.tell(ApprovalEnd(id=approval_id, decision=decision, resolved_by=by.id, at_ms=self._now_ms()))
        answer.callback(decision)
        return True

    def pending(self) -> Sequence[Approval]:
        """See L{openclaw_tx.interfaces.Approvals.pending}."""
        return [approval for approval, _ in self._waiting.values()]

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """See L{openclaw_tx.interfaces.Approvals.subscribe}."""
        return self._listeners.subscribe(listener)

    def _now_ms(self) -> int:
        return int(self._clock.seconds() * 1000)


__all__ = ["MAX_PENDING", "PendingApprovals"]
