# -*- test-case-name: tests.ws.test_presence -*-
"""C{system-presence}, and the event C{presence} (spec 2.8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from openclaw_tx.auth.actions import ADMIN, may, missing_scope
from openclaw_tx.auth.sight import is_bounded
from openclaw_tx.values import Principal
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.connection import Connection
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.presence import Presence

OLDEST_WITH_JOIN = 4
"""Protocol whose clients are told when somebody comes; older ones only when somebody leaves."""


class PresenceParams(Params, frozen=True):
    """Params of C{system-presence}: none."""


class Teller(Protocol):
    """L{openclaw_tx.ws.hub.Hub}, as far as it is needed here."""

    def tell_if(
        self,
        event: str,
        payload: Any,
        wants: Callable[[Connection], bool],
        state_version: tuple[int, int] | None = None,
    ) -> None: ...


class PresenceWatch:
    """Keeps presence as connections come and go, and tells the others."""

    def __init__(self, presence: Presence, hub: Teller, health_version: Callable[[], int]) -> None:
        self._presence = presence
        self._hub = hub
        self._health_version = health_version

    def joined(self, connection: Connection) -> None:
        """See L{openclaw_tx.ws.connection.Watch}."""
        if self._presence.joined(connection):
            self.tell(lambda other: other.protocol >= OLDEST_WITH_JOIN)

    def left(self, connection: Connection) -> None:
        """See L{openclaw_tx.ws.connection.Watch}."""
        if self._presence.left(connection):
            self.tell()

    def tell(self, wants: Callable[[Connection], bool] = lambda _: True) -> None:
        """Send the event to everybody who may see who is there."""
        self._hub.tell_if(
            "presence",
            {"presence": self._presence.rows()},
            lambda connection: sees_presence(connection.principal) and wants(connection),
            (self._presence.version, self._health_version()),
        )


class PresenceMethods:
    """The family of presence."""

    def __init__(self, presence: Presence) -> None:
        self._presence = presence

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [Method("system-presence", "system-presence", PresenceParams, self.list)]

    async def list(self, call: Call[PresenceParams]) -> Any:
        """Everybody. A client that may only know of its own does not get it."""
        if is_bounded(call.principal):
            raise missing_scope(ADMIN)
        return self._presence.rows()


def sees_presence(principal: Principal) -> bool:
    """Whether it may know who is there."""
    return may(principal, "system-presence") and not is_bounded(principal)


__all__ = ["PresenceMethods", "PresenceWatch", "sees_presence"]
