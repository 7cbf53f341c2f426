"""Channels: other ways than the gateway's own port on which people talk to agents. docs/channels.md shows one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from openclaw_tx.values import (
    ChannelStatus,
    DeliveryRoute,
    InboundMessage,
    Outcome,
    Principal,
    Received,
    RunRequest,
    SessionEntry,
)

Receive = Callable[[InboundMessage], Awaitable[Received]]
"""Takes a message that came in. Awaiting it ends when the agent is at work, not when it has answered.

Raises L{GatewayError} when it was not taken; the same message may then be handed in again.
"""


class IChannel(Protocol):
    """A way on which people talk to agents, with its accounts. An embedder hands one to L{Gateway}."""

    @property
    def name(self) -> str:
        """A lower-case word, e.g. C{webhook}; there is one channel of a name."""

    def start(self, receive: Receive) -> None:
        """Begin; messages that come in go to C{receive}. Called once."""

    async def stop(self) -> None:
        """Take nothing more, and give up what is not sent yet."""

    async def send(self, route: DeliveryRoute, text: str, media: Sequence[str] = (), delivery_id: str = "") -> str:
        """Send a message, and wait until it is delivered. Who waits may be cancelled; the message goes on.

        @param media: URLs and paths of files that belong to it.
        @param delivery_id: the same again is the same message; "" = it has none.
        @return: the message's id on the channel.
        @raise GatewayError: C{delivery_failed}; C{queue_full}: too many wait; C{invalid_request}: there is no such
            account or peer.
        """

    def status(self) -> ChannelStatus:
        """How it stands; quick, and without asking anybody."""


class Conversations(Protocol):
    """Chat, for who speaks in somebody's name: commands, queues and all."""

    async def take(self, request: RunRequest, text: str, principal: Principal) -> None:
        """Hand in a message. How it came out, L{outcome} tells, if it was asked before.

        @raise GatewayError: it was not taken.
        """

    def outcome(self, run_id: str) -> Deferred[Outcome]:
        """Fire when the message of this run id is through, whatever became of it. Cancelling it stops the wait."""

    def close(self) -> None:
        """Nobody waits for anything any more."""


class Delivery(Protocol):
    """An answer on its way. It goes on whether or not anybody waits."""

    async def wait(self) -> str:
        """The message's id when it is delivered; "" = there was nothing to say.

        @raise GatewayError: as L{Channels.send}.
        """

    def call_off(self) -> None:
        """Deliver nothing."""


class Channels(Protocol):
    """All channels together."""

    def status(self) -> Sequence[ChannelStatus]:
        """Of each that has an account, the built-in one first."""

    def route(
        self, entry: SessionEntry | None, *, channel: str = "", to: str = "", account_id: str = ""
    ) -> DeliveryRoute:
        """Where an answer of a session goes: where it is wanted, else where the session was last spoken to from.

        @param channel: name of the channel; "" or C{last} = that of the session.
        @raise GatewayError: C{no_channels}: there is no such channel; C{invalid_request}: nobody has said where.
        """

    async def send(self, route: DeliveryRoute, text: str, media: Sequence[str] = (), *, delivery_id: str = "") -> str:
        """See L{IChannel.send}.

        @raise GatewayError: besides, C{no_channels}: there is no such channel.
        """

    def follow(self, run_id: str, route: DeliveryRoute) -> Delivery:
        """Deliver what comes of a chat message or run that is about to be started.

        @raise GatewayError: C{queue_full}: too many answers are on their way.
        """


class IChannelPlugin(Interface):
    """An object in a module of C{twisted.plugins} that has channels; docs/channels.md shows one."""

    name: str = Attribute("Short name, for the log.")

    def channels(reactor: Any) -> Iterable[IChannel]:
        """Its channels, asked for once when the gateway is made.

        @param reactor: what the gateway runs on; a channel takes time and connections from it.
        """


__all__ = ["Channels", "Conversations", "Delivery", "IChannel", "IChannelPlugin", "Receive"]
