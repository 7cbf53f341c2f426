# -*- test-case-name: tests.ws.test_connection -*-
"""What a connection's machine (L{openclaw_tx.ws.connection}) needs of its transport."""

from __future__ import annotations

from typing import Protocol

from openclaw_tx.wire.events import Batch


class Link(Protocol):
    """What the machine needs of its transport. None of it raises."""

    def keeps_up(self, size: int) -> bool:
        """Whether a message of C{size} bytes that may be skipped should be sent."""

    def send(self, message: bytes) -> None:
        """Send, or hold until the peer takes it; over the limit the link closes with 1008."""

    def tell(self, batch: Batch, first: int) -> None:
        """Send events, or hold them likewise.

        @param first: number of the first.
        """

    def close(self, code: int, reason: str) -> None:
        """Close; only the first call counts."""

    def accepted(self) -> None:
        """The client is let in: larger messages may come."""


__all__ = ["Link"]
