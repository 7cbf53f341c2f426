"""What crosses the chat room's door."""

from __future__ import annotations

from typing import Literal

from openclaw_tx.values import Principal, RunRequest, TextPart, UserMessage, Value


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
