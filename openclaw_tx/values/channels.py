"""Messages that come over channels, and where answers go."""

from __future__ import annotations

from typing import Literal

from openclaw_tx.values.value import Value

PeerKind = Literal["dm", "group", "channel"]
"""One person, or several. A group and a channel are the same but for their name."""


RESTARTED_TEXT = "I was restarted before I could answer. Please ask again."
"""Said to who waits for an answer that does not come any more."""


class ChannelPeer(Value, frozen=True):
    """Who is at the other end of a conversation."""

    kind: PeerKind
    id: str
    """As the channel knows it: a person's id, or a room's."""

    @property
    def address(self) -> str:
        """C{to} of what is sent there, C{<kind>:<id>}."""
        return f"{self.kind}:{self.id}"

    @classmethod
    def of(cls, address: str) -> ChannelPeer:
        """The peer of an address; one without a kind is a person's."""
        for kind in ("dm", "group", "channel"):
            if address.startswith(f"{kind}:") and address != f"{kind}:":
                return cls(kind=kind, id=address[len(kind) + 1 :])
        return cls(kind="dm", id=address)


class InboundMessage(Value, frozen=True):
    """Something that was said on a channel."""

    channel: str
    """Name of the channel, in lower case."""
    account_id: str
    """The account of the gateway's that it was said to."""
    id: str
    """The channel's own; one id of an account is answered once."""
    peer: ChannelPeer
    text: str
    sender: str = ""
    """Who speaks in a group; "" = the peer itself, or unknown."""
    guild_id: str = ""
    team_id: str = ""
    agent_id: str = ""
    """Who answers where no binding says; "" = the default agent."""


class DeliveryRoute(Value, frozen=True):
    """Where a message goes."""

    channel: str
    to: str
    """See L{ChannelPeer.address}."""
    account_id: str = ""
    """"" = the channel's default account."""


class Received(Value, frozen=True):
    """What became of a message that was handed in."""

    run_id: str
    duplicate: bool = False
    """It was handed in before; nothing was done."""


class Outcome(Value, frozen=True):
    """What a chat message led to."""

    text: str = ""
    """What is to be said; "" = nothing."""
    media: tuple[str, ...] = ()
    """URLs and paths."""


class AccountStatus(Value, frozen=True):
    """How one account of a channel stands."""

    account_id: str
    enabled: bool = True
    configured: bool = True
    running: bool = True
    last_error: str = ""
    """Why the last delivery failed; "" = it did not."""
    last_inbound_at_ms: int = 0
    last_outbound_at_ms: int = 0
    waiting: int = 0
    """Messages that are to be sent yet."""


class ChannelStatus(Value, frozen=True):
    """How a channel stands."""

    name: str
    label: str
    default_account_id: str
    accounts: tuple[AccountStatus, ...] = ()


__all__ = [
    "RESTARTED_TEXT",
    "AccountStatus",
    "ChannelPeer",
    "ChannelStatus",
    "DeliveryRoute",
    "InboundMessage",
    "Outcome",
    "PeerKind",
    "Received",
]
