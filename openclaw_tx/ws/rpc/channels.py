# -*- test-case-name: tests.ws.rpc.test_channels -*-
"""C{channels.status}, C{send} and C{poll}. This gateway has no channels: chat clients come over its own port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.errors import GatewayError
from openclaw_tx.wire.frames import NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method

NONE = "no channels are configured: this gateway delivers nothing, clients of its own port get answers themselves"


class ChannelsStatusParams(Params, frozen=True):
    """Params of C{channels.status}; there is nothing that they could choose from."""

    probe: bool = False
    timeout_ms: Annotated[int, Meta(ge=0)] = 0
    channel: NonEmpty | None = None


class SendParams(Params, frozen=True):
    """Params of C{send}."""

    to: NonEmpty
    idempotency_key: NonEmpty
    message: str = ""
    media_url: str = ""
    media_urls: list[str] = []
    buffer: str = ""
    filename: str = ""
    content_type: str = ""
    as_voice: bool = False
    gif_playback: bool = False
    channel: str = ""
    account_id: str = ""
    agent_id: str = ""
    reply_to_id: str = ""
    thread_id: str = ""
    force_document: bool = False
    silent: bool = False
    parse_mode: Literal["HTML"] | None = None
    session_key: str = ""


class PollParams(Params, frozen=True):
    """Params of C{poll}."""

    to: NonEmpty
    question: NonEmpty
    options: Annotated[list[NonEmpty], Meta(min_length=2, max_length=12)]
    idempotency_key: NonEmpty
    max_selections: Annotated[int, Meta(ge=1, le=12)] = 1
    duration_seconds: Annotated[int, Meta(ge=1, le=604_800)] | None = None
    duration_hours: Annotated[int, Meta(ge=1)] | None = None
    silent: bool = False
    is_anonymous: bool = True
    thread_id: str = ""
    channel: str = ""
    account_id: str = ""


class ChannelMethods:
    """The family of channels."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("channels.status", "channels.status", ChannelsStatusParams, self.status),
            Method("send", "send", SendParams, self.send),
            Method("poll", "send", PollParams, self.send),
        ]

    async def status(self, call: Call[ChannelsStatusParams]) -> Any:
        """C{{ts, channelOrder[], channelLabels, channels, channelAccounts, channelDefaultAccountId, channelMeta[]}},
        all empty."""
        return {
            "ts": int(self._clock.seconds() * 1000),
            "channelOrder": [],
            "channelLabels": {},
            "channelDetailLabels": {},
            "channelSystemImages": {},
            "channelMeta": [],
            "channels": {},
            "channelAccounts": {},
            "channelDefaultAccountId": {},
        }

    async def send(self, call: Call[SendParams | PollParams]) -> Any:
        """C{UNAVAILABLE}: there is no channel that it could go to."""
        raise GatewayError("no_channels", NONE)


__all__ = ["ChannelMethods"]
