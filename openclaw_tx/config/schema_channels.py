"""Shape of C{channels} and C{bindings}: who talks to agents from elsewhere, and to which (spec 5.4)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from openclaw_tx.config.section import PositiveInt, Section, Slug


class BindingPeer(Section, frozen=True):
    """One conversation."""

    kind: Literal["dm", "direct", "group", "channel"]
    """Of a person, or of several; direct = dm."""
    id: Annotated[str, Meta(min_length=1)]
    """The channel's own id."""


class BindingMatch(Section, frozen=True):
    """Messages that a binding is for; all that is given must fit."""

    channel: Annotated[str, Meta(min_length=1)]
    """Name of the channel, e.g. webhook."""
    account_id: str = ""
    """Account of the channel; * = any; empty = its default account."""
    peer: BindingPeer | None = None
    """One conversation; unset = any."""
    guild_id: str = ""
    """Server that the conversation is on; empty = any."""
    team_id: str = ""
    """Team that it belongs to; empty = any."""


class Binding(Section, frozen=True):
    """An entry of C{bindings}: who answers what comes over a channel. The most specific one that fits counts."""

    agent_id: Annotated[str, Meta(min_length=1)]
    """The agent."""
    match: BindingMatch
    """What it answers."""


class WebhookAccount(Section, frozen=True):
    """An entry of C{channels.webhook}: a service that talks to agents in signed HTTP requests."""

    enabled: bool = True
    """Serve it."""
    secret: str = ""
    """What the service signs its requests with, required; 16 characters at least."""
    out_url: str = ""
    """Where answers are posted to; empty = nowhere, and nothing can be sent to it."""
    out_secret: str = ""
    """What those are signed with; empty = secret."""
    agent_id: str = ""
    """Who answers where no binding says; empty = the default agent."""
    max_body_bytes: PositiveInt = 256 * 1024
    """Largest body of a request."""
    allow_loopback: bool = False
    """Let outUrl lie on this machine; other private addresses are out of bounds anyway."""


class ChannelsSection(Section, frozen=True):
    """C{channels}: ways on which people talk to agents besides the gateway's own port (docs/channels.md)."""

    webhook: dict[Slug, WebhookAccount] = field(default_factory=dict)
    """Services by name, each at `/channels/webhook/<name>`."""
    plugins: bool = True
    """Start channels of installed packages that provide openclaw_tx.interfaces.IChannelPlugin (docs/channels.md). Takes
    effect at the start of the program, and not where a gateway is embedded."""


__all__ = ["Binding", "BindingMatch", "BindingPeer", "ChannelsSection", "WebhookAccount"]
