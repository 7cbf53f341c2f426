# -*- test-case-name: tests.ws.test_presence -*-
"""C{system-presence}, and the event C{presence} (spec 2.8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta

from openclaw_tx.auth.actions import ADMIN, may, missing_scope
from openclaw_tx.auth.sight import is_bounded
from openclaw_tx.values import Principal
from openclaw_tx.wire.frames import Natural
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.connection import Connection
from openclaw_tx.ws.methods import Call, Caller, Method
from openclaw_tx.ws.presence import MAX_TEXT, Presence

OLDEST_WITH_JOIN = 4
"""Protocol whose clients are told when somebody comes; older ones only when somebody leaves."""


Text = Annotated[str, Meta(min_length=1, max_length=200)]
Names = Annotated[list[Text], Meta(max_length=32)]


class PresenceParams(Params, frozen=True):
    """Params of C{system-presence}: none."""


class AboutParams(Params, frozen=True, omit_defaults=True):
    """Params of C{system-event} about the machine that speaks, or that it speaks for."""

    device_id: Text | None = None
    instance_id: Text | None = None
    host: Text | None = None
    ip: Text | None = None
    mode: Text | None = None
    version: Text | None = None
    platform: Text | None = None
    device_family: Text | None = None
    model_identifier: Text | None = None
    last_input_seconds: Natural | None = None
    reason: Text | None = None
    roles: Names | None = None
    scopes: Names | None = None
    tags: Names | None = None


_NAMES = [(field.name, field.encode_name) for field in msgspec.structs.fields(AboutParams)]
"""Properties of a row: here and on the wire."""

JOINED, LEFT = "presence of who came", "presence"
"""Topics: not everybody is told of who came, and that somebody left is told all the same."""


class Teller(Protocol):
    """L{openclaw_tx.ws.hub.Hub}, as far as it is needed here."""

    def tell_if(
        self,
        event: str,
        payload: Any,
        wants: Callable[[Connection], bool],
        state_version: tuple[int, int] | None = None,
        *,
        topic: str = "",
        replaces: Sequence[str] = (),
    ) -> None: ...

    def soon(self, tell: Callable[[], None]) -> None: ...


class PresenceWatch:
    """Keeps presence as connections come and go, and tells the others."""

    def __init__(self, presence: Presence, hub: Teller, health_version: Callable[[], int]) -> None:
        self._presence = presence
        self._hub = hub
        self._health_version = health_version
        self._all_hear = False

    def joined(self, connection: Connection) -> None:
        """See L{openclaw_tx.ws.connection.Watch}."""
        if self._presence.joined(connection):
            self._hub.soon(self.tell)

    def left(self, connection: Connection) -> None:
        """See L{openclaw_tx.ws.connection.Watch}."""
        if self._presence.left(connection):
            self._all_hear = True
            self._hub.soon(self.tell)

    def report(self, caller: Caller, about: AboutParams, text: str) -> None:
        """Take what a machine says of itself (C{system-event}), and tell everybody."""
        assert isinstance(caller, Connection)
        told = msgspec.structs.asdict(about)
        named = {encoded: told[name] for name, encoded in _NAMES if told[name] is not None}
        self._presence.report(caller, {**named, "text": text[:MAX_TEXT]})
        self._all_hear = True
        self._hub.soon(self.tell)

    def tell(self) -> None:
        """Send the event to everybody who may see who is there; that somebody came, not to the oldest clients.

        Each event has all of them. So when very many come at once they make one event for each round, and who is so far
        behind as to have heard none of several is told the last.
        """
        all_hear, self._all_hear = self._all_hear, False
        self._hub.tell_if(
            "presence",
            {"presence": self._presence.rows()},
            lambda one: sees_presence(one.principal) and (all_hear or one.protocol >= OLDEST_WITH_JOIN),
            (self._presence.version, self._health_version()),
            topic=LEFT if all_hear else JOINED,
            replaces=(JOINED, LEFT) if all_hear else (JOINED,),
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


__all__ = ["AboutParams", "PresenceMethods", "PresenceWatch", "sees_presence"]
