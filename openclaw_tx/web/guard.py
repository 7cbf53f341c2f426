# -*- test-case-name: tests.web.test_guard -*-
"""Nobody passes unasked: authentication and authorisation of everything under C{/v1}.

A resource of that subtree is an L{Endpoint}; it can not be made without the guard, names its action, and is handed the
principal that may do it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from openclaw_tx.auth.actions import ACTIONS
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Authenticator, Authoriser, Meter
from openclaw_tx.values import Credentials, Principal
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.resource import GatewayResource, NewId
from openclaw_tx.wire.openai_chat_fields import Handling


class Guard(NamedTuple):
    """Who is asking, and may they."""

    authenticator: Authenticator
    authorise: Authoriser
    meter: Meter | None = None
    """Counts requests against limits; None = nobody has any."""

    async def admit(self, exchange: Exchange, action: str, *, by_device: bool = False) -> Principal:
        """The principal behind a request, who may do C{action}. The answer tells how its limits stand.

        @param by_device: a device's token does as well.
        @raise GatewayError: as L{Authenticator.authenticate}, L{Authoriser} and L{Meter.request}.
        """
        principal = await self.authenticator.authenticate(credentials_of(exchange, by_device), exchange)
        self.authorise(principal, action)
        if self.meter is not None and ACTIONS[action].metered:
            try:
                self.meter.request(principal)
            finally:
                for name, value in self.meter.headers(principal).items():
                    exchange.set_header(name, value)
        return principal


class Endpoint(GatewayResource):
    """A guarded resource that can be switched off by configuration."""

    action: ClassVar[str]
    """What it does, by the name that L{openclaw_tx.auth.actions} knows."""
    config_key: ClassVar[str]
    """The switch, named to clients that meet it off; "" = it is always on."""
    by_device: ClassVar[bool] = False
    """A device's token opens it, besides all else that does. For reads of the Control UI: a browser that was paired
    keeps nothing but its token."""
    fields: ClassVar[Mapping[str, Handling]] = {}
    """What is done with each field of a request; C{/v1/capabilities} shows it."""

    def __init__(self, guard: Guard, new_id: NewId) -> None:
        super().__init__(new_id)
        self._guard = guard

    def enabled(self) -> bool:
        """Whether the switch is on, read from the configuration of the moment."""
        raise NotImplementedError

    async def serve(self, exchange: Exchange, principal: Principal) -> None:
        """Answer somebody who may ask; see L{GatewayResource.respond}."""
        raise NotImplementedError

    def refusal(self) -> GatewayError | None:
        """404 for every method and without authentication while it is off (decision D1)."""
        if self.enabled():
            return None
        return GatewayError(
            "endpoint_disabled", f"This endpoint is disabled. Set {self.config_key} to true to enable it."
        )

    def action_of(self, method: bytes) -> str:
        """The action of an HTTP method, for resources of which one does more than the others."""
        return self.action

    async def respond(self, exchange: Exchange) -> None:
        """Ask the guard, then serve."""
        action = self.action_of(exchange.request.method)
        await self.serve(exchange, await self._guard.admit(exchange, action, by_device=self.by_device))


def credentials_of(exchange: Exchange, by_device: bool = False) -> Credentials:
    """What C{Authorization: Bearer} offers: the one secret, as token and as password (spec 1.1).

    @param by_device: it may be a device's token.
    """
    secret = exchange.bearer or None
    return Credentials(token=secret, password=secret, any_device=by_device)


__all__ = ["Endpoint", "Guard", "credentials_of"]
