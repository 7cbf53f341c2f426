"""What crosses the chat room's door."""

from __future__ import annotations

from typing import Literal

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import Carried, Principal, RunRequest, Target, TextPart, UserMessage, Value


class ChatMessage(Value, frozen=True):
    """A chat client's message, ready to be a run."""

    request: RunRequest
    """Its run id is the client's idempotency key."""
    text: str
    """What the client wrote."""
    principal: Principal
    queue_mode: str = ""
    """What the client wants to happen while the agent is at work; "" = as the session or the configuration say."""
    verbatim: bool = False
    """It is for the agent, even if it looks like a command."""

    @property
    def plain(self) -> bool:
        """It has nothing but its text."""
        [said] = self.request.messages
        return isinstance(said, UserMessage) and all(isinstance(part, TextPart) for part in said.content)

    @property
    def sent_at_ms(self) -> int:
        """When it came."""
        [said] = self.request.messages
        return said.timestamp_ms

    @property
    def target(self) -> Target:
        """As something to be aimed at, like a run."""
        request = self.request
        return Target(agent_id=request.agent_id, session_key=request.session_key, owner_id=self.principal.id)

    @property
    def carried(self) -> Carried:
        """It, for a run that reads it besides its own."""
        request = self.request
        return Carried(run_id=request.run_id, fingerprint=request.fingerprint, queued_at_ms=self.sent_at_ms)

    def check(self, owner_id: str, fingerprint: str) -> None:
        """Whether it repeats what was sent under its key before.

        @raise GatewayError: C{idempotency_key_conflict}: it does not.
        """
        if (self.principal.id, self.request.fingerprint) != (owner_id, fingerprint):
            what = "this idempotencyKey was used before for another request"
            raise GatewayError("idempotency_key_conflict", what)


class Notice(Value, frozen=True):
    """How a message came out that no run of its own tells of: a command, or one merged, dropped or forgotten."""

    run_id: str
    session_key: str
    agent_id: str
    owner_id: str
    """L{Principal.id} of who sent it."""
    state: Literal["final", "error", "aborted"]
    text: str = ""
    """What is answered; "" = nothing is to be said."""
    reason: str = ""
    """Of C{error} and C{aborted}."""


__all__ = ["ChatMessage", "Notice"]
