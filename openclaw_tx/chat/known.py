# -*- test-case-name: tests.chat.test_known -*-
"""Messages that no run has read: those that wait, and for a while those that were given up. Found by their keys."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Literal, NamedTuple

from openclaw_tx.chat.values import ChatMessage
from openclaw_tx.errors import ErrorInfo, GatewayError
from openclaw_tx.values import RunResult, Target

KEEP_SECONDS = 600
"""How long one that was given up is remembered: as long as a run that has ended."""

KEPT = 1000
"""How many of those are; of more the oldest are forgotten."""

Status = Literal["in_flight", "ok"]
"""What a repeated message is answered with."""


class Unread(NamedTuple):
    """A message that was given up: all but what it said, which may be megabytes of images."""

    owner_id: str
    target: Target
    fingerprint: str
    result: RunResult
    """As that of a run that ended before it began."""


class KnownMessages:
    """What waits is bounded by whoever lets it wait."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._waiting: dict[str, ChatMessage] = {}
        self._unread: OrderedDict[str, Unread] = OrderedDict()

    def waiting(self, run_id: str) -> ChatMessage | None:
        """The message of a run id, if it waits."""
        return self._waiting.get(run_id)

    def unread(self, run_id: str) -> Unread | None:
        """The message of a run id, if it was given up."""
        oldest_ms = self._now_ms() - KEEP_SECONDS * 1000
        while self._unread and next(iter(self._unread.values())).result.ended_at_ms < oldest_ms:
            self._unread.popitem(last=False)
        return self._unread.get(run_id)

    def before(self, message: ChatMessage) -> Status | None:
        """What became of a message that was sent under this key before; None = there was none, nothing came of it, or
        a run has read it.

        @raise GatewayError: C{idempotency_key_conflict}: it was another one; or what it was given up for.
        """
        run_id = message.request.run_id
        waiting, unread = self._waiting.get(run_id), self.unread(run_id)
        if waiting is not None:
            message.check(waiting.principal.id, waiting.request.fingerprint)
            return "in_flight"
        if unread is None:
            return None
        message.check(unread.owner_id, unread.fingerprint)
        if unread.result.came_to_nothing:
            return None
        if unread.result.error is not None and unread.result.status != "aborted":
            raise GatewayError.from_info(unread.result.error)
        return "ok"

    # -- for the flow

    def wait(self, message: ChatMessage) -> None:
        """It does now."""
        self._waiting[message.request.run_id] = message

    def leave(self, message: ChatMessage) -> None:
        """It is handed to a run: waits no more, was not given up."""
        self._waiting.pop(message.request.run_id, None)
        self._unread.pop(message.request.run_id, None)

    def give_up(self, message: ChatMessage, error: ErrorInfo, abort_reason: str) -> None:
        """No run will read it.

        @param abort_reason: "" = it failed.
        """
        request = message.request
        self.leave(message)
        result = RunResult(
            run_id=request.run_id,
            session_key=request.session_key,
            agent_id=request.agent_id,
            status="aborted" if abort_reason else "error",
            error=error,
            abort_reason=abort_reason,
            queued_at_ms=message.sent_at_ms,
            ended_at_ms=self._now_ms(),
        )
        self._unread[request.run_id] = Unread(message.principal.id, message.target, request.fingerprint, result)
        while len(self._unread) > KEPT:
            self._unread.popitem(last=False)


__all__ = ["KEEP_SECONDS", "KEPT", "KnownMessages", "Status", "Unread"]
