"""The built-in channel: chat clients of the gateway's own port. They hand messages in and hear of answers there."""

from __future__ import annotations

from collections.abc import Sequence

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Receive
from openclaw_tx.sessions.keys import DEFAULT_ACCOUNT
from openclaw_tx.values import AccountStatus, ChannelStatus, DeliveryRoute

WEBCHAT = "webchat"


class WebChat:
    """Implements L{openclaw_tx.interfaces.IChannel}. Nothing passes through here: C{chat.send} takes messages, and
    events tell of answers."""

    name = WEBCHAT

    def start(self, receive: Receive) -> None:
        """It is there as long as the port is."""

    async def stop(self) -> None:
        """Likewise."""

    async def send(self, route: DeliveryRoute, text: str, media: Sequence[str] = (), delivery_id: str = "") -> str:
        """
        @raise GatewayError: always: chat clients are spoken to with C{chat.send} and C{chat.inject}.
        """
        raise GatewayError("invalid_request", "unsupported channel: webchat. Use chat.send for chat clients.")

    def status(self) -> ChannelStatus:
        """See L{openclaw_tx.interfaces.IChannel.status}."""
        account = AccountStatus(account_id=DEFAULT_ACCOUNT)
        return ChannelStatus(name=WEBCHAT, label="WebChat", default_account_id=DEFAULT_ACCOUNT, accounts=(account,))


__all__ = ["WEBCHAT", "WebChat"]
