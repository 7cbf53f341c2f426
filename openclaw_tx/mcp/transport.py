"""The seam between a conversation and its wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from openclaw_tx.mcp.session import McpError


class SessionEnded(McpError):
    """The server no longer knows of the conversation, and has not looked at the message."""


class Transport(Protocol):
    """Carries the messages of one conversation, from its beginning to its end; then it is of no further use."""

    async def open(self, receive: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        """Begin.

        @param receive: takes each message that comes; never raises.
        @param lost: is called once, with the reason, when nothing more can come; not after L{close}.
        @raise McpError: the server can not be reached.
        """

    async def send(self, message: bytes, answered: Callable[[], bool] | None = None) -> None:
        """Send a message.

        @param answered: whether the answer has been received; None = there will be none. Where the answer comes by
            the way on which the message went, this returns when it is there.
        @raise SessionEnded: nothing more can come, for this reason.
        @raise McpError: it can not be sent, or the answer can not come any more.
        """

    def agreed(self, version: str) -> None:
        """The revision of the protocol is settled; the server may now speak by itself."""

    async def close(self) -> None:
        """End it; within a few seconds, whatever the server does."""


__all__ = ["SessionEnded", "Transport"]
