# -*- test-case-name: tests.channels.test_methods -*-
"""C{channels.status}, C{send} and C{poll} (spec 2.4): channels, and messages to them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from openclaw_tx.auth.sight import is_bounded
from openclaw_tx.channels.delivery import PendingDelivery
from openclaw_tx.channels.webchat import WEBCHAT
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Channels, Sessions
from openclaw_tx.values import AccountStatus, ChannelStatus, DeliveryRoute
from openclaw_tx.wire.frames import Natural, NonEmpty, Positive
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.asks import bad, fingerprint, seat

NONE = "there are no channels"
MAX_SENT = 1000
"""Keys of messages that are remembered; the oldest go."""
MAX_SENDING = 500
"""Messages that are on their way; more are refused."""
MAX_MEDIA = 20


class ChannelsStatusParams(Params, frozen=True):
    """Params of C{channels.status}. Nobody is asked for it, so a probe is the same and takes no time."""

    probe: bool = False
    timeout_ms: Natural = 0
    channel: NonEmpty | None = None
    """Only this one."""


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
    duration_hours: Positive | None = None
    silent: bool = False
    is_anonymous: bool = True
    thread_id: str = ""
    channel: str = ""
    account_id: str = ""


class ChannelMethods:
    """The family of channels."""

    _log = Logger()

    def __init__(
        self,
        channels: Channels | None,
        agents: Agents,
        sessions: Sessions,
        clock: IReactorTime,
        scope: Callable[[], str],
    ) -> None:
        """
        @param channels: None = there are none.
        @param scope: C{session.scope}.
        """
        self._channels = channels
        self._agents = agents
        self._sessions = sessions
        self._clock = clock
        self._scope = scope
        self._sent: OrderedDict[str, tuple[str, PendingDelivery]] = OrderedDict()
        """Delivery id -> what was asked, and the message, which may be on its way still."""

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        return [
            Method("channels.status", "channels.status", ChannelsStatusParams, self.status),
            Method("send", "send", SendParams, self.send),
            Method("poll", "send", PollParams, self.poll),
        ]

    async def status(self, call: Call[ChannelsStatusParams]) -> Any:
        """C{{ts, channelOrder[], channelLabels, channels, channelAccounts, channelDefaultAccountId, channelMeta[]}}:
        every channel with its accounts. Times are epoch milliseconds."""
        found = self._channels.status() if self._channels is not None else ()
        wanted = call.params.channel
        shown = [channel for channel in found if wanted is None or channel.name == wanted.strip().lower()]
        return {
            "ts": int(self._clock.seconds() * 1000),
            "channelOrder": [channel.name for channel in shown],
            "channelLabels": {channel.name: channel.label for channel in shown},
            "channelDetailLabels": {channel.name: channel.label for channel in shown},
            "channelSystemImages": {},
            "channelMeta": [
                {"id": channel.name, "label": channel.label, "detailLabel": channel.label} for channel in shown
            ],
            "channels": {channel.name: _summary(channel) for channel in shown},
            "channelAccounts": {channel.name: [_row(one) for one in channel.accounts] for channel in shown},
            "channelDefaultAccountId": {channel.name: channel.default_account_id for channel in shown},
        }

    async def send(self, call: Call[SendParams]) -> Any:
        """C{{runId, messageId, channel}} when the message has arrived. A repeated key sends nothing again, also while
        the message is on its way, or when whoever sent it has hung up; after a failure it does."""
        params = call.params
        for name in ("buffer", "reply_to_id", "thread_id", "as_voice", "gif_playback", "force_document", "parse_mode"):
            if getattr(params, name):
                raise bad("send", f"{name} is not supported by the channels of this gateway")
        media = [url for url in (params.media_url, *params.media_urls) if url.strip()]
        if not params.message.strip() and not media:
            raise bad("send", "message or mediaUrl is needed")
        if len(media) > MAX_MEDIA:
            raise bad("send", f"mediaUrls: at most {MAX_MEDIA}")
        if params.channel.strip().lower() == WEBCHAT:
            raise bad("send", "unsupported channel: webchat. Use chat.send for chat clients")
        if is_bounded(call.principal):
            raise GatewayError("insufficient_scope", "keys with bounds send nothing over channels")
        route = await self._route(call)
        key = f"{call.principal.id}\0{params.idempotency_key}".encode("utf-8", "replace")
        delivery_id, asked = f"send_{hashlib.sha256(key).hexdigest()[:32]}", fingerprint("send", params)
        known = self._sent.get(delivery_id)
        if known is not None and known[0] != asked:
            raise GatewayError("idempotency_key_conflict", "this idempotencyKey was used before for another request")
        pending = known[1] if known is not None else self._begin(delivery_id, asked, route, params.message, media)
        return {"runId": params.idempotency_key, "messageId": await pending.wait(), "channel": route.channel}

    def _begin(
        self, delivery_id: str, asked: str, route: DeliveryRoute, text: str, media: Sequence[str]
    ) -> PendingDelivery:
        """Send a message; it goes on whether or not anybody waits.

        @raise GatewayError: C{queue_full}.
        """
        assert self._channels is not None
        if sum(not pending.ended for _, pending in self._sent.values()) >= MAX_SENDING:
            raise GatewayError("queue_full", "Too many messages are on their way; try again shortly.", retry_after=5)
        work = self._channels.send(route, text, media, delivery_id=delivery_id)
        pending = PendingDelivery(work, self._log, f"message {delivery_id}")
        self._sent[delivery_id] = (asked, pending)

        def ended() -> None:
            if pending.failed:
                self._sent.pop(delivery_id, None)

        if pending.ended:
            ended()
        else:
            pending.when_ended(ended)
        while len(self._sent) > MAX_SENT:
            self._sent.popitem(last=False)
        return pending

    async def _route(self, call: Call[SendParams]) -> DeliveryRoute:
        params = call.params
        if self._channels is None:
            raise GatewayError("no_channels", NONE)
        entry, channel = None, params.channel.strip()
        if params.session_key.strip():
            scope = self._scope()
            place = seat("send", self._agents, call.principal, params.agent_id, params.session_key, "", scope)
            entry = await self._sessions.get(place.session_key)
        elif not channel:
            others = [one.name for one in self._channels.status() if one.name != WEBCHAT]
            if not others:
                raise GatewayError("no_channels", "no channel is configured that messages could be sent to")
            if len(others) > 1:
                raise bad("send", f"channel must be one of {', '.join(others)}")
            channel = others[0]
        return self._channels.route(entry, channel=channel, to=params.to, account_id=params.account_id)

    async def poll(self, call: Call[PollParams]) -> Any:
        """C{UNAVAILABLE}: none of the channels has polls."""
        raise GatewayError("no_channels", "no channel of this gateway has polls")


def _summary(channel: ChannelStatus) -> dict[str, Any]:
    return {
        "configured": any(account.configured for account in channel.accounts),
        "running": any(account.running for account in channel.accounts),
    }


def _row(account: AccountStatus) -> dict[str, Any]:
    row: dict[str, Any] = {
        "accountId": account.account_id,
        "enabled": account.enabled,
        "configured": account.configured,
        "running": account.running,
    }
    if account.last_error:
        row["lastError"] = account.last_error
    if account.last_inbound_at_ms:
        row["lastInboundAt"] = account.last_inbound_at_ms
    if account.last_outbound_at_ms:
        row["lastOutboundAt"] = account.last_outbound_at_ms
    if account.waiting:
        row["waiting"] = account.waiting
    return row


__all__ = ["ChannelMethods"]
