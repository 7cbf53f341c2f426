# -*- test-case-name: tests.channels.test_webhook -*-
"""The channel C{webhook}: services that talk to agents in signed HTTP requests, each an account of it.

Requests come in through L{openclaw_tx.web.channels}; answers are posted to the account's C{outUrl}. Both are signed
alike (L{openclaw_tx.channels.signing}).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from twisted.internet.interfaces import IReactorTime

from openclaw_tx.channels.outbox import Outbox, Refused
from openclaw_tx.channels.signing import is_genuine, is_recent, signed
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_channels import WebhookAccount
from openclaw_tx.errors import FetchFailed, GatewayError
from openclaw_tx.interfaces import Poster, Receive
from openclaw_tx.sessions.keys import DEFAULT_ACCOUNT
from openclaw_tx.values import (
    AccountStatus,
    ChannelPeer,
    ChannelStatus,
    DeliveryRoute,
    InboundMessage,
    PeerKind,
    Received,
)

WEBHOOK = "webhook"
TRY_SECONDS = 15.0
"""How long one try may take."""
AGAIN = frozenset({408, 425, 429})
"""Statuses, besides those of servers in trouble, after which a message is tried again."""
Id = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x20\x7f]+$")]


class _Body(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Base of what services send: unknown properties are refused."""


class PeerBody(_Body, frozen=True):
    """C{peer} of a request."""

    kind: PeerKind
    id: Id


class MessageBody(_Body, frozen=True):
    """The body of a request."""

    id: Id
    """The service's own; a message of one id is answered once."""
    peer: PeerBody
    text: Annotated[str, Meta(min_length=1, max_length=200_000, pattern=r"\S")]
    sender: Annotated[str, Meta(max_length=200)] = ""
    """Who speaks, in a group."""


class _Account:
    def __init__(self, name: str, clock: IReactorTime) -> None:
        self.outbox = Outbox(f"{WEBHOOK} {name}", clock)
        self.last_inbound = 0.0


class WebhookChannel:
    """Implements L{openclaw_tx.interfaces.IChannel}."""

    name = WEBHOOK

    def __init__(
        self, settings: Callable[[], Config], poster: Poster, clock: IReactorTime, new_id: Callable[[], str]
    ) -> None:
        """
        @param settings: the configuration of the moment.
        @param new_id: makes UUIDs.
        """
        self._settings = settings
        self._poster = poster
        self._clock = clock
        self._new_id = new_id
        self._receive: Receive | None = None
        self._accounts: dict[str, _Account] = {}

    def start(self, receive: Receive) -> None:
        """See L{openclaw_tx.interfaces.IChannel.start}."""
        self._receive = receive

    async def stop(self) -> None:
        """See L{openclaw_tx.interfaces.IChannel.stop}."""
        self._receive = None
        for account in self._accounts.values():
            account.outbox.close()

    # -- in

    def account(self, name: str) -> WebhookAccount | None:
        """The account of a name; None = there is none that is served."""
        found = self._settings().channels.webhook.get(name)
        return found if found is not None and found.enabled else None

    def is_genuine(self, account: WebhookAccount, timestamp: str, signature: str, body: bytes) -> bool:
        """Whether a request is from who knows the account's secret, and of now."""
        genuine = is_genuine(account.secret, timestamp, signature, body)
        return is_recent(timestamp, self._clock.seconds()) and genuine

    async def receive(self, name: str, body: MessageBody) -> Received:
        """Hand in what an account has sent.

        @raise GatewayError: C{not_found}: the account has gone meanwhile; or as L{Receive}.
        """
        account = self.account(name)
        if account is None or self._receive is None:
            raise GatewayError("not_found", "Not Found")
        self._state(name).last_inbound = self._clock.seconds()
        return await self._receive(
            InboundMessage(
                channel=WEBHOOK,
                account_id=name,
                id=body.id,
                peer=ChannelPeer(kind=body.peer.kind, id=body.peer.id),
                text=body.text,
                sender=body.sender,
                agent_id=account.agent_id.strip().lower(),
            )
        )

    # -- out

    async def send(self, route: DeliveryRoute, text: str, media: Sequence[str] = (), delivery_id: str = "") -> str:
        """See L{openclaw_tx.interfaces.IChannel.send}."""
        name = route.account_id or self._default()
        account = self.account(name)
        if account is None or not account.out_url:
            raise GatewayError(
                "invalid_request", f"no webhook {name!r} that messages can be sent to", param="accountId"
            )
        peer = ChannelPeer.of(route.to)
        if not peer.id.strip():
            raise GatewayError("invalid_request", "to: names nobody", param="to")
        delivery_id = delivery_id or self._new_id()
        message: dict[str, Any] = {"id": delivery_id, "peer": {"kind": peer.kind, "id": peer.id}, "text": text}
        if media:
            message["media"] = list(media)
        body = msgspec.json.encode(message)

        async def attempt() -> None:
            await self._post(name, delivery_id, body)

        await self._state(name).outbox.send(attempt)
        return delivery_id

    async def _post(self, name: str, delivery_id: str, body: bytes) -> None:
        """
        @raise Refused: it did not arrive.
        """
        account = self.account(name)  # as it is now: a message may have waited
        if account is None or not account.out_url:
            raise Refused("the account can not be sent to any more", final=True)
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": delivery_id,
            **signed(account.out_secret or account.secret, self._clock.seconds(), body),
        }
        try:
            status = await self._poster.post(
                account.out_url, body, headers, timeout_s=TRY_SECONDS, loopback=account.allow_loopback
            )
        except FetchFailed as error:
            raise Refused(str(error)) from None
        if not 200 <= status < 300:
            raise Refused(f"outUrl answered {status}", final=status < 500 and status not in AGAIN)

    # -- how it stands

    def status(self) -> ChannelStatus:
        """See L{openclaw_tx.interfaces.IChannel.status}."""
        accounts = tuple(self._told(*item) for item in self._settings().channels.webhook.items())
        return ChannelStatus(name=WEBHOOK, label="Webhook", default_account_id=self._default(), accounts=accounts)

    def _told(self, name: str, account: WebhookAccount) -> AccountStatus:
        state = self._accounts.get(name) or _Account(name, self._clock)
        return AccountStatus(
            account_id=name,
            enabled=account.enabled,
            configured=bool(account.secret),
            running=account.enabled and self._receive is not None,
            last_error=state.outbox.last_error,
            last_inbound_at_ms=int(state.last_inbound * 1000),
            last_outbound_at_ms=int(state.outbox.last_at * 1000),
            waiting=len(state.outbox),
        )

    def _default(self) -> str:
        """The account of that name, else the first that is served."""
        accounts = self._settings().channels.webhook
        served = [name for name, account in accounts.items() if account.enabled]
        return DEFAULT_ACCOUNT if not served or DEFAULT_ACCOUNT in served else served[0]

    def _state(self, name: str) -> _Account:
        """What is known of an account; of those that are configured no more nothing is kept but what waits."""
        configured = self._settings().channels.webhook
        for old in [old for old in self._accounts if old not in configured and not len(self._accounts[old].outbox)]:
            del self._accounts[old]
        return self._accounts.setdefault(name, _Account(name, self._clock))


__all__ = ["WEBHOOK", "MessageBody", "WebhookChannel"]
