"""Other processes of the same gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from openclaw_tx.interfaces.runs import Push


class Taken(Protocol):
    """A client's connection that another process serves now."""

    def received(self, data: bytes) -> None:
        """The client has sent more."""

    def half_closed(self) -> None:
        """The client will send nothing more."""

    def lost(self) -> None:
        """The client's connection is gone."""


class Elsewhere(Protocol):
    """The process that does what this one does not."""

    def take(self, client: Any, first: bytes) -> Taken:
        """Take a connection of which nothing was answered yet.

        @param client: its transport, without a producer.
        @param first: what it has sent so far, from the first byte of a request on.
        """


@runtime_checkable
class DistantRun(Protocol):
    """A L{openclaw_tx.interfaces.Run} of another process."""

    def follow(self, push: Push, after: int = 0) -> Callable[[], None]:
        """As L{openclaw_tx.interfaces.Run.watch}, but each entry comes only once it is durable, and without what is not
        held any more. An empty batch means that no more will come although the run has not ended."""

    async def refresh(self) -> None:
        """Learn how it stands; L{openclaw_tx.interfaces.Run.state} tells it then. Whatever hinders it is no error."""
